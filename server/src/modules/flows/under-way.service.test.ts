// Whose turn it is to be looked at.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '#kernel/log/log';
import { testDatabases } from '#kernel/testing/databases';
import { flowTables } from './migrations/index.ts';
import { createUnderWays } from './under-way.service.ts';

const workspace = '/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w';

test('a job that is asked for all the time keeps no other one waiting', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-under-way-'));
  const database = await testDatabases(folder).open('control', [flowTables], { key: new Uint8Array(32).fill(7) });
  t.after(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const nameOf = (jobId: string) => jobId.slice(jobId.lastIndexOf('/') + 1);
  const looked: string[] = [];
  const underWays = createUnderWays({
    database,
    log: silentLog,
    async lookAt(jobId) {
      looked.push(nameOf(jobId));
      // Each wants another look before this one is over, until the last one has had its own.
      if (!looked.includes('last') && looked.length < 1_000) underWays.look(jobId);
      return 'waits';
    },
    ended: async () => {},
  });
  const ids = ['a', 'b', 'c', 'd', 'e', 'last'].map((name) => `${workspace}/jobs/${name}`);
  for (const id of ids) await underWays.add(id, workspace, false);
  for (const id of ids) underWays.look(id);
  await underWays.idle();
  // Behind those that asked before it, and the second time of those that were looked at meanwhile.
  assert.ok(looked.indexOf('last') < 2 * ids.length, looked.slice(0, 20).join(' '));
});

test('what has ended, or stood in a workspace that is gone, is looked at no more', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-under-way-'));
  const database = await testDatabases(folder).open('control', [flowTables], { key: new Uint8Array(32).fill(7) });
  t.after(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const looked: string[] = [];
  const underWays = createUnderWays({
    database,
    log: silentLog,
    async lookAt(jobId) {
      looked.push(jobId);
      underWays.look(jobId);
      return 'ended';
    },
    ended: async () => {},
  });
  const [ends, gone] = [`${workspace}/jobs/ends`, `${workspace}2/jobs/gone`];
  await underWays.add(ends, workspace, false);
  await underWays.add(gone, `${workspace}2`, false);
  underWays.look(ends);
  await underWays.idle();
  await underWays.forgetWorkspace(`${workspace}2`);
  underWays.look(gone);
  underWays.look(ends);
  await underWays.idle();
  assert.deepEqual(looked, [ends]);
});
