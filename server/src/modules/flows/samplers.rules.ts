// Which points of a space a sweep tries, by their number: the same number gives the same point, whoever asks and whenever, so
// that nothing about a sampler is kept and a restart changes nothing. One that learns from what became of others is in
// bayesian.rules.ts. Pure.

import { flowsFailures } from './flows.errors.ts';
import { directions, sobolDimensionsMax } from './sobol.data.ts';
import { type Point, type Scalar, type Space, valueAt } from './space.rules.ts';

/** A point that was begun before, and what it came to: undefined of one that runs, failed or logged nothing. */
export type Known = { readonly point: Point; readonly value: number | undefined };

export type Sampler = {
  /** How many points there are; undefined: as many as are asked for. */
  readonly total: number | undefined;
  /** @param number from 0, and less than `total` */
  at(number: number, known?: readonly Known[]): Point;
};

/** One that learns. What it does for a point is many times what others do: whoever has others waiting gives them a turn between the pieces. */
export type Learner = Sampler & {
  pieces(number: number, known: readonly Known[]): Generator<undefined, Point>;
};

const pointOf = (space: Space, of: (dimension: number) => Scalar): Point =>
  Object.fromEntries(space.map(({ name }, dimension) => [name, of(dimension)]));

/** Every combination once, also where a choice names a value twice; the last parameter changes first. */
export function createGrid(space: Space): Sampler {
  const axes = space.map(({ name, distribution }) => {
    if (distribution.kind !== 'choice') throw flowsFailures.InfiniteGrid(name, distribution.kind);
    return [...new Set(distribution.values)];
  });
  return {
    total: axes.reduce((product, { length }) => product * length, 1),
    at(number) {
      let left = number;
      const values = axes.map((): Scalar => '');
      for (let dimension = axes.length - 1; dimension >= 0; dimension--) {
        const axis = axes[dimension] ?? [];
        values[dimension] = axis[left % axis.length] ?? '';
        left = Math.floor(left / axis.length);
      }
      return pointOf(space, (dimension) => values[dimension] ?? '');
    },
  };
}

export function createRandom(space: Space, seed: number): Sampler {
  return {
    total: undefined,
    at: (number) => pointOf(space, (dimension) => valueIn(space, dimension, drawn(seed, number, dimension))),
  };
}

/**
 * The Sobol sequence: every beginning of it is spread evenly. Its very first point, all zeros, is left out: it is a corner of
 * the space, and no point at all of a normal distribution.
 * @param seed shifts all points alike, digit by digit, which keeps them as even; undefined: not shifted
 */
export function createSobol(space: Space, seed: number | undefined): Sampler {
  if (space.length > sobolDimensionsMax) throw flowsFailures.SobolTooWide(sobolDimensionsMax);
  const vectors = space.map((_, dimension) => vectorsOf(dimension));
  const shifts = space.map((_, dimension) =>
    seed === undefined ? 0 : Math.floor(drawn(seed, 0, dimension) * 2 ** 32),
  );
  return {
    total: undefined,
    at: (number) =>
      pointOf(space, (dimension) => {
        const digits = sobolDigits(vectors[dimension] ?? [], number + 1);
        return valueIn(space, dimension, ((digits ^ (shifts[dimension] ?? 0)) >>> 0) / 2 ** 32);
      }),
  };
}

const valueIn = (space: Space, dimension: number, at: number): Scalar => {
  const parameter = space[dimension];
  return parameter === undefined ? '' : valueAt(parameter.distribution, at);
};

const bits = 32;

/** Direction numbers of one dimension, each as 32 binary digits behind the point. */
function vectorsOf(dimension: number): readonly number[] {
  const direction = dimension === 0 ? undefined : directions[dimension - 1];
  if (direction === undefined) return Array.from({ length: bits }, (_, bit) => (2 ** (bits - 1 - bit)) >>> 0);
  const { degree, coefficients, first } = direction;
  const vectors = first.map((number, bit) => (number << (bits - 1 - bit)) >>> 0);
  for (let bit = degree; bit < bits; bit++) {
    const before = vectors[bit - degree] ?? 0;
    let vector = before ^ (before >>> degree);
    for (let term = 1; term < degree; term++)
      if ((coefficients >>> (degree - 1 - term)) & 1) vector ^= vectors[bit - term] ?? 0;
    vectors.push(vector >>> 0);
  }
  return vectors;
}

/** By Gray code, as Antonov and Saleev have it. */
function sobolDigits(vectors: readonly number[], number: number): number {
  const gray = number ^ (number >>> 1);
  return vectors.reduce((digits, vector, bit) => ((gray >>> bit) & 1 ? digits ^ vector : digits), 0) >>> 0;
}

const wordMask = (1n << 64n) - 1n;
/** SplitMix64 (G. Steele, D. Lea, C. Flood, 2014): every word into one that looks like chance. No secret is made of it. */
function mixed(word: bigint): bigint {
  let z = (word + 0x9e3779b97f4a7c15n) & wordMask;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & wordMask;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & wordMask;
  return z ^ (z >> 31n);
}

/** At least 0 and less than 1, by what it is drawn for. */
export const drawn = (seed: number, number: number, dimension: number): number =>
  Number(mixed(mixed(mixed(BigInt(seed)) ^ BigInt(number)) ^ BigInt(dimension)) >> 11n) / 2 ** 53;
