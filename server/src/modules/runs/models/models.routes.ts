// Routes of logged models.

import * as wire from '@strongroom/contract/runs';
import { runsActions } from '@strongroom/contract/runs.actions';
import type { TSchema } from '@strongroom/contract/schema';
import { activity, type Route, unrecorded } from '#kernel/http/route';
import { experimentScope, nobodysRun, ownRun, runScope } from '../bounds.rules.ts';
import { call, type NamedIn } from '../call.routes.ts';
import { pageOf } from '../experiments.routes.ts';
import { experimentNumber, requireRunId } from '../names.rules.ts';
import { denied, invalid } from '../runs.errors.ts';
import type { Models } from './models.service.ts';

const { readRuns, writeRuns } = runsActions;
const reading = unrecorded(
  'names and numbers that every reader of the workspace sees; reads of the files are recorded',
);
/** What MLflow 3 sends where a script logs a model and has begun no run. */
const withoutRun =
  'The token of a run makes models of that run alone, and this one is of none. ' +
  'Call log_model() within `with mlflow.start_run():`, which in a job goes on with the run of the job.';
const one = '/logged-models/{modelId}';

/** MLflow's clients send an empty text for what is not there. */
function datasetOf(name: string | undefined, digest: string | undefined) {
  if (name) return { name, digest: digest || undefined };
  if (digest) throw invalid('dataset_digest goes only with dataset_name. Name the dataset as well.', 'order_by');
  return undefined;
}

export function modelRoutes(models: Models): readonly Route[] {
  /** A run's token may use what its own run made. */
  const ofModel: NamedIn<TSchema> = (_message, { grant, workspaceId, params: { modelId = '' } }) =>
    models.madeBy(grant, workspaceId, modelId);
  return [
    call({
      operation: 'CreateLoggedModel',
      method: 'POST',
      path: '/logged-models',
      summary: 'Creates a logged model, pending',
      action: writeRuns,
      audit: activity('workspaceName', 'experiment_id', 'name', 'source_run_id'),
      // Asked only of who is bounded: of a run.
      bounds: ({ experiment_id, source_run_id }, { workspaceId }) => {
        const experiment = experimentNumber(experiment_id);
        if (!source_run_id) throw denied(withoutRun);
        requireRunId(source_run_id, 'source_run_id');
        return [runScope(workspaceId, source_run_id), experimentScope(workspaceId, experiment)];
      },
      request: wire.createLoggedModel,
      response: wire.loggedModelAnswer,
      handle: async (grant, workspaceId, message) => ({
        model: await models.create(grant, workspaceId, {
          experimentId: message.experiment_id,
          ...(message.name === undefined ? {} : { name: message.name }),
          ...(message.model_type === undefined ? {} : { modelType: message.model_type }),
          ...(message.source_run_id === undefined ? {} : { sourceRunId: message.source_run_id }),
          ...(message.params === undefined ? {} : { params: message.params }),
          ...(message.tags === undefined ? {} : { tags: message.tags }),
        }),
      }),
    }),
    call({
      operation: 'SearchLoggedModels',
      method: 'POST',
      path: '/logged-models/search',
      summary: 'Searches logged models',
      action: readRuns,
      goesOnWhenLow: 'it stores nothing',
      audit: reading,
      bounds: ownRun,
      request: wire.searchLoggedModels,
      response: wire.loggedModelsPage,
      handle: async (grant, workspaceId, message) =>
        pageOf(
          'models',
          await models.search(grant, workspaceId, {
            experimentIds: message.experiment_ids ?? [],
            ...(message.filter === undefined ? {} : { filter: message.filter }),
            datasets: (message.datasets ?? []).map(({ dataset_name, dataset_digest }) => ({
              name: dataset_name,
              digest: dataset_digest,
            })),
            ...(message.max_results === undefined ? {} : { maxResults: message.max_results }),
            ...(message.page_token === undefined ? {} : { pageToken: message.page_token }),
            ...(message.order_by === undefined
              ? {}
              : {
                  orderBy: message.order_by.map(({ field_name, ascending = true, dataset_name, dataset_digest }) => ({
                    field: field_name,
                    ascending,
                    dataset: datasetOf(dataset_name, dataset_digest),
                  })),
                }),
          }),
        ),
    }),
    call({
      operation: 'GetLoggedModel',
      method: 'GET',
      path: one,
      summary: 'Reads a logged model',
      action: readRuns,
      audit: reading,
      bounds: ofModel,
      request: wire.nothing,
      response: wire.loggedModelAnswer,
      handle: async (grant, workspaceId, _message, { modelId = '' }) => ({
        model: await models.get(grant, workspaceId, modelId),
      }),
    }),
    call({
      operation: 'FinalizeLoggedModel',
      method: 'PATCH',
      path: one,
      summary: 'Says whether the files of a logged model are complete',
      action: writeRuns,
      goesOnWhenLow: 'it marks what is there',
      audit: activity('workspaceName', 'modelId', 'status'),
      bounds: ofModel,
      request: wire.finalizeLoggedModel,
      response: wire.loggedModelAnswer,
      handle: async (grant, workspaceId, { status }, { modelId = '' }) => ({
        model: await models.finalize(grant, workspaceId, modelId, status),
      }),
    }),
    call({
      operation: 'DeleteLoggedModel',
      method: 'DELETE',
      path: one,
      summary: 'Deletes a logged model, softly',
      action: writeRuns,
      audit: activity('workspaceName', 'modelId'),
      bounds: nobodysRun,
      request: wire.nothing,
      response: wire.nothing,
      handle: async (grant, workspaceId, _message, { modelId = '' }) => {
        await models.remove(grant, workspaceId, modelId);
        return {};
      },
    }),
    call({
      operation: 'SetLoggedModelTags',
      method: 'PATCH',
      path: `${one}/tags`,
      summary: 'Sets tags of a logged model',
      action: writeRuns,
      audit: activity('workspaceName', 'modelId'),
      bounds: ofModel,
      request: wire.setLoggedModelTags,
      response: wire.loggedModelAnswer,
      handle: async (grant, workspaceId, { tags = [] }, { modelId = '' }) => ({
        model: await models.setTags(grant, workspaceId, modelId, tags),
      }),
    }),
    call({
      operation: 'DeleteLoggedModelTag',
      method: 'DELETE',
      path: `${one}/tags/{tagKey+}`,
      summary: 'Removes a tag of a logged model',
      action: writeRuns,
      audit: activity('workspaceName', 'modelId', 'tagKey'),
      bounds: ofModel,
      request: wire.nothing,
      response: wire.nothing,
      handle: async (grant, workspaceId, _message, { modelId = '', tagKey = '' }) => {
        await models.removeTag(grant, workspaceId, modelId, tagKey);
        return {};
      },
    }),
    call({
      operation: 'LogLoggedModelParams',
      method: 'POST',
      path: `${one}/params`,
      summary: 'Adds params to a logged model, each once',
      action: writeRuns,
      audit: activity('workspaceName', 'modelId'),
      bounds: ofModel,
      request: wire.logModelParams,
      response: wire.nothing,
      handle: async (grant, workspaceId, { params = [] }, { modelId = '' }) => {
        await models.addParams(grant, workspaceId, modelId, params);
        return {};
      },
    }),
  ];
}
