// One owner's database in one encrypted SQLite file: one writer with group commit, point reads on this thread, scans on other
// threads. Promises that what write() acknowledged survives a power cut, that nothing is on disk in the clear, and that no query
// holds the event loop for long.

import { rmSync } from 'node:fs';
import { type Faults, noFaults } from '#kernel/files/faults';
import { asStorageFailure } from '#kernel/files/files';
import { databaseClosed, databaseReadOnly, refuseReadWithinWrite } from '../calls.ts';
import type { Compilable, Database, MigrationSet, Opening, ScanBounds } from '../database.ts';
import { kyselyOver } from '../dialect/connection.ts';
import { createMemory } from '../memory.ts';
import { createPrivately, type Engine, openEngine, scanTooLarge, syncEntries } from './engine.ts';
import { renewLog } from './log-renewal.ts';
import { type LogSync, openLogSync } from './log-sync.ts';
import { migrate, requireMigrated } from './migrate.ts';
import { forgetScans, moveLog, scanBytesMax, scanRows } from './scan.ts';
import { createStamper, readStamp, type Stamper } from './stamper.ts';
import { createWal, type Wal } from './wal.ts';
import { createWriter } from './writer.ts';

/** A sync failed, so that every later write is refused. Reading goes on. */
export type OnStopped = (owner: string, cause: unknown) => void;

const rowsMax = 50_000;
let opened = 0;

/** Opens or creates the file at `path` (absolute) and migrates it. */
export async function openFile(
  owner: string,
  path: string,
  migrations: readonly MigrationSet[],
  opening: Opening & { readonly key: Uint8Array; readonly onStopped?: OnStopped },
): Promise<Database> {
  const { readonly = false, anchors, onFull, onStopped, faults = noFaults } = opening;
  if (!readonly) await renewLog(path, faults);
  const key = Uint8Array.from(opening.key);
  let writing: Engine | undefined;
  let reading: Engine | undefined;
  let stamper: Stamper | undefined;
  try {
    if (!readonly) {
      writing = openDurably(path, key, faults);
      // Before anything is written: an older copy is refused as it was found.
      stamper = anchors && createStamper(writing, owner, anchors);
      migrate(writing, migrations);
    }
    reading = openEngine({ path, key, readonly: true });
    if (writing === undefined) requireMigrated(reading, migrations);
    const log = writing && (await openLogSync(path, writing, reading));
    return databaseOver({ owner, path, key, writing, reading, log, stamper, faults, onFull, onStopped });
  } catch (error) {
    reading?.close();
    writing?.close();
    key.fill(0);
    throw error;
  }
}

/** Nothing is written to a file whose own entry is not durable. One that was made for nothing goes, so that it is made anew. */
function openDurably(path: string, key: Uint8Array, faults: Faults): Engine {
  let made = false;
  let engine: Engine | undefined;
  try {
    made = createPrivately(path);
    engine = openEngine({ path, key, readonly: false });
    faults({ step: 'fsync', path });
    syncEntries(path);
    return engine;
  } catch (error) {
    engine?.close();
    if (made) for (const suffix of ['-wal', '-shm', '']) rmSync(`${path}${suffix}`, { force: true });
    throw asStorageFailure(error);
  }
}

function databaseOver(parts: {
  readonly owner: string;
  readonly path: string;
  readonly key: Uint8Array;
  readonly writing: Engine | undefined;
  readonly reading: Engine;
  /** With `writing`. */
  readonly log: LogSync | undefined;
  readonly stamper: Stamper | undefined;
  readonly faults: Faults;
  readonly onFull: (() => void) | undefined;
  readonly onStopped: OnStopped | undefined;
}): Database {
  const { owner, path, key, writing, reading, log, stamper, faults, onFull } = parts;
  opened += 1;
  const target = { id: opened, path, key };
  const onStopped = (cause: unknown) => {
    // Its descriptors are not asked again. Closed while another connection is open, it moves no page: the log stays as it is.
    writing?.close();
    parts.onStopped?.(owner, cause);
  };
  let wal: Wal | undefined;
  const committed = () => wal?.committed();
  const writer =
    writing && log && createWriter(writing, { path, faults, stamper, wal: { committed }, log, onFull, onStopped });
  if (writing && writer) wal = createWal({ engine: writing, move: () => moveLog(target), stop: writer.stop });
  const scans = new Set<Promise<unknown>>();
  const memory = createMemory();
  let closing: Promise<void> | undefined;

  function refuseIfClosed(): void {
    if (closing !== undefined) throw databaseClosed();
  }

  async function finish(): Promise<void> {
    await writer?.idle();
    await Promise.allSettled(scans);
    await wal?.settled();
    await forgetScans(target.id);
    try {
      // Everything moves into the one file, and the log is emptied.
      if (writer?.isStopped() === false) writing?.exec('pragma wal_checkpoint(truncate)');
    } catch (error) {
      // The last to close would try again what just failed, unless it may only read.
      writer?.stop(error);
      throw error;
    } finally {
      await log?.close();
      reading.close();
      if (writer?.isStopped() === false) writing?.close();
      key.fill(0);
    }
  }

  const read = kyselyOver((sql, parameters) => {
    refuseIfClosed();
    refuseReadWithinWrite();
    const result = reading.run(sql, parameters);
    if (result.rows.length > rowsMax) throw scanTooLarge(rowsMax);
    return result;
  });

  return {
    owner,
    read,
    async remembered(name, ask) {
      refuseIfClosed();
      refuseReadWithinWrite();
      // Others write to what is only read here, and nobody tells.
      return writer === undefined ? ask(read) : memory.remembered(name, () => ask(read));
    },
    async write(fn, options) {
      refuseIfClosed();
      if (writer === undefined) throw databaseReadOnly();
      try {
        return await writer.write(fn, options);
      } finally {
        memory.forget();
      }
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
      refuseReadWithinWrite();
      const { sql, parameters } = query.compile();
      const rows = scanRows(target, { sql, parameters }, { maxRows, maxBytes });
      scans.add(rows);
      try {
        // Kysely's contract: R is what the builder inferred from the columns that it wrote into this SQL.
        const found = (await rows) as readonly R[];
        // It may have seen a commit that is not durable yet.
        await log?.settled();
        return found;
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
