// Microsoft Graph, as far as Azure's command line needs it, at /msgraph/v1.0. Errors in Graph's envelope.

import type { Scheme, Surface } from '#kernel/http/surface';
import { refuseUnreadParameter } from '#kernel/http/unread';

export function createGraphSurface(options: { readonly bearer: Scheme; readonly now: () => Date }): Surface {
  const { bearer, now } = options;
  return {
    name: 'graph',
    ignoresCase: true,
    collapsesSlashes: true,
    recognise({ segments, named }) {
      return named[0]?.toLowerCase() === 'msgraph' ? segments : undefined;
    },
    schemes: [bearer],
    refuseUnread: refuseUnreadParameter,
    challenge: ({ target }) => ({
      'www-authenticate': `Bearer realm="", authorization_uri="${target.origin}/common/oauth2/v2.0/authorize"`,
    }),
    render: (failure, exchange) => ({
      status: failure.status,
      body: {
        error: {
          code: failure.code,
          message: failure.message,
          innerError: {
            date: now().toISOString().slice(0, 19),
            'request-id': exchange.requestId,
            'client-request-id': exchange.header('client-request-id')?.slice(0, 128) ?? exchange.correlationId,
          },
        },
      },
    }),
    headers: (exchange) => ({ 'request-id': exchange.requestId }),
  };
}
