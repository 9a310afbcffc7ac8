// Rows of counted failures, one a bucket. No decisions; every function takes the transaction first.

import { type Tx, tables } from '#kernel/database/database';

export type AttemptRow = {
  key: string;
  level: number;
  level_at_ms: number;
  locked_until_ms: number;
  forget_at_ms: number;
};
type Tables = { sign_in_attempts: AttemptRow };
const db = (tx: Tx) => tables<Tables>(tx);

export async function attemptsOf(tx: Tx, keys: readonly string[]): Promise<ReadonlyMap<string, AttemptRow>> {
  const rows = await db(tx)
    .selectFrom('sign_in_attempts')
    .select(['key', 'level', 'level_at_ms', 'locked_until_ms', 'forget_at_ms'])
    .where('key', 'in', keys)
    .execute();
  return new Map(rows.map((row) => [row.key, row]));
}

export const putAttempt = (tx: Tx, row: AttemptRow) =>
  db(tx)
    .insertInto('sign_in_attempts')
    .values(row)
    .onConflict((conflict) => conflict.column('key').doUpdateSet(row))
    .execute();

export const deleteAttempt = (tx: Tx, key: string) =>
  db(tx).deleteFrom('sign_in_attempts').where('key', '=', key).execute();

/** Removes what is forgotten by now and, beyond `rowsMax`, what is forgotten next; never a bucket that is locked. */
export async function sweepAttempts(tx: Tx, now: number, rowsMax: number): Promise<void> {
  await db(tx).deleteFrom('sign_in_attempts').where('forget_at_ms', '<=', now).execute();
  const { count } = await db(tx)
    .selectFrom('sign_in_attempts')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  if (count <= rowsMax) return;
  await db(tx)
    .deleteFrom('sign_in_attempts')
    .where('key', 'in', (from) =>
      from
        .selectFrom('sign_in_attempts')
        .select('key')
        .where('locked_until_ms', '<=', now)
        .orderBy('forget_at_ms')
        .limit(count - rowsMax),
    )
    .execute();
}
