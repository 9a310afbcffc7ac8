// Signed addresses of datastores behind the real door: a data scientist without a role at the account sends and reads files,
// and what whoever asks for, holds, changes or keeps such an address does not get.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openLab } from '../../../test/lab/lab.fixture.ts';
import type { DatastoreName } from './index.ts';

after(() => closeScanPool());

const noCredential = '';
const blockBlob = { 'x-ms-blob-type': 'BlockBlob' };
const hour = { expirableSecret: true, expireAfterHours: 1 };

async function openBench(t: TestContext, properties: object = {}) {
  const lab = await openLab(t);
  const { owner } = lab;
  const id = await lab.workspace('Vision', properties);
  const scientist = await lab.person(['AzureML Data Scientist']);
  const workspace = await lab.now().workspaces.get(lab.now().system, id);
  const place = (datastore: DatastoreName) => lab.now().workspaces.container(workspace, datastore);
  const accountName = workspace.storageAccount.split('/').at(-1) ?? '';
  const list = (who: string, datastore = 'workspaceblobstore', body: unknown = hour, of = id) =>
    lab.call(who, 'POST', `${of}/datastores/${datastore}/listSecrets`, body === undefined ? {} : { body });
  /** What opens the container of a datastore. */
  const signed = async (who = scientist, datastore = 'workspaceblobstore') => {
    const { status, body, bytes } = await list(who, datastore);
    assert.equal(status, 200, bytes.toString());
    assert.equal(body.secretsType, 'Sas');
    return String(body.sasToken);
  };
  /** A request that carries nothing but the address. */
  const ask = (
    method: string,
    blob: string,
    sas: string,
    more: {
      query?: string;
      headers?: Record<string, string>;
      content?: string;
      container?: string;
      account?: string;
    } = {},
  ) => {
    const container = more.container ?? place('workspaceblobstore').container;
    const path = `/${more.account ?? accountName}/${container}${blob === '' ? '' : `/${blob}`}`;
    return lab.call(noCredential, method, `${path}?${more.query === undefined ? '' : `${more.query}&`}${sas}`, {
      headers: { 'content-type': 'text/plain', ...(more.content === undefined ? {} : blockBlob), ...more.headers },
      ...(more.content === undefined ? {} : { body: Buffer.from(more.content) }),
    });
  };
  /** As a module of the platform would, in process. */
  const keep = (datastore: DatastoreName, name: string, content: string) =>
    lab.now().blobs.put(lab.now().system, { ...place(datastore), name }, Buffer.from(content), { maxBytes: 1000 });
  const registered = (name: string, more: object) =>
    lab.call(owner, 'PUT', `${id}/datastores/${name}`, {
      body: { properties: { datastoreType: 'AzureBlob', ...more } },
    });
  return { lab, owner, id, scientist, workspace, place, accountName, list, signed, ask, keep, registered };
}

test('a data scientist without a role at the account sends, marks, lists and reads files', async (t) => {
  const { lab, list, scientist, signed, ask, place, accountName, id } = await openBench(t, { hbiWorkspace: true });
  const shown = await lab.must(scientist, 'GET', `${id}/datastores/workspaceblobstore`);
  assert.equal(shown.body.properties.credentials.credentialsType, 'Sas', 'clients ask for no address of any other');
  const sas = await signed();
  const told = new URLSearchParams(sas);
  assert.deepEqual([told.get('sr'), told.get('sp'), told.get('spr')], ['c', 'rcwl', 'https']);
  assert.equal(Date.parse(told.get('se') ?? '') - Math.floor(lab.clock.epochMs() / 1000) * 1000, 3_600_000);
  const at = 'LocalUpload/abc/data.csv';
  assert.equal((await ask('HEAD', at, sas)).status, 404);
  assert.equal((await ask('PUT', at, sas, { content: '1,2', headers: { 'if-none-match': '*' } })).status, 201);
  const marked = { query: 'comp=metadata', headers: { 'x-ms-meta-upload_status': 'completed' } };
  assert.equal((await ask('PUT', at, sas, marked)).status, 200);
  assert.equal((await ask('HEAD', at, sas)).headers['x-ms-meta-upload_status'], 'completed');
  assert.equal((await ask('PUT', 'big', sas, { query: 'comp=block&blockid=AAAA', content: 'block' })).status, 201);
  const blocks = '<?xml version="1.0"?><BlockList><Latest>AAAA</Latest></BlockList>';
  assert.equal((await ask('PUT', 'big', sas, { query: 'comp=blocklist', content: blocks })).status, 201);
  const listed = await ask('GET', '', sas, { query: 'restype=container&comp=list&include=metadata' });
  assert.match(listed.bytes.toString(), /<Name>LocalUpload\/abc\/data\.csv</);
  assert.equal((await ask('GET', at, sas)).bytes.toString(), '1,2');
  // As clients build it: the account is a host.
  const host = `https://${accountName}.blob.storage.localhost:8443/${place('workspaceblobstore').container}/${at}?${sas}`;
  assert.equal((await lab.call(noCredential, 'GET', host)).bytes.toString(), '1,2');
  // Older clients send no body; nobody gets more than eight hours.
  for (const [body, hours] of [
    [undefined, 1],
    [{}, 1],
    [{ expirableSecret: false }, 1],
    [{ expirableSecret: true, expireAfterHours: 24 }, 8],
  ] as const) {
    const { status, body: answer, bytes } = await list(scientist, 'workspaceblobstore', body);
    assert.equal(status, 200, bytes.toString());
    const end = Date.parse(new URLSearchParams(answer.sasToken).get('se') ?? '');
    assert.equal(Math.round((end - lab.clock.epochMs()) / 3_600_000), hours, JSON.stringify(body));
  }
  for (const body of [
    { expireAfterHours: 0 },
    { expireAfterHours: 1.5 },
    { expireAfterHours: '1' },
    { container: 'x' },
  ])
    assert.equal((await list(scientist, 'workspaceblobstore', body)).status, 400, JSON.stringify(body));
});

test('what a data scientist uploaded becomes a model and the input of a job by its name, and snapshots do not', async (t) => {
  const { lab, id, scientist, signed, ask, place } = await openBench(t);
  const sas = await signed();
  assert.equal((await ask('PUT', 'LocalUpload/m/weights', sas, { content: '42' })).status, 201);
  const register = (who: string, name: string, path: string, datastore = 'workspaceblobstore') =>
    lab.call(who, 'PUT', `${id}/models/${name}/versions/1`, {
      body: { properties: { modelUri: `azureml://datastores/${datastore}/paths/${path}` } },
    });
  const made = await register(scientist, 'weights', 'LocalUpload/m');
  assert.equal(made.status, 201, made.bytes.toString());
  assert.equal(made.body.properties.properties['strongroom.files'], '1');
  const { blobs, system } = lab.now();
  const packs = await blobs.list(system, { ...place('workspaceblobstore'), prefix: 'snapshots/', limit: 10 });
  assert.equal(packs.blobs.length, 1);
  const pack = packs.blobs[0]?.name ?? '';
  for (const path of [pack, 'snapshots', `${pack}/`, 'snapshots/']) {
    const stolen = await register(scientist, 'stolen', path);
    assert.equal(stolen.body.error.code, 'AssetContentNotFound', path);
  }
  const whole = await register(scientist, 'whole', '');
  assert.equal(whole.body.properties.properties['strongroom.files'], '1', 'the packs are not among the files');
  for (const who of [await lab.person(['Reader']), await lab.person(['AzureML Compute Operator'])])
    assert.equal((await register(who, 'theirs', 'LocalUpload/m')).status, 403);
});

test('nothing that the platform keeps is written, read, copied or removed by an address, and no blob is removed', async (t) => {
  const { lab, signed, ask, keep, place, accountName } = await openBench(t);
  await keep('workspaceblobstore', 'snapshots/1/0', 'ours');
  const sas = await signed();
  assert.equal((await ask('PUT', 'a', sas, { content: '1' })).status, 201);
  for (const name of ['snapshots/1/0', 'snapshots/2/0', 'snapshots%2F1%2F0']) {
    assert.equal((await ask('PUT', name, sas, { content: 'x' })).status, 409, name);
    assert.equal((await ask('PUT', name, sas, { query: 'comp=block&blockid=AAAA', content: 'x' })).status, 409, name);
    assert.equal((await ask('GET', name, sas)).status, 403, name);
  }
  assert.ok(
    !(await ask('GET', '', sas, { query: 'restype=container&comp=list' })).bytes.toString().includes('snapshots'),
  );
  const source = `https://localhost:8443/${accountName}/${place('workspaceblobstore').container}`;
  const copy = (from: string, to: string) => ask('PUT', to, sas, { headers: { 'x-ms-copy-source': from } });
  assert.equal((await copy(`${source}/snapshots/1/0`, 'b')).status, 403);
  assert.equal((await copy(`${source}/a`, 'snapshots/1/0')).status, 409);
  assert.equal((await copy(`${source}/a`, 'b')).status, 202);
  assert.equal((await copy(`${source}/a?${sas}`, 'b')).status, 400);
  assert.equal((await copy('https://example.org/a', 'b')).status, 400);
  const artifacts = `https://localhost:8443/${accountName}/${place('workspaceartifactstore').container}/x`;
  assert.equal((await copy(artifacts, 'b')).status, 403);
  for (const name of ['a', 'snapshots/1/0']) assert.equal((await ask('DELETE', name, sas)).status, 403);
  for (const method of ['PUT', 'DELETE'])
    assert.equal((await ask(method, '', sas, { query: 'restype=container' })).status, 403);
  // Nor does a role at the account change it: what is named by its digest, and what a run left.
  const contributor = await lab.person(['Storage Blob Data Contributor']);
  const { container } = place('workspaceblobstore');
  const asContributor = (method: string, path: string) =>
    lab.call(
      contributor,
      method,
      `/${accountName}/${path}`,
      method === 'PUT' ? { headers: blockBlob, body: Buffer.from('x') } : {},
    );
  assert.equal((await asContributor('PUT', `${container}/snapshots/1/0`)).status, 409);
  assert.equal((await asContributor('DELETE', `${container}/snapshots/1/0`)).status, 409);
  assert.equal(
    (await asContributor('PUT', `${place('workspaceartifactstore').container}/ExperimentRun/x`)).status,
    409,
  );
  assert.equal((await asContributor('DELETE', `${container}?restype=container`)).status, 409);
  assert.equal((await asContributor('PUT', `${container}/mine`)).status, 201);
  assert.equal((await asContributor('DELETE', `${container}/mine`)).status, 202);
});

test('artifacts are read by an address and never written, by who may read artifacts', async (t) => {
  const { lab, list, signed, ask, keep, place, id } = await openBench(t);
  await keep('workspaceartifactstore', 'ExperimentRun/dcid.job/outputs/m', 'left');
  const sas = await signed(undefined, 'workspaceartifactstore');
  assert.equal(new URLSearchParams(sas).get('sp'), 'rl');
  const { container } = place('workspaceartifactstore');
  const name = 'ExperimentRun/dcid.job/outputs/m';
  assert.equal((await ask('GET', name, sas, { container })).bytes.toString(), 'left');
  const query = 'restype=container&comp=list&prefix=ExperimentRun/dcid.job/';
  assert.ok((await ask('GET', '', sas, { container, query })).bytes.toString().includes(name));
  for (const at of [name, 'new', 'ExperimentRun/dcid.other/x'])
    assert.equal((await ask('PUT', at, sas, { container, content: 'x' })).status, 403, at);
  assert.equal((await ask('DELETE', name, sas, { container })).status, 403);
  // The address of the one store is none of the other.
  assert.equal((await ask('GET', 'a', sas)).status, 403);
  const writer = await lab.person([]);
  const [, subscriptionId] = /^\/subscriptions\/([^/]+)/.exec(id) ?? [];
  const role = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/5f0e7a3c-0c6b-4a8e-9d55-0d2f0f3b7a11`;
  await lab.must(lab.owner, 'PUT', role, {
    body: {
      properties: {
        roleName: 'Uploader',
        type: 'CustomRole',
        permissions: [{ actions: ['Microsoft.MachineLearningServices/workspaces/datastores/listsecrets/action'] }],
        assignableScopes: [`/subscriptions/${subscriptionId}`],
      },
    },
  });
  await lab.must(
    lab.owner,
    'PUT',
    `${id}/providers/Microsoft.Authorization/roleAssignments/6f0e7a3c-0c6b-4a8e-9d55-0d2f0f3b7a12`,
    {
      body: { properties: { roleDefinitionId: role, principalId: writer, principalType: 'ServicePrincipal' } },
    },
  );
  assert.equal((await list(writer)).status, 200);
  assert.equal((await list(writer, 'workspaceartifactstore')).status, 403, 'to read artifacts is a right of its own');
});

test('whoever only reads, runs or holds another credential gets no address, and every address and use is recorded', async (t) => {
  const { lab, list, signed, ask, scientist, id } = await openBench(t);
  for (const role of ['Reader', 'AzureML Compute Operator', 'Storage Blob Data Owner'])
    assert.equal((await list(await lab.person([role]))).status, 403, role);
  assert.equal((await list(noCredential)).status, 401);
  const elsewhere = await lab.workspace('Elsewhere');
  const there = await lab.person(['AzureML Data Scientist'], elsewhere);
  assert.equal((await list(there)).status, 403);
  const sas = await signed();
  const sig = new URLSearchParams(sas).get('sig');
  // As a bearer token, on another surface, and to make another of it.
  assert.equal((await list(String(sig))).status, 401);
  assert.equal(
    (await lab.call(noCredential, 'POST', `${id}/datastores/workspaceblobstore/listSecrets?sig=${sig}`)).status,
    401,
  );
  assert.equal((await lab.call(noCredential, 'GET', `${id}?sig=${sig}`)).status, 401);
  assert.equal((await lab.call(noCredential, 'GET', `/history/v1.0${id}/runs/x/details?sig=${sig}`)).status, 401);
  await ask('PUT', 'a', sas, { content: '1' });
  const { entries } = lab.now().audit;
  const made = entries.find(({ intent }) => intent.operation.endsWith('_ListSecrets') && intent.decision === 'allowed');
  assert.equal(made?.level, 'activity');
  const used = entries.find(({ intent }) => intent.operation === 'Blob_Put');
  assert.deepEqual(
    [used?.intent.actor.objectId, used?.intent.actor.authentication.method],
    [scientist, 'signedAddress'],
  );
  assert.ok(!JSON.stringify(entries).includes(String(sig)), 'the record holds no signature');
});

test('it ends with the role, with its maker, with the roles of the workspace and with its time', async (t) => {
  const { lab, signed, ask, id, workspace, list, scientist } = await openBench(t);
  const { access, identity, system } = lab.now();
  const works = async (sas: string) => (await ask('PUT', 'a', sas, { content: '1' })).status;
  const leaver = await lab.person(['AzureML Data Scientist']);
  const withdrawn = await signed(leaver);
  assert.equal(await works(withdrawn), 201);
  await access.unassignPrincipal(system, leaver);
  assert.equal(await works(withdrawn), 403);
  const suspended = await lab.person(['AzureML Data Scientist']);
  const disabled = await signed(suspended);
  await lab.control.write((tx) => identity.directory.setEnabled(tx, suspended, false));
  assert.equal(await works(disabled), 403);
  const sas = await signed();
  assert.equal(await works(sas), 201);
  await access.unassignPrincipal(system, workspace.identity.objectId);
  assert.equal(await works(sas), 403, 'no more than the workspace may');
  assert.equal((await list(scientist)).status, 403);
  await lab.must(lab.owner, 'POST', `${id}/resyncKeys`);
  assert.equal(await works(sas), 201);
  // What is written beside the signature is not looked at.
  const longer = new URLSearchParams(sas);
  longer.set('se', '2999-01-01T00:00:00Z');
  longer.set('sp', 'racwdl');
  assert.equal((await ask('DELETE', 'a', String(longer))).status, 403);
  await lab.clock.advance(3_700_000);
  assert.equal(await works(String(longer)), 403);
});

test('of a container that is not the workspace’s own an address is what its maker may there', async (t) => {
  const { lab, owner, list, ask, registered, id, place, accountName } = await openBench(t);
  const account = lab.id('Microsoft.Storage/storageAccounts', 'foreign1');
  await lab.must(owner, 'PUT', account, {
    body: { location: 'local', kind: 'StorageV2', sku: { name: 'Standard_LRS' }, properties: {} },
  });
  await lab.now().tasks.drain();
  await lab.must(owner, 'PUT', `${account}/blobServices/default/containers/data`);
  assert.equal((await registered('theirs', { accountName: 'foreign1', containerName: 'data' })).status, 201);
  const scientist = await lab.person(['AzureML Data Scientist'], id);
  const none = await list(scientist, 'theirs');
  assert.deepEqual([none.status, none.body.error.code], [403, 'AuthorizationFailed']);
  const at = { account: 'foreign1', container: 'data' };
  await lab.now().assign(scientist, 'Storage Blob Data Reader', account);
  const { body } = await list(scientist, 'theirs');
  assert.equal(new URLSearchParams(body.sasToken).get('sp'), 'rl');
  assert.equal((await ask('GET', '', body.sasToken, { ...at, query: 'restype=container&comp=list' })).status, 200);
  assert.equal((await ask('PUT', 'a', body.sasToken, { ...at, content: 'x' })).status, 403);
  await lab.now().access.unassignAll(lab.now().system, account);
  assert.equal((await ask('GET', '', body.sasToken, { ...at, query: 'restype=container&comp=list' })).status, 403);
  // A datastore is a name that a scientist may write: no container of the same account, of another workspace, of an
  // upload, nor one that is not there is opened by giving it one.
  const other = await lab.workspace('Other');
  const { workspaces, system } = lab.now();
  const theirs = workspaces.container(await workspaces.get(system, other), 'workspaceblobstore');
  for (const [name, properties] of Object.entries({
    sameAccount: { accountName, containerName: 'somebodys' },
    upload: { accountName, containerName: 'upload-00000000-0000-0000-0000-000000000000' },
    otherWorkspace: { accountName: theirs.account.split('/').at(-1), containerName: theirs.container },
    otherAccount: { accountName: 'foreign1', containerName: place('workspaceblobstore').container },
    nowhere: { accountName: 'nowhere1', containerName: 'data' },
  })) {
    const made = await lab.call(scientist, 'PUT', `${id}/datastores/${name}`, {
      body: { properties: { datastoreType: 'AzureBlob', ...properties } },
    });
    assert.equal(made.status, 201, made.bytes.toString());
    assert.equal((await list(scientist, name)).status, 403, name);
    const shown = await lab.must(scientist, 'GET', `${id}/datastores/${name}`);
    assert.equal(shown.body.properties.credentials.credentialsType, 'None', name);
  }
  // Under whatever name, the workspace's own store is its own store: artifacts stay read-only.
  await registered('again', { accountName, containerName: place('workspaceartifactstore').container });
  const again = await list(scientist, 'again');
  assert.equal(new URLSearchParams(again.body.sasToken).get('sp'), 'rl');
  const share = await lab.call(owner, 'PUT', `${id}/datastores/share`, {
    body: { properties: { datastoreType: 'AzureFile', accountName, fileShareName: 'files' } },
  });
  assert.equal(share.status, 201);
  assert.equal((await list(owner, 'share')).body.error.code, 'DatastoreTypeNotServed');
});

test('credentials that a client read of the workspace’s own store it may send back, and none else', async (t) => {
  const { lab, id, scientist, accountName } = await openBench(t);
  const own = `${id}/datastores/workspaceblobstore`;
  const { body } = await lab.must(scientist, 'GET', own);
  assert.equal((await lab.call(scientist, 'PUT', own, { body: { properties: body.properties } })).status, 200);
  const put = (name: string, credentials: object, containerName = 'x1x') =>
    lab.call(scientist, 'PUT', `${id}/datastores/${name}`, {
      body: { properties: { datastoreType: 'AzureBlob', accountName, containerName, credentials } },
    });
  for (const credentials of [
    { credentialsType: 'Sas' },
    { credentialsType: 'Sas', secrets: { secretsType: 'Sas', sasToken: 'sig=x' } },
    { credentialsType: 'AccountKey', secrets: { secretsType: 'AccountKey', key: 'x' } },
  ]) {
    assert.equal((await put('mine', credentials)).body.error.code, 'CredentialsNotServed', JSON.stringify(credentials));
    const kept = { ...credentials, ...('secrets' in credentials ? {} : { secrets: { secretsType: 'Sas' } }) };
    const refused = await put('workspaceblobstore', kept, body.properties.containerName);
    assert.equal(refused.body.error.code, 'CredentialsNotServed', JSON.stringify(kept));
  }
});

test('what is reserved is so after a restart, and is its owner’s again when the workspace is gone', async (t) => {
  const lab = await openLab(t);
  const { owner } = lab;
  const account = lab.id('Microsoft.Storage/storageAccounts', 'given1');
  await lab.must(owner, 'PUT', account, {
    body: { location: 'local', kind: 'StorageV2', sku: { name: 'Standard_LRS' }, properties: {} },
  });
  await lab.now().tasks.drain();
  const id = await lab.workspace('Guest', { storageAccount: account });
  const { workspaces, system } = lab.now();
  const { container } = workspaces.container(await workspaces.get(system, id), 'workspaceblobstore');
  const contributor = await lab.person(['Storage Blob Data Contributor']);
  const write = async () =>
    (
      await lab.call(contributor, 'PUT', `/given1/${container}/snapshots/1/0`, {
        headers: blockBlob,
        body: Buffer.from('x'),
      })
    ).status;
  const arm = `${account}/blobServices/default/containers/${container}`;
  assert.equal(await write(), 409);
  await lab.restart();
  assert.equal(await write(), 409);
  assert.equal((await lab.call(owner, 'DELETE', arm)).status, 409);
  await lab.must(owner, 'DELETE', id);
  await lab.now().tasks.drain();
  assert.equal(await write(), 201);
  assert.equal((await lab.call(owner, 'DELETE', arm)).status, 200);
});
