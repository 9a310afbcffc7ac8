// Types of jobs that are made of other jobs: a sweep of its trials, a pipeline of its steps. What they are made of is decided
// above (`flows`); that they are jobs, with a run, a log and one end, is decided here. Compose introduces the two.

import type { Grant } from '#kernel/authority/grant';
import type { Resource } from '#resources';
import type { FlowState, JobState } from './job-state.service.ts';

export type ParentType = {
  /** Everything that can be wrong with it, said before it exists. Throws. */
  check(grant: Grant, properties: Resource['properties'], jobId: string): Promise<void>;
  /**
   * It is accepted, and its run is there: what it stands on is fixed. Idempotent. From here on it is looked at, also after a
   * crash, until it has ended. Answers what is kept beside it.
   */
  accept(grant: Grant, job: Resource): Promise<Accepted>;
};

export type Accepted = {
  readonly flow: FlowState;
  /** What the job is given and leaves, where it is said elsewhere: kept as the job's own. */
  readonly inFull?: Pick<JobState, 'inputs' | 'outputs'>;
};

export type ParentTypes = {
  /** Undefined: no job is made of others by this name. */
  of(jobType: string): ParentType | undefined;
  /** Something happened to the job or to one of its children: it is looked at soon. Waits for nothing and never throws. */
  look(jobId: string): void;
  /** Whether this very job is being made by the one that it belongs to, at this moment. */
  isMaking(jobId: string): boolean;
};

/** Where jobs are made of nothing but themselves. */
export const noParents: ParentTypes = { of: () => undefined, look: () => {}, isMaking: () => false };
