// Actions of monitoring.

import { control } from './action.ts';

export const monitoringActions = {
  readMetrics: control('Strongroom.Monitoring/metrics/read'),
  readScoringRequests: control('Microsoft.Insights/components/query/requests/read'),
} as const;
