// One value, one spelling: RFC 8785 on the cases that its text names, and on anything.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from './canonical.rules.ts';

test('names are sorted by UTF-16 code units, and numbers and strings are written as JavaScript writes them', () => {
  const names = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
  const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33'];
  const written = canonicalJson(names);
  const places = sorted.map((name) => written.indexOf(JSON.stringify(name)));
  assert.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
  assert.equal(
    canonicalJson([JSON.parse('333333333.33333329'), 1e30, 4.5, 2e-3, 1e-27, -0]),
    '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]',
  );
  assert.equal(canonicalJson('\u20ac$\u000f\nA\'B"\\"/'), '"€$\\u000f\\nA\'B\\"\\\\\\"/"');
  assert.equal(canonicalJson({ b: [true, null, {}], a: [] }), '{"a":[],"b":[true,null,{}]}');
});

test('what JSON cannot hold is refused', () => {
  let deep: unknown = 1;
  for (let level = 0; level < 20; level++) deep = [deep];
  for (const value of [undefined, Number.NaN, Infinity, 1n, '\ud800', { '\udc00': 1 }, { a: undefined }, () => 1, deep])
    assert.throws(() => canonicalJson(value), TypeError);
});

test('any value survives, and the order in which names were added does not show', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const written = canonicalJson(value);
      assert.equal(canonicalJson(JSON.parse(written)), written);
      assert.deepEqual(JSON.parse(written), JSON.parse(JSON.stringify(value)));
    }),
  );
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(fc.string(), fc.integer()), { selector: ([name]) => name }), (members) => {
      const [one, other] = [members, members.toReversed()].map((list) => canonicalJson(Object.fromEntries(list)));
      assert.equal(one, other);
    }),
  );
});
