// What a sweep means: the job that each trial is, and how the whole ended.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SweepJob } from '@strongroom/contract/sweeps';
import { bestIn, endOf, hopeless, planOf, trialOf } from './sweep.rules.ts';

const sweep = {
  jobType: 'Sweep',
  name: 'tune',
  trial: {
    command: `x \${{search_space.lr}} \${{ search_space.lr }} \${{inputs.data}}`,
    resources: { instanceCount: 1 },
  },
  searchSpace: { lr: ['choice', [[0.1]]] },
  samplingAlgorithm: { samplingAlgorithmType: 'Grid' },
  objective: { goal: 'Minimize', primaryMetric: 'loss' },
  inputs: { data: { jobInputType: 'uri_folder', uri: 'azureml://datastores/d/paths/p' } },
  limits: { trialTimeout: 'PT1M' },
} as const satisfies SweepJob & { name: string };

test('a trial is a command job: what is searched is an input, and files are those that were fixed', () => {
  const trial = trialOf(sweep, { lr: 0.1 }, { data: 'azureml://snapshots/sha256:aa' }, 3);
  assert.deepEqual(trial, {
    jobType: 'Command',
    displayName: 'tune 3',
    parentJobName: 'tune',
    command: `x \${{inputs.lr}} \${{inputs.lr}} \${{inputs.data}}`,
    resources: { instanceCount: 1 },
    inputs: {
      data: { jobInputType: 'uri_folder', uri: 'azureml://snapshots/sha256:aa' },
      lr: { jobInputType: 'literal', value: 0.1 },
    },
    limits: { jobLimitsType: 'Command', timeout: 'PT1M' },
    tags: { hyperparameters: '{"lr":0.1}' },
  });
});

test('the best of a trial is an end of what it logged, and no number where there is none', () => {
  const ends = { least: -1, greatest: 2 };
  assert.deepEqual([bestIn('Maximize', { count: 3, ends }), bestIn('Minimize', { count: 3, ends })], [2, -1]);
  assert.equal(bestIn('Minimize', { count: 2, ends: undefined }), 'NaN');
  assert.equal(bestIn('Minimize', { count: 0, ends: undefined }), undefined);
});

test('without a number of trials a grid is tried whole, and chance a thousand times', () => {
  assert.equal(planOf(sweep, 0).total, 1);
  const random = { ...sweep, samplingAlgorithm: { samplingAlgorithmType: 'Random' as const } };
  assert.deepEqual([planOf(random, 0).total, planOf(random, 0).concurrent], [1000, 1000]);
});

test('the best is the one that completed, and each other end has its words', () => {
  const plan = { goal: 'Minimize', metric: 'loss' } as const;
  const end = (...trials: Parameters<typeof endOf>[2]) => endOf('tune', plan, trials);
  assert.equal(end({ end: 'Completed', best: 2 }, { end: 'Failed', error: 'x' }).status, 'Completed');
  assert.equal(end({ end: 'Canceled', best: 1 }, { end: 'Completed', logged: ['acc'] }).error?.code, 'MetricMissing');
  assert.equal(end({ end: 'Completed', best: 'NaN' }, { end: 'Completed' }).error?.code, 'MetricIsNaN');
  assert.match(
    end({ end: 'Failed', error: 'no memory' }, { end: 'Gone' }).error?.message ?? '',
    /^None of the 2 trials has completed\. The last one that failed \(job tune_0\) said: no memory$/,
  );
  const failed = Array.from({ length: 10 }, () => ({ end: 'Failed' as const, error: 'no' }));
  assert.equal(hopeless('tune', failed)?.error?.code, 'TrialsFailed');
  assert.equal(hopeless('tune', [...failed, { end: 'Completed' }]), undefined);
  assert.equal(hopeless('tune', failed.slice(1)), undefined);
});
