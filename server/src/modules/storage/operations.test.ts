// The table of operations of the blob protocol: what a request is read as, and that what is described is what is read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTarget } from '#kernel/http/target';
import { blobOperations, blobWireOf, operationOf } from './operations.rules.ts';

const read = (url: string) => {
  const target = readTarget(url, 'localhost');
  return operationOf(target.segments.length, target);
};

test('every operation is read out of what clients write for it', () => {
  const templates = {
    account: '/{account}',
    container: '/{account}/{container}',
    blob: '/{account}/{container}/{blob+}',
  };
  for (const { name, at } of blobOperations) {
    const { path, query } = blobWireOf(`/${name}${templates[at]}`);
    assert.equal(path, templates[at]);
    const url = path.replaceAll(/\{\w+\+?\}/g, 'name');
    assert.equal(read(`${url}?${new URLSearchParams(query)}`), name);
  }
});

test('one set of words at one depth is one operation', () => {
  const made = blobOperations.map(({ at, when }) => `${at} ${JSON.stringify({ restype: '', comp: '', ...when })}`);
  assert.equal(new Set(made).size, made.length);
});

test('a word that makes another operation, or none, is never read past', () => {
  for (const url of [
    '/account',
    '/account?restype=service&comp=list',
    '/account?restype=account&comp=properties',
    '/account/container',
    '/account/container?comp=list',
    '/account/container?restype=container&comp=acl',
    '/account/container?restype=container&comp=',
    '/account/container/blob?restype=container',
    '/account/container/blob?comp=lease',
    '/account/container/blob?comp=BLOCK',
    '/account/container/blob?comp=',
    '/account/container/blob?snapshot=2024-01-01T00:00:00Z',
    '/account/container/blob?versionid=1&comp=metadata',
    '/account/container?restype=container&snapshot=x',
  ])
    assert.equal(read(url), 'unserved', url);
  // Deep names are blobs, whatever words they hold.
  assert.equal(read('/account/container/a/b/list?comp=metadata'), 'metadata');
});
