// When a trial is given up: the three policies over curves made by hand, and what holds of each whatever the curves are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { curveOf, type Goal, isGivenUp, type Policy } from './policies.rules.ts';

type Logged = { readonly trial: number; readonly points: readonly number[]; readonly isOver: boolean };
const curves = (...all: readonly (readonly number[])[]): readonly Logged[] =>
  all.map((points, trial) => ({ trial, points, isOver: false }));
/** What the first points come to, for each count of them. */
const partsOf = (points: readonly number[]) =>
  points.map((_, index) => {
    const numbers = points.slice(0, index + 1).filter((point) => !Number.isNaN(point));
    const [least, greatest] = [Math.min(...numbers), Math.max(...numbers)];
    const average = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    return { points: index + 1, numbers: numbers.length === 0 ? undefined : { least, greatest, average } };
  });
const curve = (goal: Goal, { trial, points, isOver }: Logged) =>
  curveOf(goal, { trial, isOver, length: points.length }, partsOf(points));
/** The trials that are. */
function givenUp(policy: Policy, goal: Goal, logged: readonly Logged[]): readonly number[] {
  const all = logged.map((each) => curve(goal, each));
  return all.filter((each) => isGivenUp(policy, goal, each, all)).map(({ trial }) => trial);
}
const bestOf = (goal: Goal, points: readonly number[]) =>
  curve(goal, { trial: 0, points, isOver: false }).bestAt(points.length);
const looked = { evaluationInterval: 1, delayEvaluation: 0 };
const bandit = (slack: object, when: object = {}): Policy => ({
  ...{ type: 'Bandit', slackFactor: undefined, slackAmount: undefined, ...looked, ...slack, ...when },
});

test('Bandit gives up what is farther from the best than the slack', () => {
  // The best is 0.8: a factor of 0.2 is good down to 0.8 / 1.2.
  const accuracies = curves([0.5, 0.8], [0.6, 0.67], [0.6, 0.66]);
  assert.deepEqual(givenUp(bandit({ slackFactor: 0.2 }), 'Maximize', accuracies), [2]);
  assert.deepEqual(givenUp(bandit({ slackAmount: 0.1 }), 'Maximize', accuracies), [1, 2]);
  // The best is 1: a factor of 0.2 is good up to 1.2.
  const losses = curves([2, 1], [2, 1.2], [2, 1.21]);
  assert.deepEqual(givenUp(bandit({ slackFactor: 0.2 }), 'Minimize', losses), [2]);
  assert.deepEqual(givenUp(bandit({ slackAmount: 0.25 }), 'Minimize', losses), []);
  // Below zero, too, the best itself is good.
  assert.deepEqual(givenUp(bandit({ slackFactor: 0.1 }), 'Maximize', curves([-1], [-1.05], [-1.2])), [2]);
  assert.deepEqual(givenUp(bandit({ slackFactor: 0.1 }), 'Minimize', curves([-1], [-0.95], [-0.8])), [2]);
});

test('Bandit compares after the same number of intervals, and not what came later', () => {
  const early = curves([0.2, 0.3, 0.9], [0.25]);
  assert.deepEqual(givenUp(bandit({ slackAmount: 0.1 }), 'Maximize', early), []);
  assert.deepEqual(givenUp(bandit({ slackAmount: 0.1 }), 'Maximize', curves([0.2, 0.3, 0.9], [0.25, 0.25, 0.25])), [1]);
});

test('MedianStopping gives up whose best is worse than the median of the averages', () => {
  // Averages after two: 0.5, 0.3, 0.15; the median is 0.3.
  const all = curves([0.4, 0.6], [0.2, 0.4], [0.1, 0.2]);
  const policy: Policy = { type: 'MedianStopping', ...looked };
  assert.deepEqual(givenUp(policy, 'Maximize', all), [2]);
  assert.deepEqual(givenUp(policy, 'Minimize', all), [0]);
  assert.deepEqual(givenUp(policy, 'Maximize', curves([0.1, 0.2])), []);
});

test('TruncationSelection gives up the lowest part of those that have come as far', () => {
  const policy: Policy = { type: 'TruncationSelection', truncationPercentage: 20, ...looked };
  const all = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1].map((value) => [value]);
  assert.deepEqual(givenUp(policy, 'Maximize', curves(...all)), [0, 1]);
  assert.deepEqual(givenUp(policy, 'Minimize', curves(...all)), [8, 9]);
  assert.deepEqual(givenUp(policy, 'Maximize', curves(...all.slice(0, 4))), []);
});

test('an interval and a delay say when a trial is looked at', () => {
  const worse = (count: number) => curves(Array(10).fill(1), Array(count).fill(0));
  const policy = bandit({ slackAmount: 0.5 }, { evaluationInterval: 3, delayEvaluation: 5 });
  for (const count of [1, 2, 3, 4, 5]) assert.deepEqual(givenUp(policy, 'Maximize', worse(count)), [], String(count));
  for (const count of [6, 7, 9]) assert.deepEqual(givenUp(policy, 'Maximize', worse(count)), [1], String(count));
});

test('what is not a number is worse than every number, and nothing is given up for it alone', () => {
  assert.deepEqual(givenUp(bandit({ slackAmount: 1 }), 'Minimize', curves([5], [Number.NaN])), [1]);
  assert.deepEqual(givenUp(bandit({ slackAmount: 1 }), 'Maximize', curves([Number.NaN], [Number.NaN])), []);
  assert.equal(bestOf('Maximize', [Number.NaN, 1, Number.NaN]), 1);
  assert.ok(Number.isNaN(bestOf('Minimize', [Number.NaN])));
  assert.equal(bestOf('Minimize', []), undefined);
});

test('no policy gives up the best, nor what is over, nor what logged nothing', () => {
  const value = fc.oneof(fc.double({ min: -10, max: 10, noNaN: true }), fc.constant(Number.NaN));
  const anyCurve = fc.record({ points: fc.array(value, { maxLength: 6 }), isOver: fc.boolean() });
  const policies: readonly Policy[] = [
    bandit({ slackFactor: 0.1 }),
    bandit({ slackAmount: 0.5 }),
    { type: 'MedianStopping', ...looked },
    { type: 'TruncationSelection', truncationPercentage: 99, ...looked },
  ];
  fc.assert(
    fc.property(
      fc.array(anyCurve, { maxLength: 8 }),
      fc.constantFrom(...policies),
      fc.constantFrom<Goal>('Minimize', 'Maximize'),
      (all, policy, goal) => {
        const named = all.map((curve, trial) => ({ ...curve, trial }));
        const stopped = givenUp(policy, goal, named);
        for (const trial of stopped) {
          assert.equal(named[trial]?.isOver, false);
          assert.ok((named[trial]?.points.length ?? 0) > 0);
        }
        const atEnd = named.filter(({ points }) => points.length === 6);
        const best = bestOf(
          goal,
          atEnd.flatMap(({ points }) => points),
        );
        const first = atEnd.find(({ points }) => best !== undefined && points.includes(best));
        // Compared with those that came as far: whoever is ahead of all of them goes on.
        if (first !== undefined && named.every(({ points }) => points.length === 6 || points.length === 0))
          assert.ok(!stopped.includes(first.trial), JSON.stringify(named));
      },
    ),
  );
});
