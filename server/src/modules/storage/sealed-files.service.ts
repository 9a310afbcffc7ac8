// The sealed files of one account. Each is a Tink stream under a random name that says nothing, bound to the account, the
// container, the blob and its own name: a file put in another's place does not open. It promises that a file somebody reads is
// removed only when he is done; that one appears whole and durable or not at all is the byte store's promise, below. It keeps
// no list of files, which is the index's, and does not know where they lie.

import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteReader, ByteStore } from '#kernel/bytes/byte-store';
import { declaredLength } from '#kernel/bytes/lengths';
import { createMd5 } from '#kernel/crypto/digest';
import type { LongSha256 } from '#kernel/crypto/digest-thread';
import { randomUuid } from '#kernel/crypto/random';
import { giveMemory, giveSegment, ownMemoryBytes, takeMemory } from '#kernel/crypto/segment-memory';
import { ciphertextSize, openRange, SEGMENT_BYTES, sealStream } from '#kernel/crypto/stream-aead';
import type { DataKey } from '#kernel/crypto/value-envelope';
import { Failure } from '#kernel/errors/failure';
import type { Part } from './blobs.store.ts';
import { diskBlockBytes } from './migrations/usage.ts';
import { storageFailures } from './storage.errors.ts';

/** What the content of a file is bound to, besides its owner and the file's own name. */
export type Place = { readonly container: string; readonly name: string };

/** What was written: sizes in bytes, the MD5 of the plaintext in base64. */
export type Written = {
  readonly file: string;
  readonly size: number;
  readonly sealedSize: number;
  readonly keyId: string;
  readonly md5: string | undefined;
};

export type SealedFiles = {
  /** Reads `source` to its end. Throws `tooLarge` past `maxBytes`; nothing is left behind then. */
  write(ref: Place, source: Readable | Uint8Array, options: WriteOptions): Promise<Written>;
  /** Plaintext of the parts from `start` to `end` inclusive, offsets in the blob. */
  read(ref: Place, parts: readonly Part[], range: { start: number; end: number }): AsyncGenerator<Uint8Array>;
  /** Keeps files from being removed until the answer is called. */
  pin(files: readonly string[]): () => void;
  /** Removes files that nothing refers to any more; those that are being read, after that. What fails is left to a sweep. */
  discard(files: readonly string[]): Promise<void>;
  /** Removes every file that `isReferenced` does not know. Only while nothing writes. */
  sweep(referencedOf: (files: readonly string[]) => Promise<ReadonlySet<string>>): Promise<void>;
  /** Resolves when every removal that began is over. */
  settled(): Promise<void>;
  /** After the index took these files: it counts them from now on. */
  adopted(files: readonly string[]): void;
  /** Bytes on the disk that no index counts: being written, waiting to be taken, kept for somebody who still reads them. */
  loose(): number;
};

export type WriteOptions = {
  readonly maxBytes: number;
  /** MD5 costs more than sealing does: beyond `md5FreeBytes` only for those who ask. Without this, of nothing. */
  readonly md5?: boolean;
  /**
   * Fed with the plaintext; whoever gives it asks it for its result after the write, and a write that fails drops it. It costs
   * more than sealing does and protects nothing that the seal does not: for those whose protocol names content by its digest.
   */
  readonly sha256?: LongSha256 | undefined;
  readonly signal: AbortSignal;
};

const md5FreeBytes = 4 * 1024 * 1024;
const sweepBatch = 500;

export function createSealedFiles(options: {
  readonly store: ByteStore;
  readonly uniqueId: string;
  readonly key: () => Promise<DataKey>;
  /** Throws when there are too many loose bytes. Asked before the first byte is read, and with each piece. */
  readonly admit?: (looseBytes: number) => void;
}): SealedFiles {
  const { store, uniqueId, key, admit = () => {} } = options;
  /** What no index counts, by file. Whoever forgets to say that one was taken has it counted twice, never not at all. */
  const looseFiles = new Map<string, number>();
  let looseBytes = 0;
  const setLoose = (file: string, bytes: number | undefined) => {
    const taken = Math.ceil((bytes ?? 0) / diskBlockBytes) * diskBlockBytes;
    looseBytes += taken - (looseFiles.get(file) ?? 0);
    if (bytes === undefined) looseFiles.delete(file);
    else looseFiles.set(file, taken);
  };
  const pins = new Map<string, number>();
  const doomed = new Set<string>();
  const removals = new Set<Promise<void>>();

  /** JSON of strings is unambiguous: no two places have the same bytes. Written down in README.md for recovery offline. */
  const place = (ref: Place, file: string) =>
    Buffer.from(JSON.stringify(['strongroom-blob', uniqueId, ref.container, ref.name, file]));

  async function* readPart(ref: Place, part: Part, start: number, end: number, dataKey: DataKey) {
    const reader = await store.get(part.file).catch((thrown) => {
      const isMissing = thrown instanceof Failure && thrown.kind === 'notFound';
      throw isMissing ? storageFailures.IntegrityCheckFailed(thrown) : thrown;
    });
    const ahead = readAhead(reader, { needed: ciphertextSize(end + 1), whole: part.sealedSize });
    try {
      // Sizes are kept in the index: a file that was cut or grew is refused before its first byte is sent.
      if (reader.size !== part.sealedSize || ciphertextSize(part.size) !== part.sealedSize)
        throw storageFailures.IntegrityCheckFailed();
      yield* openRange({
        key: dataKey,
        associatedData: place(part.sealedAs ?? ref, part.file),
        ciphertextSize: part.sealedSize,
        read: ahead.read,
        start,
        endInclusive: end,
      });
    } finally {
      await ahead.end();
      await reader.close();
    }
  }

  async function remove(file: string): Promise<void> {
    // A name that comes back after a power cut is unreferenced, as one that could not be removed; the next sweep finds both.
    const removal = store.remove(file).catch(() => {});
    removals.add(removal);
    await removal;
    removals.delete(removal);
    setLoose(file, undefined);
  }

  /** Of a file that is kept for its readers only. */
  async function keepLoose(file: string): Promise<void> {
    const size = await store.size(file).catch(() => 0);
    // Its last reader may have left meanwhile.
    if (doomed.has(file)) setLoose(file, size ?? 0);
  }

  return {
    async write(ref, source, { maxBytes, md5, sha256, signal }) {
      const dataKey = await key();
      const file = randomUuid();
      // With one byte more than there are: what is full already is refused before anything is read.
      admit(looseBytes + 1);
      const declared = source instanceof Uint8Array ? source.length : declaredLength(source);
      // Begun only where it will be told.
      const isMd5Told = md5 === true || (md5 === false && (declared ?? 0) <= md5FreeBytes);
      const meter = createMeter({ maxBytes, md5: isMd5Told, isMd5Asked: md5 === true, sha256 }, (size) => {
        setLoose(file, size);
        admit(looseBytes);
      });
      const target = await store.put(file);
      try {
        await pipeline(
          source instanceof Uint8Array ? Readable.from(slices(source), { objectMode: false }) : source,
          sealStream(dataKey, place(ref, file), meter.watch),
          new Writable({
            highWaterMark: 2 * SEGMENT_BYTES,
            write(chunk: Uint8Array, _encoding, done) {
              target.write(chunk).then(() => {
                giveSegment(chunk);
                done();
              }, done);
            },
          }),
          { signal },
        );
        await target.commit();
      } catch (thrown) {
        sha256?.drop();
        await target.abort();
        setLoose(file, undefined);
        throw thrown;
      }
      const { size, md5: contentMd5 } = meter.result();
      setLoose(file, ciphertextSize(size));
      return { file, keyId: dataKey.id, size, sealedSize: ciphertextSize(size), md5: contentMd5 };
    },

    async *read(ref, parts, { start, end }) {
      const dataKey = await key();
      for (const part of parts) {
        const from = Math.max(0, start - part.start);
        const to = Math.min(end - part.start, part.size - 1);
        if (from <= to) yield* readPart(ref, part, from, to, dataKey);
      }
    },

    pin(names) {
      for (const name of names) pins.set(name, (pins.get(name) ?? 0) + 1);
      let isPinned = true;
      return () => {
        if (!isPinned) return;
        isPinned = false;
        for (const name of names) {
          const left = (pins.get(name) ?? 1) - 1;
          if (left > 0) pins.set(name, left);
          else {
            pins.delete(name);
            if (doomed.delete(name)) void remove(name);
          }
        }
      };
    },

    async discard(names) {
      for (const name of names) {
        if (pins.has(name)) {
          doomed.add(name);
          await keepLoose(name);
        } else await remove(name);
      }
    },

    async sweep(referencedOf) {
      await store.sweep();
      let batch: string[] = [];
      const settle = async () => {
        const known = await referencedOf(batch);
        for (const name of batch) if (!known.has(name)) await remove(name);
        batch = [];
      };
      for await (const name of store.list()) {
        batch.push(name);
        if (batch.length === sweepBatch) await settle();
      }
      if (batch.length > 0) await settle();
    },

    settled: async () => void (await Promise.all(removals)),
    adopted(names) {
      for (const name of names) setLoose(name, undefined);
    },
    loose: () => looseBytes,
  };
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) yield bytes.subarray(at, at + SEGMENT_BYTES);
}

/** Counts and digests what passes, a segment at a time. */
function createMeter(
  wanted: {
    readonly maxBytes: number;
    readonly md5: boolean;
    readonly isMd5Asked: boolean;
    readonly sha256: LongSha256 | undefined;
  },
  counted: (size: number) => void,
) {
  const { maxBytes, isMd5Asked, sha256 } = wanted;
  let md5 = wanted.md5 ? createMd5() : undefined;
  let size = 0;
  return {
    watch(piece: Uint8Array<ArrayBuffer>): Promise<Uint8Array> | undefined {
      size += piece.length;
      if (size > maxBytes) throw storageFailures.RequestBodyTooLarge(maxBytes);
      counted(size);
      if (!isMd5Asked && size > md5FreeBytes) md5 = undefined;
      md5?.update(piece);
      return sha256?.lend(piece);
    },
    /** Once, after the end. */
    result: () => ({ size, md5: md5?.base64() }),
  };
}

/**
 * Reads ciphertext, and the next segment while the last is being opened, as far as a reader needs it. Sizes in bytes. Two
 * buffers take turns: memory that the platform gives afresh costs more than the reading. What was answered holds until the
 * next call, and until `end`, which gives the memory to the next reader.
 */
function readAhead(reader: ByteReader, size: { readonly needed: number; readonly whole: number }) {
  let next: { readonly offset: number; readonly bytes: Promise<Uint8Array> } | undefined;
  let idle: Uint8Array<ArrayBuffer> | undefined;
  let busy: Uint8Array<ArrayBuffer> | undefined;

  async function load(offset: number, length: number): Promise<Uint8Array> {
    let buffer = idle;
    if (buffer === undefined || buffer.length < length) {
      if (buffer !== undefined) giveBack(buffer);
      buffer = length > ownMemoryBytes ? takeMemory(SEGMENT_BYTES) : new Uint8Array(length);
    }
    [idle, busy] = [busy, buffer];
    const wanted = buffer.subarray(0, length);
    return wanted.subarray(0, await reader.read(offset, wanted));
  }

  async function read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = next?.offset === offset ? next.bytes : load(offset, length);
    next = undefined;
    const ahead = offset + length;
    if (ahead % SEGMENT_BYTES === 0 && ahead < size.needed) {
      next = { offset: ahead, bytes: load(ahead, Math.min(SEGMENT_BYTES, size.whole - ahead)) };
      next.bytes.catch(() => {}); // whoever asks for it is told
    }
    return await bytes;
  }

  return {
    read,
    /** Once, when nobody reads any more. */
    async end(): Promise<void> {
      // order matters: the disk may still write into it.
      await next?.bytes.catch(() => {});
      for (const buffer of [idle, busy]) if (buffer !== undefined) giveBack(buffer);
    },
  };
}

function giveBack(memory: Uint8Array<ArrayBuffer>): void {
  if (memory.length > ownMemoryBytes) giveMemory(memory);
}
