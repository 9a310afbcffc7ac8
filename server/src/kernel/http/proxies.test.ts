import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createProxies } from './proxies.ts';

const clientOf = createProxies(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);

test('what a trusted proxy says is believed, hop by hop from its end', () => {
  for (const [peer, header, client] of [
    ['10.0.0.1', '203.0.113.7', '203.0.113.7'],
    ['10.0.0.1', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['10.0.0.1', '203.0.113.7, 10.0.0.2,192.0.2.1', '203.0.113.7'],
    ['::ffff:10.0.0.1', '203.0.113.7', '203.0.113.7'],
    ['fd00::1', '2001:db8::7', '2001:db8::7'],
    ['10.0.0.1', '[2001:db8::7]:4711', '2001:db8::7'],
    ['10.0.0.1', '203.0.113.7:4711', '203.0.113.7'],
    ['10.0.0.1', '10.0.0.9, 10.0.0.2', '10.0.0.9'],
    ['10.0.0.1', undefined, '10.0.0.1'],
  ] as const)
    assert.equal(clientOf(peer, header), client, `${peer} ${header}`);
});

test('of anybody else nothing is believed', () => {
  for (const peer of ['203.0.113.9', '192.0.2.2', '2001:db8::1', '::1', undefined])
    assert.equal(clientOf(peer, '127.0.0.1'), peer);
  assert.equal(createProxies([])('10.0.0.1', '127.0.0.1'), '10.0.0.1');
});

test('a chain that makes no sense names the last proxy that is known, and never what is left of it', () => {
  for (const header of ['', 'unknown', '203.0.113.7, garbage', '203.0.113.7,', '10.0.0.0/8', '1.2.3', '0x7f.1', ' , ,'])
    assert.equal(clientOf('10.0.0.1', header), '10.0.0.1', header);
  assert.equal(clientOf('10.0.0.1', '203.0.113.7, nobody, 10.0.0.5'), '10.0.0.5');
  assert.equal(clientOf('10.0.0.1', `203.0.113.7${', 10.0.0.2'.repeat(5_000)}`), '10.0.0.2', 'bounded');
});

test('whatever a client writes, it cannot choose what is recorded of it', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (forged) => {
      // A proxy appends the address that it saw.
      assert.equal(clientOf('10.0.0.1', `${forged}, 203.0.113.7`), '203.0.113.7');
    }),
  );
});

test('a setting that is no range is refused by name', () => {
  for (const text of ['10.0.0.0/33', 'proxy.example.org', '10.0.0', ''])
    assert.throws(() => createProxies([text]), /trustedProxies/);
});
