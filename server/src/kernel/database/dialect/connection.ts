// Kysely over one connection of either engine. Over a synchronous one nothing waits for anything but microtasks: SQLite's writer
// relies on that to run a whole group of calls without giving up the event loop. Kysely's own transactions are refused; `write`
// is the only one.

import {
  type CompiledQuery,
  type DatabaseConnection,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
} from 'kysely';
import { databaseFailures } from '#kernel/database/database.errors';
import type { Failure } from '#kernel/errors/failure';
import type { EngineResult } from '../sqlite/engine.ts';
import { PostgresCompiler, SqliteCompiler } from './compilers.ts';
import type { Dialect } from './words.ts';

const parts = {
  sqlite: {
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteCompiler(),
  },
  postgres: {
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresCompiler(),
  },
} as const;

/** A query builder whose statements go to `run`, of SQLite. `T` is unknown: a store narrows it with `tables`. */
export function kyselyOver(run: (sql: string, parameters: readonly unknown[]) => EngineResult): Kysely<unknown> {
  return kyselyThrough('sqlite', async <R>({ sql, parameters }: Statement) => {
    const { rows, changes, insertId } = run(sql, parameters);
    return {
      // Kysely's contract: R is what the builder inferred from the columns that it wrote into this SQL.
      rows: rows as R[],
      ...(changes === undefined ? {} : { numAffectedRows: changes }),
      ...(insertId === undefined ? {} : { insertId }),
    };
  });
}

/** A statement that is written out, or was compiled. */
export type Statement = Pick<CompiledQuery, 'sql' | 'parameters'>;
type Connected = {
  readonly dialect: Dialect;
  readonly send: <R>(statement: Statement) => Promise<QueryResult<R>>;
};

const connected = new WeakMap<Kysely<unknown>, Connected>();

function connectionOf(tx: Kysely<unknown>): Connected {
  const found = connected.get(tx);
  if (found === undefined) throw refused('This builder is none that a database gave out.');
  return found;
}

/** Which engine a transaction or a read connection belongs to. For this room; a store has no reason to ask. */
export const dialectOf = (tx: Kysely<unknown>): Dialect => connectionOf(tx).dialect;

/** Where a statement needs no builder any more it goes to the connection at once: the builder's own way there costs more than SQLite. */
export const execute = <R>(tx: Kysely<unknown>, statement: Statement): Promise<QueryResult<R>> =>
  connectionOf(tx).send<R>(statement);

/** A query builder whose statements go to `send`, which may wait. */
export function kyselyThrough(dialect: Dialect, send: Connected['send']): Kysely<unknown> {
  const connection: DatabaseConnection = {
    executeQuery: send,
    streamQuery() {
      throw refused('Streaming would hold the connection between statements; use scan.');
    },
  };
  const made = new Kysely<unknown>({
    dialect: {
      ...parts[dialect],
      createDriver: () => ({
        async init() {},
        async acquireConnection() {
          return connection;
        },
        async releaseConnection() {},
        async beginTransaction() {
          throw refused('Transactions are made by Database.write alone.');
        },
        async commitTransaction() {},
        async rollbackTransaction() {},
        async destroy() {},
      }),
    },
  });
  connected.set(made, { dialect, send });
  return made;
}

function refused(message: string): Failure {
  return databaseFailures.DatabaseMisuse({ message });
}
