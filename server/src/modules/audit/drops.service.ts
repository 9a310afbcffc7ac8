// Drops what is archived. Evidence goes only as whole tiles, oldest first, older than the operator's retention by the records' own
// times and by the time that the log itself has seen passing, covered by a signed checkpoint, and shown to be in the caller's
// hands: he sends the segment, and it is compared byte for byte with what is stored.
//
// order matters: the anchors are said again, the act is recorded and signed, then it is noted what is to go, then tile by tile the
// hashes are kept and the records deleted, then the act is concluded. A crash leaves either every record or a note by which the
// next start, or the same request again, finishes. Nothing else of the log is held up: appends go on between the tiles.

import type { AuditDropped, IntentRecord } from '@strongroom/contract/audit';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { createSha256 } from '#kernel/crypto/digest';
import { createTree } from '#kernel/crypto/merkle';
import type { NoteVerifier } from '#kernel/crypto/signed-note';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import type { LogAnchors } from './anchors.service.ts';
import type { Appender } from './appender.service.ts';
import { auditFailures } from './audit.errors.ts';
import { readLeaves, readNextSequence, readTree } from './audit.store.ts';
import { createExportReader } from './export.service.ts';
import { begunRecord, concludedRecord, decodeRecord, encodeRecord } from './record.rules.ts';
import { dropOperation, type Range, readAct, requireSegment, segmentLines, wireDropped } from './segments.service.ts';
import {
  type DropRow,
  deleteRecords,
  endDrop,
  insertDrop,
  isTileDropped,
  keepHashes,
  readCovering,
  readDrop,
  readLastDrop,
  readTile,
  scanDrops,
  scanNewest,
  scanOutcomeOf,
  scanWitnessedMs,
} from './segments.store.ts';
import { leavesPerTile } from './tiles.rules.ts';

const dayMs = 86_400_000;
/** Of the time between two checkpoints no more counts: a clock that is set forward by a year makes no record a year older. */
const stepMaxMs = dayMs;

const portionRows = 32;

/** Some 35 MB need 60 KiB a second. As long as it comes nothing is verified, and no other segment is dropped. */
const arrivalMinutes = 10;

export type DropRequest = Range & {
  /** Of the action that drops. */
  readonly grant: Grant;
  readonly correlationId: string;
  /** The segment's file, not compressed. */
  readonly file: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
};

export type Drops = {
  /** Drops the records of a segment; once they are gone, the same request answers what was done. */
  drop(request: DropRequest): Promise<AuditDropped>;
  /** Finishes what a crash interrupted. Before anything is swept. */
  resume(): Promise<void>;
  isRunning(): boolean;
};

export function createDrops(parts: {
  readonly database: Database;
  readonly appender: Appender;
  readonly anchors: Pick<LogAnchors, 'restate'>;
  /** Signs what is durable. */
  readonly sign: () => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
  readonly verifier: NoteVerifier;
  /** 0: nothing is ever dropped. */
  readonly retentionDays: number;
}): Drops {
  const { database, appender, anchors, sign, clock, log, verifier, retentionDays } = parts;
  let running = false;

  /** Throws for what may not go, whatever is shown. */
  async function requireDroppable({ from, to }: Range): Promise<void> {
    if (retentionDays === 0) throw auditFailures.AuditRetentionNotSet();
    requireSegment({ from, to });
    const begin = (await readLastDrop(database.read))?.past ?? 0;
    if (from !== begin) throw auditFailures.AuditSegmentOutOfOrder(begin, from);
    const covering = await readCovering(database.read, to);
    if (covering === undefined) throw auditFailures.recordUncovered(to - 1, ' Nothing was dropped.');
    if ((await readTree(database.read)).settled < to) throw auditFailures.AuditSegmentOpen();
    const newestMs = await scanNewest(database, from, to);
    if (newestMs === undefined) throw auditFailures.AuditDamaged(`records between ${from} and ${to} are missing`);
    requireOld(newestMs);
    const witnessed = await scanWitnessedMs(database, covering.size, stepMaxMs);
    if (witnessed < retentionDays * dayMs)
      throw auditFailures.retentionNotWitnessed(Math.floor(witnessed / dayMs), retentionDays);
  }

  function requireOld(newestMs: number): void {
    if (clock.epochMs() - newestMs < retentionDays * dayMs)
      throw auditFailures.AuditRetentionNotOver(newestMs, retentionDays);
  }

  async function record(request: DropRequest, sha256: string, newestMs: number): Promise<DropRow> {
    const { grant, correlationId, from, to } = request;
    await anchors.restate();
    const act: IntentRecord = {
      ...begunRecord(
        'activity',
        {
          operation: dropOperation,
          action: grant.action,
          scope: grant.scope,
          actor: grant.actor,
          requestId: grant.requestId,
          correlationId,
          clientRequestId: undefined,
          method: '',
          path: '',
          address: grant.address,
          userAgent: undefined,
          decision: 'allowed',
          reason: grant.reason,
          parameters: { from, to, sha256, retentionDays, newest: new Date(newestMs).toISOString() },
          bodyDigest: undefined,
        },
        clock.now(),
      ),
      kind: 'intent',
    };
    const encoded = encodeRecord(act);
    const sequence = await appender.append(encoded);
    const before = (await readLastDrop(database.read))?.until_ms ?? newestMs;
    const row: DropRow = {
      first: from,
      past: to,
      act: sequence,
      record: encoded.text,
      until_ms: Math.max(before, newestMs),
      done: 0,
    };
    // Signed, and carried away where that is configured, before anything goes that it speaks of.
    await sign();
    await database.write((tx) => insertDrop(tx, row));
    return row;
  }

  /** From wherever it stands. */
  async function finish(row: DropRow): Promise<void> {
    for (let tile = row.first / leavesPerTile; tile < row.past / leavesPerTile; tile++) {
      const from = tile * leavesPerTile;
      const to = from + leavesPerTile;
      await database.write(async (tx) => {
        if (await isTileDropped(tx, tile)) return;
        const leaves = await readLeaves(tx, from, to);
        const tree = createTree();
        for (const leaf of leaves) tree.append(leaf);
        const root = await readTile(tx, tile);
        if (root === undefined || Buffer.compare(root, tree.root()) !== 0)
          throw auditFailures.AuditDamaged(`tile ${tile} is not that of its records`);
        await keepHashes(tx, tile, leaves);
      });
      // In portions: each row is overwritten on its pages and in the index, and nobody else runs meanwhile.
      for (let at = from; at < to; at += portionRows)
        if (((await readNextSequence(database.read, at)) ?? to) < at + portionRows)
          await database.write((tx) => deleteRecords(tx, at, at + portionRows));
    }
    // After a crash, or a disk that was full, nobody remembers whether it was concluded.
    if ((await scanOutcomeOf(database, row.act)) === undefined) {
      const begun = decodeRecord(row.record);
      if (begun.kind !== 'intent') throw auditFailures.AuditDamaged(`record ${row.act} is no act`);
      const outcome = concludedRecord(
        { sequence: row.act, record: begun },
        { status: 200, code: undefined },
        clock.now(),
      );
      await appender.append(encodeRecord(outcome));
    }
    await database.write((tx) => endDrop(tx, row.first));
  }

  async function run(request: DropRequest): Promise<AuditDropped> {
    const { from, to, file, signal } = request;
    const present = await readDrop(database.read, from);
    if (present !== undefined && present.past === to) {
      // Gone, or going: there is nothing left to compare with but the digest of what was shown.
      if ((await digestOf(file, signal)) !== readAct(present.record)?.sha256)
        throw auditFailures.AuditSegmentMismatch('other bytes were shown when its records were dropped');
      if (present.done === 0) await finish(present);
      return wireDropped({ ...present, done: 1 });
    }
    await sign();
    await requireDroppable(request);
    const lines = segmentLines({ database, verifier, range: { from, to } });
    const { sha256, newestMs } = await compared(lines, file, verifier, signal);
    // By the records' own words: the column is a copy.
    requireOld(newestMs);
    signal?.throwIfAborted();
    const row = await record(request, sha256, newestMs);
    // From here on it is finished whether or not somebody waits for it.
    await finish(row);
    log.warn({ module: 'audit', count: to - from, subject: `${from} to ${to}` }, 'archived records were dropped');
    return wireDropped({ ...row, done: 1 });
  }

  return {
    isRunning: () => running,
    async drop(request) {
      if (running) throw auditFailures.AuditDropRunning();
      running = true;
      const over = new AbortController();
      try {
        return await run({ ...request, file: arriving(request.file, clock, over.signal) });
      } finally {
        over.abort();
        running = false;
      }
    },
    async resume() {
      for (const row of await scanDrops(database)) {
        if (row.done === 1) continue;
        try {
          await finish(row);
          log.warn({ module: 'audit', subject: `${row.first} to ${row.past}` }, 'an interrupted drop was finished');
        } catch (error) {
          // A full disk must not keep the server from starting; the next start, or the request again, finishes.
          if (!(error instanceof Failure && error.kind === 'unavailable')) throw error;
          log.error({ module: 'audit', error }, 'an interrupted drop could not be finished');
        }
      }
    },
  };
}

/** The file as it arrives, as long as it may take: whoever dribbles it holds up nobody for longer. */
async function* arriving(
  file: AsyncIterable<Uint8Array>,
  clock: Pick<Clock, 'sleep'>,
  over: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const late = clock.sleep(arrivalMinutes * 60_000, over).then((): never => {
    throw auditFailures.AuditSegmentSlow(arrivalMinutes);
  });
  late.catch(() => undefined);
  const chunks = file[Symbol.asyncIterator]();
  for (;;) {
    const next = chunks.next();
    next.catch(() => undefined);
    const { done, value } = await Promise.race([next, late]);
    if (done === true) return;
    yield value;
  }
}

/**
 * Compares a file with what it must be, and that with its own hashes and its checkpoint: rows that were altered are evidence too,
 * and do not go. Answers the digest, and the newest time among the records. Holds one line and one chunk.
 */
async function compared(
  lines: AsyncIterable<string>,
  file: AsyncIterable<Uint8Array>,
  verifier: NoteVerifier,
  signal: AbortSignal | undefined,
): Promise<{ readonly sha256: string; readonly newestMs: number }> {
  const hash = createSha256();
  let newestMs = 0;
  const reader = createExportReader(verifier);
  const chunks = file[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();
  let line = 0;
  const more = async (): Promise<boolean> => {
    while (rest.length === 0) {
      const next = await chunks.next();
      if (next.done === true) return false;
      rest = next.value;
    }
    return true;
  };
  for await (const text of lines) {
    signal?.throwIfAborted();
    line += 1;
    const taken = reader.take(text);
    if (taken !== undefined) newestMs = Math.max(newestMs, Date.parse(decodeRecord(taken.record).time));
    const expected = Buffer.from(text);
    hash.update(expected);
    for (let at = 0; at < expected.length; ) {
      if (!(await more())) throw auditFailures.AuditSegmentMismatch(`it ends within line ${line}`);
      const length = Math.min(rest.length, expected.length - at);
      if (Buffer.compare(expected.subarray(at, at + length), rest.subarray(0, length)) !== 0)
        throw auditFailures.AuditSegmentMismatch(`line ${line} is another`);
      at += length;
      rest = rest.subarray(length);
    }
  }
  if (await more()) throw auditFailures.AuditSegmentMismatch(`it goes on after line ${line}`);
  reader.end();
  return { sha256: hash.hex(), newestMs };
}

async function digestOf(file: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<string> {
  const hash = createSha256();
  for await (const chunk of file) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return hash.hex();
}
