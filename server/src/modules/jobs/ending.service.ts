// The end of a job, in one order and once: decided (from here on its token is refused), its log kept as an artifact, its run
// ended, and only then does the job say so. Each step may run again: after a crash the decision stands and the rest follows.

import type { Grants } from '#kernel/authority/grant';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import { createTurns, type Turns } from '#kernel/turns/turns';
import type { Resource } from '#resources';
import type { Runs } from '#runs';
import type { Workspaces } from '#workspaces';
import { jobsDuties } from './duties.ts';
import { type JobRecords, type JobState, type Outcome, stateOf, workspaceIdOf } from './job-state.service.ts';
import type { JobLogs } from './log.service.ts';
import { jobsMeters } from './meters.ts';
import { isEnd, runStatusOf } from './status.rules.ts';

export type Ending = {
  /** Ends the job. What was decided before stands. */
  end(jobId: string, outcome: Outcome): Promise<void>;
  /** Finishes what was decided. Does nothing for a job that is undecided or has ended. */
  conclude(jobId: string): Promise<void>;
  /** One at a time for each job: what must not happen while it ends. */
  readonly turns: Turns;
};

const counted = { Completed: 'completed', Failed: 'failed', Canceled: 'canceled' } as const;

export const isOver = (state: JobState): boolean => isEnd(state.status) || state.outcome !== undefined;

export function createEnding(deps: {
  readonly records: JobRecords;
  readonly workspaces: Pick<Workspaces, 'database'>;
  readonly runs: Pick<Runs, 'setStatus'>;
  readonly logs: JobLogs;
  readonly grants: Pick<Grants, 'duty'>;
  readonly telemetry: Telemetry;
  /** Told of every end, perhaps twice: whoever the job belongs to looks. */
  readonly ended?: (jobId: string, state: JobState) => void;
  /** Told when the job says that it has ended, at least once. */
  readonly onEnded: (job: Resource) => Promise<void>;
}): Ending {
  const { records, workspaces, runs, logs, grants } = deps;
  const turns = createTurns({ keyOf: (id) => id.toLowerCase() });
  const ended = deps.telemetry.counter(jobsMeters.ended);

  async function finish(jobId: string, outcome: Outcome): Promise<void> {
    const grant = grants.duty(jobsDuties.advance, jobId);
    const workspaceId = workspaceIdOf(jobId);
    const runId = jobId.slice(jobId.lastIndexOf('/') + 1);
    const database = await workspaces.database(grant, workspaceId);
    await logs.seal(grant, { database, workspaceId, runId });
    await runs.setStatus(grant, workspaceId, runId, runStatusOf(outcome.status), Date.parse(outcome.endTime));
    let isFirst = false;
    const state = await records.change(jobId, (state) => {
      isFirst = !isEnd(state.status);
      return isFirst ? { ...outcome, outcome: undefined } : {};
    });
    if (isFirst) ended.add({ status: counted[outcome.status] });
    logs.wake(runId);
    if (state !== undefined) deps.ended?.(jobId, state);
  }

  async function conclude(jobId: string): Promise<void> {
    await turns(jobId, async () => {
      const job = await records.find(jobId);
      const outcome = job?.properties['outcome'] as Outcome | undefined; // ours, see JobState
      if (job && outcome) await finish(job.id, outcome);
    });
    // Outside its turn, because those that waited for it go on here. Also when it had ended before: a crash may have come between.
    const job = await records.find(jobId);
    if (job && isEnd(stateOf(job).status)) await deps.onEnded(job);
  }

  return {
    turns,
    conclude,
    async end(jobId, outcome) {
      const decided = await records.change(jobId, (state) => (isOver(state) ? {} : { outcome }));
      if (decided?.outcome) await conclude(jobId);
    },
  };
}
