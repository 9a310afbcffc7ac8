// A sweep as a step of a pipeline: written as in YAML, with names where the job of its own has arrays. Read into what a sweep
// job says. Pure.

import { distributionFields, type SweepJob } from '@strongroom/contract/sweeps';
import { flowsFailures } from './flows.errors.ts';

/** What a sweep says beside what each trial is. */
export type Searched = Pick<
  SweepJob,
  'searchSpace' | 'samplingAlgorithm' | 'objective' | 'limits' | 'earlyTermination'
>;

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const refuse = flowsFailures.FlowValidationError;

/** Words of a list, whatever their case and with or without underscores: `median_stopping` is MedianStopping. */
function wordIn<W extends string>(value: unknown, words: readonly W[], at: string): W {
  const plain = String(value).toLowerCase().replaceAll('_', '');
  const found = words.find((word) => word.toLowerCase() === plain);
  if (found === undefined) throw refuse(at, `${at} must be one of ${words.join(', ')}.`);
  return found;
}

/** @param fields of the step, its names with underscores */
export function searchedIn(fields: Fields, at: string): Searched {
  const { search_space: space, objective, limits, early_termination: policy } = fields;
  if (!isObject(space)) throw refuse(`${at}.search_space`, `The sweep at ${at} needs a search_space.`);
  if (!isObject(objective)) throw refuse(`${at}.objective`, `The sweep at ${at} needs an objective.`);
  only(objective, `${at}.objective`, ['goal', 'primary_metric']);
  const metric = objective['primary_metric'];
  if (typeof metric !== 'string' || metric === '' || metric.length > 250)
    throw refuse(`${at}.objective.primary_metric`, `The objective of the sweep at ${at} needs a primary_metric.`);
  return {
    searchSpace: Object.fromEntries(
      Object.entries(space).map(([name, value]) => [name, distributionIn(value, `${at}.search_space.${name}`)]),
    ),
    samplingAlgorithm: samplingIn(fields['sampling_algorithm'] ?? 'random', `${at}.sampling_algorithm`),
    objective: {
      goal: wordIn(objective['goal'], ['Minimize', 'Maximize'] as const, `${at}.objective.goal`),
      primaryMetric: metric,
    },
    ...(limits == null ? {} : { limits: limitsIn(fieldsIn(limits, `${at}.limits`), `${at}.limits`) }),
    ...(policy == null
      ? {}
      : {
          earlyTermination: policyIn(fieldsIn(policy, `${at}.early_termination`), `${at}.early_termination`),
        }),
  };
}

/** An array stays one; names are put into one. What is wrong in it, the reader of spaces says. */
function distributionIn(value: unknown, at: string): unknown {
  if (!isObject(value)) return value;
  const kind = String(value['type']);
  const names = Object.hasOwn(distributionFields, kind) ? (distributionFields[kind] ?? []) : undefined;
  if (names === undefined) return [kind, []];
  only(value, at, ['type', ...names]);
  return [kind, names.map((name) => value[name] ?? null)];
}

function samplingIn(value: unknown, at: string): SweepJob['samplingAlgorithm'] {
  const fields = isObject(value) ? value : { type: value };
  only(fields, at, ['type', 'sampling_algorithm_type', 'rule', 'seed']);
  const { rule, seed } = fields;
  return {
    samplingAlgorithmType: wordIn(
      fields['type'] ?? fields['sampling_algorithm_type'],
      ['Grid', 'Random', 'Bayesian'] as const,
      at,
    ),
    ...(rule == null ? {} : { rule: wordIn(rule, ['Random', 'Sobol'] as const, `${at}.rule`) }),
    ...(seed === undefined || seed === null ? {} : { seed: wholeIn(seed, `${at}.seed`) }),
  };
}

function limitsIn(fields: Fields, at: string): NonNullable<SweepJob['limits']> {
  const names = ['max_total_trials', 'max_concurrent_trials', 'timeout', 'trial_timeout', 'job_limits_type'];
  only(fields, at, names);
  const [total, concurrent, whole, each] = names.map((name) => fields[name] ?? undefined);
  return {
    jobLimitsType: 'Sweep',
    ...(total === undefined ? {} : { maxTotalTrials: wholeIn(total, `${at}.max_total_trials`) }),
    ...(concurrent === undefined ? {} : { maxConcurrentTrials: wholeIn(concurrent, `${at}.max_concurrent_trials`) }),
    // In seconds, as in YAML, or as a duration.
    ...(whole === undefined ? {} : { timeout: typeof whole === 'number' ? `PT${whole}S` : String(whole) }),
    ...(each === undefined ? {} : { trialTimeout: typeof each === 'number' ? `PT${each}S` : String(each) }),
  };
}

function policyIn(fields: Fields, at: string): NonNullable<SweepJob['earlyTermination']> {
  only(fields, at, [
    ...['type', 'policy_type', 'evaluation_interval', 'delay_evaluation'],
    ...['slack_factor', 'slack_amount', 'truncation_percentage'],
  ]);
  const number = (name: string, written: string) =>
    fields[written] === undefined || fields[written] === null ? {} : { [name]: Number(fields[written]) };
  return {
    policyType: wordIn(
      fields['type'] ?? fields['policy_type'],
      ['Bandit', 'MedianStopping', 'TruncationSelection'] as const,
      `${at}.type`,
    ),
    ...number('evaluationInterval', 'evaluation_interval'),
    ...number('delayEvaluation', 'delay_evaluation'),
    ...number('slackFactor', 'slack_factor'),
    ...number('slackAmount', 'slack_amount'),
    ...number('truncationPercentage', 'truncation_percentage'),
  };
}

function fieldsIn(value: unknown, at: string): Fields {
  if (!isObject(value)) throw refuse(at, `${at} has fields of its own.`);
  return value;
}

function only(fields: Fields, at: string, names: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !names.includes(name) && fields[name] !== null);
  if (unknown !== undefined)
    throw refuse(`${at}.${unknown}`, `${at}.${unknown} is not known; there are ${names.join(', ')}.`);
}

function wholeIn(value: unknown, at: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw refuse(at, `${at} is a whole number.`);
  return number;
}
