// Memory that serves one stream after another: what one stream had in it is nothing to the next.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveMemory, giveSegment, ownMemoryBytes, takeMemory } from './segment-memory.ts';

const bytes = 4 * ownMemoryBytes;

test('the memory of a segment serves the next stream, empty, and is gone from whoever gave it', () => {
  const mine = takeMemory(bytes).fill(1);
  const piece = mine.subarray(0, bytes - 10);
  giveSegment(piece);
  const next = takeMemory(bytes);
  assert.equal(next.length, bytes);
  assert.ok(next.every((byte) => byte === 0));
  next.fill(2);
  assert.deepEqual([piece.length, mine.length], [0, 0]);
});

test('memory that is given twice serves one stream, not two', () => {
  const mine = takeMemory(bytes);
  const piece = mine.subarray(0, 10);
  giveSegment(piece);
  giveSegment(piece);
  giveMemory(mine);
  const [one, other] = [takeMemory(bytes), takeMemory(bytes)];
  one.fill(1);
  assert.ok(other.every((byte) => byte === 0));
});

test('memory of its own goes back to the system', () => {
  const piece = new Uint8Array(ownMemoryBytes).fill(1);
  giveSegment(piece);
  assert.equal(piece.length, 0);
  const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(1);
  giveSegment(shared);
  assert.deepEqual([...shared], Array(8).fill(1));
});
