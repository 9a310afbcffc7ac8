// Scans over a socket: a cursor in a transaction that only reads, its rows fetched in portions, so that what is too much is found
// before it is in memory.

import { databaseFailures } from '#kernel/database/database.errors';
import { Failure } from '#kernel/errors/failure';
import { ask, type Connections, isTimeout } from './connection.ts';

const portionRows = 1_000;
const waitingMax = 1_000;

export const tooLarge = (maxRows: number): Failure => databaseFailures.ResultTooLarge(maxRows);

export async function scanRows(
  readers: Connections,
  query: { readonly sql: string; readonly parameters: readonly unknown[] },
  { maxRows, maxBytes }: { readonly maxRows: number; readonly maxBytes: number },
): Promise<readonly Record<string, unknown>[]> {
  if (readers.waitingCount >= waitingMax)
    throw databaseFailures.ServerBusy({
      message: 'Too many queries are waiting. Try again in a moment.',
      retryAfterSeconds: 1,
    });
  const client = await readers.connect();
  let isBroken = true;
  try {
    await client.query('begin read only');
    await ask(client, `declare scan no scroll cursor for ${query.sql}`, query.parameters);
    const found: Record<string, unknown>[] = [];
    let bytes = 0;
    for (;;) {
      const { rows } = await ask(client, `fetch ${Math.min(portionRows, maxRows - found.length + 1)} from scan`, []);
      for (const row of rows) for (const value of Object.values(row)) bytes += sizeOf(value);
      if (found.length + rows.length > maxRows || bytes > maxBytes) throw tooLarge(maxRows);
      found.push(...rows);
      if (rows.length === 0) break;
    }
    await client.query('commit');
    isBroken = false;
    return found;
  } catch (error) {
    throw failureOf(error);
  } finally {
    if (isBroken) await client.query('rollback').catch(() => {});
    client.release();
  }
}

function failureOf(error: unknown): unknown {
  if (isTimeout(error)) return databaseFailures.ScanTimeout({ retryAfterSeconds: 1 });
  if (error instanceof Failure) return error;
  return databaseFailures.ScanFailed({ cause: String(error) });
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 2 * value.length;
  return value instanceof Uint8Array ? value.length : 8;
}
