// Rows of background work. SQL and nothing else: what is due, who holds it, and that only the holder with the newest fencing
// number can end it. Times are milliseconds since 1970.

import { type Generated, sql } from 'kysely';
import { type Tx, tables } from '#kernel/database/database';
import { among, notAmong } from '#kernel/database/dialect/dialect';

export type TaskState = 'queued' | 'running' | 'done' | 'failed';

type TaskRow = {
  id: Generated<number>;
  name: string;
  subject: string;
  payload: string;
  state: TaskState;
  attempts: number;
  lease_owner: string | null;
  lease_until: number | null;
  fence: number;
  run_at: number;
  error: string | null;
  created_at: number;
  finished_at: number | null;
};
type TaskTables = { tasks: TaskRow };

export type ClaimedRow = Pick<TaskRow, 'name' | 'subject' | 'payload' | 'attempts' | 'fence'> & { readonly id: number };
/** Which holding of which row: a holder whose fence is not the row's any more has lost it. */
export type Holding = { readonly id: number; readonly fence: number };

export async function insertTask(
  tx: Tx,
  row: {
    readonly name: string;
    readonly subject: string;
    readonly payload: string;
    readonly runAt: number;
    readonly now: number;
  },
): Promise<number> {
  const { id } = await tables<TaskTables>(tx)
    .insertInto('tasks')
    .values({
      name: row.name,
      subject: row.subject,
      payload: row.payload,
      state: 'queued',
      attempts: 0,
      fence: 0,
      run_at: row.runAt,
      created_at: row.now,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** Leases up to `limit` rows that are due, or whose lease ran out, to `owner`; each gets the next fencing number. */
export async function claimTasks(
  tx: Tx,
  claim: {
    readonly names: readonly string[];
    readonly except: readonly number[];
    readonly owner: string;
    readonly now: number;
    readonly leaseUntil: number;
    readonly limit: number;
  },
): Promise<readonly ClaimedRow[]> {
  const db = tables<TaskTables>(tx);
  const due = await db
    .selectFrom('tasks')
    .select('id')
    .where(among(sql.ref('name'), claim.names))
    .where(notAmong(sql.ref('id'), claim.except))
    .where((is) =>
      is.or([
        is.and([is('state', '=', 'queued'), is('run_at', '<=', claim.now)]),
        is.and([is('state', '=', 'running'), is('lease_until', '<=', claim.now)]),
      ]),
    )
    .orderBy('run_at')
    .orderBy('id')
    .limit(claim.limit)
    .execute();
  if (due.length === 0) return [];
  const ids = due.map(({ id }) => id);
  await db
    .updateTable('tasks')
    .set((is) => ({
      state: 'running',
      attempts: is('attempts', '+', 1),
      fence: is('fence', '+', 1),
      lease_owner: claim.owner,
      lease_until: claim.leaseUntil,
    }))
    .where('id', 'in', ids)
    .execute();
  return db
    .selectFrom('tasks')
    .select(['id', 'name', 'subject', 'payload', 'attempts', 'fence'])
    .where('id', 'in', ids)
    .orderBy('run_at')
    .orderBy('id')
    .execute();
}

/** When the next row becomes due or its lease runs out; undefined when there is none. */
export async function nextDue(
  tx: Tx,
  names: readonly string[],
  except: readonly number[],
): Promise<number | undefined> {
  const earliest = (state: TaskState, column: 'run_at' | 'lease_until') =>
    tables<TaskTables>(tx)
      .selectFrom('tasks')
      .select((is) => is.fn.min(column).as('at'))
      .where('state', '=', state)
      .where(among(sql.ref('name'), names))
      .where(notAmong(sql.ref('id'), except))
      .executeTakeFirstOrThrow();
  const [queued, running] = [await earliest('queued', 'run_at'), await earliest('running', 'lease_until')];
  const times = [queued.at, running.at].filter((at) => at !== null);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Puts back whatever a process that is gone was holding. Its fence stays, so a process that is not gone loses it all the same. */
export async function takeOver(tx: Tx, owner: string): Promise<number> {
  const { numUpdatedRows } = await tables<TaskTables>(tx)
    .updateTable('tasks')
    .set((is) => ({ state: 'queued', fence: is('fence', '+', 1), lease_owner: null, lease_until: null }))
    .where('state', '=', 'running')
    .where('lease_owner', '!=', owner)
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

type Ending =
  | { readonly state: 'done'; readonly finishedAt: number }
  | { readonly state: 'failed'; readonly finishedAt: number; readonly error: string }
  | { readonly state: 'queued'; readonly runAt: number; readonly error: string | null; readonly attempts: number };

/** Ends a holding; false, and nothing changed, when it was lost. */
export async function endTask(tx: Tx, { id, fence }: Holding, ending: Ending): Promise<boolean> {
  const { numUpdatedRows } = await tables<TaskTables>(tx)
    .updateTable('tasks')
    .set({
      state: ending.state,
      lease_owner: null,
      lease_until: null,
      error: ending.state === 'done' ? null : ending.error,
      ...(ending.state === 'queued'
        ? { run_at: ending.runAt, attempts: ending.attempts }
        : { finished_at: ending.finishedAt }),
    })
    .where('id', '=', id)
    .where('fence', '=', fence)
    .where('state', '=', 'running')
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Extends a lease; false when it was lost. */
export async function renewLease(tx: Tx, { id, fence }: Holding, leaseUntil: number): Promise<boolean> {
  const { numUpdatedRows } = await tables<TaskTables>(tx)
    .updateTable('tasks')
    .set({ lease_until: leaseUntil })
    .where('id', '=', id)
    .where('fence', '=', fence)
    .where('state', '=', 'running')
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Forgets work that was done before `before`. Failed work stays until somebody has looked at it. */
export async function pruneDone(tx: Tx, before: number): Promise<void> {
  await tables<TaskTables>(tx)
    .deleteFrom('tasks')
    .where('state', '=', 'done')
    .where('finished_at', '<', before)
    .execute();
}

/** Names of unfinished work that nobody here knows how to do. */
export async function orphanNames(tx: Tx, names: readonly string[]): Promise<readonly string[]> {
  const rows = await tables<TaskTables>(tx)
    .selectFrom('tasks')
    .select('name')
    .distinct()
    .where('state', 'in', ['queued', 'running'])
    .where(notAmong(sql.ref('name'), names))
    .execute();
  return rows.map(({ name }) => name);
}
