// Purging: what was deleted goes for good, with its artifacts, and its name is free. One object a call, so that the record names
// each. Promises that nothing goes that is not deleted, and that what a crash interrupts is still deleted and can be purged
// again: artifacts go first, the row that names them last. Registered versions are copies, and stay.

import { storageActions } from '@strongroom/contract/storage.actions';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Database, Tx } from '#kernel/database/database';
import { type BlobStore, containerScope } from '#storage';
import type { Workspaces } from '#workspaces';
import { modelPrefix, runPrefix } from '../artifacts/paths.rules.ts';
import { findExperiment } from '../experiments.store.ts';
import { findModel } from '../models/models.store.ts';
import { experimentNumber, requireRunId } from '../names.rules.ts';
import { invalid, noExperiment, noModel, noRun } from '../runs.errors.ts';
import * as store from './purge.store.ts';

export type Deleted = {
  readonly kind: 'experiment' | 'run' | 'model';
  readonly id: string;
  readonly experiment_id: string;
  readonly name: string;
  readonly deleted_time: number;
};
export type Purge = {
  /** At most 1000, runs before models before experiments; those that were deleted at least so long ago. */
  list(grant: Grant, workspaceId: string, olderThanMs: number): Promise<readonly Deleted[]>;
  run(grant: Grant, workspaceId: string, runId: string): Promise<{ readonly artifacts: number }>;
  model(grant: Grant, workspaceId: string, modelId: string): Promise<{ readonly artifacts: number }>;
  /** Refused while it has runs: each is purged, and recorded, by itself. */
  experiment(grant: Grant, workspaceId: string, id: string): Promise<{ readonly artifacts: number }>;
};

const listMax = 1000;
const over = new Set(['FINISHED', 'FAILED', 'KILLED']);
/** As the tracking server names runs. Any other name is that of a job, which reports to its run until it ends. */
const ofTracking = /^[0-9a-f]{32}$/;

export function createPurge(deps: {
  readonly workspaces: Pick<Workspaces, 'get' | 'database' | 'container' | 'asIdentity'>;
  readonly blobs: Pick<BlobStore, 'removePrefix'>;
  readonly clock: Clock;
}): Purge {
  const { workspaces, blobs, clock } = deps;

  async function removeArtifacts(grant: Grant, workspaceId: string, prefix: string): Promise<number> {
    const workspace = await workspaces.get(grant, workspaceId);
    const container = workspaces.container(workspace, 'workspaceartifactstore');
    const scope = `${containerScope(container)}/blobs/${prefix}`;
    const as = workspaces.asIdentity(workspace, storageActions.deleteBlobs, scope, 'what was deleted is purged');
    return blobs.removePrefix(as, { ...container, prefix });
  }

  async function removeModel(
    grant: Grant,
    workspaceId: string,
    database: Database,
    { model, model_id }: { readonly model: number; readonly model_id: string },
    still: (tx: Tx) => Promise<void>,
  ): Promise<number> {
    const artifacts = await removeArtifacts(grant, workspaceId, modelPrefix(model_id));
    await store.removePoints(database, { table: 'logged_model_metrics', owner: 'model', number: model }, still);
    await database.write(async (tx) => {
      await still(tx);
      await store.removeModel(tx, model);
    });
    return artifacts;
  }

  return {
    async list(grant, workspaceId, olderThanMs) {
      const database = await workspaces.database(grant, workspaceId);
      const rows = await store.listDeleted(database.read, clock.epochMs() - olderThanMs + 1, listMax);
      return rows.map(({ kind, id, experiment, name, deleted_ms }) => ({
        kind,
        id,
        experiment_id: String(experiment),
        name,
        deleted_time: deleted_ms,
      }));
    },

    async run(grant, workspaceId, runId) {
      requireRunId(runId);
      const database = await workspaces.database(grant, workspaceId);
      // Again in every write: somebody may restore it meanwhile.
      const still = async (tx: Tx): Promise<store.PurgeableRun> => {
        const row = await store.findRunToPurge(tx, runId);
        if (row === undefined) throw noRun(runId);
        if (row.deleted === 0) throw notDeleted(`run ${runId}`);
        if (!over.has(row.status) && !ofTracking.test(row.run_id))
          throw invalid(`The run ${runId} is that of a job which is not over. Cancel the job first.`, 'run_id');
        return row;
      };
      const check = async (tx: Tx) => void (await still(tx));
      const { run, run_id } = await still(database.read);
      let artifacts = await removeArtifacts(grant, workspaceId, runPrefix(run_id));
      for (const model of await store.modelsOfRun(database.read, run_id))
        artifacts += await removeModel(grant, workspaceId, database, model, check);
      await store.removePoints(database, { table: 'metrics', owner: 'run', number: run }, check);
      await store.removePoints(database, { table: 'logged_model_metrics', owner: 'run', number: run }, check);
      await database.write(async (tx) => {
        await still(tx);
        await store.removeRun(tx, run);
      });
      return { artifacts };
    },

    async model(grant, workspaceId, modelId) {
      const database = await workspaces.database(grant, workspaceId);
      const still = async (tx: Tx) => {
        const row = await findModel(tx, modelId);
        if (row === undefined) throw noModel(modelId);
        if (row.deleted === 0) throw notDeleted(`logged model ${row.model_id}`);
        return row;
      };
      const row = await still(database.read);
      return { artifacts: await removeModel(grant, workspaceId, database, row, async (tx) => void (await still(tx))) };
    },

    async experiment(grant, workspaceId, id) {
      const experiment = experimentNumber(id);
      const database = await workspaces.database(grant, workspaceId);
      const still = async (tx: Tx): Promise<void> => {
        const row = await findExperiment(tx, experiment);
        if (row === undefined) throw noExperiment(id);
        if (experiment === 0) throw invalid('The experiment Default is part of every workspace. Restore it instead.');
        if (row.deleted === 0) throw notDeleted(`experiment ${id}`);
        const runs = await store.countRuns(tx, experiment);
        if (runs > 0)
          throw invalid(`The experiment ${id} has ${runs} runs. Purge each of them first.`, 'experiment_id');
      };
      await still(database.read);
      let artifacts = 0;
      for (const model of await store.modelsOfExperiment(database.read, experiment))
        artifacts += await removeModel(grant, workspaceId, database, model, still);
      await database.write(async (tx) => {
        await still(tx);
        await store.removeExperiment(tx, experiment);
      });
      return { artifacts };
    },
  };
}

const notDeleted = (what: string) =>
  invalid(`The ${what} is not deleted. Delete it first; only what is deleted is purged.`);
