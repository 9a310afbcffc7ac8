// The digest of a blob: of exactly its bytes, known without reading them where their write has passed them, read once where not, and
// never that of other bytes, whatever is written, described, damaged or cut off meanwhile.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, type TestContext, test } from 'node:test';
import { sha256Hex } from '#kernel/crypto/digest';
import { closeScanPool, type Tx, tables } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { createMemoryByteStores, watchedByteStores } from '#kernel/testing/byte-stores';
import { account, openStore } from './crash.worker.ts';
import { listLoose, rowsAtOnce } from './loose.store.ts';
import { bytesOf, code, readAll } from './testing.ts';

after(() => closeScanPool());
const grant = testGrant();
const grants = { read: grant, write: grant };
const ref = (name: string) => ({ account: account.id, container: 'data', name });
const maxBytes = 64 * 1024 * 1024;

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-digests-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const seen = { bytes: 0, before: async (): Promise<void> => {} };
  const byteStores = watchedByteStores(createMemoryByteStores(), async (_object, bytes) => {
    seen.bytes += bytes;
    await seen.before();
  });
  let current = openStore(folder, byteStores);
  t.after(() => current.opened.closeAll());
  await current.containers.ensureContainer(grant, account.id, 'data');
  const put = (name: string, content: Uint8Array) => current.blobs.put(grant, ref(name), content, { maxBytes });
  const etagOf = async (name: string) => (await current.blobs.head(grant, ref(name))).etag;
  /** Blocks of these contents, in their order, though they come the other way round. */
  const commit = async (name: string, contents: readonly Uint8Array[]) => {
    const idOf = (n: number) => Buffer.from(String(n).padStart(4, '0')).toString('base64');
    for (const [n, content] of [...contents.entries()].reverse())
      await current.blocks.stage(grant, ref(name), { blockId: idOf(n), source: Readable.from([content]) });
    const list = contents.map((_, n) => ({ from: 'Latest' as const, blockId: idOf(n) }));
    return await current.blocks.commit(grant, ref(name), list, {});
  };
  return {
    seen,
    store: () => current,
    put,
    commit,
    etagOf,
    digest: async (name: string, etag?: string) =>
      current.blobs.digest(grant, { ...ref(name), etag: etag ?? (await etagOf(name)) }),
    share: async (from: string, to: string, etag?: string) =>
      current.blobs.share(grants, { ...ref(from), etag: etag ?? (await etagOf(from)) }, ref(to)),
    read: async (name: string) => readAll((await current.blobs.open(grant, ref(name))).stream),
    write: <R>(act: (tx: Tx) => Promise<R>) => current.opened.use(account, ({ index }) => index.write(act)),
    async reopen() {
      await current.opened.closeAll();
      current = openStore(folder, byteStores);
    },
  };
}
type Blobs = { blobs: { name: string; sha256: string | null } };

test('what was put in one piece is known by its digest, and so is what shares it, without a byte being read', async (t) => {
  const { seen, put, digest, share, store, reopen } = await open(t);
  for (const [name, content] of Object.entries({ small: bytesOf(10), large: bytesOf(3_000_000), none: bytesOf(0) })) {
    await put(name, content);
    await reopen();
    assert.equal(await digest(name), sha256Hex(content), name);
    assert.equal((await share(name, `${name}-kept`))?.sha256, sha256Hex(content), name);
    assert.equal(await digest(`${name}-kept`), sha256Hex(content), name);
  }
  // What says something else of itself is still of the same bytes.
  await store().blobs.describe(grant, ref('large'), { metadata: { a: 'b' } });
  await store().blobs.setTier(grant, ref('large'), 'Cool');
  assert.ok(await digest('large'));
  assert.equal(seen.bytes, 0);
});

test('blocks, in whatever order they came, and what an older release wrote are read once and then known', async (t) => {
  const { seen, put, commit, digest, share, write } = await open(t);
  const blocks = [bytesOf(1_500_000), bytesOf(10), bytesOf(700_000)];
  const old = bytesOf(2_500_000);
  await put('old', old);
  await write((tx) => tables<Blobs>(tx).updateTable('blobs').set({ sha256: null }).where('name', '=', 'old').execute());
  assert.equal((await commit('blocks', blocks)).sha256, undefined);
  assert.equal(seen.bytes, 0);
  for (const [name, content] of [
    ['old', old],
    ['blocks', Buffer.concat(blocks)],
  ] as const) {
    seen.bytes = 0;
    assert.equal(await digest(name), sha256Hex(content));
    assert.ok(seen.bytes >= content.length && seen.bytes < content.length + 1000, `${seen.bytes}`);
    assert.equal(await digest(name), sha256Hex(content));
    assert.equal((await share(name, `${name}-kept`))?.sha256, sha256Hex(content));
    assert.ok(seen.bytes < content.length + 1000, `${seen.bytes}: not read again`);
  }
});

test('a digest is of the bytes of its version: what is written over a name, while it is read too, has its own', async (t) => {
  const { seen, put, commit, digest, etagOf } = await open(t);
  const [first, second, third] = [bytesOf(1_200_000), bytesOf(1_200_000), bytesOf(1_200_000)];
  await commit('a', [first]);
  const etag = await etagOf('a');
  // While it is read it becomes another one, of as many bytes, and that has none yet.
  seen.before = async () => {
    seen.before = async () => {};
    await commit('a', [second]);
  };
  assert.equal(await digest('a', etag), sha256Hex(first), 'what was read is what was asked for');
  assert.equal(await digest('a', etag), undefined, 'which is not there any more');
  assert.equal(await digest('a'), sha256Hex(second));
  await put('a', third);
  assert.equal(await digest('a'), sha256Hex(third));
  await commit('a', [first]);
  assert.equal(await digest('a'), sha256Hex(first));
});

test('a write that fails leaves the digest of what is there', async (t) => {
  const { put, digest, store } = await open(t);
  const content = bytesOf(1_200_000);
  await put('a', content);
  const torn = Readable.from(
    (function* () {
      yield bytesOf(1_100_000);
      throw new Error('torn');
    })(),
    { objectMode: false },
  );
  await assert.rejects(store().blobs.put(grant, ref('a'), torn, { maxBytes }), /torn/);
  await assert.rejects(
    store().blobs.put(grant, ref('a'), bytesOf(2_000_000), { maxBytes: 1_000_000 }),
    code('RequestBodyTooLarge'),
  );
  assert.equal(await digest('a'), sha256Hex(content));
});

test('of a blob that does not open no digest is remembered', async (t) => {
  const { seen, commit, digest, put, write } = await open(t);
  const content = bytesOf(1_200_000);
  await commit('a', [content]);
  await put('b', bytesOf(1_200_000));
  type Parts = { parts: { file: string; sealed_size: number } };
  // The file of another blob, of the same size, in the place of this one's.
  const [mine, other] = await write((tx) => tables<Parts>(tx).selectFrom('parts').select('file').execute());
  const give = (from: string, to: string) =>
    write((tx) => tables<Parts>(tx).updateTable('parts').set({ file: to }).where('file', '=', from).execute());
  await give(mine?.file ?? '', 'away');
  await give(other?.file ?? '', mine?.file ?? '');
  await give('away', other?.file ?? '');
  await assert.rejects(digest('a'), code('IntegrityCheckFailed'));
  seen.bytes = 0;
  await assert.rejects(digest('a'), code('IntegrityCheckFailed'));
  assert.ok(seen.bytes > 0, 'it is looked at again');
});

test('a long share that is cut off, by what is written over its source or by a crash, leaves nothing behind', async (t) => {
  const { commit, share, read, write, store, reopen } = await open(t);
  const many = Array.from({ length: 2 * rowsAtOnce + 1 }, (_, n) => Buffer.from(`${n} `));
  await commit('a', many);
  const partsOf = async () =>
    write(async (tx) => ({
      loose: await listLoose(tx, '', 10),
      parts: (await tables<{ parts: { version: string } }>(tx).selectFrom('parts').select('version').execute()).length,
    }));
  /** @param before told of each write, by its number */
  const shareWith = (before: (write: number) => Promise<unknown>) =>
    store().opened.use(account, async ({ index }) => {
      const write = index.write.bind(index);
      let writes = 0;
      index.write = async (act, options) => {
        await before(++writes);
        return write(act, options);
      };
      try {
        return await share('a', 'kept');
      } finally {
        index.write = write;
      }
    });
  const shared = await shareWith(async (write) => {
    if (write === 2) await store().blobs.put(grant, ref('a'), Buffer.from('new'), { maxBytes });
  });
  assert.equal(shared, undefined);
  assert.deepEqual(await partsOf(), { loose: [], parts: 1 });
  assert.equal(await store().blobs.find(grant, ref('kept')), undefined);

  // A server that dies between two of its writes: what it wrote ahead is loose, and goes when the account is opened.
  await commit('a', many);
  const dies = shareWith(async (write) => {
    if (write >= 2) throw new Error('dead');
  });
  await assert.rejects(dies, /dead/);
  assert.equal((await partsOf()).loose.length, 1);
  await reopen();
  assert.deepEqual(await partsOf(), { loose: [], parts: many.length });
  assert.ok(await share('a', 'kept'));
  assert.equal(String(await read('kept')), many.map(String).join(''));
});

test('whoever may not read a blob is not told its digest', async (t) => {
  const { put, etagOf, store } = await open(t);
  await put('a', bytesOf(10));
  const elsewhere = testGrant({ scope: `${account.id}/blobServices/default/containers/other` });
  await assert.rejects(
    store().blobs.digest(elsewhere, { ...ref('a'), etag: await etagOf('a') }),
    code('AuthorizationPermissionMismatch'),
  );
});
