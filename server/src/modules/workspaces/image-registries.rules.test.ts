// Which registries images may come from: what is said, how narrow it is, and what is no pattern.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  alsoOf,
  isCovered,
  type RegistryPattern,
  type RegistryRule,
  readRegistryPattern,
  readRegistryRule,
  registryClosed,
} from './image-registries.rules.ts';

const pattern = (text: string): RegistryPattern => {
  const read = readRegistryPattern(text);
  assert.ok(typeof read !== 'string', String(read));
  return read;
};
const rule = (text: string): RegistryRule => {
  const read = readRegistryRule(text);
  assert.ok(typeof read !== 'string', String(read));
  return read;
};

test('a pattern names one host exactly, and a repository or what lies below a prefix', () => {
  const of = (text: string, host: string, repository: string) =>
    registryClosed([pattern(text)], [pattern(text)], { host, repository }) === undefined;
  assert.ok(of('ghcr.io', 'ghcr.io', 'a/b'));
  assert.ok(of('ghcr.io/a/*', 'ghcr.io', 'a/b/c'));
  assert.ok(of('ghcr.io/a/b', 'ghcr.io', 'a/b'));
  assert.ok(of('registry.example:5000', 'registry.example:5000', 'a'));
  for (const [text, host, repository] of [
    ['ghcr.io', 'x.ghcr.io', 'a'],
    ['ghcr.io', 'ghcr.io.evil.example', 'a'],
    ['ghcr.io', 'ghcr.io:8443', 'a'],
    ['registry.example:5000', 'registry.example', 'a'],
    ['ghcr.io/a/*', 'ghcr.io', 'a'],
    ['ghcr.io/a/*', 'ghcr.io', 'ab/c'],
    ['ghcr.io/a/b', 'ghcr.io', 'a/b/c'],
    ['ghcr.io/a/b', 'ghcr.io', 'a/bc'],
  ] as const)
    assert.ok(!of(text, host, repository), `${text} ${host}/${repository}`);
});

test('both must say so, and the operator is asked first', () => {
  const image = { host: 'ghcr.io', repository: 'a/b' };
  const all = [pattern('ghcr.io')];
  assert.equal(registryClosed([], all, image), 'byOperator');
  assert.equal(registryClosed(all, [], image), 'byWorkspace');
  assert.equal(registryClosed(all, [pattern('ghcr.io/b/*')], image), 'byWorkspace');
  assert.equal(registryClosed(all, [pattern('ghcr.io/a/*')], image), undefined);
});

test('a workspace says no more than its operator', () => {
  const by = [pattern('ghcr.io/a/*'), pattern('mcr.microsoft.com'), pattern('quay.io/one')];
  for (const text of [
    'ghcr.io/a/*',
    'ghcr.io/a/b/*',
    'ghcr.io/a/b',
    'mcr.microsoft.com',
    'mcr.microsoft.com/x',
    'quay.io/one',
  ])
    assert.ok(isCovered(pattern(text), by), text);
  for (const text of ['ghcr.io', 'ghcr.io/a', 'ghcr.io/*', 'quay.io', 'quay.io/one/*', 'quay.io/two', 'docker.io'])
    assert.ok(typeof readRegistryPattern(text) === 'string' || !isCovered(pattern(text), by), text);
});

test('what is no host and no repository is refused in words', () => {
  for (const text of [
    '',
    '*',
    '*.ghcr.io',
    'GHCR.io',
    'ghcr',
    'https://ghcr.io',
    'ghcr.io/',
    'ghcr.io/*',
    'ghcr.io/a*',
    'ghcr.io/a:v1',
    'ghcr.io/../b',
    'user@ghcr.io',
    'ghcr.io:0',
    '[::1]:5000',
    'ghcr.io.',
    `${'a'.repeat(120)}.io`,
    `ghcr.io/${'a/'.repeat(120)}b`,
  ])
    assert.equal(typeof readRegistryPattern(text), 'string', text);
  for (const text of ['ghcr.io=', 'ghcr.io=a', 'ghcr.io=a.io=b.io', 'ghcr.io=a.io,,b.io', 'ghcr.io=https://a.io'])
    assert.equal(typeof readRegistryRule(text), 'string', text);
});

test('hosts beside a registry are those of the rules that cover the image', () => {
  const rules = [rule('ghcr.io/a/*=cdn.example,other.example:444'), rule('ghcr.io/b'), rule('quay.io=q.example')];
  assert.deepEqual(alsoOf(rules, { host: 'ghcr.io', repository: 'a/x' }), ['cdn.example', 'other.example:444']);
  assert.deepEqual(alsoOf(rules, { host: 'ghcr.io', repository: 'b' }), []);
});
