// A process is killed while it writes, at a moment of chance: every write that it acknowledged is there afterwards, each is
// there whole or not at all, the file verifies, and nothing lies in the clear in what the crash left behind.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { tables } from '../database.ts';
import { openDatabase } from './files.fixture.ts';

type Tables = { pairs: { id: number; half: string; text: string } };
const key = new Uint8Array(32).fill(5);
const migrations = [
  {
    module: 'pairs',
    migrations: [
      { name: 'pairs', up: 'create table pairs (id integer, half text, text text, primary key (id, half)) strict' },
    ],
  },
];
const canary = 'canary-of-the-crash-71c2';
const [, , role, folder] = process.argv;

if (role === 'victim' && folder !== undefined) await writeUntilKilled(folder);
else
  test('after kill -9, what was acknowledged is there, whole, and nothing is in the clear', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-durability-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    for (const killAfter of [1, 40, 300]) {
      const acknowledged = await crash(folder, killAfter);
      for (const file of await readdir(folder)) {
        assert.equal((await readFile(join(folder, file))).includes(canary), false, `${file} holds the planted string`);
      }
      const database = await openDatabase({ path: join(folder, 'test.db'), key, migrations });
      const rows = await tables<Tables>(database.read).selectFrom('pairs').select(['id', 'half']).execute();
      const halves = Map.groupBy(rows, ({ id }) => id);
      for (const id of acknowledged) assert.ok(halves.has(id), `write ${id} was acknowledged and is gone`);
      for (const [id, found] of halves) assert.equal(found.length, 2, `write ${id} is there by half`);
      const { rows: verdict } = await sql`pragma integrity_check`.execute(database.read);
      assert.deepEqual(verdict, [{ integrity_check: 'ok' }]);
      await database.close();
    }
  });

/** Runs a writer, kills it after it acknowledged `killAfter` writes, and returns everything that it had acknowledged. */
async function crash(folder: string, killAfter: number): Promise<readonly number[]> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'victim', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  const acknowledged: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line));
    if (acknowledged.length === killAfter) child.kill('SIGKILL');
  }
  assert.equal(await exited, 'SIGKILL');
  assert.ok(acknowledged.length >= killAfter);
  return acknowledged;
}

/** Eight writers at once, so that groups are under way whenever the end comes. */
async function writeUntilKilled(folder: string): Promise<void> {
  const database = await openDatabase({ path: join(folder, 'test.db'), key, migrations });
  const last = await sql<{ id: number | null }>`select max(id) as id from pairs`.execute(database.read);
  let next = last.rows[0]?.id ?? 0;
  // Long enough that the pages of the log are moved before the last kill.
  const text = canary.repeat(250);
  const writer = async () => {
    for (;;) {
      const id = ++next;
      await database.write(async (tx) => {
        for (const half of ['left', 'right'])
          await tables<Tables>(tx).insertInto('pairs').values({ id, half, text }).execute();
      });
      // Synchronous on a pipe: a line that was read was acknowledged before the kill.
      process.stdout.write(`${id}\n`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, writer));
}
