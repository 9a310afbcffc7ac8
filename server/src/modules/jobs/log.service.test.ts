// The bound of a log: what is kept of one that goes on and on.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { createJobLogs } from './log.service.ts';
import { jobTables } from './migrations/index.ts';

after(() => closeScanPool());

const limit = 64 * 1024 * 1024;
const cut = '\n[the log goes on, but only its first 64 MB are kept]\n';

type Setting = { readonly room?: { state(): 'enough' | 'low' | 'full' }; readonly runs?: Partial<Artifacts> };
type Artifacts = Parameters<typeof createJobLogs>[0]['runs'];

async function openLog(t: TestContext, { room, runs }: Setting = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-log-'));
  const database = await testDatabases(folder).open('w', [jobTables], { key: new Uint8Array(32).fill(7) });
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  const logs = createJobLogs({
    ...(room ? { room } : {}),
    runs: {
      putArtifact: () => Promise.reject(new Error('not sealed here')),
      openArtifact: () => Promise.reject(new Error('not sealed here')),
      ...runs,
    },
  });
  const source = { database, workspaceId: '/w', runId: 'r', ended: false };
  return {
    ...{ logs, source },
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

test('what is printed while the disk has no room is not kept, whatever comes, and the log says where', async (t) => {
  let state: 'enough' | 'low' | 'full' = 'enough';
  const { append, tail } = await openLog(t, { room: { state: () => state } });
  const gap = '\n[what came next was not kept: the server had no room for it]\n';
  await append('before');
  state = 'low';
  for (let i = 0; i < 100; i++) await append('x'.repeat(1024 * 1024));
  assert.equal(await tail(0), `before${gap}`);
  state = 'enough';
  await append('after');
  state = 'full';
  await append('lost');
  assert.equal(await tail(0), `before${gap}after${gap}`);
});

test('a job whose log finds no room as an artifact ends all the same, and its log is kept as one later', async (t) => {
  let isFull = true;
  const kept: string[] = [];
  const putArtifact: Artifacts['putArtifact'] = async (_grant, _workspace, runId, _path, source) => {
    if (isFull) throw new Failure({ kind: 'full', code: 'StorageLow', message: 'No room.' });
    let text = '';
    for await (const part of source as AsyncIterable<Buffer>) text += part.toString();
    kept.push(`${runId}: ${text}`);
    return {} as Awaited<ReturnType<Artifacts['putArtifact']>>; // nobody looks at it
  };
  const { append, tail, logs, source } = await openLog(t, { runs: { putArtifact } });
  await append('said');
  await logs.seal(testGrant(), source);
  assert.equal(await tail(0), 'said', 'as before');
  const left = (hasEnded: boolean) => logs.sealLeft(testGrant(), source, async () => hasEnded);
  assert.equal(await left(true), 0, 'there is no room yet');
  isFull = false;
  assert.equal(await left(false), 0, 'what still runs goes on');
  assert.equal(await left(true), 1);
  assert.deepEqual(kept, ['r: said']);
  assert.equal(await left(true), 0);
});
