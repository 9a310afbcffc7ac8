// Which points a sweep tries: the same for the same seed, all of a grid and none twice, and evenly spread by the Sobol rule.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createGrid, createRandom, createSobol } from './samplers.rules.ts';
import { sobolDimensionsMax } from './sobol.data.ts';
import { normalQuantile, type Point, readSpace, type Scalar, valueAt } from './space.rules.ts';

const uniform = ['uniform', [0, 1]];
const unit = (dimensions: number) =>
  readSpace(Object.fromEntries(Array.from({ length: dimensions }, (_, index) => [`x${index}`, uniform])));
const first = (count: number, at: (number: number) => Point) =>
  Array.from({ length: count }, (_, number) => Object.values(at(number)));

const scalar = fc.oneof(
  fc.integer(),
  fc.boolean(),
  fc.string({ maxLength: 5 }).filter((text) => !text.includes('\0')),
);
const axes = fc.array(fc.uniqueArray(scalar, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 });

test('a grid has every combination, and none twice', () => {
  fc.assert(
    fc.property(axes, (values) => {
      const space = readSpace(Object.fromEntries(values.map((axis, index) => [`p${index}`, ['choice', [axis]]])));
      const grid = createGrid(space);
      assert.equal(
        grid.total,
        values.reduce((product, axis) => product * axis.length, 1),
      );
      const seen = new Set(first(grid.total ?? 0, grid.at).map((point) => JSON.stringify(point)));
      assert.equal(seen.size, grid.total);
      for (const [index, axis] of values.entries())
        assert.deepEqual(new Set([...seen].map((point) => (JSON.parse(point) as Scalar[])[index])), new Set(axis));
    }),
  );
});

test('a grid takes a value that a choice names twice once', () => {
  const grid = createGrid(readSpace({ a: ['choice', [[1, 1, 2]]], b: ['choice', [['x', 'y']]] }));
  assert.deepEqual(first(grid.total ?? 0, grid.at), [
    [1, 'x'],
    [1, 'y'],
    [2, 'x'],
    [2, 'y'],
  ]);
});

test('what has no end of values is no grid', () => {
  for (const endless of [uniform, ['normal', [0, 1]], ['quniform', [0, 10, 1]], ['randint', [3]]])
    assert.throws(() => createGrid(readSpace({ a: ['choice', [[1]]], b: endless })), /'b' is of the distribution/);
});

test('a seed gives the same points, in whatever order they are asked for, and another seed others', () => {
  const space = readSpace({ a: uniform, b: ['choice', [['x', 'y', 'z']]], c: ['lognormal', [0, 1]] });
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (seed, other) => {
      const forwards = first(20, createRandom(space, seed).at);
      const sampler = createRandom(space, seed);
      const backwards = Array.from({ length: 20 }, (_, index) => Object.values(sampler.at(19 - index)));
      assert.deepEqual(backwards.reverse(), forwards);
      if (seed !== other) assert.notDeepEqual(first(20, createRandom(space, other).at), forwards);
    }),
  );
});

test('random points fill the space: every tenth of every axis has its share', () => {
  const points = first(5_000, createRandom(unit(3), 7).at);
  for (let dimension = 0; dimension < 3; dimension++) {
    const counts = Array.from({ length: 10 }, () => 0);
    for (const point of points) {
      const tenth = Math.floor(Number(point[dimension]) * 10);
      counts[tenth] = (counts[tenth] ?? 0) + 1;
    }
    for (const count of counts) assert.ok(count > 400 && count < 600, `${dimension}: ${counts}`);
  }
});

test('the Sobol sequence is the published one', () => {
  // Of scipy 1.x, qmc.Sobol(d, scramble=False), behind its first point.
  const known: readonly (readonly [number, readonly number[]])[] = [
    [1, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]],
    [
      2,
      [
        0.75, 0.25, 0.25, 0.25, 0.75, 0.75, 0.25, 0.75, 0.75, 0.75, 0.75, 0.75, 0.25, 0.25, 0.75, 0.25, 0.75, 0.25,
        0.75, 0.25, 0.25,
      ],
    ],
    [
      3,
      [
        0.25, 0.75, 0.75, 0.75, 0.25, 0.25, 0.75, 0.25, 0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.25, 0.75, 0.25, 0.75,
        0.25, 0.75, 0.75,
      ],
    ],
    [
      7,
      [
        0.125, 0.625, 0.375, 0.125, 0.125, 0.375, 0.625, 0.625, 0.625, 0.875, 0.625, 0.125, 0.625, 0.375, 0.125, 0.125,
        0.125, 0.125, 0.625, 0.875, 0.875,
      ],
    ],
    [
      20,
      [
        0.46875, 0.09375, 0.84375, 0.28125, 0.15625, 0.84375, 0.90625, 0.21875, 0.59375, 0.53125, 0.96875, 0.03125,
        0.78125, 0.03125, 0.21875, 0.90625, 0.65625, 0.46875, 0.15625, 0.15625, 0.59375,
      ],
    ],
    [
      63,
      [
        0.015625, 0.796875, 0.359375, 0.453125, 0.859375, 0.140625, 0.578125, 0.140625, 0.828125, 0.578125, 0.421875,
        0.671875, 0.546875, 0.765625, 0.328125, 0.765625, 0.078125, 0.390625, 0.953125, 0.234375, 0.234375,
      ],
    ],
  ];
  const sobol = createSobol(unit(sobolDimensionsMax), undefined);
  for (const [number, point] of known) assert.deepEqual(Object.values(sobol.at(number - 1)), point, String(number));
});

test('every beginning of the Sobol sequence is more even than chance, shifted by a seed or not', () => {
  for (const seed of [undefined, 1, 99]) {
    const sobol = createSobol(unit(4), seed);
    for (let dimension = 0; dimension < 4; dimension++) {
      const values = first(256, sobol.at).map((point) => Math.floor(Number(point[dimension]) * 16));
      for (let slot = 0; slot < 16; slot++) {
        const share = values.filter((value) => value === slot).length;
        assert.ok(Math.abs(share - 16) <= 1, `${seed} ${dimension} ${slot}: ${share}`);
      }
    }
  }
  assert.notDeepEqual(createSobol(unit(2), 1).at(0), createSobol(unit(2), 2).at(0));
  assert.deepEqual(createSobol(unit(2), 5).at(9), createSobol(unit(2), 5).at(9));
});

test('more parameters than the Sobol rule is served for are refused with what to do', () => {
  assert.throws(() => createSobol(unit(sobolDimensionsMax + 1), 1), /take the rule random/);
});

test('a distribution keeps its bounds and its steps', () => {
  const of = (...written: readonly unknown[]) => readSpace({ p: written })[0]?.distribution ?? assert.fail();
  const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(at, (u) => {
      const within = (written: readonly unknown[], least: number, most: number) => {
        const value = Number(valueAt(of(...written), u));
        assert.ok(value >= least && value <= most, `${written}: ${value}`);
        return value;
      };
      within(['uniform', [-2, 3]], -2, 3);
      within(['loguniform', [-6, -1]], Math.exp(-6) * 0.999, Math.exp(-1) * 1.001);
      assert.equal(within(['quniform', [1, 10, 2]], 2, 10) % 2, 0);
      assert.ok(Number.isInteger(within(['qloguniform', [0, 5, 1]], 1, 148)));
      assert.ok(Number.isInteger(within(['randint', [7]], 0, 6)));
      assert.ok(within(['lognormal', [0, 2]], 0, Infinity) > 0);
      within(['normal', [5, 1]], -2, 12);
      assert.ok(Number.isInteger(within(['qnormal', [5, 1, 0.5]], -2, 12) * 2));
      within(['qlognormal', [0, 1, 0.1]], 0, 1_000);
      assert.ok(['a', true, 3].includes(valueAt(of('choice', [['a', true, 3]]), u) as never));
    }),
  );
  assert.equal(valueAt(of('quniform', [0, 1, 0.1]), 0.3), 0.3);
});

test('the inverse of the normal distribution has its known values', () => {
  // Of Python's statistics.NormalDist().inv_cdf.
  for (const [p, x] of [
    [0.5, 0],
    [0.975, 1.9599639845400536],
    [0.01, -2.3263478740408408],
    [0.001, -3.090232306167813],
    [0.841344746068543, 1],
  ] as const)
    assert.ok(Math.abs(normalQuantile(p) - x) < 1e-8, `${p}: ${normalQuantile(p)}`);
});

test('what is no space is refused with the parameter and the form that it should have', () => {
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{}, /search space is empty/],
    [{ p: ['triangular', [0, 1]] }, /'triangular' is no distribution of 'p'[\s\S]*"uniform"/],
    [{ p: 'uniform' }, /is no distribution of 'p'/],
    [{ p: ['uniform', 0, 1] }, /it has not this form/],
    [{ p: ['uniform', [0]] }, /takes 2 numbers/],
    [{ p: ['uniform', [0, 'x']] }, /takes 2 numbers/],
    [{ p: ['uniform', [0, null]] }, /takes 2 numbers/],
    [{ p: ['uniform', [1, 1]] }, /max must be greater than min/],
    [{ p: ['loguniform', [0, 1e6]] }, /exponents of e/],
    [{ p: ['quniform', [0, 1, 0]] }, /q must be greater than 0/],
    [{ p: ['normal', [0, 0]] }, /sigma must be greater/],
    [{ p: ['randint', [0]] }, /at least 1/],
    [{ p: ['randint', [2.5]] }, /at least 1/],
    [{ p: ['choice', [[]]] }, /has no values/],
    [{ p: ['choice', [1, 2]] }, /has no values/],
    [{ p: ['choice', [[{ q: uniform }]]] }, /spaces inside a choice/],
    [{ p: ['choice', [['a\0b']]] }, /a number, a truth value or a text/],
    [{ 'a b': uniform }, /no name of a parameter/],
    [{ constructor: ['hasOwnProperty', []] }, /is no distribution/],
    [Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`p${index}`, uniform])), /at most 100/],
  ];
  for (const [space, said] of cases) assert.throws(() => readSpace(space), said, JSON.stringify(space).slice(0, 80));
});
