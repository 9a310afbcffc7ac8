// Digests on the thread: the same as here, whatever else it computes in between, and no reason for a process to stay.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { sha256Hex } from './digest.ts';
import { createLongSha256, createThreadSha256, sha256OfPieces } from './digest-thread.ts';
import { randomBytes } from './random.ts';

test('digests that are fed in turns are each what the platform computes at once', async () => {
  const contents = [0, 1, 3].map((count) => Array.from({ length: count }, () => randomBytes(50_000)));
  const digests = contents.map(() => createThreadSha256());
  for (let at = 0; at < 3; at++) {
    for (const [which, content] of contents.entries()) {
      const piece = content[at];
      if (piece !== undefined) await digests[which]?.update(piece);
    }
  }
  for (const [which, content] of contents.entries()) {
    assert.equal(await digests[which]?.hex(), sha256Hex(Buffer.concat(content)));
  }
});

test('a piece in shared memory may be overwritten once its update is answered', async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(300_000));
  const digest = createThreadSha256();
  for (const value of [1, 2]) {
    shared.fill(value);
    await digest.update(shared);
  }
  shared.fill(3);
  const expected = Buffer.concat([Buffer.alloc(300_000, 1), Buffer.alloc(300_000, 2)]);
  assert.equal(await digest.hex(), sha256Hex(expected));
});

test('a digest that was given up leaves the others as they are', async () => {
  const [dropped, kept] = [createThreadSha256(), createThreadSha256()];
  const updated = dropped.update(Buffer.from('a'));
  await kept.update(Buffer.from('b'));
  dropped.drop();
  dropped.drop();
  await updated;
  assert.equal(await kept.hex(), sha256Hex('b'));
  kept.drop();
});

test('a process ends with a digest unfinished', { timeout: 20_000 }, async () => {
  const path = JSON.stringify(join(import.meta.dirname, 'digest-thread.ts'));
  const script = `import(${path}).then((room) => room.createThreadSha256().update(Buffer.from('a')));`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'inherit'] });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('content of any length has its digest, on the thread or here', async () => {
  for (const pieces of [[], [1], [524_287, 3], [524_288], [600_000, 600_000, 7], [3, 700_000]]) {
    const digest = createLongSha256();
    const contents = pieces.map((length) => Buffer.alloc(length, randomBytes(251)));
    for (const content of contents) await digest.update(content);
    assert.equal(await digest.hex(), sha256Hex(Buffer.concat(contents)), pieces.join());
  }
});

test('memory that is lent to the thread comes back whole, and the digest is of what the piece was', async () => {
  const memory = new Uint8Array(700_000).fill(1);
  const digest = createLongSha256();
  const back = await digest.lend(memory.subarray(0, 600_000));
  assert.equal(memory.length, 0);
  assert.equal(back?.length, 700_000);
  assert.ok(back.every((byte) => byte === 1));
  await digest.lend(back.fill(2).subarray(100_000));
  assert.equal(await digest.hex(), sha256Hex(Buffer.concat([Buffer.alloc(600_000, 1), Buffer.alloc(600_000, 2)])));
});

test('what is short is read where it is, and not taken', async () => {
  const digest = createLongSha256();
  const piece = new Uint8Array(1_000).fill(3);
  assert.equal(digest.lend(piece), undefined);
  assert.equal(piece.length, 1_000);
  assert.equal(await digest.hex(), sha256Hex(Buffer.alloc(1_000, 3)));
});

test('pieces that nobody needs have one digest and give their memory back; what lies beside others in memory stays', async () => {
  for (const lengths of [[], [5], [5, 700_000], [300_000, 300_000, 7], [1_048_576]]) {
    const pieces = lengths.map((length, at) => new Uint8Array(length).fill(at + 1));
    const expected = sha256Hex(Buffer.concat(pieces));
    assert.equal(await sha256OfPieces(Readable.from(pieces)), expected, lengths.join());
    assert.deepEqual(
      pieces.map((piece) => piece.length),
      lengths.map(() => 0),
    );
  }
  for (const length of [10, 300_000]) {
    const memory = new Uint8Array(length + 100).fill(1);
    const parts = [memory.subarray(0, length), memory.subarray(length)];
    assert.equal(await sha256OfPieces(Readable.from(parts)), sha256Hex(memory));
    assert.ok(memory.every((byte) => byte === 1));
  }
});

test('content that breaks off has no digest', async () => {
  async function* broken() {
    yield new Uint8Array(300_000);
    throw new Error('the disk');
  }
  await assert.rejects(sha256OfPieces(broken()), /the disk/);
});
