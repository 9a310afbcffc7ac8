// Routes of runs and of what they record. What a run appends is not recorded call by call: a training loop makes thousands
// of them, the points are their own history, and who made the run is recorded. Refusals are recorded like any other.

import * as wire from '@strongroom/contract/runs';
import { runsActions } from '@strongroom/contract/runs.actions';
import { activity, type Route, unrecorded } from '#kernel/http/route';
import { nobodysRun, ownRun, runScope } from './bounds.rules.ts';
import { call, ofRun, runIdOf } from './call.routes.ts';
import { optionsOf, pageOf } from './experiments.routes.ts';
import { type History, requireBulk, requireInterval } from './history.service.ts';
import type { Inputs } from './inputs.service.ts';
import type { Logging } from './logging.service.ts';
import type { RunsService } from './runs.service.ts';
import type { Search } from './search/search.service.ts';

const { readRuns, writeRuns, writeMetrics } = runsActions;
const reading = unrecorded('names and numbers that every reader of the workspace sees, asked for many times a second');
const appending = unrecorded('a training loop makes thousands of these; the making of the run is recorded');

export function runRoutes(runs: RunsService, search: Search): readonly Route[] {
  return [
    call({
      operation: 'CreateRun',
      method: 'POST',
      path: '/runs/create',
      summary: 'Creates a run',
      action: writeRuns,
      audit: activity('workspaceName', 'experiment_id', 'run_name'),
      bounds: nobodysRun,
      request: wire.createRun,
      response: wire.runAnswer,
      handle: async (grant, workspaceId, message) => ({
        run: await runs.create(grant, workspaceId, {
          experimentId: message.experiment_id,
          ...(message.run_name === undefined ? {} : { runName: message.run_name }),
          // Absent and zero mean the same on this wire.
          ...(message.start_time ? { startTime: message.start_time } : {}),
          ...(message.tags === undefined ? {} : { tags: message.tags }),
        }),
      }),
    }),
    call({
      operation: 'GetRun',
      method: 'GET',
      path: '/runs/get',
      summary: 'Reads a run with its latest metrics, params and tags',
      action: readRuns,
      audit: reading,
      bounds: ofRun,
      request: wire.runById,
      response: wire.runAnswer,
      handle: async (grant, workspaceId, message) => ({ run: await runs.get(grant, workspaceId, runIdOf(message)) }),
    }),
    call({
      operation: 'UpdateRun',
      method: 'POST',
      path: '/runs/update',
      summary: 'Changes the status, the end or the name of a run',
      action: writeRuns,
      goesOnWhenLow: 'it marks what is there: a run must come to its end',
      audit: activity('workspaceName', 'run_id', 'status', 'run_name'),
      bounds: ofRun,
      request: wire.updateRun,
      response: wire.runInfoAnswer,
      handle: async (grant, workspaceId, message) => ({
        run_info: await runs.update(grant, workspaceId, runIdOf(message), {
          ...(message.status === undefined ? {} : { status: message.status }),
          ...(message.end_time ? { endTime: message.end_time } : {}),
          ...(message.run_name === undefined ? {} : { runName: message.run_name }),
        }),
      }),
    }),
    call({
      operation: 'DeleteRun',
      method: 'POST',
      path: '/runs/delete',
      summary: 'Deletes a run, softly',
      action: writeRuns,
      goesOnWhenLow: 'it marks what is there',
      audit: activity('workspaceName', 'run_id'),
      bounds: nobodysRun,
      request: wire.runById,
      response: wire.nothing,
      handle: async (grant, workspaceId, message) => {
        await runs.remove(grant, workspaceId, runIdOf(message));
        return {};
      },
    }),
    call({
      operation: 'RestoreRun',
      method: 'POST',
      path: '/runs/restore',
      summary: 'Restores a run',
      action: writeRuns,
      goesOnWhenLow: 'it marks what is there',
      audit: activity('workspaceName', 'run_id'),
      bounds: nobodysRun,
      request: wire.runById,
      response: wire.nothing,
      handle: async (grant, workspaceId, message) => {
        await runs.restore(grant, workspaceId, runIdOf(message));
        return {};
      },
    }),
    call({
      operation: 'SearchRuns',
      method: 'POST',
      path: '/runs/search',
      summary: 'Searches runs',
      action: readRuns,
      goesOnWhenLow: 'it stores nothing',
      audit: reading,
      bounds: ownRun,
      request: wire.searchRuns,
      response: wire.runsPage,
      handle: async (grant, workspaceId, message) => {
        const view = message.run_view_type === undefined ? {} : { view: message.run_view_type };
        const experimentIds = message.experiment_ids ?? [];
        return pageOf('runs', await search.runs(grant, workspaceId, { ...optionsOf(message), ...view, experimentIds }));
      },
    }),
    call({
      operation: 'SearchDatasets',
      method: 'POST',
      path: '/experiments/search-datasets',
      summary: 'Lists the datasets that runs of experiments used',
      action: readRuns,
      goesOnWhenLow: 'it stores nothing',
      audit: reading,
      bounds: ownRun,
      request: wire.searchDatasets,
      response: wire.datasetSummaries,
      handle: async (grant, workspaceId, { experiment_ids = [] }) =>
        pageOf('dataset_summaries', { items: await search.datasets(grant, workspaceId, experiment_ids) }),
    }),
    call({
      operation: 'DeleteTag',
      method: 'POST',
      path: '/runs/delete-tag',
      summary: 'Removes a tag of a run',
      action: writeRuns,
      goesOnWhenLow: 'it takes away',
      audit: appending,
      bounds: ofRun,
      request: wire.deleteTag,
      response: wire.nothing,
      handle: async (grant, workspaceId, message) => {
        await runs.removeTag(grant, workspaceId, runIdOf(message), message.key);
        return {};
      },
    }),
  ];
}

const batchBytesMax = 8 * 1024 * 1024;
const inputBytesMax = 32 * 1024 * 1024;

export function loggingRoutes(logging: Logging, inputs: Inputs): readonly Route[] {
  return [
    call({
      operation: 'LogMetric',
      method: 'POST',
      path: '/runs/log-metric',
      summary: 'Appends a point to a metric',
      action: writeMetrics,
      audit: appending,
      bounds: ofRun,
      request: wire.logMetric,
      response: wire.nothing,
      handle: async (grant, workspaceId, message) => {
        await logging.metric(grant, workspaceId, runIdOf(message), message);
        return {};
      },
    }),
    call({
      operation: 'LogParam',
      method: 'POST',
      path: '/runs/log-parameter',
      summary: 'Writes a param, once',
      action: writeRuns,
      audit: appending,
      bounds: ofRun,
      request: wire.logParameter,
      response: wire.nothing,
      handle: async (grant, workspaceId, message) => {
        await logging.param(grant, workspaceId, runIdOf(message), message);
        return {};
      },
    }),
    call({
      operation: 'LogBatch',
      method: 'POST',
      path: '/runs/log-batch',
      summary: 'Writes metrics, params and tags, all of them or none',
      action: writeRuns,
      audit: appending,
      bounds: ofRun,
      request: wire.logBatch,
      response: wire.nothing,
      maxBytes: batchBytesMax,
      handle: async (grant, workspaceId, message) => {
        await logging.batch(grant, workspaceId, runIdOf(message), message);
        return {};
      },
    }),
    call({
      operation: 'SetTag',
      method: 'POST',
      path: '/runs/set-tag',
      summary: 'Sets a tag of a run',
      action: writeRuns,
      audit: appending,
      bounds: ofRun,
      request: wire.setTag,
      response: wire.nothing,
      handle: async (grant, workspaceId, message) => {
        await logging.tag(grant, workspaceId, runIdOf(message), message);
        return {};
      },
    }),
    call({
      operation: 'LogInputs',
      method: 'POST',
      path: '/runs/log-inputs',
      summary: 'Ties datasets and models to a run as its inputs',
      action: writeRuns,
      audit: appending,
      bounds: ofRun,
      request: wire.logInputs,
      response: wire.nothing,
      maxBytes: inputBytesMax,
      handle: async (grant, workspaceId, message) => {
        await inputs.log(grant, workspaceId, runIdOf(message), message);
        return {};
      },
    }),
    call({
      operation: 'LogOutputs',
      method: 'POST',
      path: '/runs/outputs',
      summary: 'Ties models to a run as its outputs',
      action: writeRuns,
      audit: appending,
      bounds: ofRun,
      request: wire.logOutputs,
      response: wire.nothing,
      handle: async (grant, workspaceId, message) => {
        await inputs.logOutputs(grant, workspaceId, runIdOf(message), message.models ?? []);
        return {};
      },
    }),
    call({
      operation: 'LogModel',
      method: 'POST',
      path: '/runs/log-model',
      summary: 'Notes a model in the tag of older clients',
      action: writeRuns,
      audit: appending,
      bounds: ofRun,
      request: wire.logModel,
      response: wire.nothing,
      handle: async (grant, workspaceId, message) => {
        await logging.model(grant, workspaceId, runIdOf(message), message.model_json);
        return {};
      },
    }),
  ];
}

export function historyRoutes(history: History): readonly Route[] {
  return [
    call({
      operation: 'GetMetricHistory',
      method: 'GET',
      path: '/metrics/get-history',
      summary: 'Reads every point of a metric of a run, page by page',
      action: readRuns,
      audit: reading,
      bounds: ofRun,
      request: wire.getHistory,
      response: wire.historyPage,
      handle: async (grant, workspaceId, message) => {
        const { metrics, nextPageToken } = await history.get(grant, workspaceId, {
          runId: runIdOf(message),
          key: message.metric_key,
          ...(message.max_results === undefined ? {} : { maxResults: message.max_results }),
          ...(message.page_token === undefined ? {} : { pageToken: message.page_token }),
        });
        return pageOf('metrics', { items: metrics, ...(nextPageToken === undefined ? {} : { nextPageToken }) });
      },
    }),
    call({
      operation: 'GetMetricHistoryBulk',
      method: 'GET',
      path: '/metrics/get-history-bulk',
      summary: 'Reads the points of a metric of several runs',
      action: readRuns,
      audit: reading,
      bounds: ({ run_id = [] }, { workspaceId }) => {
        requireBulk(run_id);
        return run_id.map((runId) => runScope(workspaceId, runId));
      },
      request: wire.getHistoryBulk,
      response: wire.historyPage,
      handle: async (grant, workspaceId, message) => ({
        metrics: await history.bulk(grant, workspaceId, {
          runIds: message.run_id ?? [],
          key: message.metric_key,
          ...(message.max_results === undefined ? {} : { maxResults: message.max_results }),
        }),
      }),
    }),
    call({
      operation: 'GetMetricHistoryInterval',
      method: 'GET',
      path: '/metrics/get-history-bulk-interval',
      summary: 'Reads points of a metric of several runs at evenly spread steps, for a chart',
      action: readRuns,
      audit: reading,
      bounds: ({ run_ids }, { workspaceId }) => {
        requireInterval(run_ids);
        return run_ids.map((runId) => runScope(workspaceId, runId));
      },
      request: wire.getHistoryInterval,
      response: wire.historyPage,
      handle: async (grant, workspaceId, message) => ({
        metrics: await history.interval(grant, workspaceId, {
          runIds: message.run_ids,
          key: message.metric_key,
          ...(message.start_step === undefined ? {} : { startStep: message.start_step }),
          ...(message.end_step === undefined ? {} : { endStep: message.end_step }),
          ...(message.max_results === undefined ? {} : { maxResults: message.max_results }),
        }),
      }),
    }),
  ];
}
