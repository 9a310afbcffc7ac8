// The blob protocol over real HTTP: what unmodified clients send, what hostile ones try.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { md5Base64 } from '#kernel/crypto/digest';
import { closeScanPool } from '#kernel/database/database';
import { failNth } from '#kernel/files/faults';
import { testActor } from '#kernel/testing/authority';
import { type Asked, bytesOf, openDoor, type Reply } from './testing.ts';

after(() => closeScanPool());
const put = { 'x-ms-blob-type': 'BlockBlob' };
const codeOf = (reply: Reply) => reply.headers['x-ms-error-code'];
const texts = (reply: Reply, tag: string) =>
  [...reply.body.toString().matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, 'g'))].map((found) => found[1]);

async function openContainer(t: Parameters<typeof openDoor>[0]) {
  const door = await openDoor(t);
  assert.equal((await door.send('PUT', '/acct1/data?restype=container')).status, 201);
  return door;
}

test('containers are created, listed, described and deleted', async (t) => {
  const { send } = await openDoor(t);
  const made = await send('PUT', '/acct1/data?restype=container', { headers: { 'x-ms-meta-Owner': 'me' } });
  assert.equal(made.status, 201);
  assert.match(String(made.headers.etag), /^"0x[0-9A-F]{16}"$/);
  const again = await send('PUT', '/acct1/data?restype=container');
  assert.deepEqual([again.status, codeOf(again)], [409, 'ContainerAlreadyExists']);
  await send('PUT', '/acct1/more?restype=container');
  const described = await send('HEAD', '/acct1/data?restype=container');
  assert.deepEqual([described.status, described.headers['x-ms-meta-owner']], [200, 'me']);
  assert.deepEqual(texts(await send('GET', '/acct1/?comp=list'), 'Name'), ['data', 'more']);
  const page = await send('GET', '/acct1?comp=list&maxresults=1');
  assert.deepEqual(texts(page, 'NextMarker'), ['data']);
  assert.deepEqual(texts(await send('GET', '/acct1?comp=list&marker=data'), 'Name'), ['more']);
  assert.equal((await send('DELETE', '/acct1/data?restype=container')).status, 202);
  const gone = await send('HEAD', '/acct1/data?restype=container');
  assert.deepEqual([gone.status, codeOf(gone), gone.body.length], [404, 'ContainerNotFound', 0]);
});

test('a blob goes up and comes down, whole and in ranges', async (t) => {
  const { send } = await openContainer(t);
  const content = bytesOf(2_300_000);
  const headers = { ...put, 'x-ms-blob-content-type': 'text/plain', 'x-ms-meta-Kind': 'a' };
  const up = await send('PUT', '/acct1/data/a%2Bb/c%20d', { headers, body: content });
  assert.deepEqual([up.status, up.headers['content-md5']], [201, md5Base64(content)]);
  const down = await send('GET', '/acct1/data/a%2Bb/c%20d');
  assert.equal(down.status, 200);
  assert.ok(down.body.equals(content));
  assert.equal(down.headers['content-type'], 'text/plain');
  assert.equal(down.headers['x-ms-meta-kind'], 'a');
  assert.equal(down.headers['x-ms-blob-type'], 'BlockBlob');
  // What users stored must not run as a page of this origin.
  assert.equal(down.headers['content-security-policy'], "default-src 'none'; sandbox");
  assert.equal(down.headers['x-content-type-options'], 'nosniff');
  assert.equal(down.headers.etag, up.headers.etag);
  for (const [name, range, from, to] of [
    ['x-ms-range', 'bytes=0-0', 0, 1],
    ['range', 'bytes=1048000-1049999', 1_048_000, 1_050_000],
    ['x-ms-range', 'bytes=2299999-', 2_299_999, 2_300_000],
    ['x-ms-range', 'bytes=1000000-99999999', 1_000_000, 2_300_000],
  ] as const) {
    const part = await send('GET', '/acct1/data/a%2Bb/c%20d', { headers: { [name]: range } });
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(content.subarray(from, to)), range);
    assert.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${content.length}`);
    assert.equal(part.headers['content-length'], String(to - from));
  }
  const behind = await send('GET', '/acct1/data/a%2Bb/c%20d', { headers: { 'x-ms-range': 'bytes=2300000-' } });
  assert.deepEqual([behind.status, codeOf(behind)], [416, 'InvalidRange']);
  assert.equal(behind.headers['content-range'], 'bytes */2300000');
  const checked = await send('GET', '/acct1/data/a%2Bb/c%20d', {
    headers: { 'x-ms-range': 'bytes=5-9', 'x-ms-range-get-content-md5': 'true' },
  });
  assert.equal(checked.headers['content-md5'], md5Base64(content.subarray(5, 10)));
  const nonsense = await send('GET', '/acct1/data/a%2Bb/c%20d', { headers: { range: 'bytes=9-5' } });
  assert.equal(nonsense.status, 200);
  const head = await send('HEAD', '/acct1/data/a%2Bb/c%20d');
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '2300000', 0]);
  assert.equal((await send('DELETE', '/acct1/data/a%2Bb/c%20d')).status, 202);
  const none = await send('GET', '/acct1/data/a%2Bb/c%20d');
  assert.deepEqual([none.status, codeOf(none)], [404, 'BlobNotFound']);
  assert.match(
    none.body.toString(),
    /^<\?xml version="1.0" encoding="utf-8"\?><Error><Code>BlobNotFound<\/Code><Message>/,
  );
});

test('an account is also a host, and names keep their slashes', async (t) => {
  const { send } = await openContainer(t);
  const host = 'acct1.blob.storage.localhost:8443';
  for (const name of ['a//b', 'a/b/', '/a', 'a%2Fc', 'data/acct1']) {
    assert.equal((await send('PUT', `/data/${name}`, { host, headers: put, body: name })).status, 201, name);
    assert.equal((await send('GET', `/acct1/data/${name}`)).body.toString(), name);
  }
  const listed = texts(await send('GET', '/data?restype=container&comp=list', { host }), 'Name');
  assert.deepEqual(listed, ['/a', 'a//b', 'a/b/', 'a/c', 'data/acct1']);
  assert.equal((await send('GET', '/data/a/b', { host })).status, 404);
  const empty = await send('GET', '/?comp=list', { host });
  assert.deepEqual([empty.status, texts(empty, 'Name')], [200, ['data']]);
});

test('a listing is XML whatever the names are', async (t) => {
  const { send } = await openContainer(t);
  for (const name of ['<b>&"\'', 'dir/1', 'dir/2', 'z'])
    await send('PUT', `/acct1/data/${encodeURIComponent(name)}`, {
      headers: { ...put, 'x-ms-meta-a': '<&>' },
      body: 'x',
    });
  const all = await send('GET', '/acct1/data?restype=container&comp=list&delimiter=%2F&include=metadata');
  assert.deepEqual(texts(all, 'Name'), ["&lt;b&gt;&amp;&quot;'", 'z', 'dir/']);
  assert.deepEqual(texts(all, 'a'), ['&lt;&amp;&gt;', '&lt;&amp;&gt;']);
  const seen: unknown[] = [];
  for (let marker = ''; ; ) {
    const page = await send('GET', `/acct1/data?restype=container&comp=list&maxresults=1&marker=${marker}`);
    seen.push(...texts(page, 'Name'));
    marker = texts(page, 'NextMarker')[0] ?? '';
    if (marker === '') break;
  }
  assert.equal(seen.length, 4);
  const wrong = await send('GET', '/acct1/data?restype=container&comp=list&maxresults=0');
  assert.deepEqual([wrong.status, codeOf(wrong)], [400, 'InvalidQueryParameterValue']);
});

test('blocks are staged in any order and committed in the order of the list', async (t) => {
  const { send, blobsFolder, account } = await openContainer(t);
  const id = (n: number) => Buffer.from(`block-${n}`).toString('base64');
  const pieces = [bytesOf(1_200_000), bytesOf(5), Buffer.alloc(0), bytesOf(70_000)];
  for (const n of [3, 0, 2, 1])
    assert.equal(
      (await send('PUT', `/acct1/data/big?comp=block&blockid=${encodeURIComponent(id(n))}`, { body: pieces[n] ?? '' }))
        .status,
      201,
    );
  assert.equal((await send('GET', '/acct1/data/big')).status, 404);
  const list = (...entries: string[]) =>
    `<?xml version='1.0' encoding='utf-8'?>\n<BlockList>${entries.join('\n ')}</BlockList>`;
  const latest = (n: number) => `<Latest>${id(n)}</Latest>`;
  const commit = (body: string, headers = {}) => send('PUT', '/acct1/data/big?comp=blocklist', { body, headers });
  assert.deepEqual(codeOf(await commit(list(latest(0), latest(9)))), 'InvalidBlockList');
  const done = await commit(list(...[0, 1, 2, 3].map(latest)), { 'x-ms-blob-content-type': 'x/y' });
  assert.equal(done.status, 201);
  const whole = Buffer.concat(pieces);
  const down = await send('GET', '/acct1/data/big');
  assert.ok(down.body.equals(whole));
  assert.equal(down.headers['content-type'], 'x/y');
  const range = { 'x-ms-range': 'bytes=1199998-1200007' };
  assert.ok(
    (await send('GET', '/acct1/data/big', { headers: range })).body.equals(whole.subarray(1_199_998, 1_200_008)),
  );
  const listed = await send('GET', '/acct1/data/big?comp=blocklist&blocklisttype=all');
  assert.deepEqual(texts(listed, 'Size'), ['1200000', '5', '70000']);

  await send('PUT', `/acct1/data/big?comp=block&blockid=${encodeURIComponent(id(1))}`, { body: 'fresh' });
  await commit(list(`<Committed>${id(3)}</Committed>`, `<Uncommitted>${id(1)}</Uncommitted>`, latest(3)));
  const again = Buffer.concat([pieces[3] ?? Buffer.alloc(0), Buffer.from('fresh'), pieces[3] ?? Buffer.alloc(0)]);
  assert.ok((await send('GET', '/acct1/data/big')).body.equals(again));
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 2);
  await send('PUT', '/acct1/data/big', { headers: put, body: 'one' });
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 1);
  assert.equal((await commit('<BlockList/>')).status, 201);
  assert.equal((await send('HEAD', '/acct1/data/big')).headers['content-length'], '0');
});

test('block ids that are no base64, too long or of two lengths are refused', async (t) => {
  const { send } = await openContainer(t);
  const stage = (id: string) =>
    send('PUT', `/acct1/data/b?comp=block&blockid=${encodeURIComponent(id)}`, { body: 'x' });
  for (const id of ['', '!', 'YQ', Buffer.alloc(65).toString('base64')])
    assert.equal(codeOf(await stage(id)), 'InvalidBlockId', id);
  assert.equal((await stage('YWFh')).status, 201);
  // One byte more has the same length in base64.
  for (const other of ['YWFhYWFh', 'YWFhYQ==', 'YQ=='])
    assert.equal(codeOf(await stage(other)), 'InvalidBlobOrBlock', other);
});

test('a block list that is anything but a block list is refused', async (t) => {
  const { send } = await openContainer(t);
  const bombs = [
    '',
    'x',
    '<BlockList>',
    '<blocklist></blocklist>',
    '<BlockList a="b"></BlockList>',
    '<BlockList><Latest>YQ==</Committed></BlockList>',
    '<BlockList><Latest>YQ==</Latest></BlockList><x/>',
    '<BlockList><Latest><!-- c -->YQ==</Latest></BlockList>',
    '<BlockList><![CDATA[x]]></BlockList>',
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><BlockList><Latest>&b;</Latest></BlockList>',
    '<!DOCTYPE x SYSTEM "file:///etc/passwd"><BlockList/>',
    '<?xml version="1.0"?><?xml-stylesheet href="x"?><BlockList/>',
    `<BlockList>${' '.repeat(100_000)}<`,
    '<BlockList>'.repeat(100_000),
  ];
  for (const body of bombs) {
    const reply = await send('PUT', '/acct1/data/b?comp=blocklist', { body });
    assert.deepEqual([reply.status, codeOf(reply)], [400, 'InvalidXmlDocument'], body.slice(0, 60));
  }
  const invalid = await send('PUT', '/acct1/data/b?comp=blocklist', { body: Buffer.from([0xff, 0xfe, 0x3c]) });
  assert.equal(codeOf(invalid), 'InvalidXmlDocument');
  const long = `<BlockList>${'<Latest>YQ==</Latest>'.repeat(50_001)}</BlockList>`;
  assert.equal(codeOf(await send('PUT', '/acct1/data/b?comp=blocklist', { body: long })), 'BlockListTooLong');
});

test('conditions hold for readers and writers', async (t) => {
  const { send } = await openContainer(t);
  const path = '/acct1/data/c';
  const first = await send('PUT', path, { headers: { ...put, 'if-none-match': '*' }, body: '1' });
  assert.equal(first.status, 201);
  const second = await send('PUT', path, { headers: { ...put, 'if-none-match': '*' }, body: '2' });
  assert.deepEqual([second.status, codeOf(second)], [409, 'BlobAlreadyExists']);
  const etag = String(first.headers.etag);
  const status = async (method: string, headers: Record<string, string>) =>
    (await send(method, path, method === 'PUT' ? { headers: { ...put, ...headers }, body: '3' } : { headers })).status;
  assert.equal(await status('GET', { 'if-none-match': etag }), 304);
  assert.equal(await status('HEAD', { 'if-none-match': `"x", ${etag}` }), 304);
  assert.equal(await status('GET', { 'if-match': '"other"' }), 412);
  assert.equal(await status('GET', { 'if-match': etag }), 200);
  assert.equal(await status('GET', { 'if-modified-since': String(first.headers['last-modified']) }), 304);
  assert.equal(await status('GET', { 'if-unmodified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' }), 412);
  assert.equal(await status('GET', { 'if-modified-since': 'yesterday' }), 400);
  const bare = etag.replaceAll('"', '');
  assert.equal(await status('GET', { 'if-none-match': bare }), 304);
  assert.equal(await status('GET', { 'if-match': '*,abc' }), 200);
  assert.equal(await status('GET', { 'if-none-match': '*,abc' }), 200);
  for (const nothing of ['nope', `${etag}nope`, '"*",abc']) {
    assert.equal(await status('GET', { 'if-none-match': nothing }), 200, nothing);
    assert.equal(await status('GET', { 'if-match': nothing }), 412, nothing);
    assert.equal(await status('DELETE', { 'if-match': nothing }), 412, nothing);
  }
  for (const method of ['GET', 'HEAD'])
    assert.equal(codeOf(await send(method, path, { headers: { 'if-none-match': '*' } })), 'UnsatisfiableCondition');
  assert.equal(await status('DELETE', { 'if-match': '"other"' }), 412);
  await send('PUT', '/acct1/data/gone', { headers: put, body: '1' });
  assert.equal((await send('DELETE', '/acct1/data/gone', { headers: { 'if-none-match': '*' } })).status, 202);
  assert.equal(await status('PUT', { 'if-match': etag }), 201);
  assert.equal(await status('PUT', { 'if-match': etag }), 412);
});

test('metadata and content headers are replaced without the bytes', async (t) => {
  const { send } = await openContainer(t);
  const path = '/acct1/data/m';
  const up = await send('PUT', path, {
    headers: { ...put, 'x-ms-meta-a': '1', 'content-type': 'text/x' },
    body: 'body',
  });
  assert.equal((await send('PUT', `${path}?comp=metadata`, { headers: { 'x-ms-meta-B': '2' }, body: '' })).status, 200);
  const type = { 'x-ms-blob-content-type': 'text/y', 'x-ms-blob-content-encoding': 'gzip' };
  assert.equal((await send('PUT', `${path}?comp=properties`, { headers: type, body: '' })).status, 200);
  const { headers, body } = await send('GET', path);
  assert.deepEqual(
    [headers['x-ms-meta-a'], headers['x-ms-meta-b'], headers['content-type'], headers['content-encoding']],
    [undefined, '2', 'text/y', 'gzip'],
  );
  assert.equal(body.toString(), 'body');
  assert.notEqual(headers.etag, up.headers.etag);
});

test('a copy comes from this server and from nowhere else', async (t) => {
  const { send } = await openContainer(t);
  await send('PUT', '/acct1/data/from', {
    headers: { ...put, 'x-ms-meta-a': '1', 'content-type': 'text/x' },
    body: 'body',
  });
  const copy = (source: string, path = '/acct1/data/to') =>
    send('PUT', path, { headers: { 'x-ms-copy-source': source }, body: '' });
  for (const source of [
    'https://localhost:8443/acct1/data/from',
    'https://acct1.blob.storage.localhost:8443/data/from',
  ]) {
    const done = await copy(source);
    assert.deepEqual([done.status, done.headers['x-ms-copy-status']], [202, 'success']);
    const { body, headers } = await send('GET', '/acct1/data/to');
    assert.deepEqual([body.toString(), headers['x-ms-meta-a'], headers['content-type']], ['body', '1', 'text/x']);
  }
  for (const source of [
    'http://localhost:8443/acct1/data/from',
    'https://169.254.169.254/acct1/data/from',
    'https://localhost:9999/acct1/data/from',
    'https://user@localhost:8443/acct1/data/from',
    'https://localhost:8443/nobody/data/from',
    'https://localhost:8443/acct1/data/from?snapshot=1',
    'https://localhost:8443/acct1/data/from?sig=abc',
    'https://evil.example/acct1/data/from',
    'file:///etc/passwd',
  ])
    assert.equal(codeOf(await copy(source)), 'CannotVerifyCopySource', source);
  assert.equal((await copy('https://localhost:8443/acct1/data/..%2f..%2fx')).status, 400);
  assert.equal(codeOf(await copy('/acct1/data/from')), 'InvalidHeaderValue');
  await send('PUT', '/other/data?restype=container');
  await send('PUT', '/other/data/theirs', { headers: put, body: 'theirs' });
  assert.equal((await copy('https://localhost:8443/other/data/theirs')).status, 202);
  assert.equal((await send('GET', '/acct1/data/to')).body.toString(), 'theirs');
});

test('uploads that lie are refused and leave nothing', { timeout: 60_000 }, async (t) => {
  const { send, port, blobsFolder, account } = await openContainer(t);
  const refused = async (asked: Asked, expected: string) =>
    assert.equal(codeOf(await send('PUT', '/acct1/data/x', asked)), expected);
  await refused({ headers: { ...put, 'content-md5': md5Base64('other') }, body: 'body' }, 'Md5Mismatch');
  await refused({ headers: { ...put, 'content-md5': 'short' }, body: 'body' }, 'InvalidMd5');
  await refused({ headers: { 'x-ms-blob-type': 'PageBlob' }, body: 'x' }, 'InvalidBlobType');
  await refused({ body: 'x' }, 'InvalidBlobType');
  await refused({ headers: { ...put, 'x-ms-encryption-key': 'k' }, body: 'x' }, 'UnsupportedHeader');
  await refused({ headers: { ...put, 'content-range': 'bytes 0-0/9' }, body: 'x' }, 'UnsupportedHeader');
  await refused({ headers: { ...put, 'x-ms-version': 'latest' }, body: 'x' }, 'InvalidHeaderValue');
  await refused({ headers: { ...put, 'x-ms-meta-a-b': 'x' }, body: 'x' }, 'InvalidMetadata');
  await refused({ headers: { ...put, 'transfer-encoding': 'chunked' } }, 'MissingContentLengthHeader');
  // The connection ends in the middle of the body.
  await new Promise<void>((resolve) => {
    const cut = request({
      host: '127.0.0.1',
      port,
      method: 'PUT',
      path: '/acct1/data/x',
      headers: { host: 'localhost:8443', authorization: 'Bearer test', 'content-length': '1000000', ...put },
    });
    cut.on('error', () => resolve());
    cut.write(Buffer.alloc(500_000), () => cut.destroy());
  });
  assert.equal((await send('PUT', '/acct1/data/y', { headers: put, body: 'y' })).status, 201);
  assert.equal((await send('GET', '/acct1/data/x')).status, 404);
  for (let left = await readdir(blobsFolder(account.uniqueId)); left.length > 1; )
    left = await readdir(blobsFolder(account.uniqueId));
});

test('hostile paths reach nothing', async (t) => {
  const { send } = await openContainer(t);
  for (const path of ['/acct1/data/..%2f..%2fetc', '/acct1/data/%2e%2e/x', '/acct1/data/a%00b', '/acct1/data/%zz'])
    assert.equal((await send('GET', path)).status, 400, path);
  assert.equal(codeOf(await send('GET', `/acct1/data/${'x'.repeat(1025)}`)), 'InvalidResourceName');
  const casing = await send('PUT', '/acct1/Data?restype=container');
  assert.deepEqual([casing.status, codeOf(casing)], [400, 'InvalidResourceName']);
  assert.equal(codeOf(await send('GET', '/acct1/DATA/x')), 'InvalidResourceName');
  assert.equal((await send('GET', '/ACCT1/data/x')).status, 404);
  assert.equal((await send('GET', '/nobody/data/x')).status, 404);
  assert.equal((await send('GET', '/acct1/data/x', { host: 'v.vault.localhost:8443' })).status, 404);
  // A signature is decided on its own: a token beside it does not make up for one that is none.
  const signed = await send('GET', '/acct1/data/x?sv=2021-12-02&sp=r&sig=c2ln');
  assert.deepEqual([signed.status, codeOf(signed)], [403, 'AuthenticationFailed']);
  const unserved = [
    ['/acct1/data/x?snapshot=1', /snapshot/],
    ['/acct1/data/x?comp=lease', /Lease Blob/],
    ['/acct1/data', /root container/],
    ['/acct1?comp=batch', /Blob Batch/],
    ['/acct1?restype=service&comp=properties', /Service Properties/],
    ['/acct1/data?restype=container&comp=acl', /Container ACL/],
    ['/acct1/data/x?comp=tags&snapshot=1', /Blob Tags/],
    ['/acct1/data/x?comp=toString', /this comp/],
  ] as const;
  for (const [path, named] of unserved) {
    const reply = await send('GET', path);
    assert.deepEqual([reply.status, codeOf(reply)], [501, 'OperationNotSupported'], path);
    assert.match(reply.body.toString(), named, path);
  }
});

test('without a credential every operation is 401 with a challenge that a client can follow', async (t) => {
  const { send } = await openContainer(t);
  for (const [method, path] of [
    ['GET', '/acct1?comp=list'],
    ['PUT', '/acct1/c2?restype=container'],
    ['GET', '/acct1/data/x'],
    ['PUT', '/acct1/data/x'],
    ['PUT', '/acct1/data/x?comp=block&blockid=YQ=='],
    ['DELETE', '/acct1/data?restype=container'],
  ] as const) {
    const reply = await send(method, path, { authorization: '' });
    assert.equal(reply.status, 401, path);
    assert.equal(
      reply.headers['www-authenticate'],
      'Bearer authorization_uri=https://localhost:8443/tenant/oauth2/authorize resource_id=https://storage.azure.com',
    );
    assert.match(String(reply.headers['x-ms-request-id']), /^[0-9a-f-]{36}$/);
  }
  const versioned = await send('GET', '/acct1?comp=list', { headers: { 'x-ms-version': '2026-10-06' } });
  assert.equal(versioned.headers['x-ms-version'], '2026-10-06');
});

test('the hosts of other services of an account say that these are not served, and ask for no second try', async (t) => {
  const { send } = await openContainer(t);
  for (const [service, named] of [
    ['dfs', /Data Lake/],
    ['file', /Files/],
    ['queue', /Queue/],
    ['table', /Table/],
  ] as const)
    for (const method of ['GET', 'PUT', 'POST', 'PATCH']) {
      const reply = await send(method, '/data/x?resource=file', { host: `acct1.${service}.storage.localhost:8443` });
      assert.equal(reply.status, 501, `${method} ${service}`);
      assert.match(reply.body.toString(), named);
    }
  assert.equal((await send('GET', '/data/x', { host: 'acct1.dfs.storage.evil:8443' })).status, 404);
});

test('account keys, and nothing at all, are answered with what takes their place', async (t) => {
  const { send } = await openContainer(t);
  for (const authorization of ['', 'SharedKey acct1:c2lnbmF0dXJl', 'SharedKeyLite acct1:c2ln']) {
    const reply = await send('GET', '/acct1/data/x', { authorization });
    assert.equal(reply.status, 401);
    assert.match(reply.body.toString(), /--auth-mode login/);
    if (authorization !== '') assert.match(reply.body.toString(), /no account keys here/);
  }
});

test('what is decided on is the container, by the action of the operation', async (t) => {
  const decided: string[] = [];
  const { send } = await openDoor(t, {
    allows: (action, scope, actor) => {
      assert.equal(actor, testActor);
      decided.push(`${action.split('/').slice(4).join('/')} ${scope.split('/').slice(-3).join('/')}`);
      return false;
    },
  });
  const expected: readonly (readonly [string, string, string])[] = [
    ['GET', '/acct1?comp=list', 'read Microsoft.Storage/storageAccounts/acct1'],
    ['PUT', '/acct1/data?restype=container', 'write default/containers/data'],
    ['DELETE', '/acct1/data?restype=container', 'delete default/containers/data'],
    ['GET', '/acct1/data?restype=container&comp=list', 'blobs/read default/containers/data'],
    ['GET', '/acct1/data/x', 'blobs/read default/containers/data'],
    ['PUT', '/acct1/data/x', 'blobs/write default/containers/data'],
    ['PUT', '/acct1/data/x?comp=blocklist', 'blobs/write default/containers/data'],
    ['DELETE', '/acct1/data/x', 'blobs/delete default/containers/data'],
  ];
  for (const [method, path, want] of expected) {
    assert.equal((await send(method, path)).status, 403);
    assert.equal(decided.pop(), want, `${method} ${path}`);
  }
});

test('the management API and the blob protocol see the same containers', async (t) => {
  const { send, account } = await openDoor(t);
  const item = `${account.id}/blobServices/default/containers/made`;
  const body = JSON.stringify({ properties: { metadata: { a: '1' } } });
  const made = await send('PUT', item, { body, headers: { 'content-type': 'application/json' } });
  assert.equal(made.status, 201);
  assert.equal(JSON.parse(made.body.toString()).id, item);
  assert.equal((await send('PUT', item)).status, 200);
  assert.equal((await send('HEAD', '/acct1/made?restype=container')).headers['x-ms-meta-a'], '1');
  await send('PUT', '/acct1/seen?restype=container');
  const listed = async (query: string) =>
    JSON.parse((await send('GET', `${account.id}/blobServices/default/containers${query}`)).body.toString());
  const page = await listed('?$maxpagesize=1');
  assert.deepEqual([page.value.length, page.value[0].name], [1, 'made']);
  const next = new URL(page.nextLink);
  assert.equal(JSON.parse((await send('GET', next.pathname + next.search)).body.toString()).value[0].name, 'seen');
  assert.equal(
    (await send('PUT', item, { body: JSON.stringify({ properties: { publicAccess: 'Blob' } }) })).status,
    400,
  );
  assert.deepEqual([(await send('DELETE', item)).status, (await send('DELETE', item)).status], [200, 204]);
  assert.equal((await send('HEAD', '/acct1/made?restype=container')).status, 404);
});

test('blocks that nobody commits are dropped after a week, and no block of today with them', async (t) => {
  const { send, clock, blobsFolder, account } = await openContainer(t);
  const stage = (name: string) => send('PUT', `/acct1/data/${name}?comp=block&blockid=YWFh`, { body: name });
  const day = 24 * 60 * 60 * 1000;
  await stage('old');
  clock.jump(4 * day);
  await stage('young');
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 2);
  clock.jump(4 * day);
  await stage('new');
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 2);
  const commit = (name: string) =>
    send('PUT', `/acct1/data/${name}?comp=blocklist`, { body: '<BlockList><Latest>YWFh</Latest></BlockList>' });
  assert.equal(codeOf(await commit('old')), 'InvalidBlockList');
  for (const name of ['young', 'new']) {
    assert.equal((await commit(name)).status, 201);
    assert.equal((await send('GET', `/acct1/data/${name}`)).body.toString(), name);
  }
});

test('whatever step of a commit fails, the blob before it stays, with every file that it needs', async (t) => {
  const { send, seam, blobsFolder, account } = await openContainer(t);
  const block = (id: string, body: string) =>
    send('PUT', `/acct1/data/x?comp=block&blockid=${encodeURIComponent(id)}`, { body });
  const commit = (...ids: string[]) =>
    send('PUT', '/acct1/data/x?comp=blocklist', {
      body: `<BlockList>${ids.map((id) => `<Latest>${id}</Latest>`).join('')}</BlockList>`,
    });
  await block('YQ==', 'one ');
  await block('Yg==', 'two');
  await commit('YQ==', 'Yg==');
  await block('Yw==', 'three');
  const failing = failNth(1);
  seam.faults = failing.faults;
  assert.ok((await commit('YQ==', 'Yw==')).status >= 500);
  seam.faults = () => {};
  assert.equal((await send('GET', '/acct1/data/x')).body.toString(), 'one two');
  assert.equal((await commit('YQ==', 'Yw==')).status, 201);
  assert.equal((await send('GET', '/acct1/data/x')).body.toString(), 'one three');
  assert.equal((await readdir(blobsFolder(account.uniqueId))).length, 2);
});
