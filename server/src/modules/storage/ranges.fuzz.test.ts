// Blobs against a model that is a Buffer: whatever was put, in one piece or in blocks, every range of it is what the
// buffer's is. And block lists against a generator: what was written is read, what was damaged is refused.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { readBlockList } from './protocol/xml.wire.ts';
import { bytesOf, openDoor, readAll, setUpContainer } from './testing.ts';

after(() => closeScanPool());
const segment = 1_048_576;

/** Offsets where segments begin and end, and anything between. */
const offset = (size: number) =>
  fc.oneof(
    fc.integer({ min: 0, max: size + 3 }),
    fc
      .tuple(fc.integer({ min: 0, max: Math.ceil(size / segment) }), fc.integer({ min: -60, max: 60 }))
      .map(([index, around]) => Math.max(0, index * (segment - 16) - 40 + around)),
  );

const sizes = [1, 2, segment - 57, segment - 56, segment - 55, 2 * segment - 72, 2 * segment - 71, 3_333_333];

test('every range of a blob is the range of its bytes', async (t) => {
  const { blobs, grant, ref } = await setUpContainer(t);
  const contents = sizes.map((size) => bytesOf(size));
  for (const [index, content] of contents.entries())
    await blobs.put(grant, ref(`b${index}`), content, { maxBytes: content.length });
  const cases = fc
    .integer({ min: 0, max: sizes.length - 1 })
    .chain((index) => fc.tuple(fc.constant(index), offset(sizes[index] ?? 0), fc.option(offset(sizes[index] ?? 0))));
  await fc.assert(
    fc.asyncProperty(cases, async ([index, start, end]) => {
      const content = contents[index] ?? Buffer.alloc(0);
      const range = end === null ? { start } : { start, end };
      const expected = content.subarray(start, (end ?? content.length - 1) + 1);
      if (start >= content.length || (end !== null && end < start)) {
        await assert.rejects(
          blobs.open(grant, ref(`b${index}`), range),
          (error) => (error as Failure).code === 'InvalidRange',
        );
      } else {
        const { stream } = await blobs.open(grant, ref(`b${index}`), range);
        assert.ok((await readAll(stream)).equals(expected));
      }
    }),
    { numRuns: 150 },
  );
});

test('every range of a blob of blocks is the range of the blocks joined', async (t) => {
  const { send } = await openDoor(t);
  await send('PUT', '/acct1/data?restype=container');
  const pieces = fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 1_200_000 })), {
    minLength: 1,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(
      pieces,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(100_000),
      async (lengths, at, length) => {
        const blocks = lengths.map((size, index) => ({
          id: Buffer.from(`id${index}`).toString('base64'),
          bytes: bytesOf(size),
        }));
        for (const { id, bytes } of blocks)
          await send('PUT', `/acct1/data/x?comp=block&blockid=${encodeURIComponent(id)}`, { body: bytes });
        const list = `<BlockList>${blocks.map(({ id }) => `<Latest>${id}</Latest>`).join('')}</BlockList>`;
        assert.equal((await send('PUT', '/acct1/data/x?comp=blocklist', { body: list })).status, 201);
        const whole = Buffer.concat(blocks.map(({ bytes }) => bytes));
        assert.ok((await send('GET', '/acct1/data/x')).body.equals(whole));
        if (whole.length === 0) return;
        const start = Math.min(whole.length - 1, Math.floor(at * whole.length));
        const reply = await send('GET', '/acct1/data/x', {
          headers: { 'x-ms-range': `bytes=${start}-${start + length}` },
        });
        assert.ok(reply.body.equals(whole.subarray(start, start + length + 1)));
      },
    ),
    { numRuns: 25 },
  );
});

test('a source in pieces of any size gives the same blob', async (t) => {
  const { blobs, grant, ref } = await setUpContainer(t);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 40 }), async (pieces) => {
      const put = await blobs.put(grant, ref('x'), Readable.from(pieces.map((piece) => Buffer.from(piece))), {
        maxBytes: 1_000_000,
      });
      const whole = Buffer.concat(pieces);
      assert.equal(put.size, whole.length);
      assert.ok((await readAll((await blobs.open(grant, ref('x'))).stream)).equals(whole));
    }),
    { numRuns: 30 },
  );
});

test('a block list is read as it was written, and no damage to it is anything but a refusal', async () => {
  const id = fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('base64'));
  const source = fc.constantFrom('Latest' as const, 'Committed' as const, 'Uncommitted' as const);
  const list = fc.array(fc.record({ from: source, blockId: id }, { noNullPrototype: true }), { maxLength: 30 });
  const space = fc.constantFrom('', ' ', '\n', '\r\n  ');
  const write = (choices: readonly { from: string; blockId: string }[], gap: string) =>
    `<?xml version="1.0" encoding="utf-8"?>${gap}<BlockList>${gap}${choices
      .map(({ from, blockId }) => `<${from}>${gap}${blockId}${gap}</${from}>`)
      .join(gap)}</BlockList>${gap}`;
  await fc.assert(
    fc.asyncProperty(list, space, async (choices, gap) => {
      assert.deepEqual(await readBlockList(Buffer.from(write(choices, gap))), choices);
    }),
  );
  await fc.assert(
    fc.asyncProperty(list, fc.nat(), fc.string({ maxLength: 12 }), async (choices, at, noise) => {
      const text = write(choices, '');
      const cut = at % text.length;
      try {
        const read = await readBlockList(Buffer.from(text.slice(0, cut) + noise + text.slice(cut + 1)));
        assert.ok(read.every(({ blockId }) => /^[A-Za-z0-9+/]+=*$/.test(blockId)));
      } catch (error) {
        assert.ok(error instanceof Failure && error.kind === 'invalid');
      }
    }),
    { numRuns: 500 },
  );
});
