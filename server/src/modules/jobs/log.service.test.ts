// The bound of a log: what is kept of one that goes on and on.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool, openDatabase } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { createJobLogs } from './log.service.ts';
import { jobTables } from './migrations/index.ts';

after(() => closeScanPool());

const limit = 64 * 1024 * 1024;
const cut = '\n[the log goes on, but only its first 64 MB are kept]\n';

async function openLog(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-log-'));
  const database = await openDatabase({
    path: join(folder, 'w.db'),
    key: new Uint8Array(32).fill(7),
    migrations: [jobTables],
  });
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  const logs = createJobLogs({
    runs: {
      putArtifact: () => Promise.reject(new Error('not sealed here')),
      openArtifact: () => Promise.reject(new Error('not sealed here')),
    },
  });
  const source = { database, workspaceId: '/w', runId: 'r', ended: false };
  return {
    append: (text: string) => logs.append(database, 'r', text),
    tail: async (offset: number) => (await logs.read(testGrant(), source, offset)).bytes.toString(),
  };
}

test('a log that fits to the byte is kept whole, and says where it was cut when more comes', async (t) => {
  const { append, tail } = await openLog(t);
  for (let i = 0; i < 64; i++) await append('x'.repeat(1024 * 1024));
  assert.equal(await tail(limit - 3), 'xxx');
  await append('more');
  assert.equal(await tail(limit - 3), `xxx${cut}`);
  await append('and more');
  assert.equal(await tail(limit - 3), `xxx${cut}`);
});

test('a log is cut between characters', async (t) => {
  const { append, tail } = await openLog(t);
  for (let i = 0; i < 63; i++) await append('x'.repeat(1024 * 1024));
  await append('x'.repeat(1024 * 1024 - 3));
  await append('€');
  assert.equal(await tail(limit - 3), '€');
  await append('😀');
  assert.equal(await tail(limit - 3), `€${cut}`);

  const other = await openLog(t);
  for (let i = 0; i < 63; i++) await other.append('x'.repeat(1024 * 1024));
  await other.append('x'.repeat(1024 * 1024 - 3));
  await other.append('😀 and more');
  assert.equal(await other.tail(limit - 4), `x${cut}`);
});
