// Scans on worker threads: the event loop stays free, answers are bounded, workers are shared, restartable and let go.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { CompiledQuery, sql } from 'kysely';
import { Failure } from '#kernel/errors/failure';
import { closeScanPool, type Database, tables } from '../database.ts';
import { openDatabase } from './files.fixture.ts';

type Tables = { points: { step: number; value: number; note: string | null; bytes: Uint8Array | null } };

after(() => closeScanPool());

async function open(t: TestContext, name = 'test.db'): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-scan-'));
  const database = await openDatabase({
    path: join(folder, name),
    key: new Uint8Array(32).fill(name.length),
    migrations: [
      {
        module: 'points',
        migrations: [
          {
            name: 'points',
            up: 'create table points (step integer primary key, value real, note text, bytes blob) strict',
          },
        ],
      },
    ],
  });
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  return database;
}

const fill = (database: Database, count: number) =>
  database.write((tx) =>
    sql`insert into points (step, value) with recursive c (n) as (select 1 union all select n + 1 from c where n < ${count})
        select n, n / 2.0 from c`.execute(tx),
  );

const all = (database: Database) => tables<Tables>(database.read).selectFrom('points').selectAll().orderBy('step');
const raw = (text: string) => ({ compile: () => CompiledQuery.raw(text) });
const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

/** The caller is told nothing of the statement; the log, which prints causes, is. */
const failedWith = (words: RegExp) => (error: unknown) =>
  code('ScanFailed')(error) &&
  error instanceof Failure &&
  !words.test(error.message) &&
  words.test(String(error.cause));

/** A join that keeps a thread busy for a good while. */
const heavy = raw(
  'with recursive c (n) as (select 1 union all select n + 1 from c where n < 5000) select count(*) as n from c a, c b',
);

test('a scan returns the same rows as a point read, in order, of every type', async (t) => {
  const database = await open(t);
  await fill(database, 2_500);
  await database.write((tx) =>
    tables<Tables>(tx)
      .updateTable('points')
      .set({ note: 'ü\0', bytes: Buffer.from([0, 255]), value: -1e300 })
      .where('step', '=', 7)
      .execute(),
  );
  const scanned = await database.scan(all(database));
  assert.deepEqual(scanned, await all(database).execute());
  assert.ok(Buffer.isBuffer(scanned[6]?.bytes));
  assert.deepEqual(await database.scan(all(database).where('step', '<', 0)), []);
});

test('a scan sees every write that was acknowledged before it', async (t) => {
  const database = await open(t);
  for (let step = 1; step <= 20; step++) {
    await database.write((tx) =>
      tables<Tables>(tx).insertInto('points').values({ step, value: 0, note: null, bytes: null }).execute(),
    );
    assert.equal((await database.scan(all(database))).length, step);
  }
});

test('timers run and writes are acknowledged while a scan is at work', async (t) => {
  const database = await open(t);
  await database.scan(raw('select 1'));
  // Never ends by itself, and gives its thread a chance to be ended with each row.
  const endless = raw(
    'with recursive c (n) as (select 1 union all select n + 1 from c) select n from c where n % 100000 = 0',
  );
  const events: string[] = [];
  const scan = database.scan(endless, { maxRows: 1_000_000 }).catch((error: unknown) => {
    events.push('scan');
    return error;
  });
  await new Promise((resolve) => setTimeout(resolve, 1));
  events.push('timer');
  await fill(database, 10);
  events.push('write');
  await closeScanPool();
  assert.ok(code('ServerStopping')(await scan));
  assert.deepEqual(events, ['timer', 'write', 'scan']);
});

test('a long answer comes in portions, with turns of the event loop in between', async (t) => {
  const database = await open(t);
  await fill(database, 20_000);
  let turns = 0;
  let ended = false;
  const count = () => {
    turns += 1;
    if (!ended) setImmediate(count);
  };
  setImmediate(count);
  const before = turns;
  const rows = await database.scan(all(database));
  ended = true;
  assert.equal(rows.length, 20_000);
  assert.ok(turns - before >= 20, `${turns - before} turns`);
});

test('an answer with more rows than allowed is refused, and the next scan works', async (t) => {
  const database = await open(t);
  await fill(database, 101);
  await assert.rejects(database.scan(all(database), { maxRows: 100 }), code('ResultTooLarge'));
  assert.equal((await database.scan(all(database), { maxRows: 101 })).length, 101);
  const tooMany = raw('with recursive c (n) as (select 1 union all select n + 1 from c) select n from c');
  await assert.rejects(database.scan(tooMany), code('ResultTooLarge'));
});

test('an answer with too many bytes is refused before it is all in memory', async (t) => {
  const database = await open(t);
  const wide = raw(
    'with recursive c (n) as (select 1 union all select n + 1 from c) select zeroblob(10000000) as b from c',
  );
  await assert.rejects(database.scan(wide), code('ResultTooLarge'));
});

test('a scan cannot write, and an error in the statement is the error of the scan', async (t) => {
  const database = await open(t);
  await assert.rejects(database.scan(raw('delete from points returning step')), failedWith(/readonly/));
  await assert.rejects(database.scan(raw('select missing from points')), failedWith(/no such column/));
  const unsendable = { compile: () => CompiledQuery.raw('select ?', [() => 1]) };
  await assert.rejects(database.scan(unsendable), /could not be cloned/);
  assert.deepEqual(await database.scan(raw('select 1 as one')), [{ one: 1 }]);
});

test('many scans of several databases share the workers, each with its own answer', async (t) => {
  const databases = [await open(t, 'a.db'), await open(t, 'bb.db'), await open(t, 'ccc.db')];
  for (const [index, database] of databases.entries()) await fill(database, index + 1);
  const lengths = await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      const database = databases[index % 3];
      return database === undefined ? 0 : (await database.scan(all(database))).length;
    }),
  );
  assert.deepEqual(
    lengths,
    Array.from({ length: 30 }, (_, index) => (index % 3) + 1),
  );
});

test('closing waits for the scans under way', async (t) => {
  const database = await open(t);
  const scan = database.scan(heavy);
  await database.close();
  assert.deepEqual(await scan, [{ n: 25_000_000 }]);
  await assert.rejects(database.scan(all(database)), code('DatabaseClosed'));
});

test('stopping the pool fails what is under way, and a later scan starts it again', async (t) => {
  const database = await open(t);
  const under = [heavy, heavy, heavy].map((query) => database.scan(query));
  const outcomes = Promise.allSettled(under);
  await closeScanPool();
  for (const outcome of await outcomes)
    assert.ok(outcome.status === 'rejected' && code('ServerStopping')(outcome.reason));
  assert.deepEqual(await database.scan(raw('select 1 as one')), [{ one: 1 }]);
});
