// Bayesian sampling finds better points than chance does, and the same ones for the same seed and past.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBayesian, startupPoints } from './bayesian.rules.ts';
import { createRandom, type Known, type Sampler } from './samplers.rules.ts';
import { type Point, readSpace, type Space } from './space.rules.ts';

const number = (point: Point, name: string) => Number(point[name]);

type Problem = { readonly space: Space; readonly value: (point: Point) => number };
const square = (x: number) => x * x;
const problems: Readonly<Record<string, Problem>> = {
  sphere: {
    space: readSpace({ x: ['uniform', [-5, 5]], y: ['uniform', [-5, 5]], z: ['uniform', [-5, 5]] }),
    value: (point) => square(number(point, 'x') - 2) + square(number(point, 'y') + 3) + square(number(point, 'z') - 1),
  },
  /** A. Dixon, G. Szegő, 1978. */
  branin: {
    space: readSpace({ x: ['uniform', [-5, 10]], y: ['uniform', [0, 15]] }),
    value(point) {
      const [x, y] = [number(point, 'x'), number(point, 'y')];
      return (
        square(y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6) +
        10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) +
        10
      );
    },
  },
  mixed: {
    space: readSpace({
      kind: ['choice', [['a', 'b', 'c', 'd', 'e', 'f']]],
      layers: ['quniform', [1, 20, 1]],
      rate: ['uniform', [0, 1]],
    }),
    value: (point) =>
      (point['kind'] === 'd' ? 0 : 3) +
      square(number(point, 'layers') - 13) / 10 +
      square((number(point, 'rate') - 0.7) * 4),
  },
};

/** The best of so many trials, of which `atOnce` run at the same time. */
function bestOf({ value }: Problem, sampler: Sampler, count: number, atOnce = 1): number {
  const known: Known[] = [];
  for (let at = 0; at < count; at += atOnce) {
    const points: Point[] = [];
    for (let beside = 0; beside < atOnce; beside++)
      points.push(sampler.at(at + beside, [...known, ...points.map((point) => ({ point, value: undefined }))]));
    known.push(...points.map((point) => ({ point, value: value(point) })));
  }
  return Math.min(...known.map((one) => one.value ?? Infinity));
}

const seeds = Array.from({ length: 30 }, (_, seed) => seed * 7_919 + 1);

for (const [name, problem] of Object.entries(problems))
  for (const atOnce of [1, 4])
    test(`after as many trials, ${atOnce} at once, it has found better points of ${name} than chance`, () => {
      const wins = seeds.filter((seed) => {
        const learned = bestOf(problem, createBayesian(problem.space, 'Minimize', seed), 60, atOnce);
        return learned < bestOf(problem, createRandom(problem.space, seed), 60);
      });
      // By chance alone it would be 22 or more of 30 once in a hundred times.
      assert.ok(wins.length >= 22, `${wins.length} of ${seeds.length}`);
    });

test('what is to be maximized is', () => {
  const { space, value } = problems['sphere'] as Problem;
  const upwards = { space, value: (point: Point) => -value(point) };
  const wins = seeds.filter((seed) => {
    const sampler = createBayesian(space, 'Maximize', seed);
    const known: Known[] = [];
    for (let at = 0; at < 60; at++) {
      const point = sampler.at(at, known);
      known.push({ point, value: upwards.value(point) });
    }
    return (
      -Math.max(...known.map((one) => one.value ?? -Infinity)) < bestOf({ space, value }, createRandom(space, seed), 60)
    );
  });
  assert.ok(wins.length >= 22, String(wins.length));
});

test('the same seed and past give the same point, another seed or another past another one', () => {
  const { space, value } = problems['branin'] as Problem;
  const [sampler, same] = [createBayesian(space, 'Minimize', 5), createBayesian(space, 'Minimize', 5)];
  const known: Known[] = [];
  for (let at = 0; at < 20; at++) {
    const point = sampler.at(at, known);
    assert.deepEqual(same.at(at, known), point);
    known.push({ point, value: value(point) });
  }
  const next = sampler.at(20, known);
  assert.notDeepEqual(createBayesian(space, 'Minimize', 6).at(20, known), next);
  assert.notDeepEqual(sampler.at(20, known.slice(2)), next);
});

test('points stay within their space, whatever became of those before', () => {
  const { space } = problems['mixed'] as Problem;
  const sampler = createBayesian(space, 'Minimize', 3);
  const known: Known[] = [];
  for (let at = 0; at < 200; at++) {
    const point = sampler.at(at, known);
    const [layers, rate] = [number(point, 'layers'), number(point, 'rate')];
    assert.ok(['a', 'b', 'c', 'd', 'e', 'f'].includes(String(point['kind'])));
    assert.ok(Number.isInteger(layers) && layers >= 1 && layers <= 20, String(layers));
    assert.ok(rate >= 0 && rate <= 1, String(rate));
    // Failed, all alike, or as wide apart as numbers are.
    known.push({ point, value: [undefined, 1, 1, Number.MAX_VALUE, -Number.MAX_VALUE][at % 5] });
  }
});

test('a space of a few points has each of them before one comes again', () => {
  const space = readSpace({ a: ['choice', [[1, 2, 3, 4]]], b: ['choice', [['x', 'y', 'z']]] });
  const sampler = createBayesian(space, 'Minimize', 11);
  const known: Known[] = [];
  for (let at = 0; at < 30; at++) {
    const point = sampler.at(at, known);
    known.push({ point, value: number(point, 'a') });
  }
  assert.equal(new Set(known.slice(0, startupPoints + 12).map(({ point }) => JSON.stringify(point))).size, 12);
});

test('a distribution that it does not learn from is refused', () => {
  for (const distribution of [
    ['normal', [0, 1]],
    ['loguniform', [0, 1]],
    ['randint', [3]],
    ['qnormal', [0, 1, 1]],
  ])
    assert.throws(
      () => createBayesian(readSpace({ a: ['uniform', [0, 1]], b: distribution }), 'Minimize', 1),
      /'b' is of the distribution .* choice, uniform, quniform/,
    );
});

test('a point of many parameters is found in small pieces, however many trials there were and however often it is drawn anew', () => {
  const names = Array.from({ length: 20 }, (_, at) => `p${at}`);
  for (const [range, least] of [
    [['uniform', [0, 1]], 20 + 9],
    // One point is all that there is: every draw is one that was tried.
    [['choice', [['only']]], 5 * 20 + 195 + 9],
  ] as const) {
    const space = readSpace(Object.fromEntries(names.map((name) => [name, range])));
    const sampler = createBayesian(space, 'Minimize', 5);
    const known = Array.from({ length: 999 }, (_, at) => ({ point: sampler.at(at % startupPoints), value: at }));
    const work = sampler.pieces(999, known);
    let pieces = 0;
    let piece = work.next();
    for (; !piece.done; piece = work.next()) pieces += 1;
    assert.ok(pieces >= least, `${pieces} pieces`);
    assert.deepEqual(piece.value, sampler.at(999, known));
  }
});
