// From a trigger as clients send it to a calendar. What is missing is taken from the time at which a schedule begins. Pure.

import { type CronTrigger, type RecurrenceTrigger, type Trigger, weekDays } from '@strongroom/contract/schedules';
import { type Calendar, dateOf, nextAfter, type Span } from './calendar.rules.ts';
import { readCron } from './cron.rules.ts';
import { schedulesFailures } from './schedules.errors.ts';
import { type Day, dayMs, type Zone, zoneNamed } from './zones.rules.ts';

const minuteMs = 60_000;
const utc: Zone = {
  offsetAt: () => 0,
  dayAt: (epochMs) => Math.floor(epochMs / dayMs),
  moments: (day, msOfDay) => [day * dayMs + msOfDay],
};
const steps = { Minute: minuteMs, Hour: 60 * minuteMs } as const;

/** With a beginning, as a schedule keeps it. */
export const begun = <T extends Trigger>(trigger: T, nowMs: number): T & { readonly startTime: string } => ({
  ...trigger,
  startTime: trigger.startTime ?? shownAt(zoneOf(trigger), Math.ceil(nowMs / 1000) * 1000),
});

/** @throws Failure `invalid` for what is no trigger. @param trigger with its beginning */
export function calendarOf(trigger: Trigger): Calendar {
  const zone = zoneOf(trigger);
  const span: Span = {
    fromMs: readTime('trigger.startTime', trigger.startTime ?? '1970-01-01T00:00:00', zone),
    untilMs: trigger.endTime == null ? undefined : readTime('trigger.endTime', trigger.endTime, zone),
  };
  return trigger.triggerType === 'Cron' ? cronCalendar(trigger, zone, span) : recurrenceCalendar(trigger, zone, span);
}

/** @throws Failure `invalid` for a trigger that is never due after this time */
export function checkFires(calendar: Calendar, nowMs: number): void {
  if (nextAfter(calendar, nowMs) === undefined) throw schedulesFailures.ScheduleNeverFires();
}

function zoneOf({ timeZone }: Trigger): Zone {
  const zone = timeZone == null ? utc : zoneNamed(timeZone);
  if (zone === undefined) throw schedulesFailures.UnknownTimeZone(timeZone ?? '');
  return zone;
}

const iso = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?)?(Z|[+-]\d{2}:?\d{2})?$/;

/** A moment. Without an offset: what clocks of the zone show then, the first time. */
export function readTime(target: string, text: string, zone: Zone = utc): number {
  const wrong = () => schedulesFailures.ScheduleTime(target, text);
  const found = iso.exec(text.trim());
  if (found === null) throw wrong();
  const [, year, month, date, hour = '00', minute = '00', second = '00', offset] = found;
  const shown = Date.parse(`${year}-${month}-${date}T${hour}:${minute}:${second}Z`);
  // What rolls over was no date: February 30.
  if (Number.isNaN(shown) || new Date(shown).getUTCDate() !== Number(date)) throw wrong();
  if (offset === undefined)
    return zone.moments(Math.floor(shown / dayMs), shown - Math.floor(shown / dayMs) * dayMs)[0] ?? shown;
  const [sign, digits] = [offset.startsWith('-') ? -1 : 1, offset.replace(/\D/g, '').padEnd(4, '0')];
  return shown - sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * minuteMs;
}

/** As clocks of the zone show it, which is how it is read again. */
const shownAt = (zone: Zone, epochMs: number): string =>
  new Date(epochMs + zone.offsetAt(epochMs)).toISOString().slice(0, 19);

function cronCalendar({ expression }: CronTrigger, zone: Zone, span: Span): Calendar {
  const { minutes, hours, dates, months, weekdays } = readCron(expression);
  return {
    kind: 'days',
    ...span,
    zone,
    times: timesOf([...hours], [...minutes]),
    isHourly: hours.size === 24,
    matches(day) {
      const { month, date, weekday } = dateOf(day);
      return months.has(month) && dates.has(date) && weekdays.has(weekday);
    },
  };
}

function recurrenceCalendar(trigger: RecurrenceTrigger, zone: Zone, span: Span): Calendar {
  const { frequency, interval } = trigger;
  checkPattern(trigger);
  if (frequency === 'Minute' || frequency === 'Hour')
    return { kind: 'step', ...span, stepMs: steps[frequency] * interval };
  const hours = trigger.schedule?.hours ?? [];
  const minutes = trigger.schedule?.minutes ?? [];
  const began = span.fromMs + zone.offsetAt(span.fromMs);
  const beganAt = ((began % dayMs) + dayMs) % dayMs;
  const beganHour = Math.floor(beganAt / (60 * minuteMs));
  const beganMinute = Math.floor(beganAt / minuteMs) % 60;
  const isAsBegun = hours.length === 0 && minutes.length === 0;
  return {
    kind: 'days',
    ...span,
    zone,
    times: isAsBegun
      ? [beganAt]
      : timesOf(hours.length === 0 ? [beganHour] : hours, minutes.length === 0 ? [beganMinute] : minutes),
    isHourly: new Set(hours).size === 24,
    matches: daysOf(trigger, Math.floor(began / dayMs)),
  };
}

/** @param first the day on which it begins */
function daysOf({ frequency, interval, schedule }: RecurrenceTrigger, first: Day): (day: Day) => boolean {
  const begun = dateOf(first);
  const weekdays = new Set((schedule?.weekDays ?? []).map((name) => weekDays.indexOf(name)));
  const dates = new Set(schedule?.monthDays ?? []);
  if (frequency === 'Day') return (day) => (day - first) % interval === 0;
  if (frequency === 'Week') {
    if (weekdays.size === 0) weekdays.add(begun.weekday);
    // Weeks begin with Monday; the first is that in which it begins. 1970-01-05 was one.
    const weekOf = (day: Day) => Math.floor((day - 4) / 7);
    return (day) => (weekOf(day) - weekOf(first)) % interval === 0 && weekdays.has(dateOf(day).weekday);
  }
  if (weekdays.size === 0 && dates.size === 0) dates.add(begun.date);
  const monthOf = ({ year, month }: { readonly year: number; readonly month: number }) => year * 12 + month;
  return (day) => {
    const at = dateOf(day);
    if ((monthOf(at) - monthOf(begun)) % interval !== 0) return false;
    return dates.size > 0 ? dates.has(at.date) : weekdays.has(at.weekday);
  };
}

function checkPattern({ frequency, schedule }: RecurrenceTrigger): void {
  const unit = frequency.toLowerCase();
  const given = (name: 'hours' | 'minutes' | 'weekDays' | 'monthDays') => (schedule?.[name] ?? []).length > 0;
  const refuse = (name: string, message: string) => schedulesFailures.RecurrencePattern(`schedule.${name}`, message);
  if (frequency === 'Minute' || frequency === 'Hour') {
    const name = (['hours', 'minutes', 'weekDays', 'monthDays'] as const).find(given);
    if (name !== undefined)
      throw refuse(
        name,
        `A recurrence by the ${unit} goes by its interval alone: leave schedule.${name} out, or take the frequency Day.`,
      );
  }
  if (frequency === 'Day' && given('weekDays'))
    throw refuse('weekDays', 'A recurrence by the day has no weekDays: take the frequency Week.');
  if (frequency !== 'Month' && given('monthDays'))
    throw refuse('monthDays', `A recurrence by the ${unit} has no monthDays: take the frequency Month.`);
  if (given('weekDays') && given('monthDays'))
    throw refuse('monthDays', 'A recurrence has monthDays or weekDays, and not both: leave one of them out.');
}

/** Of every pair, in milliseconds of a day. */
function timesOf(hours: readonly number[], minutes: readonly number[]): readonly number[] {
  const times = hours.flatMap((hour) => minutes.map((minute) => (hour * 60 + minute) * minuteMs));
  return [...new Set(times)];
}
