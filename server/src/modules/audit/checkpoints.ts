// Signed statements about the log: so many records, this root. Made at least every minute while records arrive, stored, and
// appended to a file that somebody else may carry away: what was carried away cannot be unsaid. A checkpoint is made of the
// tree in memory, so that rows which were altered behind the server's back do not agree with it.

import { open } from 'node:fs/promises';
import type { Clock } from '#kernel/clock/clock';
import { encodeCheckpoint } from '#kernel/crypto/checkpoint';
import { createTree } from '#kernel/crypto/merkle';
import { type NoteSigner, signNote } from '#kernel/crypto/signed-note';
import type { Database } from '#kernel/database/database';
import type { Log } from '#kernel/log/log';
import type { Appender } from './appender.ts';
import { type CheckpointRow, insertCheckpoint, readLastCheckpoint } from './audit.store.ts';
import { damaged } from './errors.ts';

export type Checkpoints = {
  /** Signs what is durable, unless the last checkpoint says it already. Undefined while the log is empty. */
  now(): Promise<CheckpointRow | undefined>;
};

export function createCheckpoints(parts: {
  readonly database: Database;
  readonly appender: Appender;
  readonly clock: Clock;
  readonly log: Log;
  readonly signer: NoteSigner;
  /** Absolute path. One JSON line a checkpoint; see readCheckpointFile. */
  readonly file: string | undefined;
}): Checkpoints {
  const { database, appender, clock, log, signer, file } = parts;
  let last: Promise<CheckpointRow | undefined> = Promise.resolve(undefined);

  async function make(): Promise<CheckpointRow | undefined> {
    const tree = appender.tree();
    const previous = await readLastCheckpoint(database.read);
    if (previous !== undefined && previous.size > tree.size) throw damaged('a checkpoint covers more than there is');
    if (previous?.size === tree.size || tree.size === 0) return previous;
    const rootHash = createTree(tree).root();
    const note = signNote(encodeCheckpoint({ origin: signer.name, size: tree.size, rootHash }), [signer]);
    const row = { size: tree.size, time_ms: clock.epochMs(), note };
    await database.write((tx) => insertCheckpoint(tx, row));
    if (file !== undefined) await appendLine(file, row);
    return row;
  }

  /** A copy that could not be made is not lost: the next checkpoint covers all that this one does. */
  async function appendLine(path: string, row: CheckpointRow): Promise<void> {
    try {
      const handle = await open(path, 'a', 0o600);
      try {
        const time = new Date(row.time_ms).toISOString();
        await handle.appendFile(`${JSON.stringify({ time, size: row.size, checkpoint: row.note })}\n`);
        await handle.datasync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      log.error({ module: 'audit', error }, 'a checkpoint could not be appended to its file');
    }
  }

  return {
    now() {
      // One after the other, also after one that failed: two of the same size would be two statements.
      last = last.then(make, make);
      return last;
    },
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
