// Kysely over one connection. Over a synchronous one nothing waits for anything but microtasks: the writer relies on that to
// run a whole group of calls without giving up the event loop. Kysely's own transactions are refused; `write` is the only one.

import {
  type CompiledQuery,
  type DatabaseConnection,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { Failure } from '#kernel/errors/failure';
import type { EngineResult } from './engine.ts';

/** A query builder whose statements go to `run`. `T` is unknown: a store narrows it with `tables`. */
export function kyselyOver(run: (sql: string, parameters: readonly unknown[]) => EngineResult): Kysely<unknown> {
  return kyselyThrough(async <R>({ sql, parameters }: CompiledQuery) => {
    const { rows, changes, insertId } = run(sql, parameters);
    return {
      // Kysely's contract: R is what the builder inferred from the columns that it wrote into this SQL.
      rows: rows as R[],
      ...(changes === undefined ? {} : { numAffectedRows: changes }),
      ...(insertId === undefined ? {} : { insertId }),
    };
  });
}

/** A query builder whose statements go to `executeQuery`, which may wait. */
export function kyselyThrough(executeQuery: DatabaseConnection['executeQuery']): Kysely<unknown> {
  const connection: DatabaseConnection = {
    executeQuery,
    streamQuery() {
      throw refused('Streaming would hold the connection between statements; use scan.');
    },
  };
  return new Kysely<unknown>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
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
}

function refused(message: string): Failure {
  return new Failure({ kind: 'internal', code: 'DatabaseMisuse', message });
}
