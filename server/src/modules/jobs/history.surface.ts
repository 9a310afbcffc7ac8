// Run history and discovery as Azure's Python SDK asks for them: what it follows a job with. No api-version; errors in
// `{error: …}`. The SDK fetches logs by address and without a token, so a signed address is looked at first.

import type { Scheme, Surface } from '#kernel/http/surface';

export const historySurface = 'history';

export function createHistorySurface(schemes: readonly Scheme[]): Surface {
  return {
    name: historySurface,
    ignoresCase: true,
    collapsesSlashes: true,
    recognise({ segments }) {
      const named = segments.filter((segment) => segment !== '');
      const first = named[0]?.toLowerCase();
      // No container of an account has a name with a dot.
      const isData = first === 'data' && named[1]?.toLowerCase() === 'v1.0';
      return first === 'history' || isData || (first === 'discovery' && named.length === 1) ? named : undefined;
    },
    schemes,
    challenge: () => ({ 'www-authenticate': 'Bearer' }),
    render: ({ status, code, message }) => ({ status, body: { error: { code, message } } }),
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}
