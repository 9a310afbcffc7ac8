// Addresses and ranges against Node's own parser and block list.

import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressKeys, isInRange, parseRange } from './addresses.ts';

const mapped = /^(?:::|0*:0*:0*:0*:0*:)ffff:/i;
const almost = fc.string({ unit: fc.constantFrom(...'01259afF:./%'), maxLength: 24 });
const address = fc.oneof(fc.ipV4(), fc.ipV6());

test('what is an address is decided as Node decides it', () => {
  fc.assert(
    fc.property(fc.oneof(address, almost), (text) => {
      if (text.includes('/') || text.includes('%')) return;
      assert.equal(parseRange(text) !== undefined, isIP(text) !== 0, text);
    }),
    { numRuns: 20_000 },
  );
});

test('what is in a range is decided as Node decides it', () => {
  const near = fc.record({ base: address, length: fc.nat(128), other: address, same: fc.boolean() });
  fc.assert(
    fc.property(near, ({ base, length, other, same }) => {
      const family = isIP(base);
      const prefixLength = family === 4 ? length % 33 : length;
      const range = parseRange(`${base}/${prefixLength}`);
      // Node keeps a mapped address in the other family; here it is IPv4, which the test below holds.
      if (mapped.test(base) || mapped.test(other)) return;
      assert.ok(range, base);
      const list = new BlockList();
      list.addSubnet(base, prefixLength, family === 4 ? 'ipv4' : 'ipv6');
      const asked = same ? base : other;
      // Node puts every IPv4 address into ::/0 as well; here families do not mix, which is the narrower reading.
      if (isIP(asked) !== family) return assert.equal(isInRange(asked, range), false);
      assert.equal(
        isInRange(asked, range),
        list.check(asked, isIP(asked) === 4 ? 'ipv4' : 'ipv6'),
        `${asked} in ${base}/${prefixLength}`,
      );
    }),
    { numRuns: 20_000 },
  );
});

test('an IPv4 peer of a dual-stack socket is IPv4, a zone is no part of an address', () => {
  const range = parseRange('192.0.2.0/24');
  const local = parseRange('fe80::/10');
  assert.ok(range && local);
  assert.ok(isInRange('::ffff:192.0.2.9', range));
  assert.ok(isInRange('::FFFF:c000:0209', range));
  assert.ok(!isInRange('::ffff:192.0.3.9', range));
  assert.ok(isInRange('fe80::1%eth0', local));
  for (const bad of [
    '',
    '192.0.2.0/33',
    '192.0.2.010',
    '1.2.3',
    '::/129',
    ':::',
    '1::2::3',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    'x'.repeat(100),
  ])
    assert.equal(parseRange(bad), undefined, bad);
});

test('what limits count by is the IPv4 address, or the /64 and the /48 of IPv6, however it is spelled', () => {
  assert.deepEqual(addressKeys('192.0.2.7'), { near: '192.0.2.7', wide: undefined });
  assert.deepEqual(addressKeys('::ffff:192.0.2.7'), { near: '192.0.2.7', wide: undefined });
  assert.deepEqual(addressKeys('64:ff9b::c000:207'), { near: '192.0.2.7', wide: undefined });
  const site = { near: '2001:db8:1:2::/64', wide: '2001:db8:1::/48' };
  for (const one of ['2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:0db8:0001:0002:0:0:10.0.0.1'])
    assert.deepEqual(addressKeys(one), site);
  assert.deepEqual(addressKeys('fe80::1%eth0'), addressKeys('fe80::2'));
  for (const none of [undefined, '', 'localhost', '1.2.3', 'x'.repeat(100)])
    assert.deepEqual(addressKeys(none), { near: 'unknown', wide: undefined });
});

test('two addresses of IPv6 have one key exactly when they share a network', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV6(), fc.constantFrom(48, 64), (one, other, length) => {
      if (isIP(one) !== 6 || mapped.test(one) || mapped.test(other) || one.startsWith('64:')) return;
      const range = parseRange(`${one}/${length}`);
      assert.ok(range);
      const [a, b] = [addressKeys(one), addressKeys(other)];
      const same = length === 64 ? a.near === b.near : a.wide === b.wide;
      assert.equal(same, isInRange(other, range), `${one} ${other}`);
    }),
    { numRuns: 5_000 },
  );
});
