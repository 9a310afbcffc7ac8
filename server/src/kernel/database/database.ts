// The door of the database room: an encrypted SQLite file with one writer, direct point reads and scans on other threads.
// Promises that what write() acknowledged survives a power cut, that nothing is on disk in the clear, and that no query
// holds the event loop for long. It holds no domain words; tables belong to the modules' migrations.

import type { Compilable, Kysely } from 'kysely';
import { Failure } from '#kernel/errors/failure';
import { type Faults, noFaults } from '#kernel/files/faults';
import { type Anchored, createStamper, readStamp, type Stamp, type Stamper } from './anchor.ts';
import { kyselyOver } from './dialect/connection.ts';
import { type Engine, openEngine, scanTooLarge } from './engine.ts';
import { type MigrationSet, migrate, requireMigrated } from './migrations.ts';
import { forgetScans, moveLog, scanBytesMax, scanRows } from './scan.ts';
import { createWal } from './wal.ts';
import { createWriter, type WriteOptions } from './writer.ts';

export type { Compilable } from 'kysely';
export type { Anchored, Anchors, Stamp } from './anchor.ts';
export { isUniqueViolation } from './dialect/dialect.ts';
export type { Migration, MigrationSet } from './migrations.ts';
export { closeScanPool } from './scan.ts';
export type { WriteOptions } from './writer.ts';

/** Statements of one transaction, or of the read connection. A store narrows it to its own tables with `tables`. */
export type Tx<T = unknown> = Kysely<T>;

export type Database = {
  /**
   * Runs `fn` in a transaction and resolves once it is durable; a throw takes back this call only and rejects with it.
   * `fn` may await statements of `tx` and nothing else, never write(): calls share a transaction, and one that waits for
   * anything more is undone with Failure `WriteAwaited`. Rejects with `ServerBusy` when 10,000 calls are waiting. Who may write
   * many rows says so (`rows`): large writes stand behind small ones.
   */
  write<R>(fn: (tx: Tx) => Promise<R>, options?: WriteOptions): Promise<R>;
  /** Point reads on this thread, each on the last committed state. At most 50,000 rows; for more than a few use scan. */
  readonly read: Tx;
  /** Reads many rows off this thread. What is beyond the bounds rejects with Failure `ResultTooLarge`. */
  scan<R>(query: Compilable<R>, bounds?: ScanBounds): Promise<readonly R[]>;
  /** Writes the witness alone: how much of the audit log is signed by now. Nothing is counted as changed. */
  restamp(): Promise<void>;
  /** Of the last commit, as it lies in the file. */
  stamp(): Promise<Stamp>;
  /** The file, for backups and messages to operators. */
  readonly path: string;
  /** Waits for queued writes and running scans, checkpoints, and closes everything. Calling it again waits for the same. */
  close(): Promise<void>;
};

/** `maxRows` is 50,000 and `maxBytes` (two for each character) 256 MiB when absent. */
export type ScanBounds = { readonly maxRows?: number; readonly maxBytes?: number };

const rowsMax = 50_000;
let opened = 0;

/**
 * Opens or creates the database at `path` (absolute) and migrates it. `key` is 32 raw bytes; a copy is kept until close()
 * and wiped then. Throws Failure `DatabaseKeyRejected`, `DatabaseMissing`, `DatabaseDamaged` or `SchemaMismatch`.
 */
export async function openDatabase(options: {
  readonly path: string;
  readonly key: Uint8Array;
  readonly migrations: readonly MigrationSet[];
  /** Reads only, and never migrates: for inspection of a running or a restored file. */
  readonly readonly?: boolean;
  /** Whose older copies are to be noticed: everything that a data folder holds. */
  readonly anchored?: Anchored | undefined;
  /** A commit found no room: called each time, so that a reserve is given up for the next one. */
  readonly onFull?: (() => void) | undefined;
  /** For tests: announced before each commit. */
  readonly faults?: Faults;
}): Promise<Database> {
  const { path, migrations, readonly = false, faults = noFaults } = options;
  const key = Uint8Array.from(options.key);
  let writing: Engine | undefined;
  let reading: Engine | undefined;
  let stamper: Stamper | undefined;
  try {
    if (!readonly) {
      writing = openEngine({ path, key, readonly: false });
      // Before anything is written: an older copy is refused as it was found.
      stamper = options.anchored && createStamper(writing, options.anchored);
      migrate(writing, migrations);
    }
    reading = openEngine({ path, key, readonly: true });
    if (writing === undefined) requireMigrated(reading, migrations);
    return databaseOver({ path, key, writing, reading, stamper, faults, onFull: options.onFull });
  } catch (error) {
    reading?.close();
    writing?.close();
    key.fill(0);
    throw error;
  }
}

function databaseOver(parts: {
  readonly path: string;
  readonly key: Uint8Array;
  readonly writing: Engine | undefined;
  readonly reading: Engine;
  readonly stamper: Stamper | undefined;
  readonly faults: Faults;
  readonly onFull: (() => void) | undefined;
}): Database {
  const { path, key, writing, reading, stamper, faults, onFull } = parts;
  opened += 1;
  const target = { id: opened, path, key };
  const wal = writing && createWal({ engine: writing, move: () => moveLog(target) });
  const writer = writing && createWriter(writing, { path, faults, stamper, wal, onFull });
  const scans = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  function refuseIfClosed(): void {
    if (closing !== undefined) {
      throw new Failure({
        kind: 'unavailable',
        code: 'DatabaseClosed',
        message: 'This database is closed.',
        retryAfterSeconds: 1,
      });
    }
  }

  async function finish(): Promise<void> {
    await writer?.idle();
    await Promise.allSettled(scans);
    await wal?.settled();
    await forgetScans(target.id);
    reading.close();
    // Last, when no reader holds the log open: everything moves into the one file, and the log is emptied.
    try {
      writing?.exec('pragma wal_checkpoint(truncate)');
    } finally {
      writing?.close();
      key.fill(0);
    }
  }

  return {
    path,
    read: kyselyOver((sql, parameters) => {
      refuseIfClosed();
      const result = reading.run(sql, parameters);
      if (result.rows.length > rowsMax) throw scanTooLarge(rowsMax);
      return result;
    }),
    async write(fn, options) {
      refuseIfClosed();
      if (writer === undefined) {
        throw new Failure({
          kind: 'internal',
          code: 'DatabaseReadOnly',
          message: 'This database was opened for reading only.',
        });
      }
      return await writer.write(fn, options);
    },
    async restamp() {
      refuseIfClosed();
      await writer?.restamp();
    },
    async stamp() {
      refuseIfClosed();
      return readStamp(reading);
    },
    async scan<R>(query: Compilable<R>, { maxRows = rowsMax, maxBytes = scanBytesMax }: ScanBounds = {}) {
      refuseIfClosed();
      const { sql, parameters } = query.compile();
      const rows = scanRows(target, { sql, parameters }, { maxRows, maxBytes });
      scans.add(rows);
      try {
        // Kysely's contract: R is what the builder inferred from the columns that it wrote into this SQL.
        return (await rows) as readonly R[];
      } finally {
        scans.delete(rows);
      }
    },
    close() {
      closing ??= finish();
      return closing;
    },
  };
}

/**
 * Narrows a transaction to the tables that a store owns. The one documented cast of the data layer: the store's own
 * migrations created those tables, and nothing at run time depends on the type.
 */
export function tables<T>(tx: Tx): Tx<T> {
  return tx as unknown as Tx<T>;
}
