// What schedules refuse, when they are written and when they are due.

import { defineFailures } from '#kernel/errors/failures';

const at = (target: string, message: string) => ({ target: `properties.${target}`, message });

export const schedulesFailures = defineFailures('schedules', {
  ScheduleActionNotServed: {
    kind: 'invalid',
    meaning: 'A schedule was to do something else than to make a job.',
    remedy: 'Take the action CreateJob; what else is to happen, a job can do.',
    say: (type: string) =>
      at(
        'action.actionType',
        `A schedule makes jobs (CreateJob); '${type}' is not served. What a monitor would look at, what would be imported and what an endpoint would be asked, a job can do: schedule that.`,
      ),
  },
  ScheduleTriggerNotServed: {
    kind: 'invalid',
    meaning: 'A schedule was to wait for something else than a time.',
    remedy: 'Take a trigger of type Cron or Recurrence.',
    say: (type: string) =>
      at('trigger.triggerType', `A schedule waits for a time (Cron or Recurrence); '${type}' is not served.`),
  },
  CronFields: {
    kind: 'invalid',
    say: 'properties.trigger.expression has five fields: minutes, hours, days, months, days of the week; for example "15 6 * * 1-5".',
  },
  CronWithSeconds: {
    kind: 'invalid',
    say: 'properties.trigger.expression has six fields, and nothing here is due within a minute. Leave the first one, the seconds, out.',
  },
  CronField: {
    kind: 'invalid',
    meaning: 'A field of a cron expression is not one.',
    remedy: 'Correct the field that the message names.',
    say: (field: string, part: string, min: number, max: number) =>
      at(
        'trigger.expression',
        `'${part.slice(0, 32)}' is not among the ${field} of a cron expression: they are *, numbers from ${min} to ${max}, ranges (${min}-${max}), steps (*/2), and lists of these with commas.`,
      ),
  },
  UnknownTimeZone: {
    kind: 'invalid',
    meaning: 'A time zone has a name that is not known.',
    remedy: 'Send one of the IANA database (Europe/Berlin) or one of Windows (Eastern Standard Time).',
    say: (name: string) =>
      at(
        'trigger.timeZone',
        `'${name.slice(0, 64)}' is no time zone: send a name of the IANA database (Europe/Berlin) or one of Windows (Eastern Standard Time).`,
      ),
  },
  ScheduleTime: {
    kind: 'invalid',
    meaning: 'A time is not written as one.',
    remedy: 'Send it in ISO 8601, for example 2030-01-31T06:30:00.',
    say: (target: string, value: string) =>
      at(target, `'${value.slice(0, 64)}' is no time: send it in ISO 8601, for example 2030-01-31T06:30:00.`),
  },
  RecurrencePattern: {
    kind: 'invalid',
    meaning: 'The pattern of a recurrence says what its frequency has no use for.',
    remedy: 'Leave out what the message names, or take the frequency that it names.',
    say: (target: string, message: string) => at(`trigger.${target}`, message),
  },
  ScheduleNeverFires: {
    kind: 'invalid',
    meaning: 'A schedule would never be due.',
    remedy: 'Correct its trigger or its times.',
    say: () =>
      at(
        'trigger',
        'This schedule would never fire: its end is past, or there is no day that its trigger names. Correct the trigger, or disable the schedule.',
      ),
  },
  ScheduledChild: {
    kind: 'invalid',
    say: 'properties.action.jobDefinition.parentJobName cannot be scheduled: a job that a schedule makes belongs to no other job. Leave it out.',
  },
  SourceJobElsewhere: {
    kind: 'invalid',
    say: 'properties.action.jobDefinition.sourceJobId must be the id or the name of a job of the same workspace.',
  },
  SourceJobNotFound: {
    kind: 'invalid',
    meaning: 'The job that a schedule is to repeat is not there.',
    remedy: 'Name one that is, or send the definition of the job itself.',
    say: (name: string) =>
      at(
        'action.jobDefinition.sourceJobId',
        `There is no job '${name.slice(0, 255)}' to repeat. Name one that is there, or send the definition of the job itself.`,
      ),
  },
  JobDefinitionTooLarge: {
    kind: 'tooLarge',
    meaning: 'The job of a schedule is written larger than a schedule keeps.',
    remedy: 'Put what is long into a file of its code.',
    say: (limit: number) =>
      at('action.jobDefinition', `The definition of a scheduled job has at most ${limit} characters as JSON.`),
  },
  BoundedAuthor: {
    kind: 'forbidden',
    meaning: 'A credential with bounds was to write or to fire a schedule, which makes jobs in the name of its holder.',
    remedy: 'Sign in, and do it with a token of your own.',
    say: 'A schedule makes jobs by the roles of who wrote it, and this credential reaches less than they do. Sign in, and do it with a token of your own.',
  },
  TooManySchedules: {
    kind: 'conflict',
    meaning: 'A workspace has as many schedules as it may have.',
    remedy: 'Remove one that is not needed any more.',
    say: (limit: number) =>
      `This workspace has ${limit} schedules, and may have no more. Remove one that is not needed any more.`,
  },
  AuthorGone: {
    kind: 'forbidden',
    meaning: 'Who last wrote a schedule is disabled or gone, so that nothing is done in his name.',
    remedy: 'Somebody who may submit jobs writes the schedule again.',
    say: (name: string) =>
      `${name} last wrote this schedule, and is disabled or gone: nothing is done in his name. Somebody who may submit jobs writes it again.`,
  },
  FiringNameTaken: {
    kind: 'conflict',
    meaning: 'There is, or was, a job of the name that a firing would have had, which is not its own.',
    remedy: 'Name jobs otherwise than schedules name theirs.',
    say: (name: string) =>
      `The name '${name}' is that of another job, or of one that was removed, so the job of this firing could not be made.`,
  },
  TooManyUnended: {
    kind: 'conflict',
    meaning: 'None of the last jobs of a schedule has ended, so that no further one is made.',
    remedy: 'Let them end or cancel them, or fire less often.',
    say: (count: number) =>
      `The last ${count} jobs of this schedule have not ended, so no further one is made. Let them end or cancel them, or fire less often.`,
  },
});
