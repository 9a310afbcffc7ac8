// Searches over runs and experiments: one page of rows in an order, read away from the main thread. No decisions.

import type { ViewType } from '@strongroom/contract/runs';
import { type RawBuilder, sql } from 'kysely';
import { type Database, tables } from '#kernel/database/database';
import { always, among } from '#kernel/database/dialect/dialect';
import type { ExperimentRow, TagRow } from '../experiments.store.ts';
import type { RunRow } from '../runs.store.ts';
import { compare, compareMetric, comparePair } from './conditions.store.ts';
import type { Comparison, Ordering } from './filter.rules.ts';
import { behind, orderBy, placeColumns, placeOf, ranked, type SortColumn } from './keyset.store.ts';
import type { Place } from './pages.rules.ts';

export type PageQuery = {
  readonly view: ViewType;
  readonly filter: readonly Comparison[];
  readonly order: readonly Ordering[];
  readonly after: Place | undefined;
  readonly limit: number;
};
export type Found<R> = { readonly rows: readonly R[]; readonly next: Place | undefined };
/** `cut` answers the same page with only the first rows of it. */
export type FoundPage<R> = Found<R> & { readonly cut: (count: number) => FoundPage<R> };

/** Runs any `select … from … where … order by … limit` of ours as a scan, one row more than asked to know if there is more. */
export async function scanPage<R>(
  database: Database,
  page: Pick<PageQuery, 'after' | 'limit'>,
  parts: {
    readonly columns: RawBuilder<unknown>;
    readonly from: RawBuilder<unknown>;
    readonly where: readonly RawBuilder<unknown>[];
    readonly sort: readonly SortColumn[];
  },
): Promise<FoundPage<R>> {
  const where = [...parts.where, ...(page.after === undefined ? [] : [behind(parts.sort, page.after)])];
  const query = sql<R & Record<string, unknown>>`
    select ${parts.columns}, ${placeColumns(parts.sort)} from ${parts.from}
    where ${sql.join(where.length === 0 ? [always] : where, sql` and `)}
    order by ${orderBy(parts.sort)} limit ${page.limit + 1}`;
  const found = await database.scan<R & Record<string, unknown>>({
    compile: () => query.compile(tables<unknown>(database.read)),
  });
  const cut = (count: number): FoundPage<R> => {
    const rows = found.slice(0, count);
    const last = rows.at(-1);
    const more = found.length > count && last !== undefined;
    return { rows, next: more ? placeOf(last, parts.sort) : undefined, cut };
  };
  return cut(page.limit);
}

export const inView = (column: RawBuilder<unknown>, view: ViewType): readonly RawBuilder<unknown>[] => {
  if (view === 'ALL') return [];
  return [view === 'ACTIVE_ONLY' ? sql`${column} = 0` : sql`${column} = 1`];
};

// Runs

const artifactUri = sql`('mlflow-artifacts:/' || r.experiment || '/' || r.run_id || '/artifacts')`;
const runAttributes: Readonly<Record<string, RawBuilder<unknown>>> = {
  run_id: sql`r.run_id`,
  run_name: sql`r.name`,
  user_id: sql`r.user_id`,
  status: sql`r.status`,
  artifact_uri: artifactUri,
  start_time: sql`r.start_ms`,
  end_time: sql`r.end_ms`,
};
const attribute = (table: Readonly<Record<string, RawBuilder<unknown>>>, key: string): RawBuilder<unknown> => {
  const column = table[key];
  if (column === undefined) throw new Error(`no column is known for the attribute ${key}`);
  return column;
};

function runCondition({ entity, key, operator, value }: Comparison): RawBuilder<unknown> {
  if (entity === 'attribute') return compare(attribute(runAttributes, key), operator, value);
  if (entity === 'param') return comparePair('run_params', sql`r.run`, key, operator, value);
  if (entity === 'tag') return comparePair('run_tags', sql`r.run`, key, operator, value);
  if (entity === 'metric') {
    return sql`exists (select 1 from latest_metrics x where x.run = r.run and x.key = ${key}
      and ${compareMetric(sql`x.value`, sql`x.nan`, operator, value)})`;
  }
  if (key === 'context') {
    return sql`exists (select 1 from run_dataset_tags x where x.run = r.run and x.key = 'mlflow.data.context'
      and ${compare(sql`x.value`, operator, value)})`;
  }
  return sql`exists (select 1 from run_datasets e join datasets x using (dataset) where e.run = r.run
    and ${compare(key === 'name' ? sql`x.name` : sql`x.digest`, operator, value)})`;
}

/** The joins that an order needs, and its columns; the run id makes it total. */
function runOrder(order: readonly Ordering[]): { from: RawBuilder<unknown>; sort: readonly SortColumn[] } {
  const joins: RawBuilder<unknown>[] = [sql`runs r`];
  const sort = order.flatMap(({ entity, key, ascending }, index) => {
    if (entity === 'attribute') {
      const expression = attribute(runAttributes, key);
      return key === 'end_time' ? ranked(expression, undefined, ascending) : [{ expression, ascending }];
    }
    const name = sql.id(`o${index}`);
    const table = { metric: sql`latest_metrics`, param: sql`run_params` }[entity] ?? sql`run_tags`;
    joins.push(sql`left join ${table} ${name} on ${name}.run = r.run and ${name}.key = ${key}`);
    return ranked(sql`${name}.value`, entity === 'metric' ? sql`${name}.nan` : undefined, ascending);
  });
  const complete = order.some(({ entity, key }) => entity === 'attribute' && key === 'start_time')
    ? sort
    : [...sort, { expression: sql`r.start_ms`, ascending: false }];
  return { from: sql.join(joins, sql` `), sort: [...complete, { expression: sql`r.run_id`, ascending: true }] };
}

const runColumns = sql`r.run, r.run_id, r.experiment, r.name, r.user_id, r.owner_id, r.status, r.start_ms, r.end_ms, r.deleted`;

/** @param only the one run that a token may see */
export function findRuns(
  database: Database,
  query: PageQuery & { readonly experiments: readonly number[]; readonly only: string | undefined },
): Promise<FoundPage<RunRow>> {
  return scanPage<RunRow>(database, query, {
    columns: runColumns,
    where: [
      among(sql`r.experiment`, query.experiments),
      ...(query.only === undefined ? [] : [sql`r.run_id = ${query.only}`]),
      ...inView(sql`r.deleted`, query.view),
      ...query.filter.map(runCondition),
    ],
    ...runOrder(query.order),
  });
}

export type DatasetUse = {
  readonly experiment: number;
  readonly name: string;
  readonly digest: string;
  readonly context: string | null;
};

/** @param only the one run that a token may see */
export function scanDatasets(
  database: Database,
  query: { readonly experiments: readonly number[]; readonly only: string | undefined; readonly limit: number },
): Promise<readonly DatasetUse[]> {
  const { experiments, only, limit } = query;
  const text = sql<DatasetUse>`
    select distinct d.experiment, d.name, d.digest, t.value as context
    from runs r join run_datasets u using (run) join datasets d using (dataset)
      left join run_dataset_tags t on t.run = r.run and t.dataset = d.dataset and t.key = 'mlflow.data.context'
    where r.deleted = 0 and ${among(sql`r.experiment`, experiments)} and ${only === undefined ? always : sql`r.run_id = ${only}`}
    order by d.name, d.digest, d.experiment, context limit ${limit}`;
  return database.scan<DatasetUse>({ compile: () => text.compile(tables<unknown>(database.read)) });
}

// Experiments

const experimentAttributes: Readonly<Record<string, RawBuilder<unknown>>> = {
  name: sql`e.name`,
  creation_time: sql`e.created_ms`,
  last_update_time: sql`e.updated_ms`,
  experiment_id: sql`e.experiment`,
};

/** @param only the one experiment that a token may see */
export function findExperiments(
  database: Database,
  query: PageQuery & { readonly only: number | undefined },
): Promise<Found<ExperimentRow>> {
  const sort = query.order.map(({ key, ascending }) => ({
    expression: attribute(experimentAttributes, key),
    ascending,
  }));
  const total =
    sort.length === 0
      ? [
          { expression: sql`e.created_ms`, ascending: false },
          { expression: sql`e.experiment`, ascending: true },
        ]
      : [...sort, { expression: sql`e.experiment`, ascending: false }];
  return scanPage<ExperimentRow>(database, query, {
    columns: sql`e.experiment, e.name, e.created_ms, e.updated_ms, e.deleted`,
    from: sql`experiments e`,
    where: [
      ...(query.only === undefined ? [] : [sql`e.experiment = ${query.only}`]),
      ...inView(sql`e.deleted`, query.view),
      ...query.filter.map(({ entity, key, operator, value }) =>
        entity === 'tag'
          ? comparePair('experiment_tags', sql`e.experiment`, key, operator, value)
          : compare(attribute(experimentAttributes, key), operator, value),
      ),
    ],
    sort: total,
  });
}

export async function scanExperimentTags(
  database: Database,
  experiments: readonly number[],
): Promise<(experiment: number) => readonly TagRow[]> {
  const query = sql<TagRow & { readonly experiment: number }>`select experiment, key, value from experiment_tags
    where ${among(sql`experiment`, experiments)} order by experiment, key`;
  const rows = await database.scan<TagRow & { readonly experiment: number }>(
    { compile: () => query.compile(tables<unknown>(database.read)) },
    { maxRows: 500_000 },
  );
  const found = Map.groupBy(rows, (row) => row.experiment);
  return (experiment) => found.get(experiment) ?? [];
}
