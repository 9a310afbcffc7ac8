// The file that carries checkpoints away, while the disk fails: a line that it may have lost never stands before one that it kept.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type FaultPoint, failNth } from '#kernel/files/faults';
import { createCheckpointFile, readCheckpointFile } from './checkpoint-file.service.ts';

async function pathFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-checkpoints-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'checkpoints.jsonl');
}

const row = (size: number) => ({ time_ms: 0, size, note: `note ${size}` }) as never;
const isSync = ({ step }: FaultPoint) => step === 'fsync';

test('a line whose sync failed is taken back, and the next one stands where it stood', async (t) => {
  const path = await pathFor(t);
  await createCheckpointFile(path).append(row(1));
  const before = (await stat(path)).size;
  const failing = createCheckpointFile(path, failNth(1, isSync).faults);
  await assert.rejects(failing.append(row(2)), { code: 'ENOSPC' });
  assert.equal((await stat(path)).size, before);
  assert.equal(await failing.last(), 'note 1');
  await failing.append(row(3));
  assert.deepEqual(readCheckpointFile(await readFile(path, 'utf8')), ['note 1', 'note 3']);
});

test('the first line counts only when the entry of the file is durable too, and is written anew', async (t) => {
  const path = await pathFor(t);
  const file = createCheckpointFile(path, failNth(2, isSync).faults);
  await assert.rejects(file.append(row(1)));
  assert.equal(await file.last(), undefined);
  await file.append(row(2));
  assert.deepEqual(readCheckpointFile(await readFile(path, 'utf8')), ['note 2']);
});
