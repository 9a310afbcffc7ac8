// The door of environments: what jobs and deployments run in, made of a conda file or a list of requirements. Gives jobs the port
// that they wait by, deployments an image, and builds the one way to the package index; takes from jobs what runs a build.

import type { OfferedPython } from '@strongroom/contract/agent';
import type { Assets } from '#assets';
import type { Images } from '#images';
import type { Imports } from '#imports';
import type { Environments as ForJobs, Preparing } from '#jobs';
import type { Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Scheme } from '#kernel/http/surface';
import { parseResourceId } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Tasks } from '#kernel/tasks/tasks';
import type { ResourceKind, Resources } from '#resources';
import { type IndexForJobs, type Workspaces, workspaceOf } from '#workspaces';
import { createCollecting } from './collecting.service.ts';
import { createContexts } from './contexts.service.ts';
import { environmentsDuties } from './duties.ts';
import { environmentsFailures } from './environments.errors.ts';
import { createEnvironmentsService } from './environments.service.ts';
import type { EnvironmentRegistry, Environments } from './environments.types.ts';
import { type Mapped, readMapped } from './images.rules.ts';
import { jobPackageRoutes } from './job-packages.routes.ts';
import { builtImageTables, environmentTables } from './migrations/index.ts';
import { createModelEnvironments } from './models.service.ts';
import { createNamedEnvironments } from './named-environments.service.ts';
import { packageAccess } from './package-access.rules.ts';
import type { Fetch } from './packages.port.ts';
import { packageRoutes } from './packages.routes.ts';
import { createPackages, keyOfBuild, type PackageBounds } from './packages.service.ts';
import { pythonsRoute } from './pythons.routes.ts';
import { createResults } from './result.service.ts';
import { environmentsSettings } from './settings.ts';
import { createPackagesSurface } from './surface.ts';
import { createYamlReader } from './yaml.service.ts';

export type { Planned } from '#jobs';
export type { Environments, ModelFiles } from './environments.types.ts';
export { builtImageTables } from './migrations/index.ts';
export type { Fetch } from './packages.port.ts';
export { indexUrl, type ProjectIndex, readProjectIndex } from './project-indexes.rules.ts';
export { environmentsSettings } from './settings.ts';

export type EnvironmentsModule = Module<ResourceKind> & {
  /** For deployments. */
  readonly environments: Environments;
  /** Takes away images that nothing names and nobody uses. For a periodic task; a few times a day. */
  readonly collect: (signal: AbortSignal) => Promise<number>;
  /** The port of jobs. */
  readonly forJobs: ForJobs;
  /** For how many builds and jobs it is known what they were given. */
  readonly known: () => number;
};

/** Opens every workspace once, so not more often than it is of use. */
const sweepEveryMs = 6 * 3_600_000;

function mappedIn(text: string): Mapped {
  const read = readMapped(text);
  if (typeof read === 'string') throw new Error(`environments.images was not checked: ${read}`);
  return read;
}

export function createEnvironments(deps: {
  readonly assets: Assets;
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  /** In process; `#registry` has it. */
  readonly registry: EnvironmentRegistry;
  readonly images: Images;
  readonly imports: Imports;
  readonly grants: Grants;
  readonly acts: Pick<Acts, 'duty'>;
  /** The control database, migrated with `builtImageTables`. */
  readonly database: Database;
  /** How long an image that nobody uses is kept; 0: for ever. */
  readonly keptDays: number;
  readonly preparing: Preparing;
  readonly aside: Tasks['aside'];
  readonly enqueue: Tasks['enqueue'];
  /** What nodes have, the one that is taken when none is asked for first. */
  readonly pythons: () => Promise<readonly OfferedPython[]>;
  /** The address of the package index that a project comes from; undefined, for all: there is none, and nothing is fetched. */
  readonly indexOf: (project: string) => URL | undefined;
  readonly fetch: Fetch;
  /** Whose jobs may install packages from it. */
  readonly indexForJobs: IndexForJobs;
  /** `PATTERN=TARGET`, checked when the configuration was read. */
  readonly map: readonly string[];
  readonly runTokens: Scheme;
  readonly schemes: readonly Scheme[];
  readonly clock: Clock;
  readonly log: Log;
  /** `localhost:8443`: registries are below it. */
  readonly domain: string;
  /** The port that the server listens on, which a sandbox reaches it at too. */
  readonly port: number;
  /** For tests: what one build, or job, may ask for. */
  readonly bounds?: PackageBounds;
}): EnvironmentsModule {
  const map = deps.map.map(mappedIn);
  const yaml = createYamlReader();
  const versions = async () => (await deps.pythons()).map(({ version }) => version);
  const models = createModelEnvironments({ yaml, versions });
  const contexts = createContexts({ ...deps, versions });
  const hasIndex = deps.indexOf('pip') !== undefined;
  const packages = createPackages({ ...deps, who: 'build' });
  const ofJobs = createPackages({ ...deps, who: 'job' });
  const named = createNamedEnvironments({ ...deps, contexts, yaml, versions, hasIndex, map });
  const environments = createEnvironmentsService({
    ...deps,
    ...{ map, models, contexts, named },
    begun: (of) => packages.begin(keyOfBuild(of)),
    // Made after it: each stands on the other, and neither is called before both are there.
    keepImage: (image) => collecting.keep(image),
  });
  const packagesFor: ForJobs['packagesFor'] = (workspace) => packageAccess(deps.indexForJobs, deps.port, workspace);
  const forget: ForJobs['forget'] = (jobId) => {
    const key = keyOfBuild({ workspaceId: workspaceOf(jobId) ?? '', build: parseResourceId(jobId).name });
    for (const each of [packages, ofJobs]) each.forget(key);
  };
  const letsInstall = async (workspaceId: string) => {
    const looking = deps.grants.duty(environmentsDuties.letInstall, workspaceId);
    return 'index' in packagesFor(await deps.workspaces.get(looking, workspaceId));
  };
  const collecting = createCollecting({ ...deps, environments });
  const results = createResults({
    ...deps,
    environments,
    packages,
    keep: async ({ workspaceId, build }, at) => {
      const recipe = await environments.digestOf(workspaceId, build);
      await collecting.keep({ ...at, recipe, build, pushed_ms: deps.clock.epochMs() });
    },
  });
  return {
    name: 'environments',
    settings: environmentsSettings,
    migrations: builtImageTables,
    workspaceTables: environmentTables,
    duties: Object.values(environmentsDuties),
    failures: [tableOf(environmentsFailures)],
    surfaces: [createPackagesSurface(deps.runTokens, deps.schemes)],
    routes: [
      ...packageRoutes({ packages, results }),
      ...jobPackageRoutes({ packages: ofJobs, letsInstall }),
      pythonsRoute(deps.pythons),
    ],
    tasks: environments.tasks,
    periodic: [{ name: 'environments-images', everyMs: sweepEveryMs, atStart: true, run: collecting.collect }],
    collect: collecting.collect,
    environments,
    forJobs: { ...environments, packagesFor, forget },
    known: () => packages.known() + ofJobs.known(),
  };
}
