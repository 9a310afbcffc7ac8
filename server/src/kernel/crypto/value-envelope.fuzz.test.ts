// Properties of envelopes: what is sealed opens, nothing else does, no two places share an encoding.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { encodeAssociated } from './envelope.ts';
import { randomBytes, randomUuid } from './random.ts';
import { openValue, type Place, sealValue } from './value-envelope.ts';

const key = { id: randomUuid(), bytes: randomBytes(32) };
const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => value.isWellFormed());
const places: fc.Arbitrary<Place> = fc.record({ table: text, row: text, column: text, version: fc.maxSafeNat() });

test('a value opens in its own place and in no other', () => {
  fc.assert(
    fc.property(places, places, fc.uint8Array({ maxLength: 300, size: 'max' }), (place, other, plaintext) => {
      const envelope = sealValue(key, place, plaintext);
      assert.deepEqual(
        openValue(() => key, place, envelope),
        plaintext,
      );
      if (JSON.stringify(place) !== JSON.stringify(other)) {
        assert.throws(() => openValue(() => key, other, envelope), { kind: 'integrity' });
      }
    }),
  );
});

test('different lists of names never encode alike', () => {
  const lists = fc.array(fc.constantFrom('', 'a', 'ab', 'b', '\0', '\0\0\0\u0001'), { maxLength: 4 });
  fc.assert(
    fc.property(lists, lists, (a, b) => {
      const isSame = JSON.stringify(a) === JSON.stringify(b);
      assert.equal(Buffer.compare(encodeAssociated(a), encodeAssociated(b)) === 0, isSame);
    }),
    { numRuns: 2000 },
  );
});

test('arbitrary bytes never open and never throw anything but a failure', () => {
  const place = { table: 't', row: 'r', column: 'c', version: 0 };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200, size: 'max' }), fc.boolean(), (bytes, hasVersion) => {
      if (hasVersion && bytes.length > 0) bytes[0] = 1;
      assert.throws(
        () => openValue(() => key, place, bytes),
        (error) => error instanceof Failure && error.kind === 'integrity',
      );
    }),
    { numRuns: 1000 },
  );
});
