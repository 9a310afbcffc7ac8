// A job as it is stored: what was asked for, and what the module keeps beside it. Changes are atomic: each sees what is
// stored at its moment, whoever else changes the job.

import type { CommandJob, JobEnd, JobStatus } from '@strongroom/contract/jobs';
import { jobsType } from '@strongroom/contract/jobs.actions';
import { outputPath } from '#assets';
import type { WorkSpec } from '#compute';
import type { Grants } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { Properties, Resource, Resources } from '#resources';
import { artifactPrefix, workspaceOf } from '#workspaces';
import { jobsDuties } from './duties.ts';
import type { EnvironmentImage } from './environments.port.ts';
import { jobsFailures } from './jobs.errors.ts';
import { placeUri } from './outputs.rules.ts';

export const jobType = jobsType;

/** Among the snapshots of inputs: a folder in which nothing lay. */
export const emptyFolder = '';

/** How a job ends. The first one that is told is kept, and stays. */
export type Outcome = {
  readonly status: JobEnd;
  readonly endTime: string;
  readonly error?: { readonly code: string; readonly message: string };
};

export type FlowState = {
  /** Shown among the properties of the job, by Azure's names. */
  readonly told?: Readonly<Record<string, string>>;
  /** By the name of an output of the job, where it is. */
  readonly outputUris?: Readonly<Record<string, string>>;
  /** The child whose outputs are the job's. */
  readonly outputsOf?: string;
};

/** What the module keeps beside the job as it was asked for: nobody sets it from outside. */
type Beside = {
  readonly status: JobStatus;
  readonly workId?: string;
  readonly experimentId?: string;
  readonly submissions?: number;
  /** Whether the user's command ever began: then a lost node means a failed job, before it another try. */
  readonly began?: boolean;
  readonly startTime?: string;
  readonly endTime?: string;
  readonly error?: { readonly code: string; readonly message: string };
  /** Decided, while the log and the run are still brought to their ends. */
  readonly outcome?: Outcome | undefined;
  /** Snapshot URIs of the code and by input name, fixed when the job was accepted. */
  readonly codeSnapshot?: string | undefined;
  readonly inputSnapshots?: Readonly<Record<string, string>>;
  /** By input name, of those that the command gets as an address and reads itself. */
  readonly inputAddresses?: Readonly<Record<string, string>>;
  /** Bytes of inputs that its node must keep on its disk: memory has no room for them. */
  readonly keptBytes?: number;
  readonly submitter?: string;
  /** Versions of the assets that its outputs become, by output. */
  readonly registered?: Readonly<Record<string, string>>;
  /** Names of the jobs that belong to this one. */
  readonly children?: readonly string[];
  /** What a job that is made of others keeps of them; of it, what every job may tell. */
  readonly flow?: FlowState;
  /** `sha256:…` of what its environment is made of; absent: the node's own Python. */
  readonly recipe?: string | undefined;
  /** The job that builds it, while that is waited for and afterwards. */
  readonly environmentBuild?: string;
  /** The image of another registry that it waits for, or has waited for. */
  readonly environmentSource?: string;
  /** What it runs in. */
  readonly environmentImage?: EnvironmentImage;
  /** A build of the service, of this recipe: not what its submitter has written. */
  readonly builds?: string;
};

const beside: Readonly<Record<keyof Beside, 'shown' | 'hidden'>> = {
  status: 'shown',
  workId: 'hidden',
  experimentId: 'shown',
  submissions: 'hidden',
  began: 'hidden',
  startTime: 'shown',
  endTime: 'shown',
  error: 'shown',
  outcome: 'hidden',
  codeSnapshot: 'hidden',
  inputSnapshots: 'hidden',
  inputAddresses: 'hidden',
  keptBytes: 'hidden',
  submitter: 'hidden',
  registered: 'hidden',
  children: 'hidden',
  flow: 'hidden',
  recipe: 'hidden',
  environmentBuild: 'hidden',
  environmentSource: 'hidden',
  environmentImage: 'hidden',
  builds: 'hidden',
};
/** What of a job was asked for. */
export const askedOf = (properties: Properties): Properties =>
  Object.fromEntries(Object.entries(properties).filter(([name]) => !Object.hasOwn(beside, name)));
/** What of a job is told. */
export const shownOf = (properties: Properties): Properties =>
  Object.fromEntries(
    Object.entries(properties).filter(
      ([name]) => !Object.hasOwn(beside, name) || beside[name as keyof Beside] === 'shown',
    ),
  );

export type JobState = Omit<CommandJob, 'jobType'> & { readonly jobType: string } & Beside;

/** The manager has checked what was asked for by the kind's schema; the rest is ours. */
const stateIn = (properties: Properties): JobState => properties as unknown as JobState;
export const stateOf = (resource: Resource): JobState => stateIn(resource.properties);

/** Where an output of a job is that has no place of its own, in the words of Azure: clients download it from there, and another job takes it as an input. */
export const outputUri = (jobName: string, output: string): string =>
  `azureml://datastores/workspaceartifactstore/paths/${artifactPrefix(jobName)}${outputPath(output)}`;

/** What the server tells among the properties that are the caller's. */
export function toldOf(job: Resource): Readonly<Record<string, string>> {
  const { flow, builds, recipe = builds, environmentBuild, environmentImage, environmentSource } = stateOf(job);
  const source = environmentImage?.source ?? environmentSource;
  return {
    ...flow?.told,
    ...(recipe === undefined ? {} : { [toldRecipe]: recipe }),
    ...(environmentBuild === undefined ? {} : { [toldBuild]: environmentBuild }),
    ...(source === undefined ? {} : { [toldSource]: source }),
    ...(environmentImage === undefined
      ? {}
      : { [toldImage]: `${environmentImage.repository}@${environmentImage.digest}` }),
  };
}

const toldBuild = 'strongroom.environment.build';
const toldImage = 'strongroom.environment.image';
const toldSource = 'strongroom.environment.source';
const toldRecipe = 'strongroom.environment.recipe';
/** Of these, what a client sends back that has read them is not kept as its own. */
export const toldNames: ReadonlySet<string> = new Set([toldBuild, toldImage, toldRecipe, toldSource]);

/** With where each is: a client that has read a job knows where to get what it left. */
export const outputsOf = (job: Resource) =>
  Object.fromEntries(
    Object.entries(stateOf(job).outputs ?? {}).map(([name, output]) => [
      name,
      {
        ...output,
        ...(stateOf(job).registered?.[name] === undefined ? {} : { assetVersion: stateOf(job).registered?.[name] }),
        uri: outputPlaceOf(job, name),
      },
    ]),
  );

/** Where an output of a job is: its own, or that of the child which made it. */
export function outputPlaceOf(job: Resource, output: string): string {
  const { flow, outputs = {} } = stateOf(job);
  const holder = flow?.outputsOf ?? job.name;
  return flow?.outputUris?.[output] ?? placeUri(outputs[output]?.uri, holder, output) ?? outputUri(holder, output);
}

/** Another job of the same workspace. */
export const siblingId = (jobId: string, name: string): string => `${jobId.slice(0, jobId.lastIndexOf('/'))}/${name}`;

/** The workspace of a job. */
export function workspaceIdOf(jobId: string): string {
  const id = workspaceOf(jobId);
  if (id === undefined) throw jobsFailures.InternalError();
  return id;
}

export type JobRecords = {
  find(jobId: string): Promise<Resource | undefined>;
  /** The job that this work stands for, as it is now; undefined when it is gone, or other work stands for it. */
  ofWork(work: Pick<WorkSpec, 'id' | 'subject'>): Promise<Resource | undefined>;
  /** Lays `changes` over what is stored; answers the job as it is then, or undefined when it is gone. */
  change(jobId: string, changes: (state: JobState) => Partial<JobState>): Promise<JobState | undefined>;
};

export function createJobRecords(deps: {
  readonly resources: Pick<Resources, 'find' | 'change'>;
  readonly grants: Pick<Grants, 'duty'>;
}): JobRecords {
  const { resources, grants } = deps;
  const advancing = (jobId: string) => grants.duty(jobsDuties.advance, jobId);
  const find = (jobId: string) => resources.find(advancing(jobId), jobId);
  return {
    find,
    async ofWork({ id, subject }) {
      const job = await find(subject);
      return job && stateOf(job).workId === id ? job : undefined;
    },
    async change(jobId, changes) {
      try {
        const changed = await resources.change(advancing(jobId), jobId, (properties) => ({
          ...properties,
          ...changes(stateIn(properties)),
        }));
        return stateOf(changed);
      } catch (thrown) {
        if (thrown instanceof Failure && thrown.kind === 'notFound') return undefined;
        throw thrown;
      }
    },
  };
}
