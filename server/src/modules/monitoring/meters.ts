// What is counted, in one table: every metric of /metrics is declared here, with its unit in its name.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Meters = ReturnType<typeof createMeters>;

/** What is read when somebody asks, by the parts of the server that know. */
export type Readings = {
  readonly disk?: () => { readonly freeBytes: number; readonly totalBytes: number; readonly markBytes: number };
  readonly audit?: () => Promise<{ readonly records: number; readonly checkpointTimeMs: number | undefined }>;
};

/** Gauges of the library whose names end like those of counters: `promtool check metrics` refuses them. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

export function createMeters(readings: Readings = {}) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  const registers = [registry];
  const gauge = (name: string, help: string, read: (set: (value: number) => void) => Promise<void> | void) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        await read((value) => this.set(value));
      },
    });
  const { disk, audit } = readings;
  if (disk) {
    gauge('strongroom_disk_free_bytes', 'Free space on the disk of the data folder', (set) => set(disk().freeBytes));
    gauge('strongroom_disk_size_bytes', 'Size of the disk of the data folder', (set) => set(disk().totalBytes));
    gauge('strongroom_disk_mark_bytes', 'Free space below which nothing that grows is stored', (set) =>
      set(disk().markBytes),
    );
  }
  if (audit) {
    gauge('strongroom_audit_records', 'Records of the audit log', async (set) => set((await audit()).records));
    gauge(
      'strongroom_audit_checkpoint_timestamp_seconds',
      'When the newest checkpoint of the audit log was signed',
      async (set) => set(((await audit()).checkpointTimeMs ?? 0) / 1000),
    );
  }
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
