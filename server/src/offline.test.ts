import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { verifyOffline } from './offline.ts';

test('looking at a folder where no server was writes nothing into it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-offline-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const dataDir of [folder, join(folder, 'none')])
    await assert.rejects(
      verifyOffline({ flags: { dataDir } }),
      (error) => error instanceof Failure && error.code === 'NotStartedYet',
    );
  assert.deepEqual(await readdir(folder), []);
});
