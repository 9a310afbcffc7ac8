// Data assets: a name for files of the workspace, which are read by whoever may read them when a job is accepted.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openLab } from '../../../test/lab/lab.fixture.ts';

after(() => closeScanPool());

async function openBench(t: TestContext) {
  const lab = await openLab(t);
  const workspaceId = await lab.workspace('Vision');
  const { blobs, system, workspaces } = lab.now();
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  const store = (name: string, text: string) =>
    blobs.put(system, { ...at, name }, Buffer.from(text), { maxBytes: 100 });
  const put = (path: string, properties: object) =>
    lab.call(lab.owner, 'PUT', `${workspaceId}/data/${path}`, { body: { properties } });
  const get = async (path: string) => (await lab.must(lab.owner, 'GET', `${workspaceId}/data/${path}`)).body.properties;
  return { lab, workspaceId, store, put, get };
}

const file = (path: string) => ({
  dataType: 'uri_file',
  dataUri: `azureml://datastores/workspaceblobstore/paths/${path}`,
});

test('a version says where its data lie, copies nothing, and its container what the next one is called', async (t) => {
  const { lab, workspaceId, put, get } = await openBench(t);
  const { blobs, system, workspaces } = lab.now();
  const made = await put('iris/versions/1', { ...file('iris.csv'), description: 'flowers', tags: { of: 'plants' } });
  assert.equal(made.status, 201, made.bytes.toString());
  const version = await get('iris/versions/1');
  assert.deepEqual(
    [version.dataType, version.dataUri, version.description, version.isArchived],
    ['uri_file', 'azureml://datastores/workspaceblobstore/paths/iris.csv', 'flowers', false],
  );
  const { dataType, latestVersion, nextVersion } = await get('iris');
  assert.deepEqual([dataType, latestVersion, nextVersion], ['uri_file', '1', '2']);
  const at = workspaces.container(await workspaces.get(system, workspaceId), 'workspaceblobstore');
  assert.deepEqual((await blobs.list(system, { ...at, prefix: '', limit: 10 })).blobs, []);

  assert.equal((await put('iris/versions/2', file('newer.csv'))).status, 201);
  const newest = await lab.must(lab.owner, 'GET', `${workspaceId}/data/iris/versions?$orderBy=createdtime desc&$top=1`);
  assert.deepEqual(
    newest.body.value.map(({ name }: { name: string }) => name),
    ['2'],
  );
  await lab.must(lab.owner, 'DELETE', `${workspaceId}/data/iris/versions/2`);
  assert.deepEqual((await get('iris')).latestVersion, '1');
  assert.equal((await get('iris')).nextVersion, '3', 'a number is not given twice');
});

test('what a version means never changes; how it is described does', async (t) => {
  const { put, get } = await openBench(t);
  await put('iris/versions/1', file('iris.csv'));
  for (const other of [file('other.csv'), { ...file('iris.csv'), dataType: 'uri_folder' }]) {
    const refused = await put('iris/versions/1', other);
    assert.deepEqual([refused.status, refused.body.error.code], [409, 'VersionAlreadyExists']);
  }
  assert.equal(
    (await put('iris/versions/1', { ...(await get('iris/versions/1')), description: 'mended' })).status,
    200,
  );
  assert.equal((await put('iris/versions/1', { ...file('iris.csv'), isArchived: true })).status, 200);
  const kept = await get('iris/versions/1');
  assert.deepEqual([kept.description, kept.isArchived], ['mended', true]);
});

test('all versions of a name are of one type, also of those that are made at once', async (t) => {
  const { put, get } = await openBench(t);
  const folder = { ...file('folder/'), dataType: 'uri_folder' };
  const made = await Promise.all([put('mixed/versions/1', file('a.csv')), put('mixed/versions/2', folder)]);
  const refused = made.filter(({ status }) => status !== 201);
  // Whoever came second was told of the other, or that his container was being taken back with what it was made for.
  assert.ok(refused.length >= 1, 'two types under one name');
  for (const { status } of refused) assert.equal(status, 409);
  assert.equal((await put('one/versions/1', file('a.csv'))).status, 201);
  const second = await put('one/versions/2', folder);
  assert.deepEqual([second.status, second.body.error.code], [409, 'DataTypeChanged']);
  assert.match(second.body.error.message, /'one' is of the type uri_file/);
  assert.equal((await put('one', { dataType: 'mltable' })).status, 409);
  assert.equal((await get('one')).dataType, 'uri_file');
});

test('data that lie elsewhere, and circles of assets, are refused with what to do', async (t) => {
  const { workspaceId, put } = await openBench(t);
  const other = workspaceId.replace('Vision', 'Other').slice(1);
  for (const dataUri of [
    'https://example.com/iris.csv',
    'wasbs://container@account.blob.core.windows.net/iris.csv',
    'file:///etc/passwd',
    '/etc/passwd',
    `azureml://${other.replace('providers/Microsoft.MachineLearningServices/', '')}/datastores/workspaceblobstore/paths/iris.csv`,
    `${workspaceId}/data/iris/versions/1`,
    'azureml:iris:1',
    'models:/iris/1',
  ]) {
    const refused = await put('far/versions/1', { dataType: 'uri_file', dataUri });
    assert.deepEqual([refused.status, refused.body.error.code], [400, 'InvalidAssetUri'], dataUri);
    assert.match(refused.body.error.message, /datastore/, dataUri);
  }
  const nowhere = await put('far/versions/1', {
    dataType: 'uri_file',
    dataUri: 'azureml://datastores/elsewhere/paths/iris.csv',
  });
  assert.deepEqual([nowhere.status, nowhere.body.error.code], [400, 'DatastoreNotFound']);
  for (const more of [
    { dataType: 'parquet' },
    { dataUri: undefined },
    { referencedUris: ['azureml://datastores/workspaceblobstore/paths/x'] },
    { autoDeleteSetting: { condition: 'CreatedGreaterThan', value: '30d' } },
  ])
    assert.equal((await put('far/versions/1', { ...file('x'), ...more })).status, 400, JSON.stringify(more));
});
