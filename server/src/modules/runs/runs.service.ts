// Runs: made in an active experiment by whoever signed in, changed while active, deleted softly. The name of a run and its
// tag `mlflow.runName` are one value, and the tag `mlflow.user` is always the run's user: authorship is not the client's to say.

import type { Run, RunInfo, RunStatus } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Tx } from '#kernel/database/database';
import type { WorkspaceDatabases } from './databases.service.ts';
import type { TagInput } from './experiments.service.ts';
import { findExperiment } from './experiments.store.ts';
import { type Pair, writeTags } from './logging.store.ts';
import {
  batchTagsMax,
  experimentNumber,
  requireKey,
  requireRunId,
  requireText,
  runNameTag,
  runTagCharactersMax,
  truncated,
  userTag,
} from './names.rules.ts';
import { readRunData } from './run-data.store.ts';
import { randomRunName } from './run-names.service.ts';
import { alreadyExists, invalid, missingResource, noExperiment, noRun } from './runs.errors.ts';
import * as store from './runs.store.ts';
import { noRunData, shownInfo, shownRun } from './runs.view.ts';

export type NewRun = {
  /** Given by those who name runs themselves, such as jobs; otherwise made: 32 hexadecimal digits. */
  readonly runId?: string;
  readonly experimentId: string;
  readonly runName?: string;
  /** For whom the run is made, when the caller acts for somebody; otherwise the caller. */
  readonly user?: { readonly name: string; readonly objectId: string };
  readonly status?: RunStatus;
  readonly tags?: readonly TagInput[];
  /** Milliseconds since 1970; now when absent. */
  readonly startTime?: number;
};
export type RunChange = {
  readonly status?: RunStatus;
  /** Milliseconds since 1970. */
  readonly endTime?: number;
  readonly runName?: string;
};

export type RunsService = {
  create(grant: Grant, workspaceId: string, input: NewRun): Promise<Run>;
  get(grant: Grant, workspaceId: string, runId: string): Promise<Run>;
  update(grant: Grant, workspaceId: string, runId: string, change: RunChange): Promise<RunInfo>;
  /** For whoever runs it: what happened is told of a deleted run too. */
  setStatus(grant: Grant, workspaceId: string, runId: string, status: RunStatus, endTime?: number): Promise<RunInfo>;
  remove(grant: Grant, workspaceId: string, runId: string): Promise<void>;
  restore(grant: Grant, workspaceId: string, runId: string): Promise<void>;
  removeTag(grant: Grant, workspaceId: string, runId: string, key: string): Promise<void>;
};

export function createRunsService(deps: {
  readonly workspaces: WorkspaceDatabases;
  readonly clock: Clock;
}): RunsService {
  const { workspaces, clock } = deps;

  async function change<R>(
    grant: Grant,
    workspaceId: string,
    runId: string,
    act: (tx: Tx, row: store.RunRow) => Promise<R>,
  ): Promise<R> {
    requireRunId(runId);
    const database = await workspaces.database(grant, workspaceId);
    return database.write(async (tx) => {
      const row = await store.findRun(tx, runId);
      if (row === undefined) throw noRun(runId);
      return act(tx, row);
    });
  }

  return {
    async create(grant, workspaceId, input) {
      const { runId = randomUuid().replaceAll('-', ''), startTime, status = 'RUNNING' } = input;
      requireRunId(runId);
      const experiment = experimentNumber(input.experimentId);
      const user = input.user ?? { name: grant.actor.name, objectId: grant.actor.objectId };
      const { name, tags } = namedTags(input, user.name);
      const database = await workspaces.database(grant, workspaceId);
      return database.write(async (tx) => {
        const home = await findExperiment(tx, experiment);
        if (home === undefined) throw noExperiment(input.experimentId);
        if (home.deleted === 1)
          throw invalid(`The experiment ${experiment} must be in the 'active' state. Restore it first.`);
        const row = {
          run_id: runId,
          experiment,
          name,
          user_id: user.name,
          owner_id: user.objectId,
          status,
          start_ms: startTime ?? clock.epochMs(),
          end_ms: null,
          deleted: 0,
        };
        const run = await store.insertRun(tx, row);
        if (run === undefined) throw alreadyExists(`A run with the id '${runId}' already exists.`);
        await writeTags(tx, run, tags);
        return shownRun({ run, ...row }, { ...noRunData, tags });
      });
    },

    async get(grant, workspaceId, runId) {
      requireRunId(runId);
      const database = await workspaces.database(grant, workspaceId);
      const row = await store.findRun(database.read, runId);
      if (row === undefined) throw noRun(runId);
      return shownRun(row, await readRunData(database.read, row.run));
    },

    update: (grant, workspaceId, runId, { status, endTime, runName }) =>
      change(grant, workspaceId, runId, async (tx, row) => {
        requireActive(row);
        const name = runName === undefined || runName === '' ? undefined : checkedName(runName);
        const changed = {
          ...(status === undefined ? {} : { status }),
          ...(endTime === undefined ? {} : { end_ms: endTime }),
          ...(name === undefined ? {} : { name }),
        };
        if (Object.keys(changed).length > 0) await store.changeRun(tx, row.run, changed);
        if (name !== undefined) await writeTags(tx, row.run, [{ key: runNameTag, value: name }]);
        return shownInfo({ ...row, ...changed });
      }),

    setStatus: (grant, workspaceId, runId, status, endTime) =>
      change(grant, workspaceId, runId, async (tx, row) => {
        const end = endTime ?? (ended.has(status) ? clock.epochMs() : undefined);
        const changed = { status, ...(end === undefined ? {} : { end_ms: end }) };
        await store.changeRun(tx, row.run, changed);
        return shownInfo({ ...row, ...changed });
      }),

    remove: (grant, workspaceId, runId) =>
      change(grant, workspaceId, runId, async (tx, row) => {
        if (row.deleted === 0) await store.changeRun(tx, row.run, { deleted: 1, deleted_ms: clock.epochMs() });
      }),

    restore: (grant, workspaceId, runId) =>
      change(grant, workspaceId, runId, async (tx, row) => {
        if (row.deleted === 1) await store.changeRun(tx, row.run, { deleted: 0, deleted_ms: null });
      }),

    removeTag: (grant, workspaceId, runId, key) =>
      change(grant, workspaceId, runId, async (tx, row) => {
        requireActive(row);
        if (key === runNameTag || key === userTag)
          throw invalid(`The tag '${key}' is a property of the run and cannot be removed.`, 'key');
        if (!(await store.removeTag(tx, row.run, key)))
          throw missingResource(`No tag with name: ${key.slice(0, 250)} in run with id ${runId}`);
      }),
  };
}

const ended: ReadonlySet<RunStatus> = new Set(['FINISHED', 'FAILED', 'KILLED']);

export function requireActive(row: { readonly run_id: string; readonly deleted: number }): void {
  if (row.deleted === 1)
    throw invalid(`The run ${row.run_id} must be in the 'active' state. It is deleted: restore it first.`);
}

function checkedName(name: string): string {
  requireText(name, 'run_name', runTagCharactersMax);
  return name;
}

/** The run's name and its tags, which say the same; a user's own `mlflow.user` is replaced by who it really is. */
function namedTags(input: NewRun, userName: string): { readonly name: string; readonly tags: readonly Pair[] } {
  const given = new Map<string, string>();
  if ((input.tags?.length ?? 0) > batchTagsMax)
    throw invalid(`A run is created with at most ${batchTagsMax} tags.`, 'tags');
  for (const [index, tag] of (input.tags ?? []).entries()) {
    const { key, value } = checkedTag(tag, `tags[${index}]`);
    given.set(key, value);
  }
  const tagged = given.get(runNameTag);
  if (input.runName && tagged && input.runName !== tagged) {
    throw invalid(
      `Both 'run_name' and the tag '${runNameTag}' name the run, and differently. Send one of them, or the same twice.`,
      'run_name',
    );
  }
  const name = checkedName(input.runName || tagged || randomRunName());
  given.set(runNameTag, name).set(userTag, userName);
  return { name, tags: [...given].map(([key, value]) => ({ key, value })) };
}

/** A tag of a run: its key checked, its value cut to what is kept. */
export function checkedTag(tag: TagInput, path: string): Pair {
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  requireKey(tag.key, at('key'));
  const value = truncated(tag.value ?? '', runTagCharactersMax);
  requireText(value, at('value'), runTagCharactersMax);
  return { key: tag.key, value };
}
