// When a trial is given up before its end: Azure's three policies over the points of the primary metric. One point that is
// logged is one interval. Trials are compared after the same number of intervals, whatever time each took. Pure.

import type { MetricPart } from '#jobs';

export type Goal = 'Minimize' | 'Maximize';

/** What a trial has logged of the metric after so many points, or after all where there are fewer. NaN is worse than every number. */
export type Curve = {
  readonly trial: number;
  readonly isOver: boolean;
  readonly length: number;
  /** Undefined: nothing was logged. NaN: nothing else was. */
  bestAt(count: number): number | undefined;
  /** Of those that are numbers. */
  averageAt(count: number): number | undefined;
};

export type Policy = {
  /** Looked at after every so many intervals… */
  readonly evaluationInterval: number;
  /** …but not before so many. */
  readonly delayEvaluation: number;
} & (
  | { readonly type: 'Bandit'; readonly slackFactor: number | undefined; readonly slackAmount: number | undefined }
  | { readonly type: 'MedianStopping' }
  | { readonly type: 'TruncationSelection'; readonly truncationPercentage: number }
);

/** The better one first. NaN comes last. */
export function compareBy(goal: Goal): (a: number, b: number) => number {
  const sign = goal === 'Maximize' ? 1 : -1;
  return (a, b) => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
    return a === b ? 0 : sign * (b - a) < 0 ? -1 : 1;
  };
}

/** @param parts after each count that it is asked for below `length`, and after `length` */
export function curveOf(
  goal: Goal,
  { trial, isOver, length }: Pick<Curve, 'trial' | 'isOver' | 'length'>,
  parts: readonly MetricPart[],
): Curve {
  const byPoints = new Map(parts.map((part) => [part.points, part]));
  const at = (count: number) => byPoints.get(Math.min(count, length));
  return {
    trial,
    isOver,
    length,
    bestAt(count) {
      const part = at(count);
      return part && (part.numbers?.[goal === 'Maximize' ? 'greatest' : 'least'] ?? Number.NaN);
    },
    averageAt: (count) => at(count)?.numbers?.average,
  };
}

/** The last interval at which a trial is looked at that has logged so many points. */
export function intervalOf({ evaluationInterval, delayEvaluation }: Policy, length: number): number | undefined {
  const interval = Math.floor(length / evaluationInterval) * evaluationInterval;
  return interval > 0 && interval >= delayEvaluation ? interval : undefined;
}

/** Whether the policy gives up a trial now. One that is over is compared with and not given up. */
export function isGivenUp(policy: Policy, goal: Goal, curve: Curve, curves: readonly Curve[]): boolean {
  const interval = curve.isOver ? undefined : intervalOf(policy, curve.length);
  if (interval === undefined) return false;
  const better = compareBy(goal);
  const own = curve.bestAt(interval) ?? Number.NaN;
  switch (policy.type) {
    case 'Bandit': {
      const best = curves
        .map((each) => each.bestAt(interval) ?? Number.NaN)
        .reduce((a, b) => (better(b, a) < 0 ? b : a), Number.NaN);
      if (Number.isNaN(best)) return false;
      return better(own, best + (goal === 'Maximize' ? -1 : 1) * slackOf(policy, goal, best)) > 0;
    }
    case 'MedianStopping': {
      const median = medianOf(curves.flatMap((each) => each.averageAt(interval) ?? []));
      return median !== undefined && better(own, median) > 0;
    }
    case 'TruncationSelection': {
      const ranked = curves
        .filter(({ length }) => length >= interval)
        .map(({ trial, bestAt }) => ({ trial, best: bestAt(interval) ?? Number.NaN }))
        .sort((a, b) => better(a.best, b.best) || a.trial - b.trial);
      const cut = Math.floor((ranked.length * policy.truncationPercentage) / 100);
      return ranked.slice(ranked.length - cut).some(({ trial }) => trial === curve.trial);
    }
  }
}

/**
 * How much worse than the best is still good: for a best of Y and a factor f, down to Y / (1 + f), or up to Y (1 + f); of a
 * negative best as far from it as of a positive one.
 */
function slackOf(policy: Extract<Policy, { type: 'Bandit' }>, goal: Goal, best: number): number {
  if (policy.slackAmount !== undefined) return policy.slackAmount;
  const factor = policy.slackFactor ?? 0;
  return Math.abs(best) * (goal === 'Maximize' ? factor / (1 + factor) : factor);
}

function medianOf(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  return high === undefined ? undefined : sorted.length % 2 === 1 || low === undefined ? high : (low + high) / 2;
}
