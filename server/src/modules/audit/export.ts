// The log as JSON Lines that others verify without us and without the database. The first line holds a signed checkpoint,
// the hashes of everything before the exported range, and the proof that leads from its end to the checkpoint; every other
// line one record with its leaf hash. Whoever adds the leaves to the prefix must arrive at the signed root.

import { parseCheckpoint } from '#kernel/crypto/checkpoint';
import { createTree, HASH_BYTES, leafHash, verifyConsistency } from '#kernel/crypto/merkle';
import { formatVerifier, type NoteVerifier, openNote } from '#kernel/crypto/signed-note';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { readLastCheckpoint, scanRecords } from './audit.store.ts';
import { notCovered } from './errors.ts';
import { consistencyHashes, prefixHashes } from './proofs.ts';

export const exportFormat = 'strongroom-audit/1';
const pageRows = 512;

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
 * all that the last checkpoint covers). Throws `AuditProofNotFound` for a range that no checkpoint covers yet.
 */
export async function* exportAudit(options: {
  readonly database: Database;
  readonly verifier: NoteVerifier;
  readonly from?: number;
  readonly to?: number;
}): AsyncGenerator<string> {
  const { database, verifier, from = 0 } = options;
  const checkpoint = await readLastCheckpoint(database.read);
  if (checkpoint === undefined) throw notCovered('There is no checkpoint yet. One is made within a minute.');
  const to = options.to ?? checkpoint.size;
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from >= to || to > checkpoint.size)
    throw notCovered(`A range begins before it ends, and ends at ${checkpoint.size} or before.`);
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
    for (const { sequence, leaf, record } of await scanRecords(database, at, Math.min(to, at + pageRows)))
      yield `${JSON.stringify({ sequence, leafHash: base64(leaf), record })}\n`;
  }
}

/**
 * Verifies an export from its lines (with or without newlines) and the signer's name and key, which must come from
 * elsewhere. Resolves with the range and the size of the checkpoint; throws `integrity` and says at which line.
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  verifier: NoteVerifier,
): Promise<{ readonly from: number; readonly to: number; readonly size: number }> {
  let header: Header | undefined;
  let tree = createTree();
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (header === undefined) {
      header = readHeader(line);
      tree = prefixTree(header);
      continue;
    }
    const { sequence, leafHash: leaf, record } = readLine(line, number);
    if (sequence !== tree.state().size) throw broken(number, `record ${tree.state().size} was expected`);
    const hash = leafHash(record);
    if (base64(hash) !== leaf) throw broken(number, 'the record does not have this hash');
    tree.append(hash);
  }
  if (header === undefined) throw broken(1, 'it is empty');
  if (tree.state().size !== header.to) throw broken(number, `records up to ${header.to} were expected`);
  if (header.verifier !== formatVerifier(verifier)) throw broken(1, 'it names another signer');
  const { size, rootHash, origin } = parseCheckpoint(openNote(header.checkpoint, [verifier]).text);
  const claim = { oldSize: header.to, newSize: size, oldRoot: tree.root(), newRoot: rootHash };
  if (origin !== verifier.name || !verifyConsistency(claim, header.consistency.map(bytes)))
    throw broken(1, 'the records are not those that the checkpoint signs');
  return { from: header.from, to: header.to, size };
}

function readHeader(line: string): Header {
  const { format, checkpoint, from, to, prefix, consistency, verifier } = object(line, 1);
  const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  if (format !== exportFormat || typeof checkpoint !== 'string' || !isWhole(from) || !isWhole(to))
    throw broken(1, `it is no header of ${exportFormat}`);
  if (!isHashes(prefix) || !isHashes(consistency)) throw broken(1, 'its hashes are not hashes');
  return { format, checkpoint, from, to, prefix, consistency, verifier: String(verifier) };
}

function prefixTree({ from, prefix }: Header) {
  try {
    return createTree({ size: from, hashes: prefix.map(bytes) });
  } catch (error) {
    throw broken(1, 'the hashes before the range do not fit its beginning', error);
  }
}

function readLine(line: string, number: number) {
  const { sequence, leafHash: leaf, record } = object(line, number);
  if (typeof sequence !== 'number' || typeof leaf !== 'string' || typeof record !== 'string')
    throw broken(number, 'it is no record');
  return { sequence, leafHash: leaf, record };
}

function object(line: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // Said below.
  }
  throw broken(number, 'it is no JSON object');
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

function broken(line: number, why: string, cause?: unknown): Failure {
  return new Failure({
    kind: 'integrity',
    code: 'AuditExportBroken',
    message: `The export does not verify at line ${line}: ${why}.`,
    cause,
  });
}
