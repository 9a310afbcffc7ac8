// A sweep as a job: what it makes of its trials, whose rights they are made by, how it ends, and that nothing is lost or made
// twice when the server dies in between.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { jobType } from '#jobs';
import { closeScanPool } from '#kernel/database/database';
import { type FlowBench, openFlows } from '../../../test/lab/flows.fixture.ts';
import { ended, exited, jobIn, running } from '../../../test/lab/jobs.fixture.ts';
import { createBayesian, startupPoints } from './bayesian.rules.ts';
import type { Known } from './samplers.rules.ts';
import { readSpace } from './space.rules.ts';

after(() => closeScanPool());

async function trial(bench: FlowBench, name: string, ...points: readonly (number | 'NaN')[]) {
  if (points.length > 0) await bench.logs(name, 'accuracy', ...points);
  else await bench.tell(name, running);
  await bench.told(name, exited(0));
}

test('a sweep tries as many as it may at once, and its outputs are those of the best', async (t) => {
  const bench = await openFlows(t);
  const { putSweep, job, run, lab, of, list, children, log } = bench;
  const made = await putSweep('tune', { outputs: { model: { jobOutputType: 'uri_folder' } } });
  assert.equal(made.status, 201, made.bytes.toString());
  assert.equal((await job('tune')).status, 'Running');
  assert.deepEqual(await list(), ['tune']);
  assert.deepEqual(await list('?parentJobName=tune'), ['tune_0', 'tune_1']);
  assert.equal((await run('tune')).info.status, 'RUNNING');

  const first = await job('tune_0');
  assert.equal(first.jobType, 'Command');
  assert.equal(first.parentJobName, 'tune');
  assert.equal(first.experimentName, 'tuning');
  assert.deepEqual(JSON.parse(first.tags.hyperparameters), { lr: first.inputs.lr.value, b: first.inputs.b.value });
  const tags = (await run('tune_0')).data.tags as readonly { key: string; value: string }[];
  assert.equal(tags.find(({ key }) => key === 'mlflow.parentRunId')?.value, 'tune');
  // What is searched is a word of the shell, whatever it holds.
  const { command } = jobIn(await lab.work.take(of('tune_0')));
  assert.match(command, /^python3 train\.py --lr 0\.\d+ --b (x|y|'z'\\''; rm -rf \/')$/);

  await trial(bench, 'tune_0', 0.5, 0.9, 0.7);
  assert.equal((await job('tune')).properties.best_child_run_id, 'tune_0');
  assert.deepEqual(await list('?parentJobName=tune'), ['tune_0', 'tune_1', 'tune_2']);
  await trial(bench, 'tune_1', 0.4);
  await bench.told('tune_2', running, exited(1));
  await trial(bench, 'tune_3', 0.95);
  const done = await job('tune');
  assert.equal(done.status, 'Completed');
  assert.deepEqual(done.properties, { best_child_run_id: 'tune_3', best_metric_status: 'Succeeded', score: '0.95' });
  assert.match(done.outputs.model.uri, /dcid\.tune_3\/outputs\/model/);
  assert.equal((await run('tune')).info.status, 'FINISHED');
  assert.deepEqual(
    (await children('tune')).map(({ runId, status }) => [runId, status]),
    [
      ['tune_0', 'Completed'],
      ['tune_1', 'Completed'],
      ['tune_2', 'Failed'],
      ['tune_3', 'Completed'],
    ],
  );
  const printed = (await log('tune')).bytes.toString();
  for (const said of [
    /tune_0 began: lr=0\.\d+, b=/,
    /tune_2: Failed; The command ended with exit code 1/,
    /tune_3: Completed; best accuracy: 0\.95/,
  ])
    assert.match(printed, said);
  // What a client has read it sends back with another description, and changes nothing by it.
  const sent = await bench.putJob('tune', { ...done, description: 'the good one' });
  assert.equal(sent.status, 200, sent.bytes.toString());
  assert.deepEqual((await job('tune')).properties, done.properties);
});

test('a grid is tried whole, once, and its limits cut it', async (t) => {
  const bench = await openFlows(t);
  const grid = {
    samplingAlgorithm: { samplingAlgorithmType: 'Grid' },
    searchSpace: { lr: ['choice', [[0.1, 0.2]]], b: ['choice', [['x', 'y']]] },
    limits: {},
  };
  await bench.putSweep('grid', grid);
  const tried = (await Promise.all([0, 1, 2, 3].map((number) => bench.job(`grid_${number}`)))).map(({ inputs }) => [
    inputs.lr.value,
    inputs.b.value,
  ]);
  assert.deepEqual(tried, [
    [0.1, 'x'],
    [0.1, 'y'],
    [0.2, 'x'],
    [0.2, 'y'],
  ]);
  assert.equal((await bench.children('grid')).length, 4);
  await bench.putSweep('cut', { ...grid, limits: { maxTotalTrials: 3 } });
  assert.equal((await bench.children('cut')).length, 3);
});

test('bayesian sampling learns from the trials that have completed, and a restart changes nothing of it', async (t) => {
  const bench = await openFlows(t);
  const { putSweep, job, lab, sweep, jobId, settled } = bench;
  const total = startupPoints + 3;
  await putSweep('learns', {
    samplingAlgorithm: { samplingAlgorithmType: 'bayesian' },
    limits: { maxTotalTrials: total, maxConcurrentTrials: 1 },
  });
  const { resources, system } = lab.now();
  const { uniqueId } = await resources.get(system, jobId('learns'));
  const space = readSpace(sweep.searchSpace);
  const sampler = createBayesian(space, 'Maximize', Number.parseInt(uniqueId.replaceAll('-', '').slice(0, 12), 16));
  const known: Known[] = [];
  for (let number = 0; number < total; number++) {
    const name = `learns_${number}`;
    if (number === startupPoints) {
      await lab.restart();
      await lab.now().tasks.drain();
      await settled();
    }
    const { inputs } = await job(name);
    const point = { lr: inputs.lr.value, b: inputs.b.value };
    assert.deepEqual(point, sampler.at(number, known), name);
    // One that failed is no example.
    if (number === 2) {
      await bench.told(name, running, exited(1));
      known.push({ point, value: undefined });
      continue;
    }
    const value = 1 - Math.abs(point.lr - 0.3);
    await trial(bench, name, value);
    known.push({ point, value });
  }
  assert.equal((await job('learns')).status, 'Completed');
});

test('each way that a sweep cannot be is refused before anything is made', async (t) => {
  const { putSweep, lab, jobId, sweep, workspaceId } = await openFlows(t);
  const command = (text: string) => ({ trial: { ...sweep.trial, command: text } });
  const choices = Array.from({ length: 40 }, (_, index) => index);
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['empty', { searchSpace: {} }, /search space is empty/],
    ['infinite', { samplingAlgorithm: { samplingAlgorithmType: 'Grid' } }, /'lr' is of the distribution uniform/],
    ['seeded', { samplingAlgorithm: { samplingAlgorithmType: 'Grid', seed: 1 } }, /no rule and no seed/],
    [
      'large',
      {
        samplingAlgorithm: { samplingAlgorithmType: 'grid' },
        searchSpace: { lr: ['choice', [choices]], b: ['choice', [choices]] },
        limits: {},
      },
      /The grid has 1600 points/,
    ],
    ['many', { limits: { maxTotalTrials: 1001 } }, /maxTotalTrials is a number from 1 to 1000/],
    ['none', { limits: { maxTotalTrials: 0 } }, /maxTotalTrials is a number from 1 to 1000/],
    ['at-once', { limits: { maxConcurrentTrials: 0 } }, /maxConcurrentTrials is a number/],
    [
      'bayes',
      { samplingAlgorithm: { samplingAlgorithmType: 'Bayesian' }, earlyTermination: { policyType: 'MedianStopping' } },
      /takes no earlyTermination/,
    ],
    ['rule', { samplingAlgorithm: { samplingAlgorithmType: 'Bayesian', rule: 'Sobol' } }, /no rule and no seed/],
    [
      'normal',
      {
        samplingAlgorithm: { samplingAlgorithmType: 'Bayesian' },
        searchSpace: { lr: ['normal', [0, 1]], b: ['choice', [[1]]] },
      },
      /learns from choice, uniform, quniform/,
    ],
    [
      'wide',
      {
        samplingAlgorithm: { samplingAlgorithmType: 'Bayesian' },
        searchSpace: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`p${index}`, ['uniform', [0, 1]]])),
      },
      /with bayesian sampling has at most 20 parameters/,
    ],
    ['unknown', command(`x \${{search_space.momentum}}`), /search_space\.momentum}}, and the search space has lr, b/],
    ['proto', command(`x \${{search_space.__proto__}}`), /the search space has lr, b/],
    ['input', command(`x \${{inputs.none}}`), /names neither an input nor an output/],
    ['both', { inputs: { lr: { jobInputType: 'literal', value: 1 } } }, /'lr' is both an input and a parameter/],
    ['no-command', command(' '), /needs properties\.command/],
    [
      'code',
      { trial: { ...sweep.trial, codeId: `${workspaceId}/models/m/versions/9` } },
      /one of this workspace's codes/,
    ],
    ['compute', { computeId: `${workspaceId}/computes/none` }, /no compute 'none'/],
    ['timeout', { limits: { timeout: 'soon' } }, /limits\.timeout is an ISO 8601 duration/],
    ['trial-timeout', { limits: { trialTimeout: 'P8D' } }, /one second to seven days/],
    ['goal', { objective: { goal: 'best', primaryMetric: 'x' } }, /goal must be one of/],
    ['slack', { earlyTermination: { policyType: 'Bandit' } }, /one of slackFactor and slackAmount/],
    ['slacks', { earlyTermination: { policyType: 'bandit', slackFactor: 1, slackAmount: 1 } }, /one of slackFactor/],
    ['of-other', { earlyTermination: { policyType: 'MedianStopping', slackFactor: 1 } }, /has no such property/],
    ['percent', { earlyTermination: { policyType: 'TruncationSelection', truncationPercentage: 100 } }, /from 1 to 99/],
    ['interval', { earlyTermination: { policyType: 'MedianStopping', delayEvaluation: -1 } }, /counts of intervals/],
    [
      'distribution',
      { trial: { ...sweep.trial, distribution: { distributionType: 'Mpi', processCountPerInstance: 2 } } },
      /begin the command with mpirun -np 2/,
    ],
    ['identity', { identity: { identityType: 'Managed' } }, /cannot act as 'Managed'/],
    ['misspelt', { trial: { ...sweep.trial, comand: 'x' } }, /did you mean command/],
    ['parent', { parentJobName: 'none' }, /There is no job 'none'/],
    ['a'.repeat(252), {}, /name of at most 251 characters/],
  ];
  for (const [name, more, said] of cases) {
    const { status, body, bytes } = await putSweep(name, more);
    assert.equal(status, 400, `${name}: ${bytes.toString()}`);
    assert.match(body.error.message, said, name);
    assert.equal((await lab.call(lab.owner, 'GET', jobId(name))).status, 404, name);
  }
  assert.equal(lab.work.items.size, 0);
});

test('the best of a trial is that of all its points, however many there are', async (t) => {
  const bench = await openFlows(t);
  const { lab, workspaceId } = bench;
  await bench.putSweep('long', { limits: { maxTotalTrials: 1 } });
  await bench.tell('long_0', running);
  const path = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow/runs/log-batch`;
  // More than a page of history has, and the best of them last.
  for (let batch = 0; batch < 26; batch++) {
    const metrics = Array.from({ length: 1_000 }, (_, at) => {
      const step = batch * 1_000 + at;
      return { key: 'accuracy', value: step === 25_999 ? 0.9 : 0.1, step, timestamp: 1_000 + step };
    });
    await lab.must(lab.owner, 'POST', path, { body: { run_id: 'long_0', metrics } });
  }
  await bench.told('long_0', exited(0));
  assert.equal((await bench.job('long')).properties.score, '0.9');
});

test('a metric that is missing or no number fails the sweep in words', async (t) => {
  const bench = await openFlows(t);
  const one = { limits: { maxTotalTrials: 1 } };
  await bench.putSweep('missing', one);
  await bench.logs('missing_0', 'loss', 1);
  await bench.told('missing_0', exited(0));
  const missing = await bench.job('missing');
  assert.deepEqual([missing.status, missing.error.code], ['Failed', 'MetricMissing']);
  assert.match(missing.error.message, /No trial logged the metric 'accuracy'[\s\S]*They logged loss\./);

  await bench.putSweep('nan', one);
  await trial(bench, 'nan_0', 'NaN', 'NaN');
  const nan = await bench.job('nan');
  assert.deepEqual([nan.status, nan.error.code], ['Failed', 'MetricIsNaN']);

  await bench.putSweep('broken', one);
  await bench.told('broken_0', running, exited(2));
  const broken = await bench.job('broken');
  assert.deepEqual([broken.status, broken.error.code], ['Failed', 'NoTrialCompleted']);
  assert.match(broken.error.message, /exit code 2/);
});

test('a command that always fails is not tried for ever', async (t) => {
  const bench = await openFlows(t);
  await bench.putSweep('hopeless', { limits: { maxTotalTrials: 100, maxConcurrentTrials: 1 } });
  for (let number = 0; number < 10; number++) await bench.told(`hopeless_${number}`, running, exited(1));
  const { status, error } = await bench.job('hopeless');
  assert.deepEqual([status, error.code], ['Failed', 'TrialsFailed']);
  assert.equal((await bench.children('hopeless')).length, 10);
});

test('a policy gives up a trial while it runs, and the next takes its place', async (t) => {
  const bench = await openFlows(t);
  await bench.putSweep('early', {
    earlyTermination: {
      policyType: 'Bandit',
      slackAmount: 0.1,
      slackFactor: 0,
      evaluationInterval: 2,
      delayEvaluation: 2,
    },
  });
  await bench.logs('early_0', 'accuracy', 0.5, 0.9);
  await bench.logs('early_1', 'accuracy', 0.2);
  await bench.tick();
  assert.equal(await bench.status('early_1'), 'Running');
  await bench.logs('early_1', 'accuracy', 0.2, 0.3);
  await bench.tick();
  assert.equal(await bench.status('early_1'), 'CancelRequested');
  await bench.told('early_1', ended('stopped'));
  assert.equal(await bench.status('early_1'), 'Canceled');
  assert.equal(await bench.status('early_2'), 'Queued');
  assert.match((await bench.log('early')).bytes.toString(), /early_1 is given up by the policy Bandit/);
  await bench.told('early_0', exited(0));
  for (const number of [2, 3]) await trial(bench, `early_${number}`, 0.1, 0.2);
  assert.equal((await bench.job('early')).properties.best_child_run_id, 'early_0');
});

test('a policy looks at every point, however many a trial has logged', async (t) => {
  const bench = await openFlows(t);
  const { lab, workspaceId } = bench;
  const policy = { policyType: 'Bandit', slackAmount: 0.1, slackFactor: 0, evaluationInterval: 26_000 };
  await bench.putSweep('long', { earlyTermination: policy });
  for (const [name, best] of [
    ['long_0', 0.9],
    ['long_1', 0.3],
  ] as const) {
    await bench.tell(name, running);
    for (let from = 0; from < 26_000; from += 1_000) {
      const metrics = Array.from({ length: 1_000 }, (_, at) => ({
        ...{ key: 'accuracy', step: from + at, timestamp: 1_000 + from + at },
        value: from + at === 25_999 ? best : 0.2,
      }));
      const path = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow/runs/log-batch`;
      await lab.must(lab.owner, 'POST', path, { body: { run_id: name, metrics } });
    }
  }
  await bench.tick();
  assert.deepEqual(
    [await bench.status('long_0'), await bench.status('long_1')],
    ['Running', 'CancelRequested'],
    'what lies apart is the last point of each',
  );
});

test('a cancellation reaches every trial, and the sweep ends after them', async (t) => {
  const bench = await openFlows(t);
  await bench.putSweep('stop');
  await bench.tell('stop_0', running);
  assert.equal((await bench.cancel('stop')).status, 202);
  await bench.settled();
  assert.equal(await bench.status('stop_1'), 'Canceled');
  assert.equal(await bench.status('stop'), 'CancelRequested');
  await bench.told('stop_0', ended('stopped'));
  assert.equal(await bench.status('stop'), 'Canceled');
  assert.equal((await bench.run('stop')).info.status, 'KILLED');
  assert.equal((await bench.children('stop')).length, 2);
});

test('a sweep that runs too long is ended with its trials', async (t) => {
  const bench = await openFlows(t);
  await bench.putSweep('slow', { limits: { maxTotalTrials: 4, maxConcurrentTrials: 2, timeout: 'PT60S' } });
  await bench.lab.clock.advance(59_000);
  await bench.tick();
  assert.equal(await bench.status('slow'), 'Running');
  await bench.lab.clock.advance(2_000);
  await bench.tick();
  const { status, error } = await bench.job('slow');
  assert.deepEqual([status, error.code], ['Failed', 'JobTimeout']);
  assert.equal(await bench.status('slow_1'), 'Canceled');
});

test('each trial is made by the right of who submitted the sweep: taken away, it ends in words', async (t) => {
  const bench = await openFlows(t);
  const { lab } = bench;
  const ann = await lab.person(['AzureML Data Scientist'], bench.workspaceId);
  const made = await bench.putSweep('hers', {}, ann);
  assert.equal(made.status, 201, made.bytes.toString());
  const { access, system, audit } = lab.now();
  const acts = audit.entries.filter(({ intent }) => intent.scope === bench.jobId('hers_0'));
  assert.deepEqual(
    acts.map(({ intent }) => [intent.operation, intent.actor.objectId, intent.decision, intent.parameters]),
    [['Jobs_CreateOrUpdate', ann, 'allowed', { 'properties.parentJobName': 'hers' }]],
  );
  await access.unassignPrincipal(system, ann);
  await trial(bench, 'hers_0', 0.5);
  assert.equal(await bench.status('hers_1'), 'Canceled');
  const { status, error } = await bench.job('hers');
  assert.deepEqual([status, error.code], ['Failed', 'AuthorizationFailed']);
  assert.match(error.message, /'hers_2' could not be submitted in the name of[\s\S]*jobs\/write/);
  assert.equal(
    audit.entries.findLast(({ intent }) => intent.scope === bench.jobId('hers_2'))?.intent.decision,
    'refused',
  );
});

test('who is disabled goes on with nothing', async (t) => {
  const bench = await openFlows(t);
  const { lab } = bench;
  const ann = await lab.person(['AzureML Data Scientist'], bench.workspaceId);
  await bench.putSweep('gone', {}, ann);
  await lab.control.write((tx) => lab.now().identity.directory.setEnabled(tx, ann, false));
  await lab.now().flows.endThoseOf(ann);
  await bench.settled();
  for (const name of ['gone', 'gone_0', 'gone_1']) assert.equal(await bench.status(name), 'Canceled', name);
});

test('nobody makes himself a child of a sweep, nor takes the place of a trial', async (t) => {
  const bench = await openFlows(t);
  const { lab, putSweep, put, job } = bench;
  const taken = await put('mine_1');
  assert.equal(taken.status, 201);
  await putSweep('mine');
  const sweep = await job('mine');
  assert.deepEqual([sweep.status, sweep.error.code], ['Failed', 'JobNameUsed']);
  assert.match(sweep.error.message, /a job 'mine_1' already that is another one's/);
  assert.equal(await bench.status('mine_0'), 'Canceled');
  assert.equal(await bench.status('mine_1'), 'Queued');

  await putSweep('theirs');
  const joined = await put('stranger', { parentJobName: 'theirs' });
  assert.equal(joined.status, 400);
  assert.match(joined.body.error.message, /makes its children by itself/);
  for (const name of ['flow', 'children'])
    assert.equal((await putSweep(`sets-${name}`, { [name]: {} })).status, 400, name);
  // Nor does anything else that acts in somebody's name.
  const { access, resources } = lab.now();
  const maker = { kind: 'user', objectId: lab.owner, tenantId: '', name: 'owner' } as const;
  const id = bench.jobId('stranger');
  const grant = access.grants.onBehalf(maker, actionsOfType(jobType).write, id, 'a schedule');
  const draft = { properties: { ...bench.properties, parentJobName: 'theirs' } };
  await assert.rejects(resources.create(grant, id, draft), /makes its children by itself/);
  assert.equal(lab.work.of(bench.jobId('stranger')).length, 0);
});

test('a trial whose name is in the record already counts as gone, and the sweep still ends', async (t) => {
  const bench = await openFlows(t);
  const { lab, put, jobId, putSweep, job } = bench;
  await put('past_0');
  await bench.told('past_0', running, exited(0));
  await lab.must(lab.owner, 'DELETE', jobId('past_0'));
  await putSweep('past', { limits: { maxTotalTrials: 1 } });
  assert.equal((await job('past')).error.code, 'NoTrialCompleted');
  await put('later_0');
  await bench.told('later_0', running, exited(0));
  await lab.must(lab.owner, 'DELETE', jobId('later_0'));
  await putSweep('later', { limits: { maxTotalTrials: 2, maxConcurrentTrials: 1 } });
  await trial(bench, 'later_1', 0.5);
  assert.equal((await job('later')).properties.best_child_run_id, 'later_1');
});

test('an ended sweep is removed with its trials, and archived with them', async (t) => {
  const bench = await openFlows(t);
  const { lab, jobId, putSweep, put, list } = bench;
  await putSweep('old', { limits: { maxTotalTrials: 2 } });
  assert.equal((await lab.call(lab.owner, 'DELETE', jobId('old'))).status, 409);
  await trial(bench, 'old_0', 1);
  await trial(bench, 'old_1', 2);
  const whole = (await lab.must(lab.owner, 'GET', jobId('old'))).body;
  whole.properties.isArchived = true;
  await lab.must(lab.owner, 'PUT', jobId('old'), { body: whole });
  assert.equal((await bench.job('old_1')).isArchived, true);
  assert.deepEqual(await list(), []);
  assert.deepEqual(await list('?listViewType=ArchivedOnly&parentJobName=old'), ['old_0', 'old_1']);
  const reader = await lab.person(['Reader'], jobId('old'));
  assert.equal((await lab.call(reader, 'DELETE', jobId('old'))).status, 403);
  // A right to the sweep alone is none to its trials: all goes, or nothing.
  const narrow = await lab.person(['Owner'], jobId('old'));
  assert.equal((await lab.call(narrow, 'DELETE', jobId('old'))).status, 403);
  assert.equal((await lab.call(lab.owner, 'GET', jobId('old_0'))).status, 200);
  await lab.must(lab.owner, 'DELETE', jobId('old'));
  for (const name of ['old', 'old_0', 'old_1'])
    assert.equal((await lab.call(lab.owner, 'GET', jobId(name))).status, 404, name);
  assert.equal((await put('plain')).status, 201);
});

test('whoever may not read a trial is not shown it below its sweep', async (t) => {
  const bench = await openFlows(t);
  const { lab, jobId, putSweep, children } = bench;
  await putSweep('half', { limits: { maxTotalTrials: 2 } });
  const reader = await lab.person([], bench.workspaceId);
  await lab.now().assign(reader, 'Reader', jobId('half'));
  await lab.now().assign(reader, 'Reader', jobId('half_1'));
  assert.deepEqual(
    (await children('half', reader)).map(({ runId }) => runId),
    ['half_1'],
  );
});
