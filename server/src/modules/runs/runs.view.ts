// Rows as MLflow's messages. Pure.

import type { Dataset, Experiment, Metric, Run, RunInfo } from '@strongroom/contract/runs';
import type { ExperimentRow, TagRow } from './experiments.store.ts';
import { shownValue } from './names.rules.ts';
import type { RunRow } from './runs.store.ts';

const stage = (row: { readonly deleted: number }) => (row.deleted === 1 ? 'deleted' : 'active');

/** Clients turn this scheme into the artifact routes of their own tracking URI. */
const artifactScheme = 'mlflow-artifacts:/';
export const artifactLocation = (experiment: number) => `${artifactScheme}${experiment}`;
export const runArtifactUri = (experiment: number, runId: string) =>
  `${artifactLocation(experiment)}/${runId}/artifacts`;
export const modelArtifactUri = (experiment: number, modelId: string) =>
  `${artifactLocation(experiment)}/models/${modelId}/artifacts`;

export const shownExperiment = (row: ExperimentRow, tags: readonly TagRow[]): Experiment => ({
  experiment_id: String(row.experiment),
  name: row.name,
  artifact_location: artifactLocation(row.experiment),
  lifecycle_stage: stage(row),
  creation_time: row.created_ms,
  last_update_time: row.updated_ms,
  ...(tags.length === 0 ? {} : { tags: tags.map(({ key, value }) => ({ key, value })) }),
});

export const shownInfo = (row: RunRow): RunInfo => ({
  run_id: row.run_id,
  run_uuid: row.run_id,
  run_name: row.name,
  experiment_id: String(row.experiment),
  user_id: row.user_id,
  status: row.status,
  start_time: row.start_ms,
  ...(row.end_ms === null ? {} : { end_time: row.end_ms }),
  artifact_uri: runArtifactUri(row.experiment, row.run_id),
  lifecycle_stage: stage(row),
});

export type MetricRow = {
  readonly key: string;
  readonly value: number;
  readonly nan: number;
  readonly timestamp_ms: number;
  readonly step: number;
};
export const shownMetric = (row: MetricRow): Metric => ({
  key: row.key,
  value: shownValue(row),
  timestamp: row.timestamp_ms,
  step: row.step,
});

/** What is logged to a run, beside its own row: in MLflow's words its data, its inputs and its outputs. */
export type RunData = {
  readonly metrics: readonly MetricRow[];
  readonly params: readonly TagRow[];
  readonly tags: readonly TagRow[];
  readonly datasets: readonly { readonly dataset: Dataset; readonly tags: readonly TagRow[] }[];
  readonly models: readonly { readonly model_id: string; readonly direction: string; readonly step: number }[];
};

export const noRunData: RunData = { metrics: [], params: [], tags: [], datasets: [], models: [] };

const pairs = (rows: readonly TagRow[]) => rows.map(({ key, value }) => ({ key, value }));

export function shownRun(row: RunRow, logged: RunData): Run {
  const inputs = logged.models.filter((model) => model.direction === 'input').map(({ model_id }) => ({ model_id }));
  const outputs = logged.models
    .filter((model) => model.direction === 'output')
    .map(({ model_id, step }) => ({ model_id, step }));
  return {
    info: shownInfo(row),
    data: {
      ...(logged.metrics.length === 0 ? {} : { metrics: logged.metrics.map(shownMetric) }),
      ...(logged.params.length === 0 ? {} : { params: pairs(logged.params) }),
      ...(logged.tags.length === 0 ? {} : { tags: pairs(logged.tags) }),
    },
    inputs: {
      ...(logged.datasets.length === 0
        ? {}
        : { dataset_inputs: logged.datasets.map(({ dataset, tags }) => ({ dataset, tags: pairs(tags) })) }),
      ...(inputs.length === 0 ? {} : { model_inputs: inputs }),
    },
    ...(outputs.length === 0 ? {} : { outputs: { model_outputs: outputs } }),
  };
}
