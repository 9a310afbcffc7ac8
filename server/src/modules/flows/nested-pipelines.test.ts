// A pipeline as a step of a pipeline: registered as a component, wired through the levels, ended with what it stands in; and what
// could be made of it by who means ill.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openFlows } from '../../../test/lab/flows.fixture.ts';
import { exited, jobIn, running } from '../../../test/lab/jobs.fixture.ts';
import { parentsOfAllMax, stepsOfAllMax } from './parts.service.ts';
import { findParts } from './parts.store.ts';
import type { PipelineFlow } from './pipeline.rules.ts';

after(() => closeScanPool());

const input = (name: string) => `\${{parent.inputs.${name}}}`;
const output = (step: string, name: string) => `\${{parent.jobs.${step}.outputs.${name}}}`;
const to = (name: string) => ({ type: 'literal', value: `\${{parent.outputs.${name}}}` });

async function openNested(t: TestContext) {
  const bench = await openFlows(t);
  const { lab, workspaceId, computeId, codeId } = bench;
  const register = (name: string, componentSpec: object, who = lab.owner) =>
    lab.call(who, 'PUT', `${workspaceId}/components/${name}`, { body: { properties: { componentSpec } } });
  const component = async (name: string, spec: object) => {
    const made = await register(`${name}/versions/1`, spec);
    assert.ok(made.status < 300, made.bytes.toString());
    return `${workspaceId}/components/${name}/versions/1`;
  };
  const train = await component('train', {
    type: 'command',
    code: codeId,
    command: `python3 train.py --epochs \${{inputs.epochs}} $[[--seed \${{inputs.seed}}]] \${{outputs.model}}`,
    inputs: { epochs: { type: 'integer', max: 50 }, seed: { type: 'integer', optional: true } },
    outputs: { model: { type: 'uri_folder' } },
  });
  const score = await component('score', {
    type: 'command',
    code: codeId,
    command: `python3 score.py \${{inputs.model}} \${{outputs.report}}`,
    inputs: { model: { type: 'uri_folder' } },
    outputs: { report: { type: 'uri_folder' } },
  });
  const both = {
    type: 'pipeline',
    inputs: {
      epochs: { type: 'integer', default: '3' },
      seed: { type: 'integer', optional: true },
      node: { type: 'string' },
    },
    outputs: { report: { type: 'uri_folder' }, model: { type: 'uri_folder' } },
    jobs: {
      score: {
        type: 'command',
        componentId: score,
        inputs: { model: { job_input_type: 'literal', value: output('train', 'model') } },
        outputs: { report: to('report') },
      },
      train: {
        type: 'command',
        componentId: `azureml:${train}`,
        computeId: input('node'),
        inputs: { epochs: input('epochs'), seed: input('seed') },
        outputs: { model: to('model') },
      },
    },
    _source: 'YAML.COMPONENT',
    sourceJobId: null,
  };
  const registered = await component('both', both);
  const outer = await component('outer', {
    type: 'pipeline',
    inputs: { rounds: { type: 'number' }, where: { type: 'string' } },
    outputs: { kept: { type: 'uri_folder' } },
    jobs: {
      inner: {
        type: 'pipeline',
        componentId: registered,
        inputs: { epochs: input('rounds'), node: input('where') },
        outputs: { report: to('kept') },
      },
    },
  });
  const pipeline = {
    jobType: 'Pipeline',
    settings: { default_compute: computeId },
    experimentName: 'flow',
    inputs: { rounds: { jobInputType: 'literal', value: '7' }, where: { jobInputType: 'literal', value: 'cpu' } },
    outputs: { best: { jobOutputType: 'uri_folder' } },
    jobs: {
      deep: {
        type: 'pipeline',
        componentId: outer,
        inputs: { rounds: input('rounds'), where: input('where') },
        outputs: { kept: to('best') },
      },
      after: { type: 'command', componentId: score, inputs: { model: output('deep', 'kept') } },
    },
  };
  return { ...bench, register, component, train, score, both, registered, outer, pipeline };
}

const names = (children: readonly { readonly runId: string }[]) => children.map(({ runId }) => runId).sort();

test('what is wired goes through the levels, down and up, and each level is a job with its children', async (t) => {
  const bench = await openNested(t);
  const { putJob, pipeline, children, job, finish, lab, of, workspaceId } = bench;
  const made = await putJob('flow', pipeline);
  assert.equal(made.status, 201, made.bytes.toString());
  const { resources, system } = lab.now();
  const digestOf = async () =>
    ((await resources.get(system, bench.jobId('flow'))).properties['flow'] as PipelineFlow).parts['deep'] ?? '';
  const parts = async () => {
    const { read } = await lab.now().jobs.lives.database(bench.jobId('flow'));
    return (await findParts(read, 'flow', [await digestOf()])).size;
  };
  assert.equal(await parts(), 1);
  assert.deepEqual(names(await children('flow')), ['flow_deep']);
  assert.deepEqual(names(await children('flow_deep')), ['flow_deep_inner']);
  assert.deepEqual(names(await children('flow_deep_inner')), ['flow_deep_inner_train']);
  const inner = await job('flow_deep_inner');
  assert.deepEqual(
    [inner.jobType, inner.status, inner.parentJobName, inner.componentId, inner.inputs.epochs.value],
    ['Pipeline', 'Running', 'flow_deep', bench.registered, '7'],
  );
  const train = jobIn(await lab.work.take(of('flow_deep_inner_train')));
  // Neither given nor of a default: what stood in brackets around it goes.
  assert.equal(train.command, 'python3 train.py --epochs 7  /job/code/outputs/model');
  assert.equal((await job('flow_deep_inner_train')).computeId, bench.computeId);
  await finish('flow_deep_inner_train', 'model');
  await finish('flow_deep_inner_score', 'report');
  assert.equal((await job('flow_deep')).status, 'Completed');
  assert.match((await job('flow_deep')).outputs.kept.uri, /dcid\.flow_deep_inner_score\/outputs\/report/);
  assert.match((await job('flow_after')).inputs.model.uri, /dcid\.flow_deep_inner_score\/outputs\/report/);
  await finish('flow_after', 'report');
  const done = await job('flow');
  assert.equal(done.status, 'Completed');
  assert.equal(done.properties['step.deep'], 'Completed (flow_deep)');
  assert.match(done.outputs.best.uri, /dcid\.flow_deep_inner_score\/outputs\/report/);
  const { rootRunId, parentRunId } = (
    await lab.must(lab.owner, 'GET', `/history/v1.0${workspaceId}/runs/flow_deep_inner_train/details`)
  ).body;
  assert.deepEqual([rootRunId, parentRunId ?? 'flow_deep_inner'], ['flow', 'flow_deep_inner']);
  // Only what was submitted is listed.
  assert.deepEqual(await bench.list(), ['flow']);
  assert.deepEqual(await bench.list('?parentJobName=flow_deep_inner'), [
    'flow_deep_inner_score',
    'flow_deep_inner_train',
  ]);
  // What was done before, at whatever level, is not done again.
  await putJob('again', pipeline);
  await bench.settled();
  assert.equal((await job('again')).status, 'Completed');
  assert.match((await job('again')).outputs.best.uri, /dcid\.flow_deep_inner_score\/outputs\/report/);
  assert.deepEqual(names(await children('again_deep_inner')), []);
  // What they ran is kept no longer than they went on.
  assert.equal(await parts(), 0);
  // The archive and a removal reach all of them, and a removal asks for the right to each.
  await lab.must(lab.owner, 'PUT', bench.jobId('flow'), {
    body: { properties: { ...(await job('flow')), isArchived: true } },
  });
  assert.equal((await job('flow_deep_inner_train')).isArchived, true);
  await lab.must(lab.owner, 'DELETE', bench.jobId('flow'));
  assert.equal((await lab.call(lab.owner, 'GET', bench.jobId('flow_deep_inner_train'))).status, 404);
});

test('a pipeline job may be a component, with what that says where nothing is given', async (t) => {
  const bench = await openNested(t);
  const { putJob, registered, computeId, job, finish } = bench;
  const alone = {
    jobType: 'Pipeline',
    componentId: registered,
    jobs: {},
    settings: { default_compute: computeId },
    inputs: { node: { jobInputType: 'literal', value: computeId } },
  };
  const made = await putJob('alone', alone);
  assert.equal(made.status, 201, made.bytes.toString());
  await finish('alone_train', 'model');
  await finish('alone_score', 'report');
  const done = await job('alone');
  assert.deepEqual([done.status, done.inputs.epochs.value], ['Completed', '3']);
  assert.match(done.outputs.model.uri, /dcid\.alone_train\/outputs\/model/);
  assert.equal((await putJob('alone', { ...done, description: 'again' })).status, 200);
  for (const [name, more, said] of [
    ['both', { jobs: { a: { command: 'x' } } }, /and says others\. Leave one of componentId and jobs out/],
    ['command', { componentId: bench.train }, /a pipeline is one of the type pipeline/],
    ['needs', { inputs: {} }, /needs the input 'node'/],
    ['stranger', { inputs: { ...alone.inputs, lr: { jobInputType: 'literal', value: 1 } } }, /does not take 'lr'/],
    [
      'type',
      { inputs: { ...alone.inputs, epochs: { jobInputType: 'literal', value: 'x' } } },
      /not of the type integer/,
    ],
    ['output', { outputs: { other: { jobOutputType: 'uri_folder' } } }, /no output 'other'/],
  ] as const) {
    const refused = await putJob(name, { ...alone, ...more });
    assert.equal(refused.status, 400, `${name}: ${refused.bytes.toString()}`);
    assert.match(refused.body.error.message, said, name);
  }
  const command = await bench.lab.call(bench.lab.owner, 'PUT', bench.jobId('cmd'), {
    body: { properties: { jobType: 'Command', componentId: registered, computeId } },
  });
  assert.match(command.body.error.message, /Submit a pipeline job with it instead/);
});

test('what fails, is canceled or loses its submitter at one level ends the others', async (t) => {
  const bench = await openNested(t);
  const { putJob, pipeline, told, job, lab, status } = bench;
  await putJob('fails', pipeline);
  await told('fails_deep_inner_train', running, exited(3));
  const failed = await job('fails');
  assert.equal(failed.status, 'Failed');
  assert.match(
    failed.error.message,
    /^The step 'deep\.inner\.train' \(job \w+_deep_inner_train\) failed: The command ended with exit code \d+\. Its log, user_logs\/std_log\.txt, says more\./,
  );
  assert.match(failed.error.message, /Not begun: after/);

  await putJob('stops', { ...pipeline, settings: { ...pipeline.settings, force_rerun: true } });
  await bench.cancel('stops');
  await bench.settled();
  for (const name of ['stops', 'stops_deep', 'stops_deep_inner', 'stops_deep_inner_train'])
    assert.equal(await status(name), 'Canceled', name);

  // One level canceled by itself: what it stands in says so.
  await putJob('inner', { ...pipeline, settings: { ...pipeline.settings, force_rerun: true } });
  await bench.cancel('inner_deep_inner');
  await bench.settled();
  assert.match((await job('inner')).error.message, /The step 'deep\.inner' \(job inner_deep_inner\) was canceled/);

  const ann = await lab.person(['AzureML Data Scientist'], bench.workspaceId);
  await putJob('hers', pipeline, ann);
  await lab.now().access.unassignPrincipal(lab.now().system, ann);
  await bench.finish('hers_deep_inner_train', 'model');
  assert.equal((await job('hers')).error.code, 'StepFailed');
  assert.match((await job('hers_deep_inner')).error.message, /could not be submitted in the name of/);
});

test('components that are changed or removed meanwhile change nothing of what was accepted', async (t) => {
  const bench = await openNested(t);
  const { putJob, pipeline, lab, job, finish } = bench;
  await putJob('kept', {
    ...pipeline,
    jobs: {
      ...pipeline.jobs,
      last: { ...pipeline.jobs.deep, outputs: {}, inputs: { ...pipeline.jobs.deep.inputs, rounds: '9' } },
    },
  });
  for (const id of [bench.outer, bench.registered, bench.score, bench.train]) await lab.must(lab.owner, 'DELETE', id);
  // Under the name of one that was: another one.
  await bench.component('score', { type: 'command', command: 'echo stolen', inputs: {}, outputs: {} });
  await finish('kept_deep_inner_train', 'model');
  assert.match((await job('kept_deep_inner_score')).command, /^python3 score\.py/);
  await finish('kept_last_inner_train', 'model');
  assert.match((await job('kept_last_inner_score')).command, /^python3 score\.py/);
});

test('nobody makes a child of a pipeline but that pipeline, whatever he calls it', async (t) => {
  const bench = await openNested(t);
  const { putJob, pipeline } = bench;
  await putJob('mine', pipeline);
  const child = { ...pipeline, parentJobName: 'mine' };
  const refused = await putJob('mine_after', child);
  assert.ok(refused.status >= 400, refused.bytes.toString());
  assert.match(refused.body.error.message, /mine/);
  const under = await putJob('mine_deep_other', { ...pipeline, parentJobName: 'mine_deep' });
  assert.ok(under.status >= 400, under.bytes.toString());
  // A name that is taken is left to who has it.
  await putJob('taken_deep', { jobType: 'Command', computeId: bench.computeId, command: 'x' });
  await putJob('taken', pipeline);
  assert.match((await bench.job('taken')).error.message, /another one's/);
});

test('a component is refused that cannot be, and a pipeline of such components before anything is made', async (t) => {
  const bench = await openNested(t);
  const { register, component, putJob, pipeline, both, train, score, registered, lab, workspaceId } = bench;
  const { jobs } = both;
  const cases: readonly (readonly [object, RegExp])[] = [
    [
      { ...both, jobs: { ...jobs, train: { ...jobs.train, inputs: { epochs: input('none') } } } },
      /takes the input 'none' of the pipeline, which has epochs, seed, node/,
    ],
    [
      { ...both, inputs: { ...both.inputs, epochs: { type: 'uri_folder' } } },
      /is of the type integer, and is given files/,
    ],
    [
      { ...both, inputs: { ...both.inputs, epochs: { type: 'integer', optional: true } } },
      /needs a value, and the input of the pipeline that it takes is optional/,
    ],
    [{ ...both, inputs: { ...both.inputs, node: { type: 'uri_file' } } }, /takes its compute from the input 'node'/],
    [
      { ...both, outputs: { ...both.outputs, more: { type: 'uri_folder' } } },
      /'more' of the pipeline is wired to no step/,
    ],
    [{ ...both, outputs: { ...both.outputs, rate: { type: 'number' } } }, /outputs\.rate\.type must be one of/],
    [{ ...both, jobs: { ...jobs, x: { type: 'pipeline', componentId: registered } } }, /needs the input 'node'/],
    [
      { ...both, jobs: { ...jobs, x: { type: 'pipeline', componentId: train, inputs: { epochs: '1' } } } },
      /is of the type command, and the step says the type pipeline/,
    ],
    [
      { ...both, jobs: { ...jobs, x: { type: 'command', componentId: registered, inputs: { node: 'cpu' } } } },
      /is of the type pipeline, and the step says the type command/,
    ],
    [
      {
        ...both,
        jobs: {
          ...jobs,
          x: {
            type: 'sweep',
            trial: registered,
            search_space: { epochs: { type: 'choice', values: [1] } },
            objective: { goal: 'minimize', primary_metric: 'm' },
            inputs: { node: 'cpu' },
          },
        },
      },
      /a sweep tries a component of the type command/,
    ],
    [
      {
        ...both,
        jobs: { ...jobs, x: { type: 'pipeline', componentId: registered, inputs: { node: 'cpu' }, computeId: 'cpu' } },
      },
      /is a pipeline, and what runs are its steps: say compute_id in them/,
    ],
    [
      {
        ...both,
        jobs: {
          ...jobs,
          x: { type: 'pipeline', componentId: registered, inputs: { node: 'cpu' }, limits: { timeout: 'PT1H' } },
        },
      },
      /say limits in them/,
    ],
    [
      {
        ...both,
        jobs: {
          ...jobs,
          x: { componentId: score, inputs: { model: output('y', 'artifacts') } },
          y: { componentId: registered, inputs: { node: 'cpu' } },
        },
      },
      /takes the output 'artifacts' of the step 'y', which has report, model/,
    ],
    [{ ...both, jobs: { ...jobs, x: { componentId: registered.replace('both', 'none'), inputs: {} } } }, /none/],
    [
      { ...both, jobs: { ...jobs, x: { componentId: registered.replace('Vision', 'Other') } } },
      /must name one of this workspace's components/,
    ],
    [{ ...both, jobs: { ...jobs, x: { command: `export KEY=AKIA${'A'.repeat(16)}` } } }, /looks like/],
  ];
  for (const [spec, said] of cases) {
    const refused = await register('bad/versions/1', spec);
    assert.ok(refused.status === 400 || refused.status === 404, refused.bytes.toString());
    assert.match(refused.body.error.message, said);
  }
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/components/bad`)).status, 404);

  // Of the wrong type through two levels: each is what it says, and what is given is not.
  const given = (rounds: string) => ({
    ...pipeline,
    inputs: { ...pipeline.inputs, rounds: { jobInputType: 'literal', value: rounds } },
  });
  assert.match((await putJob('half', given('7.5'))).body.error.message, /is not of the type integer/);
  assert.match((await putJob('high', given('51'))).body.error.message, /is 51, and must be at most 50/);
  const files = { jobInputType: 'uri_folder', uri: 'azureml://datastores/workspaceblobstore/paths/x/' };
  assert.match(
    (await putJob('files', { ...pipeline, inputs: { ...pipeline.inputs, rounds: files } })).body.error.message,
    /is of the type number, and is given files/,
  );
  const compute = { ...pipeline, inputs: { ...pipeline.inputs, where: { jobInputType: 'literal', value: 'nowhere' } } };
  assert.match((await putJob('nowhere', compute)).body.error.message, /no compute 'nowhere'/);

  // Whoever may not read a component learns nothing of it by way of another one.
  const ann = await lab.person([], workspaceId);
  assert.equal((await register('hers/versions/1', both, ann)).status, 403);

  // A circle through two versions: the one that stood below is made anew, with the other one in it.
  const low = await component('low', { type: 'pipeline', jobs: { a: { command: 'x' } } });
  const high = await component('high', { type: 'pipeline', jobs: { a: { type: 'pipeline', componentId: low } } });
  await lab.must(lab.owner, 'DELETE', low);
  const circle = await register('low/versions/1', {
    type: 'pipeline',
    jobs: { a: { type: 'pipeline', componentId: high } },
  });
  // Its own version is not there yet.
  assert.equal(circle.status, 404, circle.bytes.toString());
  await component('low', { type: 'pipeline', jobs: { a: { command: 'x' } } });
  const low2 = `${workspaceId}/components/low/versions/2`;
  assert.equal(
    (await register('low/versions/2', { type: 'pipeline', jobs: { a: { type: 'pipeline', componentId: high } } }))
      .status,
    201,
  );
  await lab.must(lab.owner, 'DELETE', low);
  assert.equal(
    (await register('low/versions/1', { type: 'pipeline', jobs: { a: { type: 'pipeline', componentId: low2 } } }))
      .status,
    404,
  );
  assert.equal(lab.work.items.size, 0);
});

test('components that stand in each other in a circle are refused with the circle, and too many steps with their number', async (t) => {
  const bench = await openNested(t);
  const { component, register, putJob, lab, workspaceId, computeId } = bench;
  const job = (jobs: object) => ({ jobType: 'Pipeline', settings: { default_compute: computeId }, jobs });
  const within = (id: string, count = 1) => ({
    type: 'pipeline',
    jobs: Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, { type: 'pipeline', componentId: id }])),
  });
  // No version can name one that is not there, so the circle is made of what was registered whole and changed below.
  const a = await component('a', { type: 'pipeline', jobs: { s: { command: 'x' } } });
  const b = await component('b', within(a));
  const { resources, system } = lab.now();
  await resources.change(system, a, (properties) => ({ ...properties, componentSpec: within(b) }));
  const circle = await putJob('circle', job({ s: { type: 'pipeline', componentId: a } }));
  assert.equal(circle.status, 400, circle.bytes.toString());
  assert.match(circle.body.error.message, /stand in each other: a:1 → b:1 → a:1/);

  // Ten lines, a thousand million steps.
  let id = await component('f0', { type: 'pipeline', jobs: { s: { command: 'x' } } });
  let at = 1;
  for (; at < 10; at++) {
    const made = await register(`f${at}/versions/1`, within(id, 8));
    if (made.status >= 400) {
      assert.match(made.body.error.message, new RegExp(`at most ${parentsOfAllMax} may be|at most ${stepsOfAllMax}`));
      break;
    }
    id = `${workspaceId}/components/f${at}/versions/1`;
  }
  assert.equal(at, 3);
  const many = await component('many', {
    type: 'pipeline',
    jobs: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`s${i}`, { command: 'x' }])),
  });
  const refused = await putJob('many', job(within(many, 50).jobs));
  assert.match(
    refused.body.error.message,
    new RegExp(`has 10050 steps through all its levels, and may have at most ${stepsOfAllMax}`),
  );

  let deep = await component('d0', { type: 'pipeline', jobs: { s: { command: 'x' } } });
  for (let level = 1; level < 10; level++) deep = await component(`d${level}`, within(deep));
  const deeper = await register('d10/versions/1', within(deep));
  assert.equal(deeper.status, 201, deeper.bytes.toString());
  const deepest = await putJob(
    'deep',
    job({ s: { type: 'pipeline', componentId: `${workspaceId}/components/d10/versions/1` } }),
  );
  assert.match(deepest.body.error.message, /at most 10 deep/);

  const long = 'l'.repeat(100);
  let named = await component('n0', { type: 'pipeline', jobs: { [long]: { command: 'x' } } });
  named = await component('n1', { type: 'pipeline', jobs: { [long]: { type: 'pipeline', componentId: named } } });
  const names = await putJob('names', job({ [long]: { type: 'pipeline', componentId: named } }));
  assert.match(names.body.error.message, /are 303 characters here; a name has 255/);
  assert.equal(lab.work.items.size, 0);
});
