// A job's life after it was accepted: its run is made and its work submitted, what a node reports moves it from state to state,
// and whatever dies in between it ends in a true state. Every step may be told twice, and by two at once. What it waits for
// before it is queued is in preparation.service.ts, what a node gets that takes it in taking.service.ts.

import type { CommandJob, JobStatus } from '@strongroom/contract/jobs';
import { jobsActions } from '@strongroom/contract/jobs.actions';
import type { Assets } from '#assets';
import type { Work, WorkDocument, WorkEvent, WorkSpec } from '#compute';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import type { Log } from '#kernel/log/log';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { Resource, Resources } from '#resources';
import type { MetricPart, MetricRange, Runs } from '#runs';
import type { Workspaces } from '#workspaces';
import { jobsDuties } from './duties.ts';
import { createEnding, isOver } from './ending.service.ts';
import type { Environments, Preparing } from './environments.port.ts';
import type { Families } from './families.service.ts';
import {
  type JobRecords,
  type JobState,
  type Outcome,
  siblingId,
  stateOf,
  workspaceIdOf,
} from './job-state.service.ts';
import { callsPip } from './jobs.rules.ts';
import type { JobLogs } from './log.service.ts';
import { canceled, outcomeOf } from './outcome.rules.ts';
import type { ParentType, ParentTypes } from './parents.port.ts';
import { createPreparation } from './preparation.service.ts';
import type { Registering } from './registering.service.ts';
import { disownRun, ensureRun } from './run.service.ts';
import type { RunTokens, Submitters } from './run-tokens.scheme.ts';
import type { JobSecrets } from './secrets.service.ts';
import { clusterOf } from './serverless.service.ts';
import { mayFollow } from './status.rules.ts';
import { isSystemMetric } from './system-metrics.rules.ts';
import { createTaking } from './taking.service.ts';

export type { MetricPart, MetricRange } from '#runs';

const cancelGraceSeconds = 10;

/** What a module above holds of jobs that it makes, and of those that they are made of. The house's own: nothing is decided here. */
export type JobLives = {
  find(jobId: string): Promise<Resource | undefined>;
  childrenOf(parent: Resource): Promise<readonly Resource[]>;
  /** Lays changes over what is kept as `flow`; answers the job's state, or undefined when the job is gone. */
  keep(jobId: string, changes: (state: JobState) => object): Promise<JobState | undefined>;
  step(jobId: string, to: JobStatus): Promise<JobState | undefined>;
  end(jobId: string, outcome: Outcome): Promise<void>;
  /**
   * Before it ends well: makes the assets that its outputs are to become. Why one of them could not be made; undefined once all are.
   * Throws what passes by. May be told twice.
   */
  registerOutputs(jobId: string): Promise<Outcome['error']>;
  cancel(job: Resource): Promise<void>;
  /** Of the workspace that the job stands in. */
  database(jobId: string): Promise<Database>;
  /** A line of the job's own log. */
  say(jobId: string, line: string): Promise<void>;
  /** Whether who submitted the job is still there and enabled. */
  isBacked(job: Resource): Promise<boolean>;
  /** What one metric of the job's run came to after so many points each, and last after all that were logged by now. */
  parts(jobId: string, key: string, at: readonly number[]): Promise<readonly MetricPart[]>;
  /** What all points of one metric of the job's run come to; where there are none, the names of what it logged. */
  metric(jobId: string, key: string): Promise<{ readonly range: MetricRange; readonly logged: readonly string[] }>;
};

export type JobsService = {
  /** Makes the run of a job that was just stored, and submits its work. Idempotent. */
  begin(
    grant: Grant,
    job: Resource,
    content: Pick<
      JobState,
      'codeSnapshot' | 'inputSnapshots' | 'inputAddresses' | 'keptBytes' | 'recipe' | 'environmentImage'
    > &
      Partial<CommandJob>,
  ): Promise<void>;
  /** For whoever makes environments. */
  readonly preparing: Preparing;
  /** Makes the run of a job that is made of others, and has it looked at. Idempotent. */
  beginParent(grant: Grant, job: Resource, type: ParentType): Promise<void>;
  /** And its children. */
  cancel(grant: Grant, job: Resource): Promise<void>;
  /** Takes what belongs to the job with it into the archive, or out of it. */
  archive(grant: Grant, job: Resource, isArchived: boolean): Promise<void>;
  readonly lives: JobLives;
  /** Ends a job that is to be removed: its creation failed, or what it stands in is removed. */
  abandon(job: Resource): Promise<void>;
  /** Whether the job still runs as this work. */
  isActive(jobId: string, workId: string): Promise<boolean>;
  documentOf(work: WorkSpec): Promise<WorkDocument>;
  renewToken(work: WorkSpec): Promise<string>;
  onEvent(work: WorkSpec, event: WorkEvent): Promise<void>;
  /** Cancels what this principal submitted and has not ended. */
  endThoseOf(objectId: string): Promise<void>;
  /**
   * At start: jobs that have not ended are brought to the state that their work says, or canceled where who submitted them
   * is disabled or gone. Looks at no other job.
   */
  reconcile(): Promise<void>;
};

export function createJobsService(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly runs: Runs;
  readonly assets: Assets;
  readonly work: Work;
  readonly logs: JobLogs;
  readonly grants: Grants;
  readonly tokens: () => RunTokens;
  readonly directory: Submitters;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly port: number;
  /** Bytes from which on a single input is kept by its node. */
  readonly keptInputBytes: number;
  readonly parents: ParentTypes;
  readonly families: Families;
  readonly records: JobRecords;
  readonly registering: Pick<Registering, 'register'>;
  readonly environments: () => Environments;
  readonly secrets: Pick<JobSecrets, 'read'>;
}): JobsService {
  const { workspaces, runs, work, logs, grants, clock, parents, families, records, registering } = deps;
  const advancing = (jobId: string) => grants.duty(jobsDuties.advance, jobId);
  const { end, conclude, turns } = createEnding({
    ...deps,
    onEnded: (job) => preparation.onEnded(job),
    ended(jobId, { jobType, parentJobName }) {
      if (parentJobName !== undefined) parents.look(siblingId(jobId, parentJobName));
      if (parents.of(jobType) !== undefined) parents.look(jobId);
    },
  });
  /** Nothing happens when the step may not follow; answers the job as it is then, or undefined when it is gone. */
  const step = (jobId: string, to: JobStatus, more: Partial<JobState> = {}) =>
    records.change(jobId, (state) => ({
      ...more,
      ...(state.outcome === undefined && mayFollow(state.status, to) ? { status: to } : {}),
    }));

  async function submit(jobId: string, { computeId, submitter, keptBytes }: JobState, workId: string): Promise<void> {
    const spec = specOf(jobId, computeId, workId);
    await work.submit(advancing(jobId), {
      ...spec,
      ...(submitter ? { submitter } : {}),
      ...(keptBytes === undefined ? {} : { keptBytes }),
    });
    const state = await step(jobId, 'Queued');
    // Asked to end while it was submitted, when there was no work yet that could be told.
    if (state === undefined || isOver(state) || state.status === 'CancelRequested') await stopWork(jobId, workId, 0);
  }

  /** A line of the job's own log. */
  async function say(jobId: string, line: string): Promise<void> {
    const database = await workspaces.database(advancing(jobId), workspaceIdOf(jobId));
    await logs.append(database, jobId.slice(jobId.lastIndexOf('/') + 1), `${line}\n`);
  }

  /** pip itself says that it found nothing, and not why. */
  async function tellOfPackages(jobId: string): Promise<void> {
    const workspace = await workspaces.get(advancing(jobId), workspaceIdOf(jobId));
    const packages = deps.environments().packagesFor(workspace);
    if ('closed' in packages) await say(jobId, packages.closed);
  }

  /** True when the end of the work will be told; false when compute does not know it. */
  async function stopWork(jobId: string, workId: string, graceSeconds: number): Promise<boolean> {
    if ((await work.state(workId)) === undefined) return false;
    await work.cancel(advancing(jobId), workId, graceSeconds);
    return true;
  }

  /** New work for a job whose node was lost before its command began. */
  async function again(jobId: string, lostWorkId: string): Promise<void> {
    const workId = randomUuid();
    const state = await records.change(jobId, ({ workId: now, submissions = 1 }) =>
      now === lostWorkId ? { workId, submissions: submissions + 1, status: 'Starting' } : {},
    );
    if (state?.workId === workId) await submit(jobId, state, workId);
  }

  /** Does nothing for a job that has ended meanwhile. */
  const whileActive = (spec: WorkSpec, act: (job: Resource) => Promise<unknown>) =>
    turns(spec.subject, async () => {
      const job = await records.ofWork(spec);
      if (job && !isOver(stateOf(job))) await act(job);
    });

  const registerOutputs = (jobId: string): Promise<Outcome['error']> =>
    turns(jobId, async () => {
      const job = await records.find(jobId);
      return job !== undefined && !isOver(stateOf(job)) ? await registering.register(job) : undefined;
    });

  async function onEnd(spec: WorkSpec, event: Extract<WorkEvent, { type: 'finished' | 'lost' }>): Promise<void> {
    const job = await records.ofWork(spec);
    if (job === undefined) return;
    const state = stateOf(job);
    if (isOver(state)) return conclude(job.id);
    const outcome = outcomeOf(event, state, clock.now());
    if (outcome === 'again') return again(job.id, spec.id);
    if (outcome.status !== 'Completed') return end(job.id, outcome);
    const error = await registerOutputs(job.id);
    return end(job.id, error === undefined ? outcome : { ...outcome, status: 'Failed', error });
  }

  async function mend(job: Resource): Promise<void> {
    const state = stateOf(job);
    // What was left while it was made is taken back by the resource manager.
    if (job.provisioningState !== 'Succeeded' || state.workId === undefined) return;
    if (isOver(state)) {
      await conclude(job.id);
      return void (await stopWork(job.id, state.workId, 0));
    }
    const known = await work.state(state.workId);
    // Of work that ended compute itself tells, until it was heard.
    if (known === 'finished') return;
    const isAlive = known === 'queued' || known === 'leased' || known === 'running';
    if (isAlive && state.status === 'CancelRequested')
      return void (await stopWork(job.id, state.workId, cancelGraceSeconds));
    if (isAlive) return void (known === 'queued' && (await step(job.id, 'Queued')));
    if (known === undefined && state.began !== true && state.status !== 'CancelRequested')
      return submit(job.id, state, state.workId);
    await onEnd(specOf(job.id, state.computeId, state.workId), { type: 'lost' });
  }

  async function cancel(job: Resource): Promise<void> {
    const state = await step(job.id, 'CancelRequested');
    logs.wake(job.name);
    if (parents.of(stateOf(job).jobType) !== undefined) return parents.look(job.id);
    await cancelChildren(job);
    if (state?.workId === undefined || isOver(state)) return;
    if (!(await stopWork(job.id, state.workId, cancelGraceSeconds))) await end(job.id, canceled(clock.now()));
  }

  async function cancelChildren(job: Resource): Promise<void> {
    for (const child of await families.childrenOf((await records.find(job.id)) ?? job))
      if (!isOver(stateOf(child))) await cancel(child);
  }

  /** Whether who submitted the job is still there and enabled. */
  const isBacked = async (job: Resource): Promise<boolean> =>
    (await deps.directory.findPrincipal(stateOf(job).submitter ?? ''))?.enabled === true;

  /** Of every job that has not ended. A workspace whose customer has disabled its key is looked at another time. */
  async function eachUnsettled(act: (job: Resource) => Promise<void>): Promise<void> {
    // Every job that has not ended has work that compute still tells of: it is stored before the job is accepted, and is
    // only settled when the job has taken its end in. So nothing else needs to be looked at, and no workspace to be opened.
    const left = await work.unsettled('job');
    const subjects = new Map(left.map((spec) => [spec.subject.toLowerCase(), spec]));
    for (const { subject, workspaceId } of subjects.values()) {
      try {
        const job = await records.find(subject);
        if (job) await act(job);
      } catch (error) {
        deps.log.warn({ module: 'jobs', workspace: workspaceId, error }, 'a job could not be looked at');
      }
    }
  }

  const preparation = createPreparation({ ...deps, step, submit, end, cancel, say, isBacked });
  const taking = createTaking({ ...deps, cancel, isBacked });

  return {
    preparing: preparation.preparing,
    async begin(grant, job, content) {
      const build = preparation.buildOf(job.id);
      const experimentName = stateOf(job).experimentName ?? 'Default';
      const experimentId = await runs.ensureExperiment(grant, workspaceIdOf(job.id), experimentName);
      await ensureRun(runs, grant, job, experimentId);
      const workId = randomUuid();
      const state = await step(job.id, 'Starting', {
        ...content,
        experimentId,
        workId,
        submissions: 1,
        submitter: build?.submitter ?? job.creator?.objectId ?? '',
        ...(build === undefined ? {} : { builds: build.recipe }),
        startTime: clock.now().toISOString(),
      });
      if (state?.status === 'CancelRequested') return end(job.id, canceled(clock.now()));
      if (state !== undefined && callsPip(state.command)) await tellOfPackages(job.id);
      if (state?.keptBytes !== undefined)
        await say(
          job.id,
          `Memory has no room for its inputs: it runs on a node that keeps ${Math.ceil(state.keptBytes / 1024 ** 2)} MiB of inputs on its disk, and waits while there is none.`,
        );
      if (state?.recipe !== undefined) return preparation.prepare(job.id);
      if (state) await submit(job.id, state, workId);
    },

    async beginParent(grant, job, type) {
      const experimentName = stateOf(job).experimentName ?? 'Default';
      const experimentId = await runs.ensureExperiment(grant, workspaceIdOf(job.id), experimentName);
      await ensureRun(runs, grant, job, experimentId);
      const { flow, inFull } = await type.accept(grant, job);
      await step(job.id, 'Running', {
        ...inFull,
        flow,
        experimentId,
        submitter: job.creator?.objectId ?? '',
        startTime: clock.now().toISOString(),
      });
      await runs.setStatus(grant, workspaceIdOf(job.id), job.name, 'RUNNING');
      parents.look(job.id);
    },

    cancel: (_grant, job) => cancel(job),
    async archive(grant, job, isArchived) {
      const below = await families.allBelow(job);
      const { write } = jobsActions;
      for (const { id } of below) grants.also(grant, write, id);
      for (const { id } of below) await records.change(id, () => ({ isArchived }));
    },
    lives: {
      find: records.find,
      childrenOf: families.childrenOf,
      keep: (jobId, changes) => records.change(jobId, (state) => ({ flow: { ...state.flow, ...changes(state) } })),
      step,
      end,
      registerOutputs,
      cancel,
      isBacked,
      database: (jobId) => workspaces.database(advancing(jobId), workspaceIdOf(jobId)),
      say,
      parts: (jobId, key, at) =>
        runs.partsOf(advancing(jobId), workspaceIdOf(jobId), jobId.slice(jobId.lastIndexOf('/') + 1), key, at),
      async metric(jobId, key) {
        const [grant, workspaceId] = [advancing(jobId), workspaceIdOf(jobId)];
        const runId = jobId.slice(jobId.lastIndexOf('/') + 1);
        const range = await runs.rangeOf(grant, workspaceId, runId, key);
        const latest = range.count > 0 ? [] : await runs.metricsOf(grant, workspaceId, runId);
        return { range, logged: latest.map((metric) => metric.key ?? '').filter((name) => !isSystemMetric(name)) };
      },
    },

    endThoseOf: (objectId) =>
      eachUnsettled(async (job) => {
        const state = stateOf(job);
        if (state.submitter === objectId && !isOver(state)) await cancel(job);
      }),

    async abandon({ id }) {
      const job = await records.find(id);
      if (job === undefined) return;
      const { workId, began, jobType } = stateOf(job);
      if (parents.of(jobType) !== undefined) {
        await end(id, canceled(clock.now()));
        await cancelChildren(job);
        // Its name is free again unless something was made of it.
        if ((stateOf(job).children ?? []).length === 0) await disownRun(runs, advancing(id), job);
        return;
      }
      if (workId === undefined) return;
      await end(id, canceled(clock.now()));
      await stopWork(id, workId, 0);
      if (began !== true) await disownRun(runs, advancing(id), job);
    },

    async isActive(jobId, workId) {
      const job = await records.find(jobId);
      return job !== undefined && stateOf(job).workId === workId && !isOver(stateOf(job));
    },

    documentOf: taking.documentOf,
    renewToken: taking.renewToken,

    async onEvent(spec, event) {
      const { workspaceId } = spec;
      switch (event.type) {
        case 'running':
          return whileActive(spec, async (job) => {
            await runs.setStatus(advancing(job.id), workspaceId, job.name, 'RUNNING');
            await step(job.id, 'Running', { began: true });
          });
        case 'output':
          return whileActive(spec, async (job) =>
            logs.append(await workspaces.database(advancing(job.id), workspaceId), job.name, event.text),
          );
        case 'finalizing':
          return whileActive(spec, (job) => step(job.id, 'Finalizing'));
        case 'finished':
        case 'lost':
          return onEnd(spec, event);
        default:
          // `preparing` comes after the queue here, and before it in Azure's order: the job stays Queued until it runs.
          return;
      }
    },

    reconcile: () =>
      eachUnsettled(async (job) => {
        await mend(job);
        // The server may have died between a principal's end and the end of its jobs.
        if (!isOver(stateOf(job)) && !(await isBacked(job))) await cancel(job);
      }),
  };
}

const specOf = (jobId: string, computeId: string | undefined, workId: string): WorkSpec => ({
  id: workId,
  kind: 'job',
  workspaceId: workspaceIdOf(jobId),
  computeId: clusterOf(workspaceIdOf(jobId), computeId),
  subject: jobId,
  label: `job-${jobId.slice(jobId.lastIndexOf('/') + 1).slice(0, 60)}`,
});
