// What is logged to runs, beside their own rows: latest metrics, params, tags, datasets, models. For one run on the point
// connection, for a page of runs as scans. No decisions.

import type { Dataset } from '@strongroom/contract/runs';
import { type RawBuilder, sql } from 'kysely';
import { type Database, type Tx, tables } from '#kernel/database/database';
import { among, compiledOnce } from '#kernel/database/dialect/dialect';
import { Failure } from '#kernel/errors/failure';
import type { TagRow } from './experiments.store.ts';
import type { MetricRow, RunData } from './runs.view.ts';

type Of<R> = R & { readonly run: number };
type DatasetRow = Of<{
  readonly dataset: number;
  readonly name: string;
  readonly digest: string;
  readonly source_type: string;
  readonly source: string;
  readonly schema: string | null;
  readonly profile: string | null;
}>;
type ModelRow = Of<{ readonly model_id: string; readonly direction: string; readonly step: number }>;

/** Every list is in order of run and then of key, so answers do not change from call to call. */
const queries = (isOfThem: RawBuilder<unknown>) => ({
  metrics: sql<Of<MetricRow>>`select run, key, value, nan, timestamp_ms, step from latest_metrics
    where ${isOfThem} order by run, key`,
  params: sql<Of<TagRow>>`select run, key, value from run_params where ${isOfThem} order by run, key`,
  tags: sql<Of<TagRow>>`select run, key, value from run_tags where ${isOfThem} order by run, key`,
  datasets: sql<DatasetRow>`select run, dataset, name, digest, source_type, source, schema, profile
    from run_datasets join datasets using (dataset) where ${isOfThem} order by run, dataset`,
  datasetTags: sql<Of<TagRow & { readonly dataset: number }>>`select run, dataset, key, value from run_dataset_tags
    where ${isOfThem} order by run, dataset, key`,
  models: sql<ModelRow>`select run, model_id, direction, step from run_models where ${isOfThem}
    order by run, direction, model_id, step`,
});
const queriesOf = (...runs: readonly number[]) => queries(among(sql`run`, runs));

/** Of one run: asked for with every look at it. */
const ofOne = {
  metrics: compiledOnce((_tx: Tx, run: number) => queriesOf(run).metrics),
  params: compiledOnce((_tx: Tx, run: number) => queriesOf(run).params),
  tags: compiledOnce((_tx: Tx, run: number) => queriesOf(run).tags),
  datasets: compiledOnce((_tx: Tx, run: number) => queriesOf(run).datasets),
  datasetTags: compiledOnce((_tx: Tx, run: number) => queriesOf(run).datasetTags),
  models: compiledOnce((_tx: Tx, run: number) => queriesOf(run).models),
};

/** @param tx the point connection, or the transaction that changed the run */
export async function readRunData(tx: Tx, run: number): Promise<RunData> {
  const [metrics, params, tags, datasets, models] = await Promise.all([
    ofOne.metrics(tx, run),
    ofOne.params(tx, run),
    ofOne.tags(tx, run),
    ofOne.datasets(tx, run),
    ofOne.models(tx, run),
  ]);
  // Most runs have none.
  const datasetTags = datasets.length === 0 ? [] : await ofOne.datasetTags(tx, run);
  return { metrics, params, tags, datasets: withTags(datasets, datasetTags), models };
}

/** Of each kind of data of a page. One run stays within them: what it may record is bounded (`names.rules.ts`). */
const pageBounds = { maxRows: 500_000, maxBytes: 64 * 1024 * 1024 } as const;

/** The data of a page is more than an answer should weigh: ask for fewer runs. */
export const isTooLarge = (thrown: unknown): boolean => thrown instanceof Failure && thrown.code === 'ResultTooLarge';

/** Of many runs, by run number. */
export async function scanRunData(database: Database, runs: readonly number[]): Promise<(run: number) => RunData> {
  const of = queriesOf(...runs);
  const scan = async <R>(query: RawBuilder<R>) =>
    database.scan<R>({ compile: () => compiled<R>(database.read, query) }, pageBounds);
  const [metrics, params, tags, datasets, datasetTags, models] = await Promise.all([
    scan(of.metrics),
    scan(of.params),
    scan(of.tags),
    scan(of.datasets),
    scan(of.datasetTags),
    scan(of.models),
  ]);
  const [byMetrics, byParams, byTags] = [byRun(metrics), byRun(params), byRun(tags)];
  const [byDatasets, byDatasetTags, byModels] = [byRun(datasets), byRun(datasetTags), byRun(models)];
  return (run) => ({
    metrics: byMetrics(run),
    params: byParams(run),
    tags: byTags(run),
    datasets: withTags(byDatasets(run), byDatasetTags(run)),
    models: byModels(run),
  });
}

const compiled = <R>(tx: Tx, query: RawBuilder<R>) => query.compile(tables<unknown>(tx));

function byRun<R extends { readonly run: number }>(rows: readonly R[]): (run: number) => readonly R[] {
  const found = new Map<number, R[]>();
  for (const row of rows) {
    const present = found.get(row.run);
    if (present) present.push(row);
    else found.set(row.run, [row]);
  }
  return (run) => found.get(run) ?? [];
}

function withTags(
  rows: readonly DatasetRow[],
  tags: readonly (TagRow & { readonly dataset: number })[],
): RunData['datasets'] {
  return rows.map((row) => {
    const { name, digest, source_type, source, schema, profile } = row;
    const dataset: Dataset = {
      name,
      digest,
      source_type,
      source,
      ...(schema === null ? {} : { schema }),
      ...(profile === null ? {} : { profile }),
    };
    return { dataset, tags: tags.filter((tag) => tag.dataset === row.dataset) };
  });
}
