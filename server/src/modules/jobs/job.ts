// A job as it is stored: what was asked for, and what the module keeps beside it.

import type { CommandJob, JobStatus } from '@strongroom/contract/jobs';
import type { Resource } from '#resources';
import { workspaceType } from '#workspaces';

export const jobType = `${workspaceType}/jobs`;

/** What the module keeps beside the job as it was asked for. */
export type JobState = CommandJob & {
  readonly status: JobStatus;
  readonly workId?: string;
  readonly experimentId?: string;
  readonly submissions?: number;
  /** Whether the user's command ever began: then a lost node means a failed job, before it another try. */
  readonly began?: boolean;
  readonly startTime?: string;
  readonly endTime?: string;
  readonly error?: { readonly code: string; readonly message: string };
  /** Snapshot URIs by input name, fixed when the job was accepted. */
  readonly inputSnapshots?: Readonly<Record<string, string>>;
  readonly submitter?: string;
};

export const stateOf = (resource: Resource): JobState => resource.properties as unknown as JobState;
