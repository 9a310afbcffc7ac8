// What a sweep searches and how, in Azure ML's v2 YAML schema, as the service takes it: a distribution is an array there.

import type { JsonObject } from '@strongroom/contract/client';
import { distributionFields } from '@strongroom/contract/sweeps';
import { isObject, type Reader } from '../document.reader.ts';
import { capitalized, defined, secondsOf, wordIn } from './references.ts';

const policies: Readonly<Record<string, string>> = {
  bandit: 'Bandit',
  median_stopping: 'MedianStopping',
  truncation_selection: 'TruncationSelection',
};

export function sweepIn(read: Reader): JsonObject {
  const space = read.within('search_space');
  if (space === undefined) throw read.wrong('search_space', 'is missing: the parameters, and what each may be');
  const objective = read.within('objective');
  if (objective === undefined) throw read.wrong('objective', "is missing: give 'goal' and 'primary_metric'");
  const limits = read.within('limits');
  return {
    searchSpace: Object.fromEntries(space.entries().map(([name, value]) => [name, distributionIn(name, value, space)])),
    samplingAlgorithm: samplingIn(read),
    objective: { goal: capitalized(objective.needed('goal')), primaryMetric: objective.needed('primary_metric') },
    limits:
      limits &&
      defined({
        jobLimitsType: 'Sweep',
        maxTotalTrials: limits.whole('max_total_trials'),
        maxConcurrentTrials: limits.whole('max_concurrent_trials'),
        timeout: secondsOf(limits.positive('timeout', 'seconds')),
        trialTimeout: secondsOf(limits.positive('trial_timeout', 'seconds')),
      }),
    earlyTermination: policyIn(read.within('early_termination')),
  };
}

function distributionIn(name: string, value: unknown, space: Reader): readonly unknown[] {
  if (!isObject(value) || space.map(name) === undefined)
    throw space.wrong(name, 'must be { type: uniform, min_value: 0, max_value: 1 }, or alike');
  const { type, ...rest } = value;
  const kind = String(type);
  const wanted = wordIn(distributionFields, kind);
  if (wanted === undefined)
    throw space.wrong(name, `has the type '${kind}', and there are ${Object.keys(distributionFields).join(', ')}`);
  const unknown = Object.keys(rest).find((field) => !wanted.includes(field));
  if (unknown !== undefined) throw space.wrong(name, `has '${unknown}', which ${kind} has not`);
  if (kind === 'choice' && !Array.isArray(rest['values'])) throw space.wrong(name, "needs 'values', a list");
  return [kind, wanted.map((field) => rest[field] ?? null)];
}

/** A word, or `{ type: random, rule: sobol, seed: 1 }`. */
function samplingIn(read: Reader): JsonObject {
  const given = read.textOrWithin('sampling_algorithm') ?? 'random';
  if (typeof given === 'string') return { samplingAlgorithmType: capitalized(given) };
  const [rule, seed] = [given.text('rule'), given.whole('seed')];
  return defined({
    samplingAlgorithmType: capitalized(given.needed('type')),
    rule: rule === undefined ? undefined : capitalized(rule),
    seed,
  });
}

function policyIn(read: Reader | undefined): JsonObject | undefined {
  if (read === undefined) return undefined;
  const type = read.needed('type');
  const policyType = wordIn(policies, type);
  if (policyType === undefined)
    throw read.wrong('type', `is '${type}', and there are ${Object.keys(policies).join(', ')}`);
  const slack = (name: string) => {
    const text = read.text(name);
    if (text !== undefined && !Number.isFinite(Number(text))) throw read.wrong(name, 'must be a number');
    return text === undefined ? undefined : Number(text);
  };
  return defined({
    policyType,
    evaluationInterval: read.whole('evaluation_interval'),
    delayEvaluation: read.whole('delay_evaluation'),
    slackFactor: slack('slack_factor'),
    slackAmount: slack('slack_amount'),
    truncationPercentage: read.whole('truncation_percentage'),
  });
}
