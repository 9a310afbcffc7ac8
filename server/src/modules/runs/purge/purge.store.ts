// What is deleted, and its removal for good. Rows go in slices, so that the history of a long run holds up nobody's writes. No
// decisions.

import type { Database, Tx } from '#kernel/database/database';
import { runStatement as run } from '#kernel/database/dialect/dialect';

export type DeletedRow = {
  readonly kind: 'experiment' | 'run' | 'model';
  readonly id: string;
  readonly experiment: number;
  readonly name: string;
  readonly deleted_ms: number;
};

/** What was deleted before a time: runs and models first, so that an experiment is empty when its turn comes. */
export async function listDeleted(tx: Tx, beforeMs: number, limit: number): Promise<readonly DeletedRow[]> {
  const text = `
    select 0 as place, 'run' as kind, run_id as id, experiment, name, deleted_ms from runs
      where deleted = 1 and deleted_ms < ?
    union all select 1, 'model', model_id, experiment, name, deleted_ms from logged_models
      where deleted = 1 and deleted_ms < ?
    union all select 2, 'experiment', cast(experiment as text), experiment, name, deleted_ms from experiments
      where deleted = 1 and deleted_ms < ?
    order by place, deleted_ms, id limit ?`;
  const found = await run<DeletedRow>(tx, text, [beforeMs, beforeMs, beforeMs, limit]);
  return found.rows.map(({ kind, id, experiment, name, deleted_ms }) => ({ kind, id, experiment, name, deleted_ms }));
}

export type PurgeableRun = {
  readonly run: number;
  readonly run_id: string;
  readonly status: string;
  readonly deleted: number;
};
export async function findRunToPurge(tx: Tx, runId: string): Promise<PurgeableRun | undefined> {
  return (await run<PurgeableRun>(tx, 'select run, run_id, status, deleted from runs where run_id = ?', [runId]))
    .rows[0];
}

/** The logged models that a run made. */
export async function modelsOfRun(tx: Tx, runId: string): Promise<readonly { model: number; model_id: string }[]> {
  const text = 'select model, model_id from logged_models where source_run_id = ?';
  return (await run<{ model: number; model_id: string }>(tx, text, [runId])).rows;
}

/** Those of an experiment that no run made. */
export async function modelsOfExperiment(
  tx: Tx,
  experiment: number,
): Promise<readonly { model: number; model_id: string }[]> {
  const text = 'select model, model_id from logged_models where experiment = ?';
  return (await run<{ model: number; model_id: string }>(tx, text, [experiment])).rows;
}

export async function countRuns(tx: Tx, experiment: number): Promise<number> {
  const text = 'select count(*) as held from runs where experiment = ?';
  return (await run<{ held: number }>(tx, text, [experiment])).rows[0]?.held ?? 0;
}

/** Long tables, with what makes a row of them: several may belong to one run or model. */
const long = {
  metrics: 'key, timestamp_ms, step, value, nan',
  logged_model_metrics: 'key, timestamp_ms, step, value, nan, run, dataset_name, dataset_digest',
} as const;
const rowsAtOnce = 2000;

/** Removes all points in slices, each a write of its own. `still` throws when it may no longer be done. */
export async function removePoints(
  database: Database,
  of: { readonly table: keyof typeof long; readonly owner: 'run' | 'model'; readonly number: number },
  still: (tx: Tx) => Promise<void>,
): Promise<void> {
  const { table, owner, number } = of;
  const keys = owner === 'run' && table === 'logged_model_metrics' ? `model, ${long[table]}` : long[table];
  const text = `delete from ${table} where ${owner} = ? and (${keys}) in
    (select ${keys} from ${table} where ${owner} = ? limit ${rowsAtOnce})`;
  for (;;) {
    const removed = await database.write(
      async (tx) => {
        await still(tx);
        return (await run(tx, text, [number, number])).numAffectedRows ?? 0n;
      },
      { rows: rowsAtOnce },
    );
    if (removed === 0n) return;
  }
}

export async function removeRun(tx: Tx, number: number): Promise<void> {
  for (const table of ['run_tags', 'run_params', 'latest_metrics', 'run_dataset_tags', 'run_datasets', 'run_models'])
    await run(tx, `delete from ${table} where run = ?`, [number]);
  await run(tx, 'delete from runs where run = ?', [number]);
}

export async function removeModel(tx: Tx, model: number): Promise<void> {
  for (const table of ['logged_model_tags', 'logged_model_params', 'logged_models'])
    await run(tx, `delete from ${table} where model = ?`, [model]);
}

export async function removeExperiment(tx: Tx, experiment: number): Promise<void> {
  for (const table of ['experiment_tags', 'datasets', 'experiments'])
    await run(tx, `delete from ${table} where experiment = ?`, [experiment]);
}
