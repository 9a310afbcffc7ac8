// Signed statements about the log: so many records, this root. Made at least every minute while records arrive, stored, and
// appended to a file that somebody else may carry away: what was carried away cannot be unsaid. A checkpoint is made of the
// tree in memory, so that rows which were altered behind the server's back do not agree with it.

import type { Clock } from '#kernel/clock/clock';
import { encodeCheckpoint, parseCheckpoint } from '#kernel/crypto/checkpoint';
import { createTree } from '#kernel/crypto/merkle';
import { type NoteSigner, openNote, signNote } from '#kernel/crypto/signed-note';
import type { Database } from '#kernel/database/database';
import type { Log } from '#kernel/log/log';
import type { Appender } from './appender.service.ts';
import { auditFailures } from './audit.errors.ts';
import { type CheckpointRow, insertCheckpoint, readLastCheckpoint } from './audit.store.ts';
import type { CheckpointFile } from './checkpoint-file.service.ts';

export type Checkpoints = {
  /** Signs what is durable, unless the last checkpoint says it already. Undefined while the log is empty. */
  now(): Promise<CheckpointRow | undefined>;
  /** Compares with the last checkpoint that was carried away, and says it in the log if that one covers more. */
  lookBack(): Promise<void>;
};

export function createCheckpoints(parts: {
  readonly database: Database;
  readonly appender: Appender;
  readonly clock: Clock;
  readonly log: Log;
  readonly signer: NoteSigner;
  readonly file: CheckpointFile | undefined;
}): Checkpoints {
  const { database, appender, clock, log, signer, file } = parts;
  const verifier = { name: signer.name, publicKey: signer.key.publicKey };
  let last: Promise<CheckpointRow | undefined> = Promise.resolve(undefined);

  async function make(): Promise<CheckpointRow | undefined> {
    const tree = appender.tree();
    const previous = await readLastCheckpoint(database.read);
    if (previous !== undefined && previous.size > tree.size)
      throw auditFailures.AuditDamaged('a checkpoint covers more than there is');
    if (previous?.size === tree.size || tree.size === 0) return previous;
    const rootHash = createTree(tree).root();
    const note = signNote(encodeCheckpoint({ origin: signer.name, size: tree.size, rootHash }), [signer]);
    const row = { size: tree.size, time_ms: clock.epochMs(), note };
    await database.write((tx) => insertCheckpoint(tx, row));
    await carryAway(row);
    return row;
  }

  /** A copy that could not be made is not lost: the next checkpoint covers all that this one does. */
  async function carryAway(row: CheckpointRow): Promise<void> {
    try {
      await file?.append(row);
    } catch (error) {
      log.error({ module: 'audit', error }, 'a checkpoint could not be appended to its file');
    }
  }

  /** Whether the log is shorter than what was carried away: it was cut, or restored from a backup. */
  async function isShorterThanToldBefore(): Promise<boolean> {
    try {
      const note = await file?.last();
      if (note === undefined) return false;
      return parseCheckpoint(openNote(note, [verifier]).text).size > appender.tree().size;
    } catch (error) {
      log.error({ module: 'audit', error }, 'the last line of the checkpoint file could not be read');
      return false;
    }
  }

  return {
    now() {
      // One after the other, also after one that failed: two of the same size would be two statements.
      last = last.then(make, make);
      return last;
    },
    async lookBack() {
      if (await isShorterThanToldBefore())
        log.error(
          { module: 'audit' },
          'the audit log is shorter than a checkpoint in its file: records were lost or cut',
        );
    },
  };
}
