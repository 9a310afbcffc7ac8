// Which job did a step of this content before, in the database of its workspace. No decisions.

import { type Tx, tables } from '#kernel/database/database';

export type ResultRow = {
  readonly digest: string;
  readonly job: string;
  /** Of that job: another may come to bear its name. */
  readonly job_unique_id: string;
  /** When it was last told or taken. */
  readonly used_ms: number;
};
type Tables = { flow_results: ResultRow };

export const findResult = (tx: Tx, digest: string): Promise<ResultRow | undefined> =>
  tables<Tables>(tx)
    .selectFrom('flow_results')
    .select(['digest', 'job', 'job_unique_id', 'used_ms'])
    .where('digest', '=', digest)
    .executeTakeFirst();

/** The latest one stands. */
export async function putResult(tx: Tx, row: ResultRow): Promise<void> {
  const { digest: _, ...rest } = row;
  await tables<Tables>(tx)
    .insertInto('flow_results')
    .values(row)
    .onConflict((conflict) => conflict.column('digest').doUpdateSet(rest))
    .execute();
}

/** Not what was put in its place meanwhile. */
export async function deleteResult(tx: Tx, { digest, job_unique_id }: ResultRow): Promise<void> {
  await tables<Tables>(tx)
    .deleteFrom('flow_results')
    .where('digest', '=', digest)
    .where('job_unique_id', '=', job_unique_id)
    .execute();
}

/** All but the `kept` that were used last, at most `limit` at once. */
export async function deleteUnused(tx: Tx, kept: number, limit: number): Promise<void> {
  await tables<Tables>(tx)
    .deleteFrom('flow_results')
    .where('digest', 'in', (from) =>
      from
        .selectFrom('flow_results')
        .select('digest')
        // In the order of the index, backwards: nothing is sorted.
        .orderBy('used_ms', 'desc')
        .orderBy('digest', 'desc')
        .limit(limit)
        .offset(kept),
    )
    .execute();
}
