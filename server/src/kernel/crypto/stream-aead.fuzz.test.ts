// Properties of sealed streams, with segments of 64 bytes so that every case crosses many boundaries.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { randomBytes } from './random.ts';
import { createStreamAead } from './stream-aead.ts';

const SEGMENT = 64;
const aead = createStreamAead(SEGMENT);
const key = { bytes: randomBytes(32) };
// `size: 'max'`, or the generator would stop at ten bytes and never leave the first segment.
const plaintexts = fc.uint8Array({ maxLength: 400, size: 'max' });
const associated = fc.uint8Array({ maxLength: 2000, size: 'max' });

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<readonly Uint8Array[]> {
  const collected: Uint8Array[] = [];
  for await (const piece of pieces) collected.push(piece);
  return collected;
}

test('however the input is cut, it comes back, and sizes are as computed', async () => {
  await fc.assert(
    fc.asyncProperty(plaintexts, associated, fc.integer({ min: 1, max: 130 }), async (plaintext, ad, step) => {
      const cut = (bytes: Uint8Array) => {
        const pieces: Uint8Array[] = [];
        for (let from = 0; from < bytes.length; from += step) pieces.push(bytes.subarray(from, from + step));
        return Readable.from(pieces);
      };
      const sealed = await buffer(cut(plaintext).pipe(aead.sealStream(key, ad)));
      assert.equal(sealed.length, aead.ciphertextSize(plaintext.length));
      assert.equal(aead.plaintextSize(sealed.length), plaintext.length);
      const opened = await buffer(cut(sealed).pipe(aead.openStream(key, ad)));
      assert.equal(Buffer.compare(opened, plaintext), 0);
      assert.deepEqual(aead.openBuffer(key, ad, sealed), plaintext);
    }),
  );
});

test('every range equals the same slice of the plaintext', async () => {
  const ranges = fc
    .uint8Array({ minLength: 1, maxLength: 400, size: 'max' })
    .chain((bytes) => fc.tuple(fc.constant(bytes), fc.nat(bytes.length - 1), fc.nat(bytes.length - 1)));
  await fc.assert(
    fc.asyncProperty(ranges, async ([plaintext, a, b]) => {
      const sealed = aead.sealBuffer(key, new Uint8Array(), plaintext);
      const [start, endInclusive] = a < b ? [a, b] : [b, a];
      const pieces = await collect(
        aead.openRange({
          key,
          associatedData: new Uint8Array(),
          ciphertextSize: sealed.length,
          read: async (offset, length) => sealed.subarray(offset, offset + length),
          start,
          endInclusive,
        }),
      );
      assert.equal(Buffer.compare(Buffer.concat(pieces), plaintext.subarray(start, endInclusive + 1)), 0);
    }),
  );
});

test('every flipped byte and every truncation of a stream of four segments is found', async () => {
  const ad = Buffer.from('place');
  const sealed = aead.sealBuffer(key, ad, randomBytes(150));
  const attempts: Uint8Array[] = [];
  for (let index = 0; index < sealed.length; index++) {
    const changed = Uint8Array.from(sealed);
    changed[index] = (changed[index] ?? 0) ^ (1 << (index % 8));
    attempts.push(changed, sealed.subarray(0, index));
  }
  for (const attempt of attempts) {
    assert.throws(() => aead.openBuffer(key, ad, attempt), { kind: 'integrity' });
    await assert.rejects(buffer(Readable.from([attempt]).pipe(aead.openStream(key, ad))), { kind: 'integrity' });
  }
});

test('no other arrangement of segments, of one stream or two, opens', () => {
  const ad = Buffer.from('place');
  const one = aead.sealBuffer(key, ad, randomBytes(150));
  const two = aead.sealBuffer(key, ad, randomBytes(150));
  const segments = [one, two].flatMap((sealed) =>
    Array.from({ length: Math.ceil(sealed.length / SEGMENT) }, (_, index) =>
      sealed.subarray(index * SEGMENT, (index + 1) * SEGMENT),
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.nat(segments.length - 1), { maxLength: 6 }), (order) => {
      const arranged = Buffer.concat(order.map((index) => segments[index] ?? new Uint8Array()));
      if (arranged.equals(one) || arranged.equals(two)) return;
      assert.throws(() => aead.openBuffer(key, ad, arranged), { kind: 'integrity' });
    }),
    { numRuns: 2000 },
  );
});

test('arbitrary bytes never open and never throw anything but a failure', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), fc.boolean(), (bytes, hasHeader) => {
      if (hasHeader && bytes.length > 0) bytes[0] = 40;
      assert.throws(
        () => aead.openBuffer(key, new Uint8Array(), bytes),
        (error) => error instanceof Failure && error.kind === 'integrity',
      );
    }),
    { numRuns: 1000 },
  );
});
