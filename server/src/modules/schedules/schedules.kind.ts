// The schedule as a resource kind. Its job is held to everything that a job is held to when the schedule is written, by the rights
// of who writes it; whoever wrote it last is the one in whose name jobs are made.

import { isDeepStrictEqual } from 'node:util';
import { jobsType } from '@strongroom/contract/jobs.actions';
import { schedule as properties, type TriggerRequest, triggered, triggerRequest } from '@strongroom/contract/schedules';
import { schedulesType } from '@strongroom/contract/schedules.actions';
import { Type } from '@strongroom/contract/schema';
import { definitionOf } from '#jobs';
import { isBounded } from '#kernel/authority/actor';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { Failure } from '#kernel/errors/failure';
import { retold } from '#kernel/errors/failures';
import { activity, json } from '#kernel/http/route';
import { isWithin, parseResourceId } from '#kernel/ids/ids';
import { creatorOf, type Properties, type Resource, type ResourceKind, type Resources } from '#resources';
import { workspaceOf } from '#workspaces';
import { nextAfter } from './calendar.rules.ts';
import {
  definitionCharactersMax,
  firingName,
  isoOf,
  isReference,
  jobOf,
  resolved,
  scheduleNameMax,
} from './definition.rules.ts';
import type { Firing } from './firing.service.ts';
import { schedulesFailures } from './schedules.errors.ts';
import { type Kept, type ScheduleState, stateIn, stateOf, toldOf, withoutTold } from './state.rules.ts';
import type { Timer } from './timer.service.ts';
import { begun, calendarOf, checkFires, readTime } from './trigger.rules.ts';
import { unservedOfSchedules } from './unserved.ts';

export function createScheduleKind(deps: {
  readonly resources: Pick<Resources, 'find' | 'check'>;
  readonly timer: Pick<Timer, 'set' | 'forget'>;
  readonly firing: Pick<Firing, 'fireFor'>;
  readonly clock: Clock;
}): ResourceKind {
  const { resources, timer, firing, clock } = deps;

  /** The definition itself, or that of the job that it names, with its own words laid over it. */
  async function definition(grant: Grant, scheduleId: string, { action }: ScheduleState): Promise<Properties> {
    const { jobDefinition: asked } = action;
    if (asked['parentJobName'] != null) throw schedulesFailures.ScheduledChild();
    if (JSON.stringify(asked).length > definitionCharactersMax)
      throw schedulesFailures.JobDefinitionTooLarge(definitionCharactersMax);
    if (!isReference(asked)) return asked;
    const workspaceId = workspaceOf(scheduleId) ?? '';
    // By its id, or as azure-ai-ml sends it, by its name.
    const named = String(asked['sourceJobId']).replace(/^azureml:/, '');
    const id = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$/.test(named) ? `${workspaceId}/jobs/${named}` : named;
    const { type, name } = resourceAt(id);
    if (!isWithin(id, workspaceId) || type !== jobsType.toLowerCase()) throw schedulesFailures.SourceJobElsewhere();
    const source = await resources.find(grant, id);
    if (source === undefined) throw schedulesFailures.SourceJobNotFound(name);
    return resolved(asked, definitionOf(source));
  }

  /** What its job would be refused for if it were submitted now, by whoever writes the schedule. */
  async function checkJob(grant: Grant, id: string, state: ScheduleState): Promise<void> {
    const schedule = id.slice(id.lastIndexOf('/') + 1);
    const [name, atMs] = [firingName(schedule, clock.epochMs()), clock.epochMs()];
    const job = jobOf(schedule, await definition(grant, id, state), { name, atMs });
    try {
      await resources.check(grant, `${workspaceOf(id)}/jobs/${name}`, { properties: job });
    } catch (thrown) {
      if (!(thrown instanceof Failure)) throw thrown;
      throw retold(thrown, `The job of the schedule (properties.action.jobDefinition) is refused: ${thrown.message}`);
    }
  }

  /** Due from now on as it is written now, in the name of who writes it. */
  async function settle(grant: Grant, schedule: Resource, before: Kept | undefined): Promise<Properties> {
    const asked = stateOf(schedule);
    const trigger = begun(asked.trigger, clock.epochMs());
    // A beginning that is named and past is not made up for; one that is now is due now.
    const next = nextAfter(calendarOf(trigger), clock.epochMs() - 1);
    const jobDefinition = await definition(grant, schedule.id, asked);
    const firesAt = asked.isEnabled ? next : undefined;
    await timer.set({ id: schedule.id, workspaceId: workspaceOf(schedule.id) ?? '' }, firesAt);
    const kept: Kept = {
      recent: [],
      ...before,
      author: creatorOf(grant.actor),
      next: firesAt === undefined ? undefined : isoOf(firesAt),
    };
    return { trigger, action: { ...asked.action, jobDefinition }, kept };
  }

  return {
    type: schedulesType,
    title: 'schedule',
    namePattern: new RegExp(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,${scheduleNameMax - 1}}$`),
    nameRule: `it begins with a letter or digit and has up to ${scheduleNameMax} letters, digits, hyphens and underscores`,
    properties,
    unserved: unservedOfSchedules,
    discriminators: [
      {
        path: 'action.actionType',
        serves: ['CreateJob'],
        refuse: (type) => schedulesFailures.ScheduleActionNotServed(type),
      },
      {
        path: 'trigger.triggerType',
        serves: ['Cron', 'Recurrence'],
        refuse: (type) => schedulesFailures.ScheduleTriggerNotServed(type),
      },
    ],
    location: 'none',
    listQuery: Type.Object({
      listViewType: Type.Optional(
        Type.Union([Type.Literal('EnabledOnly'), Type.Literal('DisabledOnly'), Type.Literal('All')]),
      ),
    }),

    normalise({ properties }, existing) {
      const asked = Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== null));
      const { trigger, properties: own } = stateIn(asked);
      const before = existing && stateOf(existing);
      const isBegun = trigger.startTime == null && before?.trigger.triggerType === trigger.triggerType;
      return {
        isEnabled: true,
        ...asked,
        ...(own == null ? {} : { properties: withoutTold(own) }),
        ...(isBegun ? { trigger: { ...trigger, startTime: before.trigger.startTime } } : {}),
        ...(before?.kept === undefined ? {} : { kept: before.kept }),
      };
    },

    async validate(grant, draft, existing, id) {
      if (isBounded(grant.actor)) throw schedulesFailures.BoundedAuthor();
      const [state, before] = [stateIn(draft.properties), existing && stateOf(existing)];
      const calendar = calendarOf(begun(state.trigger, clock.epochMs()));
      if (state.isEnabled && !isDeepStrictEqual(state.trigger, before?.trigger))
        checkFires(calendar, clock.epochMs() - 1);
      // Whoever only stops it may do so also where its job would be refused by now.
      if (state.isEnabled || !isDeepStrictEqual(state.action, before?.action)) await checkJob(grant, id, state);
    },

    create: (grant, schedule) => settle(grant, schedule, undefined),
    update: (grant, schedule, before) => settle(grant, schedule, stateOf(before).kept),
    remove: (_grant, { id }) => timer.forget(id),

    view(schedule) {
      const { kept: _, ...shown } = stateOf(schedule);
      return {
        ...shown,
        tags: shown.tags ?? {},
        properties: { ...shown.properties, ...toldOf(stateOf(schedule)) },
      };
    },

    matches(schedule, query) {
      const view = query['listViewType'] ?? 'EnabledOnly';
      return view === 'All' || stateOf(schedule).isEnabled === (view === 'EnabledOnly');
    },

    actions: [
      {
        name: 'trigger',
        summary: 'Makes the job of a schedule now, in the name of the caller.',
        audit: activity(),
        body: { kind: 'json', schema: triggerRequest, maxBytes: 4096 },
        responses: { 200: triggered },
        async handle(grant, schedule, { body }) {
          if (isBounded(grant.actor)) throw schedulesFailures.BoundedAuthor();
          const { scheduleTime } = (body ?? {}) as TriggerRequest; // checked by its schema
          const atMs = scheduleTime == null ? clock.epochMs() : readTime('scheduleTime', scheduleTime);
          const submissionId = await firing.fireFor(grant, schedule, atMs);
          return json(200, { scheduleActionType: 'CreateJob', submissionId });
        },
      },
    ],
    audit: {
      write: activity(
        'properties.isEnabled',
        'properties.trigger.triggerType',
        'properties.trigger.expression',
        'properties.trigger.frequency',
        'properties.trigger.interval',
        'properties.trigger.timeZone',
        'properties.action.actionType',
      ),
      remove: activity(),
    },
  };
}

/** Of text that may be no id. */
function resourceAt(id: string): { readonly type: string | undefined; readonly name: string } {
  try {
    const { type, name } = parseResourceId(id);
    return { type: type?.toLowerCase(), name };
  } catch {
    throw schedulesFailures.SourceJobElsewhere();
  }
}
