// What the log answers over HTTP, on the surface of the resource manager: Azure's activity log, and our own records,
// checkpoints, proofs and verification. Reading is itself recorded.

import { Readable } from 'node:stream';
import {
  ActivityEventList,
  ActivityLogQuery,
  AuditCheckpointList,
  AuditCheckpointsQuery,
  AuditConsistency,
  AuditConsistencyQuery,
  AuditDropped,
  AuditEntryList,
  AuditExportQuery,
  AuditInclusion,
  AuditInclusionQuery,
  AuditRecordsQuery,
  AuditSegments,
  AuditSegmentsQuery,
  AuditVerification,
  AuditVerifyRequest,
} from '@strongroom/contract/audit';
import { auditActions } from '@strongroom/contract/audit.actions';
import type { Exchange } from '#kernel/http/exchange';
import {
  type Answer,
  accessed,
  activity,
  json,
  namedIn,
  needs,
  type Params,
  type Route,
  route,
  whole,
} from '#kernel/http/route';
import { parseSelect } from './activity.view.ts';
import type { AuditService } from './audit.service.ts';
import type { Page } from './queries.service.ts';
import { segmentNamed } from './segments.service.ts';

const root = () => '/';
const subscription = (params: Params) => `/subscriptions/${params.subscriptionId}`;
const eventsPath = '/providers/Microsoft.Insights/eventtypes/management/values';
const ours = '/providers/Strongroom.Audit';
/** More than the records of a segment take, were each as long as it can be. */
const segmentBytesMax = 8 * 1024 ** 3;

/** Absolute, because clients follow it verbatim; everything else that was asked for is kept. */
function withNextLink<T>({ skipToken, ...page }: Page<T>, { target }: Exchange): object {
  if (skipToken === undefined) return page;
  const query = new URLSearchParams(target.query.raw);
  query.set('$skipToken', skipToken);
  return { ...page, nextLink: `${target.origin}${target.rawPath}?${query}` };
}

/** The first line before the answer: what cannot be exported is refused, and not a stream that breaks. */
async function streamed(exported: AsyncIterable<string>): Promise<Answer> {
  const lines = exported[Symbol.asyncIterator]();
  const first = await lines.next();
  const all = async function* () {
    if (!first.done) yield first.value;
    yield* { [Symbol.asyncIterator]: () => lines };
  };
  return { status: 200, body: Readable.from(all()), contentType: 'application/x-ndjson' };
}

export function auditRoutes(audit: AuditService): readonly Route[] {
  const events = (operation: string, path: string, scopeOf: (params: Params) => string) =>
    route({
      operation,
      surface: 'arm',
      method: 'GET',
      path,
      summary: 'Lists events of the activity log, newest first',
      access: needs(auditActions.readActivityLog, scopeOf, whole),
      audit: accessed('$filter'),
      query: ActivityLogQuery,
      reads: namedIn(ActivityLogQuery),
      responses: { 200: ActivityEventList },
      handle: async (_grant, { params, query, exchange }) => {
        const select = parseSelect(query.$select);
        const page = await audit.events(params.subscriptionId, query.$filter, query.$skipToken);
        return json(200, withNextLink({ ...page, value: page.value.map(select) }, exchange));
      },
    });
  const records = (operation: string, path: string, scopeOf: (params: Params) => string) =>
    route({
      operation,
      surface: 'arm',
      method: 'GET',
      path,
      summary: 'Lists records of the audit log, newest first',
      access: needs(auditActions.readRecords, scopeOf, whole),
      audit: accessed('from', 'to', 'scope', 'correlationId', 'caller', 'operation', 'kind'),
      query: AuditRecordsQuery,
      reads: namedIn(AuditRecordsQuery),
      responses: { 200: AuditEntryList },
      handle: async (grant, { query, exchange }) =>
        json(200, withNextLink(await audit.list(grant.scope, query), exchange)),
    });
  // Of the whole log, and of the installation's subscription: what they answer holds hashes and counts, no content, so
  // whoever owns the subscription may verify the record of it.
  const everywhere = (
    make: (suffix: string, prefix: string, scopeOf: (params: Params) => string) => Route,
  ): readonly Route[] => [make('', '', root), make('BySubscription', '/subscriptions/{subscriptionId}', subscription)];
  return [
    events('ActivityLogs_List', `/subscriptions/{subscriptionId}${eventsPath}`, subscription),
    events('TenantActivityLogs_List', eventsPath, root),
    records('AuditRecords_ListBySubscription', `/subscriptions/{subscriptionId}${ours}/records`, subscription),
    records('AuditRecords_List', `${ours}/records`, root),
    ...everywhere((suffix, prefix, scopeOf) =>
      route({
        operation: `AuditCheckpoints_List${suffix}`,
        surface: 'arm',
        method: 'GET',
        path: `${prefix}${ours}/checkpoints`,
        summary: 'Lists signed checkpoints, newest first',
        access: needs(auditActions.readCheckpoints, scopeOf, whole),
        audit: accessed(),
        query: AuditCheckpointsQuery,
        reads: namedIn(AuditCheckpointsQuery),
        responses: { 200: AuditCheckpointList },
        handle: async (_grant, { query, exchange }) => {
          const page = await audit.checkpoints(query);
          return json(200, { verifier: audit.verifierLine, ...withNextLink(page, exchange) });
        },
      }),
    ),
    ...everywhere((suffix, prefix, scopeOf) =>
      route({
        operation: `AuditProofs_GetInclusion${suffix}`,
        surface: 'arm',
        method: 'GET',
        path: `${prefix}${ours}/proofs/inclusion`,
        summary: 'Proves that a record is in the log',
        access: needs(auditActions.readProofs, scopeOf, whole),
        audit: accessed('sequence', 'size'),
        query: AuditInclusionQuery,
        reads: namedIn(AuditInclusionQuery),
        responses: { 200: AuditInclusion },
        handle: async (_grant, { query: { sequence, size } }) =>
          json(200, await audit.proveInclusion(Number(sequence), size === undefined ? undefined : Number(size))),
      }),
    ),
    ...everywhere((suffix, prefix, scopeOf) =>
      route({
        operation: `AuditProofs_GetConsistency${suffix}`,
        surface: 'arm',
        method: 'GET',
        path: `${prefix}${ours}/proofs/consistency`,
        summary: 'Proves that the log was only ever appended to',
        access: needs(auditActions.readProofs, scopeOf, whole),
        audit: accessed('from', 'to'),
        query: AuditConsistencyQuery,
        reads: namedIn(AuditConsistencyQuery),
        responses: { 200: AuditConsistency },
        handle: async (_grant, { query: { from, to } }) =>
          json(200, await audit.proveConsistency(Number(from), to === undefined ? undefined : Number(to))),
      }),
    ),
    route({
      operation: 'AuditRecords_Export',
      surface: 'arm',
      method: 'GET',
      path: `${ours}/export`,
      summary:
        'The log as JSON Lines that verify without the server: a signed checkpoint with its proofs, then the records',
      // All of it, with content: a proof over a part that a subscription may see would prove nothing.
      access: needs(auditActions.readRecords, root, whole),
      audit: accessed('from', 'to'),
      query: AuditExportQuery,
      reads: namedIn(AuditExportQuery),
      handle: async (_grant, { query: { from, to } }) => {
        const lines = audit.export({
          ...(from === undefined ? {} : { from: Number(from) }),
          ...(to === undefined ? {} : { to: Number(to) }),
        });
        return await streamed(lines);
      },
    }),
    ...everywhere((suffix, prefix, scopeOf) =>
      route({
        operation: `AuditSegments_List${suffix}`,
        surface: 'arm',
        method: 'GET',
        path: `${prefix}${ours}/segments`,
        summary: 'Lists what of the log is archived and dropped, and the segments of what is here',
        access: needs(auditActions.readSegments, scopeOf, whole),
        audit: accessed('before', 'until'),
        query: AuditSegmentsQuery,
        reads: namedIn(AuditSegmentsQuery),
        responses: { 200: AuditSegments },
        handle: async (_grant, { query }) => json(200, await audit.segments(query)),
      }),
    ),
    // The whole log with content: no role holds these two that does not name them.
    route({
      operation: 'AuditSegments_Archive',
      surface: 'arm',
      method: 'POST',
      path: `/subscriptions/{subscriptionId}${ours}/segments/{segment}/archive`,
      summary: 'One segment of the log as JSON Lines, the same bytes whenever it is asked for',
      access: needs(auditActions.archiveSegment, subscription, whole),
      goesOnWhenLow: 'it stores nothing',
      audit: activity('segment'),
      handle: async (_grant, { params }) => await streamed(audit.archive(segmentNamed(params['segment'] ?? ''))),
    }),
    route({
      operation: 'AuditSegments_Drop',
      surface: 'arm',
      method: 'POST',
      path: `/subscriptions/{subscriptionId}${ours}/segments/{segment}/drop`,
      summary:
        'Drops the records of an archived segment, whose file is the body, once they are older than the retention',
      access: needs(auditActions.dropSegment, subscription, whole),
      goesOnWhenLow: 'it makes room',
      audit: activity('segment'),
      body: { kind: 'stream', maxBytes: segmentBytesMax },
      responses: { 200: AuditDropped },
      handle: async (grant, { params, body, exchange }) => {
        try {
          const dropped = await audit.drop({
            ...segmentNamed(params['segment'] ?? ''),
            grant,
            correlationId: exchange.correlationId,
            file: body,
            signal: exchange.signal,
          });
          return json(200, dropped);
        } catch (thrown) {
          // Nobody reads it any more: the door throws away what still comes, so that the refusal arrives.
          body.destroy();
          throw thrown;
        }
      },
    }),
    ...everywhere((suffix, prefix, scopeOf) =>
      route({
        operation: `Audit_Verify${suffix}`,
        surface: 'arm',
        method: 'POST',
        path: `${prefix}${ours}/verify`,
        summary: 'Recomputes the audit log and reports what does not fit',
        access: needs(auditActions.verify, scopeOf, whole),
        goesOnWhenLow: 'it stores nothing',
        audit: activity(),
        body: { kind: 'json', schema: AuditVerifyRequest, maxBytes: 1_048_576, optional: true },
        responses: { 200: AuditVerification },
        handle: async (_grant, { body, exchange }) =>
          json(200, await audit.verify({ checkpoints: body?.checkpoints ?? [], signal: exchange.signal })),
      }),
    ),
  ];
}
