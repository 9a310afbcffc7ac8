// What is known of a scoring request until its record is written: one record for every request to an endpoint that exists,
// whatever became of it, refusals included; those of strangers as many as their budget holds, and the rest are counted. The article's seven fields and what finds the request again; never a payload, a
// query string or a key.

import type { ScoringRecord } from '@strongroom/contract/monitoring';
import { createBuckets } from '#kernel/addresses/buckets';
import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { carried, type Exchange } from '#kernel/http/exchange';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import { createTracer, type Trace } from '#kernel/telemetry/trace';
import type { ScoringRecords } from '#monitoring';
import type { Workspaces } from '#workspaces';
import type { Directory, ServedEndpoint } from './directory.service.ts';
import { endpointsDuties } from './duties.ts';
import { endpointsMeters } from './meters.ts';

export type ScoringTrace = Trace<'queue' | 'model'> & {
  readonly endpoint: ServedEndpoint | undefined;
  deployment: string;
  responseBytes: number;
  modelStatus: number | null;
};

export type Traces = {
  /** The request's trace, which it carries; begun when it is asked for first. */
  of(exchange: Exchange): ScoringTrace;
  /** Keeps the record, once. Never throws and never waits: neighbours are written together, a moment later. */
  conclude(exchange: Exchange, status: number): void;
  /** Hands over what is kept. */
  flush(): void;
};

const userAgentMax = 256;
const urlMax = 1024;
/** A write of its own for each request would cost more than the request. */
const togetherMs = 50;
const togetherMax = 500;
/** Rows for who shows no key that fits: who mistypes is found in the list, and who guesses does not fill the workspace with it. */
const strangersNear = { burst: 100, perMinute: 5 };
const strangersWide = { burst: 200, perMinute: 10 };
const strangersAll = { burst: 1_000, perMinute: 30 };

export function createTraces(deps: {
  readonly scoring: ScoringRecords;
  readonly workspaces: Workspaces;
  readonly directory: Directory;
  readonly grants: Grants;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}): Traces {
  const { scoring, workspaces, directory, grants, clock } = deps;
  const tracer = createTracer(deps.telemetry, endpointsMeters.parts);
  const { of } = carried<ScoringTrace>((exchange) => {
    const [, workspace = '', endpoint = ''] = exchange.target.segments.filter((segment) => segment !== '');
    return {
      ...tracer.begin(),
      endpoint: directory.find(workspace, endpoint),
      deployment: '',
      responseBytes: 0,
      modelStatus: null,
    };
  });
  const strangers = createBuckets({ clock, near: strangersNear, wide: strangersWide, all: strangersAll });
  let kept: { readonly endpoint: ServedEndpoint; readonly record: ScoringRecord }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const records = kept;
    kept = [];
    for (const { endpoint, record } of records) {
      const { workspaceId, workspaceUniqueId, hbi } = endpoint;
      const open = () => workspaces.database(grants.duty(endpointsDuties.recordScoring, workspaceId), workspaceId);
      scoring.record({ open, workspace: workspaceUniqueId, hbi }, record);
    }
  }

  function keep(endpoint: ServedEndpoint, record: ScoringRecord): void {
    kept.push({ endpoint, record });
    if (kept.length >= togetherMax) flush();
    else timer ??= setTimeout(flush, togetherMs);
  }

  return {
    of,
    flush,
    conclude(exchange, status) {
      const trace = of(exchange);
      const { endpoint } = trace;
      const milliseconds = trace.end();
      if (endpoint === undefined || milliseconds === undefined) return;
      const length = Number(exchange.header('content-length') ?? '0');
      const record: ScoringRecord = {
        HTTPMethod: exchange.method,
        UserAgent: (exchange.userAgent ?? '').slice(0, userAgentMax),
        ComputeType: 'Managed',
        RequestUrl: `${exchange.target.origin}${exchange.target.rawPath}`.slice(0, urlMax),
        StatusCode: status,
        RequestId: exchange.requestId,
        Duration: Math.round(milliseconds * 100) / 100,
        Time: clock.now().toISOString(),
        Endpoint: endpoint.name,
        Deployment: trace.deployment,
        AuthType: 'Key',
        RequestBytes: Number.isSafeInteger(length) && length >= 0 ? length : 0,
        ResponseBytes: trace.responseBytes,
        ModelStatusCode: trace.modelStatus,
        ClientRequestId: exchange.clientRequestId ?? null,
      };
      if (status === 401 && !strangers.take(exchange.address))
        scoring.count({ workspace: endpoint.workspaceUniqueId, hbi: endpoint.hbi }, record);
      else keep(endpoint, record);
    },
  };
}
