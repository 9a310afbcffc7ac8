import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { readTarget } from '#kernel/http/target';

const refused = (url: string) =>
  assert.throws(
    () => readTarget(url, 'localhost:8443'),
    (thrown: unknown) => thrown instanceof Failure && thrown.kind === 'invalid',
    url,
  );

test('a doubled leading slash is no host', () => {
  assert.deepEqual(readTarget('//subscriptions/a?x=1', 'localhost').segments, ['subscriptions', 'a']);
});

test('an absolute request target loses its scheme and host, which are those of the Host header', () => {
  const target = readTarget('https://LOCALHOST:8443/subscriptions/a', 'localhost:8443');
  assert.deepEqual(target.segments, ['subscriptions', 'a']);
  assert.equal(target.origin, 'https://localhost:8443');
  for (const url of [
    'https://any.vault.localhost:8443/secrets',
    'https://localhost/a',
    'http:///a',
    'https://x@localhost:8443/',
  ])
    refused(url);
});

test('segments are decoded once and only once', () => {
  assert.deepEqual(readTarget('/a%252e%252e/b', 'localhost').segments, ['a%2e%2e', 'b']);
});

test('dot segments, however written, control characters and broken escapes are refused', () => {
  for (const url of [
    '/a/../b',
    '/a/%2e%2e/b',
    '/a/.%2E',
    '/./a',
    '/a%00b',
    '/a%0d%0ab',
    '/a%',
    '/%zz',
    '/%ff',
    `/${'a/'.repeat(65)}`,
  ])
    refused(url);
});

test('a Host header that is not a host is refused', () => {
  for (const host of ['a b', 'a/b', 'user@host', 'a:port', 'a\r\nb']) assert.throws(() => readTarget('/', host));
});

test('query names are decoded and a repeated name keeps all values; __proto__ is a name like any other', () => {
  const { query } = readTarget('/x?api%2Dversion=7.4&a=1&a=2&__proto__=p', 'localhost');
  assert.equal(query.get('api-version'), '7.4');
  assert.deepEqual(query.all('a'), ['1', '2']);
  assert.equal(query.get('__proto__'), 'p');
  assert.equal(query.get('toString'), undefined);
  refused(`/x?${'a=1&'.repeat(1001)}`);
});

test('whatever the bytes, reading a target answers segments without dot segments or throws a Failure', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      try {
        for (const segment of readTarget(`/${text}`, 'localhost').segments)
          assert.ok(segment !== '.' && segment !== '..');
      } catch (thrown) {
        assert.ok(thrown instanceof Failure);
      }
    }),
  );
});
