// Recomputes the audit log from its rows and believes none of them. Finds an edit, a cut, an insertion, an exchange of
// places, an index column that says something else than its record, and a checkpoint that the records do not bear out.
// What was cut off behind the last stored checkpoint shows only against a checkpoint that somebody kept elsewhere.
// Reads page by page off the main thread and gives way between portions, so it can run beside a busy server.

import { type AuditFinding, AuditRecord, type AuditVerification } from '@strongroom/contract/audit';
import { Compile } from '@strongroom/contract/schema';
import { parseCheckpoint } from '#kernel/crypto/checkpoint';
import { createTree, leafHash } from '#kernel/crypto/merkle';
import { type NoteVerifier, openNote } from '#kernel/crypto/signed-note';
import type { Database } from '#kernel/database/database';
import {
  packHashes,
  type RecordRow,
  readExtent,
  readNextSequence,
  scanCheckpointsAbove,
  scanRecords,
  scanStoredTiles,
} from './audit.store.ts';
import { canonicalJson } from './canonical.ts';
import { leavesPerTile } from './proofs.ts';
import { columnsOf } from './record.ts';

const recordSchema = Compile(AuditRecord);
const findingsMax = 100;
/** Small enough that neither a page that arrives nor a portion of it holds the event loop for more than a moment. */
const pageRows = 128;
const portionRows = 16;
const entriesMax = 2 ** 31;

/** What is known of each record, one byte each. */
const seen = { nothing: 0, intent: 1, entry: 2, concluded: 3, outcome: 4 } as const;

type Claim = { readonly size: number; readonly root: Uint8Array; readonly source: string };

/**
 * Verifies everything in `database` against `verifier`, the name and public key of the signer. `checkpoints` are signed
 * notes that were kept elsewhere. Throws only when the database cannot be read or `signal` is aborted.
 */
export async function verifyAudit(options: {
  readonly database: Database;
  readonly verifier: NoteVerifier;
  readonly checkpoints?: readonly string[];
  readonly signal?: AbortSignal;
}): Promise<AuditVerification> {
  const { database, verifier, checkpoints = [], signal } = options;
  const findings: AuditFinding[] = [];
  let findingCount = 0;
  let checkpointCount = 0;
  const find = (code: string, message: string, sequence?: number) => {
    findingCount += 1;
    if (findings.length < findingsMax)
      findings.push({ code, message, ...(sequence === undefined ? {} : { sequence }) });
  };

  const { stored, first, last, lastTile } = await readExtent(database.read);
  const present = (last ?? -1) + 1;
  // What is judged: no more than there is, and no more than can be kept in mind.
  const size = Math.max(0, Math.min(stored.tree.size, present, entriesMax));
  if (present > stored.tree.size)
    find('EntryUnexpected', `There are records beyond the ${stored.tree.size} of the log.`, stored.tree.size);
  if (size < stored.tree.size)
    find('EntriesCut', `The log held ${stored.tree.size} records and ends after ${size}.`, size);
  if ((first ?? 0) < 0) find('EntryUnexpected', 'There are records before the beginning of the log.', first ?? 0);

  const kept = checkpoints
    .flatMap((note, index) => claimOf(note, `the given checkpoint ${index + 1}`))
    .sort((a, b) => a.size - b.size);
  const kinds = new Uint8Array(size);
  let open = 0;
  const tree = createTree();
  let tile = createTree();

  for (let from = 0, to = 0; from < size; from = to) {
    to = Math.min(size, from + pageRows);
    const claims = await claimsWithin(from, to);
    const tiles = await scanStoredTiles(database, Math.floor(from / leavesPerTile), Math.floor(to / leavesPerTile));
    const roots = new Map(tiles.map((row) => [row.tile, row.root]));
    const rows = await scanRecords(database, from, to);
    if (rows.length === 0) {
      // A gap is passed over in one step: whoever could put a row at its far end decides how wide it is.
      to = Math.min(size, (await readNextSequence(database.read, to)) ?? size);
      find('EntryMissing', `Records ${from} to ${to - 1} are missing.`, from);
      signal?.throwIfAborted();
      continue;
    }
    let at = 0;
    for (let sequence = from; sequence < to; sequence++) {
      if (sequence % portionRows === 0) await new Promise(setImmediate);
      signal?.throwIfAborted();
      const row = rows[at];
      if (row?.sequence !== sequence) {
        find('EntryMissing', `Record ${sequence} is missing.`, sequence);
        continue;
      }
      at += 1;
      const leaf = examine(row);
      tree.append(leaf);
      tile.append(leaf);
      const count = sequence + 1;
      if (count % leavesPerTile === 0) {
        const number = count / leavesPerTile - 1;
        if (!isSame(roots.get(number), tile.root()))
          find('TileMismatch', `Tile ${number} is not that of its records.`, number * leavesPerTile);
        tile = createTree();
      }
      for (const claim of claims.get(count) ?? []) check(claim);
    }
  }

  if ((lastTile ?? -1) >= Math.floor(stored.tree.size / leavesPerTile))
    find('TileMismatch', `Tile ${lastTile} lies beyond the end of the log.`);
  if (!isSame(packHashes(tree.state().hashes), packHashes(stored.tree.hashes)))
    find('TreeMismatch', 'The records do not add up to the stored state of the tree.');
  await checkBeyond();

  return { verified: findingCount === 0, entries: size, checkpoints: checkpointCount, open, findings, findingCount };

  /** Everything about one row by itself and about what it refers to; returns the hash of the record as it stands. */
  function examine(row: RecordRow): Uint8Array {
    const { sequence } = row;
    const leaf = leafHash(row.record);
    if (!isSame(row.leaf, leaf))
      find('EntryAltered', `Record ${sequence} does not have the hash that was stored with it.`, sequence);
    const record = readCanonical(row.record);
    if (record === undefined) {
      find('EntryNotCanonical', `Record ${sequence} is not a record in canonical form.`, sequence);
      return leaf;
    }
    const columns = columnsOf(record);
    if (Object.entries(columns).some(([name, value]) => row[name as keyof typeof columns] !== value))
      find('EntryMisindexed', `The index of record ${sequence} says something else than the record.`, sequence);
    if (record.kind === 'intent') open += 1;
    if (record.kind !== 'outcome') {
      kinds[sequence] = record.kind === 'intent' ? seen.intent : 'outcome' in record ? seen.concluded : seen.entry;
      return leaf;
    }
    kinds[sequence] = seen.outcome;
    const referred = record.intent < sequence ? kinds[record.intent] : seen.nothing;
    if (referred !== (record.level === 'activity' ? seen.intent : seen.entry))
      find(
        'OutcomeWithoutIntent',
        `Record ${sequence} concludes ${record.intent}, which is not an open record before it.`,
        sequence,
      );
    else {
      kinds[record.intent] = seen.concluded;
      if (referred === seen.intent) open -= 1;
    }
    return leaf;
  }

  function readCanonical(text: string): AuditRecord | undefined {
    try {
      const value: unknown = JSON.parse(text);
      return recordSchema.Check(value) && canonicalJson(value) === text ? value : undefined;
    } catch {
      return undefined;
    }
  }

  function claimOf(note: string, source: string): readonly Claim[] {
    checkpointCount += 1;
    try {
      const checkpoint = parseCheckpoint(openNote(note, [verifier]).text);
      if (checkpoint.origin === verifier.name) return [{ size: checkpoint.size, root: checkpoint.rootHash, source }];
    } catch {
      // Whatever is wrong with it, it is not a statement of this log's key.
    }
    find('CheckpointUnreadable', `${capital(source)} is not signed by ${verifier.name} with the expected key.`);
    return [];
  }

  /** Stored and given checkpoints of sizes above `from` up to `to`, by size. */
  async function claimsWithin(from: number, to: number): Promise<Map<number, readonly Claim[]>> {
    const found: Claim[] = kept.filter((claim) => claim.size > from && claim.size <= to);
    const rows = (await scanCheckpointsAbove(database, from, pageRows)).filter((row) => row.size <= to);
    for (const row of rows) found.push(...storedClaim(row));
    return Map.groupBy(found, (claim) => claim.size);
  }

  function storedClaim(row: { readonly size: number; readonly note: string }): readonly Claim[] {
    const claims = claimOf(row.note, `the stored checkpoint of ${row.size} records`);
    if (claims.some((claim) => claim.size !== row.size))
      find('CheckpointUnreadable', `The checkpoint that is stored for ${row.size} records is of another size.`);
    return claims.filter((claim) => claim.size === row.size);
  }

  function check(claim: Claim): void {
    if (!isSame(tree.root(), claim.root))
      find('CheckpointMismatch', `The first ${claim.size} records are not those that ${claim.source} signed.`);
  }

  /** Checkpoints of nothing, and of more than there is. */
  async function checkBeyond(): Promise<void> {
    const cut = (claim: Claim) =>
      find('EntriesCut', `${capital(claim.source)} covers ${claim.size} records, and there are ${size}.`, size);
    for (const claim of kept) {
      if (claim.size > size) cut(claim);
      else if (claim.size === 0 && !isSame(createTree().root(), claim.root))
        find('CheckpointMismatch', `${capital(claim.source)} signed another root for an empty log.`);
    }
    // Rows may have been appended since the extent was read: only what was there then is judged.
    const beyond = await scanCheckpointsAbove(database, size, pageRows);
    const now = beyond.length === 0 ? size : (await readExtent(database.read)).stored.tree.size;
    for (const row of beyond.filter((one) => one.size > now)) for (const claim of storedClaim(row)) cut(claim);
  }
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}
