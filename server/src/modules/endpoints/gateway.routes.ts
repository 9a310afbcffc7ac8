// The routes of the scoring surface, and the one by which an endpoint's requests are looked at afterwards.

import type { Readable } from 'node:stream';
import { endpointsActions } from '@strongroom/contract/endpoints.actions';
import { scoringRecordList } from '@strongroom/contract/monitoring';
import { Type } from '@strongroom/contract/schema';
import type { Exchange } from '#kernel/http/exchange';
import { accessed, json, needs, type Params, type Route, route, unrecorded, whole } from '#kernel/http/route';
import type { ScoringRecords } from '#monitoring';
import { itemId, itemPath } from '#resources';
import { type Workspaces, workspaceOf } from '#workspaces';
import type { Directory } from './directory.service.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import type { ScoringGateway } from './gateway.service.ts';
import { endpointType } from './names.rules.ts';
import { requestBytesMax } from './plan.rules.ts';
import type { Traces } from './traces.service.ts';

const base = '/endpoints/{workspace}/{endpoint}';
const topMax = 1000;

export function gatewayRoutes(deps: {
  readonly directory: Directory;
  readonly gateway: ScoringGateway;
  readonly workspaces: Workspaces;
  readonly scoring: ScoringRecords;
  readonly traces: Traces;
}): readonly Route[] {
  const { directory, gateway, workspaces, scoring, traces } = deps;
  const scopeOf = ({ workspace = '', endpoint = '' }: Params) =>
    directory.find(workspace, endpoint)?.id ?? `/endpoints/${workspace}/${endpoint}`;
  const audit = unrecorded('every scoring request has a record of its own in the workspace');

  const scored = (
    operation: string,
    method: 'GET' | 'POST',
    tail: string,
    made: { readonly path: string; readonly summary: string },
  ): Route => {
    const spec = {
      operation,
      surface: 'scoring',
      method,
      path: `${base}${tail}`,
      summary: made.summary,
      access: needs(endpointsActions.score, scopeOf, whole),
      // Its record is held back where it is stored.
      goesOnWhenLow: 'it stores nothing',
      audit,
    } as const;
    const forward = (exchange: Exchange, body: Readable | undefined) => gateway.forward(exchange, made.path, body);
    return method === 'POST'
      ? route({
          ...spec,
          body: { kind: 'stream', maxBytes: requestBytesMax },
          handle: (_grant, { exchange, body }) => forward(exchange, body),
        })
      : route({ ...spec, handle: (_grant, { exchange }) => forward(exchange, undefined) });
  };

  return [
    scored('Scoring_Score', 'POST', '/score', { path: '/score', summary: 'Scores the body with a deployment.' }),
    scored('Scoring_ScoreQuery', 'GET', '/score', { path: '/score', summary: 'Scores the query parameters.' }),
    scored('Scoring_Invoke', 'POST', '/invocations', {
      path: '/score',
      summary: 'Scores the body, by its MLflow name.',
    }),
    scored('Scoring_Swagger', 'GET', '/swagger.json', {
      path: '/swagger.json',
      summary: 'The schema that the deployment brings.',
    }),
    scored('Scoring_Health', 'GET', '', { path: '/', summary: 'Whether the deployment answers.' }),
    route({
      operation: 'OnlineEndpoints_ListRequests',
      surface: 'arm',
      method: 'GET',
      path: `${itemPath(endpointType)}/requests`,
      summary: 'The latest scoring requests of an endpoint, newest first.',
      access: needs(endpointsActions.read, (params) => itemId(endpointType, params), whole),
      audit: accessed('onlineEndpointName'),
      query: Type.Object({
        $top: Type.Optional(Type.String({ pattern: '^[0-9]{1,4}$' })),
        'api-version': Type.Optional(Type.String()),
      }),
      reads: ['?$top'],
      responses: { 200: scoringRecordList },
      async handle(grant, { params, query }) {
        const served = directory.byId(itemId(endpointType, params));
        if (served === undefined) throw endpointsFailures.ResourceNotFound(params['onlineEndpointName'] ?? '');
        const database = await workspaces.database(grant, workspaceOf(served.id) ?? '');
        traces.flush();
        const limit = Math.min(Number(query['$top'] ?? '100'), topMax);
        return json(200, { value: await scoring.latest(database, served.name, limit) });
      },
    }),
  ];
}
