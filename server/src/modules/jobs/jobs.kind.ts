// The job as a resource kind. Everything that can be wrong is said before the job exists; after that only its state and its
// description change.

import { isDeepStrictEqual } from 'node:util';
import { type CommandJob, commandJob } from '@strongroom/contract/jobs';
import { Type } from '@strongroom/contract/schema';
import type { Assets } from '#assets';
import type { Grants } from '#kernel/authority/grant';
import { activity, json } from '#kernel/http/route';
import { isWithin, parseResourceId } from '#kernel/ids/ids';
import type { Draft, Properties, Resource, ResourceKind, Resources } from '#resources';
import { workspaceOf, workspaceType } from '#workspaces';
import { jobsDuties } from './duties.ts';
import { takeInputs } from './inputs.service.ts';
import { type JobState, jobType, keptBeside, outputUri, stateOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import { checkJob } from './jobs.rules.ts';
import type { JobsService } from './jobs.service.ts';
import { clusterOf, isServerless, type Serverless, serverless } from './serverless.service.ts';
import { isEnd } from './status.rules.ts';
import { refuseServices, unservedOfJobs } from './unserved.ts';

const described = ['displayName', 'description', 'tags', 'properties', 'isArchived'] as const;
/** What a job is. It says what ran, so it never changes. */
const fixed = [
  'jobType',
  'command',
  'codeId',
  'computeId',
  'environmentId',
  'experimentName',
  'environmentVariables',
  'inputs',
  'outputs',
  'resources',
  'limits',
] as const;

/** Kept for ourselves. */
const hidden: ReadonlySet<string> = new Set<keyof JobState>([
  'workId',
  'submissions',
  'began',
  'outcome',
  'codeSnapshot',
  'inputSnapshots',
  'inputAddresses',
  'submitter',
]);

const inWorkspace = (id: string, workspaceId: string, type: string, property: string): void => {
  if (isWithin(id, workspaceId) && parseResourceId(id).type?.toLowerCase() === `${workspaceType}/${type}`.toLowerCase())
    return;
  throw jobsFailures.InvalidResourceId(property, workspaceId, type);
};

export function createJobKind(deps: {
  readonly resources: Resources;
  readonly assets: Assets;
  readonly jobs: JobsService;
  readonly grants: Pick<Grants, 'duty'>;
  readonly serverless: Serverless;
}): ResourceKind {
  const { resources, assets, jobs, grants, serverless: serverlessCluster } = deps;

  return {
    type: jobType,
    title: 'job',
    namePattern: /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$/,
    nameRule: 'it begins with a letter or digit and has up to 255 letters, digits, hyphens and underscores',
    properties: commandJob,
    unserved: unservedOfJobs,
    discriminators: [
      { path: 'jobType', serves: ['Command'], refuse: jobsFailures.jobTypeNotServed },
      { path: 'identity.identityType', serves: ['AMLToken'], refuse: jobsFailures.JobIdentityNotServed },
    ],
    location: 'none',
    listQuery: Type.Object({
      jobType: Type.Optional(Type.String()),
      tag: Type.Optional(Type.String()),
      listViewType: Type.Optional(
        Type.Union([Type.Literal('ActiveOnly'), Type.Literal('ArchivedOnly'), Type.Literal('All')]),
      ),
    }),

    normalise({ properties }, existing): Properties {
      // `validate` refuses what differs from what is stored, so that laying it over changes nothing.
      if (existing)
        return {
          ...existing.properties,
          ...pick(asStored(properties, existing), [...described, ...fixed, 'services']),
        };
      const own = Object.fromEntries(
        Object.entries(properties).filter(([name]) => !(keptBeside as readonly string[]).includes(name)),
      );
      return {
        isArchived: false,
        experimentName: 'Default',
        ...own,
        ...(isServerless(own['computeId'] as string | undefined) ? { computeId: serverless } : {}),
        identity: { identityType: 'AMLToken' },
        status: 'NotStarted',
      };
    },

    async validate(grant, draft: Draft, existing, id) {
      // The manager has checked the shape with the kind's schema.
      const job = draft.properties as unknown as CommandJob;
      refuseServices(job.services);
      if (existing) return refuseChange(existing, draft.properties);
      checkJob(job);
      const workspaceId = workspaceOf(id) ?? '';
      const computeId = clusterOf(workspaceId, job.computeId);
      inWorkspace(computeId, workspaceId, 'computes', 'computeId');
      if (!isServerless(job.computeId) && !(await resources.find(grant, computeId)))
        throw jobsFailures.ComputeNotFound(parseResourceId(computeId).name);
      if (job.codeId !== undefined) {
        inWorkspace(job.codeId, workspaceId, 'codes/versions', 'codeId');
        await assets.code(grant, job.codeId);
      }
      if (job.environmentId !== undefined) {
        inWorkspace(job.environmentId, workspaceId, 'environments/versions', 'environmentId');
        const environment = await assets.environment(grant, job.environmentId);
        if (environment.image !== undefined) {
          throw jobsFailures.EnvironmentNotServed(environment.image);
        }
      }
      // Last: what is refused for something else makes no cluster.
      if (isServerless(job.computeId)) await serverlessCluster.ensure(workspaceId);
    },

    async create(grant, job) {
      const workspaceId = workspaceOf(job.id) ?? '';
      const { codeId } = stateOf(job);
      await jobs.begin(grant, job, {
        codeSnapshot: codeId === undefined ? undefined : (await assets.code(grant, codeId)).uri,
        ...(await takeInputs(assets, grant, workspaceId, stateOf(job))),
      });
      // Nothing to keep that is not kept already: the job may be running by now, and what it became must stand.
      return undefined;
    },

    async remove(grant, job) {
      // As it is stored now: what is given may be from before it was submitted.
      const now = await resources.find(grants.duty(jobsDuties.advance, job.id), job.id);
      if (now === undefined || isEnd(stateOf(now).status)) return;
      const isMade = job.provisioningState === 'Succeeded';
      // The house removes what stands in a workspace or a group that goes, and takes back what could not be made.
      if (isMade && grant.duty === undefined) {
        throw jobsFailures.JobActive(stateOf(now).status);
      }
      await jobs.abandon(now);
    },

    view(job, addressed) {
      const shown = Object.fromEntries(Object.entries(job.properties).filter(([name]) => !hidden.has(name)));
      const origin = addressed?.origin ?? '';
      return {
        ...shown,
        ...(job.properties['outputs'] === undefined ? {} : { outputs: outputsOf(job) }),
        displayName: shown['displayName'] ?? job.name,
        tags: shown['tags'] ?? {},
        services: {
          Tracking: {
            jobServiceType: 'Tracking',
            endpoint: `${origin.replace(/^https:/, 'azureml:')}/mlflow/v1.0${workspaceOf(job.id)}`,
            status: null,
            port: null,
          },
          Studio: {
            jobServiceType: 'Studio',
            endpoint: `${origin}/portal/jobs/${job.name}?wsid=${workspaceOf(job.id)}`,
            status: null,
            port: null,
          },
        },
        parameters: Object.fromEntries(
          Object.entries(stateOf(job).inputs ?? {}).map(([name, input]) => [name, input.value ?? input.uri]),
        ),
      };
    },

    matches(job, query) {
      const { isArchived, tags, jobType: type } = stateOf(job);
      const view = query['listViewType'] ?? 'ActiveOnly';
      if (view !== 'All' && (isArchived === true) !== (view === 'ArchivedOnly')) return false;
      if (typeof query['jobType'] === 'string' && query['jobType'].toLowerCase() !== type.toLowerCase()) return false;
      if (typeof query['tag'] !== 'string') return true;
      const [name = '', value] = query['tag'].split(/=(.*)/s);
      return tags !== undefined && Object.hasOwn(tags, name) && (value === undefined || tags[name] === value);
    },

    actions: [
      {
        name: 'cancel',
        summary: 'Asks a job to end. Its status says when it has.',
        goesOnWhenLow: 'it ends what runs',
        audit: activity(),
        async handle(grant, job, { exchange }) {
          if (!isEnd(stateOf(job).status)) await jobs.cancel(grant, job);
          const { origin, rawPath, query } = exchange.target;
          const jobUrl = `${origin}${rawPath.replace(/\/cancel\/?$/i, '')}?api-version=${encodeURIComponent(query.get('api-version') ?? '')}`;
          return isEnd(stateOf(job).status) ? json(200, {}) : json(202, {}, { location: jobUrl, 'retry-after': '1' });
        },
      },
    ],
    audit: {
      write: activity(
        'properties.jobType',
        'properties.experimentName',
        'properties.computeId',
        'properties.codeId',
        'properties.environmentId',
      ),
      remove: activity(),
    },
  };
}

/** With where each is: a client that has read a job knows where to get what it left. */
const outputsOf = (job: Resource) =>
  Object.fromEntries(
    Object.entries(stateOf(job).outputs ?? {}).map(([name, output]) => [
      name,
      { ...output, uri: outputUri(job.name, name) },
    ]),
  );

/** A client that has read the job sends back what it was told, and means no change by it. */
function asStored(properties: Properties, existing: Resource): Properties {
  return isDeepStrictEqual(properties['outputs'], outputsOf(existing))
    ? { ...properties, outputs: existing.properties['outputs'] }
    : properties;
}

function refuseChange(existing: Resource, asked: Properties): void {
  const changed = fixed.find(
    (name) => asked[name] !== undefined && !isDeepStrictEqual(asked[name], existing.properties[name]),
  );
  if (changed === undefined) return;
  throw jobsFailures.JobExists(existing.name, changed);
}

function pick(properties: Properties, names: readonly string[]): Properties {
  return Object.fromEntries(
    names.filter((name) => properties[name] !== undefined).map((name) => [name, properties[name]]),
  );
}
