// The port of the database room: databases are opened by the name of their owner, and keep what is written here whatever engine is
// behind them. `database.contract.ts` is this page as tests; each engine runs them. It holds no domain words; tables belong to the
// modules' migrations.

import type { Compilable, Kysely } from 'kysely';
import { Failure } from '#kernel/errors/failure';
import type { Faults } from '#kernel/files/faults';
import type { Anchors, Stamp } from './anchor.ts';
import type { Dialect } from './dialect/words.ts';
import type { MigrationSet } from './migrations.ts';

export type { Compilable } from 'kysely';
export type { Anchors, Stamp } from './anchor.ts';
export { isUniqueViolation } from './dialect/dialect.ts';
export type { Dialect } from './dialect/words.ts';
export type { Migration, MigrationSet } from './migrations.ts';
export { closeScanPool } from './sqlite/scan.ts';

/** Statements of one transaction, or of the read connection. A store narrows it to its own tables with `tables`. */
export type Tx<T = unknown> = Kysely<T>;

/** One owner's tables. */
export type Database = {
  /**
   * Runs `fn` in a transaction and resolves once it is durable; a throw takes back this call only and rejects with it.
   *
   * Writes of a database are serialised: `fn` runs once, sees all that earlier writes did, and nothing else writes to this database
   * until it has settled. So it may await statements of `tx` and nothing else, never write(), `read` or scan(): one that gives up the
   * event loop with no statement of its own under way is undone with Failure `WriteAwaited`. Who holds the database waits for nobody.
   *
   * Rejects with `ServerBusy` when 10,000 calls are waiting. Who may write many rows says so (`rows`): large writes stand behind
   * small ones.
   */
  write<R>(fn: (tx: Tx) => Promise<R>, options?: WriteOptions): Promise<R>;
  /** Point reads, each on the last committed state. At most 50,000 rows; for more than a few use scan. */
  readonly read: Tx;
  /**
   * What `read` answers, asked again only after something was written here: for what every request asks and seldom changes. Whoever
   * was told that a write is durable gets nothing from before it. The answer is shared, so nobody changes it. 5,000 are kept.
   */
  remembered<R>(key: string, read: (tx: Tx) => Promise<R>): Promise<R>;
  /** Reads many rows beside everything else. What is beyond the bounds rejects with Failure `ResultTooLarge`. */
  scan<R>(query: Compilable<R>, bounds?: ScanBounds): Promise<readonly R[]>;
  /** Writes the witness alone: how much of the audit log is signed by now. Nothing is counted as changed. */
  restamp(): Promise<void>;
  /** Of the last commit, as it is stored. */
  stamp(): Promise<Stamp>;
  readonly owner: string;
  /** Waits for queued writes and running scans, then closes everything. Calling it again waits for the same. */
  close(): Promise<void>;
};

export type WriteOptions = {
  /** About how many rows it writes. More than 100 make it a large write, which stands behind all small ones. */
  readonly rows?: number;
};

/** `maxRows` is 50,000 and `maxBytes` (two for each character) 256 MiB when absent. */
export type ScanBounds = { readonly maxRows?: number; readonly maxBytes?: number };

export type Opening = {
  /** 32 raw bytes, for an engine that seals each database; a copy is kept until close() and wiped then. */
  readonly key?: Uint8Array;
  /** Reads only, and never migrates: for inspection of what is running or restored. */
  readonly readonly?: boolean;
  /** What notices an older copy: of everything that a data folder holds. */
  readonly anchors?: Anchors | undefined;
  /** A commit found no room: called each time, so that a reserve is given up for the next one. */
  readonly onFull?: (() => void) | undefined;
  /** For tests: announced before each commit. */
  readonly faults?: Faults | undefined;
};

/** Whether a stopped server's database is whole. */
export type Inspected = {
  readonly stamp: Stamp;
  /** What is wrong with it, in the engine's words; undefined when nothing is. */
  readonly damage: string | undefined;
};

/**
 * The databases of an installation. An owner is `control`, `audit`, or a kind and an id (`workspace/{id}`); anchors know its database
 * under the same name. Nobody else knows where an owner's database lies.
 */
export type Databases = {
  readonly dialect: Dialect;
  /**
   * Opens or makes the owner's database and brings its tables up to date. One at a time for each owner: whoever opens has closed.
   * Throws Failure `DatabaseKeyRejected`, `DatabaseMissing`, `DatabaseDamaged`, `StoreRolledBack` or `SchemaMismatch`.
   */
  open(owner: string, tables: readonly MigrationSet[], opening?: Opening): Promise<Database>;
  /** Removes it for good, and what anchors know of it. It is closed, and its key is destroyed by the caller. */
  remove(owner: string, anchors?: Anchors): Promise<void>;
  /** Looks at the database of a stopped server. Throws as `open` does where it is missing, or does not open with this key. */
  inspect(owner: string, key: Uint8Array): Promise<Inspected>;
};

/** A sync failed under the database, by this call or before it: it takes no more writes until it is opened anew. */
export const isStopped = (thrown: unknown): boolean =>
  thrown instanceof Failure && (thrown.code === 'SyncFailed' || thrown.code === 'WritesStopped');

/** Whether the write is kept is not known: what belongs to it is left alone, because it may yet be found. */
export const isUnknown = (thrown: unknown): boolean =>
  thrown instanceof Failure && (thrown.code === 'SyncFailed' || thrown.code === 'WriteUnknown');

/**
 * Narrows a transaction to the tables that a store owns. The one documented cast of the data layer: the store's own
 * migrations created those tables, and nothing at run time depends on the type.
 */
export function tables<T>(tx: Tx): Tx<T> {
  return tx as unknown as Tx<T>;
}
