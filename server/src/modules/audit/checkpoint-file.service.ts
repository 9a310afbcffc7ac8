// The file that carries checkpoints away: one JSON line each, appended and synced. Somebody else copies it to where we
// cannot write; what was copied cannot be unsaid. Must not fail the log: a line that is missing is covered by the next. A line whose
// sync failed is taken back, so that the next one is written where it stood and never behind a gap that only the disk knows.

import { type FileHandle, open } from 'node:fs/promises';
import { type Faults, noFaults } from '#kernel/files/faults';
import { createFiles } from '#kernel/files/files';
import type { CheckpointRow } from './audit.store.ts';

export type CheckpointFile = {
  append(row: CheckpointRow): Promise<void>;
  /** The note in the last whole line; undefined when there is none. */
  last(): Promise<string | undefined>;
};

const tailBytes = 65_536;

/** @param path absolute; created with mode 0600 */
export function createCheckpointFile(path: string, faults: Faults = noFaults): CheckpointFile {
  const files = createFiles({ faults });
  /** What a failed sync left could not be taken back. */
  let isSuspect = false;

  async function withFile<R>(act: (handle: FileHandle, size: number) => Promise<R>): Promise<R> {
    const handle = await open(path, 'a+', 0o600);
    try {
      return await act(handle, (await handle.stat()).size);
    } finally {
      await handle.close();
    }
  }

  async function tailOf(handle: FileHandle, size: number, bytes: number): Promise<string> {
    const buffer = Buffer.alloc(Math.min(size, bytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8', 0, bytesRead);
  }

  return {
    append: (row) =>
      withFile(async (handle, size) => {
        const line = JSON.stringify({
          time: new Date(row.time_ms).toISOString(),
          size: row.size,
          checkpoint: row.note,
        });
        // A crash may have cut the last line short: it must not swallow this one.
        const isCut = size > 0 && (await tailOf(handle, size, 1)) !== '\n';
        try {
          await handle.appendFile(`${isCut || isSuspect ? '\n' : ''}${line}\n`);
          faults({ step: 'fsync', path });
          await handle.datasync();
          if (size === 0) await files.syncEntry(path);
          isSuspect = false;
        } catch (error) {
          await handle.truncate(size).catch(() => {
            isSuspect = true;
          });
          throw error;
        }
      }),
    last: () => withFile(async (handle, size) => readCheckpointFile(await tailOf(handle, size, tailBytes)).at(-1)),
  };
}

/** The notes in the text of a checkpoint file, for verification. A line that a crash cut short is passed over. */
export function readCheckpointFile(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    try {
      const read: unknown = JSON.parse(line);
      const isNote = typeof read === 'object' && read !== null && 'checkpoint' in read;
      return isNote && typeof read.checkpoint === 'string' ? [read.checkpoint] : [];
    } catch {
      return [];
    }
  });
}
