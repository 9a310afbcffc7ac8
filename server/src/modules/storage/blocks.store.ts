// Blocks that wait to be committed, in the index of one account: SQL and nothing else.

import { type Tx, tables } from '#kernel/database/database';
import type { Part } from './blobs.store.ts';
import { behind } from './names.rules.ts';

type BlockTable = {
  container: string;
  blob: string;
  block_id: string;
  size: number;
  file: string;
  sealed_size: number;
  key_id: string;
  staged_ms: number;
};
type Tables = { blocks: BlockTable; blobs: { container: string; name: string } };

export type Block = Omit<Part, 'start' | 'blockId'> & { readonly blockId: string };

const blockColumns = ['block_id', 'size', 'file', 'sealed_size', 'key_id'] as const;

export async function listBlocks(tx: Tx, container: string, blob: string): Promise<readonly Block[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select(blockColumns)
    .where('container', '=', container)
    .where('blob', '=', blob)
    .orderBy('block_id')
    .execute();
  return rows.map((row) => ({
    blockId: row.block_id,
    size: row.size,
    file: row.file,
    sealedSize: row.sealed_size,
    keyId: row.key_id,
  }));
}

/** How many blocks wait, and the id of one of them. */
export async function describeBlocks(
  tx: Tx,
  container: string,
  blob: string,
): Promise<{ readonly count: number; readonly id: string | undefined }> {
  const row = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select((is) => [is.fn.countAll<number>().as('count'), is.fn.min('block_id').as('sample')])
    .where('container', '=', container)
    .where('blob', '=', blob)
    .executeTakeFirstOrThrow();
  return { count: row.count, id: row.sample ?? undefined };
}

/** Names of blobs below `prefix` and behind `after` that have blocks and no version, in order, with the time of the last block. */
export async function listUncommitted(
  tx: Tx,
  query: { readonly container: string; readonly prefix: string; readonly after: string; readonly limit: number },
): Promise<readonly { readonly name: string; readonly stagedMs: number }[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select((is) => ['blob', is.fn.max('staged_ms').as('staged')])
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
            .whereRef('blobs.container', '=', 'blocks.container')
            .whereRef('blobs.name', '=', 'blocks.blob'),
        ),
      ),
    )
    .groupBy('blob')
    .orderBy('blob')
    .limit(query.limit)
    .execute();
  return rows.map(({ blob, staged }) => ({ name: blob, stagedMs: staged }));
}

/** Answers the file of a block of the same id that it replaced. */
export async function putBlock(
  tx: Tx,
  container: string,
  blob: string,
  block: Block,
  stagedMs: number,
): Promise<readonly string[]> {
  const replaced = await tables<Tables>(tx)
    .deleteFrom('blocks')
    .where('container', '=', container)
    .where('blob', '=', blob)
    .where('block_id', '=', block.blockId)
    .returning('file')
    .execute();
  await tables<Tables>(tx)
    .insertInto('blocks')
    .values({
      container,
      blob,
      block_id: block.blockId,
      size: block.size,
      file: block.file,
      sealed_size: block.sealedSize,
      key_id: block.keyId,
      staged_ms: stagedMs,
    })
    .execute();
  return replaced.map((row) => row.file);
}

export async function deleteBlocks(tx: Tx, container: string, blob: string): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .deleteFrom('blocks')
    .where('container', '=', container)
    .where('blob', '=', blob)
    .returning('file')
    .execute();
  return rows.map((row) => row.file);
}

/** Takes away up to `limit` blocks, of one container or staged before a time, and answers their files. */
export async function deleteSomeBlocks(
  tx: Tx,
  of: { readonly container: string } | { readonly stagedBeforeMs: number },
  limit: number,
): Promise<readonly string[]> {
  const chosen = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select('file')
    .$if('container' in of, (query) => query.where('container', '=', 'container' in of ? of.container : ''))
    .$if('stagedBeforeMs' in of, (query) =>
      query.where('staged_ms', '<', 'stagedBeforeMs' in of ? of.stagedBeforeMs : 0),
    )
    .limit(limit)
    .execute();
  const files = chosen.map((row) => row.file);
  if (files.length > 0) await tables<Tables>(tx).deleteFrom('blocks').where('file', 'in', files).execute();
  return files;
}
