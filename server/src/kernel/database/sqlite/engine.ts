// One connection to one encrypted SQLite file; besides the lock, the only file that imports the driver. It promises that a connection is
// keyed before its first page is read, that every pragma we rely on is set rather than assumed, and that the key appears in
// no SQL text, error or log. It knows nothing of queues, transactions or Kysely.

import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import Driver from 'better-sqlite3-multiple-ciphers';
import { databaseFailures } from '#kernel/database/database.errors';
import { Failure } from '#kernel/errors/failure';
import { refuseUnstorable } from '../values.ts';

export type EngineRow = Record<string, unknown>;
export type EngineResult = {
  readonly rows: EngineRow[];
  readonly changes: bigint | undefined;
  readonly insertId: bigint | undefined;
};
export type RawRows = { readonly columns: readonly string[]; readonly rows: readonly (readonly unknown[])[] };

export type Engine = {
  /** Runs one statement. Throws the driver's error for a broken constraint, a Failure when the disk or the file is at fault. */
  run(sql: string, parameters: readonly unknown[]): EngineResult;
  /** Reads rows as arrays; throws a Failure as soon as there are more than `maxRows` or about `maxBytes`. */
  scan(sql: string, parameters: readonly unknown[], bounds: { maxRows: number; maxBytes: number }): RawRows;
  /** Runs SQL of our own that may hold several statements and takes no parameters. */
  exec(sql: string): void;
  inTransaction(): boolean;
  close(): void;
};

export const keyBytes = 32;
const statementsKept = 512;
const busyTimeoutMs = 2_000;

/**
 * Opens `path` (absolute; created with mode 0600 if it is missing and the connection may write).
 * Throws Failure `DatabaseKeyRejected` when the key does not fit the file, `DatabaseMissing` when there is nothing to read.
 */
export function openEngine(options: { path: string; key: Uint8Array; readonly: boolean }): Engine {
  const { path, key, readonly } = options;
  // A relative path, or one that begins with `file:`, would be read as something else by SQLite than by us.
  if (!isAbsolute(path) || path !== path.trim()) {
    throw databaseFailures.DatabasePath();
  }
  if (key.length !== keyBytes) {
    throw databaseFailures.DatabaseKey();
  }
  if (!readonly) createPrivately(path);
  const driver = openDriver(path, readonly);
  try {
    prepareConnection(driver, key, readonly);
  } catch (error) {
    driver.close();
    throw error;
  }
  return engineOver(driver);
}

/** The file exists with mode 0600 before SQLite sees it; -wal and -shm inherit the mode. Says whether it was made. */
export function createPrivately(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** The entries of the file and its log are durable. SQLite syncs the folder too, and passes over what comes of it. */
export function syncEntries(path: string): void {
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function openDriver(path: string, readonly: boolean): Driver {
  try {
    return new Driver(path, { readonly, fileMustExist: true, timeout: busyTimeoutMs });
  } catch (error) {
    throw databaseFailures.DatabaseMissing({ cause: error });
  }
}

function prepareConnection(driver: Driver, key: Uint8Array, readonly: boolean): void {
  driver.pragma("cipher = 'sqlcipher'");
  driver.pragma('legacy = 4');
  keyConnection(driver, key);
  try {
    // Reads the first page, so a key that does not fit is found here and not in the middle of somebody's request.
    driver.prepare('select count(*) from sqlite_schema').get();
  } catch (error) {
    if (sqliteCode(error) !== 'SQLITE_NOTADB') throw environmentFailure(error) ?? error;
    throw databaseFailures.DatabaseKeyRejected({ cause: error });
  }
  if (!readonly) {
    driver.pragma('journal_mode = WAL');
    driver.pragma('secure_delete = ON');
    // After a burst the write-ahead log shrinks back to this many bytes.
    driver.pragma('journal_size_limit = 67108864');
    // What SQLite moves by itself, within a commit, tells nobody when it fails (`wal.ts`).
    driver.pragma('wal_autocheckpoint = 0');
  }
  // FULL: in WAL mode the build's default is NORMAL, which acknowledges commits that a power cut then loses.
  driver.pragma('synchronous = FULL');
  driver.pragma('foreign_keys = ON');
  driver.pragma('trusted_schema = OFF');
  driver.pragma('cell_size_check = ON');
  // Sorting and statement journals stay in memory: a temporary file would hold rows in the clear.
  driver.pragma('temp_store = MEMORY');
  driver.pragma('mmap_size = 0');
}

/** Hands over the key as bytes rather than as a pragma, so that it is never SQL text, and wipes our copy. */
function keyConnection(driver: Driver, key: Uint8Array): void {
  const digits = Buffer.from('0123456789abcdef', 'latin1');
  const literal = Buffer.alloc(3 + 2 * keyBytes); // x'…': raw key, no derivation
  literal.write("x'", 0, 'latin1');
  key.forEach((byte, index) => {
    literal[2 + 2 * index] = digits[byte >> 4] ?? 0;
    literal[3 + 2 * index] = digits[byte & 15] ?? 0;
  });
  literal.write("'", literal.length - 1, 'latin1');
  try {
    driver.key(literal);
  } finally {
    literal.fill(0);
  }
}

function engineOver(driver: Driver): Engine {
  const statements = new Map<string, Driver.Statement>();

  /** Least recently used goes first: a Map iterates in the order of insertion. */
  function prepared(sql: string): Driver.Statement {
    const kept = statements.get(sql);
    if (kept !== undefined) {
      // The order of use matters only where some have to go.
      if (statements.size < statementsKept) return kept;
      statements.delete(sql);
      statements.set(sql, kept);
      return kept;
    }
    const fresh = driver.prepare(sql);
    statements.set(sql, fresh);
    if (statements.size > statementsKept) {
      for (const oldest of statements.keys()) {
        statements.delete(oldest);
        break;
      }
    }
    return fresh;
  }

  function guarded<R>(act: () => R): R {
    try {
      return act();
    } catch (error) {
      throw environmentFailure(error) ?? error;
    }
  }

  return {
    run(sql, parameters) {
      refuseUnstorable(parameters);
      try {
        const statement = prepared(sql);
        if (statement.reader) {
          // The driver's own type for rows; columns are whatever the statement named.
          return { rows: statement.all(...parameters) as EngineRow[], changes: undefined, insertId: undefined };
        }
        const { changes, lastInsertRowid } = statement.run(...parameters);
        return { rows: [], changes: BigInt(changes), insertId: BigInt(lastInsertRowid) };
      } catch (error) {
        throw environmentFailure(error) ?? error;
      }
    },
    scan: (sql, parameters, bounds) =>
      guarded(() => {
        refuseUnstorable(parameters);
        const statement = driver.prepare(sql).raw(true);
        const columns = statement.columns().map((column) => column.name);
        const rows: (readonly unknown[])[] = [];
        let bytes = 0;
        for (const row of statement.iterate(...parameters)) {
          if (!Array.isArray(row)) continue;
          for (const value of row) bytes += sizeOf(value);
          if (rows.length >= bounds.maxRows || bytes > bounds.maxBytes) throw scanTooLarge(bounds.maxRows);
          rows.push(row);
        }
        return { columns, rows };
      }),
    exec: (sql) => guarded(() => void driver.exec(sql)),
    inTransaction: () => driver.inTransaction,
    close: () => void driver.close(),
  };
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 2 * value.length;
  return value instanceof Uint8Array ? value.length : 8;
}

export function scanTooLarge(maxRows: number): Failure {
  return databaseFailures.ResultTooLarge(maxRows);
}

export function sqliteCode(error: unknown): string | undefined {
  return error instanceof Driver.SqliteError ? error.code : undefined;
}

/** What the disk or the file is to blame for, as a Failure; undefined when the statement itself is at fault. */
function environmentFailure(error: unknown): Failure | undefined {
  const code = sqliteCode(error);
  if (code === undefined) return undefined;
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return databaseFailures.DatabaseDamaged({ cause: error });
  }
  // Whatever number the disk gave, a full disk too: what was not yet on it is not known any more, and never asked for again.
  if (code === 'SQLITE_IOERR_FSYNC' || code === 'SQLITE_IOERR_DIR_FSYNC') {
    return databaseFailures.SyncFailed(error);
  }
  if (code === 'SQLITE_FULL') {
    return databaseFailures.StorageFull({ retryAfterSeconds: 30, cause: error });
  }
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_IOERR')) {
    return databaseFailures.StorageUnavailable({ retryAfterSeconds: 5, cause: error });
  }
  return undefined;
}

/** Of the log, or of the file that its pages were moved into. */
export const isSyncFailure = (thrown: unknown): boolean => thrown instanceof Failure && thrown.code === 'SyncFailed';
