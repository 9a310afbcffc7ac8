// Records of scoring requests, and their counters. A request waits for nothing here: its record joins a bounded queue
// that is written together with its neighbours. When the queue is full the oldest record gives way, and while the disk has no
// room for what grows all of them do; each is counted as lost, because a web service must not stop answering when its
// telemetry cannot be written.

import type { ScoringRecord } from '@strongroom/contract/monitoring';
import type { Database } from '#kernel/database/database';
import { growing } from '#kernel/files/growth';
import type { Room } from '#kernel/files/room';
import type { Log } from '#kernel/log/log';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import { monitoringMeters } from './meters.ts';
import { deleteOldest, hasBefore, insertRecords, latestRecords } from './scoring.store.ts';

const queueMax = 10_000;
const batchMax = 500;
/** Of a workspace of high business impact. */
const unnamed = { workspace: '', endpoint: '', deployment: '' };

/** Where a record belongs. */
export type ScoringPlace = {
  /** Answers the database of the endpoint's workspace. */
  readonly open: () => Promise<Database>;
  /** Its unique id. */
  readonly workspace: string;
  /** Of high business impact: counted without the names of its endpoints, because counters leave the workspace. */
  readonly hbi: boolean;
};

export type ScoringRecords = {
  /** Never throws and never waits. */
  record(place: ScoringPlace, record: ScoringRecord): void;
  /** Only in the counters: a row for each try would be a stranger's to write. */
  count(place: Pick<ScoringPlace, 'workspace' | 'hbi'>, record: ScoringRecord): void;
  /** An endpoint, or a deployment of it, is gone: what was counted of it under its name ends. */
  forget(of: { readonly workspace: string; readonly endpoint: string; readonly deployment?: string }): void;
  /** A scoring process was replaced because it hung. */
  replaced(of: Pick<ScoringPlace, 'workspace' | 'hbi'> & Record<'endpoint' | 'deployment', string>): void;
  /** Newest first. What is queued is written before. */
  latest(database: Database, endpoint: string, limit: number): Promise<readonly ScoringRecord[]>;
  /** Whether there is anything older than the moment. */
  hasBefore(database: Database, before: Date): Promise<boolean>;
  /** Removes what is older than the moment, bit by bit. Answers how much that was. */
  prune(database: Database, before: Date, signal: AbortSignal): Promise<number>;
  /** Resolves when everything queued so far is written or given up. */
  flush(): Promise<void>;
};

export function createScoringRecords(deps: {
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** Absent: there is enough. */
  readonly room?: Pick<Room, 'require'>;
}): ScoringRecords {
  const { telemetry } = deps;
  const requests = telemetry.counter(monitoringMeters.scoringRequests);
  const time = telemetry.duration(monitoringMeters.scoringTime);
  const replaced = telemetry.counter(monitoringMeters.processesReplaced);
  const lost = telemetry.counter(monitoringMeters.recordsLost);
  type Waiting = ScoringPlace & { readonly record: ScoringRecord };
  let queue: Waiting[] = [];
  let writing: Promise<void> | undefined;

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      const [first] = queue;
      if (!first) return;
      const batch = queue.filter((waiting) => waiting.workspace === first.workspace).slice(0, batchMax);
      const taken = new Set(batch);
      queue = queue.filter((waiting) => !taken.has(waiting));
      try {
        deps.room?.require();
        const database = await first.open();
        const records = batch.map(({ record }) => record);
        await growing(() => database.write((tx) => insertRecords(tx, records)));
      } catch (error) {
        lost.add({}, batch.length);
        deps.log.warn(
          { error, count: batch.length, workspace: first.workspace },
          'scoring requests could not be recorded',
        );
      }
    }
  }
  const start = () => {
    writing ??= drain().finally(() => {
      writing = undefined;
      if (queue.length > 0) start();
    });
  };

  const count: ScoringRecords['count'] = ({ workspace, hbi }, record) => {
    const labels = hbi ? unnamed : { workspace, endpoint: record.Endpoint, deployment: record.Deployment };
    requests.add({ ...labels, status: String(record.StatusCode) });
    time.observe(labels, record.Duration / 1000);
  };

  return {
    count,
    record(place, record) {
      count(place, record);
      if (queue.length >= queueMax) {
        queue.shift();
        lost.add({});
      }
      queue.push({ ...place, record });
      start();
    },
    replaced({ hbi, ...names }) {
      replaced.add(hbi ? unnamed : names);
    },
    forget(of) {
      for (const meter of [requests, time, replaced]) meter.forget(of);
    },
    async latest(database, endpoint, limit) {
      await writing;
      return latestRecords(database, endpoint, limit);
    },
    hasBefore: (database, before) => hasBefore(database.read, before.toISOString()),
    async prune(database, before, signal) {
      let removed = 0;
      for (let found = batchMax; found === batchMax && !signal.aborted; removed += found)
        found = await database.write((tx) => deleteOldest(tx, before.toISOString(), batchMax));
      return removed;
    },
    async flush() {
      while (writing) await writing;
    },
  };
}
