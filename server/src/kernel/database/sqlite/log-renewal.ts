// The log that a crash left is written once more before anything reads it. A sync that failed before the crash may have lost pages
// of it which the cache of the system still shows: whatever was then built on them (a commit behind them, the file itself) would be
// gone at the next power cut, although its own sync succeeded. Writing the same bytes to the same places makes them go to the disk
// anew, needs no room, and changes nothing where they were there already.

import { constants, open } from 'node:fs/promises';
import type { Faults } from '#kernel/files/faults';
import { asStorageFailure } from '#kernel/files/files';
import { databaseFailures } from '../database.errors.ts';

const chunkBytes = 1024 * 1024;

/** @param path of the database. Before it is opened, by its only user. Throws Failure `SyncFailed` where the disk still fails. */
export async function renewLog(path: string, faults: Faults): Promise<void> {
  const log = `${path}-wal`;
  const handle = await open(log, constants.O_RDWR | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw asStorageFailure(error);
  });
  if (handle === undefined) return;
  try {
    const chunk = Buffer.alloc(chunkBytes);
    let at = 0;
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunkBytes, at);
      if (bytesRead === 0) break;
      for (let written = 0; written < bytesRead; ) {
        faults({ step: 'write', path: log });
        written += (await handle.write(chunk, written, bytesRead - written, at + written)).bytesWritten;
      }
      at += bytesRead;
    }
    if (at === 0) return;
    faults({ step: 'fsync', path: log });
    await handle.sync();
  } catch (error) {
    throw databaseFailures.SyncFailed(error);
  } finally {
    await handle.close();
  }
}
