// The OpenAPI document of one surface, out of its routes and nothing else: the same routes give the same bytes. Three
// extensions say what OpenAPI has no word for: `x-strongroom-access` (who may), `x-strongroom-audit` (what is kept) and, for the
// whole, `x-strongroom-failures` (the codes of what is answered otherwise).
// Operations that differ only in their query stand under `x-ms-paths`, as in Azure's own descriptions.

import type { TSchema } from '../../contract/src/schema.ts';
import type { FailureTable } from '../../server/src/kernel/errors/failures.ts';
import type { Access, BodyRule, Route, RouteBounds } from '../../server/src/kernel/http/route.ts';
import { parametersOf, type WirePath, wirePathsOf } from './wire.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };
type JsonObject = { [name: string]: Json | undefined };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A schema as JSON: named ones move to `components` and leave a reference; what is only of this language goes. */
function schemaOf(schema: unknown, named: Map<string, Json>): Json {
  if (Array.isArray(schema)) return schema.map((item) => schemaOf(item, named));
  if (!isObject(schema)) return schema as Json; // a number, a text: JSON already
  const id = schema['$id'];
  const own: JsonObject = {};
  for (const [name, value] of Object.entries(schema)) {
    if (name === '$id' || value === undefined) continue;
    own[name] = schemaOf(value, named);
  }
  for (const union of ['anyOf', 'oneOf']) {
    const branches = own[union];
    if (Array.isArray(branches)) own[union] = branches.filter((branch) => !isUndefined(branch));
  }
  if (typeof id !== 'string') return own;
  const name = id.replace(/[^A-Za-z0-9._-]/g, '_');
  named.set(name, own);
  return { $ref: `#/components/schemas/${name}` };
}

const isUndefined = (branch: Json) => isObject(branch) && branch['type'] === 'undefined';

/** How a caller with bounds of his own (a run, a key, a signed address) is held. */
function boundsOf(bounds: RouteBounds): Json {
  return { kind: bounds.kind, ...('reason' in bounds ? { reason: bounds.reason } : {}) };
}

function accessOf(access: Access): Json {
  if (!('action' in access)) return { kind: access.kind, reason: access.reason };
  const { kind, action } = access;
  return {
    kind,
    action: action.name,
    plane: action.plane,
    ...(kind === 'needs' ? { bounds: boundsOf(access.bounds) } : {}),
  };
}

function auditOf({ audit }: Route): Json {
  return audit.level === 'none'
    ? { level: 'none', reason: audit.reason }
    : { level: audit.level, record: [...(audit.record ?? [])] };
}

function bodyOf(rule: BodyRule, named: Map<string, Json>): Json {
  const content: Json =
    rule.kind === 'json'
      ? { 'application/json': { schema: schemaOf(rule.schema, named) } }
      : rule.kind === 'form'
        ? { 'application/x-www-form-urlencoded': { schema: schemaOf(rule.schema, named) } }
        : { '*/*': { schema: { type: 'string', format: 'binary' } } };
  const required = rule.kind === 'json' && rule.optional === true ? false : rule.kind !== 'stream';
  return { required, content, 'x-strongroom-max-bytes': rule.maxBytes };
}

function queryParameters(route: Route, fixed: WirePath['query'], named: Map<string, Json>): readonly JsonObject[] {
  const schema: (TSchema & { properties?: Record<string, unknown>; required?: readonly string[] }) | undefined =
    route.query;
  const parameters = new Map<string, JsonObject>();
  if (route.surface === 'arm' || route.surface === 'keyvault')
    parameters.set('api-version', { name: 'api-version', in: 'query', required: true, schema: { type: 'string' } });
  for (const [name, value] of Object.entries(schema?.properties ?? {})) {
    if (name in fixed || parameters.has(name)) continue;
    const required = schema?.required?.includes(name) === true;
    parameters.set(name, { name, in: 'query', required, schema: schemaOf(value, named) });
  }
  return [...parameters.values()].sort((a, b) => (String(a['name']) < String(b['name']) ? -1 : 1));
}

function operationOf(route: Route, wire: WirePath, named: Map<string, Json>): JsonObject {
  const responses: JsonObject = {};
  for (const [status, schema] of Object.entries(route.responses ?? {}))
    responses[status] = {
      description: Number(status) < 400 ? 'Done' : 'Refused',
      content: { 'application/json': { schema: schemaOf(schema, named) } },
    };
  if (!Object.keys(responses).some((status) => Number(status) < 400)) responses['2XX'] = { description: 'Done' };
  responses['default'] = { description: "Refused or failed, in the protocol's own words" };
  const path = parametersOf(wire.path).map(({ name, isPath }) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    ...(isPath ? { description: 'One or more segments.', 'x-strongroom-many-segments': true } : {}),
  }));
  return {
    operationId: `${route.operation}${wire.suffix}`,
    summary: route.summary,
    parameters: [...path, ...queryParameters(route, wire.query, named)],
    ...(route.body ? { requestBody: bodyOf(route.body, named) } : {}),
    responses,
    ...(route.access.kind === 'open' ? { security: [] } : {}),
    'x-strongroom-access': accessOf(route.access),
    'x-strongroom-audit': auditOf(route),
  };
}

const sorted = (entries: Iterable<readonly [string, Json]>): JsonObject =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));

/** Each code once a room, with all that it may mean there. */
function failuresOf(tables: readonly FailureTable[]): Json {
  return tables
    .flatMap(({ room, rows }) =>
      rows.map(({ code, status, meaning, remedy }) => ({ code, status, room, meaning, remedy })),
    )
    .map((row): readonly [string, Json] => [`${row.code} ${row.room} ${row.meaning}`, row])
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, row]) => row);
}

/** @param routes those of the surface; others are an error of the caller. @param failures of the rooms that answer on it */
export function documentOf(
  surface: string,
  routes: readonly Route[],
  version: string,
  failures: readonly FailureTable[],
): string {
  const named = new Map<string, Json>();
  const paths = new Map<string, JsonObject>();
  const byQuery = new Map<string, JsonObject>();
  for (const route of routes) {
    for (const wire of wirePathsOf(route)) {
      const query = new URLSearchParams(wire.query).toString();
      const bare = wire.path.replaceAll(/\{(\w+)\+\}/g, '{$1}');
      const at = query === '' ? paths : byQuery;
      const key = query === '' ? bare : `${bare}?${query}`;
      const item = at.get(key) ?? {};
      const method = route.method.toLowerCase();
      if (item[method] !== undefined) throw new Error(`${route.operation}: ${route.method} ${key} is described twice`);
      item[method] = operationOf(route, wire, named);
      at.set(key, item);
    }
  }
  const document = {
    openapi: '3.1.0',
    info: {
      title: `Strongroom: ${surface}`,
      version,
      description: 'Generated from the routes by `npm run pages`. Do not edit.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'https://localhost:8443' }],
    security: [{ bearer: [] }],
    paths: sorted([...paths].map(([key, item]) => [key, sorted(Object.entries(item).map(pair))] as const)),
    ...(byQuery.size === 0
      ? {}
      : {
          'x-ms-paths': sorted(
            [...byQuery].map(([key, item]) => [key, sorted(Object.entries(item).map(pair))] as const),
          ),
        }),
    components: {
      schemas: sorted(named),
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
    'x-strongroom-failures': failuresOf(failures),
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

const pair = ([name, value]: [string, Json | undefined]): readonly [string, Json] => [name, value ?? null];
