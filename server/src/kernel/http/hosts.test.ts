import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { createHosts } from './hosts.ts';

const hosts = createHosts({ domain: 'ml.example.org', listensOn: '0.0.0.0', aliases: ['strongroom.corp'] });
const believes = (host: string, local = '192.0.2.9') => {
  try {
    hosts.check(host, local);
    return true;
  } catch (error) {
    assert.ok(error instanceof Failure && error.status === 421);
    assert.ok(!error.message.includes('evil'), 'the name is not echoed');
    return false;
  }
};

test('configured names, what is below them, loopback and the address of the connection are believed, with any port', () => {
  for (const host of [
    '',
    'ml.example.org',
    'ml.example.org:8443',
    'ML.example.org'.toLowerCase(),
    'v1.vault.ml.example.org',
    'a.blob.storage.ml.example.org:443',
    'strongroom.corp',
    'x.vault.strongroom.corp',
    'localhost:9999',
    'a.blob.storage.localhost',
    '127.0.0.1:8443',
    '127.9.9.9',
    '[::1]:8443',
    '192.0.2.9',
    '192.0.2.9:8443',
  ])
    assert.equal(believes(host), true, host);
  assert.equal(believes('192.0.2.9', '::ffff:192.0.2.9'), true, 'a dual-stack socket');
  assert.equal(believes('[2001:db8::5]:8443', '2001:db8::5'), true);
});

test('any other name or address is not', () => {
  for (const host of [
    'evil.example',
    'evil.example:8443',
    'ml.example.org.evil.example',
    'evilml.example.org',
    'example.org',
    'localhost.evil.example',
    '192.0.2.8',
    '0.0.0.0',
    '10.0.0.1',
    '[2001:db8::5]',
    '127.0.0.1.evil.example',
  ])
    assert.equal(believes(host), false, host);
});
