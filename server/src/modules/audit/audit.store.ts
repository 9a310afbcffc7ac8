// SQL of the audit log. Rows are inserted and never updated, and deleted by `segments.store.ts` alone; the one row that changes is
// the appender's state, and it changes only from the state that the caller believes in.

import { type RawBuilder, sql } from 'kysely';
import type { TreeState } from '#kernel/crypto/merkle';
import { HASH_BYTES } from '#kernel/crypto/merkle';
import type { Database, Tx } from '#kernel/database/database';
import { tables } from '#kernel/database/database';
import { lowered, numberIn, runStatement, textIn } from '#kernel/database/dialect/dialect';
import { auditFailures } from './audit.errors.ts';
import type { ActivityStatus } from './filter.rules.ts';
import type { Columns, Encoded } from './record.rules.ts';
import { leavesPerTile, unpackTile } from './tiles.rules.ts';

export type AuditTables = {
  audit_records: {
    sequence: number;
    leaf: Uint8Array;
    record: string;
    kind: string;
    time_ms: number;
    activity: number;
    scope: string;
    correlation: string;
    actor: string;
    intent: number | null;
  };
  audit_tiles: { tile: number; root: Uint8Array };
  audit_tree: { id: number; size: number; hashes: Uint8Array; settled: number };
  audit_checkpoints: { size: number; time_ms: number; note: string };
  audit_anchors: { store: string; generation: number };
  /** Of the tiles whose records are dropped. */
  audit_leaves: { tile: number; hashes: Uint8Array };
  audit_drops: { first: number; past: number; act: number; record: string; until_ms: number; done: number };
};

/** The appender's row: the tree, and the sequence below which every intent has its outcome. */
export type StoredTree = { readonly tree: TreeState; readonly settled: number };

export const packHashes = (hashes: readonly Uint8Array[]): Uint8Array => Buffer.concat(hashes);

export function unpackHashes(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes.length % HASH_BYTES !== 0) throw auditFailures.AuditDamaged('the state of the tree is not whole');
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, at) =>
    bytes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES),
  );
}

export async function readTree(tx: Tx): Promise<StoredTree> {
  const row = await tables<AuditTables>(tx)
    .selectFrom('audit_tree')
    .select(['size', 'hashes', 'settled'])
    .where('id', '=', 1)
    .executeTakeFirst();
  if (row === undefined) throw auditFailures.AuditDamaged('the state of the tree is missing');
  return { tree: { size: row.size, hashes: unpackHashes(row.hashes) }, settled: row.settled };
}

const moveSql = 'update audit_tree set size = ?, hashes = ?, settled = ? where id = 1 and size = ? and hashes = ?';
/** Moves the state on. Throws `AuditDamaged` when the row does not hold `from`: somebody else wrote, so nothing is appended. */
export async function moveTree(tx: Tx, from: TreeState, to: StoredTree): Promise<void> {
  const { numAffectedRows } = await runStatement(tx, moveSql, [
    ...[to.tree.size, packHashes(to.tree.hashes), to.settled],
    ...[from.size, packHashes(from.hashes)],
  ]);
  if (numAffectedRows !== 1n) throw auditFailures.AuditDamaged('its state was changed by somebody else');
}

// Written out: building this statement for every record would cost more than running it.
const insertSql = `insert into audit_records
  (sequence, leaf, record, kind, time_ms, activity, scope, correlation, actor, intent) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export async function insertRecord(tx: Tx, sequence: number, { leaf, text, columns }: Encoded): Promise<void> {
  const { kind, time_ms, activity, scope, correlation, actor, intent } = columns;
  await runStatement(tx, insertSql, [
    ...[sequence, leaf, text, kind, time_ms, activity, scope, correlation, actor, intent],
  ]);
}

export async function insertTile(tx: Tx, tile: number, root: Uint8Array): Promise<void> {
  await tables<AuditTables>(tx).insertInto('audit_tiles').values({ tile, root }).execute();
}

/** First and last sequence and last tile that exist, and the state, as of one moment. */
export async function readExtent(tx: Tx): Promise<{
  readonly stored: StoredTree;
  readonly first: number | null;
  readonly last: number | null;
  readonly lastTile: number | null;
}> {
  const row = await tables<AuditTables>(tx)
    .selectFrom('audit_tree')
    .select((eb) => [
      'size',
      'hashes',
      'settled',
      eb
        .selectFrom('audit_records')
        .select((row) => row.fn.min('audit_records.sequence').as('first'))
        .as('first'),
      eb
        .selectFrom('audit_records')
        .select((row) => row.fn.max('audit_records.sequence').as('last'))
        .as('last'),
      eb
        .selectFrom('audit_tiles')
        .select((row) => row.fn.max('audit_tiles.tile').as('lastTile'))
        .as('lastTile'),
    ])
    .where('id', '=', 1)
    .executeTakeFirst();
  if (row === undefined) throw auditFailures.AuditDamaged('the state of the tree is missing');
  return {
    stored: { tree: { size: row.size, hashes: unpackHashes(row.hashes) }, settled: row.settled },
    first: row.first === null ? null : Number(row.first),
    last: row.last === null ? null : Number(row.last),
    lastTile: row.lastTile === null ? null : Number(row.lastTile),
  };
}

/** The first sequence that exists at or after `from`. */
export async function readNextSequence(tx: Tx, from: number): Promise<number | undefined> {
  const row = await tables<AuditTables>(tx)
    .selectFrom('audit_records')
    .select('sequence')
    .where('sequence', '>=', from)
    .orderBy('sequence')
    .limit(1)
    .executeTakeFirst();
  return row?.sequence;
}

export type RecordRow = Columns & { readonly sequence: number; readonly leaf: Uint8Array; readonly record: string };

/** Rows `from` (included) to `to` (excluded) in order, off this thread. */
export async function scanRecords(database: Database, from: number, to: number): Promise<readonly RecordRow[]> {
  const rows = await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom('audit_records')
      .select(['sequence', 'leaf', 'record', 'kind', 'time_ms', 'activity', 'scope', 'correlation', 'actor', 'intent'])
      .where('sequence', '>=', from)
      .where('sequence', '<', to)
      .orderBy('sequence'),
  );
  // The columns are written from Columns and from nothing else; whoever must not believe that compares them.
  return rows as readonly RecordRow[];
}

/** Kinds and references of the rows from `from` on, a page at most, off this thread. */
export async function scanKinds(database: Database, from: number, limit: number) {
  return await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom('audit_records')
      .select(['sequence', 'kind', 'intent'])
      .where('sequence', '>=', from)
      .orderBy('sequence')
      .limit(limit),
  );
}

export async function readRecord(tx: Tx, sequence: number): Promise<{ leaf: Uint8Array; record: string } | undefined> {
  return await tables<AuditTables>(tx)
    .selectFrom('audit_records')
    .select(['leaf', 'record'])
    .where('sequence', '=', sequence)
    .executeTakeFirst();
}

/** Leaf hashes of a few records, dropped ones too; throws `AuditDamaged` if one is missing. */
export async function readLeaves(tx: Tx, from: number, to: number): Promise<readonly Uint8Array[]> {
  const rows = await tables<AuditTables>(tx)
    .selectFrom('audit_records')
    .select(['sequence', 'leaf'])
    .where('sequence', '>=', from)
    .where('sequence', '<', to)
    .orderBy('sequence')
    .execute();
  if (rows.length === to - from) return rows.map(({ leaf }) => leaf);
  const found = new Map(rows.map(({ sequence, leaf }) => [sequence, leaf]));
  for (const [sequence, leaf] of await readKeptLeaves(tx, from, to)) found.set(sequence, leaf);
  return Array.from({ length: to - from }, (_, at) => {
    const leaf = found.get(from + at);
    if (leaf === undefined) throw auditFailures.AuditDamaged(`records between ${from} and ${to} are missing`);
    return leaf;
  });
}

/** What is kept of records that were dropped. */
async function readKeptLeaves(tx: Tx, from: number, to: number) {
  const kept = await tables<AuditTables>(tx)
    .selectFrom('audit_leaves')
    .select(['tile', 'hashes'])
    .where('tile', '>=', Math.floor(from / leavesPerTile))
    .where('tile', '<', Math.ceil(to / leavesPerTile))
    .execute();
  return kept.flatMap(({ tile, hashes }) =>
    (unpackTile(hashes) ?? []).map((leaf, at) => [tile * leavesPerTile + at, leaf] as const),
  );
}

/** Roots of the tiles `from` to `to`, off this thread; throws `AuditDamaged` if one is missing. */
export async function scanTiles(database: Database, from: number, to: number): Promise<readonly Uint8Array[]> {
  if (from === to) return [];
  const rows = await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom('audit_tiles')
      .select('root')
      .where('tile', '>=', from)
      .where('tile', '<', to)
      .orderBy('tile'),
  );
  if (rows.length !== to - from) throw auditFailures.AuditDamaged(`tiles between ${from} and ${to} are missing`);
  return rows.map(({ root }) => root);
}

/** All tiles that exist in this range, with their numbers; missing ones are simply not there. */
export async function scanStoredTiles(database: Database, from: number, to: number) {
  return await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom('audit_tiles')
      .select(['tile', 'root'])
      .where('tile', '>=', from)
      .where('tile', '<', to)
      .orderBy('tile'),
  );
}

export async function readAnchors(tx: Tx) {
  return await tables<AuditTables>(tx).selectFrom('audit_anchors').select(['store', 'generation']).execute();
}

export async function putAnchor(tx: Tx, store: string, generation: number): Promise<void> {
  await tables<AuditTables>(tx)
    .insertInto('audit_anchors')
    .values({ store, generation })
    .onConflict((conflict) => conflict.column('store').doUpdateSet({ generation }))
    .execute();
}

export async function deleteAnchor(tx: Tx, store: string): Promise<void> {
  await tables<AuditTables>(tx).deleteFrom('audit_anchors').where('store', '=', store).execute();
}

export type CheckpointRow = AuditTables['audit_checkpoints'];

export async function insertCheckpoint(tx: Tx, row: CheckpointRow): Promise<void> {
  await tables<AuditTables>(tx).insertInto('audit_checkpoints').values(row).execute();
}

export async function readCheckpoint(tx: Tx, size: number): Promise<CheckpointRow | undefined> {
  return await checkpoints(tx).where('size', '=', size).executeTakeFirst();
}

export async function readLastCheckpoint(tx: Tx): Promise<CheckpointRow | undefined> {
  return await checkpoints(tx).orderBy('size', 'desc').limit(1).executeTakeFirst();
}

/** Checkpoints smaller than `before`, newest first, off this thread. */
export async function scanCheckpoints(database: Database, before: number, limit: number) {
  return await database.scan(
    checkpoints(database.read).where('size', '<', before).orderBy('size', 'desc').limit(limit),
  );
}

/** The next checkpoints above `above`, smallest first, off this thread. */
export async function scanCheckpointsAbove(database: Database, above: number, limit: number) {
  return await database.scan(checkpoints(database.read).where('size', '>', above).orderBy('size').limit(limit));
}

const checkpoints = (tx: Tx) =>
  tables<AuditTables>(tx).selectFrom('audit_checkpoints').select(['size', 'time_ms', 'note']);

export type RecordFilter = {
  /** Times in milliseconds, both included. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** At or below every one of these. */
  readonly within?: readonly string[];
  /** Nothing below a subscription. */
  readonly tenantLevel?: boolean;
  readonly correlation?: string | undefined;
  readonly actor?: string | undefined;
  readonly operation?: string | undefined;
  readonly kind?: string | undefined;
  /** Lower case, without a slash: of the action's name. */
  readonly provider?: string | undefined;
  readonly activityOnly?: boolean;
  /** Name or object id, in lower case. */
  readonly caller?: string | undefined;
  /** Of an event of the activity log. */
  readonly status?: ActivityStatus | undefined;
  /** Older than this row. */
  readonly before?: Position | undefined;
};
export type Position = { readonly timeMs: number; readonly sequence: number };
export type FoundRow = {
  readonly sequence: number;
  readonly leaf: Uint8Array;
  readonly record: string;
  readonly time_ms: number;
  /** The record that an outcome concludes. */
  readonly begun: string | null;
};

/** What the filter finds, newest first, off this thread. */
export async function scanFound(database: Database, filter: RecordFilter, limit: number): Promise<readonly FoundRow[]> {
  let query = tables<AuditTables>(database.read)
    .selectFrom('audit_records as r')
    .leftJoin('audit_records as i', 'i.sequence', 'r.intent')
    .select(['r.sequence', 'r.leaf', 'r.record', 'r.time_ms', 'i.record as begun'])
    .orderBy('r.time_ms', 'desc')
    .orderBy('r.sequence', 'desc')
    .limit(limit);
  const { fromMs, toMs, correlation, actor, operation, kind, provider, before } = filter;
  if (fromMs !== undefined) query = query.where('r.time_ms', '>=', fromMs);
  if (toMs !== undefined) query = query.where('r.time_ms', '<=', toMs);
  if (filter.activityOnly) query = query.where('r.activity', '=', 1);
  if (filter.tenantLevel) query = query.where(notBelow('/subscriptions'));
  if (correlation !== undefined) query = query.where('r.correlation', '=', correlation);
  if (actor !== undefined) query = query.where('r.actor', '=', actor);
  if (kind !== undefined) query = query.where('r.kind', '=', kind);
  if (operation !== undefined) query = query.where(sql<boolean>`${textIn(record, 'operation')} = ${operation}`);
  if (provider !== undefined) {
    query = query.where(
      sql<boolean>`${lowered(sql`substr(${textIn(record, 'action')}, 1, ${provider.length + 1})`)} = ${`${provider}/`}`,
    );
  }
  if (filter.caller !== undefined)
    query = query.where(
      sql<boolean>`(r.actor = ${filter.caller} or ${lowered(textIn(record, 'caller', 'name'))} = ${filter.caller})`,
    );
  if (filter.status !== undefined) query = query.where(statusIs[filter.status]);
  for (const scope of filter.within ?? []) if (scope !== '/') query = query.where(atOrBelow(scope));
  if (before !== undefined)
    query = query.where(sql<boolean>`(r.time_ms, r.sequence) < (${before.timeMs}, ${before.sequence})`);
  return await database.scan(query);
}

const record = sql.ref('r.record');
const result = textIn(record, 'outcome', 'result');
const isAccepted = sql<boolean>`${numberIn(record, 'outcome', 'status')} = 202`;
/** As `activity.view.ts` tells the status of a record. */
const statusIs: Readonly<Record<ActivityStatus, RawBuilder<boolean>>> = {
  Started: sql<boolean>`${result} is null`,
  Unknown: sql<boolean>`${result} = 'unknown'`,
  Failed: sql<boolean>`${result} = 'failed'`,
  Accepted: sql<boolean>`(${result} = 'succeeded' and ${isAccepted})`,
  Succeeded: sql<boolean>`(${result} = 'succeeded' and not ${isAccepted})`,
};

// `0` is the character after `/`: a range instead of LIKE, so that the index serves it and no name acts as a pattern.
const atOrBelow = (scope: string) =>
  sql<boolean>`(r.scope = ${scope} or (r.scope > ${`${scope}/`} and r.scope < ${`${scope}0`}))`;
const notBelow = (scope: string) => sql<boolean>`not (r.scope > ${`${scope}/`} and r.scope < ${`${scope}0`})`;
