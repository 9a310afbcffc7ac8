// A job's life after it was accepted: its work is submitted, its document is made when a node takes it, what the node
// reports moves it from state to state, and whatever dies in between it ends in a true state. Every step may be told twice.

import type { JobStatus } from '@strongroom/contract/jobs';
import type { Assets } from '#assets';
import type { Work, WorkDocument, WorkEvent, WorkSpec } from '#compute';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import type { Properties, Resource, Resources } from '#resources';
import type { Runs } from '#runs';
import { type Workspace, type Workspaces, workspaceOf, workspaceType } from '#workspaces';
import { resolveCommand } from './command.ts';
import { type Content, documentOf, type JobContent } from './document.ts';
import { type JobState, jobType, stateOf } from './job.ts';
import type { JobLogs } from './log.service.ts';
import { jobKey, type RunTokens } from './run-tokens.ts';
import { isEnd, mayFollow, runStatusOf } from './status.ts';
import { timeoutSecondsOf } from './validate.ts';

/** A node that is lost before the command began is nobody's fault; after this many it is. */
const maxSubmissions = 3;
const tokenMarginSeconds = 900;

export type JobsService = {
  /** Makes the run and submits the work. Idempotent. Answers what is kept beside the job. */
  begin(grant: Grant, job: Resource): Promise<Properties>;
  /** Hands the job's work to compute. Idempotent for one work id. */
  submit(jobId: string, state: JobState, workId: string): Promise<void>;
  cancel(grant: Grant, job: Resource): Promise<void>;
  isActive(jobId: string): Promise<boolean>;
  documentOf(work: WorkSpec): Promise<WorkDocument>;
  renewToken(work: WorkSpec): Promise<string>;
  onEvent(work: WorkSpec, event: WorkEvent): Promise<void>;
  /** At start: jobs whose work is gone are brought to a true state. */
  reconcile(): Promise<void>;
  /** Forgets that a removed job was active. */
  forget(jobId: string): void;
};

export function createJobsService(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly runs: Runs;
  readonly assets: Assets;
  readonly work: () => Work;
  readonly logs: JobLogs;
  readonly grants: Grants;
  readonly tokens: () => RunTokens;
  readonly clock: Clock;
  readonly log: Log;
  readonly port: () => number;
}): JobsService {
  const { resources, workspaces, runs, logs, grants, clock } = deps;
  const active = new Set<string>();
  const system = () => grants.system('move a job through its states');

  const workspaceIdOf = (jobId: string) => {
    const id = workspaceOf(jobId);
    if (id === undefined)
      throw new Failure({ kind: 'internal', code: 'InternalError', message: 'A job stands outside any workspace.' });
    return id;
  };

  /** Changes the state if the step may follow; answers the job as it is then, or undefined when it is gone. */
  async function step(jobId: string, to: JobStatus, more: Partial<JobState> = {}): Promise<JobState | undefined> {
    try {
      const changed = await resources.change(system(), jobId, (properties) => {
        const from = (properties as unknown as JobState).status;
        return mayFollow(from, to) ? { ...properties, ...more, status: to } : properties;
      });
      return stateOf(changed);
    } catch (thrown) {
      if (thrown instanceof Failure && thrown.kind === 'notFound') return undefined;
      throw thrown;
    }
  }

  async function end(
    jobId: string,
    to: 'Completed' | 'Failed' | 'Canceled',
    error?: { code: string; message: string },
  ): Promise<void> {
    const workspaceId = workspaceIdOf(jobId);
    const runId = jobId.slice(jobId.lastIndexOf('/') + 1);
    const endTime = clock.now();
    // Order matters: the token dies first, the log is an artifact before the job says that it has ended.
    active.delete(jobKey(jobId));
    const database = await workspaces.database(system(), workspaceId);
    await logs.seal(system(), { database, workspaceId, runId });
    await runs.setStatus(system(), workspaceId, runId, endStatusOf(to), endTime.getTime());
    await step(jobId, to, { endTime: endTime.toISOString(), ...(error ? { error } : {}) });
    logs.wake(runId);
  }

  async function submit(jobId: string, state: JobState, workId: string): Promise<void> {
    const spec: WorkSpec = {
      id: workId,
      kind: 'job',
      workspaceId: workspaceIdOf(jobId),
      computeId: state.computeId,
      subject: jobId,
      label: `job-${jobId.slice(jobId.lastIndexOf('/') + 1).slice(0, 60)}`,
    };
    await deps.work().submit(system(), spec);
    active.add(jobKey(jobId));
    await step(jobId, 'Queued');
  }

  async function contentOf(job: Resource, workspace: Workspace): Promise<JobContent> {
    const state = stateOf(job);
    const grant = system();
    const code = state.codeId === undefined ? undefined : await deps.assets.code(grant, state.codeId);
    const inputs = new Map<string, Content>();
    for (const [name, uri] of Object.entries(state.inputSnapshots ?? {})) {
      const snapshot = await deps.assets.snapshots.get(grant, workspace.id, uri);
      inputs.set(name, { digest: snapshot.digest, files: snapshot.files });
    }
    return { code: code && { digest: code.digest, files: code.files }, inputs };
  }

  async function tokenFor(job: Resource, workspace: Workspace, content: JobContent): Promise<string> {
    const state = stateOf(job);
    const inputs = [content.code?.digest, ...[...content.inputs.values()].map(({ digest }) => digest)]
      .filter((digest): digest is string => digest !== undefined)
      .map((digest) => `${workspace.id}/snapshots/${digest}`);
    return deps.tokens().issue(
      {
        jobId: job.id,
        workspaceId: workspace.id,
        workspaceUniqueId: workspace.uniqueId,
        runId: job.name,
        experimentId: state.experimentId ?? '',
        inputs,
        submitter: state.submitter ?? '',
      },
      // A training process cannot be handed another token, so this one holds as long as the job may run; it is refused at its end.
      timeoutSecondsOf(state) + tokenMarginSeconds,
    );
  }

  const service: JobsService = {
    submit,
    async begin(grant, job) {
      const state = stateOf(job);
      const workspaceId = workspaceIdOf(job.id);
      const experimentName = state.experimentName ?? 'Default';
      const experimentId = await runs.ensureExperiment(grant, workspaceId, experimentName);
      await madeOnce(
        runs.createRun(grant, workspaceId, {
          runId: job.name,
          experimentId,
          runName: state.displayName ?? job.name,
          user: { name: job.creator?.name ?? job.systemData.createdBy, objectId: job.systemData.createdBy },
          status: 'SCHEDULED',
          tags: [
            { key: 'mlflow.source.type', value: 'JOB' },
            ...Object.entries(state.tags ?? {}).map(([key, value]) => ({ key, value })),
          ],
        }),
      );
      const workId = state.workId ?? randomUuid();
      const kept: Partial<JobState> = { experimentId, workId, submissions: 1, startTime: clock.now().toISOString() };
      return { ...job.properties, ...kept, status: 'Starting' };
    },

    async cancel(grant, job) {
      const state = await step(job.id, 'CancelRequested');
      if (state?.workId === undefined) return;
      await deps.work().cancel(grant, state.workId, 10);
      logs.wake(job.name);
    },

    async isActive(jobId) {
      if (active.has(jobKey(jobId))) return true;
      const job = await resources.find(grants.system('is a run still active'), jobId);
      if (!job || isEnd(stateOf(job).status)) return false;
      active.add(jobKey(jobId));
      return true;
    },

    async documentOf(work) {
      const job = await resources.get(system(), work.subject);
      const state = stateOf(job);
      if (isEnd(state.status) || state.workId !== work.id)
        throw new Failure({
          kind: 'conflict',
          code: 'JobEnded',
          message: 'The job has ended, or other work stands for it now.',
        });
      const workspace = await workspaces.get(system(), workspaceIdOf(job.id));
      const content = await contentOf(job, workspace);
      const token = await tokenFor(job, workspace, content);
      return documentOf({
        job,
        state,
        workspace,
        content,
        token,
        port: deps.port(),
        command: resolveCommand(state, (name) => (content.inputs.get(name) ? pathOf(name, state, content) : '')),
      });
    },

    async renewToken(work) {
      const job = await resources.get(system(), work.subject);
      const workspace = await workspaces.get(system(), workspaceIdOf(job.id));
      return tokenFor(job, workspace, await contentOf(job, workspace));
    },

    async onEvent(work, event) {
      const job = await resources.find(system(), work.subject);
      // Removed, or other work stands for the job by now: nothing of it counts any more.
      if (!job || stateOf(job).workId !== work.id) return;
      const state = stateOf(job);
      if (isEnd(state.status)) return;
      switch (event.type) {
        case 'running':
          await runs.setStatus(system(), work.workspaceId, job.name, 'RUNNING');
          await resources.change(system(), job.id, (properties) => ({ ...properties, began: true }));
          await step(job.id, 'Running');
          return;
        case 'output':
          return logs.append(await workspaces.database(system(), work.workspaceId), job.name, event.text);
        case 'finalizing':
          await step(job.id, 'Finalizing');
          return;
        case 'finished': {
          if (event.reason === 'exited' && event.exitCode === 0) return end(job.id, 'Completed');
          if (state.status === 'CancelRequested') return end(job.id, 'Canceled');
          return end(job.id, 'Failed', failureOf(event, state));
        }
        case 'lost':
          if (state.status === 'CancelRequested') return end(job.id, 'Canceled');
          if (state.began === true || (state.submissions ?? 1) >= maxSubmissions) {
            return end(job.id, 'Failed', {
              code: 'NodeLost',
              message: 'The node that ran the job was lost (its agent or the server stopped). Submit the job again.',
            });
          }
          return again(job.id);
        default:
          return;
      }
    },

    async reconcile() {
      const grant = grants.system('bring jobs to a true state after a restart');
      for (const { id } of await resources.list(grant, { type: workspaceType, under: '/', limit: 10_000 })) {
        try {
          for (const job of await resources.list(grant, { type: jobType, under: id, limit: 50_000 })) await mend(job);
        } catch (error) {
          // A workspace whose customer has disabled its key is looked at when its jobs are next told of.
          deps.log.warn({ module: 'jobs', workspace: id, error }, 'the jobs of a workspace could not be looked at');
        }
      }
    },

    forget: (jobId) => void active.delete(jobKey(jobId)),
  };

  /** A new piece of work for a job whose node was lost before its command began. */
  async function again(jobId: string): Promise<void> {
    const workId = randomUuid();
    const changed = await resources.change(system(), jobId, (properties) => ({
      ...properties,
      workId,
      submissions: ((properties as unknown as JobState).submissions ?? 1) + 1,
      status: 'Starting',
    }));
    await submit(jobId, stateOf(changed), workId);
  }

  async function mend(job: Resource): Promise<void> {
    const state = stateOf(job);
    if (isEnd(state.status) || state.workId === undefined) return;
    const known = await deps.work().state(state.workId);
    if (known === 'queued' || known === 'leased' || known === 'running') {
      active.add(jobKey(job.id));
      return;
    }
    if (known === undefined && state.began !== true && state.status !== 'CancelRequested')
      return submit(job.id, state, state.workId);
    const spec = {
      id: state.workId,
      kind: 'job',
      workspaceId: workspaceIdOf(job.id),
      computeId: state.computeId,
      subject: job.id,
      label: job.name,
    } as const;
    // `finished` whose owner was not told is told again by compute itself; what nobody knows any more is lost.
    if (known !== 'finished') await service.onEvent(spec, { type: 'lost' });
  }

  return service;
}

/** A crash between making the run and keeping the job makes it again: the run that is there is the job's own. */
async function madeOnce(making: Promise<unknown>): Promise<void> {
  await making.catch((thrown: unknown) => {
    if (!(thrown instanceof Failure && thrown.kind === 'conflict')) throw thrown;
  });
}

const endStatusOf = (to: 'Completed' | 'Failed' | 'Canceled') => runStatusOf(to) as 'FINISHED' | 'FAILED' | 'KILLED';

/** A folder input is its folder, a file input the one file in it. */
function pathOf(name: string, state: JobState, content: JobContent): string {
  const folder = `/job/inputs/${name}`;
  const files = content.inputs.get(name)?.files ?? [];
  const [only] = files;
  return state.inputs?.[name]?.jobInputType === 'uri_file' && files.length === 1 && only
    ? `${folder}/${only.path}`
    : folder;
}

function failureOf(
  event: Extract<WorkEvent, { type: 'finished' }>,
  state: JobState,
): { code: string; message: string } {
  const said = event.message === undefined ? '' : ` ${event.message}`;
  switch (event.reason) {
    case 'exited':
      return {
        code: 'UserError',
        message: `The command ended with exit code ${event.exitCode ?? 'unknown'}. Its log says more.`,
      };
    case 'timeout':
      return {
        code: 'JobTimeout',
        message: `The command ran longer than its limit of ${timeoutSecondsOf(state)} seconds and was ended. Raise limits.timeout, or make the work smaller.`,
      };
    case 'memory':
      return { code: 'OutOfMemory', message: 'The command used more memory than its node has and was ended.' };
    case 'upload_failed':
      return { code: 'UploadFailed', message: `The command ended, but its outputs could not be kept.${said}` };
    case 'setup_failed':
      return { code: 'SetupFailed', message: `The job could not be set up on its node.${said}` };
    case 'signal':
      return { code: 'UserError', message: `The command was ended by a signal.${said}` };
    default:
      return { code: 'JobFailed', message: `The job ended: ${event.reason}.${said}` };
  }
}
