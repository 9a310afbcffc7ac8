// Run history and discovery as Azure's Python SDK asks for them: what it follows a job with. No api-version; errors in
// `{error: …}`. The SDK fetches logs by address and without a token, so a signed address is looked at first.

import type { Exchange } from '#kernel/http/exchange';
import { httpFailures } from '#kernel/http/http.errors';
import type { Route } from '#kernel/http/route';
import type { Scheme, Surface } from '#kernel/http/surface';
import { isChange, refuseUnreadParameter, unreadParameter } from '#kernel/http/unread';
import { jobsFailures } from './jobs.errors.ts';

export const historySurface = 'history';

/** Lists say what to filter runs with. */
function refuseUnread(exchange: Exchange, route: Pick<Route, 'reads' | 'query'>): void {
  if (isChange(exchange.method)) refuseUnreadParameter(exchange, route);
  const unread = unreadParameter(exchange, route);
  if (unread !== undefined) throw jobsFailures.HistoryParameter(unread.name);
}

export function createHistorySurface(schemes: readonly Scheme[]): Surface {
  return {
    name: historySurface,
    ignoresCase: true,
    collapsesSlashes: true,
    recognise({ named }) {
      const first = named[0]?.toLowerCase();
      // No container of an account has a name with a dot.
      const isData = first === 'data' && named[1]?.toLowerCase() === 'v1.0';
      return first === 'history' || isData || (first === 'discovery' && named.length === 1) ? named : undefined;
    },
    schemes,
    refuseUnread,
    // What azure-ai-ml asks for by `jobs.update` and `jobs.show_services`. (Its `jobs.archive` takes this answer and goes on.)
    nothing(method, segments) {
      const words = segments.map((segment) => segment.toLowerCase());
      if (words.includes('serviceinstances')) return jobsFailures.NoServices();
      if (method === 'PATCH' && words.at(-2) === 'runs') return jobsFailures.RunsNotChanged();
      return httpFailures.NotFound(historySurface);
    },
    challenge: () => ({ 'www-authenticate': 'Bearer' }),
    render: ({ status, code, message }) => ({ status, body: { error: { code, message } } }),
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}
