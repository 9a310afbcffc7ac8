// What an agent refuses before it begins: inputs that its machine has no memory for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireRoom } from './items.ts';

const reads = (...sizes: readonly unknown[]) => ({
  job: { inputs: { data: sizes.map((size) => ({ path: 'a', size })) } },
});

test('inputs that do not fit into the memory that is free are refused with both numbers', () => {
  const mebibyte = 2 ** 20;
  requireRoom({}, 0);
  requireRoom({ job: {} }, 0);
  requireRoom(reads(mebibyte, mebibyte), 2 * mebibyte);
  assert.throws(() => requireRoom(reads(mebibyte, mebibyte), 2 * mebibyte - 1), /have 2 MiB, and this node has 2 MiB/);
  // A folder of a container, whose size nobody has told.
  requireRoom({ job: { inputs: { data: { url: 'https://localhost/account/container' } } } }, 0);
  requireRoom(reads('many', undefined), 0);
});
