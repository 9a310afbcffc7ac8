// When which schedule is looked at. No decisions.

import { type Tx, tables } from '#kernel/database/database';

export type Due = {
  readonly key: string;
  readonly schedule_id: string;
  readonly workspace: string;
  /** When it is looked at; null: it is disabled, or never due again. */
  readonly look_at: number | null;
  /** When it was written last. */
  readonly set_at: number;
  /** How often in a row something was. */
  readonly holds: number;
};
type Tables = { schedules_due: Due };

export async function upsertDue(tx: Tx, row: Due): Promise<void> {
  const { look_at, set_at, holds, schedule_id } = row;
  await tables<Tables>(tx)
    .insertInto('schedules_due')
    .values(row)
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ look_at, set_at, holds, schedule_id }))
    .execute();
}

export async function countDue(tx: Tx, workspace: string, but: string): Promise<number> {
  const { count } = await tables<Tables>(tx)
    .selectFrom('schedules_due')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('workspace', '=', workspace)
    .where('key', '!=', but)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Those to be looked at by then, the longest awaited first, without these. */
export const dueBy = (tx: Tx, ms: number, but: readonly string[], limit: number): Promise<readonly Due[]> =>
  tables<Tables>(tx)
    .selectFrom('schedules_due')
    .selectAll()
    .where('look_at', '<=', ms)
    .where('key', 'not in', [...but, ''])
    .orderBy('look_at')
    .limit(limit)
    .execute();

export async function earliestLook(tx: Tx, but: readonly string[]): Promise<number | undefined> {
  const found = await tables<Tables>(tx)
    .selectFrom('schedules_due')
    .select('look_at')
    .where('look_at', 'is not', null)
    .where('key', 'not in', [...but, ''])
    .orderBy('look_at')
    .limit(1)
    .executeTakeFirst();
  return found?.look_at ?? undefined;
}

/** Nothing happens to one that was written meanwhile. */
export async function replaceDue(tx: Tx, was: Due, now: Pick<Due, 'look_at' | 'holds'>): Promise<void> {
  await tables<Tables>(tx)
    .updateTable('schedules_due')
    .set(now)
    .where('key', '=', was.key)
    .where('set_at', '=', was.set_at)
    .where('look_at', '=', was.look_at)
    .execute();
}

export async function deleteDue(tx: Tx, key: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('schedules_due').where('key', '=', key).execute();
}

export async function deleteDueOfWorkspace(tx: Tx, workspace: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('schedules_due').where('workspace', '=', workspace).execute();
}
