// A schedule as it is stored: what was asked for, and what is kept beside it. Pure.

import type { Schedule } from '@strongroom/contract/schedules';
import type { Creator, Properties, Resource } from '#resources';

export type Kept = {
  /** Who last wrote it: in his name jobs are made. */
  readonly author: Creator;
  /** When it is due next, if ever. */
  readonly next: string | undefined;
  /** The last firing: for which time it was, and what came of it. */
  readonly last?: {
    readonly time: string;
    readonly job?: string;
    readonly error?: { readonly code: string; readonly message: string };
  };
  /** Times that passed while nobody could fire, the first and the last of them, and that were not made up for. */
  readonly missed?: { readonly from: string; readonly until: string };
  /** Names of its last jobs. */
  readonly recent: readonly string[];
};

export type ScheduleState = Omit<Schedule, 'isEnabled'> & { readonly isEnabled: boolean; readonly kept?: Kept };

/** The manager has checked what was asked for by the kind's schema; the rest is ours. */
export const stateIn = (properties: Properties): ScheduleState => properties as unknown as ScheduleState;
export const stateOf = (schedule: Pick<Resource, 'properties'>): ScheduleState => stateIn(schedule.properties);

const told = {
  next: 'schedule.next',
  last: 'schedule.last',
  lastJob: 'schedule.lastJob',
  error: 'schedule.error',
  missed: 'schedule.missed',
} as const;
const names: ReadonlySet<string> = new Set(Object.values(told));

/** What the server tells among the properties that are the caller's. */
export function toldOf({ isEnabled, kept }: ScheduleState): Readonly<Record<string, string>> {
  const { next, last, missed } = kept ?? {};
  const said: readonly (readonly [string, string | undefined])[] = [
    [told.next, isEnabled ? next : undefined],
    [told.last, last?.time],
    [told.lastJob, last?.job],
    [told.error, last?.error && `${last.error.code}: ${last.error.message}`.slice(0, 1000)],
    [told.missed, missed && `${missed.from}/${missed.until}`],
  ];
  return Object.fromEntries(said.filter((each): each is [string, string] => each[1] !== undefined));
}

/** A client that has read a schedule sends back what it was told, and means nothing by it. */
export const withoutTold = (properties: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(properties).filter(([name]) => !names.has(name)));
