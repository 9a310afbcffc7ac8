// Migrations of one SQLite file: its record, and applying what is missing.

import {
  type Applied,
  checkSets,
  endedTransaction,
  failedMigration,
  type MigrationSet,
  pendingMigrations,
  requireNothing,
} from '../migrations.ts';
import type { Engine } from './engine.ts';

const ledger = `
  create table if not exists schema_migrations (
    module text not null,
    number integer not null,
    name text not null,
    up text not null,
    applied_at text not null,
    primary key (module, number)
  ) strict, without rowid`;

/** Brings the schema to what `sets` say, or throws and changes nothing. Modules are applied in the order given. */
export function migrate(engine: Engine, sets: readonly MigrationSet[]): void {
  checkSets(sets);
  if (pendingMigrations('sqlite', sets, readLedger(engine)).length === 0) return;
  // One connection at a time: whoever comes second finds the work done.
  engine.exec('begin immediate');
  try {
    engine.exec(ledger);
    for (const migration of pendingMigrations('sqlite', sets, readLedger(engine))) apply(engine, migration);
    engine.exec('commit');
  } catch (error) {
    if (engine.inTransaction()) engine.exec('rollback');
    throw error;
  }
}

/** For a connection that may not write: throws unless the schema is exactly what `sets` say. */
export const requireMigrated = (engine: Engine, sets: readonly MigrationSet[]): void =>
  requireNothing(pendingMigrations('sqlite', sets, readLedger(engine)));

function readLedger(engine: Engine): readonly Applied[] {
  const [exists] = engine.run(
    "select 1 from sqlite_schema where type = 'table' and name = 'schema_migrations'",
    [],
  ).rows;
  if (exists === undefined) return [];
  const { rows } = engine.run('select module, number, name, up from schema_migrations order by module, number', []);
  return rows.map((row) => ({
    module: String(row.module),
    number: Number(row.number),
    name: String(row.name),
    up: String(row.up),
  }));
}

function apply(engine: Engine, migration: Applied): void {
  const { module, number, name, up } = migration;
  try {
    engine.exec(up);
  } catch (error) {
    throw failedMigration(migration, error);
  }
  if (!engine.inTransaction()) throw endedTransaction(migration);
  engine.run(
    `insert into schema_migrations (module, number, name, up, applied_at)
     values (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))`,
    [module, number, name, up],
  );
}
