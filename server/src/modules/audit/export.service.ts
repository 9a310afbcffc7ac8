// The log as JSON Lines that others verify without us and without the database. The first line holds a signed checkpoint,
// the hashes of everything before the exported range, and the proof that leads from its end to the checkpoint; every other
// line one record with its leaf hash. Whoever adds the leaves to the prefix must arrive at the signed root.

import { parseCheckpoint } from '#kernel/crypto/checkpoint';
import { createTree, HASH_BYTES, leafHash, verifyConsistency } from '#kernel/crypto/merkle';
import { formatVerifier, type NoteVerifier, openNote } from '#kernel/crypto/signed-note';
import type { Database } from '#kernel/database/database';
import { auditFailures } from './audit.errors.ts';
import { type CheckpointRow, readLastCheckpoint, scanRecords } from './audit.store.ts';
import { consistencyHashes, prefixHashes } from './proofs.service.ts';
import { readLastDrop } from './segments.store.ts';

export const exportFormat = 'strongroom-audit/1';
/** Small enough that neither a page that arrives nor a portion of it holds the event loop for more than a moment. */
const pageRows = 128;
const portionRows = 16;

type Header = {
  readonly format: string;
  readonly verifier: string;
  readonly checkpoint: string;
  readonly from: number;
  readonly to: number;
  readonly prefix: readonly string[];
  readonly consistency: readonly string[];
};

/**
 * Yields lines, each with its newline: a header, then records `from` (included, default 0) to `to` (excluded, default
 * all that the last checkpoint covers). Throws `AuditProofNotFound` for a range that no checkpoint covers yet, and
 * `AuditRecordsArchived` for one that begins among dropped records.
 */
export async function* exportAudit(options: {
  readonly database: Database;
  readonly verifier: NoteVerifier;
  readonly from?: number;
  readonly to?: number;
}): AsyncGenerator<string> {
  const { database, verifier, from = 0 } = options;
  const checkpoint = await readLastCheckpoint(database.read);
  if (checkpoint === undefined) throw auditFailures.noCheckpoint();
  const to = options.to ?? checkpoint.size;
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from >= to || to > checkpoint.size)
    throw auditFailures.noSuchRange(checkpoint.size);
  yield* exportedLines({ database, verifier, checkpoint, from, to });
}

/** The lines of a range that `checkpoint` covers. One range under one checkpoint has the same lines for ever. */
export async function* exportedLines(options: {
  readonly database: Database;
  readonly verifier: NoteVerifier;
  readonly checkpoint: Pick<CheckpointRow, 'size' | 'note'>;
  readonly from: number;
  readonly to: number;
}): AsyncGenerator<string> {
  const { database, verifier, checkpoint, from, to } = options;
  await requirePresent(database, from);
  const header: Header = {
    format: exportFormat,
    verifier: formatVerifier(verifier),
    checkpoint: checkpoint.note,
    from,
    to,
    prefix: (await prefixHashes(database, from)).map(base64),
    consistency: (await consistencyHashes(database, to, checkpoint.size)).map(base64),
  };
  yield `${JSON.stringify(header)}\n`;
  for (let at = from; at < to; at += pageRows) {
    const end = Math.min(to, at + pageRows);
    const rows = await scanRecords(database, at, end);
    // A stream that breaks off, rather than one with a hole: they may have been dropped since it began.
    if (rows.length !== end - at) {
      await requirePresent(database, at);
      throw auditFailures.AuditDamaged(`records between ${at} and ${end} are missing`);
    }
    for (const [index, { sequence, leaf, record }] of rows.entries()) {
      if (index % portionRows === 0) await new Promise(setImmediate);
      yield `${JSON.stringify({ sequence, leafHash: base64(leaf), record })}\n`;
    }
  }
}

async function requirePresent(database: Database, from: number): Promise<void> {
  const dropped = await readLastDrop(database.read);
  if (dropped !== undefined && from < dropped.past) throw auditFailures.AuditRecordsArchived(dropped.past);
}

export type ExportedRange = { readonly from: number; readonly to: number; readonly size: number };

/** Takes an export line by line, and says at its end what it proves. */
export type ExportReader = {
  /** Answers the record of the line; undefined for the header. Throws `integrity`, and says at which line. */
  take(line: string): { readonly sequence: number; readonly record: string } | undefined;
  end(): ExportedRange;
};

/** @param verifier the signer's name and key, which must come from elsewhere */
export function createExportReader(verifier: NoteVerifier): ExportReader {
  let header: Header | undefined;
  let tree = createTree();
  let number = 0;
  return {
    take(line) {
      number += 1;
      if (header === undefined) {
        header = readHeader(line);
        tree = prefixTree(header);
        return undefined;
      }
      const { sequence, leafHash: leaf, record } = readLine(line, number);
      if (sequence !== tree.state().size)
        throw auditFailures.AuditExportBroken(number, `record ${tree.state().size} was expected`);
      const hash = leafHash(record);
      if (base64(hash) !== leaf) throw auditFailures.AuditExportBroken(number, 'the record does not have this hash');
      tree.append(hash);
      return { sequence, record };
    },
    end() {
      if (header === undefined) throw auditFailures.AuditExportBroken(1, 'it is empty');
      if (tree.state().size !== header.to)
        throw auditFailures.AuditExportBroken(number, `records up to ${header.to} were expected`);
      if (header.verifier !== formatVerifier(verifier))
        throw auditFailures.AuditExportBroken(1, 'it names another signer');
      const { size, rootHash, origin } = parseCheckpoint(openNote(header.checkpoint, [verifier]).text);
      const claim = { oldSize: header.to, newSize: size, oldRoot: tree.root(), newRoot: rootHash };
      if (origin !== verifier.name || !verifyConsistency(claim, header.consistency.map(bytes)))
        throw auditFailures.AuditExportBroken(1, 'the records are not those that the checkpoint signs');
      return { from: header.from, to: header.to, size };
    },
  };
}

/**
 * Verifies an export from its lines (with or without newlines) and the signer's name and key, which must come from
 * elsewhere. Resolves with the range and the size of the checkpoint; throws `integrity` and says at which line.
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  verifier: NoteVerifier,
): Promise<ExportedRange> {
  const reader = createExportReader(verifier);
  let count = 0;
  for await (const line of lines) {
    reader.take(line);
    if (++count % portionRows === 0) await new Promise(setImmediate);
  }
  return reader.end();
}

/** The record in a line of an export that was verified. */
export const readExportedRecord = (line: string): string => readLine(line, 0).record;

/** The signed note in the header of one. */
export const readExportedCheckpoint = (header: string): string => readHeader(header).checkpoint;

function readHeader(line: string): Header {
  const { format, checkpoint, from, to, prefix, consistency, verifier } = object(line, 1);
  const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  if (format !== exportFormat || typeof checkpoint !== 'string' || !isWhole(from) || !isWhole(to))
    throw auditFailures.AuditExportBroken(1, `it is no header of ${exportFormat}`);
  if (!isHashes(prefix) || !isHashes(consistency))
    throw auditFailures.AuditExportBroken(1, 'its hashes are not hashes');
  return { format, checkpoint, from, to, prefix, consistency, verifier: String(verifier) };
}

function prefixTree({ from, prefix }: Header) {
  try {
    return createTree({ size: from, hashes: prefix.map(bytes) });
  } catch (error) {
    throw auditFailures.AuditExportBroken(1, 'the hashes before the range do not fit its beginning', error);
  }
}

function readLine(line: string, number: number) {
  const { sequence, leafHash: leaf, record } = object(line, number);
  if (typeof sequence !== 'number' || typeof leaf !== 'string' || typeof record !== 'string')
    throw auditFailures.AuditExportBroken(number, 'it is no record');
  return { sequence, leafHash: leaf, record };
}

function object(line: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // Said below.
  }
  throw auditFailures.AuditExportBroken(number, 'it is no JSON object');
}

const hashesMax = 128;
const base64 = (hash: Uint8Array) => Buffer.from(hash).toString('base64');
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

function isHashes(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= hashesMax &&
    value.every((one) => typeof one === 'string' && bytes(one).length === HASH_BYTES)
  );
}
