// Rows of logged models. No decisions.

import type { ModelStatus } from '@strongroom/contract/runs';
import { type Tx, tables } from '#kernel/database/database';
import { runStatement } from '#kernel/database/dialect/dialect';
import type { TagRow } from '../experiments.store.ts';
import type { Point } from '../logging.store.ts';

export type ModelRow = {
  readonly model: number;
  readonly model_id: string;
  readonly experiment: number;
  readonly name: string;
  readonly model_type: string | null;
  readonly source_run_id: string | null;
  readonly creator_id: string;
  readonly status: ModelStatus;
  readonly created_ms: number;
  readonly updated_ms: number;
  readonly deleted: number;
};
export type ModelTables = {
  logged_models: { [K in keyof ModelRow]: ModelRow[K] } & { deleted_ms: number | null };
  logged_model_tags: { model: number; key: string; value: string };
  logged_model_params: { model: number; key: string; value: string };
};
export type ModelPoint = Point & {
  readonly model_id: string;
  readonly dataset_name: string;
  readonly dataset_digest: string;
};

export const modelColumns = [
  'model',
  'model_id',
  'experiment',
  'name',
  'model_type',
  'source_run_id',
  'creator_id',
  'status',
  'created_ms',
  'updated_ms',
  'deleted',
] as const;
const rows = (tx: Tx) => tables<ModelTables>(tx);

export async function insertModelPoints(
  tx: Tx,
  run: number,
  points: readonly (ModelPoint & { readonly model: number })[],
): Promise<void> {
  const text = `insert into logged_model_metrics
      (model, run, key, timestamp_ms, step, value, nan, dataset_name, dataset_digest)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing`;
  for (const { model, key, timestamp_ms, step, value, nan, dataset_name, dataset_digest } of points) {
    const parameters = [model, run, key, timestamp_ms, step, value, nan, dataset_name, dataset_digest];
    await runStatement(tx, text, parameters);
  }
}

export const findModel = (tx: Tx, modelId: string): Promise<ModelRow | undefined> =>
  rows(tx).selectFrom('logged_models').select(modelColumns).where('model_id', '=', modelId).executeTakeFirst();

/** The newest that is complete, of those that a run has logged under one name. */
export const findModelOfRun = (tx: Tx, runId: string, name: string): Promise<{ model_id: string } | undefined> =>
  rows(tx)
    .selectFrom('logged_models')
    .select('model_id')
    .where('source_run_id', '=', runId)
    .where('name', '=', name)
    .where('deleted', '=', 0)
    .where('status', '=', 'LOGGED_MODEL_READY')
    .orderBy('model', 'desc')
    .limit(1)
    .executeTakeFirst();

export async function insertModel(tx: Tx, row: Omit<ModelRow, 'model'>): Promise<number> {
  const text = `insert into logged_models
      (model_id, experiment, name, model_type, source_run_id, creator_id, status, created_ms, updated_ms, deleted)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning model`;
  const { model_id, experiment, name, model_type, source_run_id, creator_id, status, created_ms, updated_ms } = row;
  const parameters = [
    ...[model_id, experiment, name, model_type, source_run_id, creator_id, status, created_ms, updated_ms, row.deleted],
  ];
  const made = await runStatement<{ model: number }>(tx, text, parameters);
  const [first] = made.rows;
  if (first === undefined) throw new Error('the insert of a logged model answered no number');
  return first.model;
}

export async function changeModel(
  tx: Tx,
  model: number,
  change: {
    readonly status?: ModelStatus;
    readonly deleted?: 0 | 1;
    readonly deleted_ms?: number;
    readonly updated_ms: number;
  },
): Promise<void> {
  await rows(tx).updateTable('logged_models').set(change).where('model', '=', model).execute();
}

export async function writeModelTags(tx: Tx, model: number, tags: readonly TagRow[]): Promise<void> {
  for (const { key, value } of tags) {
    await rows(tx)
      .insertInto('logged_model_tags')
      .values({ model, key, value })
      .onConflict((conflict) => conflict.columns(['model', 'key']).doUpdateSet({ value }))
      .execute();
  }
}

export async function removeModelTag(tx: Tx, model: number, key: string): Promise<boolean> {
  const removed = await rows(tx)
    .deleteFrom('logged_model_tags')
    .where('model', '=', model)
    .where('key', '=', key)
    .executeTakeFirst();
  return removed.numDeletedRows > 0n;
}

/** Answers the keys that were taken; nothing of them was changed. */
export async function insertModelParams(tx: Tx, model: number, params: readonly TagRow[]): Promise<readonly string[]> {
  const taken: string[] = [];
  for (const { key, value } of params) {
    const made = await rows(tx)
      .insertInto('logged_model_params')
      .values({ model, key, value })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if ((made.numInsertedOrUpdatedRows ?? 0n) === 0n) taken.push(key);
  }
  return taken;
}

export type ModelMetricRow = Point & {
  readonly run_id: string;
  readonly dataset_name: string;
  readonly dataset_digest: string;
};
export type ModelData = {
  readonly tags: readonly TagRow[];
  readonly params: readonly TagRow[];
  readonly metrics: readonly ModelMetricRow[];
};

const metricsText = `select m.key, m.timestamp_ms, m.step, m.value, m.nan, m.dataset_name, m.dataset_digest, r.run_id
  from logged_model_metrics m join runs r on r.run = m.run where m.model = ?
  order by m.key, m.timestamp_ms, m.step limit 10000`;

export async function readModelData(tx: Tx, model: number): Promise<ModelData> {
  const pairs = (table: 'logged_model_tags' | 'logged_model_params') =>
    rows(tx).selectFrom(table).select(['key', 'value']).where('model', '=', model).orderBy('key').execute();
  const metrics = await runStatement<ModelMetricRow>(tx, metricsText, [model]);
  return {
    tags: await pairs('logged_model_tags'),
    params: await pairs('logged_model_params'),
    metrics: metrics.rows,
  };
}
