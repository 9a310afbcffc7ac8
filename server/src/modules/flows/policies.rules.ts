// When a trial is given up before its end: Azure's three policies over the points of the primary metric. One point that is
// logged is one interval. Trials are compared after the same number of intervals, whatever time each took. Pure.

export type Goal = 'Minimize' | 'Maximize';

/** `points`: what the trial logged of the metric, in order. NaN is worse than every number. */
export type Curve = { readonly trial: number; readonly points: readonly number[]; readonly isOver: boolean };

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

/** Undefined: none was logged. NaN: nothing else was. */
export function bestOf(goal: Goal, points: readonly number[]): number | undefined {
  const better = compareBy(goal);
  return points.reduce<number | undefined>(
    (best, point) => (best === undefined || better(point, best) < 0 ? point : best),
    undefined,
  );
}

/** Trials that the policy gives up now. Those that are over are compared with and not given up. */
export function givenUp(policy: Policy, goal: Goal, curves: readonly Curve[]): readonly number[] {
  return curves.flatMap((curve) => {
    const interval = intervalOf(policy, curve);
    return !curve.isOver && interval !== undefined && isGivenUp(policy, goal, curve, curves, interval)
      ? [curve.trial]
      : [];
  });
}

/** The last interval of the curve at which it is looked at. */
function intervalOf({ evaluationInterval, delayEvaluation }: Policy, { points }: Curve): number | undefined {
  const interval = Math.floor(points.length / evaluationInterval) * evaluationInterval;
  return interval > 0 && interval >= delayEvaluation ? interval : undefined;
}

function isGivenUp(policy: Policy, goal: Goal, curve: Curve, curves: readonly Curve[], interval: number): boolean {
  const better = compareBy(goal);
  const own = bestOf(goal, curve.points.slice(0, interval)) ?? Number.NaN;
  switch (policy.type) {
    case 'Bandit': {
      const best = bestOf(
        goal,
        curves.flatMap(({ points }) => points.slice(0, interval)),
      );
      if (best === undefined || Number.isNaN(best)) return false;
      return better(own, best + (goal === 'Maximize' ? -1 : 1) * slackOf(policy, goal, best)) > 0;
    }
    case 'MedianStopping': {
      const averages = curves.flatMap(({ points }) => averageOf(points.slice(0, interval)) ?? []);
      const median = medianOf(averages);
      return median !== undefined && better(own, median) > 0;
    }
    case 'TruncationSelection': {
      const ranked = curves
        .filter(({ points }) => points.length >= interval)
        .map(({ trial, points }) => ({ trial, best: bestOf(goal, points.slice(0, interval)) ?? Number.NaN }))
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

function averageOf(points: readonly number[]): number | undefined {
  const numbers = points.filter((point) => !Number.isNaN(point));
  return numbers.length === 0 ? undefined : numbers.reduce((sum, point) => sum + point, 0) / numbers.length;
}

function medianOf(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  return high === undefined ? undefined : sorted.length % 2 === 1 || low === undefined ? high : (low + high) / 2;
}
