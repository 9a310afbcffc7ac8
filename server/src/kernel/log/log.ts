// Structured logs: JSON lines through pino. What may be logged is an allow-list of field names, so that a new field does not
// compile until somebody decides that it is safe, and is dropped where types do not reach (a library's own fields); deny-lists
// leak (a token under a new name). Errors log their chain.

import pino from 'pino';

export type LogFields = { readonly [name in (typeof allowedNames)[number]]?: unknown };
export type Log = {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
};

const allowedNames = [
  'requestId',
  'correlationId',
  'operation',
  'surface',
  'method',
  'route',
  'status',
  'code',
  'milliseconds',
  'actor',
  'actorKind',
  'scope',
  'address',
  'port',
  'url',
  'module',
  'task',
  'subject',
  'attempt',
  'node',
  'job',
  'deployment',
  'count',
  'bytes',
  'reason',
  'error',
  'version',
  'pid',
  'signal',
  'exitCode',
  'state',
  'migration',
  'workspace',
  'event',
  'notAfter',
] as const;
const allowed: ReadonlySet<string> = new Set(allowedNames);

/** The whole chain of causes as text. Messages of Failures are safe by rule; stacks hold code places, not values. */
function chain(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && depth < 8; depth++) {
    parts.push(at instanceof Error ? (at.stack ?? at.message) : String(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join('\ncaused by ').slice(0, 16_384);
}

function keep(fields: LogFields): LogFields {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (!allowed.has(name)) continue;
    if (name === 'error') kept['error'] = chain(value);
    else if (typeof value === 'number' || typeof value === 'boolean') kept[name] = value;
    else if (value !== undefined && value !== null) kept[name] = String(value).slice(0, 1024);
  }
  return kept;
}

/** A log on standard error (or another stream). `level` is pino's. */
export function createLog(options: { readonly level: string; readonly stream?: NodeJS.WritableStream }): Log {
  const sink = pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    // Synchronous: the last lines before a crash are the ones that matter.
    options.stream ?? pino.destination({ dest: 2, sync: true }),
  );
  return {
    debug: (fields, message) => sink.debug(keep(fields), message),
    info: (fields, message) => sink.info(keep(fields), message),
    warn: (fields, message) => sink.warn(keep(fields), message),
    error: (fields, message) => sink.error(keep(fields), message),
  };
}

/** For tests and libraries: says nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
