// What schedules count.

import { counter } from '#kernel/telemetry/meter';

export const schedulesMeters = {
  looks: counter({
    name: 'strongroom_schedules_looks_total',
    help: 'Schedules that were due, and what came of it: fired is a job or a refusal that the schedule tells, held and busy are tried again',
    labels: { outcome: ['fired', 'held', 'busy', 'gone'] },
  }),
} as const;
