// How leaves are grouped. A tile is 256 of them; what is stored of one is its root, and, once its records were dropped, the hashes
// of its leaves.

import { HASH_BYTES } from '#kernel/crypto/merkle';

export const leavesPerTile = 256;

/** The kept hashes of a tile; undefined for bytes that are not those of a whole one. */
export function unpackTile(hashes: Uint8Array): readonly Uint8Array[] | undefined {
  if (hashes.length !== leavesPerTile * HASH_BYTES) return undefined;
  return Array.from({ length: leavesPerTile }, (_, at) => hashes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES));
}
