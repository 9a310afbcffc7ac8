// Wire shapes of MLflow's model registry: registered models and their versions, which are the model containers and model
// versions of the workspace. Source: MLflow 3 REST API, model_registry.proto; read by the rules of `runs.ts`.

import { count, keyValueInput, list, milliseconds, named, optional, page, text } from './mlflow.fields.ts';
import { keyValue } from './runs.ts';
import { type Static, Type } from './schema.ts';

export const registeredVersion = Type.Object({
  name: text,
  /** A whole number, as text. */
  version: text,
  creation_timestamp: milliseconds,
  last_updated_timestamp: milliseconds,
  user_id: optional(text),
  current_stage: text,
  description: text,
  source: text,
  run_id: text,
  run_link: optional(text),
  model_id: optional(text),
  status: Type.Literal('READY'),
  tags: list(keyValue),
  aliases: list(text),
});
export type RegisteredVersion = Static<typeof registeredVersion>;

export const registeredModel = Type.Object({
  name: text,
  creation_timestamp: milliseconds,
  last_updated_timestamp: milliseconds,
  user_id: optional(text),
  description: text,
  /** The highest version of each stage. */
  latest_versions: list(registeredVersion),
  tags: list(keyValue),
  aliases: list(Type.Object({ alias: text, version: text })),
});
export type RegisteredModel = Static<typeof registeredModel>;

export const modelAnswer = Type.Object({ registered_model: registeredModel });
export const versionAnswer = Type.Object({ model_version: registeredVersion });
export const modelsPage = Type.Object({ registered_models: list(registeredModel), next_page_token: optional(text) });
export const versionsPage = Type.Object({ model_versions: list(registeredVersion), next_page_token: optional(text) });
export const latestVersions = Type.Object({ model_versions: list(registeredVersion) });
export const downloadUri = Type.Object({ artifact_uri: text });

/** Databricks's: what it would run at each new version. Known, so that it is refused and not passed over. */
const deploymentJob = { deployment_job_id: optional(text) };

export const createModel = Type.Object({
  name: named,
  tags: list(keyValueInput),
  description: optional(text),
  ...deploymentJob,
});
export const renameModel = Type.Object({ name: named, new_name: optional(text) });
export const updateModel = Type.Object({ name: named, description: optional(text), ...deploymentJob });
export const modelByName = Type.Object({ name: named });
export const searchModels = Type.Object({
  filter: optional(text),
  max_results: optional(count),
  order_by: list(text),
  ...page,
});
export const latestOf = Type.Object({ name: named, stages: list(text) });
export const setModelTag = Type.Object({ name: named, key: named, value: optional(text) });
export const deleteModelTag = Type.Object({ name: named, key: named });
export const setAlias = Type.Object({ name: named, alias: named, version: named });
export const aliasOf = Type.Object({ name: named, alias: named });

export const createVersion = Type.Object({
  name: named,
  source: named,
  run_id: optional(text),
  run_link: optional(text),
  model_id: optional(text),
  tags: list(keyValueInput),
  description: optional(text),
});
export const versionByNumber = Type.Object({ name: named, version: named });
export const updateVersion = Type.Object({ name: named, version: named, description: optional(text) });
export const transitionStage = Type.Object({
  name: named,
  version: named,
  stage: named,
  archive_existing_versions: optional(Type.Boolean()),
});
export const setVersionTag = Type.Object({ name: named, version: named, key: named, value: optional(text) });
export const deleteVersionTag = Type.Object({ name: named, version: named, key: named });
