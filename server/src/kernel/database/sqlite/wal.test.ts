// The write-ahead log on the real engine: when its pages are moved, that writing goes on meanwhile, and that a move which
// fails costs nobody's write.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool, tables } from '../database.ts';
import { type Engine, openEngine } from './engine.ts';
import { openDatabase } from './files.fixture.ts';
import { moveLog } from './scan.ts';
import { createWal } from './wal.ts';

after(() => closeScanPool());

type Tables = { texts: { id: number; text: string } };
const key = new Uint8Array(32).fill(3);
const schema = 'create table texts (id integer primary key, text text not null) strict';
const canary = 'canary-of-the-log-3f9d';

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-wal-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'test.db');
  const engine = openEngine({ path, key, readonly: false });
  t.after(() => engine.close());
  engine.exec(schema);
  return { engine, path };
}

/** About so many pages, in one commit. */
const writePages = (engine: Engine, pages: number) =>
  engine.run('insert into texts (text) values (?)', [canary.repeat(Math.ceil((pages * 4096) / canary.length))]);

function left(engine: Engine): number {
  const [row] = engine.run('pragma wal_checkpoint(noop)', []).rows;
  return Number(row?.['log']) - Number(row?.['checkpointed']);
}

test('pages are moved once there are a thousand, by one move at a time, and again after it', async (t) => {
  const { engine } = await open(t);
  const moves: PromiseWithResolvers<void>[] = [];
  const wal = createWal({
    engine,
    move() {
      moves.push(Promise.withResolvers<void>());
      return moves.at(-1)?.promise ?? Promise.resolve();
    },
    stop: () => assert.fail('no sync failed'),
  });
  const commits = (count: number) => {
    for (let at = 0; at < count; at++) wal.committed();
  };
  writePages(engine, 500);
  commits(100);
  assert.equal(moves.length, 0, 'there is little to move');
  writePages(engine, 600);
  commits(100);
  assert.equal(moves.length, 1, 'one at a time');
  moves[0]?.reject(new Error('the worker ended'));
  await wal.settled();
  commits(100);
  assert.equal(moves.length, 2, 'what failed is tried again');
  moves[1]?.resolve();
  await wal.settled();
});

test('the other thread moves what is in the log, while a transaction is open here, and everything stays readable', async (t) => {
  const { engine, path } = await open(t);
  writePages(engine, 1_200);
  assert.ok(left(engine) > 1_000);
  engine.run('begin immediate', []);
  writePages(engine, 10);
  await moveLog({ path, key });
  engine.run('commit', []);
  assert.ok(left(engine) < 100, `${left(engine)} pages are left`);
  assert.equal(engine.run('pragma integrity_check', []).rows[0]?.['integrity_check'], 'ok');
  assert.equal(engine.run('select count(*) as held from texts', []).rows[0]?.['held'], 2);
});

test('a move with another key is refused, and changes nothing', async (t) => {
  const { engine, path } = await open(t);
  writePages(engine, 50);
  const before = left(engine);
  await assert.rejects(moveLog({ path, key: new Uint8Array(32).fill(4) }), { code: 'DatabaseKeyRejected' });
  assert.equal(left(engine), before);
});

test('a database that closes waits for the move under way', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-wal-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const options = {
    path: join(folder, 'test.db'),
    key,
    migrations: [{ module: 'texts', migrations: [{ name: 'texts', up: schema }] }],
  };
  const database = await openDatabase(options);
  const text = canary.repeat(5_000);
  for (let id = 0; id < 64; id++)
    await database.write((tx) => tables<Tables>(tx).insertInto('texts').values({ id, text }).execute());
  await database.close();
  const again = await openDatabase(options);
  t.after(() => again.close());
  assert.equal((await tables<Tables>(again.read).selectFrom('texts').select('id').execute()).length, 64);
});
