// When a schedule is due: cron expressions and recurrences on the clocks of a zone, with the hour that is skipped and the one that
// comes twice, short months, leap years, and what is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Trigger } from '@strongroom/contract/schedules';
import { Failure } from '#kernel/errors/failure';
import { type Calendar, latestUntil, nextAfter } from './calendar.rules.ts';
import { begun, calendarOf, checkFires, readTime } from './trigger.rules.ts';
import { windowsZones } from './zones.data.ts';
import { dayMs, zoneNamed } from './zones.rules.ts';

const ms = (iso: string) => Date.parse(iso);
const iso = (at: number | undefined) => (at === undefined ? undefined : `${new Date(at).toISOString().slice(0, 16)}Z`);

const cron = (expression: string, timeZone = 'UTC', more: object = {}): Calendar =>
  calendarOf({ triggerType: 'Cron', expression, timeZone, ...more });
const recurrence = (frequency: string, interval: number, more: object = {}): Calendar =>
  calendarOf({
    triggerType: 'Recurrence',
    ...{ frequency, interval, startTime: '2026-01-01T00:00:00', ...more },
  } as Trigger);

/** The next ones after a moment; each is found again as the latest when one looks back. */
function due(calendar: Calendar, after: string, count: number): readonly (string | undefined)[] {
  const found: (string | undefined)[] = [];
  let at: number | undefined = ms(after);
  while (found.length < count && at !== undefined) {
    const before: number = at;
    at = nextAfter(calendar, before);
    if (at !== undefined) {
      assert.ok(at > before);
      assert.equal(latestUntil(calendar, at), at, iso(at));
      if (found.length > 0) assert.equal(latestUntil(calendar, at - 1), before, iso(at));
    }
    found.push(iso(at));
  }
  return found;
}

const refuses = (make: () => unknown, says: RegExp) =>
  assert.throws(make, (thrown) => {
    assert.ok(thrown instanceof Failure && thrown.kind === 'invalid', String(thrown));
    assert.match(`${thrown.target} ${thrown.message}`, says);
    return true;
  });

test('a cron expression is due where all its fields hold', () => {
  assert.deepEqual(due(cron('0 * * * *'), '2026-01-01T10:20:00Z', 2), ['2026-01-01T11:00Z', '2026-01-01T12:00Z']);
  assert.deepEqual(due(cron('15 16 * * 1'), '2026-01-01T00:00:00Z', 2), ['2026-01-05T16:15Z', '2026-01-12T16:15Z']);
  assert.deepEqual(due(cron('*/20 9-10 * * mon-fri'), '2026-01-02T10:30:00Z', 3), [
    '2026-01-02T10:40Z',
    '2026-01-05T09:00Z',
    '2026-01-05T09:20Z',
  ]);
  assert.deepEqual(due(cron('5/30 0 1 jan,July *'), '2026-01-01T00:10:00Z', 3), [
    '2026-01-01T00:35Z',
    '2026-07-01T00:05Z',
    '2026-07-01T00:35Z',
  ]);
  // Both kinds of day: the 13th, if it is a Friday.
  assert.deepEqual(due(cron('0 0 13 * 5'), '2026-01-01T00:00:00Z', 3), [
    '2026-02-13T00:00Z',
    '2026-03-13T00:00Z',
    '2026-11-13T00:00Z',
  ]);
});

test('what is written like a cron expression and is none is refused by its field', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /five fields/],
    ['* * * *', /five fields/],
    ['0 0 * * * *', /six fields.*seconds/],
    ['60 * * * *', /'60' is not among the minutes/],
    ['* 24 * * *', /'24' is not among the hours/],
    ['* * 0 * *', /'0' is not among the days/],
    ['* * * 13 *', /'13' is not among the months/],
    ['* * * * 7', /'7' is not among the days of the week/],
    ['* * * * mo', /'mo' is not/],
    ['5-1 * * * *', /'5-1' is not/],
    ['*/0 * * * *', /'\*\/0' is not/],
    ['1,,2 * * * *', /'' is not among the minutes/],
    ['1/2/3 * * * *', /'1\/2\/3' is not/],
    ['@daily', /five fields/],
    ['L * * * *', /'L' is not/],
    [`${'1,'.repeat(200)}1 * * * *`, /five fields/],
    ['٣ * * * *', /'٣' is not/],
  ];
  for (const [expression, says] of cases) refuses(() => cron(expression), says);
});

test('the hour that is skipped: due once, when the clocks have been put forward', () => {
  // Berlin, 29 March 2026: 02:00 becomes 03:00 (at 01:00 UTC).
  assert.deepEqual(due(cron('30 2 * * *', 'Europe/Berlin'), '2026-03-28T00:00:00Z', 3), [
    '2026-03-28T01:30Z',
    '2026-03-29T01:30Z',
    '2026-03-30T00:30Z',
  ]);
  // 02:30 would be at 03:30, when it is due anyway: one firing.
  assert.deepEqual(due(cron('30 2,3 * * *', 'W. Europe Standard Time'), '2026-03-28T12:00:00Z', 3), [
    '2026-03-29T01:30Z',
    '2026-03-30T00:30Z',
    '2026-03-30T01:30Z',
  ]);
  assert.deepEqual(due(cron('0 * * * *', 'Europe/Berlin'), '2026-03-28T23:30:00Z', 3), [
    '2026-03-29T00:00Z',
    '2026-03-29T01:00Z',
    '2026-03-29T02:00Z',
  ]);
});

test('the hour that comes twice: due in the first of both, and in both where every hour is meant', () => {
  // New York, 1 November 2026: 02:00 becomes 01:00 (at 06:00 UTC).
  assert.deepEqual(due(cron('30 1 * * *', 'Eastern Standard Time'), '2026-10-31T12:00:00Z', 2), [
    '2026-11-01T05:30Z',
    '2026-11-02T06:30Z',
  ]);
  assert.deepEqual(due(cron('30 * * * *', 'America/New_York'), '2026-11-01T04:00:00Z', 4), [
    '2026-11-01T04:30Z',
    '2026-11-01T05:30Z',
    '2026-11-01T06:30Z',
    '2026-11-01T07:30Z',
  ]);
  // Half an hour on Lord Howe Island, 5 April 2026, 02:00 becomes 01:30 (at 15:00 UTC the day before).
  assert.deepEqual(due(cron('45 1 * * *', 'Australia/Lord_Howe'), '2026-04-04T00:00:00Z', 2), [
    '2026-04-04T14:45Z',
    '2026-04-05T15:15Z',
  ]);
});

test('a day that a zone skipped, and the ends of its day, are neither lost nor doubled', () => {
  // Samoa had no 30 December 2011: what was due then is due at the same time of the day that followed.
  const samoa = cron('0 6 * * *', 'Pacific/Apia');
  assert.deepEqual(due(samoa, '2011-12-29T00:00:00Z', 3), [
    '2011-12-29T16:00Z',
    '2011-12-30T16:00Z',
    '2011-12-31T16:00Z',
  ]);
  // Midnight is skipped in Beirut (29 March 2026): it is due at 01:00, when the day begins.
  assert.deepEqual(due(cron('0 0 * * *', 'Asia/Beirut'), '2026-03-28T00:00:00Z', 2), [
    '2026-03-28T22:00Z',
    '2026-03-29T21:00Z',
  ]);
});

test('months that are too short are passed over, and so are years without February 29', () => {
  assert.deepEqual(due(cron('0 0 31 * *'), '2026-01-31T12:00:00Z', 2), ['2026-03-31T00:00Z', '2026-05-31T00:00Z']);
  assert.deepEqual(due(cron('0 0 29 2 *'), '2026-01-01T00:00:00Z', 2), ['2028-02-29T00:00Z', '2032-02-29T00:00Z']);
  // Sundays among them are 40 years apart around 2100, which is no leap year.
  assert.deepEqual(due(cron('0 0 29 2 0'), '2088-02-29T12:00:00Z', 1), ['2128-02-29T00:00Z']);
  const monthly = recurrence('Month', 1, { startTime: '2026-01-31T06:00:00' });
  assert.deepEqual(due(monthly, '2026-01-31T06:00:00Z', 2), ['2026-03-31T06:00Z', '2026-05-31T06:00Z']);
});

test('a recurrence by the minute and by the hour goes by its interval from its beginning', () => {
  assert.deepEqual(due(recurrence('Minute', 45), '2026-01-01T00:00:00Z', 3), [
    '2026-01-01T00:45Z',
    '2026-01-01T01:30Z',
    '2026-01-01T02:15Z',
  ]);
  // Through a night in which an hour comes twice.
  const hourly = recurrence('Hour', 2, { startTime: '2026-10-31T22:00:00', timeZone: 'America/New_York' });
  assert.deepEqual(due(hourly, '2026-11-01T02:00:00Z', 3), [
    '2026-11-01T04:00Z',
    '2026-11-01T06:00Z',
    '2026-11-01T08:00Z',
  ]);
  assert.equal(iso(nextAfter(hourly, 0)), '2026-11-01T02:00Z');
  assert.equal(latestUntil(hourly, ms('2026-11-01T01:59:00Z')), undefined);
});

test('a recurrence by the day, the week and the month keeps to its interval and its pattern', () => {
  const days = recurrence('Day', 3, { schedule: { hours: [4, 5], minutes: [0, 30] } });
  assert.deepEqual(due(days, '2026-01-01T05:00:00Z', 3), [
    '2026-01-01T05:30Z',
    '2026-01-04T04:00Z',
    '2026-01-04T04:30Z',
  ]);
  // Without a pattern: at the time of day at which it began.
  assert.deepEqual(
    due(
      recurrence('Day', 1, { startTime: '2026-01-01T07:20:00', timeZone: 'Europe/Berlin' }),
      '2026-03-28T12:00:00Z',
      2,
    ),
    ['2026-03-29T05:20Z', '2026-03-30T05:20Z'],
  );
  // A Thursday; the week of it counts as the first.
  const weeks = recurrence('Week', 2, {
    schedule: { hours: [6], minutes: [0], weekDays: ['Monday', 'Friday'], monthDays: [] },
  });
  assert.deepEqual(due(weeks, '2026-01-01T00:00:00Z', 3), [
    '2026-01-02T06:00Z',
    '2026-01-12T06:00Z',
    '2026-01-16T06:00Z',
  ]);
  assert.deepEqual(due(recurrence('Week', 1), '2026-01-01T00:00:00Z', 1), ['2026-01-08T00:00Z']);
  const months = recurrence('Month', 2, { schedule: { hours: [], minutes: [15], monthDays: [1, 30] } });
  assert.deepEqual(due(months, '2026-01-01T00:15:00Z', 3), [
    '2026-01-30T00:15Z',
    '2026-03-01T00:15Z',
    '2026-03-30T00:15Z',
  ]);
  const sundays = recurrence('Month', 12, { schedule: { hours: [9], minutes: [0], weekDays: ['Sunday'] } });
  assert.deepEqual(due(sundays, '2026-01-25T10:00:00Z', 1), ['2027-01-03T09:00Z']);
});

test('a pattern that its frequency has no use for is refused by its name', () => {
  refuses(() => recurrence('Minute', 5, { schedule: { hours: [1], minutes: [] } }), /schedule\.hours.*by the minute/);
  refuses(() => recurrence('Day', 1, { schedule: { weekDays: ['Monday'] } }), /weekDays.*Week/);
  refuses(() => recurrence('Week', 1, { schedule: { monthDays: [1] } }), /by the week has no monthDays/);
  refuses(() => recurrence('Month', 1, { schedule: { monthDays: [1], weekDays: ['Monday'] } }), /not both/);
});

test('nothing is due before the beginning nor after the end', () => {
  const bounded = cron('0 0 * * *', 'Europe/Berlin', {
    startTime: '2026-06-01 00:00:00',
    endTime: '2026-06-02T00:00:00',
  });
  assert.deepEqual(due(bounded, '2020-01-01T00:00:00Z', 3), ['2026-05-31T22:00Z', '2026-06-01T22:00Z', undefined]);
  assert.equal(iso(latestUntil(bounded, ms('2030-01-01T00:00:00Z'))), '2026-06-01T22:00Z');
  refuses(() => checkFires(bounded, ms('2026-06-02T00:00:00Z')), /would never fire/);
  refuses(() => checkFires(cron('0 0 30 2 *'), 0), /would never fire/);
  // Long ago is no flood: the next one is found at once.
  assert.deepEqual(due(recurrence('Minute', 1, { startTime: '1970-01-01' }), '2026-01-01T00:00:30Z', 1), [
    '2026-01-01T00:01Z',
  ]);
});

test('what begins without a time begins now, on the clocks of its zone', () => {
  const trigger: Trigger = {
    triggerType: 'Recurrence',
    frequency: 'Day',
    interval: 1,
    timeZone: 'Tokyo Standard Time',
  };
  const at = begun(trigger, ms('2026-01-01T10:00:00.500Z'));
  assert.equal(at.startTime, '2026-01-01T19:00:01');
  assert.deepEqual(due(calendarOf(at), '2026-01-01T10:00:00Z', 2), ['2026-01-01T10:00Z', '2026-01-02T10:00Z']);
});

test('times are read with and without an offset, and what is no time is refused', () => {
  const berlin = zoneNamed('Europe/Berlin');
  assert.ok(berlin);
  const cases = [
    ['2026-07-10T10:00:00', '2026-07-10T08:00Z'],
    ['2026-07-10 10:00:00', '2026-07-10T08:00Z'],
    ['2026-07-10T10:00', '2026-07-10T08:00Z'],
    ['2026-07-10T10:00:00.1234567Z', '2026-07-10T10:00Z'],
    ['2026-07-10T10:00:00-04:00', '2026-07-10T14:00Z'],
    ['2026-07-10T10:00:00+0530', '2026-07-10T04:30Z'],
    ['2026-07-10', '2026-07-09T22:00Z'],
  ] as const;
  for (const [text, at] of cases) assert.equal(iso(readTime('trigger.startTime', text, berlin)), at, text);
  for (const text of [
    '',
    'now',
    '2026-02-30T00:00:00',
    '2026-13-01',
    '2026-07-10T25:00:00',
    '10.7.2026',
    '2026-07-10T10',
  ])
    refuses(() => readTime('trigger.startTime', text, berlin), /startTime.*is no time/);
});

test('every zone that clients name by Windows is one, and what is none is refused', () => {
  for (const name of Object.keys(windowsZones)) assert.ok(zoneNamed(name), name);
  for (const name of ['Mid-Atlantic Standard Time', 'kamchatka standard time', 'UTC', 'europe/berlin', 'UTC-11'])
    assert.ok(zoneNamed(name), name);
  assert.equal(zoneNamed('Pacific Standard Time'), zoneNamed('America/Los_Angeles'));
  for (const name of ['', 'Mars/Olympus', '+01:00', 'x'.repeat(1000), '__proto__', 'constructor'])
    refuses(() => cron('0 0 * * *', name), /is no time zone/);
});

test('what a clock shows is turned into the moment at which it shows it, in every zone and through a year', () => {
  for (const name of ['UTC', ...Object.values(windowsZones)]) {
    const zone = zoneNamed(name);
    assert.ok(zone);
    for (let at = ms('2026-01-01T00:00:00Z'); at < ms('2027-01-01T00:00:00Z'); at += 29 * 3_600_000 + 61_000) {
      const shown = at + zone.offsetAt(at);
      const day = Math.floor(shown / dayMs);
      assert.ok(zone.moments(day, shown - day * dayMs).includes(at), `${name} ${iso(at)}`);
    }
  }
});
