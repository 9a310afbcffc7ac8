// The MLflow run that stands for a job. It bears the job's name, and a tag that says whose it is: a name that was used by an
// earlier job is refused, because its metrics, its artifacts and its log are that job's and stay in the record.

import type { Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { Resource } from '#resources';
import type { Runs } from '#runs';
import { stateOf, workspaceIdOf } from './job-state.service.ts';
import { jobsFailures } from './jobs.errors.ts';

/** MLflow's own: clients list a run's children by it. */
const parentTag = 'mlflow.parentRunId';
/** Unique id of the job that the run stands for; `none` for a run whose job was taken back before it began. */
const ownerTag = 'strongroom.job';
const nobody = 'none';

type RunStore = Pick<Runs, 'createRun' | 'get' | 'setTags' | 'setStatus'>;

/** Makes the run of a job. Idempotent. Throws `conflict` when another job has used the name. */
export async function ensureRun(runs: RunStore, grant: Grant, job: Resource, experimentId: string): Promise<void> {
  const { displayName, tags = {}, parentJobName } = stateOf(job);
  const workspaceId = workspaceIdOf(job.id);
  try {
    await runs.createRun(grant, workspaceId, {
      runId: job.name,
      experimentId,
      runName: displayName ?? job.name,
      ...(job.creator ? { user: { name: job.creator.name, objectId: job.creator.objectId } } : {}),
      status: 'SCHEDULED',
      tags: [
        ...Object.entries(tags).map(([key, value]) => ({ key, value })),
        { key: 'mlflow.source.type', value: 'JOB' },
        { key: ownerTag, value: job.uniqueId },
        ...(parentJobName === undefined ? [] : [{ key: parentTag, value: parentJobName }]),
      ],
    });
  } catch (thrown) {
    if (!(thrown instanceof Failure && thrown.kind === 'conflict')) throw thrown;
    await adopt(runs, grant, job);
  }
}

/** A run that is there is this job's own after a crash, or nobody's after a creation that was taken back. */
async function adopt(runs: RunStore, grant: Grant, job: Resource): Promise<void> {
  const workspaceId = workspaceIdOf(job.id);
  const run = await runs.get(grant, workspaceId, job.name);
  const owner = run.data.tags?.find(({ key }) => key === ownerTag)?.value;
  if (owner === job.uniqueId) return;
  if (owner !== nobody) {
    throw jobsFailures.JobNameUsed(job.name);
  }
  await runs.setTags(grant, workspaceId, job.name, { [ownerTag]: job.uniqueId });
  await runs.setStatus(grant, workspaceId, job.name, 'SCHEDULED');
}

/** The job was taken back before it began: its name is free again. */
export async function disownRun(runs: RunStore, grant: Grant, job: Resource): Promise<void> {
  await runs.setTags(grant, workspaceIdOf(job.id), job.name, { [ownerTag]: nobody });
}
