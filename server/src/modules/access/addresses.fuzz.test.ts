// Addresses and ranges against Node's own parser and block list, which the product may not import here.

import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { isInRange, parseRange } from './addresses.ts';

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
