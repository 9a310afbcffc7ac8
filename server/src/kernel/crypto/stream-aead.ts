// Sealed streams: blobs, image layers, logs, backups. The format is Tink's AES256-GCM-HKDF
// streaming AEAD with 1 MiB segments (bytes: stream-segments.ts), so that any Tink opens our files.
// Promises: no plaintext leaves before its segment is authenticated; truncation, reordering,
// extension, bit flips and another key or associated data fail; memory is a few segments a stream.
// What came before a failure was authentic, but a consumer must discard it unless the stream ends well.

import { Transform, type TransformCallback } from 'node:stream';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { isAlone, ownPiece, releasePiece } from '#kernel/bytes/pieces';
import { cryptoFailures } from './crypto.errors.ts';
import type { DataKey } from './envelope.ts';
import { giveMemory, ownMemoryBytes, takeMemory } from './segment-memory.ts';
import { beginStream, createLayout, HEADER_BYTES, type SegmentCipher, segmentCipher } from './stream-segments.ts';

/** Bytes of ciphertext in a full segment: 1 MiB. Part of the format on disk. */
export const SEGMENT_BYTES = 1_048_576;

/** A range of a sealed object that somebody else stores. Offsets and sizes are bytes. */
export interface RangeRequest {
  readonly key: Pick<DataKey, 'bytes'>;
  readonly associatedData: Uint8Array;
  /** Size of the whole ciphertext, kept apart from it and trusted: it decides which segment is the last. */
  readonly ciphertextSize: number;
  /**
   * Reads `length` bytes of ciphertext at `offset`; fewer than asked counts as truncation. Segments are asked for in order
   * and one is done with when the next is asked for, so that buffers can be used again. Other
   * requests get their turn where this waits: a reader that answers at once holds the event loop for the whole range.
   */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
  readonly start: number;
  readonly endInclusive: number;
}

/**
 * Sees plaintext on its way: to count it, to digest it. It may hand the memory on to a thread, all that the plaintext lies in, and then
 * answers with it, so that the next segment is gathered there.
 */
export type Watch = (plaintext: Uint8Array<ArrayBuffer>) => void | Promise<void> | Promise<Uint8Array> | undefined;

export interface StreamAead {
  /**
   * A stream that takes plaintext and gives ciphertext. `watch` sees the plaintext in order, a segment at a time; what it
   * throws, or its promise, fails the stream. The bytes are overwritten once it answered. What comes out is a segment a piece;
   * whoever is done with one may give its memory back (`giveSegment`).
   */
  sealStream(key: Pick<DataKey, 'bytes'>, associatedData: Uint8Array, watch?: Watch): Transform;
  /** A stream that takes ciphertext and gives plaintext; it errors with `integrity` where the first wrong segment is. */
  openStream(key: Pick<DataKey, 'bytes'>, associatedData: Uint8Array): Transform;
  /** Decrypts only the segments that a range touches, in order; the memory of each piece is nobody else's. Throws `rangeNotSatisfiable` for a range that ends behind the plaintext. */
  openRange(request: RangeRequest): AsyncGenerator<Uint8Array, void, undefined>;
  /** Seals something small at once. */
  sealBuffer(key: Pick<DataKey, 'bytes'>, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Opens something small at once, or throws `integrity`. */
  openBuffer(key: Pick<DataKey, 'bytes'>, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array;
  ciphertextSize(plaintextBytes: number): number;
  plaintextSize(ciphertextBytes: number): number;
}

/** Makes the functions for one segment size. The server uses 1 MiB only; tests use small ones. */
export function createStreamAead(segmentBytes: number): StreamAead {
  const layout = createLayout(segmentBytes);

  function sealStream(key: Pick<DataKey, 'bytes'>, associatedData: Uint8Array, watch?: Watch): Transform {
    const cipher = beginStream(key.bytes, associatedData);
    let index = 0;
    return segmented({
      memoryBytes: segmentBytes,
      capacity: () => layout.capacity(index),
      segment(plaintext, isLast) {
        const sealed = cipher.seal(index, isLast, plaintext);
        // order matters: what was watched may be on its way to a thread.
        const seen = watch?.(plaintext);
        return { pieces: [joined(index++ === 0 ? [cipher.header, ...sealed] : sealed)], seen: seen ?? undefined };
      },
    });
  }

  function openStream(key: Pick<DataKey, 'bytes'>, associatedData: Uint8Array): Transform {
    let cipher: SegmentCipher | undefined;
    let index = 0;
    return segmented({
      memoryBytes: segmentBytes,
      capacity: () => segmentBytes,
      segment(bytes, isLast) {
        let body = bytes;
        if (cipher === undefined) {
          cipher = segmentCipher(key.bytes, associatedData, bytes.subarray(0, HEADER_BYTES));
          body = bytes.subarray(HEADER_BYTES);
        }
        const plaintext = cipher.open(index, isLast, body);
        // A segment of nothing is only ever the first.
        if (index > 0 && plaintext.length === 0) throw cryptoFailures.IntegrityCheckFailed('sealed stream');
        index++;
        return { pieces: plaintext, seen: undefined };
      },
    });
  }

  async function* openRange(request: RangeRequest): AsyncGenerator<Uint8Array, void, undefined> {
    const { ciphertextSize, start, endInclusive } = request;
    const total = layout.plaintextSize(ciphertextSize);
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(endInclusive) || start < 0 || endInclusive < start) {
      throw cryptoFailures.InvalidCryptoArgument('A range starts at 0 or later and does not end before it starts.');
    }
    if (endInclusive >= total)
      throw cryptoFailures.InvalidRange(`This range ends behind the data, which has ${total} bytes.`);
    const read = async (offset: number, length: number) => {
      const bytes = await request.read(offset, length);
      if (bytes.length !== length) throw cryptoFailures.IntegrityCheckFailed('sealed stream');
      return bytes;
    };
    const lastIndex = layout.segmentCount(ciphertextSize) - 1;
    const cipher = segmentCipher(request.key.bytes, request.associatedData, await read(0, HEADER_BYTES));
    for (let index = layout.segmentOf(start); index <= layout.segmentOf(endInclusive); index++) {
      const from = index === 0 ? HEADER_BYTES : index * segmentBytes;
      const to = Math.min((index + 1) * segmentBytes, ciphertextSize);
      const plaintext = cipher.open(index, index === lastIndex, await read(from, to - from));
      let next = layout.plaintextStart(index);
      for (const piece of plaintext) {
        const first = next;
        // order matters: whoever gets the piece may have given its memory back when he asks for the next one.
        next += piece.length;
        const wanted = piece.subarray(Math.max(0, start - first), Math.max(0, endInclusive + 1 - first));
        if (wanted.length > 0) yield wanted;
      }
    }
  }

  function sealBuffer(key: Pick<DataKey, 'bytes'>, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const cipher = beginStream(key.bytes, associatedData);
    const lastIndex = plaintext.length === 0 ? 0 : layout.segmentOf(plaintext.length - 1);
    const pieces: Uint8Array[] = [cipher.header];
    for (let index = 0; index <= lastIndex; index++) {
      const from = layout.plaintextStart(index);
      pieces.push(...cipher.seal(index, index === lastIndex, plaintext.subarray(from, from + layout.capacity(index))));
    }
    return new Uint8Array(Buffer.concat(pieces));
  }

  function openBuffer(key: Pick<DataKey, 'bytes'>, associatedData: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const total = layout.plaintextSize(ciphertext.length);
    const cipher = segmentCipher(key.bytes, associatedData, ciphertext.subarray(0, HEADER_BYTES));
    const lastIndex = layout.segmentCount(ciphertext.length) - 1;
    const plaintext = new Uint8Array(total);
    for (let index = 0; index <= lastIndex; index++) {
      const from = index === 0 ? HEADER_BYTES : index * segmentBytes;
      const segment = ciphertext.subarray(from, (index + 1) * segmentBytes);
      let at = layout.plaintextStart(index);
      for (const piece of cipher.open(index, index === lastIndex, segment)) {
        plaintext.set(piece, at);
        at += piece.length;
      }
    }
    return plaintext;
  }

  const { ciphertextSize, plaintextSize } = layout;
  return { sealStream, openStream, openRange, sealBuffer, openBuffer, ciphertextSize, plaintextSize };
}

interface Segmenting {
  /** Bytes that hold any segment, gathered. */
  readonly memoryBytes: number;
  /** Bytes of input that the segment now being gathered holds when full. */
  capacity(): number;
  /** What comes out of a segment, in pieces that nobody has to join; `seen` while somebody still looks at the bytes. */
  segment(
    bytes: Uint8Array<ArrayBuffer>,
    isLast: boolean,
  ): { readonly pieces: readonly Uint8Array[]; readonly seen: ReturnType<Watch> };
}

/**
 * Cuts input into segments. A segment is processed when a byte beyond it has arrived, or as the
 * last when the input ends: finality is part of its nonce, so it has to be known first.
 */
function segmented(work: Segmenting): Transform {
  // Copied, not kept: a writer may reuse its buffer as soon as it is called back. Grows to one
  // segment, so that a thousand tiny streams do not hold a gigabyte.
  let gathered = noMemory;
  let length = 0;
  // Memory of the segment before, while a watcher still has it: one is watched while the next is gathered.
  let watched: Promise<Uint8Array<ArrayBuffer>> = Promise.resolve(noMemory);
  let isOver = false;

  function gather(bytes: Uint8Array): void {
    const needed = length + bytes.length;
    if (needed > gathered.length) {
      const grown = Math.max(needed, Math.min(ownMemoryBytes, gathered.length * 4));
      const larger = needed <= ownMemoryBytes ? new Uint8Array(grown) : takeMemory(work.memoryBytes);
      larger.set(gathered.subarray(0, length));
      empty(gathered);
      gathered = larger;
    }
    gathered.set(bytes, length);
    length = needed;
  }

  async function emit(stream: Transform, isLast: boolean): Promise<void> {
    const memory = gathered;
    const { pieces, seen } = work.segment(memory.subarray(0, length), isLast);
    length = 0;
    for (const piece of pieces) stream.push(piece);
    // A segment costs a fraction of a millisecond: other requests get their turn in between, here or while we wait below.
    if (!(seen instanceof Promise)) return void (await yieldToEventLoop());
    gathered = noMemory;
    const before = watched;
    watched = seen.then((lent) => (lent instanceof Uint8Array && isAlone(lent) ? lent : memory));
    watched.catch(() => {}); // told to whoever waits for it below
    const back = await before;
    if (isOver) empty(back);
    else gathered = back;
    if (isLast) await watched;
  }

  async function take(stream: Transform, input: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < input.length) {
      if (length === work.capacity()) {
        await emit(stream, false);
        // Destroyed meanwhile: our memory is another stream's by now.
        if (isOver) return;
      }
      const piece = input.subarray(offset, offset + work.capacity() - length);
      gather(piece);
      offset += piece.length;
    }
    releasePiece(input);
  }

  return new Transform({
    readableHighWaterMark: SEGMENT_BYTES,
    writableHighWaterMark: SEGMENT_BYTES,
    transform(chunk: Uint8Array, _encoding: string, done: TransformCallback) {
      // Most pieces complete no segment, and a promise for each would cost more than its copy.
      if (length + chunk.length <= work.capacity()) {
        gather(chunk);
        releasePiece(chunk);
        done();
      } else take(this, chunk).then(() => done(), done);
    },
    flush(done: TransformCallback) {
      emit(this, true).then(() => done(), done);
    },
    destroy(error, done) {
      isOver = true;
      empty(gathered);
      gathered = noMemory;
      // Not before its digest has read it: what comes into this memory next is another stream's.
      watched.then(empty, () => {});
      done(error);
    },
  });
}

/** One piece, so that it is written at once. Copying it costs a fifth of the cipher, and the memory of each part is still warm for the next. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = length > ownMemoryBytes ? takeMemory(SEGMENT_BYTES) : new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
    releasePiece(ownPiece(part));
  }
  return whole.subarray(0, length);
}

const noMemory = new Uint8Array(0);

/** Wipes plaintext. Memory of a segment serves the next stream, and other memory goes back at once. */
function empty(bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.length === 0) return;
  if (bytes.length > ownMemoryBytes) giveMemory(bytes);
  else bytes.fill(0).buffer.transfer(0);
}

const atOneMebibyte = createStreamAead(SEGMENT_BYTES);

export const sealStream: StreamAead['sealStream'] = atOneMebibyte.sealStream;
export const openStream: StreamAead['openStream'] = atOneMebibyte.openStream;
export const openRange: StreamAead['openRange'] = atOneMebibyte.openRange;
export const sealBuffer: StreamAead['sealBuffer'] = atOneMebibyte.sealBuffer;
export const openBuffer: StreamAead['openBuffer'] = atOneMebibyte.openBuffer;
/** Size in bytes of the ciphertext of a plaintext: 40 for the header and 16 for each segment more. */
export const ciphertextSize: StreamAead['ciphertextSize'] = atOneMebibyte.ciphertextSize;
/** Size in bytes of the plaintext of a whole ciphertext; throws `integrity` if no plaintext has it. */
export const plaintextSize: StreamAead['plaintextSize'] = atOneMebibyte.plaintextSize;
