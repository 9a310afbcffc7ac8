// Memory of pieces: it goes back when whoever was last says so, and never while it is somebody's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepPiece, ownPiece, releasePiece } from './pieces.ts';

test('a piece that is nobody else’s is empty once it was given back, and any other stays', () => {
  const owned = ownPiece(Buffer.alloc(100_000, 'a'));
  const other = Buffer.alloc(100_000, 'b');
  releasePiece(owned);
  releasePiece(other);
  assert.equal(owned.length, 0);
  assert.equal(other.length, 100_000);
});

test('a short piece is given back only if it has memory of its own', () => {
  const record = ownPiece(Buffer.from(new ArrayBuffer(16_384)));
  const slice = ownPiece(Buffer.alloc(40_000, 'c').subarray(0, 16_384));
  releasePiece(record);
  releasePiece(slice);
  assert.equal(record.length, 0);
  assert.equal(slice.toString(), 'c'.repeat(16_384));
});

test('a piece that somebody goes on looking at stays', () => {
  const kept = ownPiece(Buffer.alloc(100_000, 'd'));
  keepPiece(kept);
  releasePiece(kept);
  assert.equal(kept.length, 100_000);
});
