// The job as a resource kind. Everything that can be wrong is said before the job exists; after that only its state and its
// description change.

import { isDeepStrictEqual } from 'node:util';
import { type CommandJob, commandJob, distributionTypes } from '@strongroom/contract/jobs';
import { type PipelineJob, pipelineJob } from '@strongroom/contract/pipelines';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { Type } from '@strongroom/contract/schema';
import { type SweepJob, sweepJob } from '@strongroom/contract/sweeps';
import type { Assets } from '#assets';
import type { Grant, Grants } from '#kernel/authority/grant';
import { activity, json } from '#kernel/http/route';
import type { Draft, Properties, Resource, ResourceKind, Resources } from '#resources';
import { workspaceOf } from '#workspaces';
import { jobsDuties } from './duties.ts';
import type { Environments, Planned } from './environments.port.ts';
import type { Families } from './families.service.ts';
import { askedOf, jobType, outputsOf, shownOf, stateOf, toldNames, toldOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';
import { checkJob } from './jobs.rules.ts';
import type { JobsService } from './jobs.service.ts';
import type { ParentTypes } from './parents.port.ts';
import type { References } from './references.service.ts';
import { secretInstead } from './secrets.rules.ts';
import { isServerless, serverless } from './serverless.service.ts';
import { isEnd } from './status.rules.ts';
import { refuseLocal, refuseServices, unservedOfJobs } from './unserved.ts';

const described: readonly string[] = ['displayName', 'description', 'tags', 'properties', 'isArchived'];
/** One schema for all types: what a job is of another type has, it has not. */
const properties = Type.Union([commandJob, sweepJob, pipelineJob]);
const types = ['Command', 'Sweep', 'Pipeline'] as const;
/** What a job is. It says what ran, so it never changes. */
const fixed = [...new Set(properties.anyOf.flatMap((type) => Object.keys(type.properties)))].filter(
  (name) => ![...described, 'services', 'identity'].includes(name),
);

/** What another job is asked for that is to be as this one. */
export const definitionOf = ({ properties }: Resource): Properties =>
  pick(
    properties,
    [...fixed, 'displayName', 'description', 'tags', 'properties'].filter((name) => name !== 'parentJobName'),
  );

export function createJobKind(deps: {
  readonly resources: Resources;
  readonly assets: Assets;
  readonly jobs: JobsService;
  readonly references: References;
  readonly families: Families;
  readonly parents: ParentTypes;
  readonly environments: () => Pick<Environments, 'plan'>;
  readonly grants: Pick<Grants, 'duty'>;
}): ResourceKind {
  const { resources, assets, jobs, references, families, parents, grants } = deps;

  async function begin(grant: Grant, job: Resource): Promise<void> {
    const workspaceId = workspaceOf(job.id) ?? '';
    const asked = job.properties as unknown as CommandJob; // of this type, by the schema
    const whole = await references.inFull(grant, workspaceId, asked);
    const { command, codeId, environmentId, distribution, inputs, outputs } = whole;
    const { recipe, image }: Planned =
      environmentId === undefined ? {} : await deps.environments().plan(grant, workspaceId, environmentId);
    const taken = await references.takeInputs(
      grant,
      workspaceId,
      defined({ inputs, outputs, computeId: whole.computeId }),
    );
    await jobs.begin(grant, job, {
      // What a component says is kept as the job's own: the component may go.
      ...(asked.componentId === undefined
        ? {}
        : defined({ command, codeId, environmentId, distribution, inputs, outputs })),
      ...(recipe === undefined ? {} : { recipe }),
      ...(image === undefined ? {} : { environmentImage: image }),
      codeSnapshot: codeId === undefined ? undefined : (await assets.code(grant, codeId)).uri,
      ...taken,
    });
  }

  return {
    type: jobType,
    title: 'job',
    namePattern: /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$/,
    nameRule: 'it begins with a letter or digit and has up to 255 letters, digits, hyphens and underscores',
    properties,
    unserved: unservedOfJobs,
    insteadOfCredential: secretInstead,
    discriminators: [
      { path: 'jobType', serves: types, refuse: (type) => jobsFailures.jobTypeNotServed(type, types) },
      { path: 'identity.identityType', serves: ['AMLToken'], refuse: jobsFailures.JobIdentityNotServed },
      ...['distribution', 'trial.distribution'].map((path) => ({
        path: `${path}.distributionType`,
        serves: distributionTypes,
        refuse: (type: string) => jobsFailures.DistributionNotServed(path, type, distributionTypes),
      })),
    ],
    location: 'none',
    listQuery: Type.Object({
      jobType: Type.Optional(Type.String()),
      tag: Type.Optional(Type.String()),
      parentJobName: Type.Optional(Type.String({ maxLength: 255 })),
      listViewType: Type.Optional(
        Type.Union([Type.Literal('ActiveOnly'), Type.Literal('ArchivedOnly'), Type.Literal('All')]),
      ),
    }),

    normalise({ properties: given }, existing): Properties {
      const properties = withoutTold(given);
      // `validate` refuses what differs from what is stored, so that laying it over changes nothing.
      if (existing)
        return {
          ...existing.properties,
          ...pick(asStored(properties, existing), [...described, ...fixed, 'services']),
        };
      const own = askedOf(properties);
      return {
        isArchived: false,
        experimentName: 'Default',
        ...own,
        // The steps of a pipeline name theirs.
        ...(own['jobType'] !== 'Pipeline' && isServerless(own['computeId'] as string | undefined)
          ? { computeId: serverless }
          : {}),
        identity: { identityType: 'AMLToken' },
        status: 'NotStarted',
      };
    },

    async validate(grant, draft: Draft, existing, id) {
      // The manager has checked the shape with the kind's schema.
      const job = draft.properties as unknown as CommandJob | SweepJob | PipelineJob;
      refuseServices(job.services);
      refuseLocal(job);
      if (existing) return refuseChange(existing, draft.properties);
      const workspaceId = workspaceOf(id) ?? '';
      if (job.parentJobName !== undefined) await families.checkParent(grant, id, job.parentJobName);
      const parent = parents.of(job.jobType);
      if (parent !== undefined) return parent.check(grant, draft.properties, id);
      if (job.jobType !== 'Command') throw jobsFailures.jobTypeNotServed(job.jobType, ['Command']);
      const whole = await references.inFull(grant, workspaceId, job);
      checkJob(whole);
      await references.check(grant, workspaceId, whole);
    },

    async create(grant, job) {
      const state = stateOf(job);
      if (state.parentJobName !== undefined) await families.join(job.id, state.parentJobName);
      const parent = parents.of(state.jobType);
      if (parent !== undefined) await jobs.beginParent(grant, job, parent);
      else await begin(grant, job);
      // Nothing to keep that is not kept already: the job may be running by now, and what it became must stand.
      return undefined;
    },

    async remove(grant, job) {
      // As it is stored now: what is given may be from before it was submitted.
      const now = await resources.find(grants.duty(jobsDuties.advance, job.id), job.id);
      if (now === undefined) return;
      const isHouse = grant.duty !== undefined;
      if (!isEnd(stateOf(now).status)) {
        // The house removes what stands in a workspace or a group that goes, and takes back what could not be made.
        if (job.provisioningState === 'Succeeded' && !isHouse) throw jobsFailures.JobActive(stateOf(now).status);
        await jobs.abandon(now);
      } else if (!isHouse) await families.removeChildren(grant, now, actionsOfType(jobType).remove);
      const { parentJobName } = stateOf(now);
      if (parentJobName !== undefined) await families.leave(now.id, parentJobName);
    },

    async update(grant, job, before) {
      const { isArchived } = job.properties;
      if (isArchived !== before.properties['isArchived']) await jobs.archive(grant, before, isArchived === true);
      return undefined;
    },

    view(job, addressed) {
      const shown = shownOf(job.properties);
      const told = toldOf(job);
      const origin = addressed?.origin ?? '';
      return {
        ...shown,
        ...(job.properties['outputs'] === undefined ? {} : { outputs: outputsOf(job) }),
        displayName: shown['displayName'] ?? job.name,
        tags: shown['tags'] ?? {},
        // Always: azure-ai-ml does not follow a job without them.
        properties: { ...stateOf(job).properties, ...told },
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
      const { isArchived, tags, jobType: type, parentJobName } = stateOf(job);
      // A list shows what was submitted; what belongs to a job is asked for by its name.
      const asked = query['parentJobName'];
      if ((typeof asked === 'string' ? asked.toLowerCase() : undefined) !== parentJobName?.toLowerCase()) return false;
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

/** A client that has read the job sends back what it was told, and means no change by it. */
function asStored(properties: Properties, existing: Resource): Properties {
  const told = toldOf(existing);
  const given = properties['properties'] as CommandJob['properties'];
  const own = given && Object.fromEntries(Object.entries(given).filter(([name, value]) => told[name] !== value));
  return {
    ...properties,
    ...(own === undefined ? {} : { properties: own }),
    ...(isDeepStrictEqual(properties['outputs'], outputsOf(existing))
      ? { outputs: existing.properties['outputs'] }
      : {}),
  };
}

function withoutTold(properties: Properties): Properties {
  const { properties: kept } = properties;
  if (typeof kept !== 'object' || kept === null) return properties;
  return {
    ...properties,
    properties: Object.fromEntries(Object.entries(kept).filter(([name]) => !toldNames.has(name))),
  };
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

const defined = (fields: { readonly [K in keyof CommandJob]?: CommandJob[K] | undefined }): Partial<CommandJob> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
