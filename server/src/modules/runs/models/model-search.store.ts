// Searches over logged models: one page of rows in an order, read away from the main thread. No decisions.

import { type RawBuilder, sql } from 'kysely';
import type { Database } from '#kernel/database/database';
import { always, among } from '#kernel/database/dialect/dialect';
import { compare, compareMetric, comparePair } from '../search/conditions.store.ts';
import type { Comparison } from '../search/filter.rules.ts';
import { ranked, type SortColumn } from '../search/keyset.store.ts';
import type { Place } from '../search/pages.rules.ts';
import { type FoundPage, scanPage } from '../search/search.store.ts';
import type { ModelRow } from './models.store.ts';

/** Without a digest: every version of it. */
export type Dataset = { readonly name: string; readonly digest: string | undefined };

/** What a comparison is asked of: of what is missing none holds. */
const columns = {
  name: sql`l.name`,
  model_id: sql`l.model_id`,
  model_type: sql`l.model_type`,
  status: sql`replace(l.status, 'LOGGED_MODEL_', '')`,
  source_run_id: sql`l.source_run_id`,
  creation_timestamp: sql`l.created_ms`,
  last_updated_timestamp: sql`l.updated_ms`,
} as const;
export type ModelAttribute = keyof typeof columns;
export const isModelAttribute = (key: string): key is ModelAttribute => Object.hasOwn(columns, key);

/** In an order what is missing is the empty text. */
const sortColumns: Readonly<Record<ModelAttribute, RawBuilder<unknown>>> = {
  ...columns,
  model_type: sql`coalesce(l.model_type, '')`,
  source_run_id: sql`coalesce(l.source_run_id, '')`,
};

/** By an attribute, or by the newest value that a model has of a metric (of one dataset, where it is named). */
export type ModelOrdering = { readonly ascending: boolean } & (
  | { readonly attribute: ModelAttribute }
  | { readonly metric: string; readonly dataset: Dataset | undefined }
);

export type ModelQuery = {
  readonly experiments: readonly number[];
  /** The one run that a token may see. */
  readonly only: string | undefined;
  readonly filter: readonly Comparison[];
  readonly datasets: readonly Dataset[];
  readonly order: readonly ModelOrdering[];
  readonly after: Place | undefined;
  readonly limit: number;
};

export function findModels(database: Database, query: ModelQuery): Promise<FoundPage<ModelRow>> {
  const within = among(sql`l.experiment`, query.experiments);
  const { joins, sort } = orderOf(query.order, within);
  return scanPage<ModelRow>(database, query, {
    columns: sql`l.model, l.model_id, l.experiment, l.name, l.model_type, l.source_run_id, l.creator_id, l.status,
      l.created_ms, l.updated_ms, l.deleted`,
    from: sql.join([sql`logged_models l`, ...joins], sql` `),
    where: [
      sql`l.deleted = 0`,
      within,
      ...(query.only === undefined ? [] : [sql`l.source_run_id = ${query.only}`]),
      ...conditionsOf(query.filter, query.datasets),
    ],
    sort,
  });
}

const ofDataset = ({ name, digest }: Dataset) =>
  digest === undefined
    ? sql`x.dataset_name = ${name}`
    : sql`(x.dataset_name = ${name} and x.dataset_digest = ${digest})`;

/** Datasets narrow the conditions on metrics; without any such, the model needs some metric of one of them. */
function conditionsOf(comparisons: readonly Comparison[], datasets: readonly Dataset[]) {
  const withinDatasets = datasets.length === 0 ? always : sql`(${sql.join(datasets.map(ofDataset), sql` or `)})`;
  const conditions = comparisons.map((comparison) => condition(comparison, withinDatasets));
  if (datasets.length === 0 || comparisons.some(({ entity }) => entity === 'metric')) return conditions;
  return [
    sql`exists (select 1 from logged_model_metrics x where x.model = l.model and ${withinDatasets})`,
    ...conditions,
  ];
}

function condition({ entity, key, operator, value }: Comparison, withinDatasets: RawBuilder<unknown>) {
  if (entity === 'param') return comparePair('logged_model_params', sql`l.model`, key, operator, value);
  if (entity === 'tag') return comparePair('logged_model_tags', sql`l.model`, key, operator, value);
  if (entity === 'metric') {
    return sql`exists (select 1 from logged_model_metrics x where x.model = l.model and x.key = ${key}
      and ${withinDatasets} and ${compareMetric(sql`x.value`, sql`x.nan`, operator, value)})`;
  }
  if (!isModelAttribute(key)) throw new Error(`no column is known for the attribute ${key}`);
  return compare(columns[key], operator, value);
}

type Order = { readonly joins: readonly RawBuilder<unknown>[]; readonly sort: readonly SortColumn[] };

/**
 * Models without a metric that is ordered by come last in both directions. Then the newest first, as MLflow's store answers.
 * @param within which models are looked at, so that nobody else's metrics are read for an order
 */
function orderOf(order: readonly ModelOrdering[], within: RawBuilder<unknown>): Order {
  const joins: RawBuilder<unknown>[] = [];
  const sort = order.flatMap((by, index) => {
    if ('attribute' in by) return [{ expression: sortColumns[by.attribute], ascending: by.ascending }];
    const newest = sql.id(`o${index}`);
    joins.push(sql`left join (
      select model, value, nan from (
        select x.model, x.value, x.nan, row_number() over (
          partition by x.model order by x.timestamp_ms desc, x.step desc, x.run, x.value desc) as place
        from logged_models l join logged_model_metrics x on x.model = l.model and x.key = ${by.metric}
        where l.deleted = 0 and ${within} and ${by.dataset === undefined ? always : ofDataset(by.dataset)}
      ) where place = 1) ${newest} on ${newest}.model = l.model`);
    return ranked(sql`${newest}.value`, sql`${newest}.nan`, by.ascending);
  });
  const newestFirst = { expression: sql`l.created_ms`, ascending: false };
  return { joins, sort: [...sort, newestFirst, { expression: sql`l.model_id`, ascending: true }] };
}
