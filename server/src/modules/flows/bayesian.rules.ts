// Bayesian sampling: the next point out of what became of those before, by a tree-structured Parzen estimator (J. Bergstra, R. Bardenet,
// Y. Bengio, B. Kégl, Algorithms for Hyper-Parameter Optimization, 2011). It models where the better points lie and where the others do,
// parameter by parameter, draws candidates from the first and takes the one that is most likely under the first and least under the
// second. The same seed, number and past give the same point. Bounded: a proposal looks at a hundred points at most. Pure.

import { flowsFailures } from './flows.errors.ts';
import { compareBy, type Goal } from './policies.rules.ts';
import { createSobol, drawn, type Known, type Learner } from './samplers.rules.ts';
import {
  type Distribution,
  normalQuantile,
  type Parameter,
  type Point,
  type Scalar,
  type Space,
  valueAt,
} from './space.rules.ts';

/** So many points are spread evenly before any is learned from. */
export const startupPoints = 10;
const candidates = 24;
const goodMax = 25;
const othersMax = 75;
/** How often a point that was tried before is drawn anew, where a space is so small that it comes again: likely ones, then any. */
const redraws = 5;
const redrawsAny = 200;

/** So many of the points that there are make a piece of the work. */
const pointsAPiece = 100;

/** What is learned of more is little, and each point is kept with its trial. */
export const learnedMax = 20;
const served: readonly string[] = ['choice', 'uniform', 'quniform'];

export function createBayesian(space: Space, goal: Goal, seed: number): Learner {
  const odd = space.find(({ distribution }) => !served.includes(distribution.kind));
  if (space.length > learnedMax) throw flowsFailures.SpaceTooLarge(learnedMax, 'with bayesian sampling');
  if (odd !== undefined) throw flowsFailures.NotBayesian(odd.name, odd.distribution.kind, served);
  const begin = createSobol(space, seed);
  function* pieces(number: number, known: readonly Known[]): Generator<undefined, Point> {
    const told = known.filter(({ value }) => value !== undefined);
    if (number < startupPoints || told.length < 2) return begin.at(number, known);
    let count = 0;
    const next = () => drawn(seed, number, count++);
    const { good, others } = parted(known, goal);
    const tried = new Set<string>();
    for (const [index, { point }] of known.entries()) {
      tried.add(keyOf(space, point));
      if (index % pointsAPiece === 0) yield;
    }
    for (let tries = 0; ; tries++) {
      yield;
      const point = tries < redraws ? yield* proposed(space, good, others, next) : anyOf(space, next);
      if (tries >= redrawsAny || !tried.has(keyOf(space, point))) return point;
    }
  }
  return {
    total: undefined,
    pieces,
    at(number, known = []) {
      const work = pieces(number, known);
      for (;;) {
        const piece = work.next();
        if (piece.done) return piece.value;
      }
    },
  };
}

/** A point as it is kept: of a choice which value it is, however long that is. */
export const codeOf = (space: Space, point: Point): readonly number[] =>
  space.map(({ name, distribution }) => {
    const value = point[name] ?? '';
    return distribution.kind === 'choice' ? distribution.values.indexOf(value) : Number(value);
  });
export const pointOf = (space: Space, code: readonly number[]): Point =>
  Object.fromEntries(
    space.map(({ name, distribution }, index): [string, Scalar] => {
      const kept = code[index] ?? 0;
      return [name, distribution.kind === 'choice' ? (distribution.values[kept] ?? '') : kept];
    }),
  );

const anyOf = (space: Space, next: () => number): Point =>
  Object.fromEntries(space.map(({ name, distribution }) => [name, valueAt(distribution, next())]));

const keyOf = (space: Space, point: Point): string => JSON.stringify(space.map(({ name }) => point[name]));

/** The best, and of the rest the latest: those that failed and those that still run are among them, so that none is begun beside them. */
function parted(
  known: readonly Known[],
  goal: Goal,
): { readonly good: readonly Point[]; readonly others: readonly Point[] } {
  const better = compareBy(goal);
  const told = known.flatMap(({ point, value }) => (value === undefined ? [] : [{ point, value }]));
  const best = told.sort((a, b) => better(a.value, b.value)).slice(0, Math.min(goodMax, Math.ceil(told.length / 5)));
  const good = new Set(best.map(({ point }) => point));
  return {
    good: [...good],
    others: known.flatMap(({ point }) => (good.has(point) ? [] : [point])).slice(-othersMax),
  };
}

/** Parameter by parameter. */
function* proposed(
  space: Space,
  good: readonly Point[],
  others: readonly Point[],
  next: () => number,
): Generator<undefined, Point> {
  const entries: [string, Scalar][] = [];
  for (const parameter of space) {
    yield;
    const [likely, unlikely] = [modelOf(parameter, good), modelOf(parameter, others)];
    let [best, score] = [likely.draw(next), Number.NEGATIVE_INFINITY];
    for (let drawnSoFar = 0; drawnSoFar < candidates; drawnSoFar++) {
      const at = likely.draw(next);
      const gain = Math.log(likely.density(at)) - Math.log(unlikely.density(at));
      if (gain > score) [best, score] = [at, gain];
    }
    entries.push([parameter.name, valueAt(parameter.distribution, Math.min(best, 1 - 2 ** -33))]);
  }
  return Object.fromEntries(entries);
}

/** Where values of one parameter lie, as places between 0 and 1. */
type Model = { draw(next: () => number): number; density(at: number): number };

function modelOf({ name, distribution }: Parameter, points: readonly Point[]): Model {
  const places = points.map((point) => placeOf(distribution, point[name] ?? ''));
  return distribution.kind === 'choice' ? ofChoices(distribution.values.length, places) : ofNumbers(places);
}

/** The middle of the piece of [0, 1] that `valueAt` makes into the value. */
function placeOf(distribution: Distribution, value: Scalar): number {
  if (distribution.kind === 'choice')
    return (Math.max(0, distribution.values.indexOf(value)) + 0.5) / distribution.values.length;
  if (!('min' in distribution)) return 0.5;
  const { min, max } = distribution;
  return Math.min(Math.max((Number(value) - min) / (max - min), 0), 1);
}

function ofChoices(count: number, places: readonly number[]): Model {
  const weights = Array.from({ length: count }, () => 1);
  for (const place of places) {
    const index = Math.min(Math.floor(place * count), count - 1);
    weights[index] = (weights[index] ?? 0) + 1;
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return {
    draw(next) {
      let left = next() * total;
      const index = weights.findIndex((weight) => {
        left -= weight;
        return left < 0;
      });
      return ((index < 0 ? count - 1 : index) + 0.5) / count;
    },
    density: (at) => (weights[Math.min(Math.floor(at * count), count - 1)] ?? 0) / total,
  };
}

/** A bell around each place, as wide as the gap to its neighbours, and one over all, so that nothing is ever impossible. */
function ofNumbers(places: readonly number[]): Model {
  const sorted = [...places].sort((a, b) => a - b);
  const least = 1 / Math.min(100, sorted.length + 2);
  const bells = sorted.map((middle, index) => {
    const gap = Math.max(middle - (sorted[index - 1] ?? 0), (sorted[index + 1] ?? 1) - middle);
    return bellOf(middle, Math.min(Math.max(gap, least), 1));
  });
  bells.push(bellOf(0.5, 1));
  return {
    draw(next) {
      const bell = bells[Math.min(Math.floor(next() * bells.length), bells.length - 1)] ?? bellOf(0.5, 1);
      const at = bell.middle + bell.width * normalQuantile(bell.below + next() * bell.mass);
      return Math.min(Math.max(at, 0), 1);
    },
    density: (at) =>
      bells.reduce(
        (sum, { middle, width, mass }) => sum + Math.exp(-(((at - middle) / width) ** 2) / 2) / (width * mass),
        0,
      ) / bells.length,
  };
}

type Bell = { readonly middle: number; readonly width: number; readonly below: number; readonly mass: number };

/** What of it lies below 0, and what within 0 and 1. */
function bellOf(middle: number, width: number): Bell {
  const below = normalBelow(-middle / width);
  return { middle, width, below, mass: normalBelow((1 - middle) / width) - below };
}

/** The standard normal distribution, by M. Abramowitz and I. Stegun 7.1.26 (error below 1.5e-7). */
function normalBelow(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const half = (1 - series * Math.exp(-z * z)) / 2;
  return x < 0 ? 0.5 - half : 0.5 + half;
}
