// Routes of the model registry. Registration, and every change of what a model is or where it stands, is recorded.

import * as wire from '@strongroom/contract/registered-models';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { nothing } from '@strongroom/contract/runs';
import type { TSchema } from '@strongroom/contract/schema';
import { activity, type Route, unrecorded } from '#kernel/http/route';
import { workspaceType } from '#workspaces';
import { nobodysRun } from '../bounds.rules.ts';
import { type Call, call } from '../call.routes.ts';
import { optionsOf, pageOf } from '../experiments.routes.ts';
import { refuseDeploymentJob } from './registered-names.rules.ts';
import type { Registry } from './registry.service.ts';

const models = actionsOfType(`${workspaceType}/models`);
const versions = actionsOfType(`${workspaceType}/models/versions`);
const reading = unrecorded(
  'names and numbers that every reader of the workspace sees; reads of the files are recorded',
);

const model = (registered_model: wire.RegisteredModel) => ({ registered_model });
const version = (model_version: wire.RegisteredVersion) => ({ model_version });
const done = async (doing: Promise<void>) => {
  await doing;
  return {};
};

/** The registry is the workspace's: no run's token reaches it. */
const registered = <const S extends TSchema>(spec: Omit<Call<S>, 'bounds'>): Route =>
  call({ ...spec, bounds: nobodysRun });

export function registryRoutes(registry: Registry): readonly Route[] {
  const latest = (method: 'GET' | 'POST', operation: string) =>
    registered({
      operation,
      method,
      path: '/registered-models/get-latest-versions',
      summary: 'Reads the highest version of each stage',
      action: versions.read,
      ...(method === 'POST' ? { goesOnWhenLow: 'it stores nothing' } : {}),
      audit: reading,
      request: wire.latestOf,
      response: wire.latestVersions,
      handle: async (grant, id, { name, stages = [] }) =>
        pageOf('model_versions', { items: await registry.latestVersions(grant, id, name, stages) }),
    });
  return [
    registered({
      operation: 'CreateRegisteredModel',
      method: 'POST',
      path: '/registered-models/create',
      summary: 'Creates a registered model',
      action: models.write,
      audit: activity('workspaceName', 'name'),
      request: wire.createModel,
      response: wire.modelAnswer,
      handle: async (grant, id, { name, deployment_job_id, ...described }) => {
        refuseDeploymentJob(deployment_job_id);
        return model(await registry.createModel(grant, id, name, described));
      },
    }),
    registered({
      operation: 'GetRegisteredModel',
      method: 'GET',
      path: '/registered-models/get',
      summary: 'Reads a registered model',
      action: models.read,
      audit: reading,
      request: wire.modelByName,
      response: wire.modelAnswer,
      handle: async (grant, id, { name }) => model(await registry.getModel(grant, id, name)),
    }),
    registered({
      operation: 'RenameRegisteredModel',
      method: 'POST',
      path: '/registered-models/rename',
      summary: 'Refused: a registered model keeps its name',
      action: models.write,
      audit: activity('workspaceName', 'name'),
      request: wire.renameModel,
      response: wire.modelAnswer,
      handle: (grant, id, { name }) => registry.renameModel(grant, id, name),
    }),
    registered({
      operation: 'UpdateRegisteredModel',
      method: 'PATCH',
      path: '/registered-models/update',
      summary: 'Describes a registered model',
      action: models.write,
      audit: activity('workspaceName', 'name'),
      request: wire.updateModel,
      response: wire.modelAnswer,
      handle: async (grant, id, { name, description = '', deployment_job_id }) => {
        refuseDeploymentJob(deployment_job_id);
        return model(await registry.describeModel(grant, id, name, description));
      },
    }),
    registered({
      operation: 'DeleteRegisteredModel',
      method: 'DELETE',
      path: '/registered-models/delete',
      summary: 'Deletes a registered model with its versions',
      action: models.remove,
      audit: activity('workspaceName', 'name'),
      request: wire.modelByName,
      response: nothing,
      handle: async (grant, id, { name }) => done(registry.removeModel(grant, id, name)),
    }),
    registered({
      operation: 'SearchRegisteredModels',
      method: 'GET',
      path: '/registered-models/search',
      summary: 'Searches registered models',
      action: models.read,
      audit: reading,
      request: wire.searchModels,
      response: wire.modelsPage,
      handle: async (grant, id, message) =>
        pageOf('registered_models', await registry.searchModels(grant, id, optionsOf(message))),
    }),
    latest('GET', 'GetLatestVersions'),
    latest('POST', 'GetLatestVersionsByBody'),
    registered({
      operation: 'SetRegisteredModelTag',
      method: 'POST',
      path: '/registered-models/set-tag',
      summary: 'Sets a tag of a registered model',
      action: models.write,
      audit: activity('workspaceName', 'name', 'key'),
      request: wire.setModelTag,
      response: nothing,
      handle: async (grant, id, { name, ...tag }) => done(registry.setModelTag(grant, id, name, tag)),
    }),
    registered({
      operation: 'DeleteRegisteredModelTag',
      method: 'DELETE',
      path: '/registered-models/delete-tag',
      summary: 'Removes a tag of a registered model',
      action: models.write,
      audit: activity('workspaceName', 'name', 'key'),
      request: wire.deleteModelTag,
      response: nothing,
      handle: async (grant, id, { name, key }) => done(registry.removeModelTag(grant, id, name, key)),
    }),
    registered({
      operation: 'SetRegisteredModelAlias',
      method: 'POST',
      path: '/registered-models/alias',
      summary: 'Points an alias to a version',
      action: models.write,
      audit: activity('workspaceName', 'name', 'alias', 'version'),
      request: wire.setAlias,
      response: nothing,
      handle: async (grant, id, { name, alias, version }) => done(registry.setAlias(grant, id, name, alias, version)),
    }),
    registered({
      operation: 'DeleteRegisteredModelAlias',
      method: 'DELETE',
      path: '/registered-models/alias',
      summary: 'Removes an alias',
      action: models.write,
      audit: activity('workspaceName', 'name', 'alias'),
      request: wire.aliasOf,
      response: nothing,
      handle: async (grant, id, { name, alias }) => done(registry.removeAlias(grant, id, name, alias)),
    }),
    registered({
      operation: 'GetModelVersionByAlias',
      method: 'GET',
      path: '/registered-models/alias',
      summary: 'Reads the version that an alias points to',
      action: versions.read,
      audit: reading,
      request: wire.aliasOf,
      response: wire.versionAnswer,
      handle: async (grant, id, { name, alias }) => version(await registry.versionByAlias(grant, id, name, alias)),
    }),
    registered({
      operation: 'CreateModelVersion',
      method: 'POST',
      path: '/model-versions/create',
      summary: 'Registers a version, with a copy of its files',
      action: versions.write,
      audit: activity('workspaceName', 'name', 'source', 'run_id'),
      request: wire.createVersion,
      response: wire.versionAnswer,
      handle: async (grant, id, { name, source, run_id, run_link, model_id, ...described }) =>
        version(
          await registry.createVersion(grant, id, name, {
            ...described,
            source,
            ...(run_id === undefined ? {} : { runId: run_id }),
            ...(run_link === undefined ? {} : { runLink: run_link }),
            ...(model_id === undefined ? {} : { modelId: model_id }),
          }),
        ),
    }),
    registered({
      operation: 'GetModelVersion',
      method: 'GET',
      path: '/model-versions/get',
      summary: 'Reads a version',
      action: versions.read,
      audit: reading,
      request: wire.versionByNumber,
      response: wire.versionAnswer,
      handle: async (grant, id, message) =>
        version(await registry.getVersion(grant, id, message.name, message.version)),
    }),
    registered({
      operation: 'UpdateModelVersion',
      method: 'PATCH',
      path: '/model-versions/update',
      summary: 'Describes a version',
      action: versions.write,
      audit: activity('workspaceName', 'name', 'version'),
      request: wire.updateVersion,
      response: wire.versionAnswer,
      handle: async (grant, id, { description = '', ...of }) =>
        version(await registry.describeVersion(grant, id, of.name, of.version, description)),
    }),
    registered({
      operation: 'TransitionModelVersionStage',
      method: 'POST',
      path: '/model-versions/transition-stage',
      summary: 'Moves a version to a stage',
      action: versions.write,
      goesOnWhenLow: 'it marks what is there',
      audit: activity('workspaceName', 'name', 'version', 'stage'),
      request: wire.transitionStage,
      response: wire.versionAnswer,
      handle: async (grant, id, { stage, archive_existing_versions: archiveExisting = false, ...of }) =>
        version(await registry.transition(grant, id, of.name, of.version, { stage, archiveExisting })),
    }),
    registered({
      operation: 'DeleteModelVersion',
      method: 'DELETE',
      path: '/model-versions/delete',
      summary: 'Deletes a version',
      action: versions.remove,
      audit: activity('workspaceName', 'name', 'version'),
      request: wire.versionByNumber,
      response: nothing,
      handle: async (grant, id, message) => done(registry.removeVersion(grant, id, message.name, message.version)),
    }),
    registered({
      operation: 'SearchModelVersions',
      method: 'GET',
      path: '/model-versions/search',
      summary: 'Searches versions',
      action: versions.read,
      audit: reading,
      request: wire.searchModels,
      response: wire.versionsPage,
      handle: async (grant, id, message) =>
        pageOf('model_versions', await registry.searchVersions(grant, id, optionsOf(message))),
    }),
    registered({
      operation: 'GetModelVersionDownloadUri',
      method: 'GET',
      path: '/model-versions/get-download-uri',
      summary: 'Says where the files of a version are read',
      action: versions.read,
      audit: reading,
      request: wire.versionByNumber,
      response: wire.downloadUri,
      handle: async (grant, id, message) => ({
        artifact_uri: await registry.downloadUri(grant, id, message.name, message.version),
      }),
    }),
    registered({
      operation: 'SetModelVersionTag',
      method: 'POST',
      path: '/model-versions/set-tag',
      summary: 'Sets a tag of a version',
      action: versions.write,
      audit: activity('workspaceName', 'name', 'version', 'key'),
      request: wire.setVersionTag,
      response: nothing,
      handle: async (grant, id, { name, version: number, ...tag }) =>
        done(registry.setVersionTag(grant, id, name, number, tag)),
    }),
    registered({
      operation: 'DeleteModelVersionTag',
      method: 'DELETE',
      path: '/model-versions/delete-tag',
      summary: 'Removes a tag of a version',
      action: versions.write,
      audit: activity('workspaceName', 'name', 'version', 'key'),
      request: wire.deleteVersionTag,
      response: nothing,
      handle: async (grant, id, message) =>
        done(registry.removeVersionTag(grant, id, message.name, message.version, message.key)),
    }),
  ];
}
