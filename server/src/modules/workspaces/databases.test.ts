// Databases of more workspaces than may be open at once: whoever holds one notices nothing, and a refused key closes it.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { sql } from 'kysely';
import { createTestClock } from '#kernel/clock/test-clock';
import { randomUuid } from '#kernel/crypto/random';
import { closeScanPool, type Database, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { createFiles } from '#kernel/files/files';
import { growing } from '#kernel/files/growth';
import { createDataKeys, dataKeyMigrations, revalidateAfterMs } from '#kernel/sealing/data-keys.service';
import { openRootKeyFile } from '#kernel/sealing/root-key-file';
import { testDatabases } from '#kernel/testing/databases';
import { databasesOf } from '../../data-folder.ts';
import { createWorkspaceDatabases } from './databases.service.ts';

after(() => closeScanPool());

type Tables = { notes: { id: number; text: string } };
const notes = {
  module: 'notes',
  migrations: [{ name: 'notes', up: 'create table notes (id integer primary key, text text not null) strict' }],
};
const add = (database: Database, text: string) =>
  database.write((tx) =>
    tables<Tables>(tx)
      .insertInto('notes')
      .values({ id: null as never, text })
      .execute(),
  );
const all = async (database: Database) =>
  (await tables<Tables>(database.read).selectFrom('notes').select('text').orderBy('id').execute()).map(
    ({ text }) => text,
  );

/** Databases of which two may be open; `refusing` is what the customer's vault says to the workspace `theirs`. */
async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'workspace-databases-'));
  const files = createFiles();
  const control = await testDatabases(folder).open('control', [dataKeyMigrations], { key: new Uint8Array(32).fill(7) });
  const rootKey = await openRootKeyFile({ file: join(folder, 'root.key'), dataFolder: join(folder, 'none'), files });
  const clock = createTestClock();
  const vault = { isRefusing: false };
  const turned = (bytes: Uint8Array) => {
    if (vault.isRefusing)
      throw new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key is disabled.' });
    return bytes.map((byte) => byte ^ 0x5a);
  };
  const dataKeys = createDataKeys({
    database: control,
    rootKey,
    clock,
    wrapper: () => ({ wrap: async (_ref, key) => turned(key), unwrap: async (_ref, wrapped) => turned(wrapped) }),
  });
  const databases = createWorkspaceDatabases({ databases: databasesOf(folder, files), dataKeys, openMax: 2 });
  databases.setTables([notes]);
  t.after(async () => {
    await databases.close();
    dataKeys.close();
    await control.close();
    await rm(folder, { recursive: true });
  });
  const workspace = async () => {
    const id = randomUuid();
    await dataKeys.ensure(id, 'workspace', { kind: 'root' });
    return id;
  };
  const theirs = randomUuid();
  const principal = { objectId: randomUuid(), name: 'workspace' };
  await dataKeys.ensure(theirs, 'workspace', { kind: 'vault', keyIdentifier: 'https://vault/keys/k/1', principal });
  /** How many files are open: SQLite keeps a log beside each. */
  const openFiles = async () =>
    (await readdir(join(folder, 'workspaces'))).filter((name) => name.endsWith('.db-wal')).length;
  return { databases, workspace, theirs, vault, clock, openFiles, dataKeys, files, folder };
}

test('a database that is held works on after others pushed it out, and no more than the bound stay open', async (t) => {
  const { databases, workspace, openFiles } = await setUp(t);
  const held = await Promise.all(Array.from({ length: 7 }, async () => databases.open(await workspace())));
  for (const round of ['one', 'two'])
    for (const [index, database] of held.entries()) await add(database, `${round} ${index}`);
  for (const [index, database] of held.entries()) {
    assert.deepEqual(await all(database), [`one ${index}`, `two ${index}`]);
    assert.deepEqual(await database.scan(tables<Tables>(database.read).selectFrom('notes').select('id')), [
      { id: 1 },
      { id: 2 },
    ]);
  }
  await databases.close();
  assert.equal(await openFiles(), 0);
  for (const database of held.slice(0, 3)) await all(database);
  assert.ok((await openFiles()) <= 3, 'two open, one perhaps on its way out');
});

test('a call that is at work is not cut off by calls of others', async (t) => {
  const { databases, workspace } = await setUp(t);
  const slow = await databases.open(await workspace());
  const counted = sql<{ n: number }>`with recursive c(n) as (select 1 union all select n + 1 from c where n < 400000)
    select max(n) as n from c`;
  const scanning = slow.scan({ compile: () => counted.compile(slow.read) } as never);
  const writing = Array.from({ length: 20 }, (_, index) => add(slow, String(index)));
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      const other = await databases.open(await workspace());
      for (let index = 0; index < 20; index++) await add(other, String(index));
      assert.equal((await all(other)).length, 20);
    }),
  );
  assert.deepEqual(await scanning, [{ n: 400_000 }]);
  await Promise.all(writing);
  assert.equal((await all(slow)).length, 20);
});

test('what is held is refused with the key, and works on when the key does', async (t) => {
  const { databases, theirs, vault, clock } = await setUp(t);
  const held = await databases.open(theirs);
  await add(held, 'before');
  vault.isRefusing = true;
  await clock.advance(revalidateAfterMs);
  const refused = { kind: 'forbidden', code: 'KeyDisabled' };
  await assert.rejects(all(held), refused);
  await assert.rejects(add(held, 'meanwhile'), refused);
  await assert.rejects(databases.open(theirs), refused);
  vault.isRefusing = false;
  await add(held, 'after');
  assert.deepEqual(await all(held), ['before', 'after']);
});

test('a database that was removed is gone for those who hold it', async (t) => {
  const { databases, workspace } = await setUp(t);
  const id = await workspace();
  const held = await databases.open(id);
  await add(held, 'x');
  await databases.remove(id);
  const again = await databases.open(id);
  assert.deepEqual(await all(again), [], 'the file was removed; what is there is new');
});

test('a small write overtakes large ones through everything that is around the file, in a request that grows and in none', async (t) => {
  const { databases, workspace } = await setUp(t);
  const database = await databases.open(await workspace());
  for (const within of [growing, (act: () => Promise<void>) => act()]) {
    const order: string[] = [];
    await within(async () => {
      const large = Array.from({ length: 8 }, () =>
        database.write(async () => void order.push('large'), { rows: 1_000 }),
      );
      await Promise.all([...large, database.write(async () => void order.push('small'))]);
    });
    assert.ok(order.indexOf('small') <= 1, order.join(' '));
  }
});

test('what databases hold is set once, and before one is opened', async (t) => {
  const { databases, dataKeys, files, folder } = await setUp(t);
  assert.throws(() => databases.setTables([notes]), /were set already/);
  const unset = createWorkspaceDatabases({ databases: databasesOf(join(folder, 'unset'), files), dataKeys });
  const id = randomUuid();
  await dataKeys.ensure(id, 'workspace', { kind: 'root' });
  await assert.rejects(unset.open(id), /before anybody said what is kept in it/);
  await unset.close();
});
