// One owner's database in one encrypted SQLite file: one writer with group commit, point reads on this thread, scans on other
// threads. Promises that what write() acknowledged survives a power cut, that nothing is on disk in the clear, and that no query
// holds the event loop for long.

import { type Faults, noFaults } from '#kernel/files/faults';
import { databaseClosed, databaseReadOnly, refuseReadWithinWrite } from '../calls.ts';
import type { Compilable, Database, MigrationSet, Opening, ScanBounds } from '../database.ts';
import { kyselyOver } from '../dialect/connection.ts';
import { type Engine, openEngine, scanTooLarge } from './engine.ts';
import { migrate, requireMigrated } from './migrate.ts';
import { forgetScans, moveLog, scanBytesMax, scanRows } from './scan.ts';
import { createStamper, readStamp, type Stamper } from './stamper.ts';
import { createWal } from './wal.ts';
import { createWriter } from './writer.ts';

const rowsMax = 50_000;
let opened = 0;

/** Opens or creates the file at `path` (absolute) and migrates it. */
export function openFile(
  owner: string,
  path: string,
  migrations: readonly MigrationSet[],
  opening: Opening & { readonly key: Uint8Array },
): Database {
  const { readonly = false, anchors, onFull, faults = noFaults } = opening;
  const key = Uint8Array.from(opening.key);
  let writing: Engine | undefined;
  let reading: Engine | undefined;
  let stamper: Stamper | undefined;
  try {
    if (!readonly) {
      writing = openEngine({ path, key, readonly: false });
      // Before anything is written: an older copy is refused as it was found.
      stamper = anchors && createStamper(writing, owner, anchors);
      migrate(writing, migrations);
    }
    reading = openEngine({ path, key, readonly: true });
    if (writing === undefined) requireMigrated(reading, migrations);
    return databaseOver({ owner, path, key, writing, reading, stamper, faults, onFull });
  } catch (error) {
    reading?.close();
    writing?.close();
    key.fill(0);
    throw error;
  }
}

function databaseOver(parts: {
  readonly owner: string;
  readonly path: string;
  readonly key: Uint8Array;
  readonly writing: Engine | undefined;
  readonly reading: Engine;
  readonly stamper: Stamper | undefined;
  readonly faults: Faults;
  readonly onFull: (() => void) | undefined;
}): Database {
  const { owner, path, key, writing, reading, stamper, faults, onFull } = parts;
  opened += 1;
  const target = { id: opened, path, key };
  const wal = writing && createWal({ engine: writing, move: () => moveLog(target) });
  const writer = writing && createWriter(writing, { path, faults, stamper, wal, onFull });
  const scans = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  function refuseIfClosed(): void {
    if (closing !== undefined) throw databaseClosed();
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
    owner,
    read: kyselyOver((sql, parameters) => {
      refuseIfClosed();
      refuseReadWithinWrite();
      const result = reading.run(sql, parameters);
      if (result.rows.length > rowsMax) throw scanTooLarge(rowsMax);
      return result;
    }),
    async write(fn, options) {
      refuseIfClosed();
      if (writer === undefined) throw databaseReadOnly();
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
      refuseReadWithinWrite();
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
