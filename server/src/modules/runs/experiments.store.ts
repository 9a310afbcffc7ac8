// Rows of experiments and their tags. No decisions.

import { type Generated, sql } from 'kysely';
import { type Tx, tables } from '#kernel/database/database';
import { compiledOnce } from '#kernel/database/dialect/dialect';

export type ExperimentRow = {
  readonly experiment: number;
  readonly name: string;
  readonly created_ms: number;
  readonly updated_ms: number;
  readonly deleted: number;
};
export type TagRow = { readonly key: string; readonly value: string };
type ExperimentTables = {
  experiments: {
    // The database numbers new ones.
    experiment: Generated<number>;
    name: string;
    created_ms: number;
    updated_ms: number;
    deleted: number;
    deleted_ms: number | null;
  };
  experiment_tags: { experiment: number; key: string; value: string };
  runs: { experiment: number; deleted: number; deleted_ms: number | null };
};
const rows = (tx: Tx) => tables<ExperimentTables>(tx);
const columns = ['experiment', 'name', 'created_ms', 'updated_ms', 'deleted'] as const;

const byNumber = compiledOnce((tx: Tx, experiment: number) =>
  rows(tx).selectFrom('experiments').select(columns).where('experiment', '=', experiment),
);
export const findExperiment = async (tx: Tx, experiment: number): Promise<ExperimentRow | undefined> =>
  (await byNumber(tx, experiment))[0];

export const findExperimentByName = (tx: Tx, name: string): Promise<ExperimentRow | undefined> =>
  rows(tx).selectFrom('experiments').select(columns).where('name', '=', name).executeTakeFirst();

/** Answers the new experiment's number: never one that was given before, also when that experiment was purged. */
export async function insertExperiment(tx: Tx, name: string, nowMs: number): Promise<number> {
  const { experiment } = await rows(tx)
    .insertInto('experiments')
    .values({ name, created_ms: nowMs, updated_ms: nowMs, deleted: 0, deleted_ms: null })
    .returning('experiment')
    .executeTakeFirstOrThrow();
  return experiment;
}

export async function renameExperiment(tx: Tx, experiment: number, name: string, nowMs: number): Promise<void> {
  await rows(tx)
    .updateTable('experiments')
    .set({ name, updated_ms: nowMs })
    .where('experiment', '=', experiment)
    .execute();
}

/** Deletes or restores an experiment and every run of it. */
export async function markExperiment(tx: Tx, experiment: number, deleted: 0 | 1, nowMs: number): Promise<void> {
  await rows(tx)
    .updateTable('experiments')
    .set({ deleted, updated_ms: nowMs, deleted_ms: deleted === 1 ? nowMs : null })
    .where('experiment', '=', experiment)
    .execute();
  await rows(tx)
    .updateTable('runs')
    .set(deleted === 1 ? { deleted, deleted_ms: sql`coalesce(deleted_ms, ${nowMs})` } : { deleted, deleted_ms: null })
    .where('experiment', '=', experiment)
    .execute();
}

export const readExperimentTags = (tx: Tx, experiment: number): Promise<readonly TagRow[]> =>
  rows(tx)
    .selectFrom('experiment_tags')
    .select(['key', 'value'])
    .where('experiment', '=', experiment)
    .orderBy('key')
    .execute();

export async function writeExperimentTag(tx: Tx, experiment: number, tag: TagRow, nowMs: number): Promise<void> {
  await rows(tx)
    .insertInto('experiment_tags')
    .values({ experiment, ...tag })
    .onConflict((conflict) => conflict.columns(['experiment', 'key']).doUpdateSet({ value: tag.value }))
    .execute();
  await rows(tx).updateTable('experiments').set({ updated_ms: nowMs }).where('experiment', '=', experiment).execute();
}

/** Answers whether there was one. */
export async function removeExperimentTag(tx: Tx, experiment: number, key: string): Promise<boolean> {
  const removed = await rows(tx)
    .deleteFrom('experiment_tags')
    .where('experiment', '=', experiment)
    .where('key', '=', key)
    .executeTakeFirst();
  return removed.numDeletedRows > 0n;
}
