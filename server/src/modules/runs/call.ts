// How a call of MLflow becomes a route: its message is read from the query of a GET and from the body otherwise, its
// workspace from the path. Routes are written as tables of these.

import { type Static, type TSchema, Type } from '@strongroom/contract/schema';
import type { AuditLevel } from '#kernel/authority/audit';
import type { Action, Grant } from '#kernel/authority/grant';
import { json, needs, type Params, type Route, route } from '#kernel/http/route';
import { decodeBody, decodeQuery } from './decode.ts';
import { invalid } from './errors.ts';
import { mlflowSurface, workspaceIdOf, workspacePath } from './surface.ts';

export type Call<S extends TSchema> = {
  readonly operation: string;
  readonly method: Route['method'];
  /** Below the workspace, beginning with a slash. */
  readonly path: string;
  readonly summary: string;
  readonly action: Action;
  readonly audit: AuditLevel;
  readonly goesOnWhenLow?: string;
  readonly request: S;
  readonly response: TSchema;
  /** Bytes of the body; 1 MiB when absent. */
  readonly maxBytes?: number;
  readonly handle: (grant: Grant, workspaceId: string, message: Static<S>, params: Params) => Promise<unknown>;
};

const bodyBytesMax = 1024 * 1024;

/**
 * The message is read by `decode`, which knows MLflow's leniencies and its words for what is missing; the door checks
 * nothing itself (anything matches the first branch) and takes the message's shape from the second, for OpenAPI.
 */
const documented = (schema: TSchema) => Type.Union([Type.Unknown(), schema]);

export function call<const S extends TSchema>(spec: Call<S>): Route {
  const { operation, method, path, summary, audit, action, request, response, maxBytes = bodyBytesMax, handle } = spec;
  const { goesOnWhenLow } = spec;
  const fromQuery = method === 'GET';
  return route({
    operation: `MLflow_${operation}`,
    surface: mlflowSurface,
    method,
    path: `${workspacePath}${path}`,
    summary,
    access: needs(action, workspaceIdOf),
    audit,
    ...(goesOnWhenLow === undefined ? {} : { goesOnWhenLow }),
    ...(fromQuery ? {} : { body: { kind: 'json', schema: documented(request), maxBytes, optional: true } as const }),
    responses: { 200: response },
    handle: async (grant, { params, body, exchange }) => {
      const message = fromQuery ? decodeQuery(request, exchange.target.query.values) : decodeBody(request, body);
      return json(200, await handle(grant, workspaceIdOf(params), message, params));
    },
  });
}

/** `run_id`, or its older name. */
export function runIdOf(message: { readonly run_id?: string; readonly run_uuid?: string }): string {
  const runId = message.run_id || message.run_uuid;
  if (!runId) throw invalid("Missing value for required parameter 'run_id'. Send the id of the run.", 'run_id');
  return runId;
}
