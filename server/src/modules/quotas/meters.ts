// What quotas counts.

import { counter } from '#kernel/telemetry/meter';

export const quotasMeters = {
  refusals: counter({
    name: 'strongroom_quota_refusals_total',
    help: 'Writes refused because of a quota',
    labels: { store: ['account', 'registry', 'workspace'] },
  }),
} as const;
