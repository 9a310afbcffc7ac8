// What a run records. One call is one transaction: a batch is stored whole or not at all. Points are an append-only
// history in which a point that is sent twice is one point, params are written once, tags replace each other.

import type { MetricInput } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { Tx } from '#kernel/database/database';
import { onlyRun } from './bounds.rules.ts';
import type { WorkspaceDatabases } from './databases.service.ts';
import type { TagInput } from './experiments.service.ts';
import * as store from './logging.store.ts';
import { findModel, insertModelPoints, type ModelPoint } from './models/models.store.ts';
import {
  batchItemsMax,
  batchMetricsMax,
  batchParamsMax,
  batchTagsMax,
  isKey,
  ownedParamsMax,
  ownedTagsMax,
  paramCharactersMax,
  requireKey,
  requireRunId,
  requireText,
  runNameTag,
  storedValue,
  truncated,
  userTag,
} from './names.rules.ts';
import { denied, invalid, invalidParameter, noModel, noRun, tooMany } from './runs.errors.ts';
import { checkedTag, requireActive } from './runs.service.ts';
import { changeRun, readTag } from './runs.store.ts';

export type Batch = {
  readonly metrics?: readonly MetricInput[];
  readonly params?: readonly TagInput[];
  readonly tags?: readonly TagInput[];
};

export type Logging = {
  metric(grant: Grant, workspaceId: string, runId: string, metric: MetricInput): Promise<void>;
  param(grant: Grant, workspaceId: string, runId: string, param: TagInput): Promise<void>;
  tag(grant: Grant, workspaceId: string, runId: string, tag: TagInput): Promise<void>;
  batch(grant: Grant, workspaceId: string, runId: string, batch: Batch): Promise<void>;
  /** Appends a model's description to the tag in which clients before logged models kept them. */
  model(grant: Grant, workspaceId: string, runId: string, modelJson: string): Promise<void>;
};

type Checked = {
  readonly points: readonly store.Point[];
  readonly modelPoints: readonly ModelPoint[];
  readonly params: readonly store.Pair[];
  readonly tags: readonly store.Pair[];
};

const modelHistoryTag = 'mlflow.log-model.history';
const modelHistoryCharactersMax = 100_000;

export function createLogging(deps: { readonly workspaces: WorkspaceDatabases }): Logging {
  async function write(
    grant: Grant,
    workspaceId: string,
    runId: string,
    act: (tx: Tx, run: number) => Promise<void>,
    rows = 1,
  ): Promise<void> {
    requireRunId(runId);
    const database = await deps.workspaces.database(grant, workspaceId);
    await database.write(
      async (tx) => {
        const target = await store.findTarget(tx, runId);
        if (target === undefined) throw noRun(runId);
        requireActive(target);
        await act(tx, target.run);
      },
      { rows },
    );
  }
  const record = (grant: Grant, workspaceId: string, runId: string, checked: Checked) =>
    write(
      grant,
      workspaceId,
      runId,
      (tx, run) => append(tx, run, checked, onlyRun(grant, workspaceId)),
      rowsOf(checked),
    );

  return {
    metric: async (grant, workspaceId, runId, metric) =>
      record(grant, workspaceId, runId, { ...nothing, ...checkedMetrics([metric], () => '') }),
    param: async (grant, workspaceId, runId, param) =>
      record(grant, workspaceId, runId, { ...nothing, params: [checkedParam(param, '')] }),
    tag: async (grant, workspaceId, runId, tag) =>
      record(grant, workspaceId, runId, { ...nothing, tags: [checkedTag(tag, '')] }),
    batch: async (grant, workspaceId, runId, batch) => record(grant, workspaceId, runId, checkedBatch(runId, batch)),
    model: async (grant, workspaceId, runId, modelJson) => {
      const model = parsedModel(modelJson);
      await write(grant, workspaceId, runId, async (tx, run) => {
        const history = JSON.stringify([...parsedHistory(await readTag(tx, run, modelHistoryTag)), model]);
        requireText(history, modelHistoryTag, modelHistoryCharactersMax);
        await store.writeTags(tx, run, [{ key: modelHistoryTag, value: history }]);
      });
    },
  };
}

const rowsOf = ({ points, modelPoints, params, tags }: Checked): number =>
  points.length + modelPoints.length + params.length + tags.length;

const nothing: Checked = { points: [], modelPoints: [], params: [], tags: [] };

async function append(tx: Tx, run: number, checked: Checked, source: string | undefined): Promise<void> {
  const { points, modelPoints, params, tags } = checked;
  if (points.length > 0) {
    await store.insertPoints(tx, run, points);
    await store.raiseLatest(tx, run, latestOf(points));
  }
  if (modelPoints.length > 0) await insertModelPoints(tx, run, await withModels(tx, modelPoints, source));
  if (params.length > 0) await writeParams(tx, run, params);
  if (tags.length > 0) await writeTags(tx, run, tags);
}

const ofAnotherRun =
  'The token of a run logs to the models that its run has made, and to no others. Log the metric without model_id.';

/**
 * @param source where given, only models that this run made are written to
 * @throws Failure `notFound` or `forbidden` for a model that the points cannot be logged to
 */
async function withModels(
  tx: Tx,
  points: readonly ModelPoint[],
  source: string | undefined,
): Promise<readonly (ModelPoint & { readonly model: number })[]> {
  const models = new Map<string, number>();
  for (const modelId of new Set(points.map(({ model_id }) => model_id))) {
    const found = await findModel(tx, modelId);
    // To a run one that it did not make is as good as none: whether there is one it may not see.
    if (source !== undefined && found?.source_run_id !== source) throw denied(ofAnotherRun);
    if (found === undefined || found.deleted !== 0) throw noModel(modelId);
    models.set(modelId, found.model);
  }
  return points.flatMap((point) => {
    const model = models.get(point.model_id);
    return model === undefined ? [] : [{ ...point, model }];
  });
}

/** One point a key: the greatest (step, timestamp, value). A NaN counts as 0 here, as it is stored. */
function latestOf(points: readonly store.Point[]): readonly store.Point[] {
  const latest = new Map<string, store.Point>();
  for (const point of points) {
    const present = latest.get(point.key);
    if (present === undefined || isLater(point, present)) latest.set(point.key, point);
  }
  return [...latest.values()];
}

function isLater(a: store.Point, b: store.Point): boolean {
  if (a.step !== b.step) return a.step > b.step;
  if (a.timestamp_ms !== b.timestamp_ms) return a.timestamp_ms > b.timestamp_ms;
  return a.value > b.value;
}

async function writeParams(tx: Tx, run: number, params: readonly store.Pair[]): Promise<void> {
  const keys = params.map(({ key }) => key);
  const present = new Map((await store.readParams(tx, run, keys)).map(({ key, value }) => [key, value]));
  for (const { key, value } of params) {
    const old = present.get(key);
    // The stored value is not repeated: who may write a run need not be one who may read it.
    if (old !== undefined && old !== value) {
      throw invalid(
        `Changing param values is not allowed. Param with key='${key}' was already logged with another value. ` +
          'Log it under a new key, or in a new run.',
        'key',
      );
    }
  }
  const missing = params.filter(({ key }) => !present.has(key));
  if (missing.length === 0) return;
  await store.insertParams(tx, run, missing);
  if ((await store.countOf(tx, 'run_params', run)) > ownedParamsMax) throw tooMany('A run', 'params', ownedParamsMax);
}

async function writeTags(tx: Tx, run: number, tags: readonly store.Pair[]): Promise<void> {
  // The user of a run is who made it: the client's own idea of it is left unread.
  const own = tags.filter(({ key }) => key !== userTag);
  const name = own.findLast(({ key }) => key === runNameTag)?.value;
  if (name !== undefined) await changeRun(tx, run, { name });
  if (own.length === 0) return;
  await store.writeTags(tx, run, own);
  if ((await store.countOf(tx, 'run_tags', run)) > ownedTagsMax) throw tooMany('A run', 'tags', ownedTagsMax);
}

function checkedBatch(runId: string, { metrics = [], params = [], tags = [] }: Batch): Checked {
  requireCount('metrics', metrics.length, batchMetricsMax);
  requireCount('params', params.length, batchParamsMax);
  requireCount('tags', tags.length, batchTagsMax);
  requireCount('metrics, params and tags together', metrics.length + params.length + tags.length, batchItemsMax);
  const stray = metrics.findIndex(({ run_id }) => run_id !== undefined && run_id !== '' && run_id !== runId);
  if (stray >= 0)
    throw invalid(
      'A batch is logged to one run, and this metric names another. Log it in a batch of its own.',
      `metrics[${stray}].run_id`,
    );
  const checkedParams = params.map((param, index) => checkedParam(param, `params[${index}]`));
  const keys = new Set(checkedParams.map(({ key }) => key));
  if (keys.size < checkedParams.length)
    throw invalid('Duplicate parameter keys have been submitted. Send each param once in a batch.', 'params');
  return {
    ...checkedMetrics(metrics, (index) => `metrics[${index}]`),
    params: checkedParams,
    tags: tags.map((tag, index) => checkedTag(tag, `tags[${index}]`)),
  };
}

function requireCount(what: string, count: number, max: number): void {
  if (count > max) throw invalid(`A batch logging request can contain at most ${max} ${what}. Got ${count}. Split it.`);
}

/** Points of the run, and those that belong to one of its models as well. */
function checkedMetrics(
  metrics: readonly MetricInput[],
  pathOf: (index: number) => string,
): Pick<Checked, 'points' | 'modelPoints'> {
  const points: store.Point[] = [];
  const modelPoints: ModelPoint[] = [];
  for (const [index, metric] of metrics.entries()) {
    if (!isKey(metric.key)) {
      const path = pathOf(index);
      // MLflow calls the key of a metric its name.
      requireKey(metric.key, path === '' ? 'key' : `${path}.name`);
    }
    const { model_id, dataset_name = '', dataset_digest = '' } = metric;
    const point = {
      key: metric.key,
      timestamp_ms: metric.timestamp,
      step: metric.step ?? 0,
      ...storedValue(metric.value),
    };
    points.push(point);
    if (model_id === undefined || model_id === '') continue;
    requireText(dataset_name, 'dataset_name', 500);
    requireText(dataset_digest, 'dataset_digest', 36);
    modelPoints.push({ ...point, model_id, dataset_name, dataset_digest });
  }
  return { points, modelPoints };
}

function checkedParam(param: TagInput, path: string): store.Pair {
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  requireKey(param.key, at('key'));
  const value = truncated(param.value ?? '', paramCharactersMax);
  requireText(value, at('value'), paramCharactersMax);
  return { key: param.key, value };
}

function parsedModel(json: string): unknown {
  let model: unknown;
  try {
    model = JSON.parse(json);
  } catch {
    throw invalid('Malformed model info: model_json must be a JSON object.', 'model_json');
  }
  if (typeof model !== 'object' || model === null || Array.isArray(model))
    throw invalidParameter('model_json', json, 'it must be a JSON object');
  const missing = ['artifact_path', 'flavors', 'utc_time_created', 'run_id'].filter(
    (name) => !Object.hasOwn(model, name),
  );
  if (missing.length > 0) throw invalid(`Model json is missing mandatory fields: ${missing.join(', ')}`, 'model_json');
  return model;
}

function parsedHistory(stored: string | undefined): readonly unknown[] {
  if (stored === undefined) return [];
  try {
    const history: unknown = JSON.parse(stored);
    return Array.isArray(history) ? history : [];
  } catch {
    // A client may have written the tag by hand.
    return [];
  }
}
