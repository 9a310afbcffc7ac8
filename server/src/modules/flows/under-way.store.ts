// Jobs made of others that have not ended, by their ids. No decisions.

import { type Tx, tables } from '#kernel/database/database';

export type UnderWay = {
  readonly key: string;
  readonly job_id: string;
  readonly workspace: string;
  /** 1 where it stands in another one. */
  readonly is_within: number;
};
type Tables = { flows_under_way: UnderWay };

/** Nothing happens to one that is there. */
export async function insertUnderWay(tx: Tx, row: UnderWay): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('flows_under_way')
    .values(row)
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
}

/** Those that stand in no other one. */
export async function countUnderWay(tx: Tx, workspace: string, but: string): Promise<number> {
  const { count } = await tables<Tables>(tx)
    .selectFrom('flows_under_way')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('workspace', '=', workspace)
    .where('key', '!=', but)
    .where('is_within', '=', 0)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** In the order of their keys. */
export const underWayAfter = (tx: Tx, key: string, limit: number): Promise<readonly UnderWay[]> =>
  tables<Tables>(tx)
    .selectFrom('flows_under_way')
    .select(['key', 'job_id', 'workspace', 'is_within'])
    .where('key', '>', key)
    .orderBy('key')
    .limit(limit)
    .execute();

export async function deleteUnderWay(tx: Tx, key: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('flows_under_way').where('key', '=', key).execute();
}

export async function deleteOfWorkspace(tx: Tx, workspace: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('flows_under_way').where('workspace', '=', workspace).execute();
}
