// The database on the real engine in a temporary folder: what a write promises, what a failing one takes back, what is
// refused, and that neither key nor content is on disk in the clear.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import Driver from 'better-sqlite3-multiple-ciphers';
import { sql } from 'kysely';
import { Failure } from '#kernel/errors/failure';
import { type Faults, failNth } from '#kernel/files/faults';
import { closeScanPool, type Database, isUniqueViolation, type MigrationSet, tables } from '../database.ts';
import { openDatabase } from './files.fixture.ts';

type Tables = { fruit: { id: number; name: string; weight: number | null } };
const migrations: readonly MigrationSet[] = [
  {
    module: 'fruit',
    migrations: [
      {
        name: 'fruit',
        up: 'create table fruit (id integer primary key, name text not null unique, weight real) strict',
      },
    ],
  },
];
const key = new Uint8Array(32).fill(9);

after(() => closeScanPool());

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-database-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openIn(t: TestContext, options: { folder?: string; faults?: Faults } = {}): Promise<Database> {
  const path = join(options.folder ?? (await folderFor(t)), 'test.db');
  const database = await openDatabase({
    path,
    key,
    migrations,
    ...(options.faults === undefined ? {} : { faults: options.faults }),
  });
  t.after(() => database.close());
  return database;
}

const insert = (database: Database, id: number, name = `fruit ${id}`) =>
  database.write((tx) => tables<Tables>(tx).insertInto('fruit').values({ id, name, weight: null }).execute());

const names = async (database: Database) =>
  (await tables<Tables>(database.read).selectFrom('fruit').select('name').orderBy('id').execute()).map(
    (row) => row.name,
  );

const failure = (kind: string, code: string) => (error: unknown) =>
  error instanceof Failure && error.kind === kind && error.code === code;

test('what was written is there after closing and opening again', async (t) => {
  const folder = await folderFor(t);
  const first = await openIn(t, { folder });
  await insert(first, 1, 'quince');
  assert.deepEqual(await names(first), ['quince']);
  await first.close();
  assert.deepEqual(await names(await openIn(t, { folder })), ['quince']);
});

test('the result of the function is the result of the write', async (t) => {
  const database = await openIn(t);
  const made = await database.write((tx) =>
    tables<Tables>(tx)
      .insertInto('fruit')
      .values({ id: 7, name: 'fig', weight: 1.5 })
      .returning(['id', 'weight'])
      .executeTakeFirstOrThrow(),
  );
  assert.deepEqual(made, { id: 7, weight: 1.5 });
});

test('a write sees what earlier statements of its own did, and readers do not before it is committed', async (t) => {
  const database = await openIn(t);
  const asAReader = AsyncLocalStorage.snapshot();
  await database.write(async (tx) => {
    await tables<Tables>(tx).insertInto('fruit').values({ id: 1, name: 'plum', weight: null }).execute();
    const own = await tables<Tables>(tx).selectFrom('fruit').select('id').execute();
    assert.deepEqual(own, [{ id: 1 }]);
    assert.deepEqual(await asAReader(() => names(database)), []);
    await assert.rejects(names(database), failure('internal', 'ReadInWrite'));
  });
  assert.deepEqual(await names(database), ['plum']);
});

test('writes that arrive together share one commit', async (t) => {
  const commits = failNth(0);
  const database = await openIn(t, { faults: commits.faults });
  await Promise.all(Array.from({ length: 100 }, (_, id) => insert(database, id)));
  assert.equal((await names(database)).length, 100);
  assert.ok(commits.seen() < 20, `100 writes took ${commits.seen()} commits`);
});

/** Tells what happened in which order: commits, and what `mark` says. */
function diary() {
  const lines: string[] = [];
  const faults: Faults = ({ step }) => void (step === 'commit' && lines.push('commit'));
  return { lines, faults, mark: (line: string) => void lines.push(line) };
}

test('a small write waits for the group that is at work and for none behind it, however many large ones wait', async (t) => {
  const { lines, faults, mark } = diary();
  const database = await openIn(t, { faults });
  const large = Array.from({ length: 20 }, (_, at) => database.write(async () => mark(`large ${at}`), { rows: 1_000 }));
  await large[0];
  const begun = lines.length;
  // Ten of them, one after the other, as one request writes.
  for (let at = 0; at < 10; at++) await database.write(async () => mark(`small ${at}`));
  let commits = 0;
  for (const line of lines.slice(begun)) {
    if (line.startsWith('small')) assert.ok(commits <= 1, `${line} waited for ${commits} groups: ${lines.join(' ')}`);
    commits = line === 'commit' ? commits + 1 : line.startsWith('small') ? 0 : commits;
  }
  await Promise.all(large);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('large')),
    Array.from({ length: 20 }, (_, at) => `large ${at}`),
    'large ones keep their order',
  );
});

test('large writes go on while small ones keep coming: each group takes one of them', async (t) => {
  const { lines, faults, mark } = diary();
  const database = await openIn(t, { faults });
  const large = Array.from({ length: 5 }, (_, at) => database.write(async () => mark(`large ${at}`), { rows: 1_000 }));
  const hundred = () => Promise.all(Array.from({ length: 100 }, () => database.write(async () => mark('small'))));
  for (let round = 0; round < 5; round++) await hundred();
  await Promise.all(large);
  const groups = lines
    .join(',')
    .split(',commit')
    .map((group) => group.split(',').filter((line) => line.startsWith('large')).length);
  assert.deepEqual(groups.slice(0, 5), [1, 1, 1, 1, 1], lines.join(' '));
});

test('large writes share a group up to a thousand rows, and one that is larger has a group of its own', async (t) => {
  const { lines, faults, mark } = diary();
  const database = await openIn(t, { faults });
  const sizes = [300, 300, 300, 300, 5_000, 900, 101];
  await Promise.all(sizes.map((rows) => database.write(async () => mark(String(rows)), { rows })));
  assert.equal(lines.join(' '), '300 300 300 commit 300 commit 5000 commit 900 commit 101 commit');
});

test('when no transaction begins, large and small ones are refused alike, and nobody waits for ever', async (t) => {
  const folder = await folderFor(t);
  const database = await openIn(t, { folder });
  const locker = new Driver(join(folder, 'test.db'));
  t.after(() => locker.close());
  locker.pragma("cipher = 'sqlcipher'");
  locker.pragma('legacy = 4');
  locker.key(Buffer.from(`x'${Buffer.from(key).toString('hex')}'`));
  locker.exec('begin immediate');
  const refused = await Promise.allSettled([
    insert(database, 1),
    database.write(async () => undefined, { rows: 5_000 }),
  ]);
  assert.deepEqual(
    refused.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  locker.exec('rollback');
  await insert(database, 1);
});

test('a write that throws takes back only itself, alone or in a group', async (t) => {
  const database = await openIn(t);
  const fail = (id: number) =>
    database.write(async (tx) => {
      await tables<Tables>(tx)
        .insertInto('fruit')
        .values({ id, name: `never ${id}`, weight: null })
        .execute();
      throw new Error('changed my mind');
    });
  await assert.rejects(fail(1), /changed my mind/);
  const outcomes = await Promise.allSettled([
    insert(database, 2),
    fail(3),
    insert(database, 4),
    fail(5),
    insert(database, 2),
  ]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'rejected'],
  );
  assert.deepEqual(await names(database), ['fruit 2', 'fruit 4']);
});

test('when the commit fails, every call of the group is refused, none is applied, and the next one works', async (t) => {
  const database = await openIn(t, { faults: failNth(1, ({ step }) => step === 'commit').faults });
  const outcomes = await Promise.allSettled([insert(database, 1), insert(database, 2), insert(database, 3)]);
  assert.ok(outcomes.every(({ status }) => status === 'rejected'));
  assert.deepEqual(await names(database), []);
  await insert(database, 4);
  assert.deepEqual(await names(database), ['fruit 4']);
});

test('a trigger that rolls everything back fails its group without applying half of it', async (t) => {
  const database = await openIn(t);
  await database.write((tx) =>
    sql`create trigger refuse before insert on fruit when new.name = 'poison' begin select raise(rollback, 'poisoned'); end`.execute(
      tx,
    ),
  );
  const outcomes = await Promise.allSettled([insert(database, 1), insert(database, 2, 'poison'), insert(database, 3)]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(await names(database), ['fruit 3']);
});

test('a call that ends its own savepoint fails its group, and nobody waits for ever', async (t) => {
  const database = await openIn(t);
  await insert(database, 1);
  const rude = database.write((tx) => sql`release call`.execute(tx));
  const settled = await Promise.allSettled([rude, insert(database, 2)]);
  assert.equal(settled[0].status, 'rejected');
  // In its group or behind it, but whole.
  assert.equal((await names(database)).includes('fruit 2'), settled[1].status === 'fulfilled');
  await insert(database, 3);
  assert.ok((await names(database)).includes('fruit 3'));
});

test('a write inside a write is refused instead of waiting for itself', async (t) => {
  const database = await openIn(t);
  await assert.rejects(
    database.write(async () => {
      await insert(database, 1);
    }),
    failure('internal', 'NestedWrite'),
  );
  assert.deepEqual(await names(database), []);
  await insert(database, 2);
});

test('a write may be started by work that an earlier write left behind', async (t) => {
  const database = await openIn(t);
  const later = Promise.withResolvers<void>();
  await database.write(async () => {
    setImmediate(() => insert(database, 1).then(() => later.resolve(), later.reject));
  });
  await later.promise;
  assert.deepEqual(await names(database), ['fruit 1']);
});

test('a write that awaits anything but its statements is undone, and cannot come back to the transaction', async (t) => {
  const database = await openIn(t);
  const late = Promise.withResolvers<unknown>();
  const slow = database.write(async (tx) => {
    const rows = tables<Tables>(tx);
    await rows.insertInto('fruit').values({ id: 1, name: 'early', weight: null }).execute();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    const insertion = rows.insertInto('fruit').values({ id: 2, name: 'late', weight: null }).execute();
    await insertion.then(late.resolve, late.resolve);
  });
  await assert.rejects(slow, failure('internal', 'WriteAwaited'));
  assert.ok(failure('internal', 'TransactionEnded')(await late.promise));
  assert.deepEqual(await names(database), []);
});

test('more than ten thousand waiting writes are refused as busy', async (t) => {
  const database = await openIn(t);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10_001 }, () => database.write(async () => undefined)),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  assert.equal(refused.length, 1);
  assert.ok(failure('unavailable', 'ServerBusy')(refused[0]?.reason));
  assert.equal(refused[0]?.reason.retryAfterSeconds, 1);
});

test('a broken uniqueness is told apart from other errors', async (t) => {
  const database = await openIn(t);
  await insert(database, 1, 'pear');
  await assert.rejects(insert(database, 2, 'pear'), isUniqueViolation);
  await assert.rejects(insert(database, 1, 'apple'), isUniqueViolation);
  assert.equal(isUniqueViolation(new Error('UNIQUE constraint failed')), false);
});

test('numbers that SQLite would alter silently are refused', async (t) => {
  const database = await openIn(t);
  for (const value of [Number.NaN, 2n ** 53n, -(2n ** 60n)]) {
    await assert.rejects(sql`select ${value}`.execute(database.read), failure('invalid', 'NumberNotStorable'));
  }
  for (const value of [Number.POSITIVE_INFINITY, 1e300, Number.MAX_SAFE_INTEGER, -0.1]) {
    await database.write((tx) =>
      tables<Tables>(tx)
        .insertInto('fruit')
        .values({ id: 1, name: 'n', weight: value })
        .onConflict((on) => on.column('id').doUpdateSet({ weight: value }))
        .execute(),
    );
    const { weight } = await tables<Tables>(database.read)
      .selectFrom('fruit')
      .select('weight')
      .executeTakeFirstOrThrow();
    assert.equal(weight, value);
  }
});

test('the read connection cannot write, and foreign keys hold', async (t) => {
  const database = await openIn(t);
  await assert.rejects(sql`delete from fruit`.execute(database.read), /readonly/);
  const foreignKeys = await database.write((tx) => sql<{ foreign_keys: number }>`pragma foreign_keys`.execute(tx));
  assert.equal(foreignKeys.rows[0]?.foreign_keys, 1);
});

test('a wrong key is refused with a message that helps, and the key is nowhere in it', async (t) => {
  const folder = await folderFor(t);
  await (await openIn(t, { folder })).close();
  const wrong = new Uint8Array(32).fill(0xab);
  await assert.rejects(openDatabase({ path: join(folder, 'test.db'), key: wrong, migrations }), (error: unknown) => {
    assert.ok(failure('integrity', 'DatabaseKeyRejected')(error));
    for (let at: unknown = error; at instanceof Error; at = at.cause) assert.doesNotMatch(`${at.stack}`, /abab/i);
    return true;
  });
  await assert.rejects(
    openDatabase({ path: join(folder, 'x.db'), key: wrong.slice(1), migrations }),
    failure('internal', 'DatabaseKey'),
  );
});

test('a plain SQLite file and a flipped bit are both refused', async (t) => {
  const folder = await folderFor(t);
  await writeFile(
    join(folder, 'test.db'),
    Buffer.concat([Buffer.from('SQLite format 3\0', 'latin1'), Buffer.alloc(8192)]),
  );
  await assert.rejects(openIn(t, { folder }), failure('integrity', 'DatabaseKeyRejected'));
  await rm(join(folder, 'test.db'));

  const database = await openIn(t, { folder });
  await Promise.all(Array.from({ length: 2_000 }, (_, id) => insert(database, id, `${id} ${'x'.repeat(50)}`)));
  await database.close();
  const bytes = await readFile(join(folder, 'test.db'));
  // One bit in each page past the schema, whichever of them a query happens to read.
  for (let at = 3 * 4096 + 100; at < bytes.length; at += 4096) bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(join(folder, 'test.db'), bytes);
  const damaged = await openIn(t, { folder });
  await assert.rejects(
    sql`select sum(length(name)), count(*) from fruit`.execute(damaged.read),
    failure('integrity', 'DatabaseDamaged'),
  );
  await assert.rejects(
    damaged.scan(tables<Tables>(damaged.read).selectFrom('fruit').selectAll()),
    failure('integrity', 'DatabaseDamaged'),
  );
});

test('a planted string is nowhere in the folder in the clear, while open and after closing', async (t) => {
  const canary = 'canary-5f1d0e-in-a-row';
  const folder = await folderFor(t);
  const database = await openIn(t, { folder });
  await insert(database, 1, canary);
  await database.write((tx) => sql`create table copy as select * from fruit order by name`.execute(tx));
  const filesHold = async () => {
    for (const file of await readdir(folder)) {
      const bytes = await readFile(join(folder, file));
      assert.equal(bytes.includes(canary), false, file);
      assert.equal(bytes.includes('SQLite format 3'), false, file);
      assert.equal((await stat(join(folder, file))).mode & 0o077, 0, `${file} is private`);
    }
    return readdir(folder);
  };
  assert.deepEqual((await filesHold()).sort(), ['test.db', 'test.db-shm', 'test.db-wal']);
  await database.close();
  assert.deepEqual(await filesHold(), ['test.db']);
});

test('after close, and on a database opened for reading, writes are refused', async (t) => {
  const folder = await folderFor(t);
  const database = await openIn(t, { folder });
  await insert(database, 1);
  const reader = await openDatabase({ path: join(folder, 'test.db'), key, migrations, readonly: true });
  assert.deepEqual(await names(reader), ['fruit 1']);
  await assert.rejects(insert(reader, 2), failure('internal', 'DatabaseReadOnly'));
  await reader.close();
  const pending = insert(database, 3);
  await Promise.all([database.close(), database.close(), pending]);
  await assert.rejects(insert(database, 4), failure('unavailable', 'DatabaseClosed'));
  await assert.rejects(names(database), failure('unavailable', 'DatabaseClosed'));
});

test('reading a file that is not there is refused, and creates nothing', async (t) => {
  const folder = await folderFor(t);
  await assert.rejects(
    openDatabase({ path: join(folder, 'none.db'), key, migrations: [], readonly: true }),
    failure('unavailable', 'DatabaseMissing'),
  );
  await assert.rejects(openDatabase({ path: 'relative.db', key, migrations: [] }), failure('internal', 'DatabasePath'));
  assert.deepEqual(await readdir(folder), []);
});
