// What is counted, in one table: every metric of /metrics is declared here, with its unit in its name.

import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export type Meters = ReturnType<typeof createMeters>;

export function createMeters() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: 'strongroom_requests_total',
      help: 'Requests answered',
      labelNames: ['surface', 'operation', 'status'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'strongroom_request_seconds',
      help: 'Time from the first byte of a request to its answer',
      labelNames: ['surface'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    scoringRequests: new Counter({
      name: 'strongroom_scoring_requests_total',
      help: 'Scoring requests answered',
      labelNames: ['endpoint', 'deployment', 'status'],
      registers,
    }),
    scoringSeconds: new Histogram({
      name: 'strongroom_scoring_seconds',
      help: 'Time of a scoring request through the gateway',
      labelNames: ['endpoint', 'deployment'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    scoringProcessesReplaced: new Counter({
      name: 'strongroom_scoring_processes_replaced_total',
      help: 'Scoring processes that were replaced because a request of theirs hung',
      labelNames: ['endpoint', 'deployment'],
      registers,
    }),
    scoringRecordsLost: new Counter({
      name: 'strongroom_scoring_records_lost_total',
      help: 'Records of scoring requests that could not be kept',
      registers,
    }),
  };
}
