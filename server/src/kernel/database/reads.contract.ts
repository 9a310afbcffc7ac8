// The port as tests: what comes back as it went in, how text compares, and what a query may ask.

import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { add, type Bench, byBytes, code, find, names, rows, type Tables } from './contract.fixture.ts';
import { tables } from './database.ts';
import {
  always,
  among,
  bytesInUse,
  greater,
  like,
  likeInAnyCase,
  lowered,
  notAmong,
  numberIn,
  rowsOf,
  runStatement,
  startsInAnyCase,
  textIn,
} from './dialect/dialect.ts';

export function readsContract({ setUp, it }: Bench): void {
  // Values

  it('numbers come back as they were, and those that would not are refused', async (t) => {
    const database = await (await setUp(t)).open();
    const whole = [0, 1, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    for (const [index, count] of whole.entries()) await add(database, `count ${index}`, { count });
    for (const [index, count] of whole.entries()) assert.equal((await find(database, `count ${index}`)).count, count);
    const real = [0.1, -1e300, 5e-324, 1 / 3, 3, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const [index, amount] of real.entries()) await add(database, `amount ${index}`, { amount });
    for (const [index, amount] of real.entries())
      assert.equal((await find(database, `amount ${index}`)).amount, amount);
    const large = BigInt(Number.MAX_SAFE_INTEGER);
    await add(database, 'bigint', { count: large as never });
    assert.equal((await find(database, 'bigint')).count, Number.MAX_SAFE_INTEGER);
    for (const value of [large + 1n, -large - 1n, Number.NaN])
      await assert.rejects(add(database, 'lossy', { count: value as never }), code('NumberNotStorable'));
    const { held, sum, most } = await rows(database)
      .selectFrom('things')
      .select(({ fn }) => [fn.countAll<number>().as('held'), fn.max('count').as('most')])
      .select(sql<number>`sum(case when count between -1 and 1 then count end)`.as('sum'))
      .executeTakeFirstOrThrow();
    assert.deepEqual([held, sum, most], [13, 0, Number.MAX_SAFE_INTEGER]);
  });

  it('bytes come back as they were, and compare', async (t) => {
    const database = await (await setUp(t)).open();
    const all = Uint8Array.from({ length: 256 }, (_, index) => index);
    const long = new Uint8Array(1024 * 1024).fill(0x5c);
    for (const [name, bytes] of [
      ['all', all],
      ['empty', new Uint8Array()],
      ['long', long],
    ] as const) {
      await add(database, name, { bytes });
      const found = (await find(database, name)).bytes;
      assert.ok(Buffer.isBuffer(found));
      assert.ok(Buffer.from(bytes).equals(found));
    }
    const equal = await rows(database).selectFrom('things').select('name').where('bytes', '=', all).execute();
    assert.deepEqual(
      equal.map(({ name }) => name),
      ['all'],
    );
    const scanned = await database.scan(rows(database).selectFrom('things').select('bytes').where('name', '=', 'all'));
    assert.ok(Buffer.isBuffer(scanned[0]?.bytes) && Buffer.from(all).equals(scanned[0].bytes));
  });

  it('text comes back as it was; a NUL in it comes back too, or is refused by name', async (t) => {
    const database = await (await setUp(t)).open();
    for (const [index, note] of [
      '',
      ' ',
      'it\'s "quoted" \\ \n\t',
      'é e\u0301 ß',
      '😀',
      'x'.repeat(300_000),
    ].entries()) {
      await add(database, `text ${index}`, { note });
      assert.equal((await find(database, `text ${index}`)).note, note);
    }
    try {
      await add(database, 'nul', { note: 'a\0b' });
      assert.equal((await find(database, 'nul')).note, 'a\0b');
    } catch (error) {
      assert.ok(code('TextNotStorable')(error), String(error));
    }
  });

  it('dates, booleans and undefined are refused; a time as text is in the order of time', async (t) => {
    const database = await (await setUp(t)).open();
    for (const value of [new Date(0), true, false, Symbol('x'), {}, [1]])
      await assert.rejects(add(database, 'x', { note: value as never }), code('ValueNotStorable'));
    await assert.rejects(
      database.write((tx) => runStatement(tx, 'insert into things (name) values (?)', [undefined])),
      code('ValueNotStorable'),
    );
    const times = [9, 0, 1_700_000_000_000, 951_826_154_001].map((ms) => new Date(ms).toISOString());
    for (const time of times) await add(database, time);
    assert.deepEqual(await names(database), times.toSorted());
  });

  it('nothing is null and nothing else, and equality with it is asked for', async (t) => {
    const database = await (await setUp(t)).open();
    await add(database, 'none');
    await add(database, 'empty', { note: '' });
    const where = async (condition: ReturnType<typeof sql<boolean>>) =>
      (await rows(database).selectFrom('things').select('name').where(condition).orderBy('name').execute()).map(
        ({ name }) => name,
      );
    assert.deepEqual(await where(sql`note = ${''}`), ['empty']);
    assert.deepEqual(await where(sql`note is not distinct from ${null}`), ['none']);
    assert.deepEqual(await where(sql`coalesce(note, 'x') = 'x'`), ['none']);
    assert.deepEqual(await where(always), ['empty', 'none']);
  });

  // Text that is compared

  const words = [
    'a',
    'B',
    'A',
    'b',
    '_',
    'Z',
    'z',
    '10',
    '9',
    '-',
    '/',
    '0',
    'é',
    'e\u0301',
    'É',
    'ä',
    'ß',
    ' a',
    'a ',
    '\uff5e',
    '😀',
    'ab',
    'a/b',
    'a0',
    'a-b',
  ];

  it('names are in the order of their bytes, whatever the language of the machine, and equal only if their bytes are', async (t) => {
    const database = await (await setUp(t)).open();
    for (const name of words) await add(database, name);
    const sorted = words.toSorted(byBytes);
    assert.deepEqual(await names(database), sorted);
    const scanned = await database.scan(rows(database).selectFrom('things').select('name').orderBy('name', 'desc'));
    assert.deepEqual(
      scanned.map(({ name }) => name),
      sorted.toReversed(),
    );
    for (const from of ['A', 'a', 'a/', 'é']) {
      const above = await rows(database)
        .selectFrom('things')
        .select('name')
        .where('name', '>', from)
        .orderBy('name')
        .execute();
      assert.deepEqual(
        above.map(({ name }) => name),
        sorted.filter((name) => byBytes(name, from) > 0),
      );
    }
    const paged: string[] = [];
    for (let after = ''; ; ) {
      const page = await rows(database)
        .selectFrom('things')
        .select('name')
        .where('name', '>', after)
        .orderBy('name')
        .limit(4)
        .execute();
      if (page.length === 0) break;
      paged.push(...page.map(({ name }) => name));
      after = paged.at(-1) ?? '';
    }
    assert.deepEqual(paged, sorted);
  });

  it('patterns: letters by their case or ASCII letters in any, and nothing of a pattern in a start', async (t) => {
    const database = await (await setUp(t)).open();
    const texts = [
      'Loss',
      'loss',
      'LOSS/val',
      'lo_s',
      'lo%s',
      'lo*s',
      'lo?s',
      'lo[s]',
      'lo\\s',
      'Éclair',
      'éclair',
      '',
    ];
    for (const [index, note] of texts.entries()) await add(database, `n${index}`, { note });
    const where = async (condition: ReturnType<typeof sql<boolean>>) =>
      (await rows(database).selectFrom('things').select('note').where(condition).orderBy('id').execute()).map(
        ({ note }) => note,
      );
    const note = sql.ref('note');
    assert.deepEqual(await where(like(note, 'lo%')), ['loss', 'lo_s', 'lo%s', 'lo*s', 'lo?s', 'lo[s]', 'lo\\s']);
    assert.deepEqual(await where(like(note, 'lo_s')), ['loss', 'lo_s', 'lo%s', 'lo*s', 'lo?s', 'lo\\s']);
    assert.deepEqual(await where(like(note, 'lo*s')), ['lo*s']);
    assert.deepEqual(await where(like(note, 'lo?s')), ['lo?s']);
    assert.deepEqual(await where(like(note, 'lo[s]')), ['lo[s]']);
    assert.deepEqual(await where(like(note, 'lo\\s')), ['lo\\s']);
    assert.deepEqual(await where(like(note, '%')), texts);
    assert.deepEqual(await where(likeInAnyCase(note, 'LOSS%')), ['Loss', 'loss', 'LOSS/val']);
    assert.deepEqual(await where(likeInAnyCase(note, 'lo\\s')), ['lo\\s']);
    assert.deepEqual(await where(likeInAnyCase(note, 'ÉCLAIR')), ['Éclair']);
    assert.deepEqual(await where(startsInAnyCase(note, 'LO')), texts.slice(0, 9));
    assert.deepEqual(await where(startsInAnyCase(note, 'lo_')), ['lo_s']);
    assert.deepEqual(await where(startsInAnyCase(note, 'lo%')), ['lo%s']);
    assert.deepEqual(await where(startsInAnyCase(note, 'lo\\')), ['lo\\s']);
    assert.deepEqual(await where(sql`${lowered(note)} = ${'loss/val'}`), ['LOSS/val']);
    assert.deepEqual(await where(sql`${lowered(note)} = ${'Éclair'}`), ['Éclair']);
  });

  // Lists and JSON

  it('a list is one parameter, of any length, and empty too', async (t) => {
    const database = await (await setUp(t)).open();
    const odd = ["it's", '"', '\\', '[]', 'é', '😀', '{"a":1}', ''];
    for (const [index, name] of odd.entries()) await add(database, name, { count: index, amount: index / 2 });
    const where = async (condition: ReturnType<typeof sql<boolean>>) =>
      (await rows(database).selectFrom('things').select('count').where(condition).orderBy('count').execute()).map(
        ({ count }) => count,
      );
    const [name, count, amount] = [sql.ref('name'), sql.ref('count'), sql.ref('amount')];
    assert.deepEqual(await where(among(name, odd)), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(await where(among(name, [])), []);
    assert.deepEqual(await where(among(name, ["it's"])), [0]);
    assert.deepEqual(await where(notAmong(name, [])), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(await where(notAmong(name, odd.slice(2))), [0, 1]);
    assert.deepEqual(await where(among(count, [2, 3, 99])), [2, 3]);
    assert.deepEqual(await where(notAmong(count, [2, 3])), [0, 1, 4, 5, 6, 7]);
    assert.deepEqual(await where(among(amount, [0.5, 1, 99])), [1, 2]);
    const many = Array.from({ length: 100_000 }, (_, index) => index);
    assert.deepEqual(await where(among(count, many)), [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('many rows are inserted from one parameter', async (t) => {
    const database = await (await setUp(t)).open();
    const list = Array.from({ length: 5_000 }, (_, index) => [`n"${index}'`, index] as const);
    await database.write((tx) =>
      sql`insert into things (name, count, note)
        select c0, c1, ${'same'} from ${rowsOf(list, ['text', 'integer'])} as listed`.execute(tx),
    );
    const found = await rows(database)
      .selectFrom('things')
      .select(['name', 'count', 'note'])
      .where('count', 'in', [0, 4_999])
      .orderBy('count')
      .execute();
    assert.deepEqual(found, [
      { name: `n"0'`, count: 0, note: 'same' },
      { name: `n"4999'`, count: 4_999, note: 'same' },
    ]);
  });

  it('members of JSON are found by their names, and what is missing is nothing', async (t) => {
    const database = await (await setUp(t)).open();
    const documents = [
      { caller: { name: "O'Hara \u0000 é" }, outcome: { status: 202 } },
      { caller: {}, outcome: { status: 4.5 } },
      { caller: { name: null } },
    ];
    for (const [index, document] of documents.entries())
      await add(database, `d${index}`, { note: JSON.stringify(document).replace('\\u0000', '') });
    const found = await database.scan(
      rows(database)
        .selectFrom('things')
        .select([
          textIn(sql.ref('note'), 'caller', 'name').as('name'),
          numberIn(sql.ref('note'), 'outcome', 'status').as('status'),
        ])
        .orderBy('things.name'),
    );
    assert.deepEqual(
      found.map(({ name, status }) => [name, status]),
      [
        ["O'Hara  é", 202],
        [null, 4.5],
        [null, null],
      ],
    );
  });

  it('the greater of two, and the bytes that a database takes', async (t) => {
    const database = await (await setUp(t)).open();
    const ask = async <R>(value: ReturnType<typeof sql<R>>) =>
      (await sql<{ value: R }>`select ${value} as value`.execute(database.read)).rows[0]?.value;
    assert.equal(await ask(greater(sql.lit(1), sql.lit(7))), 7);
    const before = Number(await ask(bytesInUse));
    // Nothing that an engine could make smaller.
    const bytes = Uint8Array.from({ length: 200_000 }, (_, at) => (at * at * 2_654_435_761) >>> 11);
    await add(database, 'long', { bytes });
    const after = Number(await ask(bytesInUse));
    assert.ok(before > 0 && after > before + 100_000, `${before} bytes, then ${after}`);
  });

  // Reading

  it('a scan gives the rows of a read, in order, of every type', async (t) => {
    const database = await (await setUp(t)).open();
    for (let index = 0; index < 30; index++)
      await add(database, `n${String(index).padStart(3, '0')}`, {
        amount: index / 3,
        count: index,
        bytes: Uint8Array.of(index % 256),
        note: index % 2 === 0 ? null : 'ü',
      });
    const query = rows(database).selectFrom('things').selectAll().orderBy('id');
    assert.deepEqual(await database.scan(query), await query.execute());
    assert.deepEqual(await database.scan(query.where('id', '<', 0)), []);
  });

  it('what reads too much is refused: by rows, by bytes, and a read by its own bound', async (t) => {
    const database = await (await setUp(t)).open();
    const list = Array.from({ length: 50_001 }, (_, index) => [`n${index}`] as const);
    await database.write(
      (tx) => sql`insert into things (name) select c0 from ${rowsOf(list, ['text'])} as listed`.execute(tx),
      { rows: list.length },
    );
    const query = rows(database).selectFrom('things').select('name');
    await assert.rejects(query.execute(), code('ResultTooLarge'));
    await assert.rejects(database.scan(query), code('ResultTooLarge'));
    await assert.rejects(database.scan(query, { maxRows: 99 }), code('ResultTooLarge'));
    await assert.rejects(database.scan(query, { maxBytes: 10_000 }), code('ResultTooLarge'));
    assert.equal((await database.scan(query, { maxRows: 50_001 })).length, 50_001);
    assert.equal((await query.limit(50_000).execute()).length, 50_000);
  });

  it('a query that cannot be run fails alone', async (t) => {
    const database = await (await setUp(t)).open();
    await assert.rejects(sql`select no_such_column from things`.execute(database.read));
    const broken = sql`select no_such_column from things`;
    await assert.rejects(database.scan({ compile: () => broken.compile(database.read) as never }), code('ScanFailed'));
    await add(database, 'a');
    assert.deepEqual(await names(database), ['a']);
  });

  it('readers cannot write', async (t) => {
    const database = await (await setUp(t)).open();
    await assert.rejects(
      rows(database)
        .insertInto('things')
        .values({ name: 'x' } as never)
        .execute(),
    );
    const writing = sql`insert into things (name) values ('y') returning id`;
    await assert.rejects(database.scan({ compile: () => writing.compile(database.read) as never }));
    assert.deepEqual(await names(database), []);
  });

  // Remembering

  it('what is remembered is asked once between two writes, and never what a write that was acknowledged has changed', async (t) => {
    const database = await (await setUp(t)).open();
    let asked = 0;
    const count = () =>
      database.remembered('count', async (tx) => {
        asked += 1;
        return (await tables<Tables>(tx).selectFrom('things').select('id').execute()).length;
      });
    assert.deepEqual([await count(), await count(), asked], [0, 0, 1]);
    for (let at = 1; at <= 20; at++) {
      // One that was asked while the write went on is given what it found, and nobody after it.
      const beside = count();
      await add(database, `plum ${at}`);
      assert.equal(await count(), at);
      assert.ok([at - 1, at].includes(await beside));
      assert.equal(await count(), at);
    }
    const before = asked;
    await assert.rejects(add(database, 'plum 1'));
    assert.equal(await count(), 20);
    assert.ok(asked > before, 'a write that failed counts as one');
    assert.equal(await database.remembered('nothing', async () => undefined), undefined);
    await assert.rejects(
      database.remembered('fails', () => Promise.reject(new Error('once'))),
      /once/,
    );
    assert.equal(await database.remembered('fails', async () => 1), 1);
    await assert.rejects(
      database.write(async () => void (await count())),
      code('ReadInWrite'),
    );
    await database.close();
    await assert.rejects(count(), code('DatabaseClosed'));
  });
}
