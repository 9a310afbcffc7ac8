// Rows of runs, their tags and their inputs and outputs. No decisions. `run` is the short number, `run_id` the public id.

import type { RunStatus } from '@strongroom/contract/runs';
import { type Tx, tables } from '#kernel/database/database';
import { compiledOnce, runStatement } from '#kernel/database/dialect/dialect';

export type RunRow = {
  readonly run: number;
  readonly run_id: string;
  readonly experiment: number;
  readonly name: string;
  readonly user_id: string;
  readonly owner_id: string;
  readonly status: RunStatus;
  readonly start_ms: number;
  readonly end_ms: number | null;
  readonly deleted: number;
};
export type RunTables = {
  runs: { [K in keyof RunRow]: RunRow[K] } & { deleted_ms: number | null };
  run_tags: { run: number; key: string; value: string };
};
const rows = (tx: Tx) => tables<RunTables>(tx);

export const runColumns = [
  'run',
  'run_id',
  'experiment',
  'name',
  'user_id',
  'owner_id',
  'status',
  'start_ms',
  'end_ms',
  'deleted',
] as const;

const runById = compiledOnce((tx: Tx, runId: string) =>
  rows(tx).selectFrom('runs').select(runColumns).where('run_id', '=', runId),
);
export const findRun = async (tx: Tx, runId: string): Promise<RunRow | undefined> => (await runById(tx, runId))[0];

const insert = `insert into runs (run_id, experiment, name, user_id, owner_id, status, start_ms, end_ms, deleted)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (run_id) do nothing returning run`;
/** Answers the number of the new run, or undefined when the id is taken. */
export async function insertRun(tx: Tx, row: Omit<RunRow, 'run'>): Promise<number | undefined> {
  const { run_id, experiment, name, user_id, owner_id, status, start_ms, end_ms, deleted } = row;
  const values = [run_id, experiment, name, user_id, owner_id, status, start_ms, end_ms, deleted];
  return (await runStatement<{ run: number }>(tx, insert, values)).rows[0]?.run;
}

export async function changeRun(
  tx: Tx,
  run: number,
  change: {
    readonly status?: RunStatus;
    readonly end_ms?: number;
    readonly name?: string;
    readonly deleted?: 0 | 1;
    readonly deleted_ms?: number | null;
  },
): Promise<void> {
  await rows(tx).updateTable('runs').set(change).where('run', '=', run).execute();
}

export const readTag = async (tx: Tx, run: number, key: string): Promise<string | undefined> =>
  (
    await rows(tx)
      .selectFrom('run_tags')
      .select('value')
      .where('run', '=', run)
      .where('key', '=', key)
      .executeTakeFirst()
  )?.value;

export async function removeTag(tx: Tx, run: number, key: string): Promise<boolean> {
  const removed = await rows(tx)
    .deleteFrom('run_tags')
    .where('run', '=', run)
    .where('key', '=', key)
    .executeTakeFirst();
  return removed.numDeletedRows > 0n;
}
