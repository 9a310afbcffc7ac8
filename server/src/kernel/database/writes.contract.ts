// The port as tests: what is written, what a write may await, what is refused, and how databases begin and end.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { sql } from 'kysely';
import { Failure } from '#kernel/errors/failure';
import { failNth } from '#kernel/files/faults';
import { add, type Bench, code, find, key, names, rows, type Tables, things, turn } from './contract.fixture.ts';
import { type Anchors, type Database, isUniqueViolation, type MigrationSet, tables } from './database.ts';
import { runStatement } from './dialect/dialect.ts';

export function writesContract({ setUp, it }: Bench): void {
  // Writing

  it('what was written is there after closing and opening again, and of no other owner', async (t) => {
    const { open } = await setUp(t);
    const first = await open();
    await add(first, 'quince');
    await first.close();
    const [again, other] = [await open(), await open('thing/two')];
    assert.deepEqual([await names(again), await names(other)], [['quince'], []]);
    assert.deepEqual([again.owner, other.owner], ['thing/one', 'thing/two']);
  });

  it('the result of the function is the result of the write', async (t) => {
    const database = await (await setUp(t)).open();
    const made = await database.write((tx) =>
      tables<Tables>(tx)
        .insertInto('things')
        .values({ name: 'fig', amount: 1.5, count: null, bytes: null, note: null })
        .returning(['id', 'amount', 'note'])
        .executeTakeFirstOrThrow(),
    );
    assert.deepEqual({ ...made }, { id: 1, amount: 1.5, note: null });
  });

  it('a write sees its own statements, readers do not before it is durable, and everybody does after', async (t) => {
    const database = await (await setUp(t)).open();
    const asAReader = AsyncLocalStorage.snapshot();
    let meanwhile: Promise<string[]> | undefined;
    await database.write(async (tx) => {
      await tables<Tables>(tx)
        .insertInto('things')
        .values({ name: 'plum', amount: null, count: null, bytes: null, note: null })
        .execute();
      meanwhile = asAReader(() => names(database));
      assert.equal((await tables<Tables>(tx).selectFrom('things').select('id').execute()).length, 1);
      // Until the reader is answered, which takes a while on an engine that answers over a socket.
      let isAnswered = false;
      const answered = () => {
        isAnswered = true;
      };
      meanwhile.then(answered, answered);
      while (!isAnswered) await tables<Tables>(tx).selectFrom('things').select('id').execute();
    });
    assert.deepEqual(await meanwhile, []);
    for (let at = 0; at < 20; at++) {
      await add(database, `pear ${at}`);
      assert.equal((await names(database)).length, at + 2);
      assert.equal((await database.scan(rows(database).selectFrom('things').select('id'))).length, at + 2);
    }
  });

  it('a write that throws takes back only itself, alone or among others', async (t) => {
    const database = await (await setUp(t)).open();
    const fail = (name: string) =>
      database.write(async (tx) => {
        await tables<Tables>(tx)
          .insertInto('things')
          .values({ name, amount: null, count: null, bytes: null, note: null })
          .execute();
        throw new Error('changed my mind');
      });
    await assert.rejects(fail('never'), /changed my mind/);
    const outcomes = await Promise.allSettled([
      add(database, 'a'),
      fail('b'),
      add(database, 'c'),
      add(database, 'a'),
      fail('d'),
      add(database, 'e'),
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(await names(database), ['a', 'c', 'e']);
  });

  it('a statement that failed ends its write, also where the error was caught', async (t) => {
    const database = await (await setUp(t)).open();
    await add(database, 'a');
    let later: unknown;
    const insert = (name: string) => ({ name, amount: null, count: null, bytes: null, note: null });
    await assert.rejects(
      database.write(async (tx) => {
        const db = tables<Tables>(tx);
        await db.insertInto('things').values(insert('b')).execute();
        await db
          .insertInto('things')
          .values(insert('a'))
          .execute()
          .catch(() => {});
        await db
          .insertInto('things')
          .values(insert('c'))
          .execute()
          .catch((error: unknown) => {
            later = error;
          });
      }),
      isUniqueViolation,
    );
    assert.ok(code('WriteFailed')(later), String(later));
    assert.deepEqual(await names(database), ['a']);
  });

  it('no update is lost: writes come one after the other, each once, in the order of their calls', async (t) => {
    const database = await (await setUp(t)).open();
    await add(database, 'counter', { count: 0 });
    let runs = 0;
    let inside = 0;
    const seen: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        database.write(async (tx) => {
          runs += 1;
          inside += 1;
          assert.equal(inside, 1, 'another write is at work');
          const db = tables<Tables>(tx);
          const { count } = await db.selectFrom('things').select('count').executeTakeFirstOrThrow();
          await db
            .updateTable('things')
            .set({ note: `by ${index}` })
            .execute();
          await db
            .updateTable('things')
            .set({ count: Number(count) + 1 })
            .execute();
          seen.push(index);
          inside -= 1;
        }),
      ),
    );
    assert.deepEqual([runs, (await find(database, 'counter')).count], [50, 50]);
    assert.deepEqual(
      seen,
      seen.toSorted((one, other) => one - other),
    );
  });

  it('when a commit fails, nothing of it is there, and the next one works', async (t) => {
    const { open } = await setUp(t);
    const database = await open('thing/one', [things], { faults: failNth(1, ({ step }) => step === 'commit').faults });
    await assert.rejects(add(database, 'a'));
    assert.deepEqual(await names(database), []);
    await add(database, 'b');
    assert.deepEqual(await names(database), ['b']);
  });

  // What a write may await

  it('a write may compute between its statements, and is undone when it waits for anything else', async (t) => {
    const database = await (await setUp(t)).open();
    const insert = (name: string) => ({ name, amount: null, count: null, bytes: null, note: null });
    await database.write(async (tx) => {
      for (const name of ['a', 'b']) {
        await Promise.all([Promise.resolve(), (async () => {})()]);
        await tables<Tables>(tx).insertInto('things').values(insert(name)).execute();
        for (let at = 0; at < 100; at++) await Promise.resolve();
      }
    });
    const waits: readonly (() => Promise<unknown>)[] = [
      async () => {
        await turn();
        await turn();
      },
      () => new Promise((resolve) => setTimeout(resolve, 1)),
      () => new Promise(() => {}),
    ];
    for (const [index, wait] of waits.entries()) {
      const late = Promise.withResolvers<unknown>();
      const isEarly = index === 0;
      const waiting = database.write(async (tx) => {
        if (!isEarly)
          await tables<Tables>(tx)
            .insertInto('things')
            .values(insert(`c${index}`))
            .execute();
        await wait();
        const insertion = tables<Tables>(tx)
          .insertInto('things')
          .values(insert(`d${index}`))
          .execute();
        await insertion.then(late.resolve, late.resolve);
      });
      await assert.rejects(waiting, code('WriteAwaited'));
      if (index < 2) assert.ok(code('TransactionEnded')(await late.promise), 'it cannot come back to the transaction');
    }
    assert.deepEqual(await names(database), ['a', 'b']);
    await add(database, 'e');
  });

  it('a write inside a write, a read and a scan beside its transaction are refused by name', async (t) => {
    const { open } = await setUp(t);
    const [database, other] = [await open(), await open('thing/two')];
    for (const [act, name] of [
      [() => add(database, 'x'), 'NestedWrite'],
      [() => add(other, 'x'), 'NestedWrite'],
      [() => names(database), 'ReadInWrite'],
      [() => names(other), 'ReadInWrite'],
      [() => database.scan(rows(database).selectFrom('things').select('id')), 'ReadInWrite'],
    ] as const)
      await assert.rejects(
        database.write(async () => void (await act())),
        code(name),
      );
    assert.deepEqual([await names(database), await names(other)], [[], []]);
    await add(database, 'y');
  });

  it('work that a write left behind may write, but not through its transaction', async (t) => {
    const database = await (await setUp(t)).open();
    const later = Promise.withResolvers<void>();
    const through = Promise.withResolvers<unknown>();
    await database.write(async (tx) => {
      setImmediate(() => {
        add(database, 'a').then(() => later.resolve(), later.reject);
        tables<Tables>(tx).selectFrom('things').select('id').execute().then(through.resolve, through.resolve);
      });
    });
    await later.promise;
    assert.ok(code('TransactionEnded')(await through.promise));
    assert.deepEqual(await names(database), ['a']);
  });

  it('more than ten thousand waiting writes are refused as busy', async (t) => {
    const database = await (await setUp(t)).open();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10_001 }, () => database.write(async () => undefined)),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(refused.length, 1);
    assert.ok(code('ServerBusy')(refused[0]?.reason));
  });

  // Constraints

  it('a broken uniqueness is told apart from every other error', async (t) => {
    const database = await (await setUp(t)).open();
    await add(database, 'pear');
    await assert.rejects(add(database, 'pear'), isUniqueViolation);
    const statement = (text: string, ...values: unknown[]) => database.write((tx) => runStatement(tx, text, values));
    await assert.rejects(statement('insert into things (id, name) values (?, ?)', 1, 'other'), isUniqueViolation);
    for (const [text, ...values] of [
      ['insert into things (name) values (?)', null],
      ['insert into parts (thing, part) values (?, ?)', 99, 'of nothing'],
      ['insert into no_such_table (x) values (?)', 1],
    ] as const)
      await assert.rejects(statement(text, ...values), (error) => !isUniqueViolation(error));
    await statement('insert into parts (thing, part) values (?, ?)', 1, 'stalk');
    await statement('delete from things where name = ?', 'pear');
    assert.deepEqual(await rows(database).selectFrom('parts').selectAll().execute(), [], 'parts go with their thing');
  });

  it('an upsert keeps or replaces, and says how many rows it touched', async (t) => {
    const database = await (await setUp(t)).open();
    await add(database, 'a', { count: 1 });
    const put = (how: 'keep' | 'replace', name: string, count: number) =>
      database.write((tx) =>
        tables<Tables>(tx)
          .insertInto('things')
          .values({ name, count, amount: null, bytes: null, note: null })
          .onConflict((on) =>
            how === 'keep' ? on.column('name').doNothing() : on.column('name').doUpdateSet({ count }),
          )
          .executeTakeFirst(),
      );
    assert.equal((await put('keep', 'a', 2)).numInsertedOrUpdatedRows, 0n);
    assert.equal((await put('keep', 'b', 3)).numInsertedOrUpdatedRows, 1n);
    assert.equal((await put('replace', 'a', 4)).numInsertedOrUpdatedRows, 1n);
    assert.deepEqual([(await find(database, 'a')).count, (await find(database, 'b')).count], [4, 3]);
    const changed = await database.write((tx) =>
      tables<Tables>(tx).updateTable('things').set({ note: 'x' }).executeTakeFirst(),
    );
    assert.equal(changed.numUpdatedRows, 2n);
    const gone = await database.write((tx) =>
      tables<Tables>(tx).deleteFrom('things').where('name', '=', 'nobody').executeTakeFirst(),
    );
    assert.equal(gone.numDeletedRows, 0n);
  });

  it('numbers that a database gives are never given again', async (t) => {
    const database = await (await setUp(t)).open();
    const make = async (name: string) =>
      database.write(async (tx) => {
        const made = await runStatement<{ id: number }>(tx, 'insert into things (name) values (?) returning id', [
          name,
        ]);
        return made.rows[0]?.id ?? 0;
      });
    const first = await make('a');
    await database.write((tx) => runStatement(tx, 'delete from things', []));
    assert.ok((await make('b')) > first);
  });

  // Migrations

  const one = { name: 'one', up: 'create table one (a integer)', postgres: 'create table one (a bigint)' };
  const two = {
    name: 'two',
    up: 'create table two (a integer); insert into two (a) values (7)',
    postgres: 'create table two (a bigint); insert into two (a) values (7)',
  };
  const set = (...migrations: MigrationSet['migrations']) => [{ module: 'm', migrations }];
  const holds = async (database: Database, table: string) =>
    sql`select * from ${sql.table(table)}`.execute(database.read).then(
      ({ rows }) => rows.length,
      () => undefined,
    );

  it('migrations are applied once, in order, and later ones are added', async (t) => {
    const { open } = await setUp(t);
    const first = await open('thing/one', set(one));
    assert.deepEqual([await holds(first, 'one'), await holds(first, 'two')], [0, undefined]);
    await first.close();
    for (let round = 0; round < 2; round++) {
      const again = await open('thing/one', [...set(one, two), things]);
      assert.deepEqual([await holds(again, 'two'), await names(again)], [1, []]);
      await again.close();
    }
  });

  it('a history that was changed, renamed, reordered or cut is refused, and nothing is changed', async (t) => {
    const { open } = await setUp(t);
    await (await open('thing/one', set(one, two))).close();
    const histories = [
      set(one, { ...two, up: `${two.up} `, postgres: `${two.postgres} ` }),
      set(one, { ...two, name: 'deux' }),
      set(two, one),
      set(one),
      [],
      [{ module: 'renamed', migrations: [one, two] }],
      [...set(one, two), ...set(one)],
      set(one, two, {
        name: 'late',
        up: 'create table x (a references x deferrable initially deferred)',
        postgres: '',
      }),
    ];
    for (const history of histories) await assert.rejects(open('thing/one', history), code('SchemaMismatch'));
    await (await open('thing/one', set(one, two))).close();
  });

  it('when one migration fails or ends the transaction, none of the run stays', async (t) => {
    const { open } = await setUp(t);
    const broken = [
      'create table half (a integer); create tabel other (a integer)',
      'create table half (a integer); commit',
    ];
    for (const text of broken) {
      const migration = { name: 'broken', up: text, postgres: text };
      await assert.rejects(open('thing/one', set(one, migration)), code('SchemaMismatch'));
      if (text.includes('commit')) continue;
      const database = await open('thing/one', []);
      assert.deepEqual([await holds(database, 'one'), await holds(database, 'half')], [undefined, undefined]);
      await database.close();
    }
  });

  it('opened for reading, nothing is written, and what lacks a migration or is not there is refused', async (t) => {
    const { open } = await setUp(t);
    await assert.rejects(open('thing/one', [things], { readonly: true }), code('DatabaseMissing'));
    const database = await open();
    await add(database, 'a');
    const reader = await open('thing/one', [things], { readonly: true });
    assert.deepEqual(await names(reader), ['a']);
    await assert.rejects(add(reader, 'b'), code('DatabaseReadOnly'));
    await assert.rejects(open('thing/one', [things, ...set(one)], { readonly: true }), code('SchemaMismatch'));
    assert.deepEqual(await names(database), ['a']);
  });

  // Owners and generations

  it('an owner is a kind, or a kind and an id, and nothing that could lead elsewhere', async (t) => {
    const { databases } = await setUp(t);
    for (const owner of [
      '',
      '/',
      '..',
      '../x',
      'thing/..',
      'thing/../x',
      'thing/a/b',
      'thing/',
      'Thing',
      'thing x',
      'thing;',
      `a"b`,
      'thing/é',
      `thing/${'x'.repeat(65)}`,
    ]) {
      await assert.rejects(databases.open(owner, [], { key }), code('DatabaseOwner'));
      await assert.rejects(databases.remove(owner), code('DatabaseOwner'));
    }
  });

  it('what was removed is gone, and what comes after is new', async (t) => {
    const { databases, open } = await setUp(t);
    const database = await open();
    await add(database, 'a');
    await database.close();
    await databases.remove('thing/one');
    await databases.remove('thing/one');
    await assert.rejects(open('thing/one', [things], { readonly: true }), code('DatabaseMissing'));
    assert.deepEqual(await names(await open()), []);
  });

  it('each commit raises the generation, the witness alone does not, and an older copy is refused', async (t) => {
    const { databases, open } = await setUp(t);
    const state = { witness: 0, least: 0 };
    const [told, forgotten]: [number[], string[]] = [[], []];
    const anchors: Anchors = {
      admit(store, { generation }) {
        assert.equal(store, 'thing/one');
        if (generation < state.least) throw new Failure({ kind: 'integrity', code: 'StoreRolledBack', message: store });
        return generation;
      },
      committed: (_store, generation) => void told.push(generation),
      witness: () => state.witness,
      forget: async (store) => void forgotten.push(store),
    };
    const database = await open('thing/one', [things], { anchors });
    assert.deepEqual(await database.stamp(), { generation: 0, witness: 0 });
    state.witness = 7;
    await add(database, 'a');
    assert.deepEqual(await database.stamp(), { generation: 1, witness: 7 });
    await assert.rejects(add(database, 'a'), isUniqueViolation);
    assert.deepEqual(await database.stamp(), { generation: 1, witness: 7 });
    state.witness = 9;
    await database.restamp();
    assert.deepEqual(await database.stamp(), { generation: 1, witness: 9 });
    await add(database, 'b');
    await database.close();
    const again = await open('thing/one', [things], { anchors });
    assert.deepEqual(await again.stamp(), { generation: 2, witness: 9 });
    await again.close();
    assert.deepEqual(told, [1, 2]);
    assert.deepEqual(await databases.inspect('thing/one', key), {
      stamp: { generation: 2, witness: 9 },
      damage: undefined,
    });
    state.least = 3;
    await assert.rejects(open('thing/one', [things], { anchors }), code('StoreRolledBack'));
    await databases.remove('thing/one', anchors);
    assert.deepEqual(forgotten, ['thing/one']);
  });

  // The end

  it('closing waits for what is under way, and refuses what comes after', async (t) => {
    const database = await (await setUp(t)).open();
    const pending = [add(database, 'a'), add(database, 'b')];
    const scanning = database.scan(rows(database).selectFrom('things').select('id'));
    await Promise.all([database.close(), database.close(), ...pending, scanning]);
    await assert.rejects(add(database, 'c'), code('DatabaseClosed'));
    await assert.rejects(names(database), code('DatabaseClosed'));
    await assert.rejects(database.scan(rows(database).selectFrom('things').select('id')), code('DatabaseClosed'));
    await assert.rejects(database.stamp(), code('DatabaseClosed'));
  });
}
