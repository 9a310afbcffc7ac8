// Data assets as what a job reads: resolved, decided on and fixed when the job is accepted.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type Bench, jobIn, openBench } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

const mebibyte = 1024 ** 2;

async function openDesk(t: TestContext) {
  const bench: Bench = await openBench(t);
  const { lab, workspaceId } = bench;
  const { blobs, system, workspaces } = lab.now();
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  const store = (name: string, text: string) =>
    blobs.put(system, { ...at, name }, Buffer.from(text), { maxBytes: 100 });
  const remove = (name: string) => blobs.remove(system, { ...at, name });
  const register = async (name: string, dataType: string, path: string) => {
    const id = `${workspaceId}/data/${name}/versions/1`;
    const dataUri = `azureml://datastores/workspaceblobstore/paths/${path}`;
    await lab.must(lab.owner, 'PUT', id, { body: { properties: { dataType, dataUri } } });
    return id;
  };
  const taken = async (name: string) => jobIn(await lab.work.take(bench.of(name)));
  const refused = async (name: string, inputs: object, status: number, code: string, who = lab.owner) => {
    const answer = await bench.put(name, { inputs }, who);
    assert.deepEqual([answer.status, answer.body.error.code], [status, code], answer.bytes.toString());
    assert.equal((await lab.call(lab.owner, 'GET', bench.jobId(name))).status, 404);
    return String(answer.body.error.message);
  };
  return { ...bench, store, remove, register, taken, refused };
}

test('a job reads a data asset by its id and in short: a file as the file, a folder as the folder', async (t) => {
  const { submit, store, register, taken } = await openDesk(t);
  await store('iris/iris.csv', '5.1,3.5');
  await store('iris/more/readme.md', 'flowers');
  await store('table/MLTable', 'paths: [{file: ./a.csv}]');
  const byId = await register('flowers', 'uri_folder', 'iris/');
  await register('iris', 'uri_file', 'iris/iris.csv');
  await register('table', 'mltable', 'table');
  await submit('reads', {
    command: `x \${{inputs.folder}} \${{inputs.file}} \${{inputs.table}} \${{inputs.address}}`,
    inputs: {
      folder: { jobInputType: 'uri_folder', uri: byId },
      file: { jobInputType: 'uri_file', uri: 'azureml:iris:1', mode: 'ReadOnlyMount' },
      table: { jobInputType: 'mltable', uri: 'azureml:table:1' },
      address: { jobInputType: 'uri_file', uri: 'azureml:iris:1', mode: 'Direct' },
    },
  });
  const { command, inputs } = await taken('reads');
  assert.equal(
    command,
    'x /job/inputs/folder /job/inputs/file/iris.csv /job/inputs/table azureml://datastores/workspaceblobstore/paths/iris/iris.csv',
  );
  assert.deepEqual(
    Object.entries(inputs).map(([name, files]) => [name, files.map(({ path }) => path)]),
    [
      ['folder', ['iris.csv', 'more/readme.md']],
      ['file', ['iris.csv']],
      ['table', ['MLTable']],
    ],
  );
});

test('data that change or vanish under an accepted job are what they were', async (t) => {
  const { lab, submit, store, remove, register, taken } = await openDesk(t);
  await store('a.csv', 'before');
  const id = await register('a', 'uri_file', 'a.csv');
  await submit('pinned', { inputs: { a: { jobInputType: 'uri_file', uri: id } } });
  await store('a.csv', 'after');
  await remove('a.csv');
  await lab.must(lab.owner, 'DELETE', id);
  const { inputs, token } = await taken('pinned');
  const [file] = inputs['a'] ?? [];
  const url = new URL(file?.url ?? '');
  const read = await lab.call(token, 'GET', url.pathname + url.search);
  assert.deepEqual([read.status, read.bytes.toString()], [200, 'before']);
});

test('what is not there, or is not what the input says, is refused before there is a job', async (t) => {
  const { refused, store, register, workspaceId } = await openDesk(t);
  await store('many/a.csv', 'a');
  await store('many/b.csv', 'b');
  const many = await register('many', 'uri_file', 'many');
  const folder = await register('folder', 'uri_folder', 'many');
  const table = await register('table', 'mltable', 'many');
  const gone = await register('gone', 'uri_file', 'nothing.csv');
  const of = (jobInputType: string, uri: string, more: object = {}) => ({ x: { jobInputType, uri, ...more } });
  assert.match(await refused('many', of('uri_file', many), 400, 'InputIsFolder'), /2 files/);
  assert.match(await refused('type', of('uri_file', folder), 400, 'InputOfOtherType'), /is uri_folder/);
  assert.match(await refused('model', of('custom_model', folder), 400, 'InputOfOtherType'), /is uri_folder/);
  await refused('table', of('mltable', table), 400, 'InputIsNoTable');
  await refused('gone', of('uri_file', gone), 400, 'AssetContentNotFound');
  await refused('none', of('uri_file', 'azureml:nobody:1'), 404, 'ResourceNotFound');
  const foreign = folder.replace('Vision', 'Other');
  await refused('foreign', of('uri_folder', foreign), 400, 'InputNotServed');
  await refused('direct', of('uri_folder', 'https://example.com/', { mode: 'Direct' }), 400, 'InputNotServed');
  await refused('climb', of('uri_folder', `${workspaceId}/data/../models/m/versions/1`), 400, 'InputNotServed');
});

test('who may read the asset and not what it names gets no job that reads it for him', async (t) => {
  const desk = await openDesk(t);
  const { lab, refused, store, register, workspaceId } = desk;
  await store('secret.csv', 'secret');
  const id = await register('secret', 'uri_file', 'secret.csv');
  const inputs = { x: { jobInputType: 'uri_file', uri: id } };
  const role = `${lab.subscription}/providers/Microsoft.Authorization/roleDefinitions/aaaaaaaa-0000-4000-8000-00000000da7a`;
  const ml = 'Microsoft.MachineLearningServices/workspaces';
  await lab.must(lab.owner, 'PUT', role, {
    body: {
      properties: {
        roleName: 'Submits alone',
        type: 'CustomRole',
        assignableScopes: [lab.subscription],
        permissions: [
          { actions: [`${ml}/jobs/*`, `${ml}/computes/read`, `${ml}/codes/*/read`, `${ml}/data/*/read`, `${ml}/read`] },
        ],
      },
    },
  });
  const submitter = await lab.person([]);
  const assignment = `${workspaceId}/providers/Microsoft.Authorization/roleAssignments/bbbbbbbb-0000-4000-8000-00000000da7a`;
  const properties = { roleDefinitionId: role, principalId: submitter, principalType: 'ServicePrincipal' };
  await lab.must(lab.owner, 'PUT', assignment, { body: { properties } });
  const said = await refused('reads', inputs, 403, 'AuthorizationFailed', submitter);
  assert.match(said, /datastores|blobs/i);
  const withoutInput = await lab.call(submitter, 'PUT', `${workspaceId}/jobs/may`, {
    body: { properties: { ...desk.properties } },
  });
  assert.equal(withoutInput.status, 201, 'he may submit what reads nothing');
});

test('what a job reads has its room beside what it writes, and all of it together is bounded as the operator says', async (t) => {
  const { lab, put, submit, of, workspaceId } = await openDesk(t);
  const { blobs, system, workspaces } = lab.now();
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  const zeros = Buffer.alloc(9 * mebibyte);
  await blobs.put(system, { ...at, name: 'large/a' }, zeros, { maxBytes: zeros.length });
  const large = { jobInputType: 'uri_folder', uri: 'azureml://datastores/workspaceblobstore/paths/large' };
  await submit('none', {});
  await submit('one', { inputs: { large } });
  const room = async (name: string) => (await lab.work.take(of(name))).scratchBytes;
  assert.equal((await room('one')) - (await room('none')), zeros.length);
  const refused = await put('two', { inputs: { large, again: large } });
  assert.deepEqual([refused.status, refused.body.error.code], [413, 'InputsTooLarge'], refused.bytes.toString());
  assert.match(refused.body.error.message, /18 MiB together, and may have 16/);
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/jobs/two`)).status, 404);
});
