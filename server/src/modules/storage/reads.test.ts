// No operation of the blob protocol ignores what it was asked: every optional header and parameter that the protocol has is
// either read by the operation that it was sent to, or refused by name. The sweep takes the routes as they are mounted, so a
// new one is in it; and it looks at the reading itself, so that no row of `reads` states what nothing looks at.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { md5Base64 } from '#kernel/crypto/digest';
import { closeScanPool } from '#kernel/database/database';
import { openDoor, type Reply } from './testing.ts';

after(() => closeScanPool());

/** Optional request headers of the published protocol, of all its operations and versions. */
const protocolHeaders = [
  ...[
    'if-match',
    'if-none-match',
    'if-modified-since',
    'if-unmodified-since',
    'if-range',
    'content-md5',
    'content-range',
  ],
  ...[
    'x-ms-access-tier',
    'x-ms-access-tier-if-modified-since',
    'x-ms-blob-cache-control',
    'x-ms-blob-condition-appendpos',
  ],
  ...['x-ms-blob-condition-maxsize', 'x-ms-blob-content-disposition', 'x-ms-blob-content-encoding'],
  ...['x-ms-blob-content-language', 'x-ms-blob-content-length', 'x-ms-blob-content-md5', 'x-ms-blob-content-type'],
  ...['x-ms-blob-if-match', 'x-ms-blob-public-access', 'x-ms-blob-sequence-number', 'x-ms-blob-type'],
  ...['x-ms-content-crc64', 'x-ms-copy-action', 'x-ms-copy-source', 'x-ms-copy-source-authorization'],
  ...['x-ms-copy-source-blob-properties', 'x-ms-copy-source-tag-option', 'x-ms-default-encryption-scope'],
  ...[
    'x-ms-delete-snapshots',
    'x-ms-deny-encryption-scope-override',
    'x-ms-encryption-algorithm',
    'x-ms-encryption-key',
  ],
  ...['x-ms-encryption-key-sha256', 'x-ms-encryption-scope', 'x-ms-expiry-option', 'x-ms-if-sequence-number-eq'],
  ...['x-ms-if-tags', 'x-ms-immutability-policy-mode', 'x-ms-immutability-policy-until-date', 'x-ms-lease-action'],
  ...['x-ms-lease-duration', 'x-ms-lease-id', 'x-ms-legal-hold', 'x-ms-meta-a', 'x-ms-page-write'],
  ...['x-ms-previous-snapshot-url', 'x-ms-proposed-lease-id', 'x-ms-range', 'x-ms-range-get-content-crc64'],
  ...['x-ms-range-get-content-md5', 'x-ms-rehydrate-priority', 'x-ms-requires-sync', 'x-ms-seal-blob'],
  ...['x-ms-sequence-number-action', 'x-ms-source-content-crc64', 'x-ms-source-content-md5', 'x-ms-source-if-match'],
  ...['x-ms-source-if-modified-since', 'x-ms-source-if-none-match', 'x-ms-source-if-tags'],
  ...['x-ms-source-if-unmodified-since', 'x-ms-source-lease-id', 'x-ms-source-range', 'x-ms-structured-body'],
  ...['x-ms-structured-content-length', 'x-ms-tags', 'x-ms-upn', 'x-ms-header-of-a-version-to-come'],
] as const;

const protocolParameters = [
  ...['blockid', 'blocklisttype', 'copyid', 'deletetype', 'delimiter', 'include', 'marker', 'maxresults', 'prefix'],
  ...['prevsnapshot', 'startFrom', 'endBefore', 'where', 'showonly', 'rscd', 'rsct', 'parameter-of-a-version-to-come'],
] as const;

const source = 'https://localhost:8443/acct1/data/from';
const block = { 'x-ms-blob-type': 'BlockBlob' };

/** Each operation by a request that succeeds, with what tells it from another on the same path. */
const requests: readonly (readonly [string, string, string, Readonly<Record<string, string>>])[] = [
  ['Container_List', 'GET', '/acct1?comp=list', {}],
  ['Container_Create', 'PUT', '/acct1/fresh?restype=container', {}],
  ['Container_GetProperties', 'GET', '/acct1/data?restype=container', {}],
  ['Container_HeadProperties', 'HEAD', '/acct1/data?restype=container', {}],
  ['Container_GetMetadata', 'GET', '/acct1/data?restype=container&comp=metadata', {}],
  ['Container_HeadMetadata', 'HEAD', '/acct1/data?restype=container&comp=metadata', {}],
  ['Container_SetMetadata', 'PUT', '/acct1/data?restype=container&comp=metadata', {}],
  ['Container_ListBlobs', 'GET', '/acct1/data?restype=container&comp=list', {}],
  ['Blob_Put', 'PUT', '/acct1/data/x', block],
  ['Blob_Put', 'PUT', '/acct1/data/x', { 'x-ms-copy-source': source }],
  ['Blob_Put', 'PUT', '/acct1/data/x', { 'x-ms-copy-source': source, ...block }],
  ['Blob_Get', 'GET', '/acct1/data/from', {}],
  ['Blob_GetProperties', 'HEAD', '/acct1/data/from', {}],
  ['Blob_GetMetadata', 'GET', '/acct1/data/from?comp=metadata', {}],
  ['Blob_HeadMetadata', 'HEAD', '/acct1/data/from?comp=metadata', {}],
  ['Blob_SetMetadata', 'PUT', '/acct1/data/from?comp=metadata', {}],
  ['Blob_SetProperties', 'PUT', '/acct1/data/from?comp=properties', {}],
  ['Blob_SetTier', 'PUT', '/acct1/data/from?comp=tier', { 'x-ms-access-tier': 'Cool' }],
  ['Blob_StageBlock', 'PUT', '/acct1/data/x?comp=block&blockid=YQ%3D%3D', {}],
  ['Blob_StageBlock', 'PUT', '/acct1/data/x?comp=block&blockid=YQ%3D%3D', { 'x-ms-copy-source': source }],
  ['Blob_CommitBlockList', 'PUT', '/acct1/data/x?comp=blocklist', {}],
  ['Blob_GetBlockList', 'GET', '/acct1/data/from?comp=blocklist', {}],
  ['Blob_Delete', 'DELETE', '/acct1/data/x', {}],
  ['Container_Delete', 'DELETE', '/acct1/fresh?restype=container', {}],
];

/** Values that a reader of each header is content with, so that every reading operation comes to its end. */
const date = { past: 'Mon, 01 Jan 2001 00:00:00 GMT', future: 'Fri, 01 Jan 2100 00:00:00 GMT' };
const values: Readonly<Record<string, string>> = {
  'if-match': '*',
  'if-none-match': 'other',
  'if-modified-since': date.past,
  'if-unmodified-since': date.future,
  'x-ms-source-if-match': '*',
  'x-ms-source-if-none-match': 'other',
  'x-ms-source-if-modified-since': date.past,
  'x-ms-source-if-unmodified-since': date.future,
  'if-range': date.past,
  'content-md5': md5Base64(Buffer.from('body')),
  'x-ms-blob-content-md5': md5Base64(Buffer.from('body')),
  'x-ms-source-content-md5': md5Base64(Buffer.from('body')),
  'x-ms-access-tier': 'Hot',
  'x-ms-blob-type': 'AppendBlob',
  'x-ms-copy-source': source,
  'x-ms-copy-source-blob-properties': 'false',
  'x-ms-delete-snapshots': 'include',
  'x-ms-range': 'bytes=0-1',
  'x-ms-source-range': 'bytes=0-3',
  'x-ms-range-get-content-md5': 'false',
  'x-ms-requires-sync': 'true',
};

/** Looked at beside a range alone. */
const ofRanges: ReadonlySet<string> = new Set(['if-range', 'x-ms-range-get-content-md5']);

const codeOf = (reply: Reply) => String(reply.headers['x-ms-error-code'] ?? '');

test('every optional header and parameter of the protocol is read by the operation, or refused by its name', async (t) => {
  const looked = new Set<string>();
  const { send, storage } = await openDoor(t, { looksAt: (name) => void looked.add(name) });
  const routes = (storage.routes ?? []).filter(({ surface, reads }) => surface === 'blob' && reads !== 'anything');
  const mentioned = new Set(requests.map(([operation]) => operation));
  assert.deepEqual(
    routes.map(({ operation }) => operation).filter((operation) => !mentioned.has(operation)),
    [],
    'a route without a request in this sweep',
  );
  for (const { operation, reads } of routes) assert.notEqual(reads, undefined, `${operation} states what it reads`);
  await send('PUT', '/acct1/data?restype=container');

  for (const [operation, method, path, told] of requests) {
    const isCopy = 'x-ms-copy-source' in told;
    let isReady = false;
    const ask = async (more: Readonly<Record<string, string>>, query = '') => {
      if (!isReady) {
        await send('PUT', '/acct1/data/from', { headers: block, body: 'body' });
        await send('PUT', '/acct1/data/x', { headers: block, body: 'body' });
        if (operation === 'Container_Create') await send('DELETE', '/acct1/fresh?restype=container');
        else await send('PUT', '/acct1/fresh?restype=container');
      }
      const body =
        operation === 'Blob_CommitBlockList'
          ? '<BlockList/>'
          : !isCopy && (operation === 'Blob_Put' || operation === 'Blob_StageBlock')
            ? 'body'
            : undefined;
      const separator = path.includes('?') ? '&' : '?';
      looked.clear();
      const reply = await send(method, query === '' ? path : `${path}${separator}${query}=x`, {
        headers: { ...(body === undefined && method === 'PUT' ? { 'content-length': '0' } : {}), ...told, ...more },
        ...(body === undefined ? {} : { body }),
      });
      // What was refused changed nothing: most requests find all as the one before did.
      isReady = reply.status >= 300 || method === 'GET' || method === 'HEAD';
      return reply;
    };
    const what = `${operation}${isCopy ? ' as a copy' : ''}`;
    const plain = await ask({});
    assert.ok(plain.status < 300, `${what}: ${plain.status} ${codeOf(plain)}`);

    for (const header of protocolHeaders) {
      if (header in told || header === 'x-ms-copy-source') continue;
      if (header === 'x-ms-blob-type' && isCopy) continue; // makes it Put Blob From URL, which has a row of its own
      const md5 = operation === 'Blob_CommitBlockList' ? md5Base64(Buffer.from('<BlockList/>')) : undefined;
      const value = header === 'content-md5' && md5 !== undefined ? md5 : (values[header] ?? 'x');
      const reply = await ask({ ...(ofRanges.has(header) ? { range: 'bytes=0-1' } : {}), [header]: value });
      const refused = `${what} with ${header}: ${reply.status} ${codeOf(reply)}`;
      if (codeOf(reply) === 'UnsupportedHeader') {
        assert.equal(reply.status, 400, refused);
        if (method !== 'HEAD') assert.match(reply.body.toString(), new RegExp(`the header ${header}[:]`), refused);
        continue;
      }
      assert.ok(reply.status < 300, `${refused}: neither done nor refused by its name`);
      // Names of metadata are read as they were sent; and the protocol itself says that Put Block ignores this one.
      const isIgnored = operation === 'Blob_StageBlock' && header === 'x-ms-blob-content-md5';
      if (header !== 'x-ms-meta-a' && !isIgnored) assert.ok(looked.has(header), `${refused}: nothing looked at it`);
    }
    for (const parameter of protocolParameters) {
      if (path.includes(`${parameter}=`)) continue;
      const reply = await ask({}, parameter);
      if (codeOf(reply) !== 'UnsupportedQueryParameter')
        assert.ok(looked.has(`?${parameter}`), `${what} with ?${parameter}: ${reply.status}, nothing looked at it`);
    }
  }
});

test('a condition that is not met by a container leaves it and all that is in it', async (t) => {
  const { send, clock } = await openDoor(t);
  const path = '/acct1/data?restype=container';
  await send('PUT', path);
  await send('PUT', '/acct1/data/x', { headers: block, body: 'kept' });
  const lastModified = String((await send('HEAD', path)).headers['last-modified']);
  const refused: readonly (readonly [string, string, string, number, string])[] = [
    ['DELETE', path, 'if-unmodified-since', 412, date.past],
    ['DELETE', path, 'if-modified-since', 412, date.future],
    ['DELETE', path, 'if-modified-since', 412, lastModified],
    ['DELETE', path, 'if-match', 400, '"0x1"'],
    ['DELETE', path, 'if-none-match', 400, '*'],
    ['DELETE', path, 'x-ms-lease-id', 400, 'x'],
    ['DELETE', path, 'if-unmodified-since', 400, 'soon'],
    ['PUT', `${path}&comp=metadata`, 'if-modified-since', 412, date.future],
    ['PUT', `${path}&comp=metadata`, 'if-unmodified-since', 400, date.past],
    ['PUT', `${path}&comp=metadata`, 'if-match', 400, '"0x1"'],
  ];
  for (const [method, at, header, status, value] of refused) {
    const reply = await send(method, at, { headers: { [header]: value } });
    assert.equal(reply.status, status, `${method} ${at} ${header}: ${value}`);
    if (status === 412) assert.equal(codeOf(reply), 'ConditionNotMet');
  }
  assert.equal((await send('GET', '/acct1/data/x')).body.toString(), 'kept');
  clock.jump(5000);
  const set = await send('PUT', `${path}&comp=metadata`, { headers: { 'if-modified-since': date.past } });
  assert.equal(set.status, 200);
  const stale = await send('DELETE', path, { headers: { 'if-unmodified-since': lastModified } });
  assert.equal(stale.status, 412, 'it was changed since');
  const fresh = String(set.headers['last-modified']);
  assert.equal((await send('DELETE', path, { headers: { 'if-unmodified-since': fresh } })).status, 202);
});
