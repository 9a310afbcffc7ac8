// One sealed file that several blobs have: there once, counted once, kept by each of them alone and gone with the last.

import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { rowsAtOnce } from './loose.store.ts';
import { containerScope } from './scopes.rules.ts';
import { bytesOf, code, openDoor, readAll, setUpContainer } from './testing.ts';

after(() => closeScanPool());

async function openPair(t: TestContext) {
  const set = await setUpContainer(t);
  const { blobs, account, grant, ref, storage } = set;
  const put = (name: string, content: Buffer) => blobs.put(grant, ref(name), content, { maxBytes: content.length });
  const share = async (from: string, to: string, etag?: string) => {
    const info = await blobs.head(grant, ref(from));
    return blobs.share({ read: grant, write: grant }, { ...ref(from), etag: etag ?? info.etag }, ref(to));
  };
  const read = async (name: string, range?: { start: number; end: number }) =>
    readAll((await blobs.open(grant, ref(name), range)).stream);
  const used = () => storage.used(testGrant({ scope: account.id }), account.id);
  const folder = set.blobsFolder(account.uniqueId);
  const files = async () => (await readdir(folder)).length;
  return { ...set, put, share, read, used, files, folder };
}

test('a shared file is there once, counts once, and is read by every name of it', async (t) => {
  const { put, share, read, used, files } = await openPair(t);
  const content = bytesOf(3_000_000);
  await put('source', content);
  const before = await used();
  assert.equal((await share('source', 'kept/1'))?.size, content.length);
  // What is shared is shared further, by whom it was sealed first.
  await share('kept/1', 'kept/2');
  assert.deepEqual([await used(), await files()], [before, 1]);
  for (const name of ['source', 'kept/1', 'kept/2']) assert.deepEqual(await read(name), content, name);
  assert.deepEqual(await read('kept/2', { start: 1_500_000, end: 1_500_009 }), content.subarray(1_500_000, 1_500_010));
});

for (const [order, names] of [
  ['the source first', ['source', 'a', 'b']],
  ['the source last', ['b', 'a', 'source']],
  ['the source in between', ['a', 'source', 'b']],
] as const)
  test(`each keeps it alone, and it goes with the last: ${order}`, async (t) => {
    const { blobs, grant, ref, put, share, read, used, files } = await openPair(t);
    const nothing = await used();
    const content = bytesOf(700_000);
    await put('source', content);
    const one = await used();
    await share('source', 'a');
    await share('source', 'b');
    const left: string[] = [...names];
    for (const name of names) {
      for (const there of left) assert.deepEqual(await read(there), content, there);
      assert.deepEqual([await used(), await files()], [one, 1]);
      await blobs.remove(grant, ref(name));
      left.shift();
    }
    assert.deepEqual([await used(), await files()], [nothing, 0]);
  });

test('what is written over one of them changes no other, nor does a container that goes', async (t) => {
  const { blobs, account, grant, ref, put, share, read } = await openPair(t);
  const content = bytesOf(700_000);
  await put('source', content);
  const other = testGrant({ scope: containerScope({ account: account.id, container: 'other' }) });
  await blobs.ensureContainer(other, account.id, 'other');
  const { etag } = await blobs.head(grant, ref('source'));
  const there = { account: account.id, container: 'other', name: 'x' };
  assert.ok(await blobs.share({ read: grant, write: other }, { ...ref('source'), etag }, there));
  await share('source', 'a');
  await put('source', bytesOf(500_000));
  assert.deepEqual(await read('a'), content);
  await put('a', bytesOf(10));
  assert.deepEqual(await readAll((await blobs.open(other, there)).stream), content);
  await blobs.deleteContainer(grant, { account: account.id, container: 'data' });
  assert.deepEqual(await readAll((await blobs.open(other, there)).stream), content);
});

test('who reads the source while it goes, and shares of it, loses nothing', async (t) => {
  const { blobs, grant, ref, put, share, read } = await openPair(t);
  const content = bytesOf(3_000_000);
  await put('source', content);
  const { stream } = await blobs.open(grant, ref('source'));
  await share('source', 'a');
  await blobs.remove(grant, ref('source'));
  assert.deepEqual(await readAll(stream), content);
  assert.deepEqual(await read('a'), content);
});

test('what has changed, is elsewhere or out of reach is not shared', async (t) => {
  const { blobs, account, grant, ref, put, share, addAccount, files } = await openPair(t);
  await put('source', bytesOf(700_000));
  assert.equal(await share('source', 'a', '"0x1"'), undefined);
  const { etag } = await blobs.head(grant, ref('source'));
  assert.equal(
    await blobs.share({ read: grant, write: grant }, { ...ref('gone'), etag }, ref('a')),
    undefined,
    'nothing of that name',
  );
  const far = await addAccount('acct2');
  const theirs = testGrant({ scope: containerScope({ account: far.id, container: 'data' }) });
  await blobs.ensureContainer(theirs, far.id, 'data');
  const to = { account: far.id, container: 'data', name: 'a' };
  assert.equal(await blobs.share({ read: grant, write: theirs }, { ...ref('source'), etag }, to), undefined);
  // A grant for another container opens neither side.
  const elsewhere = testGrant({ scope: containerScope({ account: account.id, container: 'else' }) });
  for (const grants of [
    { read: elsewhere, write: grant },
    { read: grant, write: elsewhere },
  ])
    await assert.rejects(
      blobs.share(grants, { ...ref('source'), etag }, ref('a')),
      code('AuthorizationPermissionMismatch'),
    );
  await assert.rejects(blobs.share({ read: grant, write: grant }, { ...ref('source'), etag }, ref('../a')));
  assert.equal(await blobs.find(grant, ref('a')), undefined);
  assert.equal(await files(), 1);
});

test('a blob of blocks is shared however many it has, and its blocks go on apart', async (t) => {
  const { send, blobs, account, blobsFolder } = await openDoor(t);
  await send('PUT', '/acct1/data?restype=container');
  const grant = testGrant({ scope: containerScope({ account: account.id, container: 'data' }) });
  const ref = (name: string) => ({ account: account.id, container: 'data', name });
  const id = (n: number) => Buffer.from(String(n).padStart(4, '0')).toString('base64');
  const commit = async (name: string, count: number) => {
    for (let n = 0; n < count; n++)
      await send('PUT', `/acct1/data/${name}?comp=block&blockid=${encodeURIComponent(id(n))}`, { body: `${n} ` });
    const list = Array.from({ length: count }, (_, n) => `<Latest>${id(n)}</Latest>`).join('');
    assert.equal(
      (await send('PUT', `/acct1/data/${name}?comp=blocklist`, { body: `<BlockList>${list}</BlockList>` })).status,
      201,
    );
    return (await blobs.head(grant, ref(name))).etag;
  };
  const share = async (name: string, etag: string) =>
    blobs.share({ read: grant, write: grant }, { ...ref(name), etag }, ref(`${name}-kept`));
  const few = await commit('few', 3);
  assert.ok(await share('few', few));
  assert.ok(await share('many', await commit('many', 2 * rowsAtOnce + 1)));
  // The source goes on with one of its blocks.
  const again = `<BlockList><Committed>${id(1)}</Committed></BlockList>`;
  assert.equal((await send('PUT', '/acct1/data/few?comp=blocklist', { body: again })).status, 201);
  assert.equal((await send('GET', '/acct1/data/few')).body.toString(), '1 ');
  assert.equal((await send('GET', '/acct1/data/few-kept')).body.toString(), '0 1 2 ');
  await send('DELETE', '/acct1/data/few');
  await send('DELETE', '/acct1/data/many');
  const all = Array.from({ length: 2 * rowsAtOnce + 1 }, (_, n) => `${n} `).join('');
  assert.equal((await send('GET', '/acct1/data/many-kept')).body.toString(), all);
  await send('DELETE', '/acct1/data/many-kept');
  assert.equal((await send('GET', '/acct1/data/few-kept')).body.toString(), '0 1 2 ');
  await send('DELETE', '/acct1/data/few-kept');
  assert.deepEqual(await readdir(blobsFolder(account.uniqueId)), []);
});

test('sealed files that are shared are found again by an account that is opened anew', async (t) => {
  const { blobs, grant, ref, put, share, read, folder, storage } = await openPair(t);
  const content = bytesOf(700_000);
  await put('source', content);
  await share('source', 'a');
  await blobs.remove(grant, ref('source'));
  await storage.stop?.();
  assert.deepEqual(await read('a'), content);
  const [file = ''] = await readdir(folder);
  assert.ok((await stat(join(folder, file))).size > content.length);
});
