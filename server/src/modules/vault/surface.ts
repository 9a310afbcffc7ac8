// The Key Vault data plane as seen from outside: hosts of vaults, the challenge that tells a client where to get a token and for
// which audience, the error envelope with its inner word, request ids. Refusals say the same for a vault that does not
// exist as for one that the caller has no role at, and never name its resource id.

import type { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Scheme, Surface } from '#kernel/http/surface';
import { refuseUnreadParameter } from '#kernel/http/unread';
import { type Addresses, checkApiVersion } from './addresses.rules.ts';

export function createSurface(options: {
  readonly addresses: Addresses;
  readonly schemes: readonly Scheme[];
  readonly tenantId: string;
  readonly domain: string;
}): Surface {
  const { addresses, schemes, tenantId, domain } = options;
  return {
    name: 'keyvault',
    ignoresCase: true,
    collapsesSlashes: true,
    recognise: addresses.recognise,
    schemes,
    check: checkApiVersion,
    refuseUnread: refuseUnreadParameter,
    // Clients take the tenant from the path of `authorization`, and refuse a resource that their request's host is not below.
    challenge: () => ({
      'www-authenticate': `Bearer authorization="https://${domain}/${tenantId}", resource="${addresses.resource}"`,
    }),
    render: (failure) => ({ status: failure.status, body: envelope(failure) }),
    headers: (exchange) => ({
      'x-ms-request-id': exchange.requestId,
      ...echo(exchange),
    }),
  };
}

function echo(exchange: Exchange): Readonly<Record<string, string>> {
  return exchange.clientRequestId === undefined ? {} : { 'x-ms-client-request-id': exchange.clientRequestId };
}

/** The outer word is one of few that clients switch on; the inner one says which of them it was. */
function envelope(failure: Failure): unknown {
  const { outer, inner, message } = worded(failure);
  return { error: { code: outer, message, ...(inner === undefined ? {} : { innererror: { code: inner } }) } };
}

function worded(failure: Failure): { outer: string; inner?: string; message: string } {
  const { code, message } = failure;
  switch (failure.kind) {
    case 'unauthenticated':
      return { outer: 'Unauthorized', message };
    case 'forbidden':
      if (code === 'AuthorizationFailed') {
        return {
          outer: 'Forbidden',
          inner: 'ForbiddenByRbac',
          message:
            'The caller is not authorized for this operation on this vault. Vaults are authorized by roles such as Key Vault Secrets User or Key Vault Crypto User; Owner and Contributor do not include them. The audit log has the refusal under the request id of this answer.',
        };
      }
      return { outer: 'Forbidden', inner: code, message };
    case 'conflict':
      return { outer: 'Conflict', inner: code, message };
    case 'invalid':
      return code === 'BadParameter' ? { outer: code, message } : { outer: 'BadParameter', inner: code, message };
    default:
      return { outer: code, message };
  }
}
