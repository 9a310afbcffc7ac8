// Properties of the hash tree, against the recursive definition of RFC 6962 as an oracle.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sha256 } from './digest.ts';
import {
  createTree,
  leafHash,
  nodeHash,
  proveConsistency,
  proveInclusion,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';

const leaves = Array.from({ length: 3000 }, (_, index) => leafHash(`entry ${index}`));
const read = (start: number, end: number) => leaves.slice(start, end);

/** MTH of RFC 6962, section 2.1, as it is written there. */
function definition(part: readonly Uint8Array[]): Uint8Array {
  const [only] = part;
  if (only === undefined) return sha256('');
  if (part.length === 1) return only;
  const split = 2 ** Math.floor(Math.log2(part.length - 1));
  return nodeHash(definition(part.slice(0, split)), definition(part.slice(split)));
}

function rootOf(size: number): Uint8Array {
  const tree = createTree();
  for (const leaf of read(0, size)) tree.append(leaf);
  return tree.root();
}

test('appending gives the root of the recursive definition', () => {
  fc.assert(
    fc.property(fc.nat(3000), (size) => assert.deepEqual(rootOf(size), definition(read(0, size)))),
    { numRuns: 40 },
  );
});

test('proofs verify, and with any hash changed they do not', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3000 }),
      fc.nat(),
      fc.nat(),
      fc.nat(),
      async (newSize, one, two, which) => {
        const index = one % newSize;
        const oldSize = 1 + (two % newSize);
        const inclusion = await proveInclusion(read, index, newSize);
        const consistency = await proveConsistency(read, oldSize, newSize);
        const newRoot = rootOf(newSize);
        const included = { index, size: newSize, leaf: leaves[index] ?? newRoot, root: newRoot };
        const consistent = { oldSize, newSize, oldRoot: rootOf(oldSize), newRoot };
        assert.equal(verifyInclusion(included, inclusion), true);
        assert.equal(verifyConsistency(consistent, consistency), true);
        const damage = (proof: readonly Uint8Array[]) =>
          proof.map((hash, at) => (at === which % proof.length ? sha256(hash) : hash));
        if (inclusion.length > 0) assert.equal(verifyInclusion(included, damage(inclusion)), false);
        if (consistency.length > 0) assert.equal(verifyConsistency(consistent, damage(consistency)), false);
      },
    ),
    { numRuns: 60 },
  );
});

test('arbitrary claims and proofs are false and end', () => {
  const hashes = fc.array(fc.uint8Array({ minLength: 31, maxLength: 33, size: 'max' }), { maxLength: 80, size: 'max' });
  const sizes = fc.oneof(fc.integer(), fc.double(), fc.maxSafeNat());
  const root = sha256('root');
  fc.assert(
    fc.property(sizes, sizes, hashes, (a, b, proof) => {
      assert.equal(verifyInclusion({ index: a, size: b, leaf: sha256('leaf'), root }, proof), false);
      assert.equal(verifyConsistency({ oldSize: a, newSize: b, oldRoot: sha256('old'), newRoot: root }, proof), false);
    }),
    { numRuns: 500 },
  );
});
