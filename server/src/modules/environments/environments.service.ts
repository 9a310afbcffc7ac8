// Environments by their recipe: which there are, which are being built, and who waits. A build is a job of the workspace, made in
// the name of whoever needed it first; all who need the same meanwhile wait for that one. Every step may run again after a crash:
// what is stored says who waits for which recipe and which build it has, and the job of the build says how that stands.

import type { OfferedPython } from '@strongroom/contract/agent';
import { nodePython } from '@strongroom/contract/assets';
import { registryActions } from '@strongroom/contract/registry.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { type Assets, curatedName } from '#assets';
import { baseImageIn, isNamedIn } from '#images';
import type { EnvironmentImage, Environments as ForJobs, Prepared, Preparing, Waiting } from '#jobs';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { asFailure, Failure } from '#kernel/errors/failure';
import { retold } from '#kernel/errors/failures';
import { parseResourceId } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import type { Tasks } from '#kernel/tasks/tasks';
import { createTurns } from '#kernel/turns/turns';
import { mediaTypes, repositoryScope } from '#registry';
import type { Resource, Resources } from '#resources';
import { type Workspace, type Workspaces, workspaceOf, workspaceType } from '#workspaces';
import type { Lock } from './bill.rules.ts';
import { environmentsDuties } from './duties.ts';
import { environmentsFailures } from './environments.errors.ts';
import * as store from './environments.store.ts';
import type { EnvironmentRegistry, Environments } from './environments.types.ts';
import { environmentIn, type Mapped, targetOf } from './images.rules.ts';
import type { ModelEnvironments } from './models.service.ts';
import { packagesUrl } from './package-access.rules.ts';
import { type ReadRecipe, type Recipe, readRecipe } from './recipe.rules.ts';
import type { YamlReader } from './yaml.service.ts';

export type EnvironmentsService = Environments &
  Omit<ForJobs, 'packagesFor'> & {
    /** The recipe that a build makes; undefined for a job that is none, or not the one that is waited for. */
    recipeOf(workspaceId: string, build: string): Promise<Recipe | undefined>;
    /** `sha256:…` of what a build makes. Throws for a job that is none. */
    digestOf(workspaceId: string, build: string): Promise<string>;
    /** The result of a build: it counts when the build has completed. False when it has sent one already. */
    take(workspaceId: string, build: string, result: store.Result): Promise<boolean>;
    /** In the turn of its recipe, so that nobody is given the image meanwhile: takes it away if it is due when it is looked at there. */
    withdraw(workspaceId: string, recipe: string, withdrawal: Withdrawal): Promise<boolean>;
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

/** A recipe, and the id of the version that says so. */
type Named = ReadRecipe & { readonly of: string };
/** How exactly it is remembered when an image was last asked for. */
const usedMs = 3_600_000;

type Kept = { readonly recipe: Recipe; readonly remarks: readonly string[] };

export function createEnvironmentsService(deps: {
  readonly assets: Pick<Assets, 'environment'>;
  readonly resources: Pick<Resources, 'find'>;
  readonly workspaces: Workspaces;
  readonly registry: EnvironmentRegistry;
  readonly grants: Grants;
  readonly acts: Pick<Acts, 'duty'>;
  readonly preparing: Preparing;
  /** Waiting that takes nobody's place: see `Tasks`. */
  readonly aside: Tasks['aside'];
  readonly models: ModelEnvironments;
  readonly yaml: YamlReader;
  /** What nodes have, the one that is taken when none is asked for first. */
  readonly pythons: () => Promise<readonly OfferedPython[]>;
  /** Of those, `3.11`. */
  readonly versions: () => Promise<readonly string[]>;
  readonly hasIndex: boolean;
  readonly map: readonly Mapped[];
  /** `localhost:8443`: registries are below it. */
  readonly domain: string;
  /** Of this server, as a sandbox reaches it. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
}): EnvironmentsService {
  const { assets, workspaces, grants, preparing } = deps;
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

  /** What stands for an environment, by the operator's map where it is not here. */
  async function contentOf(grant: Grant, workspaceId: string, environmentId: string) {
    const curated = curatedName(environmentId);
    const name = curated ?? environmentId.split('/').at(-3) ?? '';
    const isAzures = curated !== undefined || (/^AzureML-/i.test(name) && !(await isHere(grant, environmentId)));
    if (!isAzures) return { ...(await assets.environment(grant, environmentId)), of: environmentId };
    const target = targetOf(deps.map, name);
    if (target === undefined) throw environmentsFailures.CuratedNotServed(curated ?? name);
    if (target === nodePython) return { image: undefined, condaFile: undefined, of: environmentId };
    return mappedContent(workspaceId, target);
  }

  /** What the operator lets stand for a name is for everybody who asks for that name, wherever it lies. */
  async function mappedContent(workspaceId: string, target: string) {
    const id = targetId(workspaceId, target);
    if (/^AzureML-/i.test(id.split('/').at(-3) ?? '') && !(await isHere(lookingAt(id), id)))
      throw environmentsFailures.MappedInCircle(target);
    return { ...(await assets.environment(lookingAt(id), id)), of: id };
  }

  const lookingAt = (id: string) => grants.duty(environmentsDuties.readMapped, id);

  async function isHere(grant: Grant, environmentId: string): Promise<boolean> {
    return (await deps.resources.find(grant, environmentId)) !== undefined;
  }

  function targetId(workspaceId: string, target: string): string {
    const found = environmentIn(target);
    if (found === undefined) throw new Error('a target of environments.images was not checked');
    return 'id' in found ? found.id : `${workspaceId}/environments/${found.name}/versions/${found.version}`;
  }

  /** An image of the workspace's registry is what runs, as its tag stands now; anything else is read for what it is made of. */
  async function read(
    grant: Grant,
    workspaceId: string,
    environmentId: string,
  ): Promise<Named | { readonly image: EnvironmentImage } | undefined> {
    const workspace = await workspaces.get(preparingIn(workspaceId), workspaceId);
    const isOwn = (image: string | undefined): image is string =>
      image !== undefined && isNamedIn(workspace.containerRegistry, deps.domain, image);
    const { image, condaFile, of } = await contentOf(grant, workspaceId, environmentId);
    if (isOwn(image)) return ownImage(workspace, image, condaFile);
    const target = image === undefined ? undefined : targetOf(deps.map, image);
    if (image !== undefined && target === undefined) {
      const registry = parseResourceId(workspace.containerRegistry).name.toLowerCase();
      throw environmentsFailures.ImageNotServed(image, `${deps.domain}/${registry}`);
    }
    if (target !== undefined && target !== nodePython && condaFile === undefined) {
      const mapped = await mappedContent(workspaceId, target);
      if (isOwn(mapped.image)) return ownImage(workspace, mapped.image, mapped.condaFile);
      if (mapped.image !== undefined) throw environmentsFailures.MappedInCircle(image ?? '');
      return recipeFrom(mapped.condaFile, mapped.of);
    }
    // An image that an environment stands for, with packages beside it, would lose the packages of the environment.
    if (target !== undefined && target !== nodePython) throw environmentsFailures.PackagesOnImage(image ?? '');
    return recipeFrom(condaFile, of);
  }

  /** Looked for as the workspace's identity, which is whose pull it will be. */
  async function ownImage(workspace: Workspace, image: string, condaFile: string | undefined) {
    if (condaFile !== undefined) throw environmentsFailures.PackagesOnImage(image);
    const registryId = workspace.containerRegistry;
    const { repository, reference } = baseImageIn(registryId, deps.domain, image);
    const pull = workspaces.asIdentity(workspace, registryActions.pull, registryId, 'look for the image of a job');
    const { digest, mediaType } = await deps.registry
      .getManifest(pull, registryId, repository, reference)
      .catch((thrown: unknown) => {
        const failure = asFailure(thrown);
        throw failure.kind === 'notFound' ? environmentsFailures.ImageMissing(image) : failure;
      });
    if (mediaType !== mediaTypes.ociManifest && mediaType !== mediaTypes.dockerManifest)
      throw environmentsFailures.ImageOfPlatforms(image);
    const pullScope = repositoryScope({ registry: registryId, repository });
    return { image: { registryId, repository, digest, pullScope } };
  }

  async function recipeFrom(condaFile: string | undefined, of: string): Promise<Named | undefined> {
    if (condaFile === undefined) return undefined;
    const file = { text: condaFile, yaml: await deps.yaml.read(condaFile) };
    return { ...withIndex(readRecipe(file, await deps.versions())), of };
  }

  function withIndex(found: ReadRecipe): ReadRecipe {
    if (found.recipe.requirements.length > 0 && !deps.hasIndex) throw environmentsFailures.NoPackageIndex();
    return found;
  }

  async function keep(
    workspaceId: string,
    { recipe, remarks, digest }: ReadRecipe,
  ): Promise<{ readonly recipe: string }> {
    const content = JSON.stringify({ recipe, remarks } satisfies Kept);
    const database = await databaseOf(workspaceId);
    if ((await store.findEnvironment(database.read, digest)) === undefined)
      await database.write((tx) => store.keepRecipe(tx, digest, content));
    return { recipe: digest };
  }

  /** The image of a row, while it is in the registry: somebody may have removed it there. */
  async function imageOf(workspace: Workspace, row: store.EnvironmentRow, python: string) {
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
    const abi = abiIn(row);
    return { registryId: registry, repository, digest, python, ...(abi === undefined ? {} : { abi }), pullScope };
  }

  /** Undefined for what was built before it was written down. */
  const abiIn = ({ lock }: store.EnvironmentRow): string | undefined =>
    lock === null ? undefined : (JSON.parse(lock) as Lock).abi; // checked when it was taken

  /** False when the nodes have this version with another ABI now: what was built does not run there, and is built again. */
  async function isOfNodes({ python, abi }: EnvironmentImage): Promise<boolean> {
    if (abi === undefined) return true;
    // Where no node can say it now, the one that takes the work does.
    const offered = await deps.pythons().catch(() => []);
    return offered.every((one) => one.version !== python || one.abi === abi);
  }

  const keptIn = ({ content }: store.EnvironmentRow): Kept => JSON.parse(content) as Kept; // written here, see plan

  async function prepare({ jobId, recipe, submitter, computeId }: Waiting): Promise<Prepared> {
    const workspaceId = idIn(jobId);
    return turns(keyOf(workspaceId, recipe), async () => {
      const database = await databaseOf(workspaceId);
      const row = await store.findEnvironment(database.read, recipe);
      if (row === undefined) throw new Error('a job waits for an environment that nothing is known of');
      const { recipe: content } = keptIn(row);
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
        // Not for every job that begins: what is looked at is a matter of days.
        if (row.used_ms < deps.clock.epochMs() - usedMs)
          await database.write((tx) => store.setUsed(tx, recipe, deps.clock.epochMs()));
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

  /** Of those that waited, one after another: each finds the environment, or why there is none, or begins another build. */
  async function ended(build: Resource): Promise<void> {
    const workspaceId = idIn(build.id);
    const database = await databaseOf(workspaceId);
    const row = await store.environmentOfBuild(database.read, build.name);
    // One that could not be made is told to whoever is making it.
    if (row === undefined || starting.has(build.name)) return;
    const waiting = await turns(keyOf(workspaceId, row.recipe), () => store.waitingFor(database.read, row.recipe));
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
      const build = (await store.findEnvironment(database.read, recipe))?.build ?? undefined;
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

  async function recipeOf(workspaceId: string, build: string): Promise<Recipe | undefined> {
    const row = await store.environmentOfBuild((await databaseOf(workspaceId)).read, build);
    return row && keptIn(row).recipe;
  }

  const service: EnvironmentsService = {
    knows: (image) => targetOf(deps.map, image) !== undefined,
    async check(grant, workspaceId, environmentId) {
      await read(grant, workspaceId, environmentId);
    },
    async plan(grant, workspaceId, environmentId) {
      const found = await read(grant, workspaceId, environmentId);
      if (found === undefined || 'image' in found) return found ?? {};
      const planned = await keep(workspaceId, found);
      const database = await databaseOf(workspaceId);
      if (!(await store.hasName(database.read, found.digest, found.of)))
        await database.write((tx) => store.addName(tx, found.digest, found.of));
      return planned;
    },
    checkModel: deps.models.check,
    planModel: async (workspaceId, files) => keep(workspaceId, withIndex(await deps.models.recipe(files))),
    prepare,
    leave,
    ended,
    recipeOf,
    async digestOf(workspaceId, build) {
      const row = await store.environmentOfBuild((await databaseOf(workspaceId)).read, build);
      if (row === undefined) throw environmentsFailures.NotABuild();
      return row.recipe;
    },
    async documentOf(build, token) {
      const workspaceId = idIn(build.id);
      const row = await store.environmentOfBuild((await databaseOf(workspaceId)).read, build.name);
      if (row === undefined) throw environmentsFailures.NotABuild();
      const { recipe, remarks } = keptIn(row);
      const index = `${packagesUrl(deps.port, workspaceId)}/builds/${build.name}`;
      const { requirements, options, builder } = recipe;
      const given = { requirements, options, builder, remarks, token, result: `${index}/result` };
      return {
        index,
        command: 'exec /runner/bin/python3 -I -B /runner/prepare.py',
        python: recipe.python,
        environment: { STRONGROOM_BUILD: JSON.stringify(given) },
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
            if (prepared.state === 'failed')
              throw environmentsFailures.EnvironmentBuildFailed(prepared.build, prepared.error.message);
            isLate = await deps.aside(() => Promise.race([told.promise.then(() => false), late]));
            if (isLate) throw environmentsFailures.EnvironmentStillBuilding(prepared.build, waitMs / 60_000);
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
