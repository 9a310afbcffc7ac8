// What was done before and need not be done again: a step whose component says that the same inputs give the same outputs takes
// those of the job that did it, if that job is there, has completed, and whoever submitted the pipeline may read it. Of what was
// done the latest is remembered, so much and no more; what was forgotten is done again.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import { type JobLives, siblingId, stateOf } from '#jobs';
import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { Failure } from '#kernel/errors/failure';
import type { Resource } from '#resources';
import * as store from './results.store.ts';

/** Of one workspace: as many steps as the largest pipeline has. */
export const resultsMax = 10_000;
/** Taken away at once: a step brings one. */
const forgottenAtOnce = 10;

export type Results = {
  /** The job whose outputs may be taken. */
  find(pipeline: Resource, digest: string): Promise<Resource | undefined>;
  /** The job has done this, or is taken for it: what is used is not forgotten. */
  put(pipeline: Resource, digest: string, job: Resource): Promise<void>;
};

export function createResults(deps: {
  readonly lives: Pick<JobLives, 'database' | 'find'>;
  readonly grants: Pick<Grants, 'onBehalf'>;
  readonly clock: Pick<Clock, 'epochMs'>;
  readonly max?: number;
}): Results {
  const { lives, grants, clock, max = resultsMax } = deps;

  function mayRead({ creator, name }: Resource, jobId: string): boolean {
    if (creator === undefined) return false;
    try {
      grants.onBehalf(creator, jobsActions.read, jobId, `submitted ${name}`);
      return true;
    } catch (thrown) {
      if (thrown instanceof Failure && thrown.kind === 'forbidden') return false;
      throw thrown;
    }
  }

  return {
    async find(pipeline, digest) {
      const database = await lives.database(pipeline.id);
      const row = await store.findResult(database.read, digest);
      if (row === undefined) return undefined;
      const job = await lives.find(siblingId(pipeline.id, row.job));
      if (job === undefined || job.uniqueId !== row.job_unique_id) {
        await database.write((tx) => store.deleteResult(tx, row));
        return undefined;
      }
      return stateOf(job).status === 'Completed' && mayRead(pipeline, job.id) ? job : undefined;
    },
    async put(pipeline, digest, { name, uniqueId }) {
      const row = { digest, job: name, job_unique_id: uniqueId, used_ms: clock.epochMs() };
      await (await lives.database(pipeline.id)).write(async (tx) => {
        await store.putResult(tx, row);
        await store.deleteUnused(tx, max, forgottenAtOnce);
      });
    },
  };
}
