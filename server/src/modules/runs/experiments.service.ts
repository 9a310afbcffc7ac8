// Experiments: names for groups of runs, unique in a workspace also while deleted. Deleting is soft and takes the runs
// along; restoring brings all of them back. Number 0 is `Default` and always there.

import type { Experiment } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Database, Tx } from '#kernel/database/database';
import { experimentScope, requireReach } from './bounds.rules.ts';
import type { WorkspaceDatabases } from './databases.service.ts';
import * as store from './experiments.store.ts';
import {
  experimentNameCharactersMax,
  experimentNumber,
  experimentTagCharactersMax,
  ownedTagsMax,
  requireKey,
  requireText,
} from './names.rules.ts';
import { alreadyExists, invalid, missingParameter, missingResource, noExperiment, tooMany } from './runs.errors.ts';
import { shownExperiment } from './runs.view.ts';

export type TagInput = { readonly key: string; readonly value?: string };

export type Experiments = {
  create(grant: Grant, workspaceId: string, input: CreateInput): Promise<string>;
  /** The id of the experiment of this name, made if there is none. */
  ensure(grant: Grant, workspaceId: string, name: string): Promise<string>;
  get(grant: Grant, workspaceId: string, id: string): Promise<Experiment>;
  /** Undefined when there is none of this name. */
  idOf(grant: Grant, workspaceId: string, name: string): Promise<number | undefined>;
  getByName(grant: Grant, workspaceId: string, name: string): Promise<Experiment>;
  rename(grant: Grant, workspaceId: string, id: string, name: string): Promise<void>;
  remove(grant: Grant, workspaceId: string, id: string): Promise<void>;
  restore(grant: Grant, workspaceId: string, id: string): Promise<void>;
  setTag(grant: Grant, workspaceId: string, id: string, tag: TagInput): Promise<void>;
  removeTag(grant: Grant, workspaceId: string, id: string, key: string): Promise<void>;
};
type CreateInput = {
  readonly name: string;
  readonly artifact_location?: string;
  readonly tags?: readonly TagInput[];
};

const tagsMax = 100;

export function createExperiments(deps: {
  readonly workspaces: WorkspaceDatabases;
  readonly clock: Clock;
}): Experiments {
  const { workspaces, clock } = deps;

  async function change(
    grant: Grant,
    workspaceId: string,
    id: string,
    act: (tx: Tx, row: store.ExperimentRow, nowMs: number) => Promise<void>,
  ): Promise<void> {
    const experiment = experimentNumber(id);
    const database = await workspaces.database(grant, workspaceId);
    await database.write(async (tx) => {
      const row = await store.findExperiment(tx, experiment);
      if (row === undefined) throw noExperiment(id);
      await act(tx, row, clock.epochMs());
    });
  }

  async function shown(database: Database, row: store.ExperimentRow): Promise<Experiment> {
    return shownExperiment(row, await store.readExperimentTags(database.read, row.experiment));
  }

  return {
    async create(grant, workspaceId, { name, artifact_location, tags = [] }) {
      requireName(name, 'name');
      // Artifacts elsewhere would be outside of what this workspace seals, records and can destroy.
      if (artifact_location)
        throw invalid(
          'Artifacts are kept in the storage of the workspace. Leave artifact_location out.',
          'artifact_location',
        );
      if (tags.length > tagsMax) throw invalid(`An experiment is created with at most ${tagsMax} tags.`, 'tags');
      const checked = tags.map((tag, index) => checkedTag(tag, `tags[${index}]`));
      const database = await workspaces.database(grant, workspaceId);
      const made = await database.write(async (tx) => {
        const nowMs = clock.epochMs();
        await refuseTaken(tx, name);
        const experiment = await store.insertExperiment(tx, name, nowMs);
        for (const tag of checked) await store.writeExperimentTag(tx, experiment, tag, nowMs);
        return experiment;
      });
      return String(made);
    },

    async ensure(grant, workspaceId, name) {
      requireName(name, 'name');
      const database = await workspaces.database(grant, workspaceId);
      const found = await database.write(async (tx) => {
        const row = await store.findExperimentByName(tx, name);
        if (row?.deleted === 1) throw invalid(`The experiment '${name}' is deleted. Restore it, or use another name.`);
        return row?.experiment ?? (await store.insertExperiment(tx, name, clock.epochMs()));
      });
      return String(found);
    },

    async get(grant, workspaceId, id) {
      const experiment = experimentNumber(id);
      const database = await workspaces.database(grant, workspaceId);
      const row = await store.findExperiment(database.read, experiment);
      if (row === undefined) throw noExperiment(id);
      return shown(database, row);
    },

    async idOf(grant, workspaceId, name) {
      const database = await workspaces.database(grant, workspaceId);
      return (await store.findExperimentByName(database.read, name))?.experiment;
    },

    async getByName(grant, workspaceId, name) {
      const database = await workspaces.database(grant, workspaceId);
      const row = await store.findExperimentByName(database.read, name);
      // By now the name may be that of another experiment than the one that was decided on.
      if (row !== undefined) requireReach(grant, experimentScope(workspaceId, row.experiment));
      if (row === undefined)
        throw missingResource(`Could not find experiment with name '${name.slice(0, experimentNameCharactersMax)}'`);
      return shown(database, row);
    },

    rename: (grant, workspaceId, id, name) =>
      change(grant, workspaceId, id, async (tx, row, nowMs) => {
        requireName(name, 'new_name');
        if (row.deleted === 1) throw invalid('Cannot rename an experiment that is deleted. Restore it first.');
        if (row.name === name) return;
        await refuseTaken(tx, name);
        await store.renameExperiment(tx, row.experiment, name, nowMs);
      }),

    remove: (grant, workspaceId, id) =>
      change(grant, workspaceId, id, async (tx, row, nowMs) => {
        if (row.deleted === 1) throw noExperiment(id);
        await store.markExperiment(tx, row.experiment, 1, nowMs);
      }),

    restore: (grant, workspaceId, id) =>
      change(grant, workspaceId, id, async (tx, row, nowMs) => {
        if (row.deleted === 0) throw missingResource(`No deleted Experiment with id=${id} exists.`);
        await store.markExperiment(tx, row.experiment, 0, nowMs);
      }),

    setTag: (grant, workspaceId, id, tag) =>
      change(grant, workspaceId, id, async (tx, row, nowMs) => {
        if (row.deleted === 1) throw invalid(`The experiment ${id} must be in the 'active' state.`);
        await store.writeExperimentTag(tx, row.experiment, checkedTag(tag, ''), nowMs);
        if ((await store.readExperimentTags(tx, row.experiment)).length > ownedTagsMax)
          throw tooMany('An experiment', 'tags', ownedTagsMax);
      }),

    removeTag: (grant, workspaceId, id, key) =>
      change(grant, workspaceId, id, async (tx, row) => {
        if (row.deleted === 1) throw invalid(`The experiment ${id} must be in the 'active' state.`);
        if (!(await store.removeExperimentTag(tx, row.experiment, key)))
          throw missingResource(`No tag with name: ${key.slice(0, 250)} in experiment with id ${id}`);
      }),
  };
}

async function refuseTaken(tx: Tx, name: string): Promise<void> {
  if (await store.findExperimentByName(tx, name))
    throw alreadyExists(
      `Experiment(name=${name}) already exists. A deleted experiment keeps its name until it is restored or purged.`,
    );
}

function requireName(name: string, parameter: string): void {
  if (name.trim() === '') throw missingParameter(parameter);
  requireText(name, parameter, experimentNameCharactersMax);
}

function checkedTag(tag: TagInput, path: string): store.TagRow {
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  requireKey(tag.key, at('key'));
  requireText(tag.value ?? '', at('value'), experimentTagCharactersMax);
  return { key: tag.key, value: tag.value ?? '' };
}
