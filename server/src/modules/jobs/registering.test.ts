// Outputs that become assets when the job has completed.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { exited, openBench, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

async function openDesk(t: TestContext) {
  const bench = await openBench(t);
  const { lab, workspaceId } = bench;
  const leave = async (job: string, path: string) => {
    const { runs, system } = lab.now();
    await runs.putArtifact(system, workspaceId, job, `outputs/${path}`, Buffer.from(path));
  };
  const get = async (path: string) => lab.call(lab.owner, 'GET', `${workspaceId}/${path}`);
  return { ...bench, leave, get };
}

const data = { jobOutputType: 'uri_folder', assetName: 'features', description: 'made by a job' };
const model = { jobOutputType: 'custom_model', assetName: 'iris' };

test('a job that completes leaves its outputs as the next versions under their names, in the name of its submitter', async (t) => {
  const { lab, put, leave, tell, get, job, workspaceId } = await openDesk(t);
  const scientist = await lab.person(['AzureML Data Scientist'], workspaceId);
  for (const [name, version] of [
    ['first', '1'],
    ['second', '2'],
  ] as const) {
    const made = await put(name, { outputs: { data, model, plain: { jobOutputType: 'uri_folder' } } }, scientist);
    assert.equal(made.status, 201, made.bytes.toString());
    assert.equal((await job(name)).outputs.data.assetVersion, undefined);
    await leave(name, 'data/a.csv');
    await leave(name, 'model/m.json');
    await tell(name, running, exited(0));
    const done = await job(name);
    assert.equal(done.status, 'Completed', JSON.stringify(done.error));
    assert.deepEqual([done.outputs.data.assetVersion, done.outputs.model.assetVersion], [version, version]);
    const asset = (await get(`data/features/versions/${version}`)).body;
    assert.deepEqual(
      [asset.properties.dataType, asset.properties.dataUri, asset.properties.jobName, asset.properties.description],
      ['uri_folder', done.outputs.data.uri, name, 'made by a job'],
    );
    const registered = (await get(`models/iris/versions/${version}`)).body.properties;
    assert.deepEqual([registered.jobName, registered.properties['strongroom.files']], [name, '1']);
  }
  const records = lab.now().audit.entries.filter(({ intent }) => /_RegisterOutput$/.test(intent.operation));
  assert.deepEqual(
    records.map(({ intent }) => [intent.operation, intent.actor.objectId, intent.decision]),
    [1, 2].flatMap(() => [
      ['Data_RegisterOutput', scientist, 'allowed'],
      ['Models_RegisterOutput', scientist, 'allowed'],
    ]),
  );
});

test('the end that is told twice, or by a server that died in between, registers once', async (t) => {
  const { lab, submit, leave, tell, get, job } = await openDesk(t);
  const item = await submit('once', { outputs: { data } });
  await leave('once', 'data/a.csv');
  await tell('once', running);
  await Promise.all([lab.work.tell(item, exited(0)), lab.work.tell(item, exited(0))]);
  assert.equal((await job('once')).status, 'Completed');
  assert.equal((await get('data/features/versions')).body.value.length, 1);

  const second = await submit('again', { outputs: { data } });
  await leave('again', 'data/a.csv');
  await tell('again', running);
  lab.seam.before = async (step) => {
    if (step === 'run is FINISHED') throw new Error('the server died');
  };
  await assert.rejects(lab.work.tell(second, exited(0)));
  lab.seam.before = async () => {};
  await lab.restart();
  await tell('again', exited(0));
  assert.equal((await job('again')).status, 'Completed');
  assert.deepEqual((await get('data/features/versions')).body.value.map(({ name }: { name: string }) => name).sort(), [
    '1',
    '2',
  ]);
});

test('a job that fails or is canceled registers nothing', async (t) => {
  const { submit, leave, tell, cancel, get } = await openDesk(t);
  await submit('fails', { outputs: { data } });
  await leave('fails', 'data/a.csv');
  await tell('fails', running, exited(1));
  await submit('stops', { outputs: { data } });
  await tell('stops', running);
  await cancel('stops');
  await tell('stops', exited(143));
  assert.equal((await get('data/features')).status, 404);
});

test('what cannot be registered fails the job in true words', async (t) => {
  const { lab, put, submit, leave, tell, job, workspaceId } = await openDesk(t);
  // Nothing was left there.
  await submit('empty', { outputs: { model } });
  await tell('empty', running, exited(0));
  const empty = await job('empty');
  assert.deepEqual([empty.status, empty.error.code], ['Failed', 'OutputNotRegistered']);
  assert.match(empty.error.message, /ended well, but its output 'model' could not be registered as iris: .*no files/);

  // Another took the version meanwhile.
  await submit('late', { outputs: { data: { ...data, assetVersion: '7' } } });
  await leave('late', 'data/a.csv');
  const uri = 'azureml://datastores/workspaceblobstore/paths/x';
  await lab.must(lab.owner, 'PUT', `${workspaceId}/data/features/versions/7`, {
    body: { properties: { dataType: 'uri_folder', dataUri: uri } },
  });
  await tell('late', running, exited(0));
  assert.equal((await job('late')).error.code, 'OutputNotRegistered');

  // The right was taken away.
  const scientist = await lab.person([]);
  const roles = '/providers/Microsoft.Authorization/roleDefinitions/f6c7c914-8db3-469d-8ca1-694a8f32e121';
  const assignment = `${workspaceId}/providers/Microsoft.Authorization/roleAssignments/cccccccc-0000-4000-8000-00000000da7a`;
  const properties = {
    roleDefinitionId: `${lab.subscription}${roles}`,
    principalId: scientist,
    principalType: 'ServicePrincipal',
  };
  await lab.must(lab.owner, 'PUT', assignment, { body: { properties } });
  assert.equal((await put('unbacked', { outputs: { data } }, scientist)).status, 201);
  await leave('unbacked', 'data/a.csv');
  await tell('unbacked', running);
  await lab.must(lab.owner, 'DELETE', assignment);
  await tell('unbacked', exited(0));
  const unbacked = await job('unbacked');
  assert.deepEqual([unbacked.status, unbacked.error.code], ['Failed', 'OutputNotRegistered']);
  assert.match(unbacked.error.message, /does not have authorization/);
});

test('what can be seen beforehand is refused beforehand', async (t) => {
  const { lab, put, workspaceId } = await openDesk(t);
  const uri = 'azureml://datastores/workspaceblobstore/paths/x';
  await lab.must(lab.owner, 'PUT', `${workspaceId}/data/features/versions/1`, {
    body: { properties: { dataType: 'uri_folder', dataUri: uri } },
  });
  const refused = async (output: object, status: number, code: string, who = lab.owner) => {
    const answer = await put('never', { outputs: { x: { ...data, ...output } } }, who);
    assert.deepEqual([answer.status, answer.body.error.code], [status, code], answer.bytes.toString());
  };
  await refused({ assetVersion: '1' }, 409, 'AssetVersionExists');
  await refused({ assetName: undefined, assetVersion: '2' }, 400, 'ValidationError');
  await refused({ assetName: '../x' }, 400, 'InvalidRequestContent');
  const operator = await lab.person(['AzureML Compute Operator'], workspaceId);
  await refused({}, 403, 'AuthorizationFailed', operator);
});
