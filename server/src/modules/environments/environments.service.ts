// Environments by their recipe: which there are, which are being built, and who waits. A build is a job of the workspace, made in
// the name of whoever needed it first; all who need the same meanwhile wait for that one. Every step may run again after a crash:
// what is stored says who waits for which recipe and which build it has, and the job of the build says how that stands.

import type { OfferedPython } from '@strongroom/contract/agent';
import { registryActions } from '@strongroom/contract/registry.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { type Imports, readImageName, type Source } from '#imports';
import type { EnvironmentImage, Environments as ForJobs, Prepared, Preparing, Waiting } from '#jobs';
import type { Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { asFailure, Failure } from '#kernel/errors/failure';
import { retold } from '#kernel/errors/failures';
import { parseResourceId } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import type { TaskHandler, Tasks } from '#kernel/tasks/tasks';
import { createTurns } from '#kernel/turns/turns';
import { repositoryScope } from '#registry';
import type { Resource } from '#resources';
import { type Workspace, type Workspaces, workspaceOf, workspaceType } from '#workspaces';
import type { Lock } from './bill.rules.ts';
import { type Contexts, readsOf } from './contexts.service.ts';
import { environmentsDuties } from './duties.ts';
import { environmentsFailures } from './environments.errors.ts';
import * as store from './environments.store.ts';
import type { BuildOf, EnvironmentRegistry, Environments } from './environments.types.ts';
import { imageRecipe } from './fetched-images.rules.ts';
import { createFetching } from './fetching.service.ts';
import { type Mapped, targetOf } from './images.rules.ts';
import type { ModelEnvironments } from './models.service.ts';
import {
  type AnyRecipe,
  type BuiltRecipe,
  type Found,
  isImage,
  isOfContext,
  type NamedEnvironments,
} from './named-environments.service.ts';
import { packagesUrl } from './package-access.rules.ts';

export type EnvironmentsService = Environments &
  Omit<ForJobs, 'packagesFor' | 'forget'> & {
    /** The recipe that a build makes; undefined for a job that is none, or not the one that is waited for. */
    recipeOf(workspaceId: string, build: string): Promise<BuiltRecipe | undefined>;
    /** `sha256:…` of what a build makes. Throws for a job that is none. */
    digestOf(workspaceId: string, build: string): Promise<string>;
    /** The result of a build: it counts when the build has completed. False when it has sent one already. */
    take(workspaceId: string, build: string, result: store.Result): Promise<boolean>;
    /** In the turn of its recipe, so that nobody is given the image meanwhile: takes it away if it is due when it is looked at there. */
    withdraw(workspaceId: string, recipe: string, withdrawal: Withdrawal): Promise<boolean>;
    /** Fetching images of other registries. */
    readonly tasks: Readonly<Record<string, TaskHandler>>;
    /** Whether a build has sent its result. */
    hasSent(workspaceId: string, build: string): Promise<boolean>;
  };

/** Taking an image away. */
export type Withdrawal = {
  readonly repository: string;
  readonly build: string;
  /** @param row the environment as it is now, while this is its image */
  isDue(row: store.EnvironmentRow | undefined, database: Database): Promise<boolean>;
  remove(): Promise<void>;
};

/** How long a deployment waits: less than a build may take. */
const waitMs = 900_000;

/** How exactly it is remembered when an image was last asked for. */
const usedMs = 3_600_000;

type Kept = Pick<Found, 'recipe' | 'remarks'>;

const noteUse = async (database: Database, { recipe, used_ms: used }: store.EnvironmentRow, now: number) => {
  // Not for every job that begins: what is looked at is a matter of days.
  if (used < now - usedMs) await database.write((tx) => store.setUsed(tx, recipe, now));
};

export function createEnvironmentsService(deps: {
  readonly named: NamedEnvironments;
  readonly imports: Pick<Imports, 'closedTo' | 'copy'>;
  readonly keepImage: Parameters<typeof createFetching>[0]['keep'];
  /** The control database. */
  readonly database: Database;
  readonly enqueue: Tasks['enqueue'];
  readonly workspaces: Workspaces;
  readonly registry: EnvironmentRegistry;
  readonly grants: Grants;
  readonly acts: Pick<Acts, 'duty'>;
  readonly preparing: Preparing;
  /** Waiting that takes nobody's place: see `Tasks`. */
  readonly aside: Tasks['aside'];
  readonly models: ModelEnvironments;
  readonly contexts: Contexts;
  /** A build of a Dockerfile is handed out: what it is given from here on goes into its bill. */
  readonly begun: (of: BuildOf) => void;
  /** What nodes have, the one that is taken when none is asked for first. */
  readonly pythons: () => Promise<readonly OfferedPython[]>;
  readonly map: readonly Mapped[];
  /** Of this server, as a sandbox reaches it. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
}): EnvironmentsService {
  const { workspaces, grants, preparing, named } = deps;
  const preparingIn = (workspaceId: string) => grants.duty(environmentsDuties.prepare, workspaceId);
  const databaseOf = (workspaceId: string): Promise<Database> =>
    workspaces.database(preparingIn(workspaceId), workspaceId);
  /** One decision at a time for each recipe of a workspace: two that need it at once begin one build. */
  const turns = createTurns();
  const keyOf = (workspaceId: string, recipe: string) => `${workspaceId.toLowerCase()} ${recipe}`;
  /** Builds that are being submitted: one that cannot be has ended before anybody waits for it. */
  const starting = new Set<string>();
  /** Deployments that wait, in this process: their own operation is begun again after a crash. */
  const watchers = new Map<string, Set<() => void>>();

  const idIn = (workspaceId: string): string => {
    const id = workspaceOf(workspaceId);
    if (id === undefined) throw new Error('an environment stands outside any workspace');
    return id;
  };

  async function keep(workspaceId: string, { recipe, remarks, digest }: Found): Promise<{ readonly recipe: string }> {
    const content = JSON.stringify({ recipe, remarks } satisfies Kept);
    const database = await databaseOf(workspaceId);
    if ((await store.findEnvironment(database.read, digest)) === undefined)
      await database.write((tx) => store.keepRecipe(tx, digest, content));
    return { recipe: digest };
  }

  /** The image of a row, while it is in the registry: somebody may have removed it there. */
  async function imageOf(workspace: Workspace, row: store.EnvironmentRow, python: string | undefined) {
    const { registry, repository, digest } = row;
    if (registry === null || repository === null || digest === null) return undefined;
    try {
      const pull = workspaces.asIdentity(
        workspace,
        registryActions.pull,
        registry,
        'look for the image of an environment',
      );
      await deps.registry.getManifest(pull, registry, repository, digest);
    } catch (thrown) {
      if (asFailure(thrown).kind === 'notFound') return undefined;
      throw thrown;
    }
    const pullScope = repositoryScope({ registry, repository });
    const image = { registryId: registry, repository, digest, pullScope };
    if (python === undefined) return image;
    // Checked when it was taken. Without an ABI: built before that was written down.
    const { abi, links, variables } = row.lock === null ? {} : (JSON.parse(row.lock) as Partial<Lock>);
    return {
      ...image,
      python,
      ...(abi === undefined ? {} : { abi }),
      ...(links === undefined ? {} : { links }),
      ...(variables === undefined ? {} : { variables }),
    };
  }

  /** False when the nodes have this version with another ABI now: what was built does not run there, and is built again. */
  async function isOfNodes({ python, abi }: EnvironmentImage): Promise<boolean> {
    if (abi === undefined) return true;
    // Where no node can say it now, the one that takes the work does.
    const offered = await deps.pythons().catch(() => []);
    return offered.every((one) => one.version !== python || one.abi === abi);
  }

  const keptIn = ({ content }: store.EnvironmentRow): Kept => JSON.parse(content) as Kept; // written here, see plan

  function builtIn(row: store.EnvironmentRow): BuiltRecipe {
    const { recipe } = keptIn(row);
    if (isImage(recipe)) throw new Error('what is fetched is not built');
    return recipe;
  }

  /** Of a recipe that is an image of another registry. */
  async function sourceOf(workspaceId: string, digest: string): Promise<Source | undefined> {
    const row = await store.findEnvironment((await databaseOf(workspaceId)).read, digest);
    const recipe: AnyRecipe | undefined = row && keptIn(row).recipe;
    return recipe !== undefined && isImage(recipe) ? recipe.source : undefined;
  }

  const fetching = createFetching({
    ...deps,
    ...{ turns, keyOf },
    imageOf: (workspace, row) => imageOf(workspace, row, undefined),
    recipeIn(row) {
      const { recipe } = keptIn(row);
      if (!isImage(recipe)) throw new Error('what is built is not fetched');
      return recipe;
    },
    keep: deps.keepImage,
    tell: (workspaceId, recipe) => tell(workspaceId, recipe),
    used: (database, row) => noteUse(database, row, deps.clock.epochMs()),
  });

  async function prepare({ jobId, recipe, submitter, computeId }: Waiting): Promise<Prepared> {
    const workspaceId = idIn(jobId);
    const source = await sourceOf(workspaceId, recipe);
    const fetched = (of: Source) =>
      fetching.prepare({ workspaceId, recipe: imageRecipe(of).digest, jobId, submitter }, of);
    if (source !== undefined) return fetched(source);
    return turns(keyOf(workspaceId, recipe), async () => {
      const database = await databaseOf(workspaceId);
      const row = await store.findEnvironment(database.read, recipe);
      if (row === undefined) throw new Error('a job waits for an environment that nothing is known of');
      const content = builtIn(row);
      const buildId = (build: string) => `${workspaceId}/jobs/${build}`;
      const standing = row.build === null ? undefined : await preparing.standing(buildId(row.build));
      const isSent = row.built_by !== null && row.built_by === row.build;
      if (row.build !== null && standing?.state === 'runs') {
        await database.write((tx) => store.addWaiting(tx, jobId, recipe));
        return { state: 'building', build: row.build };
      }
      const workspace = await workspaces.get(preparingIn(workspaceId), workspaceId);
      const isBuilt = isSent && (standing === undefined || standing.state === 'completed');
      const image = isBuilt ? await imageOf(workspace, row, content.python) : undefined;
      if (image !== undefined && (await isOfNodes(image))) {
        await noteUse(database, row, deps.clock.epochMs());
        return { state: 'ready', image };
      }
      const waits = (await store.waitingFor(database.read, recipe)).some(
        (id) => id.toLowerCase() === jobId.toLowerCase(),
      );
      // Who waited for a build that failed shares its end; who comes later tries anew.
      // But a build that ended with whoever it was made for is begun again for those who are left.
      const isShared = standing?.state !== 'canceled' || standing.submitter === submitter;
      // A node that is lost says nothing of the environment: once, what it built is built again for whoever waits.
      const isLost = waits && standing?.state === 'failed' && standing.error?.code === 'NodeLost';
      const isAgain = isLost && row.lost_builds < lostBuildsMax;
      if (waits && row.build !== null && standing !== undefined && isShared && !isAgain) {
        const error = standing.error ?? (standing.state === 'canceled' ? canceledBuild : noResult);
        return { state: 'failed', build: row.build, error: isLost ? lostBuild(row.lost_builds + 1) : error };
      }
      // A Dockerfile on an image of another registry: that is here first.
      const base = isOfContext(content) && content.fetched !== undefined ? await fetched(content.fetched) : undefined;
      if (base !== undefined && base.state !== 'ready') return base;
      const build = `prepare-image-${randomUuid()}`;
      await database.write((tx) => store.setBuild(tx, recipe, build, isAgain ? row.lost_builds + 1 : 0));
      starting.add(build);
      try {
        const facts = {
          operation: 'Environments_Build',
          action: actionsOfType(`${workspaceType}/jobs`).write,
          scope: workspaceId,
          parameters: { build, environment: recipe, neededBy: jobId, madeFor: submitter },
        };
        await deps.acts.duty(environmentsDuties.build, facts, () =>
          preparing.startBuild({
            workspaceId,
            name: build,
            recipe,
            submitter,
            computeId: workspace.imageBuildCompute ?? computeId,
            displayName: `environment ${recipe.slice(7, 19)}`,
          }),
        );
      } catch (thrown) {
        await database.write((tx) => store.setBuild(tx, recipe, null));
        const isOfWorkspace = workspace.imageBuildCompute !== undefined && thrown instanceof Failure;
        if (!isOfWorkspace || thrown.code !== 'ComputeNotFound') throw thrown;
        throw retold(
          thrown,
          `The environment is built on the cluster that the workspace names (imageBuildCompute). ${thrown.message} Or let the workspace name another.`,
        );
      } finally {
        starting.delete(build);
      }
      // Order matters: only of a build that there is. Its end is told to those who wait in their turn, which is after this one.
      await database.write((tx) => store.addWaiting(tx, jobId, recipe));
      return { state: 'building', build };
    });
  }

  async function ended(build: Resource): Promise<void> {
    const workspaceId = idIn(build.id);
    const row = await store.environmentOfBuild((await databaseOf(workspaceId)).read, build.name);
    // One that could not be made is told to whoever is making it.
    if (row !== undefined && !starting.has(build.name)) await tell(workspaceId, row.recipe);
  }

  /** Those that waited, one after another: each finds the environment, or why there is none, or begins another build. */
  async function tell(workspaceId: string, recipe: string): Promise<void> {
    const database = await databaseOf(workspaceId);
    const waiting = await turns(keyOf(workspaceId, recipe), () => store.waitingFor(database.read, recipe));
    for (const jobId of waiting) {
      const watching = watchers.get(jobId.toLowerCase());
      if (watching !== undefined) for (const wake of watching) wake();
      else if (isJob(jobId)) await preparing.prepare(jobId);
      // A deployment of an earlier process, whose operation was taken back.
      else await leave(jobId);
    }
  }

  async function leave(jobId: string): Promise<void> {
    const workspaceId = idIn(jobId);
    const database = await databaseOf(workspaceId);
    const recipe = await database.write((tx) => store.removeWaiting(tx, jobId));
    if (recipe === undefined) return;
    const left = await turns(keyOf(workspaceId, recipe), async () => {
      if ((await store.waitingFor(database.read, recipe)).length > 0) return undefined;
      const row = await store.findEnvironment(database.read, recipe);
      if (row !== undefined && isImage(keptIn(row).recipe)) {
        await fetching.drop(workspaceId, recipe);
        return undefined;
      }
      const build = row?.build ?? undefined;
      if (build === undefined) return undefined;
      const id = `${workspaceId}/jobs/${build}`;
      if ((await preparing.standing(id))?.state !== 'runs') return undefined;
      // Whoever comes from here on begins another one.
      await database.write((tx) => store.setBuild(tx, recipe, null));
      return id;
    });
    // Outside its turn: its end is told to those who wait.
    if (left !== undefined) await preparing.cancelBuild(left);
  }

  async function recipeOf(workspaceId: string, build: string): Promise<BuiltRecipe | undefined> {
    const row = await store.environmentOfBuild((await databaseOf(workspaceId)).read, build);
    return row && builtIn(row);
  }

  const service: EnvironmentsService = {
    knows(workspace, image) {
      const name = readImageName(image);
      const isPermitted = name !== undefined && deps.imports.closedTo(workspace, name) !== 'byOperator';
      return isPermitted || targetOf(deps.map, image) !== undefined;
    },
    async check(grant, workspaceId, environmentId) {
      await named.read(grant, workspaceId, environmentId, false);
    },
    async plan(grant, workspaceId, environmentId) {
      const found = await named.read(grant, workspaceId, environmentId);
      if (found === undefined || 'image' in found) return found ?? {};
      const { recipe } = found;
      // What it stands on is found by its own digest, like whatever names that itself.
      if (!isImage(recipe) && isOfContext(recipe) && recipe.fetched !== undefined)
        await keep(workspaceId, imageRecipe(recipe.fetched));
      const planned = await keep(workspaceId, found);
      const database = await databaseOf(workspaceId);
      if (!(await store.hasName(database.read, found.digest, found.of)))
        await database.write((tx) => store.addName(tx, found.digest, found.of));
      return planned;
    },
    checkModel: deps.models.check,
    async planModel(workspaceId, files) {
      return keep(workspaceId, named.withPackages(await deps.models.recipe(files)));
    },
    tasks: fetching.tasks,
    prepare,
    leave,
    ended,
    recipeOf,
    async digestOf(workspaceId, build) {
      const row = await store.environmentOfBuild((await databaseOf(workspaceId)).read, build);
      if (row === undefined) throw environmentsFailures.NotABuild();
      return row.recipe;
    },
    async readsOf(build) {
      const workspaceId = idIn(build.id);
      const recipe = await recipeOf(workspaceId, build.name);
      return recipe !== undefined && isOfContext(recipe) ? readsOf(workspaceId, recipe) : [];
    },
    async documentOf(build, token) {
      const workspaceId = idIn(build.id);
      const row = await store.environmentOfBuild((await databaseOf(workspaceId)).read, build.name);
      if (row === undefined) throw environmentsFailures.NotABuild();
      const { remarks } = keptIn(row);
      const recipe = builtIn(row);
      const index = `${packagesUrl(deps.port, workspaceId)}/builds/${build.name}`;
      const places = { remarks, result: `${index}/result` };
      if (isOfContext(recipe)) {
        const { python, base, steps } = recipe;
        const context = await deps.contexts.filesOf(workspaceId, recipe);
        deps.begun({ workspaceId, build: build.name });
        return { index, python, image: base, context, build: { ...places, steps } };
      }
      const { requirements, options, builder } = recipe;
      return {
        index,
        command: 'exec /runner/bin/python3 -I -B /runner/prepare.py',
        python: recipe.python,
        environment: { STRONGROOM_BUILD: JSON.stringify({ requirements, options, builder, token, ...places }) },
        why: '/job/why',
      };
    },
    async take(workspaceId, build, result) {
      const database = await databaseOf(workspaceId);
      return database.write(async (tx) => {
        const row = await store.environmentOfBuild(tx, build);
        if (row === undefined || row.built_by === build) return false;
        await store.setResult(tx, row.recipe, result);
        await store.setUsed(tx, row.recipe, deps.clock.epochMs());
        return true;
      });
    },
    withdraw: (workspaceId, recipe, { repository, build, isDue, remove }) =>
      turns(keyOf(workspaceId, recipe), async () => {
        const database = await databaseOf(workspaceId);
        const row = await store.findEnvironment(database.read, recipe);
        const current = row?.repository === repository ? row : undefined;
        // Whoever waits is given what is current, and nothing that another build has replaced.
        if (current !== undefined && (await store.waitingFor(database.read, recipe)).length > 0) return false;
        if ((await preparing.standing(`${workspaceId}/jobs/${build}`))?.state === 'runs') return false;
        if (!(await isDue(current, database))) return false;
        // Order matters: an image that is gone is built again, and one that nobody knows of any more is never removed.
        await remove();
        if (current !== undefined) await database.write((tx) => store.setBuild(tx, recipe, null));
        return true;
      }),
    async hasSent(workspaceId, build) {
      const row = await store.environmentOfBuild((await databaseOf(workspaceId)).read, build);
      return row?.built_by === build;
    },
    async ready({ submitter, subject, recipe }) {
      const key = subject.toLowerCase();
      const over = new AbortController();
      const late = deps.clock.sleep(waitMs, over.signal).then(
        () => true,
        () => false,
      );
      let isLate = false;
      try {
        for (;;) {
          const told = Promise.withResolvers<void>();
          const all = watchers.get(key) ?? new Set();
          watchers.set(key, all.add(told.resolve));
          try {
            const prepared = await prepare({ jobId: subject, recipe, submitter, computeId: undefined });
            if (prepared.state === 'ready') return prepared.image;
            if (prepared.state === 'failed') {
              const { build, error } = prepared;
              throw build === undefined
                ? environmentsFailures.ImageFetchFailed(error.message)
                : environmentsFailures.EnvironmentBuildFailed(build, error.message);
            }
            isLate = await deps.aside(() => Promise.race([told.promise.then(() => false), late]));
            if (isLate && prepared.state === 'fetching')
              throw environmentsFailures.ImageStillFetched(prepared.source, waitMs / 60_000);
            if (isLate && prepared.state === 'building')
              throw environmentsFailures.EnvironmentStillBuilding(prepared.build, waitMs / 60_000);
          } finally {
            all.delete(told.resolve);
            if (all.size === 0) watchers.delete(key);
          }
        }
      } finally {
        over.abort();
        // The build goes on for whoever asks again.
        if (!isLate) await leave(subject);
      }
    },
  };
  return service;
}

const isJob = (id: string) => /\/jobs$/i.test(parseResourceId(id).type ?? '');
/** How often a build is made in the place of one whose node was lost: what takes a node down may be the build. */
const lostBuildsMax = 1;
const lostBuild = (times: number) => ({
  code: 'NodeLost',
  message: `The node was lost while it built the environment, ${times} times one after the other. Submit it again; where it happens again, the build may need more memory than the node has.`,
});
const canceledBuild = { code: 'EnvironmentBuildCanceled', message: 'The build of the environment was canceled.' };
const noResult = { code: 'EnvironmentBuildFailed', message: 'The build of the environment ended without a result.' };
