// What the platform keeps in a container that others may write: no request changes it, whoever sends it and however the name is
// written, and the module that keeps it does all the same.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { storageActions } from '@strongroom/contract/storage.actions';
import type { Bounds } from '#kernel/authority/bounds';
import { closeScanPool } from '#kernel/database/database';
import { testActor, testGrant } from '#kernel/testing/authority';
import { containerScope } from './scopes.rules.ts';
import { accountId, openDoor, type Reply } from './testing.ts';

after(() => closeScanPool());

const blockBlob = { 'x-ms-blob-type': 'BlockBlob' };
const list = '<?xml version="1.0"?><BlockList><Uncommitted>AAAA</Uncommitted></BlockList>';
const codeOf = (reply: Reply) => reply.headers['x-ms-error-code'];
const refused = [409, 'BlobImmutableDueToPolicy'];
const answered = (reply: Reply) => [reply.status, codeOf(reply)];

async function openBench(t: Parameters<typeof openDoor>[0]) {
  const by = { reserved: true };
  const door = await openDoor(t, {
    reservedIn: ({ account, container }) =>
      by.reserved && account.endsWith('/acct1') && container === 'data'
        ? { by: "The workspace 'w'", folders: [{ prefix: 'kept/', isHidden: true }] }
        : undefined,
  });
  const { blobs, account } = door;
  const ref = (name: string) => ({ account: account.id, container: 'data', name });
  const grant = testGrant({ scope: containerScope(ref('')) });
  await blobs.ensureContainer(grant, account.id, 'data');
  const keep = (name: string, content: string) => blobs.put(grant, ref(name), Buffer.from(content), { maxBytes: 100 });
  await keep('kept/a', 'ours');
  await keep('theirs', 'theirs');
  const read = async (name: string) => {
    const { stream } = await blobs.open(grant, ref(name));
    return Buffer.concat(await stream.toArray()).toString();
  };
  return { ...door, by, ref, grant, keep, read };
}

/** Every operation of the protocol that changes a blob. Their names are held against the routes below. */
const changes = {
  Blob_Put: { method: 'PUT', query: '', headers: blockBlob, body: 'x' },
  Blob_StageBlock: { method: 'PUT', query: '?comp=block&blockid=AAAA', headers: {}, body: 'x' },
  Blob_CommitBlockList: { method: 'PUT', query: '?comp=blocklist', headers: {}, body: list },
  Blob_SetMetadata: { method: 'PUT', query: '?comp=metadata', headers: { 'x-ms-meta-a': 'b' }, body: '' },
  Blob_SetProperties: { method: 'PUT', query: '?comp=properties', headers: {}, body: '' },
  Blob_SetTier: { method: 'PUT', query: '?comp=tier', headers: { 'x-ms-access-tier': 'Cool' }, body: '' },
  Blob_Delete: { method: 'DELETE', query: '', headers: {}, body: undefined },
} as const;

test('no operation of the protocol changes what is reserved, with a condition or without', async (t) => {
  const { send, storage, read, blobs, grant, ref } = await openBench(t);
  const changing = (storage.routes ?? [])
    .filter(({ method, path }) => path.includes('{blob+}') && method !== 'GET' && method !== 'HEAD')
    .map(({ operation }) => operation);
  assert.deepEqual(Object.keys(changes).sort(), [...changing].sort(), 'an operation that this test does not know');
  const before = await blobs.head(grant, ref('kept/a'));
  for (const [operation, { method, query, headers, body }] of Object.entries(changes)) {
    const sent = body === undefined ? {} : { body };
    for (const name of ['kept/a', 'kept/new', 'kept%2Fa', 'kept//a'])
      assert.deepEqual(
        answered(await send(method, `/acct1/data/${name}${query}`, { headers, ...sent })),
        refused,
        `${operation} ${name}`,
      );
    const byHost = { host: 'acct1.blob.storage.localhost:8443', headers, ...sent };
    assert.deepEqual(answered(await send(method, `/data/kept/a${query}`, byHost)), refused, `${operation} by host`);
    if (operation === 'Blob_StageBlock' || operation === 'Blob_SetTier') continue;
    for (const condition of [{ 'if-match': before.etag }, { 'if-none-match': '"none"' }, { 'if-match': '*' }])
      assert.deepEqual(
        answered(await send(method, `/acct1/data/kept/a${query}`, { headers: { ...headers, ...condition }, ...sent })),
        refused,
        `${operation} ${JSON.stringify(condition)}`,
      );
  }
  assert.equal(await read('kept/a'), 'ours');
  assert.deepEqual(await blobs.head(grant, ref('kept/a')), before);
  assert.deepEqual((await blobs.list(grant, { ...ref(''), prefix: 'kept/', limit: 9 })).blobs.length, 1);
});

test('nothing is copied over it, as a blob or as a block, and dots lead nowhere', async (t) => {
  const { send, read } = await openBench(t);
  const source = { 'x-ms-copy-source': 'https://localhost:8443/acct1/data/theirs' };
  assert.deepEqual(answered(await send('PUT', '/acct1/data/kept/a', { headers: source })), refused);
  assert.deepEqual(
    answered(await send('PUT', '/acct1/data/kept/a', { headers: { ...source, ...blockBlob } })),
    refused,
  );
  const block = await send('PUT', '/acct1/data/kept/a?comp=block&blockid=AAAA', { headers: source });
  assert.deepEqual(answered(block), refused);
  for (const name of ['x/../kept/a', 'x/%2e%2e/kept/a', './kept/a', 'x%2F..%2Fkept/a']) {
    const { status } = await send('PUT', `/acct1/data/${name}`, { headers: blockBlob, body: 'x' });
    assert.ok(status === 400 || status === 409, `${name}: ${status}`);
  }
  assert.equal(await read('kept/a'), 'ours');
});

test('names beside it are free, and so is the same name elsewhere', async (t) => {
  const { send } = await openBench(t);
  assert.equal((await send('PUT', '/acct1/other?restype=container')).status, 201);
  for (const path of ['data/kept', 'data/Kept/a', 'data/keptx', 'data/x/kept/a', 'other/kept/a'])
    assert.equal((await send('PUT', `/acct1/${path}`, { headers: blockBlob, body: 'x' })).status, 201, path);
});

test('its container is not removed, by either interface, until nobody stands on it', async (t) => {
  const { send, by, account, read } = await openBench(t);
  const arm = `${account.id}/blobServices/default/containers/data`;
  const conditional = { headers: { 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' } };
  for (const reply of [
    await send('DELETE', '/acct1/data?restype=container'),
    await send('DELETE', '/acct1/data?restype=container', conditional),
  ])
    assert.deepEqual(answered(reply), [409, 'ContainerReserved']);
  const byArm = await send('DELETE', arm);
  assert.equal(byArm.status, 409);
  assert.match(byArm.body.toString(), /The workspace 'w' stands on this container/);
  assert.equal(await read('kept/a'), 'ours');
  by.reserved = false;
  assert.equal((await send('DELETE', arm)).status, 200);
});

test('the module that keeps it writes and removes in process', async (t) => {
  const { blobs, grant, ref, keep, read } = await openBench(t);
  await keep('kept/a', 'newer');
  assert.equal(await read('kept/a'), 'newer');
  assert.equal(await blobs.removePrefix(grant, { ...ref(''), prefix: 'kept/' }), 1);
});

test('by a signed address it is neither read, listed nor copied from, and by a role it is', async (t) => {
  const scope = containerScope({ account: accountId('acct1'), container: 'data' });
  const actions = [storageActions.readBlobs.name, storageActions.writeBlobs.name];
  const bounds: Bounds = { rules: [{ scope, actions, reason: 'a signed address' }], roles: 'ignored' };
  const who = { bounded: false };
  const door = await openDoor(t, {
    reservedIn: () => ({ by: 'The platform', folders: [{ prefix: 'kept/', isHidden: true }] }),
    actor: () => (who.bounded ? { ...testActor, bounds } : testActor),
  });
  const { send, blobs, account } = door;
  const ref = (name: string) => ({ account: account.id, container: 'data', name });
  const grant = testGrant({ scope: containerScope(ref('')) });
  await blobs.ensureContainer(grant, account.id, 'data');
  for (const name of ['a', 'kept/a', 'z']) await blobs.put(grant, ref(name), Buffer.from('x'), { maxBytes: 9 });
  const names = async (query: string) =>
    [
      ...(await send('GET', `/acct1/data?restype=container&comp=list${query}`)).body
        .toString()
        .matchAll(/<Name>([^<]*)/g),
    ].map(([, name]) => name);
  assert.deepEqual(await names(''), ['a', 'kept/a', 'z']);
  assert.equal((await send('GET', '/acct1/data/kept/a')).status, 200);
  who.bounded = true;
  assert.deepEqual(await names(''), ['a', 'z']);
  assert.deepEqual(await names('&prefix=kept/'), []);
  // A page that ends in what is hidden says so by no marker, and the next one goes on behind it.
  const page = async (query: string) => (await send('GET', `/acct1/data?restype=container&comp=list${query}`)).body;
  const markerIn = (body: Buffer) => /<NextMarker>([^<]*)</.exec(body.toString())?.[1] ?? '';
  const seen: string[] = [];
  for (let marker = '', pages = 0; pages === 0 || marker !== ''; pages++) {
    assert.ok(pages < 9);
    const body = await page(`&maxresults=1${marker === '' ? '' : `&marker=${marker}`}`);
    seen.push(...[...body.toString().matchAll(/<Name>([^<]*)/g)].map(([, name]) => name ?? ''));
    marker = markerIn(body);
    assert.doesNotMatch(Buffer.from(marker, 'base64url').toString(), /kept\/\w/);
  }
  assert.deepEqual(seen, ['a', 'z']);
  assert.deepEqual(await names('&delimiter=/'), ['a', 'z']);
  assert.deepEqual(await names('&prefix=k&delimiter=/'), []);
  assert.equal((await send('GET', '/acct1/data/a')).status, 200);
  for (const [method, query] of [
    ['GET', ''],
    ['HEAD', ''],
    ['GET', '?comp=metadata'],
    ['HEAD', '?comp=metadata'],
    ['GET', '?comp=blocklist'],
  ] as const)
    assert.equal((await send(method, `/acct1/data/kept/a${query}`)).status, 403, `${method} ${query}`);
  const source = { 'x-ms-copy-source': 'https://localhost:8443/acct1/data/kept/a' };
  for (const query of ['', '?comp=block&blockid=AAAA'])
    assert.equal((await send('PUT', `/acct1/data/stolen${query}`, { headers: source })).status, 403, query);
});
