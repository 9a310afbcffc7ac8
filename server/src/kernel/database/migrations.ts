// Schema changes: numbered in the order of their module's list, forward only, all in one transaction. What was applied is
// recorded as its whole text (stronger than a checksum, and readable in an incident), and a database is refused when its
// record and this program disagree: a history that was edited, or one that a newer program wrote.

import { Failure } from '#kernel/errors/failure';
import type { Engine } from './engine.ts';

export type Migration = { readonly name: string; readonly up: string };
export type MigrationSet = { readonly module: string; readonly migrations: readonly Migration[] };

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
  refuseDuplicates(sets);
  if (pendingMigrations(engine, sets).length === 0) return;
  // One connection at a time: whoever comes second finds the work done.
  engine.exec('begin immediate');
  try {
    engine.exec(ledger);
    for (const { module, number, migration } of pendingMigrations(engine, sets))
      apply(engine, module, number, migration);
    engine.exec('commit');
  } catch (error) {
    if (engine.inTransaction()) engine.exec('rollback');
    throw error;
  }
}

/** For a connection that may not write: throws unless the schema is exactly what `sets` say. */
export function requireMigrated(engine: Engine, sets: readonly MigrationSet[]): void {
  const [first] = pendingMigrations(engine, sets);
  if (first !== undefined) {
    throw mismatch(
      `Migration ${first.module}/${first.migration.name} was not applied yet. Start the server once to apply it.`,
    );
  }
}

type Pending = { readonly module: string; readonly number: number; readonly migration: Migration };

function pendingMigrations(engine: Engine, sets: readonly MigrationSet[]): Pending[] {
  const recorded = readLedger(engine);
  return sets.flatMap(({ module, migrations }) => {
    const applied = recorded.filter((row) => row.module === module);
    for (const row of applied) {
      const known = migrations[row.number - 1];
      if (known === undefined) {
        throw mismatch(
          `The database holds ${module}/${row.name}, which this version does not know. Run the newer version.`,
        );
      }
      if (known.name !== row.name || known.up !== row.up) {
        throw mismatch(
          `Migration ${module}/${row.name} was changed after it had been applied. Restore it and add a new one.`,
        );
      }
    }
    return migrations.slice(applied.length).map((migration, index) => ({
      module,
      number: applied.length + index + 1,
      migration,
    }));
  });
}

type LedgerRow = { readonly module: string; readonly number: number; readonly name: string; readonly up: string };

function readLedger(engine: Engine): readonly LedgerRow[] {
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

function apply(engine: Engine, module: string, number: number, migration: Migration): void {
  try {
    engine.exec(migration.up);
  } catch (error) {
    throw mismatch(`Migration ${module}/${migration.name} failed. Nothing was changed.`, error);
  }
  if (!engine.inTransaction())
    throw mismatch(`Migration ${module}/${migration.name} ended the transaction. It must not.`);
  engine.run(
    `insert into schema_migrations (module, number, name, up, applied_at)
     values (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))`,
    [module, number, migration.name, migration.up],
  );
}

function refuseDuplicates(sets: readonly MigrationSet[]): void {
  const names = sets.flatMap(({ module, migrations }) => [
    module,
    ...migrations.map(({ name }) => `${module}/${name}`),
  ]);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw mismatch(`Migration ${twice} is listed twice.`);
  for (const { module, migrations } of sets) {
    // A deferred constraint breaks at COMMIT, which calls share: one caller's mistake would undo the others' work.
    const deferred = migrations.find(({ up }) => /\bdeferrable\s+initially\s+deferred\b/i.test(up));
    if (deferred !== undefined)
      throw mismatch(`Migration ${module}/${deferred.name} defers a constraint, which is not allowed.`);
  }
}

function mismatch(message: string, cause?: unknown): Failure {
  return new Failure({ kind: 'integrity', code: 'SchemaMismatch', message, cause });
}
