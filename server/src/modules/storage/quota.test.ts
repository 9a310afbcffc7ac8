// The quota of an account: what counts, what is refused, and what is given back. Attackers fill an account in every way that
// the protocol has.

import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { failNth } from '#kernel/files/faults';
import { testGrant } from '#kernel/testing/authority';
import { bytesOf, code, openDoor, readAll, setUpContainer } from './testing.ts';

after(() => closeScanPool());

const mebibyte = 1024 * 1024;
const put = { 'x-ms-blob-type': 'BlockBlob' };
const over = code('StorageQuotaExceeded');
const blockId = (n: number) => Buffer.from(String(n).padStart(6, '0')).toString('base64');
const blocksOf = (...ids: number[]) =>
  `<?xml version="1.0"?><BlockList>${ids.map((n) => `<Latest>${blockId(n)}</Latest>`).join('')}</BlockList>`;

/** The index itself takes some pages. */
const quotaOf = (bytes: number) => {
  const quota = { bytes: bytes + mebibyte / 2, refusals: 0 };
  return {
    quota,
    quotas: {
      limitOf: () => quota.bytes,
      refused: () => {
        quota.refusals += 1;
      },
    },
  };
};

async function openQuota(t: TestContext, bytes: number) {
  const { quota, quotas } = quotaOf(bytes);
  const set = await setUpContainer(t, { quotas });
  const folder = set.blobsFolder(set.account.uniqueId);
  const { storage, account, blobs, grant, ref } = set;
  return {
    ...set,
    quota,
    folder,
    used: () => storage.used(testGrant({ scope: account.id }), account.id),
    put: (name: string, bytes: number) => blobs.put(grant, ref(name), bytesOf(bytes), { maxBytes: 64 * mebibyte }),
  };
}

/** What lies on the disk, whoever knows of it. */
async function onDisk(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
  return bytes;
}

async function openBlobDoor(t: TestContext, bytes: number) {
  const { quota, quotas } = quotaOf(bytes);
  const door = await openDoor(t, { quotas });
  const { storage, account, send } = door;
  assert.equal((await send('PUT', '/acct1/data?restype=container')).status, 201);
  const upload = (name: string, size: number) =>
    send('PUT', `/acct1/data/${name}`, { headers: put, body: bytesOf(size) });
  const stage = (name: string, n: number, size: number) =>
    send('PUT', `/acct1/data/${name}?comp=block&blockid=${encodeURIComponent(blockId(n))}`, { body: bytesOf(size) });
  const used = () => storage.used(testGrant({ scope: account.id }), account.id);
  return { ...door, quota, upload, stage, used, folder: door.blobsFolder(account.uniqueId) };
}

test('what is beyond the quota is refused in the words of the protocol; reading and deleting go on, and deleting gives back', async (t) => {
  const { send, upload, quota } = await openBlobDoor(t, 4 * mebibyte);
  assert.equal((await upload('a', 3 * mebibyte)).status, 201);
  const refused = await upload('b', 2 * mebibyte);
  assert.deepEqual([refused.status, refused.headers['x-ms-error-code']], [403, 'InsufficientAccountPermissions']);
  assert.match(refused.body.toString(), /reached its quota of \d+ bytes/);
  assert.equal(quota.refusals, 1);
  assert.equal((await send('GET', '/acct1/data/a')).body.length, 3 * mebibyte);
  assert.equal((await send('HEAD', '/acct1/data/b')).status, 404, 'nothing half made');
  assert.equal((await send('DELETE', '/acct1/data/a')).status, 202);
  assert.equal((await upload('b', 2 * mebibyte)).status, 201);
});

test('a file counts as what it takes on a disk, however little is in it', async (t) => {
  const { used, put, blobs, grant, ref } = await openQuota(t, 4 * mebibyte);
  const before = await used();
  for (let n = 0; n < 100; n++) await put(`small${n}`, 1);
  assert.ok((await used()) - before >= 100 * 4096, `${(await used()) - before} bytes`);
  assert.equal(await blobs.removePrefix(grant, { ...ref(''), prefix: 'small' }), 100);
  assert.ok(Math.abs((await used()) - before) < 100 * 4096, `${(await used()) - before} bytes are left`);
});

test('a quota holds at once when it changes, and one below what is there takes nothing away', async (t) => {
  const { send, upload, quota } = await openBlobDoor(t, 2 * mebibyte);
  await upload('a', mebibyte);
  quota.bytes = 1;
  assert.equal((await upload('b', 1)).status, 403);
  assert.equal((await send('GET', '/acct1/data/a')).status, 200);
  assert.equal((await send('PUT', '/acct1/data/a?comp=tier', { headers: { 'x-ms-access-tier': 'Cool' } })).status, 200);
  quota.bytes = 8 * mebibyte;
  assert.equal((await upload('b', mebibyte)).status, 201);
});

test('blocks that nobody commits count, and so do blocks of many blobs', async (t) => {
  const { send, stage, used, folder, quota } = await openBlobDoor(t, 4 * mebibyte);
  let staged = 0;
  for (let n = 0; n < 20; n++) if ((await stage(`blob${n % 5}`, n, mebibyte)).status === 201) staged += 1;
  assert.ok(staged === 3 || staged === 4, `${staged} blocks`);
  assert.ok((await used()) <= quota.bytes);
  assert.ok((await onDisk(folder)) <= quota.bytes);
  // The same block again and again is one block.
  for (let i = 0; i < 3; i++) await stage('blob0', 0, mebibyte);
  assert.ok((await onDisk(folder)) <= quota.bytes);
  // Committing moves what is there, and takes nothing more.
  assert.equal((await send('PUT', '/acct1/data/blob0?comp=blocklist', { body: blocksOf(0) })).status, 201);
  // One block many times is as much as it looks like.
  const many = blocksOf(...Array.from({ length: 10 }, () => 0));
  assert.equal((await send('PUT', '/acct1/data/blob0?comp=blocklist', { body: many })).status, 403);
  assert.equal((await send('DELETE', '/acct1/data?restype=container')).status, 202);
  assert.ok((await used()) < mebibyte / 2);
  assert.equal(await onDisk(folder), 0);
});

test('overwriting in a loop holds one copy; a copy that somebody still reads counts until he is done', async (t) => {
  const { blobs, grant, ref, used, put: write, folder, quota } = await openQuota(t, 8 * mebibyte);
  for (let i = 0; i < 10; i++) await write('a', 2 * mebibyte);
  assert.ok((await used()) < 3 * mebibyte);
  const readers = [];
  for (let i = 0; i < 20; i++) {
    const { stream } = await blobs.open(grant, ref('a'));
    readers.push(stream);
    await write('a', 2 * mebibyte).catch((thrown: unknown) => assert.ok(over(thrown)));
    assert.ok((await onDisk(folder)) <= quota.bytes, `after ${i} readers`);
  }
  assert.ok(quota.refusals > 10);
  for (const stream of readers) assert.equal((await readAll(stream)).length, 2 * mebibyte);
  await write('a', 2 * mebibyte);
  assert.ok((await used()) < 3 * mebibyte);
});

test('uploads at the same time cannot pass the quota together, not even while they are under way', async (t) => {
  const { blobs, grant, ref, used, folder, quota } = await openQuota(t, 8 * mebibyte);
  const most = { onDisk: 0 };
  const slow = async function* () {
    for (let i = 0; i < 4; i++) {
      yield bytesOf(mebibyte);
      most.onDisk = Math.max(most.onDisk, await onDisk(folder));
    }
  };
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, (_, i) =>
      blobs.put(grant, ref(`b${i}`), Readable.from(slow(), { objectMode: false }), { maxBytes: 64 * mebibyte }),
    ),
  );
  for (const result of results) if (result.status === 'rejected') assert.ok(over(result.reason), String(result.reason));
  assert.ok(most.onDisk <= quota.bytes, `${most.onDisk} bytes at most`);
  assert.ok((await used()) <= quota.bytes);
  // Whoever was refused left nothing behind: there is room for as much as is not stored.
  const stored = results.filter(({ status }) => status === 'fulfilled').length;
  assert.ok(Math.abs((await onDisk(folder)) - stored * 4 * mebibyte) < mebibyte / 10);
  for (let i = stored; i < 2; i++)
    await blobs.put(grant, ref(`c${i}`), bytesOf(4 * mebibyte - 65_536), { maxBytes: 64 * mebibyte });
});

test('an upload that fails in whatever way leaves no charge', async (t) => {
  const { blobs, grant, ref, used, put: write, folder, seam, quota } = await openQuota(t, 8 * mebibyte);
  await write('kept', mebibyte);
  const before = await used();
  const options = { maxBytes: 64 * mebibyte };
  const broken = async function* () {
    yield bytesOf(2 * mebibyte);
    throw new Error('the connection broke');
  };
  const source = () => Readable.from(broken(), { objectMode: false });
  await assert.rejects(blobs.put(grant, ref('a'), source(), options), /broke/);
  await assert.rejects(
    blobs.put(grant, ref('a'), bytesOf(mebibyte), { ...options, contentMd5: Buffer.alloc(16).toString('base64') }),
    code('Md5Mismatch'),
  );
  await assert.rejects(
    blobs.put(grant, ref('a'), bytesOf(2 * mebibyte), { maxBytes: mebibyte }),
    code('RequestBodyTooLarge'),
  );
  await assert.rejects(
    blobs.put(grant, ref('kept'), bytesOf(mebibyte), { ...options, ifNoneMatch: '*' }),
    code('BlobAlreadyExists'),
  );
  const counting = failNth(0);
  seam.faults = counting.faults;
  await write('counted', mebibyte);
  for (let n = 1; n <= counting.seen(); n++) {
    seam.faults = failNth(n).faults;
    await write(`failed${n}`, mebibyte).catch(() => {});
  }
  seam.faults = () => {};
  for (const { name } of (await blobs.list(grant, { ...ref(''), limit: 100 })).blobs)
    if (name !== 'kept') await blobs.remove(grant, ref(name));
  assert.ok(Math.abs((await used()) - before) < mebibyte / 10, `${await used()} and ${before}`);
  assert.ok((await onDisk(folder)) < 1.1 * mebibyte);
  quota.bytes = before;
  await assert.rejects(write('a', mebibyte), over);
});

test('blobs of nothing but names and metadata come to an end too', async (t) => {
  const { send, quota, used } = await openBlobDoor(t, 0);
  const metadata = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`x-ms-meta-m${i}`, 'x'.repeat(1000)]));
  let made = 0;
  for (; made < 200; made++)
    if ((await send('PUT', `/acct1/data/empty${made}`, { headers: { ...put, ...metadata } })).status !== 201) break;
  assert.ok(made > 5 && made < 100, `${made} blobs`);
  assert.ok((await used()) <= quota.bytes);
  for (let i = 0; i < made; i++) assert.equal((await send('DELETE', `/acct1/data/empty${i}`)).status, 202);
  assert.equal((await send('PUT', '/acct1/data/empty', { headers: { ...put, ...metadata } })).status, 201);
});

test('what an account holds is the same when it is opened again', async (t) => {
  const { storage, folder, dataKeys: _, ...first } = await openQuota(t, 32 * mebibyte);
  for (let i = 0; i < 12; i++) {
    await first.put(`b${i % 5}`, (i + 1) * 100_000);
    if (i % 4 === 3) await first.blobs.remove(first.grant, first.ref(`b${i % 5}`));
  }
  const before = await first.used();
  await storage.stop?.();
  assert.equal(await first.used(), before);
  assert.ok(before - (await onDisk(folder)) < mebibyte / 2, 'the files, and the pages of the index');
});
