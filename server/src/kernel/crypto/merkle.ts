// The Merkle hash tree of RFC 6962, over SHA-256: the arithmetic beneath the audit log.
// Promises: appending needs only as many hashes as the size has one-bits; proofs verify against a
// signed root without the entries; leaves and nodes hash apart, so neither passes for the other.
// It stores nothing: leaf hashes come through a reader, in bounded batches.

import { constantTimeEqual } from './compare.ts';
import { cryptoFailures } from './crypto.errors.ts';
import { createSha256 } from './digest.ts';

export const HASH_BYTES = 32;

/** Reads the leaf hashes `start` (included) to `end` (excluded), at most 1,024 at once. */
export type LeafReader = (start: number, end: number) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;

/** What must be kept to go on appending: the size, and the roots of its perfect subtrees from left to right. */
export interface TreeState {
  readonly size: number;
  readonly hashes: readonly Uint8Array[];
}

/** An appender over a compact range. */
export interface Tree {
  append(leaf: Uint8Array): void;
  /** The root hash of everything appended so far; of nothing, SHA-256 of no bytes. */
  root(): Uint8Array;
  state(): TreeState;
}

/** Inclusion of leaf `index` in the tree of `size` leaves that has this `root`. */
export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leaf: Uint8Array;
  readonly root: Uint8Array;
}

/** That the tree of `oldSize` leaves is the beginning of the tree of `newSize`. */
export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly newSize: number;
  readonly oldRoot: Uint8Array;
  readonly newRoot: Uint8Array;
}

const BATCH_LEAVES = 1024;
const MAX_PROOF_HASHES = 64;
const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

/** Returns the hash of an entry as a leaf: SHA-256(0x00 · entry). */
export function leafHash(entry: Uint8Array | string): Uint8Array {
  return hashOf(LEAF_PREFIX, entry);
}

/** Returns the hash of two nodes: SHA-256(0x01 · left · right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return hashOf(NODE_PREFIX, left, right);
}

/** Makes an appender that continues from `state`, or begins a tree. */
export function createTree(state: TreeState = { size: 0, hashes: [] }): Tree {
  requireSize(state.size);
  if (state.hashes.length !== oneBits(state.size))
    throw cryptoFailures.InvalidCryptoArgument('This tree state has the wrong number of hashes for its size.');
  for (const hash of state.hashes) requireHash(hash);
  let size = state.size;
  const hashes = [...state.hashes];
  return {
    append(leaf) {
      requireHash(leaf);
      requireSize(size + 1);
      let node = leaf;
      // Each trailing one-bit of the size is a perfect subtree that the new leaf completes to a larger one.
      for (let left = size; left % 2 === 1; left = (left - 1) / 2) node = nodeHash(hashes.pop() ?? node, node);
      hashes.push(node);
      size += 1;
    },
    root() {
      if (size === 0) return createSha256().digest();
      return hashes.reduceRight((right, left) => nodeHash(left, right));
    },
    state: () => ({ size, hashes: [...hashes] }),
  };
}

/** Returns the hashes that lead from leaf `index` to the root of the first `size` leaves (RFC 6962, 2.1.1). */
export async function proveInclusion(read: LeafReader, index: number, size: number): Promise<readonly Uint8Array[]> {
  requireSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw cryptoFailures.InvalidCryptoArgument('Inclusion is of a leaf inside the tree.');
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    const isLeft = index < middle;
    proof.push(isLeft ? await rootOf(read, middle, end) : await rootOf(read, start, middle));
    if (isLeft) end = middle;
    else start = middle;
  }
  return proof.reverse();
}

/** Returns the hashes that show the first `oldSize` leaves to begin the first `newSize` (RFC 6962, 2.1.2). */
export async function proveConsistency(
  read: LeafReader,
  oldSize: number,
  newSize: number,
): Promise<readonly Uint8Array[]> {
  requireSize(newSize);
  if (!Number.isSafeInteger(oldSize) || oldSize < 1 || oldSize > newSize) {
    throw cryptoFailures.InvalidCryptoArgument(
      'Consistency is between a tree of one leaf or more and the same or a larger one.',
    );
  }
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = newSize;
  // The old root is left out while everything old lies in the left part: the verifier has it.
  let isOldRoot = true;
  while (end !== oldSize) {
    const middle = start + splitOf(end - start);
    if (oldSize <= middle) {
      proof.push(await rootOf(read, middle, end));
      end = middle;
    } else {
      proof.push(await rootOf(read, start, middle));
      start = middle;
      isOldRoot = false;
    }
  }
  if (!isOldRoot) proof.push(await rootOf(read, start, end));
  return proof.reverse();
}

/** Tells whether a proof shows inclusion. Anything malformed is false. */
export function verifyInclusion(claim: InclusionClaim, proof: readonly Uint8Array[]): boolean {
  const { index, size, leaf, root } = claim;
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (![leaf, root, ...proof.slice(0, MAX_PROOF_HASHES + 1)].every(isHash) || proof.length > MAX_PROOF_HASHES)
    return false;
  let position = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      hash = nodeHash(sibling, hash);
      // A last node without a right sibling rises unhashed until it has one.
      while (position % 2 === 0 && position !== 0) {
        position = half(position);
        last = half(last);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    position = half(position);
    last = half(last);
  }
  return last === 0 && constantTimeEqual(hash, root);
}

/** Tells whether a proof shows consistency. Anything malformed is false; so is an old size of 0, which proves nothing. */
export function verifyConsistency(claim: ConsistencyClaim, proof: readonly Uint8Array[]): boolean {
  const { oldSize, newSize, oldRoot, newRoot } = claim;
  if (!isSize(oldSize) || !isSize(newSize) || oldSize < 1 || oldSize > newSize) return false;
  if (proof.length > MAX_PROOF_HASHES || ![oldRoot, newRoot, ...proof].every(isHash)) return false;
  if (oldSize === newSize) return proof.length === 0 && constantTimeEqual(oldRoot, newRoot);
  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof;
  const [seed, ...siblings] = path;
  if (seed === undefined || siblings.length === 0) return false;
  let position = oldSize - 1;
  let last = newSize - 1;
  while (position % 2 === 1) {
    position = half(position);
    last = half(last);
  }
  let oldHash = seed;
  let newHash = seed;
  for (const sibling of siblings) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      while (position % 2 === 0 && position !== 0) {
        position = half(position);
        last = half(last);
      }
    } else {
      newHash = nodeHash(newHash, sibling);
    }
    position = half(position);
    last = half(last);
  }
  return last === 0 && constantTimeEqual(oldHash, oldRoot) && constantTimeEqual(newHash, newRoot);
}

/** Returns the root of the leaves `start` to `end`, read in batches, holding a few hashes. */
async function rootOf(read: LeafReader, start: number, end: number): Promise<Uint8Array> {
  const tree = createTree();
  for (let from = start; from < end; from += BATCH_LEAVES) {
    const to = Math.min(end, from + BATCH_LEAVES);
    const leaves = await read(from, to);
    if (leaves.length !== to - from)
      throw cryptoFailures.InvalidCryptoArgument(
        'The leaf reader returned another number of hashes than it was asked for.',
      );
    for (const leaf of leaves) tree.append(leaf);
  }
  return tree.root();
}

/** The largest power of two smaller than `size`, where RFC 6962 splits. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

// Bits by arithmetic: the bitwise operators of JavaScript stop at 32 bits.
const half = (value: number) => Math.floor(value / 2);
const isPowerOfTwo = (value: number) => oneBits(value) === 1;
const isSize = (value: number) => Number.isSafeInteger(value) && value >= 0;
const isHash = (hash: Uint8Array) => hash.length === HASH_BYTES;

function oneBits(value: number): number {
  let count = 0;
  for (let rest = value; rest > 0; rest = half(rest)) count += rest % 2;
  return count;
}

function hashOf(...pieces: readonly (Uint8Array | string)[]): Uint8Array {
  const hash = createSha256();
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

function requireHash(hash: Uint8Array): void {
  if (!isHash(hash)) throw cryptoFailures.InvalidCryptoArgument(`A hash in a tree has ${HASH_BYTES} bytes.`);
}

function requireSize(size: number): void {
  if (!isSize(size)) throw cryptoFailures.InvalidCryptoArgument('The size of a tree is a whole number, 0 or more.');
}
