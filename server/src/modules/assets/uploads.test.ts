// Pending uploads behind the real door: a client without a token sends files to a signed address, and what it sent becomes a
// code version. And what whoever holds, changes or keeps such an address does not get.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openLab } from '../../../test/lab/lab.fixture.ts';
import { insertUpload } from './uploads.store.ts';

after(() => closeScanPool());

const blockBlob = { 'x-ms-blob-type': 'BlockBlob' };
const noCredential = '';

async function openBench(t: TestContext) {
  const lab = await openLab(t);
  const workspaceId = await lab.workspace('Vision');
  const scientist = await lab.person(['AzureML Data Scientist']);
  const begin = async (version = 'train/versions/1', who = scientist) =>
    lab.call(who, 'POST', `${workspaceId}/codes/${version}/startPendingUpload`, {
      body: { pendingUploadType: 'TemporaryBlobReference' },
    });
  /** The address of the container, with and without its signature. */
  const begun = async (version?: string, who?: string) => {
    const { status, body } = await begin(version, who);
    assert.equal(status, 200);
    const { blobUri, credential } = body.blobReferenceForConsumption;
    return { uri: String(blobUri), signed: new URL(credential.sasUri) };
  };
  const at = (signed: URL, blob: string, query: Readonly<Record<string, string>> = {}) => {
    const url = new URL(signed);
    if (blob !== '') url.pathname += `/${blob}`;
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  };
  const send = (signed: URL, blob: string, content: string, who = noCredential) =>
    lab.call(who, 'PUT', at(signed, blob), { body: Buffer.from(content), headers: blockBlob });
  const register = (codeUri: string, version = 'train/versions/1', who = scientist) =>
    lab.call(who, 'PUT', `${workspaceId}/codes/${version}`, { body: { properties: { codeUri, isAnonymous: true } } });
  const containers = async () => {
    const { storageAccount } = await lab.now().workspaces.get(lab.now().system, workspaceId);
    const { body } = await lab.must(lab.owner, 'GET', `${storageAccount}/blobServices/default/containers`);
    return (body.value as { name: string }[]).map(({ name }) => name).filter((name) => name.startsWith('upload-'));
  };
  return { lab, workspaceId, scientist, begin, begun, at, send, register, containers };
}

test('files sent to the address become a snapshot, and the address is worth nothing any more', async (t) => {
  const { lab, workspaceId, begun, at, send, register, containers } = await openBench(t);
  const { uri, signed } = await begun();
  assert.equal(signed.searchParams.get('sr'), 'c');
  assert.equal((await lab.call(noCredential, 'HEAD', at(signed, 'src/train.py'))).status, 404);
  assert.equal((await send(signed, 'src/train.py', 'print(1)')).status, 201);
  assert.equal((await send(signed, 'src/lib/m%20n.py', 'X = 1')).status, 201);
  const marked = await lab.call(noCredential, 'PUT', at(signed, 'src/train.py', { comp: 'metadata' }), {
    headers: { 'x-ms-meta-upload_status': 'completed' },
  });
  assert.equal(marked.status, 200);
  const made = await register(`${uri}/src`);
  assert.equal(made.status, 201);
  const { codeUri } = made.body.properties;
  assert.match(codeUri, /^azureml:\/\/snapshots\/sha256:/);
  const digest = String(codeUri).slice('azureml://snapshots/'.length);
  const file = await lab.call(lab.owner, 'GET', `${workspaceId}/snapshots/${digest}/files/lib/m%20n.py`);
  assert.equal(file.bytes.toString(), 'X = 1');
  assert.deepEqual(await containers(), []);
  assert.equal((await send(signed, 'src/train.py', 'print(2)')).status, 404);
});

test('the same folder again is the same version; other content is refused, and so is no content', async (t) => {
  const { begun, send, register, containers } = await openBench(t);
  const first = await begun();
  await send(first.signed, 'a.py', '1');
  assert.equal((await register(first.uri)).status, 201);
  assert.equal((await register(first.uri)).status, 200, 'an answer that was lost is asked for again');
  const again = await begun();
  await send(again.signed, 'a.py', '1');
  assert.equal((await register(again.uri)).status, 200);
  const other = await begun();
  await send(other.signed, 'a.py', '2');
  const refused = await register(other.uri);
  assert.deepEqual([refused.status, refused.body.error.code], [409, 'VersionAlreadyExists']);
  const empty = await begun('empty/versions/1');
  assert.equal((await register(empty.uri, 'empty/versions/1')).body.error.code, 'AssetContentNotFound');
  assert.equal((await containers()).length, 1, 'only the one that nothing was sent to waits');
});

test('no list answers by a hash that its client made up', async (t) => {
  const { lab, workspaceId, begun, send, register, scientist } = await openBench(t);
  const { uri, signed } = await begun();
  await send(signed, 'a.py', '1');
  await register(uri);
  const list = async (query: string) =>
    (await lab.must(scientist, 'GET', `${workspaceId}/codes/train/versions${query}`)).body.value.length;
  assert.equal(await list(''), 1);
  assert.equal(await list('?hash=abc&hashVersion=202208'), 0);
});

test('it opens its own container and nothing else, and never more than reading and writing blobs', async (t) => {
  const { lab, workspaceId, begun, at, send } = await openBench(t);
  const mine = await begun();
  const other = await begun('other/versions/1');
  await send(other.signed, 'secret.py', 's');
  await send(mine.signed, 'a.py', '1');
  const moved = new URL(mine.signed);
  moved.pathname = other.signed.pathname;
  assert.equal((await lab.call(noCredential, 'GET', at(moved, 'secret.py'))).status, 403);
  assert.equal((await send(moved, 'a.py', '1')).status, 403);
  const own = lab
    .now()
    .workspaces.container(await lab.now().workspaces.get(lab.now().system, workspaceId), 'workspaceblobstore');
  const account = mine.signed.pathname.split('/')[1];
  moved.pathname = `/${account}/${own.container}`;
  assert.equal((await send(moved, 'a.py', '1')).status, 403);
  moved.pathname = `/${account}`;
  assert.equal((await lab.call(noCredential, 'GET', at(moved, '', { comp: 'list' }))).status, 403);
  assert.equal((await lab.call(noCredential, 'DELETE', at(mine.signed, 'a.py'))).status, 403);
  assert.equal((await lab.call(noCredential, 'DELETE', at(mine.signed, '', { restype: 'container' }))).status, 403);
  assert.equal((await lab.call(noCredential, 'PUT', at(mine.signed, '', { restype: 'container' }))).status, 403);
  const copied = await lab.call(noCredential, 'PUT', at(mine.signed, 'stolen.py'), {
    headers: { 'x-ms-copy-source': `${other.uri}/secret.py` },
  });
  assert.ok([403, 404].includes(copied.status), String(copied.status));
  const sig = mine.signed.searchParams.get('sig');
  assert.equal((await lab.call(noCredential, 'GET', `${workspaceId}?sig=${sig}`)).status, 401, 'another surface');
  assert.equal((await lab.call(String(sig), 'GET', workspaceId)).status, 401, 'as a bearer token');
});

test('what stands beside the signature decides nothing, and a signature that is none is not made up for by a token', async (t) => {
  const { lab, begun, at, send } = await openBench(t);
  const { signed } = await begun();
  await send(signed, 'a.py', '1');
  const widened = at(signed, 'a.py', { sp: 'racwdl', se: '2999-01-01T00:00:00Z', sr: 'b' });
  assert.equal((await lab.call(noCredential, 'DELETE', widened)).status, 403);
  const forged = at(signed, 'a.py', { sig: `${signed.searchParams.get('sig')}x` });
  assert.equal((await lab.call(lab.owner, 'GET', forged)).status, 403);
  assert.equal((await lab.call(lab.owner, 'GET', at(signed, 'a.py', { sig: 'YWJj' }))).status, 403);
  // The token of somebody with more rights does not widen an address either.
  assert.equal((await lab.call(lab.owner, 'DELETE', at(signed, 'a.py'))).status, 403);
});

test('it ends with the role, with its principal, and after an hour', async (t) => {
  const { lab, begun, send, scientist } = await openBench(t);
  const { control, clock } = lab;
  const { signed } = await begun();
  const { identity, access, system } = lab.now();
  const enable = (enabled: boolean) => control.write((tx) => identity.directory.setEnabled(tx, scientist, enabled));
  await enable(false);
  assert.equal((await send(signed, 'a.py', '1')).status, 403);
  await enable(true);
  assert.equal((await send(signed, 'a.py', '1')).status, 403, 'enabling brings nothing back');
  const theirs = await lab.person(['AzureML Data Scientist']);
  const second = await begun('x/versions/1', theirs);
  await access.unassignPrincipal(system, theirs);
  assert.equal((await send(second.signed, 'a.py', '1')).status, 403);
  await clock.advance(3_700_000);
  assert.equal((await send(signed, 'b.py', '1')).status, 403);
});

test('who may not register the version gets no address, and each is recorded', async (t) => {
  const { lab, begin } = await openBench(t);
  for (const role of ['Reader', 'Storage Blob Data Contributor'])
    assert.equal((await begin('train/versions/1', await lab.person([role]))).status, 403, role);
  assert.equal((await begin('train/versions/1', noCredential)).status, 401);
  const { audit } = lab.now();
  await begin();
  const recorded = JSON.stringify(audit);
  assert.ok(recorded.includes('CodeVersions_StartPendingUpload'));
  assert.ok(!recorded.includes('sig='), 'the record holds no signature');
});

test('an upload is for the version that it was begun for, in the workspace that it was begun in', async (t) => {
  const { lab, begun, send, register } = await openBench(t);
  const { uri, signed } = await begun();
  await send(signed, 'a.py', '1');
  assert.equal((await register(uri, 'other/versions/1')).body.error.code, 'InvalidAssetUri');
  const elsewhere = await lab.workspace('Elsewhere');
  const there = await lab.call(lab.owner, 'PUT', `${elsewhere}/codes/train/versions/1`, {
    body: { properties: { codeUri: uri } },
  });
  assert.equal(there.body.error.code, 'InvalidAssetUri');
  for (const codeUri of [
    uri.replace(/upload-.*/, 'upload-00000000-0000-0000-0000-000000000000'),
    `${uri}/../../x`,
    `${uri}?sig=x`,
    'https://169.254.169.254/upload-00000000-0000-0000-0000-000000000000/latest',
    'file:///etc/passwd',
  ])
    assert.equal((await register(codeUri)).status, 400, codeUri);
  assert.equal((await register(uri)).status, 201);
});

test('hostile names and credentials among the files are refused as in an archive', async (t) => {
  const { begun, send, register } = await openBench(t);
  const names = await begun('a/versions/1');
  assert.equal((await send(names.signed, 'C%3ab.py', '1')).status, 201);
  assert.equal((await register(names.uri, 'a/versions/1')).body.error.code, 'InvalidSnapshotPath');
  const secret = await begun('b/versions/1');
  await send(secret.signed, 'key.pem', '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n');
  assert.equal((await register(secret.uri, 'b/versions/1')).body.error.code, 'CredentialInSnapshot');
});

test('what nobody finished goes when the next one begins, or with the sweep', async (t) => {
  const { lab, begun, containers } = await openBench(t);
  const { clock } = lab;
  await begun('a/versions/1');
  await begun('b/versions/1');
  assert.equal((await containers()).length, 2);
  await clock.advance(3_700_000);
  await begun('c/versions/1');
  assert.equal((await containers()).length, 1);
  const sweep = () => lab.now().sweepAssets(new AbortController().signal);
  await sweep();
  assert.equal((await containers()).length, 1, 'its time is not over');
  await clock.advance(3_700_000);
  await sweep();
  assert.equal((await containers()).length, 0);
});

test('no more uploads are open at once than may be, however many begin at the same time', async (t) => {
  const { lab, workspaceId, begin } = await openBench(t);
  const { workspaces, system } = lab.now();
  const database = await workspaces.database(system, workspaceId);
  const expires_at = new Date(lab.clock.epochMs() + 3_600_000).toISOString();
  await database.write(async (tx) => {
    for (let at = 0; at < 198; at++)
      await insertUpload(tx, { container: `upload-${at}`, version_id: 'other', expires_at, digest: null });
  });
  const begun = await Promise.all(Array.from({ length: 6 }, () => begin()));
  assert.deepEqual(begun.map(({ status }) => status).sort(), [
    200,
    200,
    ...Array(4).fill(begun.find(({ status }) => status !== 200)?.status),
  ]);
  assert.equal(begun.find(({ status }) => status !== 200)?.body.error.code, 'TooManyPendingUploads');
});
