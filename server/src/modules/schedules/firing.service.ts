// A schedule that is due: the job of its latest time is made in the name of who last wrote it, by the rights that he has at that
// moment. The job's name follows from the schedule and the time, so that however often a firing is tried, there is one job. Of
// times that passed while nobody could fire, the last is made up for, and no other.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import { schedulesActions } from '@strongroom/contract/schedules.actions';
import { isEnd, type JobLives, stateOf as jobStateOf } from '#jobs';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { Failure, passesBy } from '#kernel/errors/failure';
import type { Room } from '#kernel/files/room';
import { sameId } from '#kernel/ids/ids';
import type { Creator, Resource, Resources } from '#resources';
import { latestUntil, nextAfter } from './calendar.rules.ts';
import { askedName, firingName, isoOf, jobOf, scheduledBy } from './definition.rules.ts';
import { schedulesDuties } from './duties.ts';
import { schedulesFailures } from './schedules.errors.ts';
import { type Kept, type ScheduleState, stateIn, stateOf } from './state.rules.ts';
import type { Fired } from './timer.service.ts';
import { calendarOf } from './trigger.rules.ts';

/** So many of its last jobs are looked at: when none of them has ended, no further one is made. */
export const unendedMax = 10;

export type Firing = {
  /** Throws what a workspace that does not open throws. */
  fire(scheduleId: string): Promise<Fired>;
  /** Makes the job now because somebody asked, in his name. The same time asked for again is the same job. Answers its name. */
  fireFor(grant: Grant, schedule: Resource, atMs: number): Promise<string>;
};

type Outcome = { readonly job: string } | { readonly refused: Failure; readonly isRecorded: boolean } | 'later';

export type Authors = {
  findPrincipal(objectId: string): Promise<{ readonly enabled: boolean } | undefined>;
};

export function createFiring(deps: {
  readonly resources: Pick<Resources, 'find' | 'create' | 'put' | 'change'>;
  readonly lives: Pick<JobLives, 'find'>;
  readonly directory: Authors;
  readonly grants: Pick<Grants, 'duty'>;
  readonly acts: Pick<Acts, 'onBehalf' | 'also' | 'duty'>;
  readonly clock: Clock;
  readonly room: Pick<Room, 'state'> | undefined;
}): Firing {
  const { resources, lives, grants, acts, clock, room } = deps;

  /** Lays these over what is kept beside a schedule, as it is then. */
  const keep = (grant: Grant, { id }: Resource, changes: (kept: Kept) => Partial<Kept>) =>
    resources.change(grant, id, (properties) => {
      const { kept } = stateIn(properties);
      return kept === undefined ? properties : { ...properties, kept: { ...kept, ...changes(kept) } };
    });

  async function make(schedule: Resource, state: ScheduleState, author: Creator, atMs: number): Promise<Outcome> {
    const name = firingName(schedule.name, atMs);
    const id = jobId(schedule, name);
    const there = await lives.find(id);
    if (there !== undefined && !isOurs(there, schedule, author))
      return refused(schedulesFailures.FiringNameTaken(name));
    if (there !== undefined && there.provisioningState !== 'Failed') return { job: name };
    if ((await deps.directory.findPrincipal(author.objectId))?.enabled !== true)
      return refused(schedulesFailures.AuthorGone(author.name));
    if (room !== undefined && room.state() !== 'enough') return 'later';
    if (await areAllUnended(schedule, state.kept?.recent ?? []))
      return refused(schedulesFailures.TooManyUnended(unendedMax));
    const draft = { properties: jobOf(schedule.name, state.action.jobDefinition, { name, atMs }) };
    const facts = { ...factsOf(schedule, id, atMs), reason: `wrote the schedule ${schedule.name}` };
    try {
      // What a crash left half made is made again, as what it was.
      const job = await acts.onBehalf(author, facts, (grant) =>
        there === undefined ? resources.create(grant, id, draft) : resources.put(grant, id, draft),
      );
      // Made by somebody meanwhile: looked at again.
      return job === undefined ? 'later' : { job: name };
    } catch (thrown) {
      if (!(thrown instanceof Failure) || passesBy(thrown)) throw thrown;
      if (thrown.code === 'JobNameUsed') return refused(schedulesFailures.FiringNameTaken(name));
      return { refused: thrown, isRecorded: true };
    }
  }

  async function areAllUnended(schedule: Resource, recent: readonly string[]): Promise<boolean> {
    if (recent.length < unendedMax) return false;
    for (const name of recent) {
      const job = await lives.find(jobId(schedule, name));
      if (job === undefined || isEnd(jobStateOf(job).status)) return false;
    }
    return true;
  }

  return {
    async fire(scheduleId) {
      const advancing = grants.duty(schedulesDuties.advance, scheduleId);
      const schedule = await resources.find(advancing, scheduleId);
      if (schedule === undefined) return 'gone';
      const state = stateOf(schedule);
      const { kept, isEnabled } = state;
      const { provisioningState } = schedule;
      if (provisioningState === 'Creating' || provisioningState === 'Updating') return 'busy';
      if (provisioningState !== 'Succeeded' || kept === undefined) return 'held';
      if (!isEnabled || kept.next === undefined) return { next: undefined };
      const now = clock.epochMs();
      const dueMs = Date.parse(kept.next);
      if (dueMs > now) return { next: dueMs };
      const calendar = calendarOf(state.trigger);
      const at = latestUntil(calendar, now) ?? dueMs;
      const outcome = await make(schedule, state, kept.author, at);
      if (outcome === 'later') return 'held';
      const next = nextAfter(calendar, now);
      const until = dueMs < at ? latestUntil(calendar, at - 1) : undefined;
      const changes = (now: Kept): Partial<Kept> => ({
        next: next === undefined ? undefined : isoOf(next),
        last: { time: isoOf(at), ...toldOf(outcome) },
        ...(until === undefined ? {} : { missed: { from: isoOf(dueMs), until: isoOf(until) } }),
        ...('job' in outcome
          ? { recent: [...now.recent.filter((name) => name !== outcome.job), outcome.job].slice(-unendedMax) }
          : {}),
      });
      if ('job' in outcome || outcome.isRecorded) await keep(advancing, schedule, changes);
      else
        await acts.duty(
          schedulesDuties.passOver,
          {
            operation: 'Schedules_PassOver',
            action: schedulesActions.write,
            scope: schedule.id,
            parameters: { time: isoOf(at), code: outcome.refused.code },
          },
          (grant) => keep(grant, schedule, changes),
        );
      return { next };
    },

    async fireFor(grant, schedule, atMs) {
      const name = askedName(schedule.name, atMs);
      const id = jobId(schedule, name);
      const draft = { properties: jobOf(schedule.name, stateOf(schedule).action.jobDefinition, { name, atMs }) };
      const made = await acts.also(grant, factsOf(schedule, id, atMs), (granted) =>
        resources.create(granted, id, draft),
      );
      if (made === undefined) {
        const there = await lives.find(id);
        if (there === undefined || !isOurs(there, schedule, grant.actor)) throw schedulesFailures.FiringNameTaken(name);
      }
      return name;
    },
  };
}

const refused = (failure: Failure): Outcome => ({ refused: failure, isRecorded: false });

const toldOf = (outcome: Exclude<Outcome, 'later'>): Pick<NonNullable<Kept['last']>, 'job' | 'error'> =>
  'job' in outcome
    ? { job: outcome.job }
    : { error: { code: outcome.refused.code, message: outcome.refused.message.slice(0, 1000) } };

const jobId = ({ id }: Resource, name: string): string => `${id.split('/').slice(0, -2).join('/')}/jobs/${name}`;

const factsOf = (schedule: Resource, scope: string, atMs: number) => ({
  operation: 'Jobs_CreateOrUpdate',
  action: jobsActions.write,
  scope,
  parameters: { schedule: schedule.name, time: isoOf(atMs) },
});

/** Made by this schedule for the same author, and not by somebody who guessed its name. */
const isOurs = (job: Resource, schedule: Resource, author: { readonly objectId: string }): boolean =>
  sameId(jobStateOf(job).properties?.[scheduledBy.name] ?? '', schedule.name) &&
  job.creator?.objectId === author.objectId;
