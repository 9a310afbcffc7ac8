// Schema changes: numbered in the order of their module's list, forward only, all in one transaction. What was applied is
// recorded as its whole text (stronger than a checksum, and readable in an incident), and a database is refused when its
// record and this program disagree: a history that was edited, or one that a newer program wrote, be it with a migration or with a
// whole module that is not known here. So a set keeps its name for ever, whatever becomes of the module that it was named after.
// Here is what is decided; each engine reads its record and applies what is missing.

import { databaseFailures } from '#kernel/database/database.errors';
import type { Failure } from '#kernel/errors/failure';
import type { Dialect } from './dialect/words.ts';

export type Migration = {
  readonly name: string;
  /** For SQLite, which every database of the product lies in. */
  readonly up: string;
  /** The same for PostgreSQL. A module without it cannot be opened there. */
  readonly postgres?: string;
};
export type MigrationSet = { readonly module: string; readonly migrations: readonly Migration[] };

export type Applied = {
  readonly module: string;
  readonly number: number;
  readonly name: string;
  readonly up: string;
};

/** What is missing of `sets` where this was applied, in order. Throws `SchemaMismatch` when they disagree. */
export function pendingMigrations(
  dialect: Dialect,
  sets: readonly MigrationSet[],
  recorded: readonly Applied[],
): readonly Applied[] {
  const stranger = recorded.find((row) => !sets.some(({ module }) => module === row.module));
  if (stranger !== undefined) throw unknownHere(stranger);
  return sets.flatMap(({ module, migrations }) => {
    const applied = recorded.filter((row) => row.module === module);
    for (const row of applied) {
      const known = migrations[row.number - 1];
      if (known === undefined) throw unknownHere(row);
      if (known.name !== row.name || textOf(module, known, dialect) !== row.up) {
        throw mismatch(
          `Migration ${module}/${row.name} was changed after it had been applied. Restore it and add a new one.`,
        );
      }
    }
    return migrations.slice(applied.length).map((migration, index) => ({
      module,
      number: applied.length + index + 1,
      name: migration.name,
      up: textOf(module, migration, dialect),
    }));
  });
}

function textOf(module: string, migration: Migration, dialect: Dialect): string {
  const text = dialect === 'sqlite' ? migration.up : migration.postgres;
  if (text !== undefined) return text;
  throw mismatch(`The tables of ${module} (${migration.name}) are not written for PostgreSQL.`);
}

/** For a connection that may not write: throws unless nothing is missing. */
export function requireNothing([first]: readonly Applied[]): void {
  if (first !== undefined)
    throw mismatch(`Migration ${first.module}/${first.name} was not applied yet. Start the server once to apply it.`);
}

/** What no engine could say well later: two of one name, or what breaks at COMMIT. */
export function checkSets(sets: readonly MigrationSet[]): void {
  const names = sets.flatMap(({ module, migrations }) => [
    module,
    ...migrations.map(({ name }) => `${module}/${name}`),
  ]);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw mismatch(`Migration ${twice} is listed twice.`);
  for (const { module, migrations } of sets) {
    // A deferred constraint breaks at COMMIT, which calls share: one caller's mistake would undo the others' work.
    const deferred = migrations.find(({ up, postgres = '' }) =>
      /\bdeferrable\s+initially\s+deferred\b/i.test(`${up} ${postgres}`),
    );
    if (deferred !== undefined)
      throw mismatch(`Migration ${module}/${deferred.name} defers a constraint, which is not allowed.`);
  }
}

const unknownHere = ({ module, name }: Applied): Failure =>
  mismatch(`The database holds ${module}/${name}, which this version does not know. Run the newer version.`);

export const failedMigration = ({ module, name }: Applied, cause: unknown): Failure =>
  mismatch(`Migration ${module}/${name} failed. Nothing was changed.`, cause);

export const endedTransaction = ({ module, name }: Applied): Failure =>
  mismatch(`Migration ${module}/${name} ended the transaction. It must not.`);

function mismatch(message: string, cause?: unknown): Failure {
  return databaseFailures.SchemaMismatch({ message, cause });
}
