// After a crash: every intent of an earlier process that has no outcome gets one that says `unknown`. Nobody can tell
// whether the act took place, and a record that stayed silent would look as if it had not.

import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import type { Appender } from './appender.service.ts';
import { auditFailures } from './audit.errors.ts';
import { readRecord, scanKinds } from './audit.store.ts';
import { concludedRecord, decodeRecord, encodeRecord } from './record.rules.ts';

const pageRows = 20_000;
const atOnce = 500;

/** Concludes what was left open at or after `from`, and says how many that were. */
export async function sweepOpenIntents(
  parts: { readonly database: Database; readonly appender: Appender; readonly clock: Clock },
  from: number,
): Promise<number> {
  const { database, appender, clock } = parts;
  const open = new Set<number>();
  for (let at = from; ; ) {
    const rows = await scanKinds(database, at, pageRows);
    for (const { sequence, kind, intent } of rows) {
      if (kind === 'intent') open.add(sequence);
      if (intent !== null) open.delete(intent);
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRows) break;
    at = last.sequence + 1;
  }
  const sequences = [...open];
  for (let at = 0; at < sequences.length; at += atOnce)
    await Promise.all(sequences.slice(at, at + atOnce).map((sequence) => concludeUnknown(sequence)));
  return sequences.length;

  async function concludeUnknown(sequence: number): Promise<void> {
    const row = await readRecord(database.read, sequence);
    const record = row && decodeRecord(row.record);
    if (record === undefined || record.kind === 'outcome')
      throw auditFailures.AuditDamaged(`record ${sequence} is no intent`);
    await appender.append(encodeRecord(concludedRecord({ sequence, record }, undefined, clock.now())));
  }
}
