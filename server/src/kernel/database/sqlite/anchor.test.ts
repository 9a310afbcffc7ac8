import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { failNth } from '#kernel/files/faults';
import { type Anchors, type Stamp, tables } from '../database.ts';
import { type FileOpening, openDatabase } from './files.fixture.ts';
import { inspectFile } from './inspect.ts';

const key = new Uint8Array(32).fill(3);
const migrations = [{ module: 'test', migrations: [{ name: 'rows', up: 'create table rows (id integer) strict' }] }];
type Tables = { rows: { id: number } };

/** Remembers what it is told, and refuses what is older. */
function anchorsFor(seen: number[] = []) {
  const state = { witness: 0, anchored: 0, accept: false };
  const anchors: Anchors = {
    admit(store, stamp: Stamp) {
      if (stamp.generation >= state.anchored) return stamp.generation;
      if (!state.accept) throw new Failure({ kind: 'integrity', code: 'StoreRolledBack', message: store });
      return state.anchored + 1;
    },
    committed: (_store, generation) => void seen.push(generation),
    witness: () => state.witness,
    forget: async () => {},
  };
  return { state, seen, anchors };
}

async function opened(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'anchor-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.db');
  const held = anchorsFor();
  const open = (faults?: FileOpening['faults']) =>
    openDatabase({
      path,
      key,
      migrations,
      anchors: held.anchors,
      ...(faults ? { faults } : {}),
    });
  const add = async (database: Awaited<ReturnType<typeof open>>, id = 1) =>
    database.write(async (tx) => void (await tables<Tables>(tx).insertInto('rows').values({ id }).execute()));
  return { folder, path, open, add, ...held };
}

test('each commit raises the generation and carries the witness; a witness alone raises nothing', async (t) => {
  const { open, add, state, seen } = await opened(t);
  const database = await open();
  assert.deepEqual(await database.stamp(), { generation: 0, witness: 0 });
  state.witness = 7;
  await add(database);
  assert.deepEqual(await database.stamp(), { generation: 1, witness: 7 });
  state.witness = 9;
  await database.restamp();
  assert.deepEqual(await database.stamp(), { generation: 1, witness: 9 });
  await Promise.all([add(database), database.restamp(), add(database)]);
  // One commit for all of them, or two where the machine was too slow for one group.
  const { generation, witness } = await database.stamp();
  assert.equal(witness, 9);
  await assert.rejects(database.write(async () => Promise.reject(new Error('undone'))));
  assert.deepEqual([(await database.stamp()).generation, seen], [generation, [1, 2, 3].slice(0, generation)]);
  assert.ok(generation === 2 || generation === 3, `the generation is ${generation}`);
  await database.close();
  const again = await open();
  await add(again);
  assert.equal((await again.stamp()).generation, generation + 1);
  await again.close();
});

test('an older copy is refused before anything is written to it, and goes on above its anchor when accepted', async (t) => {
  const { folder, path, open, add, state } = await opened(t);
  const first = await open();
  await add(first);
  await first.close();
  await copyFile(path, join(folder, 'older.db'));
  const second = await open();
  await add(second);
  state.anchored = (await second.stamp()).generation;
  await second.close();
  await copyFile(join(folder, 'older.db'), path);
  await assert.rejects(open(), (error: unknown) => error instanceof Failure && error.code === 'StoreRolledBack');
  assert.equal(inspectFile({ path, key }).stamp.generation, 1, 'it is as it was found');
  state.accept = true;
  await (await open()).close();
  state.accept = false;
  const third = await open();
  assert.equal((await third.stamp()).generation, 3, 'it needs no second permission');
  await third.close();
});

test('a write-ahead log of an earlier time beside a newer file is an older copy too', async (t) => {
  const { folder, path, open, add, state } = await opened(t);
  const first = await open();
  await add(first);
  await copyFile(path, join(folder, 'older.db'));
  await copyFile(`${path}-wal`, join(folder, 'older.db-wal'));
  for (let id = 0; id < 20; id++) await add(first, id);
  state.anchored = (await first.stamp()).generation;
  await first.close();
  await copyFile(join(folder, 'older.db-wal'), `${path}-wal`);
  await assert.rejects(open(), (error: unknown) => error instanceof Failure && error.code === 'StoreRolledBack');
});

test('nothing is announced that is not durable: whichever step fails, the file is at least where its anchor is', async (t) => {
  for (let nth = 1; nth <= 3; nth++) {
    const { path, open, add, seen } = await opened(t);
    const { faults } = failNth(nth, ({ step }) => step === 'commit');
    const database = await open(faults);
    for (let id = 0; id < 3; id++) await add(database, id).catch(() => {});
    assert.ok((await database.stamp()).generation >= Math.max(0, ...seen));
    assert.equal((await database.stamp()).generation, 2);
    await database.close();
    assert.ok(inspectFile({ path, key }).stamp.generation >= Math.max(0, ...seen));
  }
});

test('a file from before stamps opens, and a flipped bit in any page in use is found', async (t) => {
  const { path } = await opened(t);
  const plain = await openDatabase({ path, key, migrations });
  assert.deepEqual(await plain.stamp(), { generation: 0, witness: 0 });
  await plain.write(async (tx) => {
    for (let id = 0; id < 3_000; id++) await tables<Tables>(tx).insertInto('rows').values({ id }).execute();
  });
  await plain.close();
  const { readFile, writeFile } = await import('node:fs/promises');
  const whole = await readFile(path);
  assert.deepEqual(inspectFile({ path, key }), { stamp: { generation: 0, witness: 0 }, damage: undefined });
  for (let page = 0; page < whole.length / 4096; page++) {
    const bytes = Buffer.from(whole);
    bytes[page * 4096 + 1_000] = (bytes[page * 4096 + 1_000] ?? 0) ^ 1;
    await writeFile(path, bytes);
    let found: string | undefined;
    try {
      found = inspectFile({ path, key }).damage;
    } catch (error) {
      found = error instanceof Failure && error.kind === 'integrity' ? error.code : undefined;
    }
    assert.ok(found, `page ${page + 1} of ${whole.length / 4096}`);
  }
});
