// What jobs counts.

import { counter } from '#kernel/telemetry/meter';

export const jobsMeters = {
  ended: counter({
    name: 'strongroom_jobs_ended_total',
    help: 'Jobs that ended',
    labels: { status: ['completed', 'failed', 'canceled'] },
  }),
} as const;
