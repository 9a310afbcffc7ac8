// Sealed files over byte stores of two kinds: what lies below is sealed whatever it is, and what a store loses, cuts, swaps or
// changes is refused.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ByteStore } from '#kernel/bytes/byte-store';
import { createFolderByteStore } from '#kernel/bytes/folder';
import { declareLength } from '#kernel/bytes/lengths';
import { md5Base64 } from '#kernel/crypto/digest';
import { Failure } from '#kernel/errors/failure';
import { createFiles } from '#kernel/files/files';
import { filesFailures } from '#kernel/files/files.errors';
import { createMemoryByteStores } from '#kernel/testing/byte-stores';
import type { Part } from './blobs.store.ts';
import { createSealedFiles, type Written } from './sealed-files.service.ts';
import { streamParts } from './streaming.service.ts';

const segmentBytes = 1_048_576;
const place = { container: 'data', name: 'blob' };
const key = { id: '00000000-0000-4000-8000-000000000000', bytes: new Uint8Array(32).fill(7) };
const canary = Buffer.from('a sentence that stands in the plaintext');
const damaged = (thrown: unknown) => thrown instanceof Failure && thrown.code === 'IntegrityCheckFailed';

const kinds: Readonly<Record<string, (t: TestContext) => Promise<ByteStore>>> = {
  'a folder': async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-sealed-files-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    return createFolderByteStore({ folder, files: createFiles() });
  },
  memory: async (t) => {
    const stores = createMemoryByteStores();
    t.after(async () => {
      await stores.remove('storage/u');
      assert.deepEqual(stores.leftovers(), []);
    });
    return await stores.open('storage/u');
  },
};

const partOf = ({ file, size, sealedSize, keyId }: Written): Part => ({
  ...{ start: 0, size, file, sealedSize, keyId },
  blockId: undefined,
});

async function namesIn(store: ByteStore): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const name of store.list()) names.push(name);
  return names.sort();
}

async function bytesOf(store: ByteStore, name: string): Promise<Buffer> {
  const reader = await store.get(name);
  const bytes = Buffer.alloc(reader.size);
  await reader.read(0, bytes);
  await reader.close();
  return bytes;
}

async function replace(store: ByteStore, name: string, bytes: Uint8Array): Promise<void> {
  await store.remove(name);
  const writer = await store.put(name);
  await writer.write(bytes);
  await writer.commit();
}

for (const [what, open] of Object.entries(kinds)) {
  const setUp = async (t: TestContext) => {
    const store = await open(t);
    const sealed = createSealedFiles({ store, uniqueId: 'u', key: async () => key });
    const options = { maxBytes: 4 * segmentBytes, md5: false, signal: new AbortController().signal };
    const read = async (part: Part, start: number, end: number) => {
      const pieces: Buffer[] = [];
      // Memory is used again when the next piece is asked for.
      for await (const piece of sealed.read(place, [part], { start, end })) pieces.push(Buffer.from(piece));
      return Buffer.concat(pieces);
    };
    return { store, sealed, options, read };
  };

  test(`over ${what} every range reads back, and what lies there says nothing`, async (t) => {
    const { store, sealed, options, read } = await setUp(t);
    const content = Buffer.alloc(2 * segmentBytes + 77, canary);
    const part = partOf(await sealed.write(place, Readable.from([content], { objectMode: false }), options));
    const last = content.length - 1;
    for (const [start, end] of [
      [0, last],
      [0, 0],
      [segmentBytes - 60, segmentBytes + 60],
      [segmentBytes, 2 * segmentBytes],
      [last, last],
    ] as const)
      assert.ok((await read(part, start, end)).equals(content.subarray(start, end + 1)), `${start} to ${end}`);
    assert.ok(!(await bytesOf(store, part.file)).includes(canary.subarray(0, 16)));
    assert.deepEqual(await namesIn(store), [part.file]);
  });

  test(`over ${what} a write that breaks off leaves nothing, and is counted no more`, async (t) => {
    const { store, sealed, options } = await setUp(t);
    const content = Buffer.alloc(2 * segmentBytes, 1);
    await assert.rejects(sealed.write(place, content, { ...options, maxBytes: segmentBytes }), Failure);
    const broken = Readable.from(
      (function* () {
        yield content;
        throw new Error('the caller hung up');
      })(),
      { objectMode: false },
    );
    await assert.rejects(sealed.write(place, broken, options), /hung up/);
    await assert.rejects(sealed.write(place, content, { ...options, signal: AbortSignal.abort() }));
    assert.deepEqual(await namesIn(store), []);
    assert.equal(sealed.loose(), 0);
    assert.equal(await store.sweep(), 0);
  });

  test(`over ${what} bytes that were changed, cut, swapped or lost do not open`, async (t) => {
    const { store, sealed, options, read } = await setUp(t);
    const parts: Part[] = [];
    for (const fill of [1, 2]) parts.push(partOf(await sealed.write(place, Buffer.alloc(5000, fill), options)));
    const [one, two] = parts;
    assert.ok(one !== undefined && two !== undefined);
    const [first, second] = [await bytesOf(store, one.file), await bytesOf(store, two.file)];
    const flipped = Buffer.from(first);
    flipped[2000] = 1 ^ (flipped[2000] ?? 0);
    for (const wrong of [flipped, first.subarray(0, -1), Buffer.concat([first, Buffer.alloc(1)]), second]) {
      await replace(store, one.file, wrong);
      await assert.rejects(read(one, 0, 4999), damaged);
    }
    await replace(store, one.file, first);
    assert.ok((await read(one, 0, 4999)).every((byte) => byte === 1));
    await store.remove(one.file);
    await assert.rejects(read(one, 0, 4999), damaged);
  });

  test(`over ${what} a pinned file goes after its readers, and a sweep takes what nobody knows`, async (t) => {
    const { store, sealed, options } = await setUp(t);
    const [pinned, known, lost] = await Promise.all(
      [1, 2, 3].map(async (fill) => (await sealed.write(place, Buffer.alloc(100, fill), options)).file),
    );
    assert.ok(pinned !== undefined && known !== undefined && lost !== undefined);
    const release = sealed.pin([pinned]);
    await sealed.discard([pinned]);
    assert.equal((await namesIn(store)).length, 3);
    release();
    await sealed.settled();
    assert.deepEqual(await namesIn(store), [known, lost].sort());
    await sealed.sweep(async () => new Set([known]));
    assert.deepEqual(await namesIn(store), [known]);
  });

  test(`over ${what} a file that cannot be read now is not called damaged`, async (t) => {
    const { store, sealed, options } = await setUp(t);
    const part = partOf(await sealed.write(place, Buffer.alloc(5000, 1), options));
    const busy: ByteStore = {
      ...store,
      async get() {
        throw filesFailures.StorageUnavailable(new Error('too many files are open'));
      },
    };
    const later = createSealedFiles({ store: busy, uniqueId: 'u', key: async () => key });
    await assert.rejects(
      later.read(place, [part], { start: 0, end: 4999 }).next(),
      (thrown: unknown) => thrown instanceof Failure && thrown.code === 'StorageUnavailable',
    );
  });

  test(`over ${what} a key that is refused before anybody reads ends the stream and nothing else`, async (t) => {
    const { sealed, options } = await setUp(t);
    const part = partOf(await sealed.write(place, Buffer.alloc(3 * segmentBytes, 1), options));
    const refused = new AbortController();
    const over = { sealed, signal: refused.signal, hold: () => () => {} };
    const released = Promise.withResolvers<void>();
    const stream = await streamParts(over, place, [part], { start: 0, end: part.size - 1 }, released.resolve);
    refused.abort(new Error('the key was refused'));
    await released.promise;
    await assert.rejects(async () => {
      for await (const _piece of stream);
    });
  });

  test(`over ${what} a stream that is given up leaves nothing open, however far it was read`, async (t) => {
    const { store, sealed, options } = await setUp(t);
    const part = partOf(await sealed.write(place, Buffer.alloc(3 * segmentBytes, 1), options));
    const opened = { now: 0 };
    const counting: ByteStore = {
      ...store,
      async get(name) {
        const reader = await store.get(name);
        opened.now += 1;
        return {
          ...reader,
          async close() {
            await reader.close();
            opened.now -= 1;
          },
        };
      },
    };
    const counted = createSealedFiles({ store: counting, uniqueId: 'u', key: async () => key });
    for (const pieces of [0, 1, 2]) {
      const released = Promise.withResolvers<void>();
      const over = { sealed: counted, signal: new AbortController().signal, hold: () => () => {} };
      const stream = await streamParts(over, place, [part], { start: 0, end: part.size - 1 }, released.resolve);
      assert.equal(opened.now, 1);
      const pieceOf = stream[Symbol.asyncIterator]();
      for (let nth = 0; nth < pieces; nth++) await pieceOf.next();
      stream.destroy();
      await released.promise;
      assert.equal(opened.now, 0, `after ${pieces} pieces`);
    }
  });
}

test('memory that the disk still writes into is nobody else’s: a reader who leaves waits for it', async () => {
  const store = await createMemoryByteStores().open('storage/u');
  const reading = { began: Promise.withResolvers<void>(), goOn: Promise.withResolvers<void>() };
  const slow: ByteStore = {
    ...store,
    async get(name) {
      const reader = await store.get(name);
      return {
        ...reader,
        async read(offset, into) {
          if (offset >= segmentBytes) {
            reading.began.resolve();
            await reading.goOn.promise;
          }
          return await reader.read(offset, into);
        },
      };
    },
  };
  const sealed = createSealedFiles({ store: slow, uniqueId: 'u', key: async () => key });
  const signal = new AbortController().signal;
  const written = await sealed.write(place, Buffer.alloc(2 * segmentBytes, 5), { maxBytes: 4 * segmentBytes, signal });
  assert.equal(written.md5, undefined);
  const bytes = sealed.read(place, [partOf(written)], { start: 0, end: written.size - 1 });
  assert.ok(!(await bytes.next()).done);
  await reading.began.promise;
  let isOver = false;
  const over = bytes.return(undefined).then(() => {
    isOver = true;
  });
  for (let turns = 0; turns < 50; turns++) await turn();
  assert.equal(isOver, false);
  reading.goOn.resolve();
  await over;
});

test('an MD5 is told of what is short, of what is long when it is asked for, and of nothing that nobody reads', async () => {
  const store = await createMemoryByteStores().open('storage/u');
  const sealed = createSealedFiles({ store, uniqueId: 'u', key: async () => key });
  const limits = { maxBytes: 8 * segmentBytes, signal: new AbortController().signal };
  const long = Buffer.alloc(5 * segmentBytes, 6);
  const short = long.subarray(0, 1_000);
  const md5Of = async (content: Buffer, isDeclared: boolean, md5?: boolean) => {
    const stream = Readable.from([content], { objectMode: false });
    const source = isDeclared ? declareLength(stream, content.length) : stream;
    return (await sealed.write(place, source, { ...limits, ...(md5 === undefined ? {} : { md5 }) })).md5;
  };
  for (const isDeclared of [true, false]) {
    assert.equal(await md5Of(short, isDeclared, false), md5Base64(short));
    assert.equal(await md5Of(long, isDeclared, false), undefined);
    assert.equal(await md5Of(long, isDeclared, true), md5Base64(long));
    assert.equal(await md5Of(short, isDeclared), undefined);
  }
});
