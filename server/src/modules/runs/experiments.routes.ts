// Routes of experiments.

import * as wire from '@strongroom/contract/runs';
import { runsActions } from '@strongroom/contract/runs.actions';
import { activity, type Route, unrecorded } from '#kernel/http/route';
import { experimentScope, nobodysRun, ownExperiment } from './bounds.rules.ts';
import { call } from './call.routes.ts';
import type { Experiments } from './experiments.service.ts';
import { experimentNumber } from './names.rules.ts';
import type { Search, SearchInput } from './search/search.service.ts';

const { readExperiments, writeExperiments, deleteExperiments } = runsActions;
const reading = unrecorded('names and numbers that every reader of the workspace sees, asked for many times a second');

export const optionsOf = (message: {
  readonly filter?: string;
  readonly max_results?: number;
  readonly order_by?: readonly string[];
  readonly page_token?: string;
}): SearchInput => ({
  ...(message.filter === undefined ? {} : { filter: message.filter }),
  ...(message.max_results === undefined ? {} : { maxResults: message.max_results }),
  ...(message.order_by === undefined ? {} : { orderBy: message.order_by }),
  ...(message.page_token === undefined ? {} : { pageToken: message.page_token }),
});

export const pageOf = <R>(name: string, found: { readonly items: readonly R[]; readonly nextPageToken?: string }) => ({
  ...(found.items.length === 0 ? {} : { [name]: found.items }),
  ...(found.nextPageToken === undefined ? {} : { next_page_token: found.nextPageToken }),
});

export function experimentRoutes(experiments: Experiments, search: Search): readonly Route[] {
  const searching = (method: 'GET' | 'POST', operation: string) =>
    call({
      operation,
      method,
      path: '/experiments/search',
      summary: 'Searches experiments',
      action: readExperiments,
      ...(method === 'POST' ? { goesOnWhenLow: 'it stores nothing' } : {}),
      audit: reading,
      bounds: ownExperiment,
      request: wire.searchExperiments,
      response: wire.experimentsPage,
      handle: async (grant, workspaceId, message) => {
        const view = message.view_type === undefined ? {} : { view: message.view_type };
        return pageOf('experiments', await search.experiments(grant, workspaceId, { ...optionsOf(message), ...view }));
      },
    });
  return [
    call({
      operation: 'CreateExperiment',
      method: 'POST',
      path: '/experiments/create',
      summary: 'Creates an experiment',
      action: writeExperiments,
      audit: activity('workspaceName', 'name'),
      bounds: nobodysRun,
      request: wire.createExperiment,
      response: wire.createdExperiment,
      handle: async (grant, workspaceId, message) => ({
        experiment_id: await experiments.create(grant, workspaceId, message),
      }),
    }),
    call({
      operation: 'GetExperiment',
      method: 'GET',
      path: '/experiments/get',
      summary: 'Reads an experiment',
      action: readExperiments,
      audit: reading,
      bounds: ({ experiment_id }, { workspaceId }) => [experimentScope(workspaceId, experimentNumber(experiment_id))],
      request: wire.experimentById,
      response: wire.experimentAnswer,
      handle: async (grant, workspaceId, { experiment_id }) => ({
        experiment: await experiments.get(grant, workspaceId, experiment_id),
      }),
    }),
    call({
      operation: 'GetExperimentByName',
      method: 'GET',
      path: '/experiments/get-by-name',
      summary: 'Reads an experiment by its name',
      action: readExperiments,
      audit: reading,
      bounds: async ({ experiment_name }, { grant, workspaceId }) => {
        const id = await experiments.idOf(grant, workspaceId, experiment_name);
        return id === undefined ? [] : [experimentScope(workspaceId, id)];
      },
      request: wire.experimentByName,
      response: wire.experimentAnswer,
      handle: async (grant, workspaceId, { experiment_name }) => ({
        experiment: await experiments.getByName(grant, workspaceId, experiment_name),
      }),
    }),
    searching('POST', 'SearchExperiments'),
    searching('GET', 'SearchExperimentsByQuery'),
    call({
      operation: 'UpdateExperiment',
      method: 'POST',
      path: '/experiments/update',
      summary: 'Renames an experiment',
      action: writeExperiments,
      audit: activity('workspaceName', 'experiment_id', 'new_name'),
      bounds: nobodysRun,
      request: wire.updateExperiment,
      response: wire.nothing,
      handle: async (grant, workspaceId, { experiment_id, new_name }) => {
        if (new_name !== undefined) await experiments.rename(grant, workspaceId, experiment_id, new_name);
        return {};
      },
    }),
    call({
      operation: 'DeleteExperiment',
      method: 'POST',
      path: '/experiments/delete',
      summary: 'Deletes an experiment and its runs, softly',
      action: deleteExperiments,
      goesOnWhenLow: 'it marks what is there',
      audit: activity('workspaceName', 'experiment_id'),
      bounds: nobodysRun,
      request: wire.experimentById,
      response: wire.nothing,
      handle: async (grant, workspaceId, { experiment_id }) => {
        await experiments.remove(grant, workspaceId, experiment_id);
        return {};
      },
    }),
    call({
      operation: 'RestoreExperiment',
      method: 'POST',
      path: '/experiments/restore',
      summary: 'Restores an experiment and its runs',
      action: writeExperiments,
      goesOnWhenLow: 'it marks what is there',
      audit: activity('workspaceName', 'experiment_id'),
      bounds: nobodysRun,
      request: wire.experimentById,
      response: wire.nothing,
      handle: async (grant, workspaceId, { experiment_id }) => {
        await experiments.restore(grant, workspaceId, experiment_id);
        return {};
      },
    }),
    call({
      operation: 'SetExperimentTag',
      method: 'POST',
      path: '/experiments/set-experiment-tag',
      summary: 'Sets a tag of an experiment',
      action: writeExperiments,
      audit: activity('workspaceName', 'experiment_id', 'key'),
      bounds: nobodysRun,
      request: wire.setExperimentTag,
      response: wire.nothing,
      handle: async (grant, workspaceId, { experiment_id, key, value }) => {
        await experiments.setTag(grant, workspaceId, experiment_id, { key, value });
        return {};
      },
    }),
    call({
      operation: 'DeleteExperimentTag',
      method: 'POST',
      path: '/experiments/delete-experiment-tag',
      summary: 'Removes a tag of an experiment',
      action: writeExperiments,
      goesOnWhenLow: 'it takes away',
      audit: activity('workspaceName', 'experiment_id', 'key'),
      bounds: nobodysRun,
      request: wire.deleteExperimentTag,
      response: wire.nothing,
      handle: async (grant, workspaceId, { experiment_id, key }) => {
        await experiments.removeTag(grant, workspaceId, experiment_id, key);
        return {};
      },
    }),
  ];
}
