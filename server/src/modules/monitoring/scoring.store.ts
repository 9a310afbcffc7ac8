// Appends and reads records of scoring requests. No decisions.

import type { ScoringRecord } from '@strongroom/contract/monitoring';
import { type Database, type Tx, tables } from '#kernel/database/database';

type Row = {
  id: number;
  time: string;
  endpoint: string;
  deployment: string;
  http_method: string;
  user_agent: string;
  compute_type: string;
  request_url: string;
  status_code: number;
  request_id: string;
  duration_ms: number;
  auth_type: string;
  request_bytes: number;
  response_bytes: number;
  model_status_code: number | null;
  client_request_id: string | null;
};
type Tables = { scoring_requests: Omit<Row, 'id'> & { id?: number } };

const columns = [
  'id',
  'time',
  'endpoint',
  'deployment',
  'http_method',
  'user_agent',
  'compute_type',
  'request_url',
  'status_code',
  'request_id',
  'duration_ms',
  'auth_type',
  'request_bytes',
  'response_bytes',
  'model_status_code',
  'client_request_id',
] as const;

export async function insertRecords(tx: Tx, records: readonly ScoringRecord[]): Promise<void> {
  for (const record of records) {
    await tables<Tables>(tx)
      .insertInto('scoring_requests')
      .values({
        time: record.Time,
        endpoint: record.Endpoint,
        deployment: record.Deployment,
        http_method: record.HTTPMethod,
        user_agent: record.UserAgent,
        compute_type: record.ComputeType,
        request_url: record.RequestUrl,
        status_code: record.StatusCode,
        request_id: record.RequestId,
        duration_ms: record.Duration,
        auth_type: record.AuthType,
        request_bytes: record.RequestBytes,
        response_bytes: record.ResponseBytes,
        model_status_code: record.ModelStatusCode,
        client_request_id: record.ClientRequestId,
      })
      .execute();
  }
}

/** Whether the oldest record is from before the moment. */
export async function hasBefore(tx: Tx, before: string): Promise<boolean> {
  const oldest = await tables<Tables>(tx)
    .selectFrom('scoring_requests')
    .select('time')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return oldest !== undefined && oldest.time < before;
}

/**
 * Of the oldest `limit` records those from before the moment. Answers how many they were: fewer than asked for, and the next one
 * is younger. Records come in the order of time, so nothing is searched.
 */
export async function deleteOldest(tx: Tx, before: string, limit: number): Promise<number> {
  const db = tables<Tables>(tx);
  const oldest = await db.selectFrom('scoring_requests').select(['id', 'time']).orderBy('id').limit(limit).execute();
  const old = oldest.filter(({ time }) => time < before);
  const last = old.at(-1)?.id;
  if (last === undefined) return 0;
  await db.deleteFrom('scoring_requests').where('id', '<=', last).where('time', '<', before).execute();
  return old.length;
}

/** The newest records of an endpoint, newest first. */
export async function latestRecords(
  database: Database,
  endpoint: string,
  limit: number,
): Promise<readonly ScoringRecord[]> {
  const rows = await database.scan<Row>(
    tables<{ scoring_requests: Row }>(database.read)
      .selectFrom('scoring_requests')
      .select(columns)
      .where('endpoint', '=', endpoint)
      .orderBy('id', 'desc')
      .limit(limit),
  );
  return rows.map((row) => ({
    HTTPMethod: row.http_method,
    UserAgent: row.user_agent,
    ComputeType: row.compute_type,
    RequestUrl: row.request_url,
    StatusCode: row.status_code,
    RequestId: row.request_id,
    Duration: row.duration_ms,
    Time: row.time,
    Endpoint: row.endpoint,
    Deployment: row.deployment,
    AuthType: row.auth_type,
    RequestBytes: row.request_bytes,
    ResponseBytes: row.response_bytes,
    ModelStatusCode: row.model_status_code,
    ClientRequestId: row.client_request_id,
  }));
}
