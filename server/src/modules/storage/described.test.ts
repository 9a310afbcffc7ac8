// What a blob says of itself besides its bytes: digests, tiers, times; and what listings tell of blobs that are none yet.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { md5Base64 } from '#kernel/crypto/digest';
import { closeScanPool } from '#kernel/database/database';
import { openDoor, type Reply } from './testing.ts';

after(() => closeScanPool());

const codeOf = (reply: Reply) => reply.headers['x-ms-error-code'];
const block = { 'x-ms-blob-type': 'BlockBlob' };
const path = '/acct1/data/x';
const md5 = (text: string) => md5Base64(Buffer.from(text));
const names = (reply: Reply) => [...reply.body.toString().matchAll(/<Name>([^<]*)<\/Name>/g)].map((found) => found[1]);

async function openContainer(t: TestContext) {
  const door = await openDoor(t);
  await door.send('PUT', '/acct1/data?restype=container');
  const put = (body: string, headers: Readonly<Record<string, string>> = {}) =>
    door.send('PUT', path, { headers: { ...block, ...headers }, body });
  const stage = (name: string, id: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
    door.send('PUT', `/acct1/data/${name}?comp=block&blockid=${encodeURIComponent(id)}`, { headers, body });
  return { ...door, put, stage };
}

test('the MD5 of a blob is checked where its bytes come, and kept as it was said where they do not', async (t) => {
  const { send, put, stage } = await openContainer(t);
  const shown = async () => (await send('HEAD', path)).headers['content-md5'];
  assert.equal((await put('a', { 'x-ms-blob-content-md5': md5('a'), 'content-md5': md5('b') })).status, 201);
  assert.equal(codeOf(await put('a', { 'x-ms-blob-content-md5': md5('b'), 'content-md5': md5('a') })), 'Md5Mismatch');
  assert.equal(codeOf(await put('a', { 'x-ms-blob-content-md5': 'AAAA' })), 'InvalidMd5');
  assert.equal(await shown(), md5('a'));

  const set = await send('PUT', `${path}?comp=properties`, { headers: { 'x-ms-blob-content-md5': 'AQIDBAU=' } });
  assert.equal(set.status, 200);
  assert.equal(await shown(), 'AQIDBAU=');
  await send('PUT', `${path}?comp=metadata`, { headers: { 'x-ms-meta-a': '1' } });
  assert.equal(await shown(), 'AQIDBAU=');
  const cleared = await send('PUT', `${path}?comp=properties`, { headers: {} });
  assert.equal(cleared.status, 200);
  assert.equal(await shown(), undefined);
  const { headers } = await send('GET', path);
  assert.equal(headers['content-type'], 'application/octet-stream');
  assert.equal(
    codeOf(await send('PUT', `${path}?comp=properties`, { headers: { 'x-ms-blob-content-md5': '!' } })),
    'InvalidMd5',
  );

  assert.equal((await stage('x', 'YQ==', 'one', { 'x-ms-blob-content-md5': 'AAAA' })).status, 201);
  const list = '<BlockList><Latest>YQ==</Latest></BlockList>';
  const commit = { 'x-ms-blob-content-md5': md5('told'), 'content-md5': md5(list) };
  assert.equal((await send('PUT', `${path}?comp=blocklist`, { headers: commit, body: list })).status, 201);
  assert.equal(await shown(), md5('told'));
});

test('the MD5 of a range is answered where it is asked for, and that of the whole beside it', async (t) => {
  const { send, put } = await openContainer(t);
  await put('abc');
  const range = { range: 'bytes=0-0', 'x-ms-range-get-content-md5': 'true' };
  const part = (await send('GET', path, { headers: range })).headers;
  assert.deepEqual([part['content-md5'], part['x-ms-blob-content-md5']], [md5('a'), md5('abc')]);
  const whole = (await send('GET', path)).headers;
  assert.deepEqual([whole['content-md5'], whole['x-ms-blob-content-md5']], [md5('abc'), md5('abc')]);
  assert.equal((await send('GET', path, { headers: { range: 'bytes=0-1' } })).headers['content-md5'], undefined);
  const odd = { range: 'bytes=0-1', 'x-ms-range-get-content-md5': 'please' };
  assert.equal(codeOf(await send('GET', path, { headers: odd })), 'InvalidHeaderValue');
});

test('a range of another version is not given: the whole is', async (t) => {
  const { send, put } = await openContainer(t);
  const etag = String((await put('first')).headers.etag);
  const range = { range: 'bytes=2-', 'if-range': etag };
  assert.deepEqual([(await send('GET', path, { headers: range })).body.toString()], ['rst']);
  await put('second');
  const changed = await send('GET', path, { headers: range });
  assert.deepEqual([changed.status, changed.body.toString()], [200, 'second']);
});

test('an access tier is kept and shown, and one that changes how a blob is read is refused', async (t) => {
  const { send, put } = await openContainer(t);
  const shown = async () => {
    const { headers } = await send('HEAD', path);
    return [headers['x-ms-access-tier'], headers['x-ms-access-tier-inferred']];
  };
  await put('a');
  assert.deepEqual(await shown(), ['Hot', 'true']);
  const { etag } = (await send('HEAD', path)).headers;
  const set = await send('PUT', `${path}?comp=tier`, { headers: { 'x-ms-access-tier': 'cool' } });
  assert.equal(set.status, 200);
  assert.deepEqual(await shown(), ['Cool', 'false']);
  assert.equal((await send('HEAD', path)).headers.etag, etag);
  assert.match((await send('GET', '/acct1/data?restype=container&comp=list')).body.toString(), /<AccessTier>Cool</);
  await put('b', { 'x-ms-access-tier': 'Cold' });
  assert.deepEqual(await shown(), ['Cold', 'false']);
  for (const tier of ['Archive', 'P10', 'Smart', 'hot ', ''])
    if (tier.trim() !== 'hot')
      assert.equal(codeOf(await put('c', { 'x-ms-access-tier': tier })), 'InvalidHeaderValue', tier);
  const archive = await send('PUT', `${path}?comp=tier`, { headers: { 'x-ms-access-tier': 'Archive' } });
  assert.equal(archive.status, 400);
  assert.match(archive.body.toString(), /Archive is not served/);
  assert.equal(codeOf(await send('PUT', `${path}?comp=tier`)), 'MissingRequiredHeader');
  assert.equal(
    codeOf(await send('PUT', '/acct1/data/none?comp=tier', { headers: { 'x-ms-access-tier': 'Hot' } })),
    'BlobNotFound',
  );
});

test('a blob put together anew keeps the time that it was made', async (t) => {
  const { send, stage, clock } = await openContainer(t);
  const commit = () => send('PUT', `${path}?comp=blocklist`, { body: '<BlockList><Latest>YQ==</Latest></BlockList>' });
  await stage('x', 'YQ==', 'one');
  await commit();
  const before = (await send('HEAD', path)).headers;
  clock.jump(60_000);
  await commit();
  const now = (await send('HEAD', path)).headers;
  assert.equal(now['x-ms-creation-time'], before['x-ms-creation-time']);
  assert.notEqual(now['last-modified'], before['last-modified']);
});

test('deleting only the snapshots of a blob does not delete the blob', async (t) => {
  const { send, put } = await openContainer(t);
  await put('kept');
  const only = await send('DELETE', path, { headers: { 'x-ms-delete-snapshots': 'only' } });
  assert.deepEqual([only.status, codeOf(only)], [400, 'InvalidHeaderValue']);
  assert.equal((await send('GET', path)).body.toString(), 'kept');
  assert.equal((await send('DELETE', path, { headers: { 'x-ms-delete-snapshots': 'include' } })).status, 202);
});

test('listings tell of blobs that are nothing but blocks yet, to who asks, in order and by pages', async (t) => {
  const { send, stage, put } = await openContainer(t);
  await put('there');
  await stage('x', 'YQ==', 'of a blob that is there');
  for (const name of ['b', 'dir/one', 'dir/two', 'z']) await stage(name, 'YQ==', name);
  await stage('b', 'Yg==', 'another block');
  const list = (query: string) => send('GET', `/acct1/data?restype=container&comp=list${query}`);
  assert.deepEqual(names(await list('')), ['x']);
  assert.deepEqual(names(await list('&include=uncommittedblobs')), ['b', 'dir/one', 'dir/two', 'x', 'z']);
  assert.deepEqual(names(await list('&include=uncommittedblobs&delimiter=/')), ['b', 'x', 'z', 'dir/']);
  assert.deepEqual(names(await list('&include=uncommittedblobs&prefix=dir/')), ['dir/one', 'dir/two']);
  const seen: unknown[] = [];
  for (let marker = ''; ; ) {
    const page = await list(`&include=metadata,uncommittedblobs&maxresults=2&marker=${marker}`);
    seen.push(...names(page));
    marker = /<NextMarker>([^<]+)</.exec(page.body.toString())?.[1] ?? '';
    if (marker === '') break;
  }
  assert.deepEqual(seen, ['b', 'dir/one', 'dir/two', 'x', 'z']);
});

test('members of `include` may be empty, repeated or of another case, but must be some', async (t) => {
  const { send, put } = await openContainer(t);
  await put('a', { 'x-ms-meta-a': '1' });
  const list = (include: string) => send('GET', `/acct1/data?restype=container&comp=list&include=${include}`);
  for (const include of [
    '',
    'Snapshots',
    'metadata,,metadata',
    'versions,deleted,tags,copy,legalhold&include=metadata',
  ])
    assert.equal((await list(include)).status, 200, include);
  assert.match((await list('metadata&include=deleted')).body.toString(), /<a>1<\/a>/);
  assert.match((await list('deleted&include=metadata')).body.toString(), /<a>1<\/a>/);
  assert.equal(codeOf(await list('secrets')), 'InvalidQueryParameterValue');
  assert.equal(codeOf(await list(','.repeat(100))), 'InvalidQueryParameterValue');
  assert.equal((await send('GET', '/acct1?comp=list&include=deleted')).status, 200);
  assert.equal(codeOf(await send('GET', '/acct1?comp=list&include=versions')), 'InvalidQueryParameterValue');
});

test('what is not there is told as the protocol tells it', async (t) => {
  const { send, put } = await openContainer(t);
  for (const name of ['$logs', '$root', '$web']) {
    const reply = await send('GET', `/acct1/${name}?restype=container`);
    assert.deepEqual([reply.status, codeOf(reply)], [404, 'ContainerNotFound']);
  }
  assert.equal((await send('PUT', '/acct1/$web?restype=container')).status, 404);
  const head = await send('HEAD', '/acct1/data/none');
  assert.deepEqual([head.status, codeOf(head), head.headers['content-type']], [404, 'BlobNotFound', undefined]);
  await put('a');
  assert.equal(codeOf(await put('a', { 'x-ms-meta-1a': 'x' })), 'InvalidMetadata');
  await send('PUT', '/acct1/data/a%5Cb', { headers: block, body: 'slashed' });
  assert.equal((await send('GET', '/acct1/data/a/b')).body.toString(), 'slashed');
  assert.equal((await send('GET', '/acct1/data/a%5C..%5Cb')).status, 400);
});
