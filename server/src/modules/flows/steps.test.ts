// What a step and its component say is done, or refused where it stands: nothing of it is taken and dropped.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openFlows } from '../../../test/lab/flows.fixture.ts';
import { jobIn } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

async function openSteps(t: TestContext) {
  const bench = await openFlows(t);
  const { computeId, putJob } = bench;
  const pipeline = (jobs: object, more: object = {}) => ({
    jobType: 'Pipeline',
    settings: { default_compute: computeId },
    jobs,
    ...more,
  });
  let count = 0;
  const refusedOf = async (job: object): Promise<string> => {
    const { status, body } = await putJob(`refused${count++}`, job);
    assert.equal(status, 400, JSON.stringify(body));
    return body.error.message;
  };
  const made = async (name: string, job: object) => {
    const { status, bytes } = await putJob(name, job);
    assert.equal(status, 201, bytes.toString());
  };
  return { ...bench, pipeline, refusedOf, made };
}

test('a step is what is said of it beside its component', async (t) => {
  const { component, pipeline, made, job } = await openSteps(t);
  const said = {
    componentId: await component('plain', { command: 'python3 train.py', resources: { shm_size: '1g' } }),
    description: 'trains',
    properties: { asked: 'by hand' },
    resources: { shm_size: '2g' },
    distribution: { type: 'pytorch', process_count_per_instance: 2 },
  };
  const inline = { command: 'x', distribution: { distributionType: 'PyTorch', processCountPerInstance: 3 } };
  await made('told', pipeline({ one: said, two: inline, three: { componentId: said.componentId } }));
  const { description, properties, resources, distribution } = await job('told_one');
  assert.deepEqual([description, properties.asked, resources.shmSize], ['trains', 'by hand', '2g']);
  assert.equal(distribution.processCountPerInstance, 2);
  assert.equal((await job('told_two')).distribution.processCountPerInstance, 3);
  assert.equal((await job('told_three')).resources.shmSize, '1g');
});

test('what a component takes bounds what a step and a job give it, and its modes hold for them', async (t) => {
  const { component, pipeline, refusedOf, computeId } = await openSteps(t);
  const bounded = await component('bounded', {
    command: `x \${{inputs.rate}} \${{inputs.kind}}`,
    inputs: {
      rate: { type: 'integer', min: '0', max: '3', default: '1' },
      kind: { type: 'string', enum: ['a', 'b'], default: 'a' },
    },
  });
  const step = (inputs: object) => pipeline({ one: { componentId: bounded, inputs } });
  assert.match(await refusedOf(step({ rate: '77' })), /is 77, and must be at most 3/);
  assert.match(await refusedOf(step({ kind: 'c' })), /must be one of a, b/);
  const alone = (componentId: string, inputs: object) => ({ jobType: 'Command', componentId, computeId, inputs });
  const rate = { jobInputType: 'literal', value: '-1' };
  assert.match(await refusedOf(alone(bounded, { rate })), /is -1, and must be at least 0/);
  const written = await component('written', {
    command: `x \${{inputs.data}}`,
    inputs: { data: { type: 'uri_folder', mode: 'rw_mount' } },
    resources: { instance_count: 1 },
  });
  const data = { jobInputType: 'uri_folder', uri: 'azureml://datastores/workspaceblobstore/paths/x/' };
  assert.match(await refusedOf(alone(written, { data })), /The mode 'ReadWriteMount' of 'data' is not served/);
  const given = { componentId: written, inputs: { data: { job_input_type: 'uri_folder', uri: data.uri } } };
  assert.match(await refusedOf(pipeline({ one: given })), /'ReadWriteMount' of 'data'/);
  const spread = await component('two-nodes', { command: 'x', resources: { instance_count: 2 } });
  assert.match(await refusedOf(alone(spread, {})), /one node/);
  const shared = await component('shared', { command: 'x', resources: { shm_size: '64g' } });
  assert.match(await refusedOf(alone(shared, {})), /from 1m to 8g/);
});

test('an output of a step is of the type that the step says, and never of another than its component writes', async (t) => {
  const { component, pipeline, refusedOf, made, job, lab, of } = await openSteps(t);
  const command = `echo 1 > \${{outputs.left}}`;
  const file = { job_output_type: 'uri_file' };
  const wired = { value: `\${{parent.outputs.whole}}` };
  const whole = { outputs: { whole: { jobOutputType: 'uri_file' } } };
  await made('said', pipeline({ one: { command, outputs: { left: file } } }));
  await made('wired', pipeline({ one: { command, outputs: { left: wired } } }, whole));
  for (const name of ['said_one', 'wired_one']) {
    assert.equal((await job(name)).outputs.left.jobOutputType, 'uri_file');
    // A folder would have been made before the command, which could not write a file of its name.
    assert.deepEqual((jobIn(await lab.work.take(of(name))) as { outputs?: unknown }).outputs, []);
  }
  const componentId = await component('folder', { command, outputs: { left: { type: 'uri_folder' } } });
  await made('called', pipeline({ one: { componentId, outputs: { left: { job_output_type: 'mlflow_model' } } } }));
  assert.equal((await job('called_one')).outputs.left.jobOutputType, 'mlflow_model');
  assert.match(
    await refusedOf(pipeline({ one: { componentId, outputs: { left: file } } })),
    /of the type uri_file, and its component that it is of the type uri_folder/,
  );
  assert.match(
    await refusedOf(pipeline({ one: { command, outputs: { left: { type: 'tar' } } } })),
    /of the type 'tar'/,
  );
});

test('what a step says in a form that means nothing is refused, and never passed over', async (t) => {
  const { component, pipeline, refusedOf } = await openSteps(t);
  const step = (more: object) => pipeline({ one: { command: 'x', ...more } });
  for (const identity of ['user_identity', { type: 'managed' }, ['managed']])
    assert.match(await refusedOf(step({ identity })), /can only act as the run that it is/);
  assert.match(await refusedOf(step({ services: { board: {} } })), /has 'services'/);
  for (const name of ['resources', 'distribution', 'limits'])
    assert.match(await refusedOf(step({ [name]: 'much' })), /has fields of its own/);
  assert.match(
    await refusedOf(pipeline({ one: { command: 'x' } }, { settings: { continue_run_on_failed_optional_input: true } })),
    /continue_run_on_failed_optional_input is not served/,
  );
  const trial = await component('tried', { command: `x \${{inputs.a}}`, inputs: { a: { type: 'number' } } });
  const sweep = {
    type: 'sweep',
    trial,
    search_space: { a: { type: 'choice', values: [1, 2] } },
    objective: { goal: 'maximize', primary_metric: 'm' },
    limits: { max_total_trials: 1 },
  };
  for (const [more, said] of [
    [{ early_termination: 'bandit' }, /early_termination has fields/],
    [{ objective: { ...sweep.objective, tolerance: 1 } }, /objective.tolerance is not known/],
    [{ sampling_algorithm: { type: 'random', rule: 5 } }, /rule must be one of/],
    [{ limits: 'few' }, /limits has fields/],
  ] as const)
    assert.match(await refusedOf(pipeline({ one: { ...sweep, ...more } })), said);
});

test('a step that is a sweep says all that a sweep of its own says, and each trial has what its component says', async (t) => {
  const { component, pipeline, made, job } = await openSteps(t);
  const trial = await component('tried', {
    command: `x \${{inputs.a}} \${{inputs.b}}`,
    inputs: { a: { type: 'number' }, b: { type: 'integer' } },
    distribution: { type: 'tensorflow', worker_count: 2, parameter_server_count: 1 },
  });
  const said = {
    type: 'sweep',
    trial,
    search_space: { a: { type: 'uniform', min_value: 0, max_value: 1 }, b: { type: 'choice', values: [1, 2] } },
    objective: { goal: 'minimize', primary_metric: 'loss' },
    sampling_algorithm: { type: 'random', rule: 'sobol', seed: 5 },
    limits: { max_total_trials: 6, max_concurrent_trials: 2, timeout: 3600, trial_timeout: 60 },
  };
  const policies = {
    bandit: { type: 'bandit', slack_factor: 0.2, evaluation_interval: 2, delay_evaluation: 3 },
    amount: { type: 'bandit', slack_amount: 0.5 },
    median: { type: 'median_stopping' },
    cut: { type: 'truncation_selection', truncation_percentage: 30 },
  };
  await made(
    'sweeps',
    pipeline(
      Object.fromEntries(
        Object.entries(policies).map(([name, policy]) => [name, { ...said, early_termination: policy }]),
      ),
    ),
  );
  const { limits, objective, samplingAlgorithm, earlyTermination, searchSpace } = await job('sweeps_bandit');
  assert.deepEqual(limits, {
    jobLimitsType: 'Sweep',
    maxTotalTrials: 6,
    maxConcurrentTrials: 2,
    timeout: 'PT3600S',
    trialTimeout: 'PT60S',
  });
  assert.deepEqual(objective, { goal: 'Minimize', primaryMetric: 'loss' });
  assert.deepEqual(samplingAlgorithm, { samplingAlgorithmType: 'Random', rule: 'Sobol', seed: 5 });
  assert.deepEqual(searchSpace, { a: ['uniform', [0, 1]], b: ['choice', [[1, 2]]] });
  assert.deepEqual(earlyTermination, {
    policyType: 'Bandit',
    slackFactor: 0.2,
    evaluationInterval: 2,
    delayEvaluation: 3,
  });
  assert.deepEqual((await job('sweeps_amount')).earlyTermination, { policyType: 'Bandit', slackAmount: 0.5 });
  assert.deepEqual((await job('sweeps_median')).earlyTermination, { policyType: 'MedianStopping' });
  assert.equal((await job('sweeps_cut')).earlyTermination.truncationPercentage, 30);
  const first = await job('sweeps_bandit_0');
  assert.deepEqual(first.distribution, { distributionType: 'TensorFlow', workerCount: 2, parameterServerCount: 1 });
  assert.equal(first.limits.timeout, 'PT60S');
});

test('a component that says its resources or its distribution in a form that means nothing is not registered', async (t) => {
  const { lab, workspaceId } = await openSteps(t);
  for (const part of ['resources', 'distribution']) {
    const componentSpec = { type: 'command', command: 'x', [part]: 'much' };
    const id = `${workspaceId}/components/wrong/versions/1`;
    const { status, body } = await lab.call(lab.owner, 'PUT', id, { body: { properties: { componentSpec } } });
    assert.deepEqual([status, body.error.code], [400, 'InvalidComponent']);
    assert.match(body.error.message, new RegExp(`${part} has fields of its own`));
  }
});

test('an input of a pipeline that a step takes has a value or a place', async (t) => {
  const { pipeline, refusedOf } = await openSteps(t);
  const command = `x \${{inputs.a}}`;
  const jobs = { one: { command, inputs: { a: { value: `\${{parent.inputs.whole}}` } } } };
  for (const [jobInputType, what] of [
    ['literal', 'value'],
    ['uri_folder', 'uri'],
  ] as const)
    assert.match(
      await refusedOf(pipeline(jobs, { inputs: { whole: { jobInputType } } })),
      new RegExp(`'whole' of the pipeline has no ${what}`),
    );
});

test('what a sweep and its trial say of resources holds together, and what they say otherwise is refused', async (t) => {
  const { sweep, made, refusedOf, job, lab, workspaceId } = await openSteps(t);
  const trial = (resources: object) => ({ ...sweep.trial, resources });
  const environmentId = `${workspaceId}/environments/plain/versions/1`;
  await lab.must(lab.owner, 'PUT', environmentId, { body: { properties: { image: 'strongroom/node-python' } } });
  const own = { ...trial({ instanceType: 'large' }), environmentId, environmentVariables: { DEPTH: '3' } };
  await made('both', { ...sweep, resources: { shmSize: '2g' }, trial: own });
  const first = await job('both_0');
  assert.deepEqual(first.resources, { shmSize: '2g', instanceType: 'large' });
  assert.deepEqual([first.environmentId, first.environmentVariables], [environmentId, { DEPTH: '3' }]);
  assert.match(
    await refusedOf({ ...sweep, resources: { instanceCount: 2 }, trial: trial({ instanceType: 'large' }) }),
    /instanceCount must be 1/,
  );
  assert.match(
    await refusedOf({ ...sweep, resources: { shmSize: '2g' }, trial: trial({ shmSize: '1g' }) }),
    /one shmSize and its trial another/,
  );
});
