// Rows that tie runs to datasets and models. No decisions.

import type { Dataset } from '@strongroom/contract/runs';
import type { Tx } from '#kernel/database/database';
import { runStatement as run } from '#kernel/database/dialect/dialect';
import type { TagRow } from './experiments.store.ts';

/** A dataset is one by name and digest within an experiment; what was stored first stays. */
export async function keepDataset(tx: Tx, experiment: number, dataset: Dataset): Promise<number> {
  const { name, digest, source_type, source, schema = null, profile = null } = dataset;
  const made = await run<{ dataset: number }>(
    tx,
    `insert into datasets (experiment, name, digest, source_type, source, schema, profile) values (?, ?, ?, ?, ?, ?, ?)
      on conflict (experiment, name, digest) do update set name = excluded.name returning dataset`,
    [experiment, name, digest, source_type, source, schema, profile],
  );
  const [row] = made.rows;
  if (row === undefined) throw new Error('the insert of a dataset answered no number');
  return row.dataset;
}

export async function tieDataset(tx: Tx, runNumber: number, dataset: number, tags: readonly TagRow[]): Promise<void> {
  await run(tx, 'insert into run_datasets (run, dataset) values (?, ?) on conflict do nothing', [runNumber, dataset]);
  for (const { key, value } of tags) {
    await run(
      tx,
      'insert into run_dataset_tags (run, dataset, key, value) values (?, ?, ?, ?) on conflict do nothing',
      [runNumber, dataset, key, value],
    );
  }
}

export async function tieModel(
  tx: Tx,
  runNumber: number,
  model: { readonly model_id: string; readonly direction: 'input' | 'output'; readonly step: number },
): Promise<void> {
  await run(tx, 'insert into run_models (run, model_id, direction, step) values (?, ?, ?, ?) on conflict do nothing', [
    ...[runNumber, model.model_id, model.direction, model.step],
  ]);
}

/** What a run is tied to in all; characters are those of its datasets' texts. */
export async function countInputs(
  tx: Tx,
  runNumber: number,
): Promise<{ readonly datasets: number; readonly characters: number; readonly models: number }> {
  const found = await run<{ datasets: number; characters: number; models: number }>(
    tx,
    `select count(*) as datasets,
        coalesce(sum(length(source) + length(coalesce(schema, '')) + length(coalesce(profile, ''))), 0) as characters,
        (select count(*) from run_models where run = ?) as models
      from run_datasets join datasets using (dataset) where run = ?`,
    [runNumber, runNumber],
  );
  return found.rows[0] ?? { datasets: 0, characters: 0, models: 0 };
}
