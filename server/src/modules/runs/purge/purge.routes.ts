// Routes of purging, which MLflow's protocol has none of: its own command works on the database of its server. In the same
// place and envelope as the rest of tracking. Each purge is recorded by itself, with what it was of.

import * as wire from '@strongroom/contract/runs';
import { runsActions } from '@strongroom/contract/runs.actions';
import { activity, type Route, unrecorded } from '#kernel/http/route';
import { nobodysRun } from '../bounds.rules.ts';
import { call } from '../call.routes.ts';
import type { Purge } from './purge.service.ts';

const { purgeExperiments, readRuns } = runsActions;

export function purgeRoutes(purge: Purge): readonly Route[] {
  return [
    call({
      operation: 'ListDeleted',
      method: 'GET',
      path: '/deleted/list',
      summary: 'Lists what is deleted and can be purged, the first thousand, runs before experiments',
      action: readRuns,
      audit: unrecorded('names that every reader of the workspace sees, in searches for what is deleted'),
      bounds: nobodysRun,
      request: wire.listDeleted,
      response: wire.deletedList,
      handle: async (grant, workspaceId, { older_than_ms = 0 }) => ({
        deleted: await purge.list(grant, workspaceId, older_than_ms),
      }),
    }),
    call({
      operation: 'PurgeRun',
      method: 'POST',
      path: '/runs/purge',
      summary: 'Removes a deleted run for good, with its history, its logged models and their artifacts',
      action: purgeExperiments,
      goesOnWhenLow: 'it takes away',
      audit: activity('workspaceName', 'run_id'),
      bounds: nobodysRun,
      request: wire.purgeRun,
      response: wire.purged,
      handle: (grant, workspaceId, { run_id }) => purge.run(grant, workspaceId, run_id),
    }),
    call({
      operation: 'PurgeLoggedModel',
      method: 'POST',
      path: '/logged-models/purge',
      summary: 'Removes a deleted logged model for good, with its artifacts',
      action: purgeExperiments,
      goesOnWhenLow: 'it takes away',
      audit: activity('workspaceName', 'model_id'),
      bounds: nobodysRun,
      request: wire.purgeModel,
      response: wire.purged,
      handle: (grant, workspaceId, { model_id }) => purge.model(grant, workspaceId, model_id),
    }),
    call({
      operation: 'PurgeExperiment',
      method: 'POST',
      path: '/experiments/purge',
      summary: 'Removes a deleted experiment without runs for good, and frees its name',
      action: purgeExperiments,
      goesOnWhenLow: 'it takes away',
      audit: activity('workspaceName', 'experiment_id'),
      bounds: nobodysRun,
      request: wire.experimentById,
      response: wire.purged,
      handle: (grant, workspaceId, { experiment_id }) => purge.experiment(grant, workspaceId, experiment_id),
    }),
  ];
}
