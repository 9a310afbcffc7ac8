// Blocks that wait to be committed, in the index of one account: SQL and nothing else.

import { type Tx, tables } from '#kernel/database/database';
import type { Part } from './blobs.store.ts';
import { behind } from './names.rules.ts';

type StagingTable = {
  container: string;
  blob: string;
  id: string;
  blocks: number;
  id_bytes: number;
  staged_ms: number;
};
type BlockTable = {
  staging: string;
  block_id: string;
  size: number;
  file: string;
  sealed_size: number;
  key_id: string;
  staged_ms: number;
};
type Tables = { stagings: StagingTable; blocks: BlockTable; blobs: { container: string; name: string } };

export type Block = Omit<Part, 'start' | 'blockId'> & { readonly blockId: string };
/** The blocks that wait below one name: how many, and of how many bytes the id of each is. */
export type Staging = { readonly id: string; readonly blocks: number; readonly idBytes: number };

const blockColumns = ['block_id', 'size', 'file', 'sealed_size', 'key_id'] as const;

const toBlock = (row: Pick<BlockTable, (typeof blockColumns)[number]>): Block => ({
  blockId: row.block_id,
  size: row.size,
  file: row.file,
  sealedSize: row.sealed_size,
  keyId: row.key_id,
});

export async function findStaging(tx: Tx, container: string, blob: string): Promise<Staging | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('stagings')
    .select(['id', 'blocks', 'id_bytes'])
    .where('container', '=', container)
    .where('blob', '=', blob)
    .executeTakeFirst();
  return row && { id: row.id, blocks: row.blocks, idBytes: row.id_bytes };
}

/** Blocks of a staging behind `after`, in the order of their ids. */
export async function listBlocks(tx: Tx, staging: string, after: string, limit: number): Promise<readonly Block[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select(blockColumns)
    .where('staging', '=', staging)
    .where('block_id', '>', after)
    .orderBy('block_id')
    .limit(limit)
    .execute();
  return rows.map(toBlock);
}

/** Those of these blocks that wait. At most a thousand. */
export async function findBlocks(tx: Tx, staging: string, blockIds: readonly string[]): Promise<readonly Block[]> {
  if (blockIds.length === 0) return [];
  const rows = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select(blockColumns)
    .where('staging', '=', staging)
    .where('block_id', 'in', blockIds)
    .execute();
  return rows.map(toBlock);
}

/** Names of blobs below `prefix` and behind `after` that have blocks and no version, in order, with the time of the last block. */
export async function listUncommitted(
  tx: Tx,
  query: { readonly container: string; readonly prefix: string; readonly after: string; readonly limit: number },
): Promise<readonly { readonly name: string; readonly stagedMs: number }[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('stagings')
    .select(['blob', 'staged_ms'])
    .where('container', '=', query.container)
    .where('blob', '>', query.after)
    .where('blob', '>=', query.prefix)
    .where('blob', '<', behind(query.prefix))
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('blobs')
            .select('blobs.name')
            .whereRef('blobs.container', '=', 'stagings.container')
            .whereRef('blobs.name', '=', 'stagings.blob'),
        ),
      ),
    )
    .orderBy('blob')
    .limit(query.limit)
    .execute();
  return rows.map(({ blob, staged_ms }) => ({ name: blob, stagedMs: staged_ms }));
}

/** Ids of the stagings of a container. */
export async function listStagings(
  tx: Tx,
  container: string,
  limit: number,
): Promise<readonly { readonly blob: string; readonly id: string }[]> {
  return await tables<Tables>(tx)
    .selectFrom('stagings')
    .select(['blob', 'id'])
    .where('container', '=', container)
    .limit(limit)
    .execute();
}

/** Begins one below a name that has none. */
export async function insertStaging(tx: Tx, container: string, blob: string, staging: Staging): Promise<void> {
  const { id, blocks, idBytes } = staging;
  await tables<Tables>(tx)
    .insertInto('stagings')
    .values({ container, blob, id, blocks, id_bytes: idBytes, staged_ms: 0 })
    .execute();
}

/** Answers the file of a block of the same id that it replaced. */
export async function putBlock(tx: Tx, staging: string, block: Block, stagedMs: number): Promise<readonly string[]> {
  const replaced = await tables<Tables>(tx)
    .deleteFrom('blocks')
    .where('staging', '=', staging)
    .where('block_id', '=', block.blockId)
    .returning('file')
    .execute();
  await tables<Tables>(tx)
    .insertInto('blocks')
    .values({
      staging,
      block_id: block.blockId,
      size: block.size,
      file: block.file,
      sealed_size: block.sealedSize,
      key_id: block.keyId,
      staged_ms: stagedMs,
    })
    .execute();
  await tables<Tables>(tx)
    .updateTable('stagings')
    .set((is) => ({ blocks: is('blocks', '+', 1 - replaced.length), staged_ms: stagedMs }))
    .where('id', '=', staging)
    .execute();
  return replaced.map((row) => row.file);
}

/** Takes the name of the blocks that wait, and answers the id that they lie below. */
export async function endStaging(tx: Tx, container: string, blob: string): Promise<string | undefined> {
  const row = await tables<Tables>(tx)
    .deleteFrom('stagings')
    .where('container', '=', container)
    .where('blob', '=', blob)
    .returning('id')
    .executeTakeFirst();
  return row?.id;
}

/** Takes away up to `limit` blocks that were staged before a time, and answers their files. */
export async function deleteOldBlocks(tx: Tx, stagedBeforeMs: number, limit: number): Promise<readonly string[]> {
  const chosen = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select(['staging', 'file'])
    .where('staged_ms', '<', stagedBeforeMs)
    .limit(limit)
    .execute();
  const files = chosen.map((row) => row.file);
  if (files.length === 0) return [];
  await tables<Tables>(tx).deleteFrom('blocks').where('file', 'in', files).execute();
  for (const [id, gone] of countBy(chosen.map(({ staging }) => staging))) {
    await tables<Tables>(tx)
      .updateTable('stagings')
      .set((is) => ({ blocks: is('blocks', '-', gone) }))
      .where('id', '=', id)
      .execute();
    await tables<Tables>(tx).deleteFrom('stagings').where('id', '=', id).where('blocks', '<=', 0).execute();
  }
  return files;
}

function countBy(ids: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
