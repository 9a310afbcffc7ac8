// Answers questions about the log: records as they are, and events as Azure's clients expect them. Newest first, page by
// page; a page resumes after the last row that was seen, so that records which arrive meanwhile shift nothing.

import type { ActivityEvent, AuditArchived, AuditEntry, AuditRecordsQuery } from '@strongroom/contract/audit';
import type { Database } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import { activityEvent } from './activity.view.ts';
import { auditFailures } from './audit.errors.ts';
import { type FoundRow, type Position, type RecordFilter, scanFound } from './audit.store.ts';
import { parseActivityFilter, requireInstant } from './filter.rules.ts';
import { decodeRecord } from './record.rules.ts';
import { readLastDrop } from './segments.store.ts';

export type Page<T> = { readonly value: readonly T[]; readonly skipToken: string | undefined };
/** `archived`: what the question may have meant and is not here any more. */
export type RecordsPage = Page<AuditEntry> & { readonly archived?: AuditArchived };

export type Queries = {
  /** Records at or below `scope`. Throws `gone` for a question that only dropped records could have answered. */
  records(scope: string, query: AuditRecordsQuery): Promise<RecordsPage>;
  /** Throws `invalid` where it begins among dropped records. The activity log of a subscription, or of the tenant alone when `subscriptionId` is undefined. */
  events(
    subscriptionId: string | undefined,
    filter: string | undefined,
    skipToken: string | undefined,
  ): Promise<Page<ActivityEvent>>;
};

const recordsPage = 100;
const recordsPageMax = 1_000;
const eventsPage = 200;

export function createQueries(database: Database): Queries {
  async function page<T>(filter: RecordFilter, top: number, view: (row: FoundRow) => T): Promise<Page<T>> {
    const rows = await scanFound(database, filter, top + 1);
    const last = rows.length > top ? rows[top - 1] : undefined;
    return { value: rows.slice(0, top).map(view), skipToken: last && formatPosition(last.time_ms, last.sequence) };
  }

  return {
    async records(scope, query) {
      const top = Number(query.$top ?? recordsPage);
      if (top > recordsPageMax)
        throw auditFailures.InvalidQueryParameterValue('$top', `A page holds at most ${recordsPageMax} records.`);
      const fromMs = requireInstant('from', query.from);
      const toMs = requireInstant('to', query.to);
      const found = await page(
        {
          fromMs,
          toMs,
          within: [idKey(scope), ...(query.scope === undefined ? [] : [idKey(query.scope)])],
          correlation: query.correlationId?.toLowerCase(),
          actor: query.caller?.toLowerCase(),
          operation: query.operation,
          kind: query.kind,
          before: parsePosition(query.$skipToken),
        },
        top,
        ({ sequence, leaf, record }) => ({
          sequence,
          leafHash: Buffer.from(leaf).toString('base64'),
          record: decodeRecord(record),
        }),
      );
      const dropped = await readLastDrop(database.read);
      // Only at the end of the answer: what is newer comes first.
      if (dropped === undefined || found.skipToken !== undefined || (fromMs ?? 0) > dropped.until_ms) return found;
      // An answer of nothing would say that there was nothing.
      if (found.value.length === 0 && toMs !== undefined && toMs <= dropped.until_ms)
        throw auditFailures.archivedBefore(dropped.until_ms);
      return { ...found, archived: { past: dropped.past, until: new Date(dropped.until_ms).toISOString() } };
    },
    async events(subscriptionId, filter, skipToken) {
      const { fromMs, toMs, narrow, caller, status } = parseActivityFilter(filter ?? '');
      const dropped = await readLastDrop(database.read);
      // As Azure refuses what begins before its retention: its clients would show half a list as the whole.
      if (dropped !== undefined && fromMs <= dropped.until_ms)
        throw auditFailures.invalidFilter(
          `The activity log begins after ${new Date(dropped.until_ms).toISOString()}: what is older is archived, and the files of its segments hold it. Ask from eventTimestamp ge '${new Date(dropped.until_ms + 1).toISOString()}' on.`,
        );
      const scope = subscriptionId === undefined ? '/' : idKey(`/subscriptions/${subscriptionId}`);
      const within = [scope];
      if (narrow?.by === 'resourceGroupName') within.push(idKey(`${scope}/resourcegroups/${narrow.value}`));
      if (narrow?.by === 'resourceUri' || narrow?.by === 'resourceId') within.push(idKey(`/${narrow.value}`));
      return page(
        {
          fromMs,
          toMs,
          within,
          tenantLevel: subscriptionId === undefined,
          activityOnly: true,
          caller: caller?.toLowerCase(),
          status,
          correlation: narrow?.by === 'correlationId' ? narrow.value.toLowerCase() : undefined,
          provider: narrow?.by === 'resourceProvider' ? narrow.value.toLowerCase() : undefined,
          before: parsePosition(skipToken),
        },
        eventsPage,
        eventOf,
      );
    },
  };
}

function eventOf({ leaf, record, begun, sequence }: FoundRow): ActivityEvent {
  const request = begun === null ? undefined : decodeRecord(begun);
  return activityEvent({
    leaf,
    sequence,
    record: decodeRecord(record),
    begun: request?.kind === 'outcome' ? undefined : request,
  });
}

const formatPosition = (timeMs: number, sequence: number) => `${timeMs}-${sequence}`;

function parsePosition(token: string | undefined): Position | undefined {
  if (token === undefined) return undefined;
  const [, timeMs, sequence] = /^(\d{1,15})-(\d{1,15})$/.exec(token) ?? [];
  if (timeMs === undefined)
    throw auditFailures.InvalidQueryParameterValue(
      '$skipToken',
      'This $skipToken was not given out here. Follow nextLink.',
    );
  return { timeMs: Number(timeMs), sequence: Number(sequence) };
}
