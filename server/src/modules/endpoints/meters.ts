// Where the time of scoring requests goes, over all endpoints.

import { duration } from '#kernel/telemetry/meter';

export const endpointsMeters = {
  parts: duration({
    name: 'strongroom_scoring_part_seconds',
    help: 'Parts of scoring requests: queue, waiting for a place; model, from there until an answer begins',
    labels: { part: ['queue', 'model'] },
  }),
} as const;
