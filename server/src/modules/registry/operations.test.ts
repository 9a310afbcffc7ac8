// The table of operations of the registry protocol: what is described is what is read, and a path that is near one is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTarget } from '#kernel/http/target';
import { ociOperations, ociWireOf } from './operations.rules.ts';
import { actionOf, readPath } from './paths.rules.ts';

const read = (url: string) => readPath(readTarget(url, 'localhost'));

test('every operation is read out of what clients write for it', () => {
  for (const { name, wire } of ociOperations) {
    const path = read(wire.replace('{name}', 'reg01/team/image').replaceAll(/\{\w+\}/g, 'one'));
    assert.deepEqual(path?.canonical[0], name, wire);
    assert.equal(path?.name, wire.includes('{name}') ? 'reg01/team/image' : undefined);
  }
});

test('the template of a route is written as the table says, with the names that the route has', () => {
  assert.deepEqual(
    [
      '/base',
      '/uploads/{registry}/{repository}',
      '/blobs/{registry}/{repository}/{sum}',
      '/acr/{registry}/{repository}',
    ].map((template) => ociWireOf(template).path),
    [
      '/v2/',
      '/v2/{registry}/{repository+}/blobs/uploads/',
      '/v2/{registry}/{repository+}/blobs/{sum}',
      '/acr/v1/{registry}/{repository+}',
    ],
  );
});

test('a path near an operation is none, and names no repository', () => {
  for (const url of [
    '/v2/reg01',
    '/v2/reg01/image',
    '/v2/reg01/image/blobs',
    '/v2/reg01/image/tags/all',
    '/v2/token/x',
    '/acr/v1',
    '/acr/v1/_tags',
    '/acr/v1/_catalog/x',
    '/acr/v1/reg01/image/_tags/a/b',
    '/acr/v1/reg01/image/_tags/a/_manifests',
    '/acr/v1/reg01/image/_other',
    '/oauth2',
    '/oauth2/token/x',
    '/oauth2/authorize',
  ]) {
    const path = read(url);
    assert.deepEqual(path?.canonical, ['unserved'], url);
    assert.equal(path?.name, undefined);
  }
  for (const url of ['/v3/reg01/image/tags/list', '/acr/v2/reg01', '/acr']) assert.equal(read(url), undefined, url);
});

test('what a token must list follows from the table and the method', () => {
  const asked = (url: string) =>
    ['GET', 'PATCH', 'DELETE'].map((method) => {
      const path = read(url);
      return path && actionOf(path, method);
    });
  assert.deepEqual(asked('/v2/reg01/image/manifests/v1'), ['pull', 'push', 'delete']);
  assert.deepEqual(asked('/v2/reg01/image/blobs/uploads/1'), ['push', 'push', 'push']);
  assert.deepEqual(asked('/acr/v1/reg01/image/_tags/v1'), ['metadata_read', 'metadata_write', 'delete']);
});
