// Wire shapes of schedules. Source: Azure REST specification, Schedule (2022-10-01 and later). What a schedule makes is a job, whose
// own shape is that of jobs.

import { type Static, Type } from './schema.ts';

const text = (maxLength: number) => Type.String({ maxLength });
const tags = Type.Record(text(256), text(1024));
const numbers = (maximum: number, minimum = 0) =>
  Type.Optional(Type.Union([Type.Null(), Type.Array(Type.Integer({ minimum, maximum }), { maxItems: 60 })]));

/** Of every trigger. Times are ISO 8601; without an offset they are what clocks of the zone show. */
const commonToTriggers = {
  startTime: Type.Optional(Type.Union([Type.Null(), text(64)])),
  endTime: Type.Optional(Type.Union([Type.Null(), text(64)])),
  /** A name of Windows or of the IANA database; UTC where it is left out. */
  timeZone: Type.Optional(Type.Union([Type.Null(), text(64)])),
};

/** In the order of their numbers. */
export const weekDays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

const cronTrigger = Type.Object({
  triggerType: Type.Literal('Cron'),
  expression: Type.String({ minLength: 1, maxLength: 256 }),
  ...commonToTriggers,
});

const recurrenceTrigger = Type.Object({
  triggerType: Type.Literal('Recurrence'),
  frequency: Type.Union([
    Type.Literal('Minute'),
    Type.Literal('Hour'),
    Type.Literal('Day'),
    Type.Literal('Week'),
    Type.Literal('Month'),
  ]),
  interval: Type.Integer({ minimum: 1, maximum: 1000 }),
  schedule: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Object({
        hours: numbers(23),
        minutes: numbers(59),
        weekDays: Type.Optional(
          Type.Union([
            Type.Null(),
            Type.Array(
              Type.Union([
                Type.Literal('Sunday'),
                Type.Literal('Monday'),
                Type.Literal('Tuesday'),
                Type.Literal('Wednesday'),
                Type.Literal('Thursday'),
                Type.Literal('Friday'),
                Type.Literal('Saturday'),
              ]),
              { maxItems: 7 },
            ),
          ]),
        ),
        monthDays: numbers(31, 1),
      }),
    ]),
  ),
  ...commonToTriggers,
});

export const schedule = Type.Object({
  displayName: Type.Optional(Type.Union([Type.Null(), text(256)])),
  description: Type.Optional(Type.Union([Type.Null(), text(4096)])),
  tags: Type.Optional(Type.Union([Type.Null(), tags])),
  properties: Type.Optional(Type.Union([Type.Null(), tags])),
  /** True where it is left out. */
  isEnabled: Type.Optional(Type.Union([Type.Null(), Type.Boolean()])),
  trigger: Type.Union([cronTrigger, recurrenceTrigger]),
  action: Type.Object({
    actionType: Type.Literal('CreateJob'),
    /** Of a job of any type that is served; read as such when the schedule is written, and at each firing. */
    jobDefinition: Type.Record(text(256), Type.Unknown()),
  }),
});
export type Schedule = Static<typeof schedule>;
export type Trigger = Schedule['trigger'];
export type CronTrigger = Static<typeof cronTrigger>;
export type RecurrenceTrigger = Static<typeof recurrenceTrigger>;

/** What a schedule is fired with by hand. */
export const triggerRequest = Type.Object({ scheduleTime: Type.Optional(Type.Union([Type.Null(), text(64)])) });
export type TriggerRequest = Static<typeof triggerRequest>;

export const triggered = Type.Object({
  scheduleActionType: Type.Literal('CreateJob'),
  /** The name of the job. */
  submissionId: Type.String(),
});
