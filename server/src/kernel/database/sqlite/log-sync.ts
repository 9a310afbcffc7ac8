// Makes commits durable without holding the event loop. SQLite would sync its log within COMMIT, on this thread, and everybody waits
// for the disk; here it writes the log alone (synchronous = NORMAL), and the log is synced on another thread before anybody is told.
// Until then readers keep the state before the commit: what was seen is never lost.

import { constants, type FileHandle, open } from 'node:fs/promises';
import { databaseFailures } from '../database.errors.ts';
import type { Engine } from './engine.ts';

export type LogSync = {
  /** Readers see nothing of what is committed from now on. Right before COMMIT. */
  hold(): void;
  /** The commit was not made after all, or is durable: readers see what there is. */
  release(): void;
  /** Everything that was committed is on the disk. Throws Failure `SyncFailed`, after which readers keep what they had. */
  sync(): Promise<void>;
  /** Resolves when no sync is under way, whatever came of it. */
  settled(): Promise<void>;
  close(): Promise<void>;
};

let syncs = 0;
/** How many logs are being synced, of all databases of the process: for a test that waits until nothing goes on. */
export const syncsUnderWay = (): number => syncs;

/** @param path of the database, whose log is there while a connection is open. It is opened once: a failure is told to each descriptor once. */
export async function openLogSync(path: string, writing: Engine, reading: Engine): Promise<LogSync> {
  const log: FileHandle = await open(`${path}-wal`, constants.O_RDONLY | constants.O_NOFOLLOW);
  let isHeld = false;
  let underWay: Promise<void> | undefined;
  writing.run('pragma synchronous = NORMAL', []);
  return {
    hold() {
      reading.run('begin', []);
      isHeld = true;
      // A transaction has its state from its first read on.
      reading.run('select 1 from sqlite_schema limit 1', []);
    },
    release() {
      if (!isHeld) return;
      isHeld = false;
      reading.run('commit', []);
    },
    async sync() {
      const syncing = log.datasync();
      syncs += 1;
      underWay = syncing.catch(() => {});
      try {
        await syncing;
      } catch (error) {
        throw databaseFailures.SyncFailed(error);
      } finally {
        underWay = undefined;
        syncs -= 1;
      }
    },
    settled: async () => underWay,
    close: () => log.close(),
  };
}
