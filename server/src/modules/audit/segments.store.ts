// SQL of what is dropped: the kept hashes of tiles whose records are gone, and the acts by which they went. Records are deleted
// here and nowhere else, and only those of a tile whose hashes are kept.

import { sql } from 'kysely';
import { type Database, type Tx, tables } from '#kernel/database/database';
import { type AuditTables, packHashes } from './audit.store.ts';
import { leavesPerTile } from './tiles.rules.ts';

export type DropRow = AuditTables['audit_drops'];

const columns = ['first', 'past', 'act', 'record', 'until_ms', 'done'] as const;

/** Every drop in the order of its records, off this thread. */
export async function scanDrops(database: Database): Promise<readonly DropRow[]> {
  return await database.scan(
    tables<AuditTables>(database.read).selectFrom('audit_drops').select(columns).orderBy('first'),
  );
}

export async function readLastDrop(tx: Tx): Promise<DropRow | undefined> {
  return await tables<AuditTables>(tx)
    .selectFrom('audit_drops')
    .select(columns)
    .orderBy('first', 'desc')
    .limit(1)
    .executeTakeFirst();
}

export async function readDrop(tx: Tx, first: number): Promise<DropRow | undefined> {
  return await tables<AuditTables>(tx)
    .selectFrom('audit_drops')
    .select(columns)
    .where('first', '=', first)
    .executeTakeFirst();
}

export async function insertDrop(tx: Tx, row: DropRow): Promise<void> {
  await tables<AuditTables>(tx).insertInto('audit_drops').values(row).execute();
}

export async function endDrop(tx: Tx, first: number): Promise<void> {
  await tables<AuditTables>(tx).updateTable('audit_drops').set({ done: 1 }).where('first', '=', first).execute();
}

/** Numbers and hashes of the tiles from `from` on whose records are gone, a page at most, off this thread. */
export async function scanKeptTiles(database: Database, from: number, limit: number) {
  return await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom('audit_leaves')
      .select('tile')
      .where('tile', '>=', from)
      .orderBy('tile')
      .limit(limit),
  );
}

export async function isTileDropped(tx: Tx, tile: number): Promise<boolean> {
  const row = await tables<AuditTables>(tx)
    .selectFrom('audit_leaves')
    .select('tile')
    .where('tile', '=', tile)
    .executeTakeFirst();
  return row !== undefined;
}

export async function readKeptHashes(tx: Tx, tile: number): Promise<Uint8Array | undefined> {
  const row = await tables<AuditTables>(tx)
    .selectFrom('audit_leaves')
    .select('hashes')
    .where('tile', '=', tile)
    .executeTakeFirst();
  return row?.hashes;
}

export async function readTile(tx: Tx, tile: number): Promise<Uint8Array | undefined> {
  const row = await tables<AuditTables>(tx)
    .selectFrom('audit_tiles')
    .select('root')
    .where('tile', '=', tile)
    .executeTakeFirst();
  return row?.root;
}

/** Keeps the hashes of a tile whose records are about to go. */
export async function keepHashes(tx: Tx, tile: number, leaves: readonly Uint8Array[]): Promise<void> {
  await tables<AuditTables>(tx)
    .insertInto('audit_leaves')
    .values({ tile, hashes: packHashes(leaves) })
    .execute();
}

/** Deletes records of one tile, whose hashes are kept: of any other it deletes nothing. */
export async function deleteRecords(tx: Tx, from: number, to: number): Promise<void> {
  const kept = tables<AuditTables>(tx)
    .selectFrom('audit_leaves')
    .select('tile')
    .where('tile', '=', Math.floor(from / leavesPerTile));
  await tables<AuditTables>(tx)
    .deleteFrom('audit_records')
    .where('sequence', '>=', from)
    .where('sequence', '<', to)
    .where((eb) => eb.exists(kept))
    .execute();
}

/** The newest time among the records `from` to `to`, off this thread. */
export async function scanNewest(database: Database, from: number, to: number): Promise<number | undefined> {
  const [row] = await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom('audit_records')
      .select((eb) => eb.fn.max('time_ms').as('newest'))
      .where('sequence', '>=', from)
      .where('sequence', '<', to),
  );
  return row?.newest === null || row === undefined ? undefined : Number(row.newest);
}

/** The first record that is not older than `timeMs`, off this thread. */
export async function scanFirstSince(database: Database, timeMs: number): Promise<number | undefined> {
  const [row] = await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom('audit_records')
      .select((eb) => eb.fn.min('sequence').as('first'))
      .where('time_ms', '>=', timeMs),
  );
  return row === undefined || row.first === null ? undefined : Number(row.first);
}

/** The smallest checkpoint that covers `size` records: the same one for ever. */
export async function readCovering(tx: Tx, size: number) {
  return await tables<AuditTables>(tx)
    .selectFrom('audit_checkpoints')
    .select(['size', 'time_ms', 'note'])
    .where('size', '>=', size)
    .orderBy('size')
    .limit(1)
    .executeTakeFirst();
}

/** The time between one checkpoint and the next from `size` on, added up; of each step no more than `stepMax` counts. */
export async function scanWitnessedMs(database: Database, size: number, stepMax: number): Promise<number> {
  const steps = tables<AuditTables>(database.read)
    .selectFrom('audit_checkpoints')
    .select(sql<number>`time_ms - lag(time_ms) over (order by size)`.as('step'))
    .where('size', '>=', size)
    .as('steps');
  const [row] = await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom(steps)
      .select(
        sql<number>`coalesce(sum(case when step < 0 then 0 when step > ${stepMax} then ${stepMax} else step end), 0)`.as(
          'ms',
        ),
      )
      .where('step', 'is not', null),
  );
  return Number(row?.ms ?? 0);
}

/** The outcome of the record `intent`, after it; off this thread. */
export async function scanOutcomeOf(database: Database, intent: number): Promise<number | undefined> {
  const [row] = await database.scan(
    tables<AuditTables>(database.read)
      .selectFrom('audit_records')
      .select('sequence')
      .where('sequence', '>', intent)
      .where('intent', '=', intent)
      .limit(1),
  );
  return row?.sequence;
}
