// What a sweep is and what it means: its plan out of what was asked for, the job that each trial is, and how the whole ended.
// Pure.

import { isDeepStrictEqual } from 'node:util';
import { readDurationSeconds } from '@strongroom/contract/duration';
import type { CommandJob, JobEnd } from '@strongroom/contract/jobs';
import { collectionAndName, fillPlaceholders } from '@strongroom/contract/placeholders';
import type { SweepJob } from '@strongroom/contract/sweeps';
import type { FlowState, MetricRange } from '#jobs';
import { codeOf, createBayesian, pointOf } from './bayesian.rules.ts';
import type { Closing } from './closing.types.ts';
import { flowsFailures } from './flows.errors.ts';
import { compareBy, type Goal, type Policy } from './policies.rules.ts';
import { createGrid, createRandom, createSobol, type Known, type Learner, type Sampler } from './samplers.rules.ts';
import { type Point, readSpace, type Space } from './space.rules.ts';

/** Azure's own bound, and its default. */
export const trialsMax = 1_000;
/** When this many have failed and none has completed, no more are begun: it is the command and not the values. */
export const failuresMax = 10;
const timeoutSecondsMax = 30 * 86_400;

const refuse = flowsFailures.FlowValidationError;

export type Plan = {
  readonly space: Space;
  readonly sampler: Sampler | Learner;
  /** Which point a trial has depends on what became of others when it began: it is kept with the trial. */
  readonly isLearning: boolean;
  readonly total: number;
  readonly concurrent: number;
  readonly timeoutSeconds: number | undefined;
  readonly goal: Goal;
  readonly metric: string;
  readonly policy: Policy | undefined;
};

/** What is kept of a trial once it has ended; before, no more than its point. */
export type Trial = {
  /** Where it does not follow from the number alone: see `codeOf`. */
  readonly code?: readonly number[];
  readonly end?: JobEnd | 'Gone';
  /** The best point of the primary metric; JSON has no NaN. */
  readonly best?: number | 'NaN';
  /** What it said when it failed. */
  readonly error?: string;
  /** Other metrics that it logged, where the primary one is not among them. */
  readonly logged?: readonly string[];
  readonly givenUp?: true;
};

export type SweepFlow = FlowState & {
  readonly trials: readonly Trial[];
  /** Snapshot URIs by the name of the input, fixed when the sweep was accepted: all trials see the same. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly closing?: Closing;
};

/** @param seed where none was asked for: something that is the sweep's own and stays */
export function planOf(job: SweepJob, seed: number): Plan {
  const space = readSpace(job.searchSpace);
  const { goal, primaryMetric } = job.objective;
  const sampler = samplerOf(job.samplingAlgorithm, space, goal, seed);
  const isLearning = job.samplingAlgorithm.samplingAlgorithmType === 'Bayesian';
  if (isLearning && job.earlyTermination !== undefined)
    throw refuse(
      'earlyTermination',
      'Bayesian sampling learns from trials that ran to their end, and takes no earlyTermination. Leave it out, or take samplingAlgorithm random.',
    );
  const { maxTotalTrials, maxConcurrentTrials, timeout } = job.limits ?? {};
  const total = countIn('limits.maxTotalTrials', maxTotalTrials) ?? sampler.total ?? trialsMax;
  if (maxTotalTrials === undefined && total > trialsMax)
    throw refuse(
      'limits.maxTotalTrials',
      `The grid has ${total} points, and a sweep has at most ${trialsMax} trials. Say limits.maxTotalTrials, and the first so many are tried; or make the grid smaller.`,
    );
  const concurrent = countIn('limits.maxConcurrentTrials', maxConcurrentTrials) ?? total;
  return {
    space,
    sampler,
    isLearning,
    total: Math.min(total, sampler.total ?? total),
    concurrent,
    timeoutSeconds: timeout === undefined ? undefined : secondsIn(timeout),
    goal,
    metric: primaryMetric,
    policy: job.earlyTermination === undefined ? undefined : policyOf(job.earlyTermination),
  };
}

function samplerOf(
  { samplingAlgorithmType: type, rule, seed }: SweepJob['samplingAlgorithm'],
  space: Space,
  goal: Goal,
  own: number,
): Sampler | Learner {
  if (type === 'Random') return rule === 'Sobol' ? createSobol(space, seed) : createRandom(space, seed ?? own);
  if (rule !== undefined || seed !== undefined)
    throw refuse(
      'samplingAlgorithm',
      type === 'Grid'
        ? 'A grid tries every combination in order: it has no rule and no seed.'
        : 'Bayesian sampling goes by what became of the trials before: it has no rule and no seed.',
    );
  return type === 'Grid' ? createGrid(space) : createBayesian(space, goal, own);
}

function countIn(property: string, count: number | undefined): number | undefined {
  if (count === undefined || (count >= 1 && count <= trialsMax)) return count;
  throw refuse(property, `${property} is a number from 1 to ${trialsMax}.`);
}

function secondsIn(timeout: string): number {
  const seconds = readDurationSeconds(timeout);
  if (seconds === undefined || seconds < 1 || seconds > timeoutSecondsMax)
    throw refuse(
      'limits.timeout',
      'limits.timeout is an ISO 8601 duration of one second to 30 days, for example PT2H.',
    );
  return seconds;
}

/** Clients send 0 for what was not asked for. */
function policyOf(given: NonNullable<SweepJob['earlyTermination']>): Policy {
  const { policyType: type, evaluationInterval = 0, delayEvaluation = 0 } = given;
  if (evaluationInterval < 0 || delayEvaluation < 0)
    throw refuse('earlyTermination', 'evaluationInterval and delayEvaluation are counts of intervals, 0 or more.');
  const common = { evaluationInterval: Math.max(1, evaluationInterval), delayEvaluation };
  const slackFactor = given.slackFactor || undefined;
  const slackAmount = given.slackAmount || undefined;
  const truncationPercentage = given.truncationPercentage || undefined;
  const isOfOther =
    (type !== 'Bandit' && (slackFactor ?? slackAmount) !== undefined) ||
    (type !== 'TruncationSelection' && truncationPercentage !== undefined);
  if (isOfOther)
    throw refuse(
      'earlyTermination',
      `The policy ${type} has no such property: a slack is of Bandit, a truncation percentage of TruncationSelection.`,
    );
  if (type === 'MedianStopping') return { type, ...common };
  if (type === 'Bandit') {
    if ((slackFactor === undefined) === (slackAmount === undefined))
      throw refuse('earlyTermination', 'The policy Bandit takes one of slackFactor and slackAmount, greater than 0.');
    if ((slackFactor ?? slackAmount ?? 0) < 0)
      throw refuse('earlyTermination', 'A slack of the policy Bandit is greater than 0.');
    return { type, ...common, slackFactor, slackAmount };
  }
  if (truncationPercentage === undefined || truncationPercentage < 1 || truncationPercentage > 99)
    throw refuse('earlyTermination.truncationPercentage', 'truncationPercentage is a number from 1 to 99.');
  return { type, ...common, truncationPercentage };
}

/** What a sampler that learns knows of the trials so far, one after another. */
function* knownOf(space: Space, trials: readonly Trial[]): Generator<undefined, readonly Known[]> {
  const known: Known[] = [];
  for (const { code, end, best } of trials) {
    if (code === undefined) continue;
    const value = end === 'Completed' && typeof best === 'number' ? best : undefined;
    known.push({ point: pointOf(space, code), value });
    yield;
  }
  return known;
}

/** A trial that is to be begun, as it is kept before it is made; in pieces, with time for a turn of others between them. */
export function* nextTrial(
  { sampler, space }: Plan,
  number: number,
  trials: readonly Trial[],
): Generator<undefined, Trial> {
  if (!('pieces' in sampler)) return {};
  return { code: codeOf(space, yield* sampler.pieces(number, yield* knownOf(space, trials))) };
}

export const pointOfTrial = ({ sampler, space }: Plan, number: number, trial: Trial | undefined): Point =>
  trial?.code === undefined ? sampler.at(number) : pointOf(space, trial.code);

export const trialName = (sweepName: string, number: number): string => `${sweepName}_${number}`;
/** Room for the number of a trial in the name of its job. */
export const sweepNameMax = 255 - `_${trialsMax - 1}`.length;

/** As long as a tag may be. */
const tagMax = 1_024;

/** The command job that a trial is: what is searched comes to it as an input. */
export function trialOf(
  job: SweepJob & { readonly name: string },
  point: Point,
  inputs: Readonly<Record<string, string>>,
  number: number,
): CommandJob {
  const known = Object.keys(point);
  for (const name of known) if (Object.hasOwn(job.inputs ?? {}, name)) throw flowsFailures.ParameterIsInput(name);
  const command = fillPlaceholders(job.trial.command ?? '', (inner) => {
    const { collection, name } = collectionAndName(inner);
    if (collection !== 'search_space') return undefined;
    if (!Object.hasOwn(point, name)) throw flowsFailures.UnknownParameter(name, known);
    return `\${{inputs.${name}}}`;
  });
  const { codeId, environmentId, environmentVariables, distribution } = job.trial;
  const hyperparameters = JSON.stringify(point);
  const literals = Object.entries(point).map(
    ([name, value]) => [name, { jobInputType: 'literal' as const, value }] as const,
  );
  const given = Object.entries(job.inputs ?? {}).map(
    ([name, input]) => [name, inputs[name] === undefined ? input : { ...input, uri: inputs[name] }] as const,
  );
  return defined({
    jobType: 'Command' as const,
    displayName: `${(job.displayName ?? job.name).slice(0, 240)} ${number}`,
    experimentName: job.experimentName,
    parentJobName: job.name,
    computeId: job.computeId,
    codeId,
    environmentId,
    environmentVariables,
    distribution,
    secretsConfiguration: job.secretsConfiguration,
    resources: resourcesOf(job),
    command,
    inputs: Object.fromEntries([...given, ...literals]),
    outputs: withoutAssets(job.outputs),
    limits:
      job.limits?.trialTimeout === undefined
        ? undefined
        : { jobLimitsType: 'Command' as const, timeout: job.limits.trialTimeout },
    // As Azure's own trials have it. What is longer than a tag is among the inputs all the same.
    tags: hyperparameters.length <= tagMax ? { hyperparameters } : undefined,
  });
}

/** What an output becomes it becomes once, of the best trial. */
const withoutAssets = (outputs: SweepJob['outputs']): CommandJob['outputs'] =>
  outputs &&
  Object.fromEntries(
    Object.entries(outputs).map(([name, { assetName: _, assetVersion: __, ...output }]) => [name, output]),
  );

/** What the sweep says of each trial, and what its trial says. */
function resourcesOf({ resources, trial }: SweepJob): CommandJob['resources'] {
  const common: Readonly<Record<string, unknown>> = resources ?? {};
  const own: Readonly<Record<string, unknown>> = trial.resources ?? {};
  const both = Object.keys(common).find(
    (name) => Object.hasOwn(own, name) && !isDeepStrictEqual(common[name], own[name]),
  );
  if (both !== undefined)
    throw refuse(
      `resources.${both}`,
      `The sweep says one ${both} and its trial another. Leave resources.${both} or trial.resources.${both} out.`,
    );
  return (resources ?? trial.resources) ? { ...resources, ...trial.resources } : undefined;
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};
const defined = <T extends object>(fields: T): Defined<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>; // the same, without what is not there

export type Best = { readonly number: number; readonly value: number };

/** Of the trials that completed. What was given up left no whole result. */
export function bestTrial({ goal }: Pick<Plan, 'goal'>, trials: readonly Trial[]): Best | undefined {
  const better = compareBy(goal);
  return trials.reduce<Best | undefined>((best, { end, best: value }, number) => {
    if (end !== 'Completed' || typeof value !== 'number') return best;
    return best === undefined || better(value, best.value) < 0 ? { number, value } : best;
  }, undefined);
}

/** What a job is told about itself by Azure's names: clients fetch the outputs of the best child by them. */
export function toldOf(sweepName: string, best: Best | undefined): Readonly<Record<string, string>> {
  if (best === undefined) return {};
  return {
    best_child_run_id: trialName(sweepName, best.number),
    best_metric_status: 'Succeeded',
    score: String(best.value),
  };
}

/** Of all that a trial has logged of the metric; undefined: nothing. */
export function bestIn(goal: Goal, { count, ends }: MetricRange): number | 'NaN' | undefined {
  if (ends === undefined) return count === 0 ? undefined : 'NaN';
  return goal === 'Maximize' ? ends.greatest : ends.least;
}

/** Of the last trial that failed, and which job that is: its log says more. */
function lastWords(sweepName: string, trials: readonly Trial[]): string {
  const number = trials.findLastIndex(({ error }) => error !== undefined);
  return number < 0
    ? ''
    : ` The last one that failed (job ${trialName(sweepName, number)}) said: ${trials[number]?.error}`;
}

/** When no more is to be begun though there is more to try. */
export function hopeless(sweepName: string, trials: readonly Trial[]): Closing | undefined {
  const failed = trials.filter(({ end }) => end === 'Failed');
  if (failed.length < failuresMax || trials.some(({ end }) => end === 'Completed')) return undefined;
  return {
    status: 'Failed',
    error: {
      code: 'TrialsFailed',
      message: `${failed.length} trials have failed and none has completed, so no more were begun.${lastWords(sweepName, trials)}`,
    },
  };
}

export const timedOut = (seconds: number): Closing => ({
  status: 'Failed',
  error: {
    code: 'JobTimeout',
    message: `The sweep ran longer than its limit of ${seconds} seconds, and its trials were ended. Raise limits.timeout, or try less.`,
  },
});

/** How the sweep ended once every trial has. */
export function endOf(sweepName: string, plan: Pick<Plan, 'goal' | 'metric'>, trials: readonly Trial[]): Closing {
  if (bestTrial(plan, trials) !== undefined) return { status: 'Completed' };
  const failed = (code: string, message: string): Closing => ({ status: 'Failed', error: { code, message } });
  const completed = trials.filter(({ end }) => end === 'Completed');
  if (completed.length === 0)
    return failed(
      'NoTrialCompleted',
      `None of the ${trials.length} trials has completed.${lastWords(sweepName, trials)}`,
    );
  if (completed.some(({ best }) => best === 'NaN'))
    return failed(
      'MetricIsNaN',
      `The metric '${plan.metric}' was not a number (NaN) in every trial that logged it, so none is the best.`,
    );
  const others = [...new Set(completed.flatMap(({ logged }) => logged ?? []))].slice(0, 20);
  return failed(
    'MetricMissing',
    `No trial logged the metric '${plan.metric}' that the sweep goes by: log it to the run of the trial, for example with mlflow.log_metric("${plan.metric}", …). ${others.length === 0 ? 'They logged none.' : `They logged ${others.join(', ')}.`}`,
  );
}
