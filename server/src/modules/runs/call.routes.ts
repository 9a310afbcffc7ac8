// How a call of MLflow becomes a route: its message is read from the query of a GET and from the body otherwise, its
// workspace from the path. Routes are written as tables of these.

import { type Static, type TSchema, Type } from '@strongroom/contract/schema';
import type { AuditLevel } from '#kernel/authority/audit';
import type { Action, Grant } from '#kernel/authority/grant';
import type { Exchange } from '#kernel/http/exchange';
import { each, json, needs, type Params, type Route, type RouteBounds, route } from '#kernel/http/route';
import { elsewhere, runScope } from './bounds.rules.ts';
import { decodeBody, decodeQuery } from './decode.rules.ts';
import { requireRunId } from './names.rules.ts';
import { invalid } from './runs.errors.ts';
import { mlflowSurface, workspaceIdOf, workspacePath } from './surface.ts';

export type Call<S extends TSchema> = {
  readonly operation: string;
  readonly method: Route['method'];
  /** Below the workspace, beginning with a slash. */
  readonly path: string;
  readonly summary: string;
  readonly action: Action;
  readonly audit: AuditLevel;
  /** How a run's token is held; or the ids of what the message, or the path, names. */
  readonly bounds: RouteBounds | NamedIn<NoInfer<S>>;
  readonly goesOnWhenLow?: string;
  readonly request: S;
  readonly response: TSchema;
  /** Bytes of the body; 1 MiB when absent. */
  readonly maxBytes?: number;
  readonly handle: (grant: Grant, workspaceId: string, message: Static<S>, params: Params) => Promise<unknown>;
};

/** Nothing: it names nothing that there is. */
export type NamedIn<S extends TSchema> = (
  message: Static<S>,
  at: { readonly grant: Grant; readonly workspaceId: string; readonly params: Params },
) => readonly string[] | Promise<readonly string[]>;

const bodyBytesMax = 1024 * 1024;

/**
 * The message is read by `decode`, which knows MLflow's leniencies and its words for what is missing; the door checks
 * nothing itself (anything matches the first branch) and takes the message's shape from the second, for OpenAPI.
 */
const documented = (schema: TSchema) => Type.Union([Type.Unknown(), schema]);

export function call<const S extends TSchema>(spec: Call<S>): Route {
  const { operation, method, path, summary, audit, action, request, response, maxBytes = bodyBytesMax, handle } = spec;
  const { goesOnWhenLow, bounds } = spec;
  const fromQuery = method === 'GET';
  const messageIn = (body: unknown, exchange: Exchange): Static<S> =>
    fromQuery ? decodeQuery(request, exchange.target.query.values) : decodeBody(request, body);
  return route({
    operation: `MLflow_${operation}`,
    surface: mlflowSurface,
    method,
    path: `${workspacePath}${path}`,
    summary,
    access: needs(
      action,
      workspaceIdOf,
      typeof bounds !== 'function'
        ? bounds
        : each(
            (grant, { params, body, exchange }) =>
              bounds(messageIn(body, exchange), { grant, workspaceId: workspaceIdOf(params), params }),
            elsewhere,
          ),
    ),
    audit,
    ...(goesOnWhenLow === undefined ? {} : { goesOnWhenLow }),
    ...(fromQuery ? {} : { body: { kind: 'json', schema: documented(request), maxBytes, optional: true } as const }),
    responses: { 200: response },
    handle: async (grant, { params, body, exchange }) => {
      return json(200, await handle(grant, workspaceIdOf(params), messageIn(body, exchange), params));
    },
  });
}

/** Of a message of any size no more is read for this than whose run it is about. */
const runNamed = Type.Object({ run_id: Type.Optional(Type.String()), run_uuid: Type.Optional(Type.String()) });

/** The one run that the message names. */
export const ofRun: RouteBounds = each((_grant, { params, body, exchange }) => {
  const message =
    exchange.method === 'GET' ? decodeQuery(runNamed, exchange.target.query.values) : decodeBody(runNamed, body);
  const runId = runIdOf(message);
  requireRunId(runId);
  return [runScope(workspaceIdOf(params), runId)];
}, elsewhere);

/** `run_id`, or its older name. */
export function runIdOf(message: { readonly run_id?: string; readonly run_uuid?: string }): string {
  const runId = message.run_id || message.run_uuid;
  if (!runId) throw invalid("Missing value for required parameter 'run_id'. Send the id of the run.", 'run_id');
  return runId;
}
