// Sign-in as a protocol: everything below a tenant at the root of the origin. A tenant is named by its id in any case, by
// its domain, or by one of Azure's names for "whatever tenant this is"; `adfs` is the one that lets clients skip Azure's own
// instance discovery. Errors are objects in the shape that Microsoft's libraries read, or pages for a browser.

import { tenantDomain } from '@strongroom/contract/identity';
import type { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Surface } from '#kernel/http/surface';
import { identityFailures } from './identity.errors.ts';
import { errorPage } from './message.page.ts';
import { pageAnswer } from './pages.wire.ts';

const aliases = new Set(['common', 'organizations', 'adfs', tenantDomain]);
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const rooms = new Set(['v2.0', '.well-known', 'discovery', 'oauth2', 'login']);

/** Azure's numbers, for clients that decide by them. */
const numbers: ReadonlyMap<string, number> = new Map(
  Object.entries({
    invalid_client: 7000215,
    unauthorized_client: 700016,
    invalid_request: 900144,
    invalid_grant: 70000,
    invalid_scope: 70011,
    invalid_target: 500011,
    unsupported_grant_type: 70003,
    unsupported_response_type: 700054,
    authorization_pending: 70016,
    expired_token: 70020,
    access_denied: 65004,
    authorization_declined: 70018,
    interaction_required: 50076,
    login_required: 50058,
    invalid_redirect_uri: 50011,
    slow_down: 70016,
    InvalidUserNameOrPassword: 50126,
    TooManyAttempts: 50053,
    TenantNotFound: 90002,
    server_error: 90033,
    temporarily_unavailable: 90033,
  }),
);

const isOAuthWord = (code: string) => /^[a-z]+(_[a-z]+)*$/.test(code);

/** The word of RFC 6749 for a failure that has another name inside. */
function wordOf(failure: Failure): string {
  if (isOAuthWord(failure.code)) return failure.code;
  if (failure.status >= 500) return failure.kind === 'unavailable' ? 'temporarily_unavailable' : 'server_error';
  return failure.kind === 'throttled' ? 'temporarily_unavailable' : 'invalid_request';
}

export function createOAuthSurface(options: { readonly tenantId: string; readonly now: () => Date }): Surface {
  const { tenantId, now } = options;
  return {
    name: 'oauth',
    // msal-js lowers the case of the whole authority URL.
    ignoresCase: true,
    collapsesSlashes: true,
    recognise({ segments, named }) {
      const [tenant = '', room = ''] = named;
      const isTenant = guid.test(tenant) || aliases.has(tenant.toLowerCase());
      return isTenant && rooms.has(room.toLowerCase()) ? segments : undefined;
    },
    schemes: [],
    check(exchange) {
      const tenant = (exchange.target.segments.find((segment) => segment !== '') ?? '').toLowerCase();
      if (tenant === tenantId || aliases.has(tenant)) return;
      throw identityFailures.TenantNotFound(tenant);
    },
    render(failure, exchange) {
      if (isForPerson(exchange)) return pageAnswer(errorPage(failure.status, failure.message, exchange.requestId));
      const error = wordOf(failure);
      return {
        status: failure.status,
        body: {
          error,
          error_description: failure.message,
          error_codes: [numbers.get(failure.code) ?? numbers.get(error) ?? 900144],
          timestamp: now().toISOString().replace('T', ' ').replace(/\.\d+/, ''),
          trace_id: exchange.requestId,
          correlation_id: exchange.clientRequestId ?? exchange.correlationId,
        },
      };
    },
    headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
  };
}

/** Pages and redirects are opened by people, everything else is called by programs. */
function isForPerson({ target }: Exchange): boolean {
  const path = target.segments
    .filter((segment) => segment !== '')
    .join('/')
    .toLowerCase();
  return /^[^/]+\/(login\/|oauth2\/(v2\.0\/)?(authorize|logout))/.test(`${path}/`);
}
