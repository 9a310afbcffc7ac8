// The protocol of agents as seen from outside: everything below /agent. The agent's own token is the only credential; nobody
// else has business here.

import type { Surface } from '#kernel/http/surface';
import type { Agents } from './agents.service.ts';

export function createAgentSurface(agents: Pick<Agents, 'identify'>): Surface {
  return {
    name: 'agent',
    ignoresCase: false,
    collapsesSlashes: true,
    recognise: ({ segments }) => (segments[0] === 'agent' ? segments : undefined),
    schemes: [
      { name: 'agent', authenticate: async (exchange) => await agents.identify(exchange.header('authorization')) },
    ],
    challenge: () => ({ 'www-authenticate': 'Bearer' }),
    render: (failure) => ({
      status: failure.status,
      body: { error: { code: failure.code, message: failure.message } },
    }),
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}
