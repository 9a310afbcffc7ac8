// What is counted of scoring requests. Endpoints and deployments are named by whoever may make them, and never those of a workspace
// of high business impact.

import { counter, duration } from '#kernel/telemetry/meter';

const names = {
  workspace: { open: 'unique ids of the workspaces that the endpoints are in, as their addresses have them' },
  endpoint: { open: 'endpoints that exist, without those of high business impact' },
  deployment: { open: 'deployments of these' },
} as const;

export const monitoringMeters = {
  scoringRequests: counter({
    name: 'strongroom_scoring_requests_total',
    help: 'Scoring requests answered',
    labels: { ...names, status: { open: 'statuses that models are answered with' } },
    seriesMax: 10_000,
  }),
  scoringTime: duration({
    name: 'strongroom_scoring_seconds',
    help: 'Time of a scoring request through the gateway',
    labels: names,
  }),
  processesReplaced: counter({
    name: 'strongroom_scoring_processes_replaced_total',
    help: 'Scoring processes that were replaced because a request of theirs hung',
    labels: names,
  }),
  recordsLost: counter({
    name: 'strongroom_scoring_records_lost_total',
    help: 'Records of scoring requests that could not be kept',
  }),
} as const;
