// The scoring protocol from outside: `/endpoints/{workspace}/{endpoint}/…`, a key as bearer token, Azure's headers and codes.
// A key proves no person: its actor carries bounds that name one endpoint and one action, and nothing else is ever allowed to
// it. An endpoint that does not exist answers like a wrong key.

import { endpointsActions } from '@strongroom/contract/endpoints.actions';
import { createActor } from '#kernel/authority/actor';
import type { Scheme, Surface } from '#kernel/http/surface';
import type { Admission } from './admission.service.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import type { Traces } from './traces.service.ts';

const keyLengthMax = 1024;

export function createScoringSurface(deps: {
  readonly admission: Admission;
  readonly traces: Traces;
  readonly tenantId: string;
}): Surface {
  const { admission, traces, tenantId } = deps;

  const scheme: Scheme = {
    name: 'endpoint key',
    async authenticate(exchange) {
      const given = /^bearer +(\S+) *$/i.exec(exchange.header('authorization') ?? '')?.[1];
      if (given === undefined || given.length > keyLengthMax) throw endpointsFailures.key_auth_access_denied();
      const { endpoint } = traces.of(exchange);
      if (!(await admission.lets(endpoint, given)) || endpoint === undefined)
        throw endpointsFailures.key_auth_access_denied();
      return createActor({
        kind: 'run',
        objectId: endpoint.uniqueId,
        tenantId,
        name: endpoint.name,
        method: 'key',
        bounds: {
          roles: 'ignored',
          rules: [{ scope: endpoint.id, actions: [endpointsActions.score.name], reason: 'key of the endpoint' }],
        },
      });
    },
  };

  return {
    name: 'scoring',
    ignoresCase: false,
    collapsesSlashes: true,
    recognise: ({ segments }) => (segments[0] === 'endpoints' ? segments : undefined),
    schemes: [scheme],
    check: (exchange) => void traces.of(exchange),
    challenge: () => ({ 'www-authenticate': 'Bearer' }),
    render(failure, exchange) {
      traces.conclude(exchange, failure.status);
      const { deployment } = traces.of(exchange);
      return {
        status: failure.status,
        headers: deployment === '' ? {} : { 'azureml-model-deployment': deployment },
        body: { error: { code: failure.code, message: failure.message } },
      };
    },
    headers: ({ requestId, clientRequestId }) => ({
      'x-ms-request-id': requestId,
      'x-request-id': requestId,
      ...(clientRequestId === undefined ? {} : { 'x-ms-client-request-id': clientRequestId }),
    }),
  };
}
