// What operators and probes ask: /healthz, /readyz, /metrics. Errors are one line of text.

import type { Scheme, Surface } from '#kernel/http/surface';

const paths = new Set(['healthz', 'readyz', 'metrics']);

export function createOperatorSurface(schemes: readonly Scheme[]): Surface {
  return {
    name: 'operator',
    ignoresCase: false,
    collapsesSlashes: true,
    recognise: ({ segments }) => (paths.has(segments[0] ?? '') ? segments : undefined),
    schemes,
    challenge: () => ({ 'www-authenticate': 'Bearer' }),
    render: (failure) => ({ status: failure.status, body: `${failure.code}: ${failure.message}\n` }),
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}
