// The states of a job and how one follows from another. Pure. Source: Azure Machine Learning, run status values; the
// order of `jobSteps` is theirs. A job only moves forward; from CancelRequested it only ends; an end is an end.

import { type JobStatus, jobEnds, jobSteps } from '@strongroom/contract/jobs';

const order: readonly JobStatus[] = jobSteps;
const ends: ReadonlySet<JobStatus> = new Set(jobEnds);

export const isEnd = (status: JobStatus): boolean => ends.has(status);

/** Whether a job in `from` may become `to`. A step that is told twice is no step. */
export function mayFollow(from: JobStatus, to: JobStatus): boolean {
  if (isEnd(from) || from === to) return false;
  if (isEnd(to)) return true;
  if (from === 'CancelRequested') return false;
  if (to === 'CancelRequested') return true;
  return order.indexOf(to) > order.indexOf(from) && order.includes(to);
}

/** The status of the MLflow run that stands for the job. */
export function runStatusOf(status: JobStatus): 'SCHEDULED' | 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED' {
  switch (status) {
    case 'Running':
    case 'Finalizing':
    case 'CancelRequested':
    case 'NotResponding':
      return 'RUNNING';
    case 'Completed':
      return 'FINISHED';
    case 'Failed':
      return 'FAILED';
    case 'Canceled':
      return 'KILLED';
    default:
      return 'SCHEDULED';
  }
}
