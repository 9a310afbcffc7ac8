// A Database whose file is open only while one of its calls is at work, for owners of more files than they keep open. Every
// call borrows the open file and gives it back; what is between two calls may close it and nobody notices.

import type { Compilable, Database, Dialect, ScanBounds, Tx, WriteOptions } from './database.ts';
import { execute, kyselyThrough, type Statement } from './dialect/connection.ts';

/** `lend` opens the file if need be, keeps it open while `act` runs, and throws what opening it throws. */
export function lentDatabase(options: {
  readonly dialect: Dialect;
  readonly owner: string;
  readonly lend: <R>(act: (database: Database) => Promise<R>) => Promise<R>;
  readonly close: () => Promise<void>;
}): Database {
  const { dialect, owner, lend, close } = options;
  return {
    owner,
    read: kyselyThrough(dialect, <R>(statement: Statement) => lend((database) => execute<R>(database.read, statement))),
    write: <R>(fn: (tx: Tx) => Promise<R>, options?: WriteOptions) => lend((database) => database.write(fn, options)),
    remembered: <R>(key: string, read: (tx: Tx) => Promise<R>) => lend((database) => database.remembered(key, read)),
    restamp: () => lend((database) => database.restamp()),
    stamp: () => lend((database) => database.stamp()),
    scan: <R>(query: Compilable<R>, bounds?: ScanBounds) => lend((database) => database.scan(query, bounds)),
    close,
  };
}
