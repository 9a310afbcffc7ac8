// Migrations on a real file: applied once, in order, all or nothing, and refused when history and program disagree.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sql } from 'kysely';
import { Failure } from '#kernel/errors/failure';
import type { Database, MigrationSet } from '../database.ts';
import { openDatabase } from './files.fixture.ts';

const one = { name: 'one', up: 'create table one (a integer); create table uno (a integer);' };
const two = { name: 'two', up: 'create table two (a integer)' };

async function folderFor(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-migrations-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const open = (migrations: readonly MigrationSet[], readonly = false) =>
    openDatabase({ path: join(folder, 'test.db'), key: new Uint8Array(32), migrations, readonly });
  /** Opens, looks at the tables, closes. */
  const tablesAfter = async (migrations: readonly MigrationSet[], readonly = false) => {
    const database = await open(migrations, readonly);
    const names = await tableNames(database);
    await database.close();
    return names;
  };
  return { tablesAfter };
}

async function tableNames(database: Database): Promise<string[]> {
  const { rows } = await sql<{
    name: string;
  }>`select name from sqlite_schema where type = 'table' order by name`.execute(database.read);
  return rows.map(({ name }) => name);
}

const mismatch = (words: RegExp) => (error: unknown) =>
  error instanceof Failure &&
  error.kind === 'integrity' &&
  error.code === 'SchemaMismatch' &&
  words.test(error.message);

test('migrations are applied once, and later ones are added', async (t) => {
  const { tablesAfter } = await folderFor(t);
  assert.deepEqual(await tablesAfter([{ module: 'm', migrations: [one] }]), ['one', 'schema_migrations', 'uno']);
  assert.deepEqual(await tablesAfter([{ module: 'm', migrations: [one] }]), ['one', 'schema_migrations', 'uno']);
  assert.deepEqual(await tablesAfter([{ module: 'm', migrations: [one, two] }]), [
    'one',
    'schema_migrations',
    'two',
    'uno',
  ]);
});

test('modules number their migrations apart', async (t) => {
  const { tablesAfter } = await folderFor(t);
  await tablesAfter([{ module: 'm', migrations: [one] }]);
  const names = await tablesAfter([
    { module: 'other', migrations: [{ name: 'one', up: 'create table other (a)' }] },
    { module: 'm', migrations: [one, two] },
  ]);
  assert.deepEqual(names, ['one', 'other', 'schema_migrations', 'two', 'uno']);
});

test('a migration that was changed, renamed, reordered or removed after it was applied is refused', async (t) => {
  const { tablesAfter } = await folderFor(t);
  await tablesAfter([{ module: 'm', migrations: [one, two] }]);
  const histories = [[one, { ...two, up: `${two.up} ` }], [one, { ...two, name: 'deux' }], [two, one], [one]];
  for (const migrations of histories)
    await assert.rejects(tablesAfter([{ module: 'm', migrations }]), mismatch(/m\/(one|two)/));
  await tablesAfter([{ module: 'm', migrations: [one, two] }]);
});

test('what a module that is not known here wrote is refused and left alone, opened for reading too', async (t) => {
  const { tablesAfter } = await folderFor(t);
  const newer: readonly MigrationSet[] = [
    { module: 'm', migrations: [one] },
    { module: 'later', migrations: [two] },
  ];
  await tablesAfter(newer);
  for (const readonly of [false, true]) {
    const words = mismatch(/holds later\/two, which this version does not know/);
    await assert.rejects(tablesAfter([{ module: 'm', migrations: [one] }], readonly), words);
    await assert.rejects(
      tablesAfter(
        [
          { module: 'm', migrations: [one] },
          { module: 'n', migrations: [] },
        ],
        readonly,
      ),
      words,
    );
  }
  assert.deepEqual(await tablesAfter(newer), ['one', 'schema_migrations', 'two', 'uno']);
});

test('when one migration fails nothing of the run stays', async (t) => {
  const { tablesAfter } = await folderFor(t);
  const broken = { name: 'broken', up: 'create table half (a integer); create tabel other (a integer)' };
  await assert.rejects(tablesAfter([{ module: 'm', migrations: [one, broken] }]), mismatch(/m\/broken failed/));
  assert.deepEqual(await tablesAfter([]), []);
});

test('a migration may not end the transaction, defer constraints, or be listed twice', async (t) => {
  const { tablesAfter } = await folderFor(t);
  const refused: readonly (readonly [readonly MigrationSet[], RegExp])[] = [
    [[{ module: 'm', migrations: [{ name: 'ends', up: 'create table x (a); commit' }] }], /ended the transaction/],
    [
      [
        {
          module: 'm',
          migrations: [{ name: 'late', up: 'create table x (a references x deferrable  initially deferred)' }],
        },
      ],
      /defers/,
    ],
    [[{ module: 'm', migrations: [one, one] }], /m\/one is listed twice/],
    [
      [
        { module: 'm', migrations: [] },
        { module: 'm', migrations: [one] },
      ],
      /m is listed twice/,
    ],
  ];
  for (const [sets, words] of refused) await assert.rejects(tablesAfter(sets), mismatch(words));
});

test('opened for reading, a database that lacks a migration is refused and left alone', async (t) => {
  const { tablesAfter } = await folderFor(t);
  await tablesAfter([{ module: 'm', migrations: [one] }]);
  await assert.rejects(
    tablesAfter([{ module: 'm', migrations: [one, two] }], true),
    mismatch(/m\/two was not applied/),
  );
  assert.deepEqual(await tablesAfter([{ module: 'm', migrations: [one] }], true), ['one', 'schema_migrations', 'uno']);
});
