// One server at a time on a data folder: tasks, caches and the audit log assume it. The lock is the operating system's, taken
// through SQLite on an empty file: it ends with its process however that dies, and of two who come at the same moment one
// gets it. Nothing else in the process may open the file: closing it would give the lock away (POSIX).

import Driver from 'better-sqlite3-multiple-ciphers';
import { databaseFailures } from '#kernel/database/database.errors';
import { createPrivately, sqliteCode } from './sqlite/engine.ts';

export type FolderLock = { release(): Promise<void> };

/** A connection that nobody refers to is closed by the garbage collector, and its lock with it. */
const held = new Set<Driver>();

/** Takes the lock at `path`, whose folder exists, or throws `conflict` DataFolderInUse. */
export async function lockFolder(path: string): Promise<FolderLock> {
  createPrivately(path);
  const driver = new Driver(path, { timeout: 0 });
  try {
    // Nothing is ever written, and no journal is to lie beside the file either.
    driver.pragma('journal_mode = memory');
    driver.exec('begin immediate');
  } catch (error) {
    driver.close();
    if (!sqliteCode(error)?.startsWith('SQLITE_BUSY')) throw error;
    throw databaseFailures.DataFolderInUse();
  }
  held.add(driver);
  return {
    async release() {
      held.delete(driver);
      driver.close();
    },
  };
}
