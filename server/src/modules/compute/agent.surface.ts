// The protocol of agents as seen from outside: everything below /agent. The agent's own token is the only credential; nobody
// else has business here.

import type { Scheme, Surface } from '#kernel/http/surface';

export function createAgentSurface(scheme: Scheme): Surface {
  return {
    name: 'agent',
    ignoresCase: false,
    collapsesSlashes: true,
    recognise: ({ segments }) => (segments[0] === 'agent' ? segments : undefined),
    schemes: [scheme],
    challenge: () => ({ 'www-authenticate': 'Bearer' }),
    render: (failure) => ({
      status: failure.status,
      body: { error: { code: failure.code, message: failure.message } },
    }),
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}
