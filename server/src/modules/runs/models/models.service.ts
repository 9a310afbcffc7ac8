// Logged models: what a run made, as a thing of its own with files, params, tags and metrics. Made PENDING, finalised READY
// or UPLOAD_FAILED; params are written once; deleting is soft, and a deleted one is not found. Who made a model stands in
// its tag `mlflow.user`, which no client writes: the wire's own field for it is a number that we do not have.

import type { KeyValue, LoggedModel, ModelStatus } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Tx } from '#kernel/database/database';
import { onlyRun, runScope } from '../bounds.rules.ts';
import { pageTokenKey, type WorkspaceDatabases } from '../databases.service.ts';
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
} from '../names.rules.ts';
import { randomRunName } from '../run-names.service.ts';
import { invalid, missingResource, noExperiment, noModel, tooMany } from '../runs.errors.ts';
import { modelArtifactUri, shownMetric } from '../runs.view.ts';
import { parseFilter } from '../search/filter.rules.ts';
import { modelGrammar } from '../search/grammars.rules.ts';
import { readPlace, signPlace } from '../search/pages.rules.ts';
import { pageLimit, type Searched } from '../search/search.service.ts';
import { type Dataset, findModels, isModelAttribute, type ModelOrdering } from './model-search.store.ts';
import * as store from './models.store.ts';

export type Models = {
  /** The run that bounds must reach for this model: none where it is not there, or no run made it. */
  madeBy(grant: Grant, workspaceId: string, modelId: string): Promise<readonly string[]>;
  /** The id of the model that a run has logged under a name: the newest of those that are complete. */
  ofRun(grant: Grant, workspaceId: string, runId: string, name: string): Promise<string | undefined>;
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
    return shownModel(row, await store.readModelData(tx, row.model));
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

    async ofRun(grant, workspaceId, runId, name) {
      const database = await workspaces.database(grant, workspaceId);
      return (await store.findModelOfRun(database.read, runId, name))?.model_id;
    },

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
      const order = orderOf(orderBy);
      const only = onlyRun(grant, workspaceId);
      if (experiments.length === 0) return { items: [] };
      const database = await workspaces.database(grant, workspaceId);
      const key = await pageTokenKey(database);
      const question = ['models', experiments, datasets, comparisons, orderBy, only ?? null];
      const after = readPlace(key, question, input.pageToken);
      const query = { experiments, only, filter: comparisons, datasets, order, after, limit };
      const { rows, next } = await findModels(database, query);
      return {
        items: await Promise.all(rows.map((row) => shown(database.read, row))),
        ...(next === undefined ? {} : { nextPageToken: signPlace(key, question, next) }),
      };
    },
  };
}

/** Which models come first: the names of attributes as MLflow writes them, and `metrics.{key}`. */
function orderOf(orderBy: ModelSearch['orderBy'] & object): readonly ModelOrdering[] {
  if (orderBy.length > 10) throw invalid('A search orders by at most 10 fields.', 'order_by');
  return orderBy.map(({ field, ascending, dataset }) => {
    const metric = metricOf(field);
    if (dataset !== undefined && metric === undefined)
      throw invalid('dataset_name and dataset_digest go only with an order by a metric.', 'order_by');
    if (metric !== undefined) {
      requireKey(metric, 'order_by');
      return { metric, dataset, ascending };
    }
    const named = field.replace(/^attributes?\./, '').replace(/_timestamp_ms$/, '_timestamp');
    const attribute = named === 'creation_time' ? 'creation_timestamp' : named;
    if (!isModelAttribute(attribute))
      throw invalid(
        `Models cannot be ordered by '${field.slice(0, 100)}'. Order by an attribute, or by a metric as 'metrics.{key}'.`,
        'order_by',
      );
    return { attribute, ascending };
  });
}

/** `metrics.rmse`, and keys in quotes as in filters. */
function metricOf(field: string): string | undefined {
  const key = /^metrics?\.(.+)$/.exec(field)?.[1];
  return key === undefined ? undefined : (/^`(.+)`$|^"(.+)"$/.exec(key)?.slice(1).find(Boolean) ?? key);
}

async function requireFew(tx: Tx, model: number): Promise<void> {
  const { tags, params } = await store.readModelData(tx, model);
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

function shownModel(row: store.ModelRow, { tags, params, metrics }: store.ModelData): LoggedModel {
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
