// The door of jobs: what runs. Gives compose the kind of command jobs, the scheme of run tokens and the routes that follow a
// log; takes from compute where work runs.

import type { Assets, PlacedOutputs } from '#assets';
import type { Work } from '#compute';
import type { Tokens } from '#identity';
import type { Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { tableOf } from '#kernel/errors/failures';
import type { Room } from '#kernel/files/room';
import type { Scheme } from '#kernel/http/surface';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { ResourceKind, Resources } from '#resources';
import type { Runs } from '#runs';
import type { Storage } from '#storage';
import type { Vaults } from '#vault';
import { type Workspaces, workspaceType } from '#workspaces';
import { jobsDuties } from './duties.ts';
import type { Environments, Preparing } from './environments.port.ts';
import { createFamilies } from './families.service.ts';
import { type AddressSigner, historyRoutes } from './history.routes.ts';
import { createHistorySurface } from './history.surface.ts';
import { createJobRecords, outputPlaceOf, outputUri, stateOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import { createJobKind } from './jobs.kind.ts';
import { createJobsService, type JobLives } from './jobs.service.ts';
import { logRoutes } from './log.routes.ts';
import { createJobLogs } from './log.service.ts';
import { jobsMeters } from './meters.ts';
import { jobTables } from './migrations/index.ts';
import { outputRoutes } from './outputs.routes.ts';
import { createOutputs } from './outputs.service.ts';
import type { ParentTypes } from './parents.port.ts';
import { createReferences, type References } from './references.service.ts';
import { createRegistering } from './registering.service.ts';
import { createRunTokens, type RunTokens, type Submitters } from './run-tokens.scheme.ts';
import { createJobSecrets } from './secrets.service.ts';
import { createServerless } from './serverless.service.ts';
import { jobsSettings } from './settings.ts';
import { isEnd } from './status.rules.ts';

export { shellQuote } from './command.rules.ts';
export type {
  BuildDocument,
  EnvironmentImage,
  Environments,
  PackageAccess,
  Planned,
  Prepared,
  Preparing,
  Standing,
  Waiting,
} from './environments.port.ts';
export { childrenMax } from './families.service.ts';
export {
  type FlowState,
  type JobState,
  jobType,
  type Outcome,
  outputUri,
  siblingId,
  stateOf,
} from './job-state.service.ts';
export { definitionOf } from './jobs.kind.ts';
export { checkJob } from './jobs.rules.ts';
export type { JobLives, MetricPart, MetricRange } from './jobs.service.ts';
export { isPlaced, nameToBe, type OutputPlace, overlap, placeOf, placeUri, withDatastore } from './outputs.rules.ts';
export { noParents, type ParentType, type ParentTypes } from './parents.port.ts';
export type { References } from './references.service.ts';
export { buildScope } from './run-tokens.scheme.ts';
export { jobsSettings } from './settings.ts';
export { isEnd } from './status.rules.ts';

export type Jobs = Module<ResourceKind> & {
  readonly kinds: readonly ResourceKind[];
  /** Run tokens; stands before the scheme of access tokens on every surface that a running job calls. */
  readonly runScheme: Scheme;
  /** For whoever names an output of a job. */
  readonly placed: PlacedOutputs;
  /** For the module of what is made of jobs. */
  readonly lives: JobLives;
  readonly references: References;
  /** What jobs do for whoever makes environments. */
  readonly preparing: Preparing;
  /** Who submitted jobs is disabled or gone: what of them runs or waits is canceled. */
  endThoseOf(objectId: string): Promise<void>;
};

/** Opens every workspace once, so not more often than it is of use. */
const sweepEveryMs = 6 * 3_600_000;

export function createJobs(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly runs: Runs;
  readonly assets: Assets;
  readonly vaults: Vaults;
  /** Writes to containers as a request would: see `Storage`. */
  readonly putAsked: Storage['putAsked'];
  readonly work: Work;
  readonly tokens: Tokens;
  readonly directory: Submitters;
  readonly addresses: AddressSigner;
  /** How callers of run history prove who they are: a signed address first. */
  readonly schemes: readonly Scheme[];
  readonly grants: Grants;
  readonly acts: Pick<Acts, 'duty' | 'onBehalf'>;
  readonly tenantId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** Absent: the disk has room for what jobs print. */
  readonly room?: Pick<Room, 'state'>;
  /** Nodes of the cluster that a workspace is given for jobs that name none; 0: it is given none. */
  readonly serverlessNodes: number;
  /** Bytes that the inputs of one job may have together in memory. */
  readonly inputBytes: number;
  /** From which on a single one is kept by its node. */
  readonly keptInputBytes: number;
  /** The port that the server listens on, which a sandbox reaches it at too. */
  readonly port: number;
  /** Types of jobs that are made of others. They stand above and come later: asked for once a job is there. */
  readonly parents: ParentTypes;
  /** Who makes the environments that jobs run in; called only after everything is composed. */
  readonly environments: () => Environments;
}): Jobs {
  const logs = createJobLogs(deps);
  const tokens: RunTokens = createRunTokens({
    tokens: deps.tokens,
    tenantId: deps.tenantId,
    isActive: (jobId, workId) => jobs.isActive(jobId, workId),
    directory: deps.directory,
  });
  const records = createJobRecords(deps);
  const families = createFamilies({ ...deps, records });
  const secrets = createJobSecrets(deps);
  const outputs = createOutputs({ ...deps, records });
  const registering = createRegistering({ ...deps, records });
  const references = createReferences({
    registering,
    ...deps,
    bounds: deps,
    secrets,
    outputs,
    serverless: createServerless({ ...deps, nodes: deps.serverlessNodes }),
  });
  const jobs = createJobsService({ ...deps, records, families, registering, logs, secrets, tokens: () => tokens });
  deps.work.owner('job', { documentOf: jobs.documentOf, renewToken: jobs.renewToken, onEvent: jobs.onEvent });

  /** Keeps the logs of ended jobs as artifacts that there was no room for then. */
  async function sweepLogs(signal: AbortSignal): Promise<void> {
    const looking = deps.grants.duty(jobsDuties.findWorkspaces, '/');
    for await (const { id, uniqueId } of deps.resources.each(looking, { type: workspaceType, under: '/' })) {
      if (signal.aborted) return;
      const grant = deps.grants.duty(jobsDuties.keepLogs, id);
      const hasEnded = async (runId: string) => {
        const job = await deps.resources.find(grant, `${id}/jobs/${runId}`);
        return job === undefined || isEnd(stateOf(job).status);
      };
      try {
        const source = { database: await deps.workspaces.database(grant, id), workspaceId: id };
        const count = await logs.sealLeft(grant, source, hasEnded);
        const fields = { module: 'jobs', workspace: uniqueId, count };
        if (count > 0) deps.log.info(fields, 'logs that there was no room for were kept as artifacts');
      } catch (error) {
        // A workspace whose customer refuses his key, or one that is half made: looked at again the next time.
        deps.log.debug({ module: 'jobs', workspace: uniqueId, error }, 'a workspace was not swept');
      }
    }
  }

  return {
    name: 'jobs',
    workspaceTables: jobTables,
    duties: Object.values(jobsDuties),
    failures: [tableOf(jobsFailures)],
    settings: jobsSettings,
    meters: Object.values(jobsMeters),
    kinds: [createJobKind({ ...deps, jobs, references, families })],
    surfaces: [createHistorySurface(deps.schemes)],
    routes: [...logRoutes({ ...deps, logs }), ...historyRoutes({ ...deps, logs, families }), ...outputRoutes(outputs)],
    runScheme: tokens.scheme,
    async placed(workspaceId, jobName, output) {
      const job = await records.find(`${workspaceId}/jobs/${jobName}`);
      // Of one that has none the name alone says where it is.
      if (job === undefined || !Object.hasOwn(stateOf(job).outputs ?? {}, output)) return undefined;
      const place = outputPlaceOf(job, output);
      return place === outputUri(job.name, output) ? undefined : place;
    },
    lives: jobs.lives,
    references,
    preparing: jobs.preparing,
    endThoseOf: jobs.endThoseOf,
    periodic: [{ name: 'job-logs', everyMs: sweepEveryMs, atStart: true, run: sweepLogs }],
    start: () => jobs.reconcile(),
  };
}
