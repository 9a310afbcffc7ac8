// Connections to one schema, and the only import of the driver. Promises that values come back as they do from a file: numbers as
// numbers, truth as 0 or 1, bytes as Buffers, everything else as text; and that what is not the statement's fault is a Failure.

import pg from 'pg';
import { databaseFailures } from '#kernel/database/database.errors';
import { Failure } from '#kernel/errors/failure';
import { refuseUnstorable } from '../values.ts';

/** Where the server listens: the folder of its Unix socket, and the database in which each owner has a schema. */
export type Server = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
};

export type Connection = pg.Client;
export type Connections = pg.Pool;
/** Runs one statement, with its values. */
export type Asks = { query(text: string, values?: unknown[]): Promise<pg.QueryResult> };

const readersMax = 4;
const idleMs = 10_000;
const statementMs = 60_000;

const [bool, bytea, int8, int2, int4, oid, float4, float8, numeric] = [16, 17, 20, 21, 23, 26, 700, 701, 1700];
const numbers = new Set<number | undefined>([int8, int2, int4, oid, float4, float8, numeric]);

const types = {
  getTypeParser(type: number): (text: string) => unknown {
    if (numbers.has(type)) return Number;
    if (type === bool) return (text) => (text === 't' ? 1 : 0);
    if (type === bytea) return (text) => Buffer.from(text.slice(2), 'hex');
    return (text) => text;
  },
};

const settingsOf = (server: Server, schema: string, further = '') => ({
  ...server,
  types,
  // In the first message of a connection, so that none is ever used without them. A schema's name holds no blank.
  options: `-c search_path="${schema}" -c bytea_output=hex -c extra_float_digits=1 ${further}`,
});

/** One connection that may write. */
export async function connect(server: Server, schema: string): Promise<Connection> {
  const client = new pg.Client(settingsOf(server, schema));
  // What breaks is told by the statement that meets it.
  client.on('error', () => {});
  await guarded(() => client.connect());
  return client;
}

/** Connections that read, made as they are needed. */
export function connectReaders(server: Server, schema: string): Connections {
  const pool = new pg.Pool({
    ...settingsOf(server, schema, `-c default_transaction_read_only=on -c statement_timeout=${statementMs}`),
    max: readersMax,
    idleTimeoutMillis: idleMs,
  });
  pool.on('error', () => {});
  return pool;
}

/** Runs one statement. Throws the driver's error for a statement at fault, a Failure when the value or the server is. */
export async function ask(asks: Asks, text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
  refuseUnstorable(values);
  for (const value of values)
    if (typeof value === 'string' && value.includes('\0')) throw databaseFailures.TextNotStorable();
  return await guarded(() => asks.query(text, [...values]));
}

export async function guarded<R>(act: () => Promise<R>): Promise<R> {
  try {
    return await act();
  } catch (error) {
    throw serverFailure(error) ?? error;
  }
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** What the server or the way to it is to blame for, as a Failure; undefined when the statement itself is at fault. */
function serverFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return undefined;
  const code = codeOf(error);
  if (code === '53100')
    return databaseFailures.StorageFull({
      message: 'The disk of the database server is full. Nothing of this request was stored.',
      retryAfterSeconds: 30,
      cause: error,
    });
  if (code === 'XX001' || code === 'XX002')
    return databaseFailures.DatabaseDamaged({
      message: 'A stored page does not verify: the database was damaged or altered. Restore it from a backup.',
      cause: error,
    });
  // Classes of SQLSTATE (connection, resources, operator), of the operating system, and of the driver, which has no codes.
  const isLost =
    code === undefined ? error instanceof Error && /connection|terminat|not queryable/i.test(error.message) : false;
  if (isLost || (code !== undefined && code !== '57014' && /^(08|53|57|E[A-Z]+$)/.test(code)))
    return databaseFailures.StorageUnavailable({
      message: 'The database server could not be reached. Nothing of this request was stored; try again.',
      retryAfterSeconds: 5,
      cause: error,
    });
  return undefined;
}

export const isTimeout = (error: unknown): boolean => codeOf(error) === '57014';
