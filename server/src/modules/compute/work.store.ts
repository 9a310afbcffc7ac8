// Rows of work: who holds what under which fence. SQL and nothing else. The queue in memory decides, and a row follows it: every
// statement names the states that it may leave (`work.states.rules.ts`), and none goes back behind a fence, so that work ends
// once even where a write was refused on the way and done all the same. Times are milliseconds since 1970.

import { type Tx, tables } from '#kernel/database/database';
import type { TargetId } from './targets.rules.ts';
import { endStates, heldStates, liveStates } from './work.states.rules.ts';
import type { EndReason, WorkKind, WorkSpec, WorkState } from './work.types.ts';

type WorkRow = {
  id: string;
  number: number;
  kind: WorkKind;
  workspace_id: string;
  compute_id: string | null;
  subject: string;
  label: string;
  state: WorkState;
  agent: string | null;
  session: string | null;
  fence: number;
  last_seq: number;
  reason: EndReason | null;
  exit_code: number | null;
  told: number;
  created_at: number;
  leased_at: number | null;
  ended_at: number | null;
  target: TargetId;
  submitter: string | null;
  kept_bytes: number | null;
};
type WorkTables = { compute_work: WorkRow };

export type StoredWork = {
  readonly spec: WorkSpec;
  readonly target: TargetId;
  readonly number: number;
  readonly state: WorkState;
  readonly fence: number;
  readonly reason: EndReason | null;
  readonly exitCode: number | null;
  readonly createdAtMs: number;
};

const columns = [
  'id',
  'number',
  'kind',
  'workspace_id',
  'compute_id',
  'subject',
  'label',
  'state',
  'fence',
  'reason',
  'exit_code',
  'created_at',
  'target',
  'submitter',
  'kept_bytes',
] as const;

const storedOf = (row: Pick<WorkRow, (typeof columns)[number]>): StoredWork => ({
  spec: {
    id: row.id,
    kind: row.kind,
    workspaceId: row.workspace_id,
    computeId: row.compute_id ?? undefined,
    subject: row.subject,
    label: row.label,
    ...(row.submitter === null ? {} : { submitter: row.submitter }),
    ...(row.kept_bytes === null ? {} : { keptBytes: row.kept_bytes }),
  },
  target: row.target,
  number: row.number,
  state: row.state,
  fence: row.fence,
  reason: row.reason,
  exitCode: row.exit_code,
  createdAtMs: row.created_at,
});

export type NewWork = {
  readonly spec: WorkSpec;
  readonly target: TargetId;
  readonly number: number;
  readonly queuedAtMs: number;
};

export async function insertWork(tx: Tx, { spec, target, number, queuedAtMs }: NewWork): Promise<void> {
  await tables<WorkTables>(tx)
    .insertInto('compute_work')
    .values({
      id: spec.id,
      number,
      kind: spec.kind,
      workspace_id: spec.workspaceId,
      compute_id: spec.computeId ?? null,
      subject: spec.subject,
      label: spec.label,
      state: 'queued',
      agent: null,
      session: null,
      fence: 0,
      last_seq: 0,
      reason: null,
      exit_code: null,
      told: 1,
      created_at: queuedAtMs,
      leased_at: null,
      ended_at: null,
      target,
      submitter: spec.submitter ?? null,
      kept_bytes: spec.keptBytes ?? null,
    })
    .execute();
}

export async function findWork(tx: Tx, id: string): Promise<StoredWork | undefined> {
  const row = await tables<WorkTables>(tx)
    .selectFrom('compute_work')
    .select(columns)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && storedOf(row);
}

/** In the order in which it was submitted. */
export async function queuedWork(tx: Tx, limit: number): Promise<readonly StoredWork[]> {
  const rows = await tables<WorkTables>(tx)
    .selectFrom('compute_work')
    .select(columns)
    .where('state', '=', 'queued')
    .orderBy('number')
    .limit(limit)
    .execute();
  return rows.map(storedOf);
}

export type LastLease = {
  readonly target: TargetId;
  readonly computeId: string | undefined;
  readonly submitter: string | undefined;
  readonly workspaceId: string;
  readonly atMs: number;
};

/** When something of each submitter was last handed out, of what is remembered. */
export async function lastLeases(tx: Tx): Promise<readonly LastLease[]> {
  const rows = await tables<WorkTables>(tx)
    .selectFrom('compute_work')
    .select(['target', 'compute_id', 'submitter', 'workspace_id', ({ fn }) => fn.max('leased_at').as('leased_at')])
    .where('leased_at', 'is not', null)
    .groupBy(['target', 'compute_id', 'submitter', 'workspace_id'])
    .execute();
  return rows.map((row) => ({
    target: row.target,
    computeId: row.compute_id ?? undefined,
    submitter: row.submitter ?? undefined,
    workspaceId: row.workspace_id,
    atMs: row.leased_at ?? 0,
  }));
}

/** Ended, and its owner was not told yet. */
export async function untoldWork(tx: Tx, limit: number): Promise<readonly StoredWork[]> {
  const rows = await tables<WorkTables>(tx)
    .selectFrom('compute_work')
    .select(columns)
    // Both columns, so that the index finds them among a day's work.
    .where('state', 'in', endStates)
    .where('told', '=', 0)
    .orderBy('number')
    .limit(limit)
    .execute();
  return rows.map(storedOf);
}

/** Not ended, or ended and untold. */
export async function unsettledWork(tx: Tx, kind: WorkKind, limit: number): Promise<readonly StoredWork[]> {
  const rows = await tables<WorkTables>(tx)
    .selectFrom('compute_work')
    .select(columns)
    .where('kind', '=', kind)
    .where(({ eb, or, and }) =>
      or([eb('state', 'in', liveStates), and([eb('state', 'in', endStates), eb('told', '=', 0)])]),
    )
    .orderBy('number')
    .limit(limit)
    .execute();
  return rows.map(storedOf);
}

export async function lastNumber(tx: Tx): Promise<number> {
  const row = await tables<WorkTables>(tx)
    .selectFrom('compute_work')
    .select(({ fn }) => fn.max('number').as('number'))
    .executeTakeFirst();
  return row?.number ?? 0;
}

export type Lease = { readonly agent: string; readonly session: string; readonly fence: number };

/** False: it has ended, or is held under a later fence. An earlier lease that was given back may stand in the row. */
export async function leaseWork(tx: Tx, id: string, lease: Lease, nowMs: number): Promise<boolean> {
  const result = await tables<WorkTables>(tx)
    .updateTable('compute_work')
    .set({ ...lease, state: 'leased', last_seq: 0, leased_at: nowMs })
    .where('id', '=', id)
    .where('state', 'in', liveStates)
    .where('fence', '<', lease.fence)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function markRunning(tx: Tx, id: string, fence: number, lastSeq: number): Promise<void> {
  await tables<WorkTables>(tx)
    .updateTable('compute_work')
    .set({ state: 'running', last_seq: lastSeq })
    .where('id', '=', id)
    .where('fence', '=', fence)
    .where('state', '=', 'leased')
    .execute();
}

export type Ending = {
  readonly state: 'finished' | 'lost';
  readonly fence: number;
  readonly lastSeq: number;
  readonly reason: EndReason | null;
  readonly exitCode: number | null;
};

/** True for the one who ended it. */
export async function endWork(tx: Tx, id: string, ending: Ending, nowMs: number): Promise<boolean> {
  const result = await tables<WorkTables>(tx)
    .updateTable('compute_work')
    .set({
      state: ending.state,
      last_seq: ending.lastSeq,
      reason: ending.reason,
      exit_code: ending.exitCode,
      told: 0,
      ended_at: nowMs,
    })
    .where('id', '=', id)
    .where('fence', '<=', ending.fence)
    .where('state', 'in', liveStates)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** What agents of an earlier server process held: they died with it. Answers how many. */
export async function loseHeldWork(tx: Tx, nowMs: number): Promise<number> {
  const result = await tables<WorkTables>(tx)
    .updateTable('compute_work')
    .set({ state: 'lost', told: 0, ended_at: nowMs })
    .where('state', 'in', heldStates)
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

export async function markTold(tx: Tx, id: string): Promise<void> {
  await tables<WorkTables>(tx).updateTable('compute_work').set({ told: 1 }).where('id', '=', id).execute();
}

export async function forgetWork(tx: Tx, endedBeforeMs: number): Promise<void> {
  await tables<WorkTables>(tx)
    .deleteFrom('compute_work')
    .where('state', 'in', endStates)
    .where('told', '=', 1)
    .where('ended_at', '<', endedBeforeMs)
    .execute();
}
