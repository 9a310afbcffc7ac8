// Migrations of one schema: its record, and applying what is missing, in one transaction that one connection makes at a time.

import { databaseFailures } from '#kernel/database/database.errors';
import {
  type Applied,
  checkSets,
  endedTransaction,
  failedMigration,
  type MigrationSet,
  pendingMigrations,
  requireNothing,
} from '../migrations.ts';
import { type Asks, ask, guarded } from './connection.ts';

const ledger = `
  create table if not exists schema_migrations (
    module text collate "C" not null,
    number bigint not null,
    name text not null,
    up text not null,
    applied_at text not null,
    primary key (module, number)
  )`;

/** One at a time for a schema, over all connections of all processes, until the transaction ends. */
export const lockOf = (schema: string): string => `select pg_advisory_xact_lock(hashtextextended('${schema}', 0))`;

/** Makes the schema if need be and brings it to what `sets` say, or throws and changes nothing. */
export async function migrate(
  asks: Asks,
  schema: string,
  sets: readonly MigrationSet[],
  further: readonly string[],
): Promise<void> {
  checkSets(sets);
  await guarded(() => asks.query(`begin; ${lockOf(schema)}`));
  try {
    const [server] = (await ask(asks, `select current_setting('server_encoding') as encoding`, [])).rows;
    if (server?.['encoding'] !== 'UTF8') throw databaseFailures.DatabaseEncoding();
    for (const text of [`create schema if not exists "${schema}"`, ledger, ...further]) await ask(asks, text, []);
    for (const migration of pendingMigrations('postgres', sets, await readLedger(asks))) await apply(asks, migration);
    await ask(asks, 'commit', []);
  } catch (error) {
    await asks.query('rollback').catch(() => {});
    throw error;
  }
}

/** For connections that may not write: throws unless the schema is there and is exactly what `sets` say. */
export async function requireMigrated(asks: Asks, schema: string, sets: readonly MigrationSet[]): Promise<void> {
  await requireSchema(asks, schema);
  requireNothing(pendingMigrations('postgres', sets, await readLedger(asks)));
}

export async function requireSchema(asks: Asks, schema: string): Promise<void> {
  const { rows } = await ask(asks, 'select 1 from pg_namespace where nspname = $1', [schema]);
  if (rows.length === 0)
    throw databaseFailures.DatabaseMissing({
      message: 'The schema of this database is missing. Check that the server is the right one, and complete.',
    });
}

async function readLedger(asks: Asks): Promise<readonly Applied[]> {
  const { rows } = await ask(
    asks,
    'select module, number, name, up from schema_migrations order by module, number',
    [],
  );
  return rows.map((row) => ({
    module: String(row['module']),
    number: Number(row['number']),
    name: String(row['name']),
    up: String(row['up']),
  }));
}

const transactionOf = async (asks: Asks) =>
  (await ask(asks, 'select pg_current_xact_id()::text as id', [])).rows[0]?.['id'];

async function apply(asks: Asks, migration: Applied): Promise<void> {
  const { module, number, name, up } = migration;
  const before = await transactionOf(asks);
  try {
    await guarded(() => asks.query(up));
  } catch (error) {
    throw failedMigration(migration, error);
  }
  if ((await transactionOf(asks)) !== before) throw endedTransaction(migration);
  await ask(
    asks,
    `insert into schema_migrations (module, number, name, up, applied_at)
     values ($1, $2, $3, $4, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`,
    [module, number, name, up],
  );
}
