// Sealed parts as a stream for a reader who may be slow: the store stays open and its files stay in place until he is done,
// the stream breaks when the owner's key is refused, and it never ends early as if it were whole.

import { Readable } from 'node:stream';
import { declareLength } from '#kernel/bytes/lengths';
import { ownPiece } from '#kernel/bytes/pieces';
import { SEGMENT_BYTES } from '#kernel/crypto/stream-aead';
import type { Part } from './blobs.store.ts';
import type { Place } from './sealed-files.service.ts';
import type { SealedStore } from './sealed-stores.service.ts';
import { storageFailures } from './storage.errors.ts';

/**
 * Plaintext from `start` to `end` inclusive; without bounds, nothing. `release` is called once, when the stream closes or
 * when this throws. The caller reads the stream to its end or destroys it.
 */
export async function streamParts(
  store: Pick<SealedStore, 'sealed' | 'signal' | 'hold'>,
  place: Place,
  parts: readonly Part[],
  bounds: { readonly start: number; readonly end: number } | undefined,
  release: () => void,
): Promise<Readable> {
  const letGo = store.hold();
  const done = () => {
    release();
    letGo();
  };
  try {
    const wanted = bounds ? bounds.end - bounds.start + 1 : 0;
    const bytes = bounds ? store.sealed.read(place, parts, bounds) : nothing();
    // The first segment is opened before anything is promised: what does not open is an error and not a broken answer.
    const first = await bytes.next();
    const stream = Readable.from(counted(first, bytes, wanted), {
      objectMode: false,
      highWaterMark: SEGMENT_BYTES,
      signal: store.signal,
    });
    // A stream that nobody began to read never runs what would close the file below it.
    stream.once('close', () => void bytes.return(undefined).then(done, done));
    return declareLength(stream, wanted);
  } catch (thrown) {
    done();
    throw thrown;
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Passes bytes on, and fails rather than end before all that was promised. */
async function* counted(
  first: IteratorResult<Uint8Array>,
  rest: AsyncGenerator<Uint8Array>,
  wanted: number,
): AsyncGenerator<Uint8Array> {
  let seen = 0;
  try {
    for (let next = first; !next.done; next = await rest.next()) {
      seen += next.value.length;
      yield ownPiece(next.value);
    }
  } finally {
    await rest.return(undefined);
  }
  if (seen !== wanted) throw storageFailures.IntegrityCheckFailed();
}
