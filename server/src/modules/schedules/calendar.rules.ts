// When something is due: by a step from a beginning (every 10 minutes), or at times of some days on the clocks of a zone. Both
// triggers of a schedule become one of these, so that what a clock change does is decided once. Answers the next moment and the
// latest one; never a list, because a year of minutes has half a million. Pure.

import { type Day, dayMs, type Zone } from './zones.rules.ts';

export type Span = {
  readonly fromMs: number;
  /** The last moment of it, where it has an end. */
  readonly untilMs: number | undefined;
};

export type Calendar = Span &
  (
    | { readonly kind: 'step'; readonly stepMs: number }
    | {
        readonly kind: 'days';
        readonly zone: Zone;
        readonly matches: (day: Day) => boolean;
        /** Milliseconds of a day. */
        readonly times: readonly number[];
        /** It is due in every hour: then also in both of two that bear the same name. Otherwise only in the first. */
        readonly isHourly: boolean;
      }
  );

/** February 29 on a given weekday comes again after 40 years at the latest. */
const daysMax = 41 * 366;

/** Undefined: never again. */
export function nextAfter(calendar: Calendar, afterMs: number): number | undefined {
  const { fromMs, untilMs } = calendar;
  const next = firstAfter(calendar, Math.max(afterMs, fromMs - 1));
  return next === undefined || (untilMs !== undefined && next > untilMs) ? undefined : next;
}

/** The latest that is not after `atMs`. Undefined: there was none yet. */
export function latestUntil(calendar: Calendar, atMs: number): number | undefined {
  const { fromMs, untilMs } = calendar;
  const latest = lastUntil(calendar, untilMs === undefined ? atMs : Math.min(atMs, untilMs));
  return latest === undefined || latest < fromMs ? undefined : latest;
}

function firstAfter(calendar: Calendar, afterMs: number): number | undefined {
  if (calendar.kind === 'step') {
    const { fromMs, stepMs } = calendar;
    return fromMs + Math.max(0, Math.floor((afterMs - fromMs) / stepMs) + 1) * stepMs;
  }
  const first = calendar.zone.dayAt(afterMs) - 1;
  for (let day = first; day < first + daysMax; day++) {
    const moments = momentsOf(calendar, day).filter((moment) => moment > afterMs);
    if (moments.length > 0) return Math.min(...moments);
  }
  return undefined;
}

function lastUntil(calendar: Calendar, untilMs: number): number | undefined {
  const { fromMs } = calendar;
  if (untilMs < fromMs) return undefined;
  if (calendar.kind === 'step') return fromMs + Math.floor((untilMs - fromMs) / calendar.stepMs) * calendar.stepMs;
  const last = calendar.zone.dayAt(untilMs) + 1;
  const first = Math.max(calendar.zone.dayAt(fromMs) - 1, last - daysMax);
  for (let day = last; day >= first; day--) {
    const moments = momentsOf(calendar, day).filter((moment) => moment <= untilMs);
    if (moments.length > 0) return Math.max(...moments);
  }
  return undefined;
}

function momentsOf(calendar: Extract<Calendar, { kind: 'days' }>, day: Day): readonly number[] {
  const { zone, matches, times, isHourly } = calendar;
  if (!matches(day)) return [];
  return times.flatMap((time) => {
    const moments = zone.moments(day, time);
    return isHourly ? moments : moments.slice(0, 1);
  });
}

export type DateOf = { readonly year: number; readonly month: number; readonly date: number; readonly weekday: number };

/** Months from 1, weekdays from 0 for Sunday. */
export function dateOf(day: Day): DateOf {
  const at = new Date(day * dayMs);
  return {
    year: at.getUTCFullYear(),
    month: at.getUTCMonth() + 1,
    date: at.getUTCDate(),
    weekday: at.getUTCDay(),
  };
}
