// Outputs of steps, of pipelines and of sweeps that become assets: once, of the job whose files they are, by the right of who submitted.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openFlows } from '../../../test/lab/flows.fixture.ts';

after(() => closeScanPool());

const to = (name: string) => `\${{parent.outputs.${name}}}`;

async function openDesk(t: TestContext) {
  const bench = await openFlows(t);
  const { lab, workspaceId, computeId, putJob } = bench;
  const makes = await bench.component('makes', {
    command: `python3 make.py \${{outputs.model}} \${{outputs.table}}`,
    outputs: { model: { type: 'custom_model' }, table: { type: 'uri_folder' } },
  });
  /** A pipeline of one step, which has these outputs. */
  const pipeline = (outputs: object, more: object = {}) => ({
    jobType: 'Pipeline',
    settings: { default_compute: computeId },
    jobs: { a: { componentId: makes, outputs } },
    ...more,
  });
  const made = async (name: string, job: object, who = lab.owner) => {
    const { status, bytes } = await putJob(name, job, who);
    assert.equal(status, 201, bytes.toString());
  };
  const get = async (path: string) => (await lab.must(lab.owner, 'GET', `${workspaceId}/${path}`)).body.properties;
  const isThere = async (path: string) => (await lab.call(lab.owner, 'GET', `${workspaceId}/${path}`)).status === 200;
  return { ...bench, makes, pipeline, made, get, isThere };
}

test('an output of a step becomes what the step says, one of the pipeline what the pipeline says, each of the job whose files they are', async (t) => {
  const { made, pipeline, finish, get, job, lab, workspaceId } = await openDesk(t);
  const ann = await lab.person(['AzureML Data Scientist'], workspaceId);
  const outputs = {
    // As azure-ai-ml writes one that is wired, and one that is not.
    model: { value: to('best'), type: 'literal', name: 'iris' },
    table: { job_output_type: 'uri_folder', name: 'features', version: '7' },
  };
  const best = { jobOutputType: 'custom_model', assetName: 'best-iris', description: 'of a pipeline' };
  await made('both', pipeline(outputs, { outputs: { best } }), ann);
  await finish('both_a', 'model');
  const done = await job('both');
  assert.equal(done.status, 'Completed', done.error?.message);
  assert.deepEqual([done.outputs.best.assetName, done.outputs.best.assetVersion], ['best-iris', '1']);
  const iris = await get('models/iris/versions/1');
  const bestIris = await get('models/best-iris/versions/1');
  assert.deepEqual([iris.jobName, bestIris.jobName, bestIris.description], ['both_a', 'both_a', 'of a pipeline']);
  assert.equal(bestIris.modelUri, iris.modelUri);
  assert.equal((await get('data/features/versions/7')).jobName, 'both_a');
  const records = lab.now().audit.entries.filter(({ intent }) => /_RegisterOutput$/.test(intent.operation));
  assert.deepEqual([...new Set(records.map(({ intent }) => intent.actor.objectId))], [ann]);
  assert.equal(records.length, 3);
});

test('within a pipeline, and of a sweep, it is made once: of the trial that was the best', async (t) => {
  const bench = await openDesk(t);
  const { makes, made, pipeline, finish, get, isThere, component, sweep, logs, job } = bench;
  const inner = await component('inner', {
    type: 'pipeline',
    code: undefined,
    outputs: { kept: { type: 'custom_model' } },
    jobs: { deep: { componentId: makes, outputs: { model: to('kept'), table: { name: 'deep-table' } } } },
  });
  await made(
    'nest',
    pipeline({}, { jobs: { in: { type: 'pipeline', componentId: inner, outputs: { kept: { name: 'kept' } } } } }),
  );
  await finish('nest_in_deep', 'model');
  assert.equal((await job('nest')).status, 'Completed');
  for (const asset of ['models/kept', 'data/deep-table'])
    assert.equal((await get(`${asset}/versions/1`)).jobName, 'nest_in_deep', asset);

  const outputs = { model: { jobOutputType: 'custom_model', assetName: 'tuned' } };
  await bench.putSweep('tunes', { ...sweep, outputs, limits: { maxTotalTrials: 2, maxConcurrentTrials: 2 } });
  for (const [trial, accuracy] of [
    ['tunes_0', 0.9],
    ['tunes_1', 0.1],
  ] as const) {
    assert.equal((await job(trial)).outputs.model.assetName, undefined);
    await logs(trial, 'accuracy', accuracy);
    await finish(trial, 'model');
  }
  assert.equal((await job('tunes')).outputs.model.assetVersion, '1');
  assert.equal((await get('models/tuned/versions/1')).jobName, 'tunes_0');
  assert.equal(await isThere('models/tuned/versions/2'), false);
});

test('a step that leaves an asset is run again, whatever was done before', async (t) => {
  const { made, pipeline, finish, get, children, isThere } = await openDesk(t);
  const outputs = { model: { name: 'iris' } };
  for (const [name, version] of [
    ['first', '1'],
    ['second', '2'],
  ] as const) {
    await made(name, pipeline(outputs));
    await finish(`${name}_a`, 'model');
    assert.equal((await get(`models/iris/versions/${version}`)).jobName, `${name}_a`);
  }
  await made('plain', pipeline({}));
  await finish('plain_a');
  await made('reused', pipeline({}));
  assert.deepEqual(await children('reused'), []);
  assert.equal(await isThere('models/iris/versions/3'), false);
});

test('what cannot be registered fails the pipeline in words, and makes nothing', async (t) => {
  const { made, pipeline, finish, get, job, lab, workspaceId, computeId, isThere, log } = await openDesk(t);
  const best = { jobOutputType: 'custom_model', assetName: 'iris', assetVersion: '3' };
  const wired = { model: { value: to('best') } };
  // A model without a file is none.
  await made('empty', pipeline(wired, { outputs: { best } }));
  await finish('empty_a');
  const empty = await job('empty');
  assert.deepEqual([empty.status, empty.error.code], ['Failed', 'OutputNotRegistered']);
  assert.match(empty.error.message, /^The job ended well, but its output 'best' could not be registered as iris/);
  assert.match((await log('empty')).bytes.toString(), /could not be registered as iris/);
  // Somebody takes the version meanwhile.
  const settings = { default_compute: computeId, force_rerun: true };
  await made('late', pipeline(wired, { outputs: { best }, settings }));
  const properties = { modelType: 'custom_model', modelUri: 'azureml://jobs/done/outputs/model/paths/' };
  await made('done', {
    jobType: 'Command',
    computeId,
    command: 'true',
    outputs: { model: { jobOutputType: 'custom_model' } },
  });
  await finish('done', 'model');
  await lab.must(lab.owner, 'PUT', `${workspaceId}/models/iris/versions/3`, { body: { properties } });
  await finish('late_a', 'model');
  const late = await job('late');
  assert.deepEqual([late.status, late.error.code], ['Failed', 'OutputNotRegistered']);
  assert.equal((await get('models/iris/versions/3')).jobName, 'done');
  // A role that was given and taken back.
  const ann = await lab.person(['AzureML Data Scientist'], workspaceId);
  await made(
    'hers',
    pipeline(
      { table: { value: to('left') } },
      { outputs: { left: { jobOutputType: 'uri_folder', assetName: 'left' } }, settings },
    ),
    ann,
  );
  await lab.now().access.unassignPrincipal(lab.now().system, ann);
  await finish('hers_a');
  assert.equal((await job('hers')).status, 'Failed');
  assert.equal(await isThere('data/left/versions/1'), false);
});

test('what cannot become an asset is refused before anything is made', async (t) => {
  const { lab, workspaceId, pipeline, putJob, sweep, get } = await openDesk(t);
  const dataUri = 'azureml://datastores/workspaceblobstore/paths/x';
  const properties = { dataType: 'uri_folder', dataUri };
  await lab.must(lab.owner, 'PUT', `${workspaceId}/data/taken/versions/1`, { body: { properties } });
  const operator = await lab.person(['AzureML Compute Operator', 'Reader'], workspaceId);
  const refused = async (job: object, status: number, said: RegExp, who = lab.owner) => {
    const { status: was, body } = await putJob('never', job, who);
    assert.equal(was, status, JSON.stringify(body));
    assert.match(body.error.message, said);
  };
  const folder = { jobOutputType: 'uri_folder' };
  for (const [asset, status, said] of [
    [{ assetVersion: '3' }, 400, /has a version and no name/],
    [{ assetName: 'taken', assetVersion: '1' }, 409, /taken/],
    [{ assetName: '../x' }, 400, /./],
  ] as const) {
    await refused(
      pipeline({ table: { value: to('left') } }, { outputs: { left: { ...folder, ...asset } } }),
      status,
      said,
    );
    await refused({ ...sweep, outputs: { left: { ...folder, ...asset } } }, status, said);
  }
  for (const [asset, status, said] of [
    [{ version: '3' }, 400, /has a version and no name/],
    [{ name: 'taken', version: '1' }, 409, /taken/],
    [{ name: '../x' }, 400, /has the name '\.\.\/x'/],
    [{ name: 7 }, 400, /is text/],
    [{ name: 'a', version: 'b/c' }, 400, /has the version 'b\/c'/],
  ] as const)
    await refused(pipeline({ table: asset }), status, said);
  for (const said of [{ name: 'all' }, { uri: dataUri }])
    await refused(pipeline({ default: said }), 400, /'default' is all that the step 'a' leaves/);
  await refused(pipeline({ table: { name: 'mine' } }), 403, /authorization|permission/i, operator);
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/jobs/never`)).status, 404);
  assert.equal((await get('data/taken/versions/1')).dataUri, dataUri);
});
