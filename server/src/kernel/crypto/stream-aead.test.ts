// Sealed streams at the real segment size: agreement with Tink, and what a hostile disk may try.

import assert from 'node:assert/strict';
import { createCipheriv, hkdfSync } from 'node:crypto';
import { Readable, type Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { ownPiece, releasePiece } from '#kernel/bytes/pieces';
import { sha256Hex } from './digest.ts';
import { randomBytes } from './random.ts';
import {
  ciphertextSize,
  createStreamAead,
  openBuffer,
  openRange,
  openStream,
  plaintextSize,
  SEGMENT_BYTES,
  sealBuffer,
  sealStream,
} from './stream-aead.ts';
import { segmentCipher } from './stream-segments.ts';

const key = { bytes: Uint8Array.from({ length: 32 }, (_, index) => index) };
const ad = Buffer.from('account/container/blob/1');
const broken = { name: 'Failure', kind: 'integrity', code: 'IntegrityCheckFailed' };

/** Bytes that differ from segment to segment and are the same in every run. */
function pattern(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, index) => index * 31 + (index >> 8)));
}

async function through(transform: Transform, input: Uint8Array, pieceBytes = 65_536): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let from = 0; from < input.length; from += pieceBytes) pieces.push(input.subarray(from, from + pieceBytes));
  const [, output] = await Promise.all([pipeline(Readable.from(pieces), transform), buffer(transform)]);
  return output;
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<readonly Uint8Array[]> {
  const collected: Uint8Array[] = [];
  for await (const piece of pieces) collected.push(piece);
  return collected;
}

// Data produced by Tink's Python implementation (tink 1.16.1): AesGcmHkdfStreamingKey with SHA-256, a
// derived key of 32 bytes, segments of 1,048,576 bytes, key value 00 01 … 1f, associated data
// 'account/container/blob/1', plaintext 'Strongroom opens elsewhere'.
const TINK_SMALL =
  '283eba02d12d25d38c92f91763fcda14154d7eaed2f27634b621211330f12f083d61d70c974def6e585ffe79d624e3d93436' +
  '45c85955ed82fc14bf3eee87613e62294baab2c9fb702d534dcd03b7e24a7b05';

// The same implementation and key, associated data 'account/container/blob/2', plaintext
// pattern(2 MiB + 12,345): header and SHA-256 of a ciphertext of three segments.
const TINK_LARGE_HEADER = '28ececff8c4b0af9f3abf575891e27ea8208a3118bb432a3736120f8598915d657fb1bbd48e94ffd';
const TINK_LARGE_SHA256 = 'a56fd9a6a683fd142fe902efa8d5c51cfcc2d3b849156c3585b20d2c44572fbf';

test('a ciphertext that Tink made opens', async () => {
  const sealed = Buffer.from(TINK_SMALL, 'hex');
  assert.equal(Buffer.from(openBuffer(key, ad, sealed)).toString(), 'Strongroom opens elsewhere');
  assert.equal((await through(openStream(key, ad), sealed, 7)).toString(), 'Strongroom opens elsewhere');
});

test('three segments under the header that Tink drew are the bytes that Tink made', async () => {
  const plaintext = pattern(2 * SEGMENT_BYTES + 12_345);
  const associatedData = Buffer.from('account/container/blob/2');
  const cipher = segmentCipher(key.bytes, associatedData, Buffer.from(TINK_LARGE_HEADER, 'hex'));
  const first = SEGMENT_BYTES - 56;
  const second = first + SEGMENT_BYTES - 16;
  const sealed = Buffer.concat([
    cipher.header,
    ...cipher.seal(0, false, plaintext.subarray(0, first)),
    ...cipher.seal(1, false, plaintext.subarray(first, second)),
    ...cipher.seal(2, true, plaintext.subarray(second)),
  ]);
  assert.equal(sha256Hex(sealed), TINK_LARGE_SHA256);
  assert.deepEqual(await through(openStream(key, associatedData), sealed), plaintext);
});

test('the stream key is HKDF as the platform computes it', () => {
  const header = Buffer.concat([Uint8Array.of(40), randomBytes(39)]);
  const streamKey = new Uint8Array(hkdfSync('sha256', key.bytes, header.subarray(1, 33), ad, 32));
  const nonce = Buffer.concat([header.subarray(33), Uint8Array.of(0, 0, 0, 0, 1)]);
  const cipher = createCipheriv('aes-256-gcm', streamKey, nonce);
  const segment = Buffer.concat([cipher.update('by hand'), cipher.final(), cipher.getAuthTag()]);
  assert.equal(Buffer.from(openBuffer(key, ad, Buffer.concat([header, segment]))).toString(), 'by hand');
});

test('sizes around every boundary come back equal, as stream and as buffer', async () => {
  const first = SEGMENT_BYTES - 56;
  const full = SEGMENT_BYTES - 16;
  for (const size of [0, 1, first - 1, first, first + 1, first + full, first + full + 1]) {
    const plaintext = pattern(size);
    const sealed = await through(sealStream(key, ad), plaintext);
    assert.equal(sealed.length, ciphertextSize(size));
    assert.equal(plaintextSize(sealed.length), size);
    assert.deepEqual(await through(openStream(key, ad), sealed), plaintext);
    assert.deepEqual(Buffer.from(openBuffer(key, ad, sealed)), plaintext);
    assert.deepEqual(await through(openStream(key, ad), sealBuffer(key, ad, plaintext)), plaintext);
  }
});

test('one write of many segments lets other work run in between', async () => {
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await through(sealStream(key, ad), new Uint8Array(8 * SEGMENT_BYTES), 8 * SEGMENT_BYTES);
  isDone = true;
  assert.ok(turns >= 7, `${turns} turns of the event loop`);
});

test('a writer may reuse its buffer once it is called back', async () => {
  const stream = sealStream(key, ad);
  const reading = buffer(stream);
  const reused = Buffer.alloc(10);
  for (const letter of ['a', 'b', 'c']) {
    reused.fill(letter);
    await new Promise<void>((resolve) => stream.write(reused, () => resolve()));
  }
  stream.end();
  const opened = openBuffer(key, ad, await reading);
  assert.equal(Buffer.from(opened).toString(), `${'a'.repeat(10)}${'b'.repeat(10)}${'c'.repeat(10)}`);
});

test('truncation at a segment boundary, a missing segment and a repeated one do not open', async () => {
  const sealed = sealBuffer(key, ad, pattern(3 * SEGMENT_BYTES));
  const segment = (index: number) => sealed.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);
  const attacks = {
    'last segment cut': Buffer.concat([segment(0), segment(1), segment(2)]),
    'cut to the first segment': segment(0),
    'middle segment missing': Buffer.concat([segment(0), segment(2), segment(3)]),
    'segments reordered': Buffer.concat([segment(0), segment(2), segment(1), segment(3)]),
    'segment repeated': Buffer.concat([segment(0), segment(1), segment(1), segment(2), segment(3)]),
    'extended by its own last segment': Buffer.concat([sealed, segment(3)]),
    'extended by a byte': Buffer.concat([sealed, Uint8Array.of(0)]),
    'header only': sealed.subarray(0, 40),
    nothing: new Uint8Array(),
  };
  for (const [name, attack] of Object.entries(attacks)) {
    await assert.rejects(through(openStream(key, ad), attack), broken, name);
    assert.throws(() => openBuffer(key, ad, attack), broken, name);
  }
});

test('another key, other associated data and a foreign header do not open', async () => {
  const sealed = sealBuffer(key, ad, pattern(100));
  const other = sealBuffer(key, ad, pattern(100));
  const swapped = Buffer.concat([other.subarray(0, 40), sealed.subarray(40)]);
  assert.throws(() => openBuffer({ bytes: randomBytes(32) }, ad, sealed), broken);
  assert.throws(() => openBuffer(key, Buffer.from('account/container/blob/2'), sealed), broken);
  assert.throws(() => openBuffer(key, ad, swapped), broken);
  await assert.rejects(through(openStream(key, ad), swapped), broken);
  assert.throws(() => sealBuffer({ bytes: randomBytes(16) }, ad, sealed), { kind: 'invalid' });
});

test('a wrong last segment of nothing, which no sealer writes, does not open', async () => {
  const cipher = segmentCipher(key.bytes, ad, Buffer.concat([Uint8Array.of(40), randomBytes(39)]));
  const first = cipher.seal(0, false, pattern(SEGMENT_BYTES - 56));
  const sealed = Buffer.concat([cipher.header, ...first, ...cipher.seal(1, true, new Uint8Array())]);
  await assert.rejects(through(openStream(key, ad), sealed), broken);
  assert.throws(() => openBuffer(key, ad, sealed), broken);
});

test('nothing of a segment comes out before the whole segment is authentic', async () => {
  const sealed = sealBuffer(key, ad, pattern(SEGMENT_BYTES + 1000));
  sealed[SEGMENT_BYTES + 5] = (sealed[SEGMENT_BYTES + 5] ?? 0) ^ 1;
  let received = 0;
  await assert.rejects(
    pipeline(Readable.from([sealed]), openStream(key, ad), async (pieces: AsyncIterable<Uint8Array>) => {
      for await (const piece of pieces) received += piece.length;
    }),
    broken,
  );
  assert.equal(received <= SEGMENT_BYTES - 56, true);
});

test('a range reads only its own segments', async () => {
  const plaintext = pattern(4 * SEGMENT_BYTES);
  const sealed = sealBuffer(key, ad, plaintext);
  const reads: [number, number][] = [];
  const read = async (offset: number, length: number) => {
    reads.push([offset, length]);
    return sealed.subarray(offset, offset + length);
  };
  const start = 2 * SEGMENT_BYTES;
  const range = { key, associatedData: ad, ciphertextSize: sealed.length, read, start, endInclusive: start + 9 };
  const pieces = await collect(openRange(range));
  assert.deepEqual(Buffer.concat(pieces), plaintext.subarray(start, start + 10));
  assert.deepEqual(reads, [
    [0, 40],
    [2 * SEGMENT_BYTES, SEGMENT_BYTES],
  ]);
});

test('a range is whole, whoever gives the memory of a piece back before he asks for the next one', async () => {
  const plaintext = pattern(2 * SEGMENT_BYTES);
  const sealed = sealBuffer(key, ad, plaintext);
  const read = async (offset: number, length: number) => sealed.subarray(offset, offset + length);
  const [start, endInclusive] = [1_000, SEGMENT_BYTES + 300_000];
  const range = { key, associatedData: ad, ciphertextSize: sealed.length, read, start, endInclusive };
  const copies: Uint8Array[] = [];
  for await (const piece of openRange(range)) {
    copies.push(Uint8Array.from(piece));
    releasePiece(ownPiece(piece));
  }
  assert.ok(Buffer.concat(copies).equals(plaintext.subarray(start, endInclusive + 1)));
});

test('a range finds truncation, because the size is kept elsewhere', async () => {
  const aead = createStreamAead(128);
  const sealed = aead.sealBuffer(key, ad, pattern(500));
  const cut = sealed.subarray(0, 256);
  const read = async (offset: number, length: number) => cut.subarray(offset, offset + length);
  const range = { key, associatedData: ad, read, start: 100, endInclusive: 150 };
  // With the size in the database the missing part is missed; with the size of the file the last segment is not last.
  await assert.rejects(collect(aead.openRange({ ...range, ciphertextSize: sealed.length, endInclusive: 499 })), broken);
  await assert.rejects(collect(aead.openRange({ ...range, ciphertextSize: cut.length })), broken);
});

test('ranges outside the data and impossible sizes are refused', async () => {
  const aead = createStreamAead(128);
  const sealed = aead.sealBuffer(key, ad, pattern(300));
  const read = async (offset: number, length: number) => sealed.subarray(offset, offset + length);
  const open = (start: number, endInclusive: number) =>
    collect(aead.openRange({ key, associatedData: ad, ciphertextSize: sealed.length, read, start, endInclusive }));
  await assert.rejects(open(0, 300), { kind: 'rangeNotSatisfiable' });
  for (const [start, end] of [
    [5, 4],
    [-1, 4],
    [0.5, 4],
    [0, Number.NaN],
  ] as const) {
    await assert.rejects(open(start, end), { kind: 'invalid' });
  }
  for (const size of [0, 55, 129, 144]) assert.throws(() => aead.plaintextSize(size), broken);
  assert.equal(aead.plaintextSize(145), 73);
});

test('a watcher sees the plaintext whole, and one that takes its time sees no byte change under it', async () => {
  const plaintext = pattern(3 * SEGMENT_BYTES + 5);
  const seen: Buffer[] = [];
  const watch = async (piece: Uint8Array) => {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(Buffer.from(piece));
  };
  const sealed = await through(sealStream(key, ad, watch), plaintext);
  assert.deepEqual(Buffer.concat(seen), plaintext);
  assert.deepEqual(Buffer.from(openBuffer(key, ad, sealed)), plaintext);
});

test('what a watcher throws, now or later, fails the stream', async () => {
  const now = () => {
    throw new Error('seen enough');
  };
  const later = async () => now();
  for (const watch of [now, later]) {
    for (const size of [10, 3 * SEGMENT_BYTES]) {
      await assert.rejects(through(sealStream(key, ad, watch), pattern(size)), /seen enough/);
    }
  }
});
