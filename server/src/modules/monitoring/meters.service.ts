// What is counted, in one table: every metric of /metrics is declared here, with its unit in its name.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Meters = ReturnType<typeof createMeters>;

export type Certificates = {
  /** The one of the server's own authority. */
  readonly own: Date;
  /** The one that was configured as files, where one was. */
  readonly files?: Date;
};

type InState = Readonly<Record<'queued' | 'leased' | 'running', number>>;

/**
 * What is read when somebody asks, by the parts of the server that know. Each answers from memory or by an index, so that
 * scraping costs the same however much there is; and in numbers only, so that nobody's name becomes a label.
 */
export type Readings = {
  readonly disk?: () => { readonly freeBytes: number; readonly totalBytes: number; readonly markBytes: number };
  readonly audit?: () => Promise<{ readonly records: number; readonly checkpointTimeMs: number | undefined }>;
  readonly load?: () => {
    readonly work: { readonly job: InState; readonly score: InState };
    readonly oldestJobSeconds: number;
    readonly nodes: { readonly idle: number; readonly busy: number };
    /** Since the process began. */
    readonly ended: { readonly Completed: number; readonly Failed: number; readonly Canceled: number };
  };
  /** Since the process began. */
  readonly signIns?: () => {
    readonly failed: { readonly password: number; readonly deviceCode: number; readonly clientSecret: number };
    readonly lockOuts: Readonly<Record<string, number>>;
    readonly refused: number;
  };
  readonly certificates?: () => Certificates;
  /** Since the process began, by what has the quota. */
  readonly quotaRefusals?: () => Readonly<Record<string, number>>;
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
  /** Values by one label, whose values are few and ours. */
  const labelled = (
    kind: typeof Gauge | typeof Counter,
    { name, help, label }: { readonly name: string; readonly help: string; readonly label: string },
    read: () => Readonly<Record<string, number>>,
  ) =>
    new kind({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
      },
    });
  const { disk, audit, load, signIns, certificates, quotaRefusals } = readings;
  if (quotaRefusals)
    labelled(
      Counter,
      { name: 'strongroom_quota_refusals_total', help: 'Writes refused because of a quota', label: 'store' },
      quotaRefusals,
    );
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
  if (load) {
    const byState = ({ queued, leased, running }: InState) => ({ queued, starting: leased, running });
    labelled(Gauge, { name: 'strongroom_jobs', help: 'Jobs that wait or run', label: 'state' }, () =>
      byState(load().work.job),
    );
    gauge(
      'strongroom_jobs_oldest_queued_seconds',
      'How long the job that waited longest has waited; 0: none waits',
      (set) => set(load().oldestJobSeconds),
    );
    labelled(Counter, { name: 'strongroom_jobs_ended_total', help: 'Jobs that ended', label: 'status' }, () => {
      const { Completed, Failed, Canceled } = load().ended;
      return { completed: Completed, failed: Failed, canceled: Canceled };
    });
    labelled(
      Gauge,
      { name: 'strongroom_scoring_processes', help: 'Scoring processes that wait or run', label: 'state' },
      () => byState(load().work.score),
    );
    labelled(Gauge, { name: 'strongroom_nodes', help: 'Nodes of all clusters', label: 'state' }, () => load().nodes);
  }
  if (signIns) {
    labelled(
      Counter,
      {
        name: 'strongroom_sign_in_failures_total',
        help: 'Passwords, device codes and client secrets that were not right',
        label: 'method',
      },
      () => {
        const { password, deviceCode, clientSecret } = signIns().failed;
        return { password, device_code: deviceCode, client_secret: clientSecret };
      },
    );
    labelled(
      Counter,
      {
        name: 'strongroom_sign_in_lockouts_total',
        help: 'Failures that locked further tries out',
        label: 'counted_by',
      },
      () => signIns().lockOuts,
    );
    new Counter({
      name: 'strongroom_sign_in_refusals_total',
      help: 'Tries to sign in that were refused without being looked at, because of a lock',
      registers,
      collect() {
        this.reset();
        this.inc(signIns().refused);
      },
    });
  }
  if (certificates)
    labelled(
      Gauge,
      {
        name: 'strongroom_certificate_expiry_timestamp_seconds',
        help: 'When the certificate that clients are shown ends',
        label: 'certificate',
      },
      () => {
        const { own, files } = certificates();
        const seconds = (date: Date) => date.getTime() / 1000;
        return { own: seconds(own), ...(files ? { files: seconds(files) } : {}) };
      },
    );
  return {
    registry,
    strangerRefusals: new Counter({
      name: 'strongroom_stranger_refusals_total',
      help: 'Requests that were refused before their sender had proved who he is',
      labelNames: ['kind'],
      registers,
    }),
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
