// The disk fails while it makes a change durable. Whoever wrote is told that nobody knows whether the change is kept, nothing is
// written any more over what may be lost, the log is left as it is, and opened anew everything that was acknowledged is there.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { Failure } from '#kernel/errors/failure';
import { failNth } from '#kernel/files/faults';
import { failingSyncs, withoutFailingSyncs } from '#kernel/testing/syncs';
import { closeScanPool, type Database, tables } from '../database.ts';
import { openDatabase } from './files.fixture.ts';

type Tables = { texts: { id: number; text: string } };
const key = new Uint8Array(32).fill(6);
const migrations = [
  {
    module: 'texts',
    migrations: [{ name: 'texts', up: 'create table texts (id integer primary key, text text not null) strict' }],
  },
];
const open = (folder: string) => openDatabase({ path: join(folder, 'test.db'), key, migrations });
const codeOf = (error: unknown) => (error instanceof Failure ? error.code : String(error));

async function idsOf(database: Database): Promise<readonly number[]> {
  const rows = await tables<Tables>(database.read).selectFrom('texts').select('id').orderBy('id').execute();
  return rows.map(({ id }) => id);
}

const [, , role, folder] = process.argv;
if (role === 'victim' && folder !== undefined) await serve(folder);
else await tests();

type Command = 'open' | 'close' | 'read' | `write ${number} ${number}`;

/** Does what it is told, a line each, and answers a line of JSON: what came of it. */
async function serve(folder: string): Promise<void> {
  let database: Database | undefined;
  async function act(line: Command): Promise<unknown> {
    const [word, id = '', count = ''] = line.split(' ');
    if (word === 'open') {
      database = await open(folder);
      return 'opened';
    }
    if (database === undefined) return 'nothing is open';
    if (word === 'read') return await idsOf(database);
    if (word === 'close') {
      await database.close();
      return 'closed';
    }
    const outcomes = [];
    for (let at = 0; at < Number(count); at++) {
      const row = { id: Number(id) + at, text: 'x'.repeat(100_000) };
      outcomes.push(
        await database
          .write((tx) => tables<Tables>(tx).insertInto('texts').values(row).execute())
          .then(() => row.id, codeOf),
      );
    }
    return outcomes;
  }
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await act(line as Command).catch(codeOf))}\n`);
  await closeScanPool();
}

async function tests(): Promise<void> {
  const skip = withoutFailingSyncs;

  async function world(t: { after(done: () => Promise<void>): void }) {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-sync-'));
    const syncs = failingSyncs(folder);
    const children: (() => Promise<void>)[] = [];
    t.after(async () => {
      for (const kill of children) await kill();
      await rm(folder, { recursive: true, force: true });
    });
    return {
      folder,
      syncs,
      log: join(folder, 'test.db-wal'),
      start() {
        const [program, ...given] = [
          ...syncs.command,
          process.execPath,
          fileURLToPath(import.meta.url),
          'victim',
          folder,
        ];
        const child = spawn(program ?? '', given, { stdio: ['pipe', 'pipe', 'inherit'] });
        const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
        const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        const kill = async () => {
          child.kill('SIGKILL');
          await exited;
        };
        children.push(kill);
        return {
          kill,
          async say(command: Command): Promise<unknown> {
            child.stdin.write(`${command}\n`);
            return JSON.parse((await lines.next()).value ?? 'null');
          },
          /** Its input is over: it ends by itself, and whatever it holds is closed by its end. */
          async leave() {
            child.stdin.end();
            await exited;
          },
        };
      },
    };
  }

  for (const error of ['EIO', 'ENOSPC'] as const)
    test(`a commit whose sync fails with ${error} is not said to be done, and nothing is written after it until the file is opened anew`, {
      skip,
    }, async (t) => {
      const { syncs, start, log } = await world(t);
      const first = start();
      assert.equal(await first.say('open'), 'opened');
      assert.deepEqual(await first.say('write 1 2'), [1, 2]);
      await syncs.fail(/test\.db-wal$/, error, { times: 1 });
      // The disk is well again for the second and third: a sync that succeeds must not make the lost one count.
      assert.deepEqual(await first.say('write 3 3'), ['SyncFailed', 'WritesStopped', 'WritesStopped']);
      assert.equal(await syncs.failed(), 1);
      assert.deepEqual(await first.say('read'), [1, 2], 'what was acknowledged is read on');
      const left = statSync(log).size;
      assert.equal(await first.say('close'), 'closed');
      await first.leave();
      assert.equal(statSync(log).size, left, 'the log is what the next opening has to go on');
      await syncs.heal();

      const second = start();
      assert.equal(await second.say('open'), 'opened');
      const found = await second.say('read');
      assert.ok(
        ['[1,2]', '[1,2,3]'].includes(JSON.stringify(found)),
        `one of before and after: ${JSON.stringify(found)}`,
      );
      assert.deepEqual(await second.say('write 10 1'), [10]);
      assert.equal(await second.say('close'), 'closed');
      assert.equal(existsSync(log), false);
    });

  test('killed after a sync that failed, it writes the log anew before it reads it, and does not open while that fails', {
    skip,
  }, async (t) => {
    const { syncs, start } = await world(t);
    const first = start();
    await first.say('open');
    await first.say('write 1 2');
    await syncs.fail(/test\.db-wal$/, 'EIO');
    assert.deepEqual(await first.say('write 3 1'), ['SyncFailed']);
    await first.kill();
    const second = start();
    assert.equal(await second.say('open'), 'SyncFailed');
    await syncs.heal();
    assert.equal(await second.say('open'), 'opened');
    assert.deepEqual(((await second.say('read')) as number[]).slice(0, 2), [1, 2]);
    assert.deepEqual(await second.say('write 10 1'), [10]);
  });

  test('pages that were moved out of the log and whose sync failed stay in the log, and nothing more is written', {
    skip,
  }, async (t) => {
    const { syncs, start, log } = await world(t);
    const first = start();
    await first.say('open');
    await syncs.fail(/test\.db$/, 'EIO');
    // More than is left in the log: a move is begun, elsewhere, and every commit until then is good.
    const acknowledged: unknown[] = [];
    for (let id = 1; ; id++) {
      const [outcome] = (await first.say(`write ${id} 1`)) as unknown[];
      if (outcome === 'WritesStopped') break;
      assert.equal(outcome, id);
      acknowledged.push(id);
      assert.ok(id < 1_000, 'a failing move was passed over');
    }
    assert.ok((await syncs.failed()) > 0);
    await first.say('close');
    await first.leave();
    assert.ok(statSync(log).size > 4_000_000);
    await syncs.heal();
    const second = start();
    await second.say('open');
    assert.deepEqual(await second.say('read'), acknowledged);
    assert.equal(await second.say('close'), 'closed');
    assert.equal(existsSync(log), false);
  });

  test('a close that cannot make the file durable says so and leaves the log', { skip }, async (t) => {
    const { syncs, start, log } = await world(t);
    const first = start();
    await first.say('open');
    await first.say('write 1 2');
    await syncs.fail(/test\.db$/, 'EIO', { times: 1 });
    assert.equal(await first.say('close'), 'SyncFailed');
    await first.leave();
    await syncs.heal();
    assert.ok(statSync(log).size > 200_000);
    const second = start();
    await second.say('open');
    assert.deepEqual(await second.say('read'), [1, 2]);
  });

  test('a file whose entry could not be made durable is not there, so that the next call makes it anew', async (t) => {
    const { folder } = await world(t);
    const path = join(folder, 'test.db');
    const { faults } = failNth(
      1,
      ({ step }) => step === 'fsync',
      () => Object.assign(new Error('EIO'), { code: 'EIO' }),
    );
    await assert.rejects(openDatabase({ path, key, migrations, faults }), { code: 'StorageUnavailable' });
    assert.deepEqual(await readdir(folder), []);
    const database = await open(folder);
    assert.deepEqual((await sql`pragma integrity_check`.execute(database.read)).rows, [{ integrity_check: 'ok' }]);
    await database.close();
  });
}
