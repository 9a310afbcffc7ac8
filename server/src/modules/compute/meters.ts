// How much work there is, and on how many nodes. Read from memory, which holds a bounded queue.

import { gauge } from '#kernel/telemetry/meter';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { NodeCounts } from './clusters.service.ts';
import type { Load } from './work-queue.service.ts';

const states = ['queued', 'starting', 'running'] as const;

export const computeMeters = {
  jobs: gauge({ name: 'strongroom_jobs', help: 'Jobs that wait or run', labels: { state: states } }),
  oldestJob: gauge({
    name: 'strongroom_jobs_oldest_queued_seconds',
    help: 'How long the job that waited longest has waited; 0: none waits',
  }),
  scoring: gauge({
    name: 'strongroom_scoring_processes',
    help: 'Scoring processes that wait or run',
    labels: { state: states },
  }),
  nodes: gauge({
    name: 'strongroom_nodes',
    help: 'Nodes of all clusters, of which there are agent.maxNodes at most',
    labels: { state: ['idle', 'busy'] },
  }),
} as const;

export function meterLoad(
  telemetry: Telemetry,
  { measure, nodes }: { readonly measure: () => Load; readonly nodes: () => NodeCounts },
): void {
  const byState = ({ queued, leased, running }: Load['work']['job']) => ({ queued, starting: leased, running });
  telemetry.gauge(computeMeters.jobs, () => byState(measure().work.job));
  telemetry.gauge(computeMeters.oldestJob, () => measure().oldestJobSeconds);
  telemetry.gauge(computeMeters.scoring, () => byState(measure().work.score));
  telemetry.gauge(computeMeters.nodes, nodes);
}
