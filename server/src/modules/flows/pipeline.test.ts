// A pipeline as a job: in which order its steps begin, what each is given, how it ends, and what is refused before it exists.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openFlows } from '../../../test/lab/flows.fixture.ts';
import { ended, exited, jobIn, running } from '../../../test/lab/jobs.fixture.ts';
import { createResults } from './results.service.ts';

after(() => closeScanPool());

const input = (name: string) => ({ job_input_type: 'literal', value: `\${{parent.inputs.${name}}}` });
const output = (step: string, name: string) => ({
  job_input_type: 'literal',
  value: `\${{parent.jobs.${step}.outputs.${name}}}`,
});

const asCreator = { kind: 'user', tenantId: '22222222-2222-4222-8222-222222222222', name: 'ann' } as const;

async function openPipelines(t: TestContext) {
  const bench = await openFlows(t);
  const { computeId, codeId, component } = bench;
  const train = await component('train', {
    command: `python3 train.py --rate \${{inputs.rate}} $[[--seed \${{inputs.seed}}]] --out \${{outputs.model}}`,
    inputs: { rate: { type: 'number', default: '0.1' }, seed: { type: 'integer', optional: true } },
    outputs: { model: { type: 'uri_folder' } },
  });
  const score = await component('score', {
    command: `python3 score.py \${{inputs.model}} \${{outputs.report}}`,
    inputs: { model: { type: 'uri_folder' } },
    outputs: { report: { type: 'uri_folder' } },
  });
  const pipeline = {
    jobType: 'Pipeline',
    settings: { default_compute: computeId, _source: 'YAML.JOB' },
    inputs: { rate: { jobInputType: 'literal', value: '0.5' } },
    outputs: { best: { jobOutputType: 'uri_folder' } },
    experimentName: 'flow',
    jobs: {
      score: {
        type: 'command',
        componentId: score,
        inputs: { model: output('train', 'model') },
        outputs: { report: { type: 'literal', value: `\${{parent.outputs.best}}` } },
      },
      train: { type: 'command', name: 'train', componentId: train, inputs: { rate: input('rate') } },
      aside: { type: 'command', command: 'echo aside', codeId },
    },
  };
  return { ...bench, train, score, pipeline };
}

test('steps begin when what they need is done, and what is wired reaches them', async (t) => {
  const bench = await openPipelines(t);
  const { putJob, pipeline, children, job, finish, lab, of, log } = bench;
  const made = await putJob('flow', pipeline);
  assert.equal(made.status, 201, made.bytes.toString());
  assert.deepEqual((await children('flow')).map(({ runId }) => runId).sort(), ['flow_aside', 'flow_train']);
  const train = await job('flow_train');
  assert.deepEqual(
    [train.inputs, train.parentJobName, train.experimentName],
    [{ rate: { jobInputType: 'literal', value: '0.5' } }, 'flow', 'flow'],
  );
  assert.equal(
    jobIn(await lab.work.take(of('flow_train'))).command,
    'python3 train.py --rate 0.5  --out /job/code/outputs/model',
  );
  await finish('flow_train', 'model');
  const score = jobIn(await lab.work.take(of('flow_score')));
  assert.deepEqual(
    score.inputs['model']?.map(({ path }) => path),
    ['a.txt'],
  );
  assert.equal((await job('flow')).properties['step.train'], 'Completed (flow_train)');
  await finish('flow_score', 'report');
  assert.equal(await bench.status('flow'), 'Running');
  await finish('flow_aside');
  const done = await job('flow');
  assert.equal(done.status, 'Completed');
  assert.match(done.outputs.best.uri, /dcid\.flow_score\/outputs\/report/);
  assert.equal((await bench.run('flow')).info.status, 'FINISHED');
  for (const said of [/train began: flow_train/, /score: Completed/])
    assert.match((await log('flow')).bytes.toString(), said);
  const sent = await putJob('flow', { ...done, description: 'again' });
  assert.equal(sent.status, 200, sent.bytes.toString());
});

test('a sweep is a step, and what needs it takes the outputs of its best trial', async (t) => {
  const bench = await openPipelines(t);
  const { lab, putJob, pipeline, train, job, logs, finish, of } = bench;
  const tuned = {
    type: 'sweep',
    trial: { componentId: train },
    search_space: { rate: { type: 'choice', values: [0.1, 0.2] } },
    sampling_algorithm: 'grid',
    objective: { goal: 'maximize', primary_metric: 'accuracy' },
    limits: { max_total_trials: 2, max_concurrent_trials: 2, timeout: 3600 },
    inputs: { seed: '7' },
  };
  const made = await putJob('tunes', { ...pipeline, jobs: { ...pipeline.jobs, train: tuned } });
  assert.equal(made.status, 201, made.bytes.toString());
  await bench.settled();
  const sweep = await job('tunes_train');
  assert.deepEqual([sweep.jobType, sweep.parentJobName, sweep.limits.timeout], ['Sweep', 'tunes', 'PT3600S']);
  assert.equal(
    jobIn(await lab.work.take(of('tunes_train_1'))).command,
    'python3 train.py --rate 0.2 --seed 7 --out /job/code/outputs/model',
  );
  for (const [trial, accuracy] of [
    ['tunes_train_0', 0.1],
    ['tunes_train_1', 0.9],
  ] as const) {
    await logs(trial, 'accuracy', accuracy);
    await finish(trial, 'model');
  }
  await bench.settled();
  assert.equal((await job('tunes')).properties['step.train'], 'Completed (tunes_train_1)');
  assert.match((await job('tunes_score')).inputs.model.uri, /dcid\.tunes_train_1\/outputs\/model/);
  const { rootRunId } = (
    await lab.must(lab.owner, 'GET', `/history/v1.0${bench.workspaceId}/runs/tunes_train_1/details`)
  ).body;
  assert.equal(rootRunId, 'tunes');
  await bench.cancel('tunes');
  await bench.settled();
  assert.deepEqual([await bench.status('tunes_score'), await bench.status('tunes')], ['Canceled', 'Canceled']);

  for (const [name, more, said] of [
    [
      'stranger',
      { search_space: { lr: { type: 'uniform', min_value: 0, max_value: 1 } } },
      /searches 'lr', which is no value that its component takes/,
    ],
    ['given', { inputs: { rate: '1' } }, /both searches 'rate' and is given it/],
    [
      'form',
      { search_space: { rate: { type: 'uniform', min: 0 } } },
      /min is not known; there are type, min_value, max_value/,
    ],
    ['kind', { search_space: { rate: { type: 'triangle' } } }, /'triangle' is no distribution/],
    ['goal', { objective: { goal: 'best', primary_metric: 'm' } }, /goal must be one of Minimize, Maximize/],
    ['metric', { objective: { goal: 'minimize' } }, /needs a primary_metric/],
    ['policy', { early_termination: { type: 'hope' } }, /must be one of Bandit/],
    ['bayes', { sampling_algorithm: { type: 'bayesian', seed: 1 } }, /has no rule and no seed/],
    ['trial', { trial: { componentId: train, command: 'x' } }, /names a component by componentId alone/],
  ] as const) {
    const refused = await putJob(name, { ...pipeline, jobs: { ...pipeline.jobs, train: { ...tuned, ...more } } });
    assert.equal(refused.status, 400, `${name}: ${refused.bytes.toString()}`);
    assert.match(refused.body.error.message, said, name);
  }
});

test('a step that fails ends what depends on it, and says so; others go on where that is asked for', async (t) => {
  const bench = await openPipelines(t);
  const { putJob, pipeline, told, job, children, finish } = bench;
  await putJob('stops', {
    ...pipeline,
    jobs: { ...pipeline.jobs, later: { command: 'x', inputs: { a: output('aside', 'default') } } },
  });
  await told('stops_train', running, exited(3));
  assert.equal(await bench.status('stops'), 'Running');
  await finish('stops_aside');
  const stopped = await job('stops');
  assert.deepEqual([stopped.status, stopped.error.code], ['Failed', 'StepFailed']);
  assert.match(
    stopped.error.message,
    /^The step 'train' \(job stops_train\) failed: [\s\S]*exit code 3[\s\S]*Not begun: (score, later|later, score)\./,
  );
  assert.equal((await children('stops')).length, 2);

  await putJob('goes-on', {
    ...pipeline,
    settings: { ...pipeline.settings, continue_on_step_failure: true, force_rerun: true },
    jobs: { ...pipeline.jobs, later: { command: `cat \${{inputs.a}}/x`, inputs: { a: output('aside', 'artifacts') } } },
  });
  await told('goes-on_train', running, exited(3));
  await bench.tell('goes-on_aside', running);
  const { info } = await bench.run('goes-on_aside');
  await bench.lab.must(
    bench.lab.owner,
    'PUT',
    `/mlflow/v1.0${bench.workspaceId}/api/2.0/mlflow-artifacts/artifacts/${info.experiment_id}/goes-on_aside/artifacts/x`,
    { body: Buffer.from('x') },
  );
  await told('goes-on_aside', exited(0));
  await finish('goes-on_later');
  const went = await job('goes-on');
  assert.equal(went.status, 'Failed');
  assert.match(went.error.message, /Not begun: score\./);
});

test('what was done before is not done again, unless it is asked for', async (t) => {
  const bench = await openPipelines(t);
  const { putJob, pipeline, finish, job, children, lab, workspaceId, jobId, codeUri } = bench;
  const run = async (name: string) => {
    await finish(`${name}_train`, 'model');
    await finish(`${name}_aside`);
    await finish(`${name}_score`, 'report');
    assert.equal(await bench.status(name), 'Completed');
  };
  await putJob('first', pipeline);
  await run('first');

  // The same code under another name is the same code.
  const codeId = `${workspaceId}/codes/copy/versions/1`;
  await lab.must(lab.owner, 'PUT', codeId, { body: { properties: { codeUri } } });
  const aside = { ...pipeline.jobs.aside, codeId };
  await putJob('second', { ...pipeline, jobs: { ...pipeline.jobs, aside } });
  await bench.settled();
  const second = await job('second');
  assert.equal(second.status, 'Completed');
  assert.deepEqual(await children('second'), []);
  assert.equal(second.properties['step.score'], 'Reused (first_score)');
  assert.match(second.outputs.best.uri, /dcid\.first_score\/outputs\/report/);

  // Another value is another step, and so is what takes its output.
  await putJob('third', { ...pipeline, inputs: { rate: { jobInputType: 'literal', value: '0.7' } } });
  assert.deepEqual(
    (await children('third')).map(({ runId }) => runId),
    ['third_train'],
  );
  await finish('third_train', 'model');
  assert.deepEqual(
    (await children('third')).map(({ runId }) => runId),
    ['third_train', 'third_score'],
  );

  await putJob('forced', { ...pipeline, settings: { ...pipeline.settings, force_rerun: true } });
  assert.equal((await children('forced')).length, 2);

  // Of what others did, only what one may read.
  const { jobs, access, resources, system, assign } = lab.now();
  const results = createResults({ lives: jobs.lives, grants: access.grants, clock: lab.clock });
  const done = await resources.get(system, jobId('second'));
  await results.put(done, 'a digest', await resources.get(system, jobId('first_train')));
  const ann = await lab.person([], workspaceId);
  const hers = { ...done, creator: { ...asCreator, objectId: ann } };
  assert.equal(await results.find(hers, 'a digest'), undefined);
  await assign(ann, 'Reader', jobId('first_train'));
  assert.equal((await results.find(hers, 'a digest'))?.name, 'first_train');

  await lab.must(lab.owner, 'DELETE', jobId('first'));
  await putJob('after', pipeline);
  assert.deepEqual(
    (await children('after')).map(({ runId }) => runId),
    ['after_train', 'after_aside'],
  );
});

test('a component that is several processes is so as a step, and as many as one node can be', async (t) => {
  const bench = await openPipelines(t);
  const spread = await bench.component('spread', {
    command: 'python3 train.py',
    distribution: { type: 'pytorch', process_count_per_instance: 2 },
  });
  const jobs = { spread: { componentId: spread } };
  await bench.putJob('spreads', { ...bench.pipeline, outputs: {}, jobs });
  assert.deepEqual((await bench.job('spreads_spread')).distribution, {
    distributionType: 'PyTorch',
    processCountPerInstance: 2,
  });
  const alone = await bench.putJob('alone', { jobType: 'Command', componentId: spread, computeId: bench.computeId });
  assert.equal(alone.status, 201, alone.bytes.toString());
  assert.equal((await bench.job('alone')).distribution.processCountPerInstance, 2);
  const many = await bench.component('many', {
    command: 'x',
    distribution: { type: 'mpi', process_count_per_instance: 4 },
  });
  const refused = await bench.putJob('many', { ...bench.pipeline, outputs: {}, jobs: { many: { componentId: many } } });
  assert.match(refused.body.error.message, /mpirun/);
});

test('what is not deterministic is done each time', async (t) => {
  const bench = await openPipelines(t);
  const draws = await bench.component('draws', { command: 'python3 draw.py', is_deterministic: false });
  const pipeline = { ...bench.pipeline, outputs: {}, jobs: { draws: { componentId: draws } } };
  for (const name of ['one', 'two']) {
    await bench.putJob(name, pipeline);
    await bench.finish(`${name}_draws`);
    assert.equal(await bench.status(name), 'Completed');
  }
});

test('a cancellation reaches the steps', async (t) => {
  const bench = await openPipelines(t);
  await bench.putJob('stop', bench.pipeline);
  await bench.tell('stop_train', running);
  await bench.cancel('stop');
  await bench.settled();
  assert.deepEqual([await bench.status('stop_aside'), await bench.status('stop')], ['Canceled', 'CancelRequested']);
  await bench.told('stop_train', ended('stopped'));
  assert.equal(await bench.status('stop'), 'Canceled');
  assert.equal((await bench.children('stop')).length, 2);
});

test('each step is made by the right of who submitted the pipeline', async (t) => {
  const bench = await openPipelines(t);
  const { lab, putJob, pipeline, finish, job } = bench;
  const ann = await lab.person(['AzureML Data Scientist'], bench.workspaceId);
  const made = await putJob('hers', pipeline, ann);
  assert.equal(made.status, 201, made.bytes.toString());
  await lab.now().access.unassignPrincipal(lab.now().system, ann);
  await finish('hers_train', 'model');
  const { status, error } = await job('hers');
  assert.deepEqual([status, error.code], ['Failed', 'AuthorizationFailed']);
  assert.equal(await bench.status('hers_aside'), 'Canceled');
});

test('a component that is removed meanwhile changes nothing of a pipeline that was accepted', async (t) => {
  const bench = await openPipelines(t);
  await bench.putJob('kept', bench.pipeline);
  await bench.lab.must(bench.lab.owner, 'DELETE', bench.score);
  await bench.finish('kept_train', 'model');
  assert.match((await bench.job('kept_score')).command, /^python3 score\.py/);
});

test('each way that a pipeline cannot be is refused before anything is made', async (t) => {
  const bench = await openPipelines(t);
  const { putJob, pipeline, train, score, lab, jobId, workspaceId, codeId } = bench;
  const { jobs } = pipeline;
  const step = (more: object) => ({ jobs: { ...jobs, extra: { type: 'command', componentId: train, ...more } } });
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['none', { jobs: {}, outputs: {} }, /A pipeline needs a step/],
    [
      'many',
      { jobs: Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`s${i}`, { command: 'x' }])) },
      /at most 200 steps, and this one has 5000/,
    ],
    [
      'circle',
      {
        jobs: {
          a: { componentId: score, inputs: { model: output('b', 'report') } },
          b: { componentId: score, inputs: { model: output('c', 'report') } },
          c: { componentId: score, inputs: { model: output('a', 'report') } },
          d: { command: 'x' },
        },
        outputs: {},
      },
      /wait for each other: a → b → c → a/,
    ],
    ['itself', { jobs: { a: { componentId: score, inputs: { model: output('a', 'report') } } }, outputs: {} }, /a → a/],
    [
      'absent',
      step({ inputs: { rate: output('nobody', 'x') } }),
      /takes an output of 'nobody', and there is no such step/,
    ],
    ['type', step({ type: 'parallel' }), /is of the type command, and the step says the type parallel/],
    ['spark', step({ type: 'spark' }), /of the type 'spark'/],
    ['nested', step({ type: 'pipeline' }), /is of the type command, and the step says the type pipeline/],
    ['name', { jobs: { 'a-b': { command: 'x' } }, outputs: {} }, /'a-b' is no name of a step/],
    ['unknown', step({ retries: 3 }), /has 'retries', which steps have not here/],
    ['again', step({ retry_settings: { max_retries: 2 } }), /has 'retry_settings', which steps have not here/],
    ['limits', step({ limits: { timeout: 60, max_retries: 2 } }), /'max_retries'/],
    [
      'misspelt',
      step({ inputs: { rat: '1' } }),
      /is given 'rat', which its component does not take. It takes rate, seed/,
    ],
    ['value', step({ inputs: { seed: 'many' } }), /is not of the type integer/],
    ['files', step({ inputs: { rate: output('train', 'model') } }), /is of the type number, and is given files/],
    ['words', step({ componentId: score, inputs: { model: 'x' } }), /is of the type uri_folder, and is given a value/],
    ['needs', step({ componentId: score }), /needs the input 'model'/],
    ['input', step({ inputs: { rate: input('none') } }), /takes the input 'none' of the pipeline, which has rate/],
    ['proto', step({ inputs: { rate: input('constructor') } }), /takes the input 'constructor'/],
    [
      'output',
      step({ inputs: { rate: output('train', 'weights') } }),
      /output 'weights' of the step 'train', which has model/,
    ],
    ['amid', step({ inputs: { rate: `1\${{parent.inputs.rate}}` } }), /What is wired stands alone/],
    ['both', step({ command: 'x' }), /needs one of componentId and command/],
    [
      'elsewhere',
      step({ componentId: train.replace('Vision', 'Other') }),
      /must name one of this workspace's components/,
    ],
    ['code', step({ componentId: codeId }), /must name one of this workspace's components/],
    ['docker', step({ resources: { docker_args: '--gpus all' } }), /resources\.docker_args is not served/],
    ['places', step({ resources: { locations: ['westus'] } }), /resources\.locations is not served/],
    ['most', step({ resources: { maxInstanceCount: 7 } }), /resources\.max_instance_count is not served/],
    ['nodes', step({ resources: { instance_count: 3 } }), /one node/],
    ['processes', step({ distribution: { type: 'mpi', process_count_per_instance: 3 } }), /mpirun/],
    ['beside', step({ environment: 'azureml:other:1' }), /names a component, which says its environment itself/],
    ['again', step({ is_deterministic: false }), /says its is_deterministic itself/],
    [
      'mode',
      { outputs: { best: { jobOutputType: 'uri_folder', mode: 'Direct' } } },
      /The mode 'Direct' of 'report' is not served/,
    ],
    ['rerun', { settings: { ...pipeline.settings, force_rerun: 'true' } }, /force_rerun is true or false/],
    ['compute', step({ computeId: `${workspaceId}/computes/none` }), /no compute 'none'/],
    ['variable', step({ environment_variables: { AZUREML_X: '1' } }), /is set by the service/],
    ['credential', step({ environment_variables: { KEY: `AKIA${'A'.repeat(16)}` } }), /looks like/],
    ['literal', step({ componentId: score, inputs: { model: `AKIA${'A'.repeat(16)}` } }), /looks like/],
    ['timeout', step({ limits: { timeout: 'P9D' } }), /one second to seven days/],
    [
      'unwired',
      { outputs: { ...pipeline.outputs, more: { jobOutputType: 'uri_folder' } } },
      /'more' of the pipeline is wired to no step/,
    ],
    ['twice', step({ outputs: { model: { value: `\${{parent.outputs.best}}` } } }), /wired to both/],
    [
      'no-output',
      step({ outputs: { model: { value: `\${{parent.outputs.none}}` } } }),
      /the pipeline has no such output/,
    ],
    [
      'place',
      step({ outputs: { model: { job_output_type: 'uri_folder', uri: 'azureml://datastores/x/paths/y' } } }),
      /no datastore 'x'/,
    ],
    [
      'both',
      step({ outputs: { model: { value: `\${{parent.outputs.best}}`, uri: 'azureml://datastores/x/paths/y' } } }),
      /is wired to one of the pipeline and has a place/,
    ],
    [
      'outside',
      { outputs: { best: { jobOutputType: 'uri_folder', uri: 'azureml://datastores/workspaceblobstore/paths/../y' } } },
      /dot-dot/,
    ],
    ['setting', { settings: { ...pipeline.settings, on_init: 'train' } }, /settings\.on_init is not served/],
    ['store', { settings: { ...pipeline.settings, default_datastore: 'azureml:other' } }, /no datastore 'other'/],
    ['p'.repeat(250), {}, /at most 249 characters/],
  ];
  for (const [name, more, said] of cases) {
    const { status, body, bytes } = await putJob(name, { ...pipeline, ...more });
    assert.equal(status, 400, `${name}: ${bytes.toString().slice(0, 500)}`);
    assert.match(body.error.message, said, name);
    assert.equal((await lab.call(lab.owner, 'GET', jobId(name))).status, 404, name);
  }
  assert.equal(lab.work.items.size, 0);
});
