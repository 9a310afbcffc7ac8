// Jobs that wait for the environment that they run in, and the builds that they wait for, which are jobs themselves. A job is
// queued once its environment is there. The end of a build is told until it was taken in, perhaps twice.

import type { JobStatus } from '@strongroom/contract/jobs';
import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { asFailure, passesBy } from '#kernel/errors/failure';
import { idKey } from '#kernel/ids/ids';
import { createTurns } from '#kernel/turns/turns';
import type { Resource, Resources } from '#resources';
import { jobsDuties } from './duties.ts';
import { isOver } from './ending.service.ts';
import type { Environments, Prepared, Preparing } from './environments.port.ts';
import { type JobRecords, type JobState, jobType, type Outcome, stateOf } from './job-state.service.ts';
import type { JobLogs } from './log.service.ts';
import { canceled, failed } from './outcome.rules.ts';
import { isEnd, mayFollow } from './status.rules.ts';

/** What a build is of, and for whom. */
type Build = { readonly recipe: string; readonly submitter: string };

export type Preparation = {
  /** For whoever makes environments. */
  readonly preparing: Preparing;
  /**
   * Brings a job to its environment: it is queued when there is one, waits for its build, or fails with what the build has said.
   * May be told twice, and by two at once.
   */
  prepare(jobId: string): Promise<void>;
  /** Undefined: the job that is being made is not one of the service's own builds. */
  buildOf(jobId: string): Build | undefined;
  /** What an environment waits for, or a job of an environment, is over. */
  onEnded(job: Resource): Promise<void>;
};

export function createPreparation(deps: {
  readonly resources: Pick<Resources, 'create' | 'each'>;
  readonly records: JobRecords;
  readonly environments: () => Environments;
  readonly grants: Pick<Grants, 'duty'>;
  readonly logs: Pick<JobLogs, 'wake'>;
  readonly clock: Clock;
  readonly step: (jobId: string, to: JobStatus, more: Partial<JobState>) => Promise<JobState | undefined>;
  readonly submit: (jobId: string, state: JobState, workId: string) => Promise<void>;
  readonly end: (jobId: string, outcome: Outcome) => Promise<void>;
  readonly cancel: (job: Resource) => Promise<void>;
  /** A line of the job's own log. */
  readonly say: (jobId: string, line: string) => Promise<void>;
  /** Whether who submitted the job is still there and enabled. */
  readonly isBacked: (job: Resource) => Promise<boolean>;
}): Preparation {
  const { records, environments, grants, logs, clock, step, submit, end, cancel, say, isBacked } = deps;
  /** Builds that are being made: told here and not by what was asked for, so that nobody makes a build but the service. */
  const builds = new Map<string, Build>();
  const preparations = createTurns({ keyOf: idKey });

  const prepare = (jobId: string): Promise<void> =>
    preparations(jobId, async () => {
      const job = await records.find(jobId);
      if (job === undefined) return;
      const state = stateOf(job);
      const { recipe, workId, submitter = '' } = state;
      if (isOver(state) || recipe === undefined || workId === undefined || !mayFollow(state.status, 'Queued')) return;
      if (!(await isBacked(job))) return end(jobId, canceled(clock.now()));
      const prepared: Prepared =
        state.environmentImage === undefined
          ? await environments().prepare({ jobId, recipe, submitter, computeId: state.computeId })
          : { state: 'ready', image: state.environmentImage };
      switch (prepared.state) {
        case 'building':
          await step(jobId, 'Preparing', { environmentBuild: prepared.build });
          // Who follows the job sees what it waits for, and where that is told.
          if (prepared.build !== state.environmentBuild)
            await say(
              jobId,
              `Its environment is built first, by the job ${prepared.build}, whose log tells how it goes.`,
            );
          return logs.wake(job.name);
        case 'fetching':
          await step(jobId, 'Preparing', { environmentSource: prepared.source });
          if (prepared.source !== state.environmentSource)
            await say(jobId, `The image ${prepared.source} is fetched first, into the registry of the workspace.`);
          return logs.wake(job.name);
        case 'failed':
          await step(jobId, 'Preparing', prepared.build === undefined ? {} : { environmentBuild: prepared.build });
          return end(jobId, failed(clock.now(), prepared.error));
        default: {
          const ready = await step(jobId, 'Preparing', { environmentImage: prepared.image });
          if (ready !== undefined && !isOver(ready)) await submit(jobId, ready, workId);
          // Order matters: until it is submitted the end of the build is told to it again after a crash.
          await environments().leave(jobId);
        }
      }
    });

  const preparing: Preparing = {
    async startBuild({ workspaceId, name, recipe, submitter, computeId, displayName }) {
      const id = `${workspaceId}/jobs/${name}`;
      builds.set(idKey(id), { recipe, submitter });
      try {
        await deps.resources.create(grants.duty(jobsDuties.build, workspaceId), id, {
          properties: {
            jobType: 'Command',
            displayName,
            experimentName: buildExperiment,
            command: buildCommand,
            limits: { jobLimitsType: 'Command', timeout: buildTimeout },
            ...(computeId === undefined ? {} : { computeId }),
          },
        });
      } finally {
        builds.delete(idKey(id));
      }
    },
    async prepare(jobId) {
      try {
        await prepare(jobId);
      } catch (thrown) {
        const failure = asFailure(thrown);
        // Tried again, because the end of the build is told again.
        if (passesBy(failure)) throw thrown;
        const { code, message } = failure;
        await end(jobId, failed(clock.now(), { code, message }));
      }
    },
    async cancelBuild(jobId) {
      const job = await records.find(jobId);
      if (job !== undefined && stateOf(job).builds !== undefined && !isOver(stateOf(job))) await cancel(job);
    },
    async imagesInUse(workspaceId) {
      const used = new Set<string>();
      const looking = grants.duty(jobsDuties.lookForImages, workspaceId);
      for await (const job of deps.resources.each(looking, { type: jobType, under: workspaceId })) {
        const state = stateOf(job);
        if (state.environmentImage !== undefined && !isOver(state)) used.add(state.environmentImage.repository);
      }
      return used;
    },
    async standing(jobId) {
      const job = await records.find(jobId);
      if (job === undefined) return undefined;
      const { submitter = '', outcome, ...now } = stateOf(job);
      const status = outcome?.status ?? now.status;
      const told = { submitter, error: outcome?.error ?? now.error };
      if (isEnd(status)) return { ...told, state: status.toLowerCase() as 'completed' | 'failed' | 'canceled' }; // the three ends
      // Left while it was made: nothing runs for it, and the resource manager takes it back.
      return { ...told, state: job.provisioningState === 'Failed' ? 'canceled' : 'runs' };
    },
  };

  return {
    preparing,
    prepare,
    buildOf: (jobId) => builds.get(idKey(jobId)),
    async onEnded(job) {
      const { builds: builtRecipe, recipe, environmentImage } = stateOf(job);
      environments().forget(job.id);
      if (builtRecipe !== undefined) await environments().ended(job);
      else if (recipe !== undefined && environmentImage === undefined) await environments().leave(job.id);
    },
  };
}

/** As the builds of Azure are called. */
const buildExperiment = 'prepare_image';
const buildCommand = 'build the environment';
const buildTimeout = 'PT1H';
