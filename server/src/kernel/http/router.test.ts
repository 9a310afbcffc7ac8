import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { empty, open, type Route, route, unrecorded } from '#kernel/http/route';
import { createRouter } from '#kernel/http/router';

const make = (method: Route['method'], path: string): Route =>
  route({
    operation: `${method} ${path}`,
    surface: 's',
    method,
    path,
    summary: path,
    access: open('routes of this test'),
    audit: unrecorded('test'),
    handle: () => empty(200),
  });

const routerOf = (ignoresCase: boolean, ...routes: readonly Route[]) =>
  createRouter({ name: 's', ignoresCase }, routes);
const split = (path: string) => path.split('/').slice(1);

test('the most literal template wins', () => {
  const router = routerOf(
    true,
    make('GET', '/{scope+}/providers/Microsoft.Authorization/roleAssignments/{name}'),
    make('GET', '/subscriptions/{s}/providers/{ns}/{t}/{name}'),
  );
  assert.equal(
    router.match('GET', split('/subscriptions/a/providers/x/y/z')).route.operation,
    'GET /subscriptions/{s}/providers/{ns}/{t}/{name}',
  );
  const found = router.match(
    'GET',
    split('/subscriptions/a/resourceGroups/g/providers/Ns/t/n/providers/microsoft.authorization/roleassignments/r'),
  );
  assert.deepEqual(found.params, { scope: 'subscriptions/a/resourceGroups/g/providers/Ns/t/n', name: 'r' });
});

test('literals keep their case where the surface says so', () => {
  const router = routerOf(false, make('GET', '/v2/{name+}/blobs/{digest}'));
  assert.throws(
    () => router.match('GET', split('/V2/a/blobs/d')),
    (thrown: unknown) => thrown instanceof Failure && thrown.kind === 'notFound',
  );
  assert.deepEqual(router.match('GET', split('/v2/a/b/c/blobs/d')).params, { name: 'a/b/c', digest: 'd' });
});

test('an optional last segment may be absent', () => {
  const router = routerOf(true, make('GET', '/secrets/{name}/{version?}'));
  assert.deepEqual(router.match('GET', split('/secrets/a')).params, { name: 'a' });
  assert.deepEqual(router.match('GET', split('/secrets/a/b')).params, { name: 'a', version: 'b' });
});

test('a decoded slash or backslash never passes for one segment', () => {
  const router = routerOf(true, make('GET', '/groups/{name}'));
  for (const name of ['a/b', 'a\\b', '']) assert.throws(() => router.match('GET', ['groups', name]), Failure);
});

test('a wrong method says which ones are right; HEAD is served by GET', () => {
  const router = routerOf(true, make('GET', '/x'), make('PUT', '/x'));
  assert.throws(
    () => router.match('DELETE', ['x']),
    (thrown: unknown) =>
      thrown instanceof Failure && thrown.kind === 'methodNotAllowed' && thrown.headers['allow'] === 'GET, PUT',
  );
  assert.equal(router.match('HEAD', ['x']).route.method, 'GET');
});

test('two routes of one method and path are refused at start', () => {
  assert.throws(() => routerOf(true, make('GET', '/x/{a}'), make('GET', '/X/{a}')), /both serve/);
});

test('a path made to backtrack ends at once', () => {
  const router = routerOf(true, make('GET', '/{a+}/p/{b+}/p/{c+}/p/{d+}/q'));
  assert.throws(
    () =>
      router.match(
        'GET',
        Array.from({ length: 64 }, () => 'p'),
      ),
    Failure,
  );
});
