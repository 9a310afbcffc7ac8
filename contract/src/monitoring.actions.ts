// Actions of monitoring.

import { control } from './action.ts';

export const monitoringActions = {
  readMetrics: control('Strongroom.Monitoring/metrics/read'),
} as const;
