// Files of a snapshot in blobs: each comes back as it was, wherever the edges of packs and of small files lie.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { sha256Hex } from '#kernel/crypto/digest';
import { createPacker } from './packs.service.ts';

const small = 256 * 1024;

function openBlobs() {
  const blobs: Buffer[] = [];
  const packer = createPacker(async (content) => {
    const bytes = content instanceof Uint8Array ? Buffer.from(content) : Buffer.concat(await content.toArray());
    blobs.push(bytes);
    return { blob: String(blobs.length - 1), size: bytes.length, sha256: sha256Hex(bytes) };
  });
  return { blobs, packer };
}
/** In pieces whose memory is used again, as streams do. */
async function* pieces(bytes: Buffer, size: number) {
  const piece = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.copy(piece, 0, at, at + size);
    yield piece.subarray(0, part);
  }
}

test('every file comes back by its blob, its place and its size, with its digest', async () => {
  const sizes = fc.oneof(fc.nat(100), fc.integer({ min: small - 2, max: small + 2 }), fc.constantFrom(0, 1, 600_000));
  await fc.assert(
    fc.asyncProperty(
      fc.array(sizes, { maxLength: 40 }),
      fc.integer({ min: 1000, max: 300_000 }),
      async (all, piece) => {
        const { blobs, packer } = openBlobs();
        const sent = all.map((size, index) => Buffer.alloc(size, index + 1));
        await Promise.all(
          sent.map((bytes, index) =>
            packer.add(`f${index}`, Readable.from(pieces(bytes, piece), { objectMode: false, highWaterMark: 1 })),
          ),
        );
        const files = await packer.end();
        assert.equal(files.length, all.length);
        for (const { path, blob, start, size, sha256 } of files) {
          const bytes = blobs[Number(blob)]?.subarray(start, start + size);
          const wanted = sent[Number(path.slice(1))];
          assert.ok(bytes && wanted && bytes.equals(wanted), path);
          assert.equal(sha256, sha256Hex(bytes));
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('thousands of small files are a few blobs', async () => {
  const { blobs, packer } = openBlobs();
  for (let index = 0; index < 5000; index++) await packer.add(`${index}`, Readable.from([Buffer.alloc(2000)]));
  assert.equal((await packer.end()).length, 5000);
  assert.ok(blobs.length <= 3);
});

test('a source that breaks fails its file, and a reader that gives up closes the source', async () => {
  const { packer } = openBlobs();
  const broken = new Readable({ read() {} });
  const adding = packer.add('a', broken);
  broken.push('x');
  broken.destroy(new Error('gone'));
  await assert.rejects(adding, /gone/);

  const refusing = createPacker(async (content) => {
    if (content instanceof Readable) content.destroy();
    throw new Error('no room');
  });
  const large = Readable.from([Buffer.alloc(small), Buffer.alloc(small), Buffer.alloc(small)]);
  await assert.rejects(refusing.add('b', large), /no room/);
  assert.ok(large.destroyed);
});
