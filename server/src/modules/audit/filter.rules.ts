// The `$filter` of Azure's activity log: clauses joined by `and`. Clients write times quoted (JavaScript) and bare without
// a zone (azure-cli); both are UTC. Refuses what it does not know rather than answering more than was asked for.

import { auditFailures } from './audit.errors.ts';

export type ActivityFilter = {
  /** Milliseconds, both included. */
  readonly fromMs: number;
  readonly toMs: number | undefined;
  readonly narrow: { readonly by: (typeof narrowing)[number]; readonly value: string } | undefined;
  /** A name or an object id. */
  readonly caller: string | undefined;
  readonly status: ActivityStatus | undefined;
};
export type ActivityStatus = (typeof statuses)[number];

const clausesMax = 16;
const narrowing = ['resourceGroupName', 'resourceUri', 'resourceId', 'resourceProvider', 'correlationId'] as const;
const statuses = ['Started', 'Accepted', 'Succeeded', 'Failed', 'Unknown'] as const;
const clause = /\s*([A-Za-z]+)\s+([A-Za-z]+)\s+(?:'((?:[^']|'')*)'|([^\s']+))(?=\s|$)/y;
const conjunction = /\s+and(?=\s)/iy;

/** Reads a filter of at most 4,096 characters. Throws `invalid` and says which part is wrong. */
export function parseActivityFilter(text: string): ActivityFilter {
  let fromMs: number | undefined;
  let toMs: number | undefined;
  let narrow: ActivityFilter['narrow'];
  let caller: string | undefined;
  let status: ActivityStatus | undefined;
  for (const { name, operator, value } of clausesOf(text)) {
    if (name === 'eventtimestamp') {
      const at = parseInstant(value);
      if (at === undefined)
        throw auditFailures.invalidFilter(`'${shown(value)}' is not a time such as 2026-01-31T08:00:00Z.`);
      if (operator === 'ge') fromMs = Math.max(fromMs ?? at, at);
      else if (operator === 'le') toMs = Math.min(toMs ?? at, at);
      else throw auditFailures.invalidFilter("eventTimestamp takes 'ge' and 'le'.");
      continue;
    }
    if (operator !== 'eq') throw auditFailures.invalidFilter(`'${shown(name)}' takes 'eq' only.`);
    // Every event of ours is of both channels that clients ask for.
    if (name === 'eventchannels') continue;
    if (name === 'caller' && value !== '' && caller === undefined) {
      caller = value;
      continue;
    }
    if (name === 'status' && status === undefined) {
      status = statuses.find((one) => one.toLowerCase() === value.toLowerCase());
      if (status === undefined)
        throw auditFailures.invalidFilter(`'${shown(value)}' is no status; use one of ${statuses.join(', ')}.`);
      continue;
    }
    const by = narrowing.find((one) => one.toLowerCase() === name);
    if (by === undefined) {
      throw auditFailures.invalidFilter(
        `'${shown(name)}' cannot be filtered by; use eventTimestamp, caller and status once each, and one of ${narrowing.join(', ')}.`,
      );
    }
    if (narrow !== undefined) throw auditFailures.invalidFilter(`Only one of ${narrowing.join(', ')} may be given.`);
    if (value === '') throw auditFailures.invalidFilter(`'${by}' is compared with nothing.`);
    narrow = { by, value };
  }
  if (fromMs === undefined) {
    throw auditFailures.invalidFilter(
      "The filter needs a beginning, for example: eventTimestamp ge '2026-01-31T08:00:00Z'.",
    );
  }
  return { fromMs, toMs, narrow, caller, status };
}

function* clausesOf(text: string) {
  if (text.length > 4_096) throw auditFailures.invalidFilter('The filter is longer than 4096 characters.');
  const trimmed = text.trimEnd();
  let at = 0;
  for (let count = 1; ; count++) {
    if (count > clausesMax) throw auditFailures.invalidFilter(`The filter holds more than ${clausesMax} conditions.`);
    clause.lastIndex = at;
    const found = clause.exec(trimmed);
    if (found === null) throw auditFailures.invalidFilter(`A condition was expected at '${shown(trimmed.slice(at))}'.`);
    at += found[0].length;
    const [, name = '', operator = '', quoted, bare = ''] = found;
    yield {
      name: name.toLowerCase(),
      operator: operator.toLowerCase(),
      value: quoted === undefined ? bare : quoted.replaceAll("''", "'"),
    };
    if (at === trimmed.length) return;
    conjunction.lastIndex = at;
    const and = conjunction.exec(trimmed);
    if (and === null) throw auditFailures.invalidFilter(`'and' was expected at '${shown(trimmed.slice(at))}'.`);
    at += and[0].length;
  }
}

const shown = (text: string) => text.trim().slice(0, 60);

const instant = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?$/i;

/** Milliseconds since 1970 of an ISO 8601 time; UTC unless it names an offset. Undefined for what is no time. */
export function parseInstant(text: string): number | undefined {
  const found = instant.exec(text);
  if (found === null) return undefined;
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = found;
  const wall = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const ms = Date.parse(`${wall}.${fraction.padEnd(3, '0').slice(0, 3)}Z`);
  // Date.parse rolls 30 February over to March.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 19) !== wall) return undefined;
  const offset = /^([+-])(\d{2}):(\d{2})$/.exec(zone);
  if (offset === null) return ms;
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  if (minutes > 14 * 60 || Number(offset[3]) > 59) return undefined;
  return ms - (offset[1] === '-' ? -minutes : minutes) * 60_000;
}

/** The times of a native query parameter. Throws `invalid`. */
export function requireInstant(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = parseInstant(text);
  if (at === undefined)
    throw auditFailures.InvalidQueryParameterValue(name, `'${name}' is not a time such as 2026-01-31T08:00:00Z.`);
  return at;
}
