// The surface `arm`: Azure Resource Manager as its public clients speak it. Ids without regard to case, doubled slashes
// collapsed, a dated api-version on every request, errors in `{error: …}`. Any well-formed version is taken: the clients
// mix dozens, and shapes differ only where a route says so.
// Sources: what the public clients send and accept, measured; Azure Resource Manager's request headers.

import type { Exchange } from '#kernel/http/exchange';
import type { Route } from '#kernel/http/route';
import type { Scheme, Surface } from '#kernel/http/surface';
import type { Target } from '#kernel/http/target';
import { unreadParameter } from '#kernel/http/unread';
import { sameId } from '#kernel/ids/ids';
import { resourcesFailures } from './resources.errors.ts';

const roots: ReadonlySet<string> = new Set(['subscriptions', 'providers', 'tenants']);
const versionForm = /^\d{4}-\d\d-\d\d(-[a-z]+)?$/;

function recognise({ named }: Target): readonly string[] | undefined {
  const first = named[0]?.toLowerCase() ?? '';
  const isMetadata = first === 'metadata' && named[1]?.toLowerCase() === 'endpoints';
  return roots.has(first) || isMetadata ? named : undefined;
}

/** The `api-version` of a request; the surface has checked that it is there and well-formed. */
export const apiVersionOf = (exchange: Exchange): string => exchange.target.query.get('api-version') ?? '';

function headers(exchange: Exchange): Readonly<Record<string, string>> {
  const wantsEcho = exchange.header('x-ms-return-client-request-id')?.toLowerCase() === 'true';
  return {
    'x-ms-request-id': exchange.requestId,
    'x-ms-correlation-request-id': exchange.correlationId,
    'x-ms-routing-request-id': exchange.requestId,
    ...(wantsEcho && exchange.clientRequestId !== undefined
      ? { 'x-ms-client-request-id': exchange.clientRequestId }
      : {}),
  };
}

/** A quoted string of a header: what would end it, or is no printable ASCII, is left out. */
const quoted = (text: string) => `"${text.replace(/[^\x20-\x7e]|["\\]/g, '').slice(0, 300)}"`;

/** Lists of kinds decide by their schemas, and their tokens hold what was asked for. */
function refuseUnread(exchange: Exchange, route: Pick<Route, 'reads' | 'query'>): void {
  const unread = unreadParameter(exchange, route);
  if (unread !== undefined) throw resourcesFailures.InvalidQueryParameterValue(unread.name, unread.read);
}

export function createArmSurface(options: {
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly schemes: readonly Scheme[];
  readonly nothing: NonNullable<Surface['nothing']>;
}): Surface {
  return {
    name: 'arm',
    ignoresCase: true,
    collapsesSlashes: true,
    schemes: options.schemes,
    recognise,
    check(exchange) {
      const version = exchange.target.query.all('api-version');
      if (version.length === 0 || version[0] === '') throw resourcesFailures.MissingApiVersionParameter();
      for (const each of version) if (!versionForm.test(each)) throw resourcesFailures.InvalidApiVersionParameter(each);
    },
    refuseUnread,
    // Everybody who is signed in may know the one subscription: that another one is not here is no secret, and an empty list
    // would let a mistake in its id go unnoticed.
    admit(exchange) {
      const [root, id] = exchange.target.segments.filter((segment) => segment !== '');
      if (root?.toLowerCase() === 'subscriptions' && id !== undefined && !sameId(id, options.subscriptionId))
        throw resourcesFailures.SubscriptionNotFound(id);
    },
    nothing: options.nothing,
    challenge: (exchange, failure) => ({
      'www-authenticate': [
        `Bearer authorization_uri=${quoted(`${exchange.target.origin}/${options.tenantId}`)}`,
        `error="invalid_token"`,
        `error_description=${quoted(failure.message)}`,
      ].join(', '),
    }),
    render(failure) {
      const { code, message, target, details } = failure;
      return {
        status: failure.status,
        body: {
          error: {
            code,
            message,
            ...(target === undefined ? {} : { target }),
            ...(details.length === 0 ? {} : { details }),
          },
        },
      };
    },
    headers,
  };
}
