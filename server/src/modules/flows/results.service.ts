// What was done before and need not be done again: a step whose component says that the same inputs give the same outputs takes
// those of the job that did it, if that job is there, has completed, and whoever submitted the pipeline may read it.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import { type JobLives, siblingId, stateOf } from '#jobs';
import type { Grants } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { Resource } from '#resources';
import { findResult, putResult } from './results.store.ts';

export type Results = {
  /** The job whose outputs may be taken. */
  find(pipeline: Resource, digest: string): Promise<Resource | undefined>;
  put(pipeline: Resource, digest: string, jobName: string): Promise<void>;
};

export function createResults(deps: { readonly lives: JobLives; readonly grants: Pick<Grants, 'onBehalf'> }): Results {
  const { lives, grants } = deps;

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
      const name = await findResult((await lives.database(pipeline.id)).read, digest);
      if (name === undefined) return undefined;
      const job = await lives.find(siblingId(pipeline.id, name));
      return job !== undefined && stateOf(job).status === 'Completed' && mayRead(pipeline, job.id) ? job : undefined;
    },
    async put(pipeline, digest, jobName) {
      await (await lives.database(pipeline.id)).write((tx) => putResult(tx, digest, jobName));
    },
  };
}
