// Wire shapes of MLflow tracking: experiments, runs, metrics, params, tags, datasets, artifacts. They are protobuf messages
// in JSON: unknown fields are ignored, null is absent, integers may be sent as decimal strings, enums as names or numbers
// (the position in the list, from one), and NaN as a string. A field with `minLength: 1` counts as missing when empty.
// Source: MLflow 3 REST API, service.proto and mlflow_artifacts.proto. Times are milliseconds since 1970, UTC.

import {
  choice,
  count,
  integer,
  keyValueInput,
  list,
  milliseconds,
  named,
  optional,
  page,
  text,
} from './mlflow.fields.ts';
import { type Static, Type } from './schema.ts';

export const runStatus = choice('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED');
export type RunStatus = Static<typeof runStatus>;
export const viewType = choice('ACTIVE_ONLY', 'DELETED_ONLY', 'ALL');
export type ViewType = Static<typeof viewType>;
const lifecycleStage = choice('active', 'deleted');

export const nothing = Type.Object({});

export const keyValue = Type.Object({ key: text, value: text });
export type KeyValue = Static<typeof keyValue>;

// Experiments

export const experiment = Type.Object({
  experiment_id: text,
  name: text,
  artifact_location: text,
  lifecycle_stage: lifecycleStage,
  creation_time: milliseconds,
  last_update_time: milliseconds,
  tags: list(keyValue),
});
export type Experiment = Static<typeof experiment>;
export const experimentAnswer = Type.Object({ experiment });
export const experimentsPage = Type.Object({ experiments: list(experiment), next_page_token: optional(text) });

export const createExperiment = Type.Object({
  name: named,
  artifact_location: optional(text),
  tags: list(keyValueInput),
});
export const createdExperiment = Type.Object({ experiment_id: text });
export const experimentById = Type.Object({ experiment_id: named });
export const experimentByName = Type.Object({ experiment_name: named });
export const updateExperiment = Type.Object({ experiment_id: named, new_name: optional(text) });
export const searchExperiments = Type.Object({
  max_results: optional(count),
  filter: optional(text),
  order_by: list(text),
  view_type: optional(viewType),
  ...page,
});
export const setExperimentTag = Type.Object({ experiment_id: named, key: named, value: text });
export const deleteExperimentTag = Type.Object({ experiment_id: named, key: named });

/** A dataset of an experiment's runs, once for each context that it was used in. */
export const datasetSummary = Type.Object({ experiment_id: text, name: text, digest: text, context: optional(text) });
export type DatasetSummary = Static<typeof datasetSummary>;
export const searchDatasets = Type.Object({ experiment_ids: optional(Type.Array(named)) });
export const datasetSummaries = Type.Object({ dataset_summaries: list(datasetSummary) });

// Runs

/** A metric's value in an answer: infinities are the largest doubles, NaN is a word. */
const value = Type.Union([Type.Number(), Type.Literal('NaN')]);
export const metric = Type.Object({
  key: text,
  value,
  timestamp: milliseconds,
  step: integer,
  run_id: optional(text),
  model_id: optional(text),
  dataset_name: optional(text),
  dataset_digest: optional(text),
});
export type Metric = Static<typeof metric>;

export const dataset = Type.Object({
  name: named,
  digest: named,
  source_type: named,
  source: named,
  schema: optional(text),
  profile: optional(text),
});
export type Dataset = Static<typeof dataset>;
export const datasetInput = Type.Object({ dataset, tags: list(Type.Object({ key: named, value: text })) });
export type DatasetInput = Static<typeof datasetInput>;
export const modelInput = Type.Object({ model_id: named });
export const modelOutput = Type.Object({ model_id: named, step: optional(integer) });

export const runInfo = Type.Object({
  run_id: text,
  run_uuid: text,
  run_name: text,
  experiment_id: text,
  user_id: text,
  status: runStatus,
  start_time: milliseconds,
  end_time: optional(milliseconds),
  artifact_uri: text,
  lifecycle_stage: lifecycleStage,
});
export type RunInfo = Static<typeof runInfo>;
export const run = Type.Object({
  info: runInfo,
  data: Type.Object({ metrics: list(metric), params: list(keyValue), tags: list(keyValue) }),
  inputs: Type.Object({ dataset_inputs: list(datasetInput), model_inputs: list(modelInput) }),
  outputs: optional(Type.Object({ model_outputs: list(modelOutput) })),
});
export type Run = Static<typeof run>;
export const runAnswer = Type.Object({ run });
export const runInfoAnswer = Type.Object({ run_info: runInfo });
export const runsPage = Type.Object({ runs: list(run), next_page_token: optional(text) });

export const createRun = Type.Object({
  experiment_id: named,
  /** Accepted and not believed: a run belongs to whoever signed in. */
  user_id: optional(text),
  run_name: optional(text),
  start_time: optional(milliseconds),
  tags: list(keyValueInput),
});
/** `run_uuid` is the older name of `run_id`; one of them is needed. */
const runReference = { run_id: optional(text), run_uuid: optional(text) };
export const runById = Type.Object(runReference);
export const updateRun = Type.Object({
  ...runReference,
  status: optional(runStatus),
  end_time: optional(milliseconds),
  run_name: optional(text),
});
export const searchRuns = Type.Object({
  experiment_ids: list(text),
  filter: optional(text),
  run_view_type: optional(viewType),
  max_results: optional(count),
  order_by: list(text),
  ...page,
});

// What a run records

const point = {
  key: named,
  value: Type.Number({ description: 'also "NaN", "Infinity" and "-Infinity"' }),
  timestamp: milliseconds,
  step: optional(integer),
  model_id: optional(text),
  dataset_name: optional(text),
  dataset_digest: optional(text),
};
/** `run_id`: clients name the run of the batch once more. */
export const metricInput = Type.Object({ ...point, run_id: optional(text) });
export type MetricInput = Static<typeof metricInput>;
export const logMetric = Type.Object({ ...runReference, ...point });
export const paramInput = Type.Object({ key: named, value: optional(text) });
export const logParameter = Type.Object({ ...runReference, key: named, value: optional(text) });
export const logBatch = Type.Object({
  ...runReference,
  metrics: list(metricInput),
  params: list(paramInput),
  tags: list(keyValueInput),
});
export const setTag = Type.Object({ ...runReference, key: named, value: optional(text) });
export const deleteTag = Type.Object({ ...runReference, key: named });
export const logInputs = Type.Object({ ...runReference, datasets: list(datasetInput), models: list(modelInput) });
export const logOutputs = Type.Object({ ...runReference, models: list(modelOutput) });
export const logModel = Type.Object({ ...runReference, model_json: named });

// Histories

export const getHistory = Type.Object({
  ...runReference,
  metric_key: named,
  max_results: optional(count),
  ...page,
});
export const historyPage = Type.Object({ metrics: list(metric), next_page_token: optional(text) });
export const getHistoryBulk = Type.Object({
  run_id: optional(Type.Array(text)),
  metric_key: named,
  max_results: optional(count),
});
export const getHistoryInterval = Type.Object({
  run_ids: Type.Array(text),
  metric_key: named,
  start_step: optional(integer),
  end_step: optional(integer),
  max_results: optional(count),
});

// Artifacts

export const fileInfo = Type.Object({ path: text, is_dir: Type.Boolean(), file_size: optional(integer) });
export type FileInfo = Static<typeof fileInfo>;
export const listArtifacts = Type.Object({ ...runReference, path: optional(text), ...page });
export const artifactsPage = Type.Object({
  root_uri: text,
  files: list(fileInfo),
  next_page_token: optional(text),
});
export const listModelArtifacts = Type.Object({ artifact_directory_path: optional(text), ...page });
export const listProxied = Type.Object({ path: optional(text) });
export const proxiedList = Type.Object({ files: list(fileInfo) });

// Logged models

export const modelStatus = choice('LOGGED_MODEL_PENDING', 'LOGGED_MODEL_READY', 'LOGGED_MODEL_UPLOAD_FAILED');
export type ModelStatus = Static<typeof modelStatus>;
export const loggedModel = Type.Object({
  info: Type.Object({
    model_id: text,
    experiment_id: text,
    name: text,
    creation_timestamp_ms: milliseconds,
    last_updated_timestamp_ms: milliseconds,
    artifact_uri: text,
    status: modelStatus,
    model_type: optional(text),
    source_run_id: optional(text),
    tags: list(keyValue),
  }),
  data: Type.Object({ params: list(keyValue), metrics: list(metric) }),
});
export type LoggedModel = Static<typeof loggedModel>;
export const loggedModelAnswer = Type.Object({ model: loggedModel });
export const loggedModelsPage = Type.Object({ models: list(loggedModel), next_page_token: optional(text) });
export const createLoggedModel = Type.Object({
  experiment_id: named,
  name: optional(text),
  model_type: optional(text),
  source_run_id: optional(text),
  params: list(keyValueInput),
  tags: list(keyValueInput),
});
export const finalizeLoggedModel = Type.Object({ status: modelStatus });
export const setLoggedModelTags = Type.Object({ tags: list(keyValueInput) });
export const logModelParams = Type.Object({ params: list(keyValueInput) });
export const searchLoggedModels = Type.Object({
  experiment_ids: list(text),
  /** Models with a metric of any of these; conditions on metrics then look at their metrics alone. */
  datasets: list(Type.Object({ dataset_name: named, dataset_digest: optional(text) })),
  filter: optional(text),
  max_results: optional(count),
  order_by: list(
    Type.Object({
      field_name: named,
      ascending: optional(Type.Boolean()),
      dataset_name: optional(text),
      dataset_digest: optional(text),
    }),
  ),
  ...page,
});

/** Of Strongroom's own: what is deleted, and its removal for good. */
export const listDeleted = Type.Object({ older_than_ms: optional(milliseconds) });
export const deletedList = Type.Object({
  deleted: Type.Array(
    Type.Object({
      kind: Type.Union([Type.Literal('experiment'), Type.Literal('run'), Type.Literal('model')]),
      id: text,
      experiment_id: text,
      name: text,
      deleted_time: milliseconds,
    }),
  ),
});
export const purgeRun = Type.Object({ run_id: named });
export const purgeModel = Type.Object({ model_id: named });
/** How many files went. */
export const purged = Type.Object({ artifacts: count });

export const serverInfo = Type.Object({ store_type: text, workspaces_enabled: Type.Boolean() });
