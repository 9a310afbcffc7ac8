// What every store says has to be what both engines read: their own words stand in this room, and in migrations.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { kyselyThrough } from './connection.ts';
import { among, compiledOnce, isUniqueViolation, like, notAmong, runStatement, textIn } from './dialect.ts';

const source = fileURLToPath(new URL('../../..', import.meta.url));
/** Words, functions and habits of one engine alone. */
const foreign =
  /json_each|json_extract|json_array|json_group|->>|\bglob\b\s|\biif\(|sqlite_|\browid\b|autoincrement|\bcollate\b|unixepoch|strftime|julianday|\bpragma\b|\bilike \$|jsonb|::(?:bigint|text|json)|sql(?:<\w+>)?`[01]`|CompiledQuery/i;

const isComment = (line: string) => /^\s*(\/\/|\/?\*)/.test(line);

test('no engine has words of its own outside of its room and of migrations', () => {
  const files = globSync('**/*.ts', { cwd: source }).filter(
    (file) => !/^kernel\/database\/|migrations|\.test\.ts$|testing|\.fixture\.ts$/.test(file),
  );
  assert.ok(files.length > 200, 'the whole server is looked through');
  const found = files.flatMap((file) =>
    readFileSync(`${source}/${file}`, 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        foreign.test(line) && !isComment(line) ? [`${file}:${index + 1} ${line.trim()}`] : [],
      ),
  );
  assert.deepEqual(found, []);
});

const databases = {
  sqlite: kyselyThrough('sqlite', async () => ({ rows: [] })),
  postgres: kyselyThrough('postgres', async () => ({ rows: [] })),
};
const texts = (query: ReturnType<typeof sql>) => ({
  sqlite: query.compile(databases.sqlite).sql,
  postgres: query.compile(databases.postgres).sql,
});

test('one query is spelled as each engine reads it, its values always parameters', () => {
  assert.deepEqual(texts(sql`select ${textIn(sql.ref('r.record'), 'caller', 'name')}`), {
    sqlite: `select json_extract("r"."record", '$.caller.name')`,
    postgres: `select (("r"."record")::json #>> '{caller,name}')`,
  });
  assert.deepEqual(texts(sql`where ${among(sql`x`, [1, 2])}`), {
    sqlite: 'where x in (select value from json_each(?))',
    postgres: 'where x in (select value::bigint from json_array_elements_text(($1)::json))',
  });
  assert.deepEqual(texts(sql`where ${like(sql`x`, '50%_\\*')}`), {
    sqlite: 'where (x glob ?)',
    postgres: 'where (x like $1)',
  });
  assert.deepEqual(like(sql`x`, '50%_\\*').compile(databases.sqlite).parameters, ['50*?\\[*]']);
  assert.deepEqual(like(sql`x`, '50%_\\*').compile(databases.postgres).parameters, ['50%_\\\\*']);
  assert.deepEqual(texts(sql`where ${notAmong(sql`x`, [])}`), { sqlite: 'where 1', postgres: 'where true' });
});

test('a member of JSON is a plain name, so that none can be a path of its own', () => {
  for (const member of ["a'b", 'a.b', '', '$', 'a,b', '{'])
    assert.throws(() => textIn(sql.ref('r.record'), member), /plain name/);
});

test('a statement that is written out gets the placeholders of its engine', async () => {
  const asked: string[] = [];
  const over = (dialect: 'sqlite' | 'postgres') =>
    kyselyThrough(dialect, async ({ sql }) => {
      asked.push(sql);
      return { rows: [] };
    });
  await runStatement(over('sqlite'), 'select ? where a = ?', [1, 2]);
  await runStatement(over('postgres'), 'select ? where a = ?', [1, 2]);
  assert.deepEqual(asked, ['select ? where a = ?', 'select $1 where a = $2']);
});

test('a statement that is compiled once is built once for each engine, and has the values of each call in their places', async () => {
  const asked: unknown[] = [];
  const over = (dialect: 'sqlite' | 'postgres') =>
    kyselyThrough(dialect, async ({ sql, parameters }) => {
      asked.push([sql, ...parameters]);
      return { rows: [] };
    });
  let built = 0;
  const find = compiledOnce((_tx, a: number, b: string) => {
    built += 1;
    return sql`select 1 where b = ${b} and ${among(sql`a`, [a])} and c = ${'fixed'} or b = ${b}`;
  });
  const [sqlite, postgres] = [over('sqlite'), over('postgres')];
  await find(sqlite, 1, 'x');
  await find(sqlite, 2, 'y');
  await find(postgres, 3, 'z');
  assert.deepEqual(asked, [
    ['select 1 where b = ? and a = ? and c = ? or b = ?', 'x', 1, 'fixed', 'x'],
    ['select 1 where b = ? and a = ? and c = ? or b = ?', 'y', 2, 'fixed', 'y'],
    ['select 1 where b = $1 and a = $2 and c = $3 or b = $4', 'z', 3, 'fixed', 'z'],
  ]);
  assert.equal(built, 2);
});

test('a statement whose text depends on a value is not compiled once', async () => {
  const byText = compiledOnce((_tx, table: string) => sql`select * from ${sql.raw(`${table}`)}`);
  await assert.rejects(byText(databases.sqlite, 'things'), /cannot depend on its values/);
  const byCount = compiledOnce((_tx, count: number) => sql`select ${count + 1}`);
  await assert.rejects(byCount(databases.sqlite, 1), /cannot depend on its values/);
});

test('only errors of an engine say that a row is there already', () => {
  assert.equal(isUniqueViolation(Object.assign(new Error('twice'), { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' })), true);
  assert.equal(isUniqueViolation(Object.assign(new Error('twice'), { code: '23505' })), true);
  assert.equal(isUniqueViolation(Object.assign(new Error('null'), { code: '23502' })), false);
  assert.equal(isUniqueViolation({ code: '23505' }), false);
});
