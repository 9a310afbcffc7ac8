// The door of the monitoring module: health, the page of metrics and the telemetry behind it, the insights component of a workspace,
// and the records of scoring requests.

import { insightsProperties } from '@strongroom/contract/monitoring';
import { monitoringActions } from '@strongroom/contract/monitoring.actions';
import type { Room } from '#kernel/files/room';
import { activity, json, needs, open, route, unrecorded, whole } from '#kernel/http/route';
import type { Scheme } from '#kernel/http/surface';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { ResourceKind } from '#resources';
import { monitoringMeters } from './meters.ts';
import { scoringTables } from './migrations/index.ts';
import type { MetricsRegistry } from './registry.service.ts';
import { createScoringRecords, type ScoringRecords } from './scoring.service.ts';
import { createOperatorSurface } from './surface.ts';

export { createMetricsRegistry, type MetricsRegistry } from './registry.service.ts';
export type { ScoringRecords } from './scoring.service.ts';

export type MonitoringModule = Module<ResourceKind> & {
  readonly kinds: readonly ResourceKind[];
  readonly scoring: ScoringRecords;
  /** Readiness begins when the server listens and ends when it stops. */
  setReady(ready: boolean): void;
};

const noNetworkRules = {
  because: 'There are no network rules for single components.',
  instead: 'Leave it out, and restrict who reaches the server where it listens.',
};

const insights: ResourceKind = {
  type: 'Microsoft.Insights/components',
  title: 'insights component',
  namePattern: /^[a-zA-Z0-9][\w.()-]{0,259}$/,
  nameRule: 'it has up to 260 letters, digits, dots, hyphens, underscores and parentheses',
  properties: insightsProperties,
  unserved: {
    refused: {
      publicNetworkAccessForIngestion: { always: 'Enabled', ...noNetworkRules },
      publicNetworkAccessForQuery: { always: 'Enabled', ...noNetworkRules },
      WorkspaceResourceId: {
        because: 'Workspaces of Log Analytics are not served: records are kept with the workspace that they are about.',
        instead: 'Leave WorkspaceResourceId out.',
      },
      SamplingPercentage: {
        harmless: [100],
        because: 'Every request is recorded.',
        instead: 'Leave SamplingPercentage out.',
      },
      ImmediatePurgeDataOn30Days: {
        harmless: [false],
        because: 'Records are kept for as long as RetentionInDays says.',
        instead: 'Leave ImmediatePurgeDataOn30Days out and set RetentionInDays.',
      },
      ForceCustomerStorageForProfiler: {
        harmless: [false],
        because: 'There is no profiler.',
        instead: 'Leave ForceCustomerStorageForProfiler out.',
      },
    },
    kept: {},
    ignored: {
      Flow_Type: 'Tells Azure by which page the component was made.',
      Request_Source: 'Tells Azure by which page the component was made.',
      IngestionMode: 'There is one way in: the gateway writes records itself.',
      DisableIpMasking: 'No address of a caller is in a record, masked or not.',
      DisableLocalAuth: 'There is no key that could be sent instead of signing in.',
    },
  },
  location: 'required',
  normalise: ({ properties }) => ({ Application_Type: 'web', RetentionInDays: 90, ...properties }),
  // No instrumentation key: records are written by the gateway itself and read by role, so there is no key to leak.
  view: (resource) => ({
    ...resource.properties,
    AppId: resource.uniqueId,
    ApplicationId: resource.name,
    provisioningState: resource.provisioningState,
  }),
  audit: { write: activity() },
};

export function createMonitoring(deps: {
  readonly schemes: readonly Scheme[];
  readonly subscriptionId: string;
  readonly version: string;
  readonly log: Log;
  /** Of the disk of the data folder; absent: there is enough. */
  readonly room?: Pick<Room, 'state' | 'require'>;
  readonly registry: MetricsRegistry;
  /** Databases that take no more changes until the server is started again. */
  readonly stopped?: ReadonlySet<string>;
}): MonitoringModule {
  const scoring = createScoringRecords({ ...deps, telemetry: deps.registry.telemetry });
  let ready = false;
  return {
    name: 'monitoring',
    workspaceTables: scoringTables,
    meters: Object.values(monitoringMeters),
    kinds: [insights],
    scoring,
    setReady: (value) => {
      ready = value;
    },
    surfaces: [createOperatorSurface(deps.schemes)],
    routes: [
      route({
        operation: 'Health_Live',
        surface: 'operator',
        method: 'GET',
        path: '/healthz',
        summary: 'Whether the process answers.',
        access: open('a probe of the process has no credential and learns one word'),
        audit: unrecorded('probes ask every few seconds'),
        handle: () => json(200, { status: 'ok', version: deps.version }),
      }),
      route({
        operation: 'Health_Ready',
        surface: 'operator',
        method: 'GET',
        path: '/readyz',
        summary: 'Whether the server takes requests.',
        access: open('a probe of readiness has no credential and learns one word'),
        audit: unrecorded('probes ask every few seconds'),
        // Low on room it goes on serving reads, sign-in and deletion, which make room again: whoever took it out of service
        // would keep people from that. Full, nothing can be recorded, so nothing is done.
        handle: () => {
          if (!ready) return json(503, { status: 'starting or stopping' });
          if (deps.stopped !== undefined && deps.stopped.size > 0)
            return json(503, {
              status: 'the disk failed under a database: look after the disk and start the server again',
            });
          const room = deps.room?.state() ?? 'enough';
          if (room === 'full') return json(503, { status: 'the disk is full' });
          return json(200, {
            status: room === 'low' ? 'ready, and low on disk space: nothing that grows is stored' : 'ready',
          });
        },
      }),
      route({
        operation: 'Metrics_Get',
        surface: 'operator',
        method: 'GET',
        path: '/metrics',
        summary: 'What is counted, in the text format of Prometheus.',
        access: needs(monitoringActions.readMetrics, () => `/subscriptions/${deps.subscriptionId}`, whole),
        audit: unrecorded('scraped every few seconds; holds counts, no content'),
        handle: async () => ({ status: 200, ...(await deps.registry.print()) }),
      }),
    ],
    stop: scoring.flush,
  };
}
