// Copies by the blob protocol, as its clients make them: a blob, a block, a range; as whoever asks, and as nobody else.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, type TestContext, test } from 'node:test';
import { md5Base64 } from '#kernel/crypto/digest';
import { closeScanPool } from '#kernel/database/database';
import { openDoor, type Reply } from './testing.ts';

after(() => closeScanPool());

const codeOf = (reply: Reply) => reply.headers['x-ms-error-code'];
const block = { 'x-ms-blob-type': 'BlockBlob' };
const source = 'https://localhost:8443/acct1/data/src';
const list = (...ids: string[]) =>
  `<BlockList>${ids.map((id) => `<Latest>${Buffer.from(id).toString('base64')}</Latest>`).join('')}</BlockList>`;

async function openSource(t: TestContext, setting: Parameters<typeof openDoor>[1] = {}) {
  const door = await openDoor(t, setting);
  await door.send('PUT', '/acct1/data?restype=container');
  const described = { 'x-ms-blob-content-type': 'text/x', 'x-ms-blob-content-language': 'de', 'x-ms-meta-a': '1' };
  await door.send('PUT', '/acct1/data/src', { headers: { ...block, ...described }, body: 'hello world' });
  const stage = (id: string, headers: Readonly<Record<string, string>>) => {
    const blockId = encodeURIComponent(Buffer.from(id).toString('base64'));
    return door.send('PUT', `/acct1/data/dst?comp=block&blockid=${blockId}`, {
      headers: { 'content-length': '0', ...headers },
    });
  };
  return { ...door, stage };
}

test('a block that is staged from a URL holds the bytes that are there', async (t) => {
  const { send, stage } = await openSource(t);
  const first = await stage('a', { 'x-ms-copy-source': source, 'x-ms-source-range': 'bytes=0-4' });
  assert.deepEqual([first.status, first.headers['content-md5']], [201, md5Base64(Buffer.from('hello'))]);
  assert.equal((await stage('b', { 'x-ms-copy-source': source })).status, 201);
  assert.equal((await send('PUT', '/acct1/data/dst?comp=blocklist', { body: list('a', 'b') })).status, 201);
  assert.equal((await send('GET', '/acct1/data/dst')).body.toString(), 'hellohello world');
});

test('what must hold of the source of a copy is looked at, and nothing is left where it does not', async (t) => {
  const { send, stage, blobsFolder, account } = await openSource(t);
  const good = { 'x-ms-source-content-md5': md5Base64(Buffer.from('hello world')) };
  const etag = String((await send('HEAD', '/acct1/data/src')).headers.etag);
  const copy = (headers: Readonly<Record<string, string>>) =>
    send('PUT', '/acct1/data/dst', { headers: { ...headers, 'content-length': '0' } });
  const both = [
    (headers: Readonly<Record<string, string>>) => stage('a', { 'x-ms-copy-source': source, ...headers }),
    (headers: Readonly<Record<string, string>>) => copy({ 'x-ms-copy-source': source, ...headers }),
    (headers: Readonly<Record<string, string>>) => copy({ 'x-ms-copy-source': source, ...block, ...headers }),
  ];
  for (const ask of both) {
    for (const [header, value] of [
      ['x-ms-source-if-match', '"0x1"'],
      ['x-ms-source-if-none-match', etag],
      ['x-ms-source-if-modified-since', 'Fri, 01 Jan 2100 00:00:00 GMT'],
      ['x-ms-source-if-unmodified-since', 'Mon, 01 Jan 2001 00:00:00 GMT'],
    ] as const) {
      const reply = await ask({ [header]: value });
      assert.deepEqual([reply.status, codeOf(reply)], [412, 'SourceConditionNotMet'], header);
    }
    const wrong = await ask({ 'x-ms-source-content-md5': md5Base64(Buffer.from('other')) });
    assert.deepEqual([wrong.status, codeOf(wrong)], [400, 'Md5Mismatch']);
    assert.equal(codeOf(await ask({ 'x-ms-source-content-md5': 'c2hvcnQ=' })), 'InvalidMd5');
    assert.equal(codeOf(await ask({ 'x-ms-copy-source-authorization': 'Bearer x' })), 'UnsupportedHeader');
    assert.equal(codeOf(await ask({ 'x-ms-copy-source': `${source}-gone` })), 'BlobNotFound');
  }
  assert.equal((await send('GET', '/acct1/data/dst')).status, 404);
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 1);
  const body = await send('PUT', '/acct1/data/dst', { headers: { 'x-ms-copy-source': source }, body: 'mine' });
  assert.deepEqual([body.status, codeOf(body)], [400, 'InvalidHeaderValue'], 'a copy with a body of its own');
  const blockBody = await send('PUT', '/acct1/data/dst?comp=block&blockid=YQ%3D%3D', {
    headers: { 'x-ms-copy-source': source },
    body: 'mine',
  });
  assert.deepEqual([blockBody.status, codeOf(blockBody)], [400, 'InvalidHeaderValue']);
  const beyond = await stage('a', { 'x-ms-copy-source': source, 'x-ms-source-range': 'bytes=11-' });
  assert.equal(beyond.status, 416);
  assert.equal(
    codeOf(await stage('a', { 'x-ms-copy-source': source, 'x-ms-source-range': '0-4' })),
    'InvalidHeaderValue',
  );
  for (const ask of both) assert.ok((await ask({ ...good, 'x-ms-source-if-match': etag })).status < 300);
});

test('each kind of copy answers in its own way and takes what its kind takes', async (t) => {
  const { send } = await openSource(t);
  const copy = async (headers: Readonly<Record<string, string>>) => {
    const reply = await send('PUT', '/acct1/data/dst', {
      headers: { 'x-ms-copy-source': source, 'content-length': '0', ...headers },
    });
    return { reply, made: await send('GET', '/acct1/data/dst') };
  };
  const said = ({ headers }: Reply) => [headers['content-type'], headers['content-language'], headers['x-ms-meta-a']];
  const md5 = md5Base64(Buffer.from('hello world'));

  const whole = await copy({});
  assert.deepEqual([whole.reply.status, whole.reply.headers['x-ms-copy-status']], [202, 'success']);
  assert.deepEqual(said(whole.made), ['text/x', 'de', '1']);
  const sync = await copy({ 'x-ms-requires-sync': 'true', 'x-ms-source-content-md5': md5, 'x-ms-meta-a': '2' });
  assert.deepEqual([sync.reply.status, sync.reply.headers['content-md5']], [202, md5]);
  assert.deepEqual(said(sync.made), ['text/x', 'de', '2']);

  const put = await copy({ ...block, 'x-ms-blob-content-type': 'text/y' });
  assert.deepEqual([put.reply.status, put.reply.headers['x-ms-copy-status']], [201, undefined]);
  assert.deepEqual(said(put.made), ['text/y', 'de', '1']);
  assert.equal(put.made.body.toString(), 'hello world');
  const bare = await copy({ ...block, 'x-ms-copy-source-blob-properties': 'false' });
  assert.deepEqual(said(bare.made), ['application/octet-stream', undefined, undefined]);
  assert.equal(codeOf((await copy({ 'x-ms-blob-type': 'PageBlob' })).reply), 'InvalidBlobType');
});

test('a source is read as whoever asks: the right to write elsewhere opens nothing', async (t) => {
  const { send, stage } = await openSource(t, {
    allows: (action, scope) => !(action.endsWith('blobs/read') && scope.includes('/storageAccounts/other/')),
  });
  await send('PUT', '/other/data?restype=container');
  await send('PUT', '/other/data/src', { headers: block, body: 'secret' });
  for (const foreign of [
    'https://localhost:8443/other/data/src',
    'https://other.blob.storage.localhost:8443/data/src',
    'https://localhost:8443/other/data/not-there',
  ]) {
    const staged = await stage('a', { 'x-ms-copy-source': foreign });
    assert.deepEqual([staged.status, codeOf(staged)], [403, 'AuthorizationFailed'], foreign);
    const copied = await send('PUT', '/acct1/data/dst', {
      headers: { 'x-ms-copy-source': foreign, 'content-length': '0' },
    });
    assert.equal(copied.status, 403);
  }
  assert.equal((await send('GET', '/acct1/data/dst')).status, 404);
});
