// Images of other registries: brought into the registry of a workspace for whoever waits for them, once each however many wait. What
// is to be fetched is a task, so that it outlives the server; what has become of it stands beside what is built. Every step may run
// again: a task finds what an earlier one has done, and who waits is told until he has heard it.

import { registryActions } from '@strongroom/contract/registry.actions';
import { createSlots, type Imports, type Source, textOfSource } from '#imports';
import type { EnvironmentImage, Prepared } from '#jobs';
import type { Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { asFailure, passesBy } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import type { NewTask, Task, TaskHandler, Tasks } from '#kernel/tasks/tasks';
import type { Turns } from '#kernel/turns/turns';
import { repositoryScope } from '#registry';
import type { Workspace, Workspaces } from '#workspaces';
import type { BuiltImage } from './built-images.store.ts';
import { environmentsDuties } from './duties.ts';
import { environmentsFailures } from './environments.errors.ts';
import * as store from './environments.store.ts';
import { type ImageRecipe, importedFrom, importedRepository } from './fetched-images.rules.ts';

/** Who waits, for whom, and what it waits for. */
export type Wanted = {
  readonly workspaceId: string;
  readonly recipe: string;
  readonly jobId: string;
  readonly submitter: string;
};

export type Fetching = {
  /** In the turn of its recipe. Begins a fetch unless there is one, or the image. */
  prepare(wanted: Wanted, source: Source): Promise<Prepared>;
  /** In the turn of its recipe, when nobody waits any more: what is under way ends. */
  drop(workspaceId: string, recipe: string): Promise<void>;
  readonly tasks: Readonly<Record<string, TaskHandler>>;
};

export const fetchTask = 'environments.fetch-image';
type Payload = Pick<Wanted, 'workspaceId' | 'recipe' | 'submitter'> & {
  readonly fetch: string;
  readonly neededBy: string;
};

/** Tries of one fetch: about a minute. */
const attemptsMax = 6;
/** Until it is looked again whether a workspace is open. */
const closedMs = 300_000;
/** At once: of all workspaces, of each, and who waits for that without the task's own place. */
const atOnce = { most: 4, each: 2, waiting: 8, waitingOfAll: 64 };
/** Until whoever found no room to wait comes again. */
const fullMs = 30_000;
/** Of the same registry, looked at for layers. */
const nearMax = 12;

export function createFetching(deps: {
  readonly imports: Pick<Imports, 'closedTo' | 'copy'>;
  readonly workspaces: Workspaces;
  readonly grants: Pick<Grants, 'duty'>;
  readonly acts: Pick<Acts, 'duty'>;
  /** The control database, where tasks are. */
  readonly database: Database;
  readonly enqueue: Tasks['enqueue'];
  readonly aside: Tasks['aside'];
  readonly turns: Turns;
  readonly keyOf: (workspaceId: string, recipe: string) => string;
  /** The image of a row, while it is in the registry. */
  readonly imageOf: (workspace: Workspace, row: store.EnvironmentRow) => Promise<EnvironmentImage | undefined>;
  /** What a row was kept as. */
  readonly recipeIn: (row: store.EnvironmentRow) => ImageRecipe;
  /** It is remembered where the image lies before any of it does. */
  readonly keep: (image: BuiltImage) => Promise<void>;
  /** Whoever waits for a recipe goes on, or ends. */
  readonly tell: (workspaceId: string, recipe: string) => Promise<void>;
  /** Notes that somebody has asked for the image. */
  readonly used: (database: Database, row: store.EnvironmentRow) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}): Fetching {
  const { imports, workspaces, grants, turns, keyOf } = deps;
  const preparingIn = (workspaceId: string) => grants.duty(environmentsDuties.prepare, workspaceId);
  const databaseOf = (workspaceId: string) => workspaces.database(preparingIn(workspaceId), workspaceId);
  /** Those that this process knows a task of, by what fetches them; each can be ended. */
  const live = new Map<string, AbortController>();
  /** Those that a task is at: after a crash there may be two of one fetch. */
  const running = new Set<string>();
  const slots = createSlots(atOnce);

  async function begin(wanted: Wanted, fetch: string): Promise<void> {
    const { workspaceId, recipe, submitter, jobId: neededBy } = wanted;
    live.set(fetch, new AbortController());
    const payload: Payload = { workspaceId, recipe, submitter, fetch, neededBy };
    const task: NewTask = { name: fetchTask, subject: workspaceId, payload };
    try {
      await deps.database.write((tx) => deps.enqueue(tx, task));
    } catch (thrown) {
      live.delete(fetch);
      throw thrown;
    }
  }

  async function prepare(wanted: Wanted, source: Source): Promise<Prepared> {
    const { workspaceId, recipe, jobId } = wanted;
    const database = await databaseOf(workspaceId);
    const row = await rowOf(database, recipe);
    const workspace = await workspaces.get(preparingIn(workspaceId), workspaceId);
    const image = await deps.imageOf(workspace, row);
    if (image !== undefined) {
      await deps.used(database, row);
      return { state: 'ready', image: { ...image, source: textOfSource(source) } };
    }
    const waits = (await store.waitingFor(database.read, recipe)).some(
      (id) => id.toLowerCase() === jobId.toLowerCase(),
    );
    // Who waited shares its end; who comes later tries anew.
    if (row.failure !== null && waits) return { state: 'failed', error: failureIn(row.failure) };
    const isUnderWay = row.build !== null && row.failure === null && row.digest === null;
    const fetch = isUnderWay && row.build !== null ? row.build : `fetch-image-${randomUuid()}`;
    await database.write(async (tx) => {
      if (!isUnderWay) await store.setBuild(tx, recipe, fetch);
      await store.addWaiting(tx, jobId, recipe);
    });
    // Also after a crash between the row and its task: another one that finds nothing to do is harmless.
    if (!live.has(fetch)) await begin(wanted, fetch);
    return { state: 'fetching', source: textOfSource(source) };
  }

  async function fetchIt(payload: Payload, row: store.EnvironmentRow, signal: AbortSignal): Promise<void> {
    const { workspaceId, recipe, submitter, fetch, neededBy } = payload;
    const { source } = deps.recipeIn(row);
    const workspace = await workspaces.get(preparingIn(workspaceId), workspaceId);
    // As it is now, and not as it was when the job was accepted.
    const closed = imports.closedTo(workspace, source);
    const who = closed === 'byOperator' ? 'the operator of the server' : 'the workspace';
    if (closed !== undefined) throw environmentsFailures.FetchRuleGone(textOfSource(source), who);
    const registryId = workspace.containerRegistry;
    const repository = importedRepository(workspace.uniqueId, source);
    const database = await databaseOf(workspaceId);
    const near = (await store.repositoriesBelow(database.read, importedFrom(source.host), nearMax)).filter(
      (each) => each !== repository,
    );
    const as = (action: typeof registryActions.pull | typeof registryActions.push) =>
      workspaces.asIdentity(workspace, action, registryId, 'keep the image of another registry');
    await deps.keep({
      ...{ registry: registryId, repository, workspace: workspace.uniqueId, recipe, build: fetch },
      pushed_ms: deps.clock.epochMs(),
    });
    const facts = {
      operation: 'Environments_FetchImage',
      action: registryActions.push,
      scope: repositoryScope({ registry: registryId, repository }),
      parameters: {
        registry: source.host,
        image: textOfSource(source),
        digest: source.digest,
        neededBy,
        madeFor: submitter,
      },
    };
    const copied = await deps.acts.duty(environmentsDuties.fetch, facts, () =>
      imports.copy(
        { push: as(registryActions.push), pull: as(registryActions.pull) },
        { registryId, repository },
        source,
        {
          near,
          signal,
        },
      ),
    );
    const result = { registry: registryId, repository, digest: copied.digest, lock: null, built_by: fetch };
    await database.write(async (tx) => {
      const now = await store.findEnvironment(tx, recipe);
      if (now?.build !== fetch) return;
      await store.setResult(tx, recipe, result);
      await store.setUsed(tx, recipe, deps.clock.epochMs());
    });
    const { bytes } = copied;
    deps.log.info({ module: 'environments', bytes }, 'an image of another registry was fetched');
  }

  async function run(task: Task, stopping: AbortSignal): Promise<void> {
    const payload = task.payload as Payload; // written here, see `begin`
    if (running.has(payload.fetch)) return;
    running.add(payload.fetch);
    try {
      const came = await bring(payload, task.attempt, stopping);
      if (came === 'no room') return await later(task, payload, fullMs);
      if (came === 'over') await deps.tell(payload.workspaceId, payload.recipe);
      live.delete(payload.fetch);
    } catch (thrown) {
      if (stopping.aborted || task.attempt < attemptsMax) throw thrown;
      // What has failed for good is told. This could not even be looked at, or not be told: its workspace is closed, and may be opened.
      await later(task, payload, closedMs);
    } finally {
      running.delete(payload.fetch);
    }
  }

  /** Another task in the place of this one: its tries begin anew. */
  async function later({ name, subject }: Task, payload: Payload, ms: number): Promise<void> {
    const runAt = new Date(deps.clock.epochMs() + ms);
    await deps.database.write((tx) => deps.enqueue(tx, { name, subject, payload, runAt }));
  }

  /** `left`: nobody waits for this fetch any more. Throws for what is tried again. */
  async function bring(payload: Payload, attempt: number, stopping: AbortSignal): Promise<'over' | 'left' | 'no room'> {
    const { workspaceId, recipe, fetch } = payload;
    const ending = live.get(fetch) ?? new AbortController();
    live.set(fetch, ending);
    const database = await databaseOrGone(workspaceId);
    const row = database && (await store.findEnvironment(database.read, recipe));
    if (database === undefined || row === undefined || row.build !== fetch) return 'left';
    // Told before, by a process that died or that could not tell it.
    if (row.failure !== null || row.digest !== null) return 'over';
    const signal = AbortSignal.any([stopping, ending.signal]);
    try {
      // What a process has died under so often is not begun once more.
      if (attempt > attemptsMax)
        throw environmentsFailures.FetchInterrupted(textOfSource(deps.recipeIn(row).source), attempt);
      const taken = await deps.aside(() =>
        slots.take(workspaceId.toLowerCase(), signal, () => fetchIt(payload, row, signal)),
      );
      if (taken === undefined) return 'no room';
    } catch (thrown) {
      if (ending.signal.aborted) return 'left';
      if (stopping.aborted) throw thrown;
      const failure = asFailure(thrown);
      if (passesBy(failure) && attempt < attemptsMax) throw thrown;
      const { code, message } = failure;
      await database.write((tx) => store.setFailure(tx, recipe, fetch, JSON.stringify({ code, message })));
    }
    return 'over';
  }

  /** A workspace that went while its image was fetched has no database any more. */
  async function databaseOrGone(workspaceId: string): Promise<Database | undefined> {
    try {
      return await databaseOf(workspaceId);
    } catch (thrown) {
      if (asFailure(thrown).kind === 'notFound') return undefined;
      throw thrown;
    }
  }

  async function rowOf(database: Database, recipe: string): Promise<store.EnvironmentRow> {
    const row = await store.findEnvironment(database.read, recipe);
    if (row === undefined) throw new Error('an image is waited for that nothing is known of');
    return row;
  }

  return {
    prepare: (wanted, source) => turns(keyOf(wanted.workspaceId, wanted.recipe), () => prepare(wanted, source)),
    drop: async (workspaceId, recipe) => {
      const database = await databaseOf(workspaceId);
      const row = await rowOf(database, recipe);
      if (row.build === null || row.failure !== null || row.digest !== null) return;
      await database.write((tx) => store.setBuild(tx, recipe, null));
      live.get(row.build)?.abort();
    },
    tasks: { [fetchTask]: run },
  };
}

const failureIn = (text: string) => JSON.parse(text) as { readonly code: string; readonly message: string }; // written here
