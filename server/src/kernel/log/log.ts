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
  for (const name in fields) {
    if (!allowed.has(name)) continue;
    const value = fields[name as keyof LogFields];
    if (name === 'error') kept['error'] = chain(value);
    else if (typeof value === 'number' || typeof value === 'boolean') kept[name] = value;
    else if (value !== undefined && value !== null) {
      const text = String(value);
      kept[name] = text.length > 1024 ? text.slice(0, 1024) : text;
    }
  }
  return kept;
}

/** Of lines that wait to be written together; beyond it they are written at once. */
const waitingCharactersMax = 65_536;

/**
 * Standard error, written to synchronously: the last lines before a crash are the ones that matter. Its own buffer is left alone:
 * whoever empties that syncs the disk too, with the event loop held.
 */
function standardError(): { readonly stream: pino.DestinationStream; readonly flush: () => void } {
  const error = pino.destination({ dest: 2, sync: true });
  let waiting = '';
  const flush = () => {
    const text = waiting;
    waiting = '';
    if (text !== '') error.write(text);
  };
  process.once('exit', flush);
  return {
    stream: {
      write(line) {
        waiting += line;
        if (waiting.length > waitingCharactersMax) flush();
      },
    },
    flush,
  };
}

/**
 * A log on standard error (or another stream). `level` is pino's. What is only told is written once a turn of the event loop, with
 * one call for all of it, because there is a line for each request; what went wrong is written at once, with all before it.
 */
export function createLog(options: { readonly level: string; readonly stream?: NodeJS.WritableStream }): Log {
  const { stream, flush } = options.stream ? { stream: options.stream, flush: () => {} } : standardError();
  const sink = pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  let isWaiting = false;
  const flushNow = () => {
    isWaiting = false;
    flush();
  };
  const flushSoon = () => {
    if (isWaiting) return;
    isWaiting = true;
    setImmediate(flushNow);
  };
  return {
    debug(fields, message) {
      if (!sink.isLevelEnabled('debug')) return;
      sink.debug(keep(fields), message);
      flushSoon();
    },
    info(fields, message) {
      if (!sink.isLevelEnabled('info')) return;
      sink.info(keep(fields), message);
      flushSoon();
    },
    warn(fields, message) {
      sink.warn(keep(fields), message);
      flush();
    },
    error(fields, message) {
      sink.error(keep(fields), message);
      flush();
    },
  };
}

/** For tests and libraries: says nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
