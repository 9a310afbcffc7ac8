// Logged models: what a run made, as a thing of its own with files, params, tags and metrics. Made PENDING, finalised READY
// or UPLOAD_FAILED; params are written once; deleting is soft, and a deleted one is not found. Who made a model stands in
// its tag `mlflow.user`, which no client writes: the wire's own field for it is a number that we do not have.

import type { KeyValue, LoggedModel, ModelStatus } from '@strongroom/contract/runs';
import { type RawBuilder, sql } from 'kysely';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Tx } from '#kernel/database/database';
import { always, among } from '#kernel/database/dialect/dialect';
import { onlyRun, runScope } from '../bounds.ts';
import { pageTokenKey, type WorkspaceDatabases } from '../databases.ts';
import type { TagInput } from '../experiments.service.ts';
import { findExperiment } from '../experiments.store.ts';
import {
  experimentNumber,
  ownedParamsMax,
  ownedTagsMax,
  paramCharactersMax,
  requireKey,
  requireRunId,
  requireText,
  runTagCharactersMax,
  truncated,
  userTag,
} from '../names.ts';
import { randomRunName } from '../run-names.ts';
import { invalid, missingResource, noExperiment, noModel, tooMany } from '../runs.errors.ts';
import { compare, compareMetric, comparePair } from '../search/conditions.ts';
import { type Comparison, parseFilter } from '../search/filter.ts';
import { modelGrammar } from '../search/grammars.ts';
import { ranked, type SortColumn } from '../search/keyset.ts';
import { readPlace, signPlace } from '../search/pages.ts';
import { pageLimit, type Searched } from '../search/search.service.ts';
import { scanPage } from '../search/search.store.ts';
import { modelArtifactUri, shownMetric } from '../views.ts';
import * as store from './models.store.ts';

export type Models = {
  /** The run that bounds must reach for this model: none where it is not there, or no run made it. */
  madeBy(grant: Grant, workspaceId: string, modelId: string): Promise<readonly string[]>;
  create(grant: Grant, workspaceId: string, input: NewModel): Promise<LoggedModel>;
  get(grant: Grant, workspaceId: string, modelId: string): Promise<LoggedModel>;
  finalize(grant: Grant, workspaceId: string, modelId: string, status: ModelStatus): Promise<LoggedModel>;
  remove(grant: Grant, workspaceId: string, modelId: string): Promise<void>;
  setTags(grant: Grant, workspaceId: string, modelId: string, tags: readonly TagInput[]): Promise<LoggedModel>;
  removeTag(grant: Grant, workspaceId: string, modelId: string, key: string): Promise<void>;
  addParams(grant: Grant, workspaceId: string, modelId: string, params: readonly TagInput[]): Promise<void>;
  search(grant: Grant, workspaceId: string, input: ModelSearch): Promise<Searched<LoggedModel>>;
};
export type NewModel = {
  readonly experimentId: string;
  readonly name?: string;
  readonly modelType?: string;
  readonly sourceRunId?: string;
  readonly params?: readonly TagInput[];
  readonly tags?: readonly TagInput[];
};
/** Without a digest: every version of it. */
type Dataset = { readonly name: string; readonly digest: string | undefined };
export type ModelSearch = {
  readonly experimentIds: readonly string[];
  readonly datasets?: readonly Dataset[];
  readonly filter?: string;
  readonly maxResults?: number;
  readonly orderBy?: readonly {
    /** An attribute, or `metrics.{key}`. */
    readonly field: string;
    readonly ascending: boolean;
    /** Only the metric's values for it count. */
    readonly dataset?: Dataset | undefined;
  }[];
  readonly pageToken?: string;
};

const pairsMax = 100;
const datasetsMax = 100;

export async function scopesOfMaker(
  workspaces: WorkspaceDatabases,
  grant: Grant,
  workspaceId: string,
  modelId: string,
): Promise<readonly string[]> {
  const database = await workspaces.database(grant, workspaceId);
  const maker = (await store.findModel(database.read, modelId))?.source_run_id;
  return maker ? [runScope(workspaceId, maker)] : [];
}

export function createModels(deps: { readonly workspaces: WorkspaceDatabases; readonly clock: Clock }): Models {
  const { workspaces, clock } = deps;

  async function shown(tx: Tx, row: store.ModelRow): Promise<LoggedModel> {
    return shownModel(row, await store.readModelParts(tx, row.model));
  }

  function requireUsable(modelId: string, row: store.ModelRow | undefined) {
    if (row === undefined || row.deleted === 1) throw noModel(modelId);
    return row;
  }

  async function change<R>(
    grant: Grant,
    workspaceId: string,
    modelId: string,
    act: (tx: Tx, row: store.ModelRow, nowMs: number) => Promise<R>,
  ): Promise<R> {
    const database = await workspaces.database(grant, workspaceId);
    return database.write(async (tx) => {
      const row = requireUsable(modelId, await store.findModel(tx, modelId));
      return act(tx, row, clock.epochMs());
    });
  }

  return {
    madeBy: (grant, workspaceId, modelId) => scopesOfMaker(workspaces, grant, workspaceId, modelId),

    async create(grant, workspaceId, input) {
      const experiment = experimentNumber(input.experimentId);
      const { sourceRunId, modelType } = input;
      if (sourceRunId !== undefined && sourceRunId !== '') requireRunId(sourceRunId, 'source_run_id');
      const name = checkedName(input.name || randomRunName());
      if (modelType !== undefined) requireText(modelType, 'model_type', 500);
      const params = checkedPairs(input.params, 'params');
      const tags = checkedPairs(input.tags, 'tags');
      const database = await workspaces.database(grant, workspaceId);
      return database.write(async (tx) => {
        const home = await findExperiment(tx, experiment);
        if (home === undefined) throw noExperiment(input.experimentId);
        if (home.deleted === 1) throw invalid(`The experiment ${experiment} must be in the 'active' state.`);
        const nowMs = clock.epochMs();
        const row = {
          model_id: `m-${randomUuid().replaceAll('-', '')}`,
          experiment,
          name,
          model_type: modelType || null,
          source_run_id: sourceRunId || null,
          creator_id: grant.actor.name,
          status: 'LOGGED_MODEL_PENDING' as const,
          created_ms: nowMs,
          updated_ms: nowMs,
          deleted: 0,
        };
        const model = await store.insertModel(tx, row);
        await writeParams(tx, model, params);
        await store.writeModelTags(tx, model, [...tags, { key: userTag, value: row.creator_id }]);
        return shown(tx, { model, ...row });
      });
    },

    async get(grant, workspaceId, modelId) {
      const database = await workspaces.database(grant, workspaceId);
      const row = requireUsable(modelId, await store.findModel(database.read, modelId));
      return shown(database.read, row);
    },

    finalize: (grant, workspaceId, modelId, status) =>
      change(grant, workspaceId, modelId, async (tx, row, updated_ms) => {
        if (status === 'LOGGED_MODEL_PENDING')
          throw invalid('A model is finalised as READY or UPLOAD_FAILED.', 'status');
        await store.changeModel(tx, row.model, { status, updated_ms });
        return shown(tx, { ...row, status, updated_ms });
      }),

    remove: (grant, workspaceId, modelId) =>
      change(grant, workspaceId, modelId, async (tx, row, updated_ms) => {
        await store.changeModel(tx, row.model, { deleted: 1, deleted_ms: updated_ms, updated_ms });
      }),

    setTags: (grant, workspaceId, modelId, tags) =>
      change(grant, workspaceId, modelId, async (tx, row, updated_ms) => {
        const own = checkedPairs(tags, 'tags').filter(({ key }) => key !== userTag);
        await store.writeModelTags(tx, row.model, own);
        await requireFew(tx, row.model);
        await store.changeModel(tx, row.model, { updated_ms });
        return shown(tx, { ...row, updated_ms });
      }),

    removeTag: (grant, workspaceId, modelId, key) =>
      change(grant, workspaceId, modelId, async (tx, row, updated_ms) => {
        if (key === userTag) throw invalid(`The tag '${key}' says who made the model and cannot be removed.`, 'key');
        if (!(await store.removeModelTag(tx, row.model, key)))
          throw missingResource(`No tag with key '${key.slice(0, 250)}' found for model with ID '${modelId}'.`);
        await store.changeModel(tx, row.model, { updated_ms });
      }),

    addParams: (grant, workspaceId, modelId, params) =>
      change(grant, workspaceId, modelId, async (tx, row) => {
        await writeParams(tx, row.model, checkedPairs(params, 'params'));
        await requireFew(tx, row.model);
      }),

    async search(grant, workspaceId, input) {
      const { experimentIds, datasets = [], filter = '', orderBy = [] } = input;
      if (experimentIds.length > 1000) throw invalid('A search covers at most 1000 experiments.', 'experiment_ids');
      if (datasets.length > datasetsMax) throw invalid(`A search names at most ${datasetsMax} datasets.`, 'datasets');
      const experiments = [...new Set(experimentIds.map((id) => experimentNumber(id, 'experiment_ids')))];
      const comparisons = parseFilter(filter, modelGrammar);
      const limit = Math.min(pageLimit(input.maxResults ?? 50), 500);
      const { joins, sort } = orderOf(orderBy, among(sql`l.experiment`, experiments));
      const only = onlyRun(grant, workspaceId);
      if (experiments.length === 0) return { items: [] };
      const database = await workspaces.database(grant, workspaceId);
      const key = await pageTokenKey(database);
      const question = ['models', experiments, datasets, comparisons, orderBy, only ?? null];
      const after = readPlace(key, question, input.pageToken);
      const { rows, next } = await scanPage<store.ModelRow>(
        database,
        { after, limit },
        {
          columns: sql`l.model, l.model_id, l.experiment, l.name, l.model_type, l.source_run_id, l.creator_id, l.status,
          l.created_ms, l.updated_ms, l.deleted`,
          from: sql.join([sql`logged_models l`, ...joins], sql` `),
          where: [
            sql`l.deleted = 0`,
            among(sql`l.experiment`, experiments),
            ...(only === undefined ? [] : [sql`l.source_run_id = ${only}`]),
            ...conditionsOf(comparisons, datasets),
          ],
          sort,
        },
      );
      return {
        items: await Promise.all(rows.map((row) => shown(database.read, row))),
        ...(next === undefined ? {} : { nextPageToken: signPlace(key, question, next) }),
      };
    },
  };
}

const attributes = {
  name: sql`l.name`,
  model_id: sql`l.model_id`,
  model_type: sql`coalesce(l.model_type, '')`,
  status: sql`replace(l.status, 'LOGGED_MODEL_', '')`,
  source_run_id: sql`coalesce(l.source_run_id, '')`,
  creation_timestamp: sql`l.created_ms`,
  last_updated_timestamp: sql`l.updated_ms`,
} as const;
type Attribute = keyof typeof attributes;
const isAttribute = (key: string): key is Attribute => Object.hasOwn(attributes, key);

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
  if (!isAttribute(key)) throw new Error(`no column is known for the attribute ${key}`);
  return compare(attributes[key], operator, value);
}

type Order = { readonly joins: readonly RawBuilder<unknown>[]; readonly sort: readonly SortColumn[] };

/**
 * By attributes, and by the newest value that a model has of a metric (of one dataset, where it is named). Models without
 * the metric come last in both directions. Then the newest first, as MLflow's store answers.
 * @param within which models are looked at, so that nobody else's metrics are read for an order
 */
function orderOf(orderBy: ModelSearch['orderBy'] & object, within: RawBuilder<unknown>): Order {
  if (orderBy.length > 10) throw invalid('A search orders by at most 10 fields.', 'order_by');
  const joins: RawBuilder<unknown>[] = [];
  const sort = orderBy.flatMap(({ field, ascending, dataset }, index) => {
    const metric = metricOf(field);
    if (dataset !== undefined && metric === undefined)
      throw invalid('dataset_name and dataset_digest go only with an order by a metric.', 'order_by');
    if (metric !== undefined) {
      requireKey(metric, 'order_by');
      const newest = sql.id(`o${index}`);
      joins.push(sql`left join (
        select model, value, nan from (
          select x.model, x.value, x.nan, row_number() over (
            partition by x.model order by x.timestamp_ms desc, x.step desc, x.run, x.value desc) as place
          from logged_models l join logged_model_metrics x on x.model = l.model and x.key = ${metric}
          where l.deleted = 0 and ${within} and ${dataset === undefined ? always : ofDataset(dataset)}
        ) where place = 1) ${newest} on ${newest}.model = l.model`);
      return ranked(sql`${newest}.value`, sql`${newest}.nan`, ascending);
    }
    const named = field.replace(/^attributes?\./, '').replace(/_timestamp_ms$/, '_timestamp');
    const key = named === 'creation_time' ? 'creation_timestamp' : named;
    if (!isAttribute(key))
      throw invalid(
        `Models cannot be ordered by '${field.slice(0, 100)}'. Order by an attribute, or by a metric as 'metrics.{key}'.`,
        'order_by',
      );
    return [{ expression: attributes[key], ascending }];
  });
  const newestFirst = { expression: sql`l.created_ms`, ascending: false };
  return { joins, sort: [...sort, newestFirst, { expression: sql`l.model_id`, ascending: true }] };
}

/** `metrics.rmse`, and keys in quotes as in filters. */
function metricOf(field: string): string | undefined {
  const key = /^metrics?\.(.+)$/.exec(field)?.[1];
  return key === undefined ? undefined : (/^`(.+)`$|^"(.+)"$/.exec(key)?.slice(1).find(Boolean) ?? key);
}

async function requireFew(tx: Tx, model: number): Promise<void> {
  const { tags, params } = await store.readModelParts(tx, model);
  if (params.length > ownedParamsMax) throw tooMany('A model', 'params', ownedParamsMax);
  if (tags.length > ownedTagsMax) throw tooMany('A model', 'tags', ownedTagsMax);
}

async function writeParams(tx: Tx, model: number, params: readonly KeyValue[]): Promise<void> {
  const [taken] = await store.insertModelParams(tx, model, params);
  if (taken !== undefined)
    throw invalid(`The model has a param '${taken}' already, and params are written once.`, 'params');
}

function checkedName(name: string): string {
  requireText(name, 'name', 500);
  if (/[/:.%"']/.test(name)) throw invalid(`Invalid model name '${name}': it must not hold / : . % " or '.`, 'name');
  return name;
}

function checkedPairs(pairs: readonly TagInput[] = [], parameter: string): readonly KeyValue[] {
  if (pairs.length > pairsMax) throw invalid(`At most ${pairsMax} ${parameter} are sent at once.`, parameter);
  return pairs.map(({ key, value = '' }, index) => {
    requireKey(key, `${parameter}[${index}].key`);
    const charactersMax = parameter === 'params' ? paramCharactersMax : runTagCharactersMax;
    const cut = truncated(value, charactersMax);
    requireText(cut, `${parameter}[${index}].value`, charactersMax);
    return { key, value: cut };
  });
}

function shownModel(row: store.ModelRow, { tags, params, metrics }: store.ModelParts): LoggedModel {
  const pairs = (list: readonly KeyValue[]) => list.map(({ key, value }) => ({ key, value }));
  return {
    info: {
      model_id: row.model_id,
      experiment_id: String(row.experiment),
      name: row.name,
      creation_timestamp_ms: row.created_ms,
      last_updated_timestamp_ms: row.updated_ms,
      artifact_uri: modelArtifactUri(row.experiment, row.model_id),
      status: row.status,
      ...(row.model_type === null ? {} : { model_type: row.model_type }),
      ...(row.source_run_id === null ? {} : { source_run_id: row.source_run_id }),
      ...(tags.length === 0 ? {} : { tags: pairs(tags) }),
    },
    data: {
      ...(params.length === 0 ? {} : { params: pairs(params) }),
      ...(metrics.length === 0
        ? {}
        : {
            metrics: metrics.map((metric) => ({
              ...shownMetric(metric),
              run_id: metric.run_id,
              model_id: row.model_id,
              ...(metric.dataset_name === '' ? {} : { dataset_name: metric.dataset_name }),
              ...(metric.dataset_digest === '' ? {} : { dataset_digest: metric.dataset_digest }),
            })),
          }),
    },
  };
}
