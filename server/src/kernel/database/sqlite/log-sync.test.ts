// A commit is told, and seen, when it is on the disk and not before; the event loop is free meanwhile. The sync is held in the test's
// hand; that a real one is waited for, and what becomes of one that fails, is `sync.test.ts`.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sql } from 'kysely';
import { noFaults } from '#kernel/files/faults';
import { databaseFailures } from '../database.errors.ts';
import { openEngine } from './engine.ts';
import { openLogSync } from './log-sync.ts';
import { createWriter } from './writer.ts';

const key = new Uint8Array(32).fill(7);

async function world(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-log-sync-'));
  const path = join(folder, 'test.db');
  const writing = openEngine({ path, key, readonly: false });
  writing.exec('create table words (word text not null) strict');
  const reading = openEngine({ path, key, readonly: true });
  const log = await openLogSync(path, writing, reading);
  let syncing = Promise.withResolvers<void>();
  let asked = Promise.withResolvers<void>();
  const writer = createWriter(writing, {
    path,
    faults: noFaults,
    log: {
      ...log,
      async sync() {
        asked.resolve();
        await syncing.promise;
      },
    },
  });
  t.after(async () => {
    await log.close();
    reading.close();
    if (!writer.isStopped()) writing.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    writer,
    seen: () => reading.run('select word from words order by word', []).rows.map(({ word }) => word),
    write: (word: string) => writer.write((tx) => sql`insert into words (word) values (${word})`.execute(tx)),
    asked: () => asked.promise,
    /** The sync that was asked for ends so, and the next one is another. */
    end(error?: Error) {
      const ended = syncing;
      syncing = Promise.withResolvers<void>();
      asked = Promise.withResolvers<void>();
      if (error === undefined) ended.resolve();
      else ended.reject(error);
    },
  };
}

test('nobody is told of a commit, and nobody sees it, before it is on the disk; the loop is free meanwhile', async (t) => {
  const { write, seen, asked, end } = await world(t);
  let told = false;
  const writing = write('first').then(() => {
    told = true;
  });
  await asked();
  // Turns of the loop, which go on.
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  assert.deepEqual([told, seen()], [false, []]);
  // What comes meanwhile is another group, which begins when this one is over.
  const next = write('second');
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  assert.deepEqual([told, seen()], [false, []]);
  end();
  await writing;
  assert.deepEqual(seen(), ['first']);
  await asked();
  assert.deepEqual(seen(), ['first']);
  end();
  await next;
  assert.deepEqual(seen(), ['first', 'second']);
});

test('what a failed sync leaves in doubt is told to nobody as done, and never seen', async (t) => {
  const { write, writer, seen, asked, end } = await world(t);
  const kept = write('kept');
  await asked();
  end();
  await kept;
  const refused = assert.rejects(write('in doubt'), { code: 'SyncFailed' });
  await asked();
  end(databaseFailures.SyncFailed(new Error('EIO')));
  await refused;
  assert.equal(writer.isStopped(), true);
  await assert.rejects(write('later'), { code: 'WritesStopped' });
  assert.deepEqual(seen(), ['kept']);
});
