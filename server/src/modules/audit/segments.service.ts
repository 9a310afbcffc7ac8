// Segments: ranges of whole tiles, each a file that holds its records, the hashes of what lies before them, and the signed
// checkpoint that covers them. One range is one file, byte for byte and for ever: its checkpoint is the smallest that covers it.
// So the server need believe nothing of a file that is shown to it: it writes the segment again and compares.

import type { AuditDropped, IntentRecord } from '@strongroom/contract/audit';
import type { NoteVerifier } from '#kernel/crypto/signed-note';
import type { Database } from '#kernel/database/database';
import { auditFailures } from './audit.errors.ts';
import { readLastCheckpoint } from './audit.store.ts';
import { exportedLines } from './export.service.ts';
import { requireInstant } from './filter.rules.ts';
import { decodeRecord } from './record.rules.ts';
import { type DropRow, readCovering, readLastDrop, scanFirstSince } from './segments.store.ts';
import { leavesPerTile } from './tiles.rules.ts';

export type Range = { readonly from: number; readonly to: number };

/** 32,768 records, some 35 MB of text: few enough that one request drops them before its client gives up. */
export const segmentRecordsMax = 128 * leavesPerTile;
/** The operation of the act in the log. */
export const dropOperation = 'AuditRecords_Drop';

const isAligned = (sequence: number) => Number.isSafeInteger(sequence) && sequence % leavesPerTile === 0;

/** Throws `AuditSegmentInvalid` for a range that no segment can be. */
export function requireSegment({ from, to }: Range): void {
  if (!isAligned(from) || !isAligned(to) || from < 0) throw auditFailures.segmentUneven(leavesPerTile);
  if (from >= to || to - from > segmentRecordsMax) throw auditFailures.segmentSize(leavesPerTile, segmentRecordsMax);
}

/** A segment by its name: `0-32768` is the records 0 (included) to 32768 (excluded). Throws `AuditSegmentInvalid`. */
export function segmentNamed(name: string): Range {
  const [, from, to] = /^(0|[1-9]\d{0,14})-([1-9]\d{0,14})$/.exec(name) ?? [];
  if (from === undefined || to === undefined) throw auditFailures.segmentName();
  return { from: Number(from), to: Number(to) };
}

/** Yields the lines of a segment. Throws `AuditProofNotFound` when no checkpoint covers it yet. */
export async function* segmentLines(options: {
  readonly database: Database;
  readonly verifier: NoteVerifier;
  readonly range: Range;
}): AsyncGenerator<string> {
  const { database, verifier, range } = options;
  requireSegment(range);
  const checkpoint = await readCovering(database.read, range.to);
  if (checkpoint === undefined) throw auditFailures.recordUncovered(range.to - 1);
  yield* exportedLines({ database, verifier, checkpoint, ...range });
}

async function planSegments(
  database: Database,
  signed: number,
  limit: { readonly beforeMs?: number | undefined; readonly until?: number | undefined },
): Promise<readonly Range[]> {
  const begin = (await readLastDrop(database.read))?.past ?? 0;
  const younger = limit.beforeMs === undefined ? undefined : await scanFirstSince(database, limit.beforeMs);
  const end = Math.min(signed, younger ?? signed, limit.until ?? signed);
  const past = Math.floor(end / leavesPerTile) * leavesPerTile;
  const ranges: Range[] = [];
  for (let from = begin; from < past; from += segmentRecordsMax)
    ranges.push({ from, to: Math.min(past, from + segmentRecordsMax) });
  return ranges;
}

/** The segments of what is here and signed: everything before a time, or before a record. Oldest first. Throws `invalid` for what is no time. */
export async function segmentsOf(
  database: Database,
  limit: { readonly before?: string | undefined; readonly until?: number | undefined },
): Promise<readonly Range[]> {
  const signed = (await readLastCheckpoint(database.read))?.size ?? 0;
  return await planSegments(database, signed, { beforeMs: requireInstant('before', limit.before), until: limit.until });
}

/** What the act says, from its own words. Undefined for a text that is no such act. */
export function readAct(text: string): Omit<AuditDropped, 'act' | 'done'> | undefined {
  let record: IntentRecord;
  try {
    const read = decodeRecord(text);
    if (read.kind !== 'intent' || read.operation !== dropOperation || read.decision !== 'allowed') return undefined;
    record = read;
  } catch {
    return undefined;
  }
  const { from, to, sha256, newest } = record.parameters;
  if (typeof from !== 'number' || typeof to !== 'number' || typeof sha256 !== 'string' || typeof newest !== 'string')
    return undefined;
  return { from, to, sha256, newest, time: record.time, by: record.caller.name };
}

export function wireDropped(row: DropRow): AuditDropped {
  const act = readAct(row.record);
  if (act === undefined)
    throw auditFailures.AuditDamaged(`the act that dropped the records from ${row.first} on cannot be read`);
  return { ...act, act: row.act, done: row.done === 1 };
}
