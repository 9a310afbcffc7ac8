// Which job did a step of this content before, in the database of its workspace. No decisions.

import { type Tx, tables } from '#kernel/database/database';

type Tables = { flow_results: { digest: string; job: string } };

export async function findResult(tx: Tx, digest: string): Promise<string | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('flow_results')
    .select('job')
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row?.job;
}

/** The latest one stands. */
export async function putResult(tx: Tx, digest: string, job: string): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('flow_results')
    .values({ digest, job })
    .onConflict((conflict) => conflict.column('digest').doUpdateSet({ job }))
    .execute();
}
