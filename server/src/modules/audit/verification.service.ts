// Recomputes the audit log from its rows and believes none of them. Finds an edit, a cut, an insertion, an exchange of
// places, an index column that says something else than its record, and a checkpoint that the records do not bear out.
// Of records that were dropped it proves that their hashes are those of the tree and that a recorded act dropped them, and what
// they say where a segment is given. What was cut off behind the last stored checkpoint shows only against a checkpoint that somebody kept elsewhere.
// Reads page by page off the main thread and gives way between portions, so it can run beside a busy server.

import { type AuditFinding, AuditRecord, type AuditVerification } from '@strongroom/contract/audit';
import { Compile } from '@strongroom/contract/schema';
import { parseCheckpoint } from '#kernel/crypto/checkpoint';
import { createTree, leafHash } from '#kernel/crypto/merkle';
import { type NoteVerifier, openNote } from '#kernel/crypto/signed-note';
import type { Database, Stamp } from '#kernel/database/database';
import { unreachable } from '#kernel/errors/failure';
import { anchorsIn, isRemoved, logStore, rolledBackText } from './anchors.service.ts';
import {
  packHashes,
  type RecordRow,
  readAnchors,
  readExtent,
  readNextSequence,
  scanCheckpointsAbove,
  scanRecords,
  scanStoredTiles,
} from './audit.store.ts';
import { canonicalJson } from './canonical.rules.ts';
import { type GivenSegment, openSegments } from './given-segments.service.ts';
import { columnsOf, decodeRecord } from './record.rules.ts';
import { readAct, wireDropped } from './segments.service.ts';
import { type DropRow, readKeptHashes, scanDrops, scanKeptTiles } from './segments.store.ts';
import { leavesPerTile, unpackTile } from './tiles.rules.ts';

const recordSchema = Compile(AuditRecord);
const findingsMax = 100;
/** Small enough that neither a page that arrives nor a portion of it holds the event loop for more than a moment. */
const pageRows = 128;
const portionRows = 16;
const entriesMax = 2 ** 31;
const tilesAtOnce = 20_000;

/** What is known of each record, one byte each. */
const seen = { nothing: 0, intent: 1, entry: 2, concluded: 3, outcome: 4, archived: 5 } as const;

type Claim = { readonly size: number; readonly root: Uint8Array; readonly source: string; readonly isKept: boolean };

/** A store beside the log. `admitted`: the running server has compared it when it opened it. */
export type FoundStore =
  | { readonly state: 'read'; readonly stamp: Stamp; readonly damage?: string | undefined }
  | { readonly state: 'admitted' | 'missing' | 'unopened' }
  | { readonly state: 'unreadable' | 'damaged'; readonly why: string };

/**
 * Verifies everything in `database` against `verifier`, the name and public key of the signer. `checkpoints` are signed
 * notes that were kept elsewhere. Throws only when the database cannot be read or `signal` is aborted.
 */
export async function verifyAudit(options: {
  readonly database: Database;
  readonly verifier: NoteVerifier;
  readonly checkpoints?: readonly string[];
  /** Looks at a store beside the log, by its name among the anchors; asked for every one that is anchored. */
  readonly look?: (store: string) => Promise<FoundStore>;
  /** Records may come while this runs, and the newest need not be signed yet. */
  readonly isRunning?: boolean;
  /** Segments of dropped records that were kept elsewhere. */
  readonly segments?: readonly GivenSegment[];
  readonly signal?: AbortSignal;
}): Promise<AuditVerification> {
  const { database, verifier, checkpoints = [], look = nothingOpened, isRunning = false, signal } = options;
  const findings: AuditFinding[] = [];
  const unproved: AuditFinding[] = [];
  /** Generations by store, as the entries anchor them. */
  const anchored = new Map<string, number>();
  let signedSize = 0;
  let provedElsewhere = 0;
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

  const held = await openSegments(options.segments ?? [], verifier);
  for (const { name, why } of held.broken) find('SegmentBroken', `The segment ${name} does not hold: ${why}`);
  const kept = checkpoints
    .flatMap((note, index) => claimOf(note, `the given checkpoint ${index + 1}`, true))
    // A segment was kept elsewhere too, and with it the checkpoint in it.
    .concat(held.notes.flatMap(({ name, note }) => claimOf(note, `the checkpoint in ${name}`, true)))
    .sort((a, b) => a.size - b.size);
  const kinds = new Uint8Array(size);
  let open = 0;
  const tree = createTree();
  let tile = createTree();
  const drops = await scanDrops(database);
  const acts = new Map(drops.map((row) => [row.act, row]));
  /** Acts that are records of this log, word for word. */
  const proven = new Set<DropRow>();
  const dropped = await droppedRanges();
  const notLooked: { from: number; to: number }[] = [];

  for (let from = 0, to = 0; from < size; from = to) {
    const gone = dropped.find((range) => range.to > from);
    if (gone !== undefined && from >= gone.from) {
      to = await passDropped(from);
      continue;
    }
    to = Math.min(size, from + pageRows, gone?.from ?? size);
    const claims = await claimsWithin(from, to);
    const tiles = await scanStoredTiles(database, Math.floor(from / leavesPerTile), Math.floor(to / leavesPerTile));
    const roots = new Map(tiles.map((row) => [row.tile, row.root]));
    const rows = await scanRecords(database, from, to);
    if (rows.length === 0) {
      // A gap is passed over in one step: whoever could put a row at its far end decides how wide it is.
      to = Math.min(size, (await readNextSequence(database.read, to)) ?? size, gone?.from ?? size);
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
      grow(sequence, examine(row), roots, claims);
    }
  }
  await held.close();
  checkDrops();

  if ((lastTile ?? -1) >= Math.floor(stored.tree.size / leavesPerTile))
    find('TileMismatch', `Tile ${lastTile} lies beyond the end of the log.`);
  if (!isSame(packHashes(tree.state().hashes), packHashes(stored.tree.hashes)))
    find('TreeMismatch', 'The records do not add up to the stored state of the tree.');
  await checkBeyond();
  await checkStores();
  if (size > 0 && (signedSize === 0 || (signedSize < size && !isRunning)))
    unproved.push({
      code: signedSize === 0 ? 'NothingSigned' : 'EndNotSigned',
      message:
        signedSize === 0
          ? 'The log holds no signed checkpoint, so nothing of it is signed.'
          : `The last ${size - signedSize} records are signed by no checkpoint. After a clean stop there are none such.`,
    });
  if (size > 0 && provedElsewhere === 0)
    unproved.push({
      code: 'NothingKeptElsewhere',
      message:
        'No checkpoint that was kept elsewhere was given: whoever holds the keys could have written another history, or cut off its end. Give some with --checkpoints.',
    });

  return {
    verified: findingCount === 0,
    entries: size,
    checkpoints: checkpointCount,
    provedElsewhere,
    open,
    findings,
    findingCount,
    unproved,
    archived: [...proven].map((row) => ({
      ...wireDropped(row),
      looked: !notLooked.some(({ from, to }) => from < row.past && to > row.first),
    })),
  };

  /** One more leaf, and what is claimed of the log up to it. */
  function grow(
    sequence: number,
    leaf: Uint8Array,
    roots: ReadonlyMap<number, Uint8Array>,
    claims: ReadonlyMap<number, readonly Claim[]>,
  ): void {
    tree.append(leaf);
    tile.append(leaf);
    const act = acts.get(sequence);
    if (act !== undefined && isSame(leafHash(act.record), leaf)) proven.add(act);
    const count = sequence + 1;
    if (count % leavesPerTile === 0) {
      const number = count / leavesPerTile - 1;
      if (!isSame(roots.get(number), tile.root()))
        find('TileMismatch', `Tile ${number} is not that of its records.`, number * leavesPerTile);
      tile = createTree();
    }
    for (const claim of claims.get(count) ?? []) check(claim);
  }

  /** Ranges of tiles of which only the hashes are kept, in order. */
  async function droppedRanges(): Promise<readonly { from: number; to: number }[]> {
    const ranges: { from: number; to: number }[] = [];
    for (let at = 0; ; ) {
      const page = await scanKeptTiles(database, at, tilesAtOnce);
      for (const { tile } of page) joined(ranges, tile * leavesPerTile, (tile + 1) * leavesPerTile);
      const end = page.at(-1);
      if (end === undefined || page.length < tilesAtOnce) return ranges;
      at = end.tile + 1;
    }
  }

  /** A tile whose records were dropped: its hashes, and its records where a given segment holds them. Answers where it ends. */
  async function passDropped(from: number): Promise<number> {
    const to = from + leavesPerTile;
    const number = from / leavesPerTile;
    const hashes = await readKeptHashes(database.read, number);
    const leaves = hashes && unpackTile(hashes);
    if (leaves === undefined || to > size) {
      find('EntryMissing', `Records ${from} to ${to - 1} are dropped, and their hashes are missing.`, from);
      return Math.min(size, to);
    }
    const isUnderWay = drops.some((row) => row.done === 0 && row.first <= from && row.past >= to);
    for (const row of await scanRecords(database, from, to)) {
      if (isUnderWay && isSame(leafHash(row.record), leaves[row.sequence - from] ?? noHash) && fitsColumns(row))
        continue;
      find('EntryUnexpected', `There is a record in the place of ${row.sequence}, which was dropped.`, row.sequence);
    }
    const segment = await held.take(from, to);
    if (segment === undefined) joined(notLooked, from, to);
    const roots = new Map((await scanStoredTiles(database, number, number + 1)).map((row) => [row.tile, row.root]));
    const claims = await claimsWithin(from, to);
    const mismatched: number[] = [];
    for (const [index, leaf] of leaves.entries()) {
      const sequence = from + index;
      if (sequence % portionRows === 0) await new Promise(setImmediate);
      signal?.throwIfAborted();
      const text = segment?.records[index];
      if (text === undefined) kinds[sequence] = seen.archived;
      else if (!isSame(examineRecord(sequence, text).leaf, leaf)) mismatched.push(sequence);
      grow(sequence, leaf, roots, claims);
    }
    // Once: a file of another log differs in every record, and would leave no room for what else is found.
    const [first] = mismatched;
    if (first !== undefined)
      find(
        'SegmentMismatch',
        `The segment ${segment?.name} does not hold the record ${first} of this log${mismatched.length > 1 ? `, nor ${mismatched.length - 1} more of its tile` : ''}.`,
        first,
      );
    return to;
  }

  /** Whether everything that is gone went by an act that the log holds. */
  function checkDrops(): void {
    for (const row of drops) {
      const act = readAct(row.record);
      const fits =
        proven.has(row) && act !== undefined && act.from === row.first && act.to === row.past && row.act >= row.past;
      if (fits) continue;
      proven.delete(row);
      find(
        'DropNotRecorded',
        `Records ${row.first} to ${row.past - 1} are noted as dropped by record ${row.act}, and that is no such act.`,
        row.first,
      );
    }
    const lawful: { from: number; to: number }[] = [];
    for (const row of proven) joined(lawful, row.first, row.past);
    for (const { from, to } of dropped)
      if (!lawful.some((range) => range.from <= from && range.to >= to))
        find('DroppedWithoutAct', `Records ${from} to ${to - 1} were dropped, and not all by a recorded act.`, from);
    const shown = notLooked.map(({ from, to }) => `${from} to ${to - 1}`);
    if (shown.length > 0)
      unproved.push({
        code: 'ArchivedNotRead',
        message: `Records ${shown.slice(0, 5).join(', ')}${shown.length > 5 ? ', …' : ''} are archived and were dropped. Their hashes fit the tree; what they say was not looked at. Give their segments with --segment.`,
      });
  }

  /** Everything about one row by itself and about what it refers to; returns the hash of the record as it stands. */
  function examine(row: RecordRow): Uint8Array {
    const { sequence } = row;
    const { leaf, record } = examineRecord(sequence, row.record);
    if (!isSame(row.leaf, leaf))
      find('EntryAltered', `Record ${sequence} does not have the hash that was stored with it.`, sequence);
    if (record === undefined) return leaf;
    if (!fitsColumns(row))
      find('EntryMisindexed', `The index of record ${sequence} says something else than the record.`, sequence);
    return leaf;
  }

  /** The same, of a record by itself. */
  function examineRecord(
    sequence: number,
    text: string,
  ): { readonly leaf: Uint8Array; readonly record: AuditRecord | undefined } {
    const leaf = leafHash(text);
    const record = readCanonical(text);
    if (record === undefined) {
      find('EntryNotCanonical', `Record ${sequence} is not a record in canonical form.`, sequence);
      return { leaf, record };
    }
    if (record.kind === 'intent') open += 1;
    for (const [store, generation] of (record.kind === 'entry' && anchorsIn(record)) || []) {
      if (isRemoved(generation)) anchored.delete(store);
      else anchored.set(store, generation);
    }
    if (record.kind !== 'outcome') {
      kinds[sequence] = record.kind === 'intent' ? seen.intent : 'outcome' in record ? seen.concluded : seen.entry;
      return { leaf, record };
    }
    kinds[sequence] = seen.outcome;
    const referred = record.intent < sequence ? kinds[record.intent] : seen.nothing;
    // What it concludes is archived and was not looked at: nothing is said of it.
    if (referred === seen.archived) return { leaf, record };
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
    return { leaf, record };
  }

  function readCanonical(text: string): AuditRecord | undefined {
    try {
      const value: unknown = JSON.parse(text);
      return recordSchema.Check(value) && canonicalJson(value) === text ? value : undefined;
    } catch {
      return undefined;
    }
  }

  function claimOf(note: string, source: string, isKept: boolean): readonly Claim[] {
    checkpointCount += 1;
    try {
      const checkpoint = parseCheckpoint(openNote(note, [verifier]).text);
      if (checkpoint.origin === verifier.name) {
        const { size: claimed, rootHash: root } = checkpoint;
        return [{ size: claimed, root, source, isKept }];
      }
    } catch {
      // Whatever is wrong with it, it is not a statement of this log's key.
    }
    find('CheckpointUnreadable', `${capital(source)} is not signed by ${verifier.name} with the expected key.`);
    return [];
  }

  /** Stored and given checkpoints of sizes above `from` up to `to`, by size. */
  async function claimsWithin(from: number, to: number): Promise<Map<number, readonly Claim[]>> {
    const found: Claim[] = kept.filter((claim) => claim.size > from && claim.size <= to);
    // As many as the range can have: one that is passed over would be believed.
    const rows = (await scanCheckpointsAbove(database, from, to - from)).filter((row) => row.size <= to);
    for (const row of rows) found.push(...storedClaim(row));
    return Map.groupBy(found, (claim) => claim.size);
  }

  function storedClaim(row: { readonly size: number; readonly note: string }): readonly Claim[] {
    const claims = claimOf(row.note, `the stored checkpoint of ${row.size} records`, false);
    if (claims.some((claim) => claim.size !== row.size))
      find('CheckpointUnreadable', `The checkpoint that is stored for ${row.size} records is of another size.`);
    return claims.filter((claim) => claim.size === row.size);
  }

  function check(claim: Claim): void {
    if (isSame(tree.root(), claim.root)) {
      if (claim.isKept) provedElsewhere = Math.max(provedElsewhere, claim.size);
      else signedSize = Math.max(signedSize, claim.size);
    } else find('CheckpointMismatch', `The first ${claim.size} records are not those that ${claim.source} signed.`);
  }

  /** Every store against what the log knows of it, and the log against what every store has seen of it. */
  async function checkStores(): Promise<void> {
    const rows = await readAnchors(database.read);
    const tolerated = rows.find(({ store }) => store === logStore)?.generation ?? 0;
    const expected = laterOf(anchored, rows);
    const unopened: string[] = [];
    for (const store of new Set([...(options.look ? alwaysThere : []), ...expected.keys()])) {
      signal?.throwIfAborted();
      const found = await look(store);
      switch (found.state) {
        case 'admitted':
          break;
        case 'unopened':
          unopened.push(store);
          break;
        case 'missing':
          find('StoreMissing', `The store '${store}' is anchored, and its file is missing.`);
          break;
        case 'damaged':
          find('StoreDamaged', `The store '${store}' does not open: ${found.why}`);
          break;
        case 'unreadable':
          unproved.push({ code: 'StoreNotRead', message: `The store '${store}' was not compared: ${found.why}` });
          break;
        case 'read':
          compare(store, expected.get(store) ?? 0, tolerated, found);
          break;
        default:
          unreachable(found);
      }
    }
    if (unopened.length > 0)
      unproved.push({
        code: 'StoresNotRead',
        message: `Anchored stores that nothing has opened since the start were not compared (${unopened.length}): ${unopened.slice(0, 5).join(', ')}${unopened.length > 5 ? ', …' : ''}. Each is when it is opened; verify the files of the stopped server to compare all.`,
      });
  }

  function compare(store: string, least: number, tolerated: number, found: FoundStore & { state: 'read' }): void {
    const { generation, witness } = found.stamp;
    if (found.damage !== undefined) find('PageDamaged', `The store '${store}' holds a damaged page: ${found.damage}`);
    if (generation < least) find('StoreRolledBack', rolledBackText(store, least, generation));
    if (witness <= tolerated) return;
    if (witness > present) find('StoreRolledBack', rolledBackText(logStore, witness, present), present);
    else if (witness > signedSize)
      find(
        'CheckpointsCut',
        `The store '${store}' has seen a checkpoint of ${witness} records, and the newest that is left and fits covers ${signedSize}.`,
      );
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

/** What a table says besides entries: it is asked when a store is opened, and may run behind them by a crash, never ahead. */
const laterOf = (
  entries: ReadonlyMap<string, number>,
  rows: readonly { readonly store: string; readonly generation: number }[],
): ReadonlyMap<string, number> => {
  const later = new Map(entries);
  for (const { store, generation } of rows)
    if (store !== logStore) later.set(store, Math.max(generation, later.get(store) ?? 0));
  return later;
};

/** Whether the columns beside a record that was read are those of the record. */
function fitsColumns(row: RecordRow): boolean {
  const columns = columnsOf(decodeRecord(row.record));
  return Object.entries(columns).every(([name, value]) => row[name as keyof typeof columns] === value);
}

const noHash = new Uint8Array();

/** Adds a range to ranges that come in order, to the last one where they touch. */
function joined(ranges: { from: number; to: number }[], from: number, to: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.to === from) last.to = to;
  else ranges.push({ from, to });
}

/** Of every data folder, also before anything is anchored. */
const alwaysThere = ['control', 'keyring'];
const nothingOpened = async (): Promise<FoundStore> => ({ state: 'unopened' });

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}
