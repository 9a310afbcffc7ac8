// How long a stream will be, where whoever made it knows: the length that a request declared, the size of what is read. For
// choosing a way only. Whoever must not take more than so much counts what comes.

import type { Readable } from 'node:stream';

const lengths = new WeakMap<Readable, number>();

/** @param bytes of the whole stream, before anything was read */
export function declareLength<S extends Readable>(stream: S, bytes: number): S {
  lengths.set(stream, bytes);
  return stream;
}

export const declaredLength = (stream: Readable): number | undefined => lengths.get(stream);
