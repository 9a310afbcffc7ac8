// The door of runs: MLflow tracking over each workspace's own database and storage, and the same for other modules in
// process. A job is a run; what it prints and what it makes are artifacts of that run.

import type { Readable } from 'node:stream';
import type { Metric, Run, RunInfo, RunStatus } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { tableOf } from '#kernel/errors/failures';
import type { Scheme } from '#kernel/http/surface';
import type { Module } from '#kernel/module';
import type { BlobInfo, BlobStore, ByteRange } from '#storage';
import type { Workspaces } from '#workspaces';
import { artifactRoutes } from './artifacts/artifacts.routes.ts';
import {
  type ArtifactPage,
  createArtifacts,
  type OpenedArtifact,
  type PutArtifact,
} from './artifacts/artifacts.service.ts';
import { runPrefix } from './artifacts/paths.rules.ts';
import { requireReach, runScope } from './bounds.rules.ts';
import { experimentRoutes } from './experiments.routes.ts';
import { createExperiments } from './experiments.service.ts';
import { createHistory, type MetricPart, type MetricRange } from './history.service.ts';
import { createInputs } from './inputs.service.ts';
import { createLogging } from './logging.service.ts';
import { trackingTables } from './migrations/0001-tracking.ts';
import { modelRoutes } from './models/models.routes.ts';
import { createModels } from './models/models.service.ts';
import { purgeRoutes } from './purge/purge.routes.ts';
import { createPurge } from './purge/purge.service.ts';
import { createRegisteredFiles } from './registry/registered-files.service.ts';
import { registryRoutes } from './registry/registry.routes.ts';
import { createRegistry } from './registry/registry.service.ts';
import type { ModelRegistry } from './registry/registry.types.ts';
import { runsFailures } from './runs.errors.ts';
import { historyRoutes, loggingRoutes, runRoutes } from './runs.routes.ts';
import { createRunsService, type NewRun } from './runs.service.ts';
import { createSearch } from './search/search.service.ts';
import { serverRoutes } from './server.routes.ts';
import { createMlflowSurface } from './surface.ts';
import { unservedRoutes } from './unserved.routes.ts';

export type { ArtifactPage, OpenedArtifact, PutArtifact } from './artifacts/artifacts.service.ts';
export { rulesOfRun } from './bounds.rules.ts';
export type { MetricPart, MetricRange } from './history.service.ts';
export type { ModelRegistry } from './registry/registry.types.ts';
export type { NewRun } from './runs.service.ts';
export { mlflowWireOf } from './surface.ts';

/** Runs in process. Every function refuses what the grant's scope, or a run token's bounds, do not reach. */
export type Runs = {
  /** The id of the experiment of this name, made if there is none. A deleted one is refused as `invalid`. */
  ensureExperiment(grant: Grant, workspaceId: string, name: string): Promise<string>;
  /** A run id that is taken is a `conflict`. */
  createRun(grant: Grant, workspaceId: string, input: NewRun): Promise<Run>;
  /** `endTime` (milliseconds) is now for a status that ends a run. */
  setStatus(grant: Grant, workspaceId: string, runId: string, status: RunStatus, endTime?: number): Promise<RunInfo>;
  /** Throws `notFound`. */
  get(grant: Grant, workspaceId: string, runId: string): Promise<Run>;
  setTags(grant: Grant, workspaceId: string, runId: string, tags: Readonly<Record<string, string>>): Promise<void>;
  /** The latest point of each metric. */
  metricsOf(grant: Grant, workspaceId: string, runId: string): Promise<readonly Metric[]>;
  /** How many points one metric has, and between which numbers they lie. */
  rangeOf(grant: Grant, workspaceId: string, runId: string, key: string): Promise<MetricRange>;
  /** What one metric came to after so many points each, in the order of their times, and last after all of them. */
  partsOf(
    grant: Grant,
    workspaceId: string,
    runId: string,
    key: string,
    at: readonly number[],
  ): Promise<readonly MetricPart[]>;
  /** The id of the model that the run has logged under this name, as MLflow 3 keeps one: beside the artifacts of the run. */
  loggedModel(grant: Grant, workspaceId: string, runId: string, name: string): Promise<string | undefined>;
  /** Where the run's blobs are in the container of `workspaceartifactstore`; ends with a slash. */
  artifactPrefix(runId: string): string;
  putArtifact(
    grant: Grant,
    workspaceId: string,
    runId: string,
    path: string,
    source: Readable | Uint8Array,
    options?: PutArtifact,
  ): Promise<BlobInfo>;
  openArtifact(
    grant: Grant,
    workspaceId: string,
    runId: string,
    path: string,
    range?: ByteRange,
  ): Promise<OpenedArtifact>;
  listArtifacts(
    grant: Grant,
    workspaceId: string,
    runId: string,
    page?: { readonly path?: string; readonly pageToken?: string },
  ): Promise<ArtifactPage>;
};

export type RunsModule = Module & { readonly runs: Runs };

export function createRuns(deps: {
  readonly workspaces: Pick<Workspaces, 'get' | 'database' | 'container' | 'asIdentity'>;
  readonly blobs: Pick<BlobStore, 'put' | 'open' | 'find' | 'list' | 'remove' | 'removePrefix'>;
  readonly clock: Clock;
  /** The workspace's registered models, which the assets module keeps. */
  readonly registry: ModelRegistry;
  /** How callers prove who they are: tokens of the directory, and the tokens of runs. */
  readonly schemes: readonly Scheme[];
}): RunsModule {
  const experiments = createExperiments(deps);
  const service = createRunsService(deps);
  const search = createSearch(deps);
  const artifacts = createArtifacts(deps);
  const logging = createLogging(deps);
  const history = createHistory(deps);
  const models = createModels(deps);

  return {
    name: 'runs',
    failures: [tableOf(runsFailures)],
    workspaceTables: trackingTables,
    surfaces: [createMlflowSurface(deps.schemes)],
    routes: [
      ...serverRoutes,
      ...unservedRoutes,
      ...experimentRoutes(experiments, search),
      ...runRoutes(service, search),
      ...loggingRoutes(logging, createInputs(deps)),
      ...historyRoutes(history),
      ...artifactRoutes(artifacts, createRegisteredFiles(deps.registry)),
      ...modelRoutes(models),
      ...registryRoutes(createRegistry(deps)),
      ...purgeRoutes(createPurge(deps)),
    ],
    runs: {
      async ensureExperiment(grant, workspaceId, name) {
        requireReach(grant, `${workspaceId}/experiments`);
        return await experiments.ensure(grant, workspaceId, name);
      },
      async createRun(grant, workspaceId, input) {
        requireReach(grant, `${workspaceId}/runs`);
        return await service.create(grant, workspaceId, input);
      },
      setStatus: ofRun(service.setStatus),
      get: ofRun(service.get),
      setTags: ofRun((grant, workspaceId, runId, tags: Readonly<Record<string, string>>) =>
        logging.batch(grant, workspaceId, runId, {
          tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
        }),
      ),
      metricsOf: ofRun(
        async (grant, workspaceId, runId) => (await service.get(grant, workspaceId, runId)).data.metrics ?? [],
      ),
      rangeOf: ofRun((grant, workspaceId, runId, key: string) => history.range(grant, workspaceId, { runId, key })),
      partsOf: ofRun((grant, workspaceId, runId, key: string, at: readonly number[]) =>
        history.parts(grant, workspaceId, { runId, key, at }),
      ),
      loggedModel: ofRun(models.ofRun),
      artifactPrefix: runPrefix,
      putArtifact: ofRun(artifacts.put),
      openArtifact: ofRun(artifacts.open),
      listArtifacts: ofRun((grant, workspaceId, runId, page: { path?: string; pageToken?: string } = {}) =>
        artifacts.list(grant, workspaceId, runId, page),
      ),
    },
  };
}

/** Whoever is bounded is held to his run in process as he is at the door. */
function ofRun<More extends readonly unknown[], R>(
  act: (grant: Grant, workspaceId: string, runId: string, ...more: More) => Promise<R>,
): (grant: Grant, workspaceId: string, runId: string, ...more: More) => Promise<R> {
  return async (grant, workspaceId, runId, ...more) => {
    requireReach(grant, runScope(workspaceId, runId));
    return await act(grant, workspaceId, runId, ...more);
  };
}
