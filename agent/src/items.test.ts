// What an agent refuses before it begins: inputs that its machine has no memory for; and what of them is not the job's to hold.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutKept } from './inputs/inputs.ts';
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

test('what a node keeps takes no memory of the job, and its runner is not told to fetch it', () => {
  const files = (size: number) => [{ path: 'a', url: 'https://localhost:1/a', size, sha256: '' }];
  const item = {
    document: { port: 1, kept: { scope: 'ws' }, job: { token: 't', inputs: { large: files(700), small: files(30) } } },
    scratchBytes: 1000,
  };
  const use = { folders: new Map([['large', '/kept/1']]), release: () => undefined };
  const { document, scratchBytes } = withoutKept(item, use);
  assert.deepEqual(document, { port: 1, job: { token: 't', inputs: { small: files(30) } } });
  assert.equal(scratchBytes, 300);
  assert.deepEqual(withoutKept(item, undefined), {
    document: { port: 1, job: item.document.job },
    scratchBytes: 1000,
  });
  requireRoom(document, 30);
  assert.throws(() => requireRoom(withoutKept(item, undefined).document, 729), /MiB of memory free/);
});
