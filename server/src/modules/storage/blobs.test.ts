// Blobs in process: what a write promises, what a grant reaches, and what the disk must not show.

import assert from 'node:assert/strict';
import { copyFile, readdir, rename, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { sha256Hex } from '#kernel/crypto/digest';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { failNth } from '#kernel/files/faults';
import { testGrant } from '#kernel/testing/authority';
import { containerScope } from './scopes.rules.ts';
import { bytesOf, code, customerKey, everythingIn, readAll, setUp, setUpContainer } from './testing.ts';

after(() => closeScanPool());
const maxBytes = 64 * 1024 * 1024;

test('what was put is what is read, with its digests, type and metadata', async (t) => {
  const { blobs, grant, ref } = await setUpContainer(t);
  const content = bytesOf(3_000_000);
  const put = await blobs.put(grant, ref('a/b.bin'), Readable.from([content.subarray(0, 7), content.subarray(7)]), {
    maxBytes,
    contentType: 'image/png',
    metadata: { Owner: 'me' },
  });
  assert.equal(put.size, content.length);
  assert.equal(put.sha256, sha256Hex(content));
  const { info, stream } = await blobs.open(grant, ref('a/b.bin'));
  assert.ok((await readAll(stream)).equals(content));
  assert.deepEqual(info, put);
  assert.deepEqual(await blobs.head(grant, ref('a/b.bin')), put);
  assert.deepEqual(info.metadata, { Owner: 'me' });
  assert.equal(info.contentType, 'image/png');
});

test('an empty blob is a blob', async (t) => {
  const { blobs, grant, ref, account, blobsFolder } = await setUpContainer(t);
  for (const source of [new Uint8Array(0), Readable.from([])]) {
    const put = await blobs.put(grant, ref('empty'), source, { maxBytes });
    assert.equal(put.size, 0);
    assert.equal(put.sha256, sha256Hex(''));
  }
  const { stream } = await blobs.open(grant, ref('empty'));
  assert.equal((await readAll(stream)).length, 0);
  await assert.rejects(blobs.open(grant, ref('empty'), { start: 0 }), code('InvalidRange'));
  assert.deepEqual(await readdir(blobsFolder(account.uniqueId)), []);
});

test('what is missing is said to be missing: the blob, the container, the account', async (t) => {
  const { blobs, grant, ref, account } = await setUpContainer(t);
  await assert.rejects(blobs.open(grant, ref('none')), code('BlobNotFound'));
  await assert.rejects(blobs.remove(grant, ref('none')), code('BlobNotFound'));
  assert.equal(await blobs.find(grant, ref('none')), undefined);
  const all = testGrant();
  const elsewhere = { account: account.id, container: 'none', name: 'x' };
  await assert.rejects(blobs.head(all, elsewhere), code('ContainerNotFound'));
  await assert.rejects(blobs.put(all, elsewhere, new Uint8Array(1), { maxBytes }), code('ContainerNotFound'));
  await assert.rejects(blobs.head(all, { ...elsewhere, account: '/subscriptions/s' }), code('ResourceNotFound'));
});

test('more than maxBytes is refused and leaves nothing behind, and a source that fails too', async (t) => {
  const { blobs, grant, ref, account, blobsFolder } = await setUpContainer(t);
  await assert.rejects(blobs.put(grant, ref('big'), bytesOf(11), { maxBytes: 10 }), code('RequestBodyTooLarge'));
  const broken = Readable.from(
    (async function* () {
      yield Buffer.alloc(100);
      throw new Error('the client went away');
    })(),
  );
  await assert.rejects(blobs.put(grant, ref('big'), broken, { maxBytes }), /went away/);
  assert.equal(await blobs.find(grant, ref('big')), undefined);
  assert.deepEqual(await readdir(blobsFolder(account.uniqueId)), []);
});

test('ifNoneMatch lets exactly one of many writers be the first', async (t) => {
  const { blobs, grant, ref, account, blobsFolder } = await setUpContainer(t);
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) =>
      blobs.put(grant, ref('one'), Buffer.alloc(10, i), { maxBytes, ifNoneMatch: '*' }),
    ),
  );
  const lost = results.filter((result) => result.status === 'rejected');
  assert.equal(lost.length, 7);
  for (const { reason } of lost) assert.ok(code('BlobAlreadyExists')(reason));
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 1);
});

test('of writers at the same time one wins whole, and no file of the others stays', async (t) => {
  const { blobs, grant, ref, account, blobsFolder } = await setUpContainer(t);
  await Promise.all(
    Array.from({ length: 8 }, (_, i) => blobs.put(grant, ref('x'), Buffer.alloc(2_000_000, i), { maxBytes })),
  );
  const { stream } = await blobs.open(grant, ref('x'));
  const content = await readAll(stream);
  assert.ok(content.every((byte) => byte === content[0]));
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 1);
});

test('a reader of a replaced or removed version reads it to its end, and its file goes after that', async (t) => {
  const { blobs, grant, ref, account, blobsFolder, storage } = await setUpContainer(t);
  const old = bytesOf(5_000_000);
  await blobs.put(grant, ref('x'), old, { maxBytes });
  const reading = await blobs.open(grant, ref('x'));
  await blobs.put(grant, ref('x'), Buffer.from('new'), { maxBytes });
  await blobs.remove(grant, ref('x'));
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 1);
  assert.ok((await readAll(reading.stream)).equals(old));
  await assert.rejects(blobs.head(grant, ref('x')), code('BlobNotFound'));
  await storage.stop?.(); // waits for removals
  assert.deepEqual(await readdir(blobsFolder(account.uniqueId)), []);
});

test('a grant for one container, folder or blob reaches nothing beside it', async (t) => {
  const { blobs, grant, ref, account } = await setUpContainer(t);
  const all = testGrant();
  for (const container of ['data2', 'dat', 'other']) {
    await blobs.ensureContainer(all, account.id, container).catch(() => {});
    const there = { account: account.id, container, name: 'x' };
    for (const act of [
      () => blobs.put(grant, there, new Uint8Array(1), { maxBytes }),
      () => blobs.open(grant, there),
      () => blobs.head(grant, there),
      () => blobs.find(grant, there),
      () => blobs.remove(grant, there),
      () => blobs.list(grant, { ...there, limit: 1 }),
      () => blobs.removePrefix(grant, { ...there, prefix: '' }),
      () => blobs.ensureContainer(grant, account.id, container),
    ])
      await assert.rejects(act, code('AuthorizationPermissionMismatch'));
  }
  const folder = testGrant({ scope: `${containerScope(ref(''))}/blobs/runs/1` });
  await blobs.put(folder, ref('runs/1/log'), new Uint8Array(1), { maxBytes });
  await blobs.list(folder, { account: account.id, container: 'data', prefix: 'runs/1/', limit: 1 });
  for (const name of ['runs/10/log', 'runs/1x', 'Runs/1/log', 'runs//1/log', 'runs', 'x/runs/1/log'])
    await assert.rejects(blobs.head(folder, ref(name)), code('AuthorizationPermissionMismatch'), name);
  await assert.rejects(
    blobs.list(folder, { account: account.id, container: 'data', prefix: 'runs', limit: 1 }),
    code('AuthorizationPermissionMismatch'),
  );
  const twoCasings = testGrant({ scope: containerScope(ref('')).toUpperCase() });
  assert.ok(await blobs.head(twoCasings, ref('runs/1/log')));
});

test('hostile names are refused before anything is touched', async (t) => {
  const { blobs, ref, account } = await setUpContainer(t);
  const all = testGrant();
  const names = ['', '.', '..', 'a/../b', 'a/./b', '../x', 'a/..', 'a\\..\\b', 'nul\0', 'bell\x07', '\ud800', '\uffff'];
  for (const name of [...names, 'x'.repeat(1025)])
    await assert.rejects(blobs.put(all, ref(name), new Uint8Array(1), { maxBytes }), code('InvalidResourceName'));
  for (const container of ['Data', 'DATA', 'ab', 'a--b', '-ab', 'a/b', '..', 'x'.repeat(64), '$Root', 'a b'])
    await assert.rejects(blobs.ensureContainer(all, account.id, container), code('InvalidResourceName'), container);
  await assert.rejects(blobs.ensureContainer(all, account.id, '$root'), code('ContainerNotFound'));
  for (const name of ['a//b', '/a', 'a/', 'a..b', '...', '%2e%2e', 'ü/😀', '__proto__', "'; drop table blobs; --"]) {
    await blobs.put(all, ref(name), Buffer.from(name), { maxBytes });
    assert.equal((await readAll((await blobs.open(all, ref(name))).stream)).toString(), name);
  }
});

test('metadata is bounded and cannot break out of a header', async (t) => {
  const { blobs, grant, ref } = await setUpContainer(t);
  for (const metadata of [{ 'a b': 'x' }, { a: 'x\r\ny: z' }, { a: 'x'.repeat(8192) }, { a: '1', A: '2' }, { a: '€' }])
    await assert.rejects(
      blobs.put(grant, ref('x'), new Uint8Array(1), { maxBytes, metadata: metadata as Record<string, string> }),
      code('InvalidMetadata'),
    );
  await assert.rejects(
    blobs.put(grant, ref('x'), new Uint8Array(1), { maxBytes, contentType: 'a\r\nb' }),
    code('InvalidHeaderValue'),
  );
});

test('a listing tells folders once, pages by marker, and never leaves the prefix', async (t) => {
  const { blobs, grant, ref, account } = await setUpContainer(t);
  const names = ['a', 'a/1', 'a/2', 'a/b/3', 'a0', 'b/1', 'é/1', '\uffee/1', '😀/1', '😀/2', 'z'];
  for (const name of names) await blobs.put(grant, ref(name), Buffer.from(name), { maxBytes });
  const where = { account: account.id, container: 'data' };
  const pages = async (query: { prefix?: string; delimiter?: string }, limit: number) => {
    const seen: string[] = [];
    for (let marker: string | undefined; ; ) {
      const page = await blobs.list(grant, { ...where, ...query, limit, ...(marker ? { marker } : {}) });
      assert.ok(page.blobs.length + page.prefixes.length <= limit);
      seen.push(...page.blobs.map((blob) => blob.name), ...page.prefixes);
      marker = page.nextMarker;
      if (marker === undefined) return seen.sort();
    }
  };
  for (const limit of [1, 2, 3, 50]) {
    assert.deepEqual(await pages({}, limit), [...names].sort());
    assert.deepEqual(
      await pages({ delimiter: '/' }, limit),
      ['a', 'a/', 'a0', 'b/', 'é/', '\uffee/', '😀/', 'z'].sort(),
    );
    assert.deepEqual(await pages({ prefix: 'a/', delimiter: '/' }, limit), ['a/1', 'a/2', 'a/b/'].sort());
    assert.deepEqual(await pages({ prefix: 'a/b' }, limit), ['a/b/3']);
    assert.deepEqual(await pages({ prefix: 'nothing' }, limit), []);
  }
  await assert.rejects(blobs.list(grant, { ...where, limit: 5001 }), code('InvalidQueryParameterValue'));
  await assert.rejects(blobs.list(grant, { ...where, limit: 1, marker: '!' }), code('InvalidQueryParameterValue'));
});

test('a folder of more blobs than a page of rows is one prefix', async (t) => {
  const { blobs, grant, ref, account } = await setUpContainer(t);
  await Promise.all(
    Array.from({ length: 450 }, (_, i) => blobs.put(grant, ref(`many/${i}`), Buffer.from('x'), { maxBytes })),
  );
  await blobs.put(grant, ref('z'), Buffer.from('x'), { maxBytes });
  const page = await blobs.list(grant, { account: account.id, container: 'data', delimiter: '/', limit: 1000 });
  assert.deepEqual(page.prefixes, ['many/']);
  assert.deepEqual(
    page.blobs.map((blob) => blob.name),
    ['z'],
  );
  assert.equal(page.nextMarker, undefined);
  assert.equal(await blobs.removePrefix(grant, { account: account.id, container: 'data', prefix: 'many/' }), 450);
  assert.equal((await blobs.list(grant, { account: account.id, container: 'data', limit: 10 })).blobs.length, 1);
});

test('a file in the place of another, an older version, a cut and a flipped bit do not open', async (t) => {
  const { blobs, grant, ref, account, blobsFolder, folder } = await setUpContainer(t);
  const at = blobsFolder(account.uniqueId);
  const content = bytesOf(2_500_000);
  await blobs.put(grant, ref('a'), content, { maxBytes });
  const [fileA = ''] = await readdir(at);
  await blobs.put(grant, ref('b'), content, { maxBytes });
  const fileB = (await readdir(at)).find((name) => name !== fileA) ?? '';
  const rejected = async (name: string) =>
    await assert.rejects(
      async () => readAll((await blobs.open(grant, ref(name))).stream),
      code('IntegrityCheckFailed'),
    );

  await copyFile(join(at, fileB), join(folder, 'b'));
  await copyFile(join(at, fileA), join(at, fileB));
  await rejected('b');
  await copyFile(join(folder, 'b'), join(at, fileB));
  assert.ok((await readAll((await blobs.open(grant, ref('b'))).stream)).equals(content));

  await blobs.put(grant, ref('b'), content, { maxBytes });
  const newer = (await readdir(at)).find((name) => name !== fileA) ?? '';
  await rename(join(folder, 'b'), join(at, newer));
  await rejected('b');

  await truncate(join(at, fileA), (await stat(join(at, fileA))).size - 1);
  await rejected('a');
});

test('names, content and metadata are nowhere on disk, file names included', async (t) => {
  const { blobs, grant, ref, folder, storage, account } = await setUpContainer(t);
  const canary = 'canary-4f1d9c';
  const all = testGrant();
  await blobs.ensureContainer(all, account.id, `${canary}-c`);
  await blobs.put(grant, ref(`${canary}/name`), Buffer.from(`${canary} content `.repeat(100)), {
    maxBytes,
    contentType: `text/${canary}`,
    metadata: { [canary.replace('-', '_')]: canary },
  });
  const search = async () => {
    for (const { path, bytes } of await everythingIn(folder)) {
      assert.ok(!path.includes(canary), path);
      assert.ok(!bytes.includes(canary) && !bytes.includes(canary.replace('-', '_')), path);
    }
  };
  await search();
  await storage.stop?.();
  await search();
});

test('whatever step of a write fails, the old content stays and nothing else does', async (t) => {
  const { blobs, grant, ref, account, blobsFolder, seam, storage } = await setUpContainer(t);
  const old = bytesOf(1000);
  await blobs.put(grant, ref('x'), old, { maxBytes });
  const counting = failNth(Number.POSITIVE_INFINITY);
  seam.faults = counting.faults;
  await blobs.put(grant, ref('other'), bytesOf(2_500_000), { maxBytes });
  await blobs.remove(grant, ref('other'));
  assert.ok(counting.seen() >= 6);
  for (let nth = 1; ; nth++) {
    const failing = failNth(nth);
    seam.faults = failing.faults;
    const outcome = await blobs.put(grant, ref('x'), bytesOf(2_500_000), { maxBytes }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    seam.faults = () => {};
    if (outcome === undefined) {
      assert.ok(nth > 5, `only ${nth - 1} steps can fail`);
      break;
    }
    assert.ok((await readAll((await blobs.open(grant, ref('x'))).stream)).equals(old), `step ${nth}`);
    assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 1, `step ${nth}`);
  }
  await storage.stop?.();
});

test('a customer key that is refused refuses every call and closes what is open; enabled again, all is there', async (t) => {
  const { blobs, grant, ref, account, storage, vault, clock, dataKeys } = await setUpContainer(t);
  await blobs.put(grant, ref('x'), bytesOf(5_000_000), { maxBytes });
  await storage.protect(testGrant(), account.id, customerKey);
  const content = await readAll((await blobs.open(grant, ref('x'))).stream);
  const reading = await blobs.open(grant, ref('x'));
  vault.refusal = new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key is disabled.' });
  await clock.advance(31_000);
  await dataKeys.revalidate();
  await assert.rejects(readAll(reading.stream));
  const where = { account: account.id, container: 'data' };
  for (const act of [
    () => blobs.put(grant, ref('x'), new Uint8Array(1), { maxBytes }),
    () => blobs.open(grant, ref('x')),
    () => blobs.head(grant, ref('x')),
    () => blobs.find(grant, ref('x')),
    () => blobs.remove(grant, ref('x')),
    () => blobs.list(grant, { ...where, limit: 1 }),
    () => blobs.removePrefix(grant, { ...where, prefix: '' }),
    () => blobs.ensureContainer(grant, account.id, 'data'),
  ])
    await assert.rejects(act, (error) => code('KeyDisabled')(error) && (error as Failure).kind === 'forbidden');
  vault.refusal = undefined;
  assert.ok((await readAll((await blobs.open(grant, ref('x'))).stream)).equals(content));
});

test('accounts beyond the number kept open are closed when idle, and open again', async (t) => {
  const { addAccount, blobs } = await setUp(t, { openMax: 2 });
  const all = testGrant();
  const names = ['aaa', 'bbb', 'ccc', 'ddd', 'eee'];
  const refs = await Promise.all(
    names.map(async (name) => ({ account: (await addAccount(name)).id, container: 'data', name })),
  );
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      refs.map(async (ref) => {
        await blobs.ensureContainer(all, ref.account, 'data');
        await blobs.put(all, ref, Buffer.from(`${ref.name}${round}`), { maxBytes });
        assert.equal((await readAll((await blobs.open(all, ref)).stream)).toString(), `${ref.name}${round}`);
      }),
    );
  }
});
