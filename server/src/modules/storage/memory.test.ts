// What one transfer holds in memory while the other side stands still: a disk that does not write, a reader that does not read.
// Counted are the live buffers of the process, after a collection, and the bytes taken from who sends; not the resident size,
// which says what was held once. The bounds are those of README.md.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createFolderByteStore } from '#kernel/bytes/folder';
import { createLongSha256 } from '#kernel/crypto/digest-thread';
import { createFiles, type Files } from '#kernel/files/files';
import { createSealedFiles } from './sealed-files.service.ts';

setFlagsFromString('--expose-gc');
// What the flag puts into a new context.
const collect = runInNewContext('gc') as () => void;

const mebibyte = 1_048_576;
const sizeMebibytes = 64;
const pieceBytes = 65_536;
const place = { container: 'data', name: 'blob' };
const key = { id: '00000000-0000-4000-8000-000000000000', bytes: new Uint8Array(32).fill(7) };

/** Live bytes of buffers in MiB. The least of several counts: what a collection found dead is freed beside us, a little later. */
async function held(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let count = 0; count < 10; count++) {
    collect();
    least = Math.min(least, process.memoryUsage().arrayBuffers / mebibyte);
    await turn();
  }
  return least;
}

/** Turns of the event loop until what `count` answers has stood still for a good while, or is beyond all bounds. */
async function stillness(count: () => number): Promise<void> {
  for (let before = -1, quiet = 0; quiet < 500 && count() < sizeMebibytes * mebibyte; quiet++) {
    if (count() !== before) quiet = 0;
    before = count();
    await turn();
  }
}

async function setUp(t: TestContext, files: Files = createFiles()) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-memory-'));
  t.after(() => rm(folder, { recursive: true }));
  const sent = { bytes: 0 };
  function* pieces() {
    for (; sent.bytes < sizeMebibytes * mebibyte; sent.bytes += pieceBytes)
      yield Buffer.alloc(pieceBytes, sent.bytes >> 16);
  }
  return {
    sealed: createSealedFiles({ store: createFolderByteStore({ folder, files }), uniqueId: 'u', key: async () => key }),
    sent,
    source: () => Readable.from(pieces(), { objectMode: false }),
    options: { maxBytes: 100 * mebibyte, md5: false, signal: new AbortController().signal },
  };
}

/** Files whose writes wait until they are let go. */
function stuckFiles() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const real = createFiles();
  const files: Files = {
    ...real,
    async createDurable(path, options) {
      const file = await real.createDurable(path, options);
      return { ...file, write: (chunk) => promise.then(() => file.write(chunk)) };
    },
  };
  return { files, letGo: resolve };
}

test('many writes, one after the other, hold no more than one of them', async (t) => {
  const { sealed, options } = await setUp(t);
  const content = Buffer.alloc(3 * mebibyte, 5);
  const write = async (digested: boolean) => {
    const sha256 = digested ? createLongSha256() : undefined;
    await sealed.write(place, content, { ...options, sha256 });
    await sha256?.hex();
  };
  await write(true);
  const before = await held();
  for (let i = 0; i < 15; i++) {
    await write(true);
    await write(false);
  }
  // They were 45 MiB once: memory that two threads share waits for the collections of both.
  const more = (await held()) - before;
  assert.ok(more < 4, `${more} MiB are held`);
});

for (const [what, digested, most] of [
  ['is only sealed', false, 7],
  ['is digested as well', true, 8],
] as const) {
  test(`a write whose disk stands still takes no more than ${most} MiB of what ${what}`, async (t) => {
    const { files, letGo } = stuckFiles();
    const { sealed, sent, source, options } = await setUp(t, files);
    const before = await held();
    const sha256 = digested ? createLongSha256() : undefined;
    const writing = sealed.write(place, source(), { ...options, sha256 });
    await stillness(() => sent.bytes);
    const more = (await held()) - before;
    assert.ok(more <= most, `${more} MiB are held`);
    assert.ok(sent.bytes <= most * mebibyte, `${sent.bytes} bytes were taken`);
    letGo();
    assert.equal((await writing).size, sizeMebibytes * mebibyte);
    await sha256?.hex();
  });
}

test('a read that nobody takes from holds no more than 6 MiB', async (t) => {
  const { sealed, source, options } = await setUp(t);
  const { file, size, sealedSize, keyId } = await sealed.write(place, source(), options);
  const part = { start: 0, size, file, sealedSize, keyId, blockId: undefined };
  const before = await held();
  let opened = 0;
  async function* counted() {
    for await (const bytes of sealed.read(place, [part], { start: 0, end: size - 1 })) {
      opened += bytes.length;
      yield bytes;
    }
  }
  const stream = Readable.from(counted(), { objectMode: false, highWaterMark: mebibyte });
  await once(stream, 'readable');
  assert.ok(stream.read(1000) !== null);
  await stillness(() => opened);
  const more = (await held()) - before;
  assert.ok(more <= 6, `${more} MiB are held`);
  stream.destroy();
});
