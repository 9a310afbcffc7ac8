// The hash tree against the vectors that certificate transparency logs share, and against forged proofs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createTree,
  leafHash,
  nodeHash,
  proveConsistency,
  proveInclusion,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';

// The eight entries of the RFC 6962 test tree that certificate transparency implementations share.
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((hex) => Buffer.from(hex, 'hex'));

const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const leaves = ENTRIES.map((entry) => leafHash(entry));
const read = (start: number, end: number) => leaves.slice(start, end);
const hex = (hash: Uint8Array) => Buffer.from(hash).toString('hex');
const root = (size: number) => Buffer.from(ROOTS[size] ?? '', 'hex');
const leaf = (index: number) => leaves[index] ?? new Uint8Array();
const flipped = (hash: Uint8Array) => hash.map((byte, index) => (index === 7 ? byte ^ 1 : byte));

test('every size of the shared test tree has its published root', () => {
  const tree = createTree();
  assert.equal(hex(tree.root()), ROOTS[0]);
  for (const [index, hash] of leaves.entries()) {
    tree.append(hash);
    assert.equal(hex(tree.root()), ROOTS[index + 1]);
  }
});

test('an appender continues from its state, and a state that cannot be is refused', () => {
  const tree = createTree();
  for (const hash of leaves.slice(0, 5)) tree.append(hash);
  const continued = createTree(tree.state());
  for (const hash of leaves.slice(5)) continued.append(hash);
  assert.equal(hex(continued.root()), ROOTS[8]);
  assert.equal(tree.state().size, 5);
  assert.throws(() => createTree({ size: 5, hashes: [] }), { kind: 'invalid' });
  assert.throws(() => createTree({ size: -1, hashes: [] }), { kind: 'invalid' });
  assert.throws(() => createTree({ size: 1, hashes: [new Uint8Array(31)] }), { kind: 'invalid' });
  assert.throws(() => tree.append(new Uint8Array(33)), { kind: 'invalid' });
});

test('inclusion is proved for every leaf of every size, and for no other', async () => {
  for (let size = 1; size <= 8; size++) {
    for (let index = 0; index < size; index++) {
      const proof = await proveInclusion(read, index, size);
      const claim = { index, size, leaf: leaf(index), root: root(size) };
      assert.equal(verifyInclusion(claim, proof), true);
      assert.equal(verifyInclusion({ ...claim, leaf: flipped(claim.leaf) }, proof), false);
      assert.equal(verifyInclusion({ ...claim, root: flipped(claim.root) }, proof), false);
      assert.equal(verifyInclusion({ ...claim, index: size }, proof), false);
      assert.equal(verifyInclusion(claim, [...proof, leaf(0)]), false);
      if (proof.length > 0) assert.equal(verifyInclusion(claim, proof.slice(1)), false);
      if (size > 1) assert.equal(verifyInclusion({ ...claim, index: (index + 1) % size }, proof), false);
    }
  }
});

test('consistency is proved between every two sizes, and forged for none', async () => {
  for (let newSize = 1; newSize <= 8; newSize++) {
    for (let oldSize = 1; oldSize <= newSize; oldSize++) {
      const proof = await proveConsistency(read, oldSize, newSize);
      const claim = { oldSize, newSize, oldRoot: root(oldSize), newRoot: root(newSize) };
      assert.equal(verifyConsistency(claim, proof), true);
      assert.equal(verifyConsistency({ ...claim, oldRoot: flipped(claim.oldRoot) }, proof), false);
      assert.equal(verifyConsistency({ ...claim, newRoot: flipped(claim.newRoot) }, proof), false);
      assert.equal(verifyConsistency(claim, [...proof, leaf(0)]), false);
      if (proof.length > 0) assert.equal(verifyConsistency(claim, proof.slice(1)), false);
    }
  }
  assert.equal(verifyConsistency({ oldSize: 0, newSize: 8, oldRoot: root(0), newRoot: root(8) }, []), false);
});

test('a node does not pass for a leaf', () => {
  const [left, right] = [leaf(0), leaf(1)];
  assert.notDeepEqual(nodeHash(left, right), leafHash(Buffer.concat([left, right])));
});

test('proofs outside the tree and readers that lie about counts are refused', async () => {
  await assert.rejects(proveInclusion(read, 8, 8), { kind: 'invalid' });
  await assert.rejects(proveInclusion(read, -1, 8), { kind: 'invalid' });
  await assert.rejects(proveConsistency(read, 0, 8), { kind: 'invalid' });
  await assert.rejects(proveConsistency(read, 9, 8), { kind: 'invalid' });
  await assert.rejects(proveInclusion(read, 0, 20), { kind: 'invalid' });
});

test('sizes beyond 32 bits verify by arithmetic, not by truncated bits', () => {
  const claim = { index: 2 ** 40, size: 2 ** 40 + 1, leaf: leaf(0), root: nodeHash(leaf(1), leaf(0)) };
  assert.equal(verifyInclusion(claim, [leaf(1)]), true);
  assert.equal(verifyInclusion({ ...claim, index: 0 }, [leaf(1)]), false);
});
