// Wire shapes of sweep jobs: a command that is tried with one set of values after another. Source: Azure REST specification,
// SweepJob (2023-04-01 and later). A distribution is an array there: its name, and its numbers in an array.

import { commandContent, commonToJobs, jobResources, secretsConfiguration } from './jobs.ts';
import { type Static, Type } from './schema.ts';

const text = (maxLength: number) => Type.String({ maxLength });
const count = Type.Optional(Type.Integer());

export const sweepJob = Type.Object({
  jobType: Type.Literal('Sweep'),
  ...commonToJobs,
  /** By name: `["uniform", [0, 1]]`, `["choice", [["a", "b"]]]`. Read by the server, which says what is wrong with one. */
  searchSpace: Type.Record(text(256), Type.Unknown()),
  samplingAlgorithm: Type.Object({
    samplingAlgorithmType: Type.Union([Type.Literal('Grid'), Type.Literal('Random'), Type.Literal('Bayesian')]),
    rule: Type.Optional(Type.Union([Type.Literal('Random'), Type.Literal('Sobol')])),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  }),
  objective: Type.Object({
    goal: Type.Union([Type.Literal('Minimize'), Type.Literal('Maximize')]),
    primaryMetric: Type.String({ minLength: 1, maxLength: 250 }),
  }),
  limits: Type.Optional(
    Type.Object({
      jobLimitsType: Type.Optional(Type.Literal('Sweep')),
      maxTotalTrials: count,
      maxConcurrentTrials: count,
      /** Of the whole, and of each trial: ISO 8601. */
      timeout: Type.Optional(text(32)),
      trialTimeout: Type.Optional(text(32)),
    }),
  ),
  earlyTermination: Type.Optional(
    Type.Object({
      policyType: Type.Union([
        Type.Literal('Bandit'),
        Type.Literal('MedianStopping'),
        Type.Literal('TruncationSelection'),
      ]),
      evaluationInterval: count,
      delayEvaluation: count,
      slackFactor: Type.Optional(Type.Number()),
      slackAmount: Type.Optional(Type.Number()),
      truncationPercentage: count,
    }),
  ),
  trial: Type.Object(commandContent),
  /** Of each trial. */
  secretsConfiguration,
  /** Of each trial, where `trial` says none. */
  resources: Type.Optional(jobResources),
});
export type SweepJob = Static<typeof sweepJob>;

/** What a distribution says in YAML beside its `type`, in the order of its array on the wire. */
export const distributionFields: Readonly<Record<string, readonly string[]>> = {
  choice: ['values'],
  randint: ['upper'],
  uniform: ['min_value', 'max_value'],
  quniform: ['min_value', 'max_value', 'q'],
  loguniform: ['min_value', 'max_value'],
  qloguniform: ['min_value', 'max_value', 'q'],
  normal: ['mu', 'sigma'],
  qnormal: ['mu', 'sigma', 'q'],
  lognormal: ['mu', 'sigma'],
  qlognormal: ['mu', 'sigma', 'q'],
};
