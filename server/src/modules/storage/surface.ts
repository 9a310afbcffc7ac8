// The blob protocol as seen from outside: an account is a host, or the first segment of the path. It is mounted among
// the first, because a host of an account is no other surface's; any path may begin with the name of an account, so names of other
// protocols' paths are reserved. What an operation is stands in the query here, and the canonical path begins with a word for it.

import type { Failure } from '#kernel/errors/failure';
import { quotaCode } from '#kernel/files/quota';
import type { Exchange } from '#kernel/http/exchange';
import type { Scheme, Surface } from '#kernel/http/surface';
import type { Target } from '#kernel/http/target';
import type { Accounts } from './accounts.service.ts';
import { accountNamePattern, reservedAccountNames } from './names.rules.ts';
import { operationOf } from './operations.rules.ts';
import { refuseUnread } from './protocol/reads.wire.ts';
import { checkRequest, isVersion } from './protocol/requests.wire.ts';
import { documentOf, element } from './protocol/xml.wire.ts';

export const storageAudience = 'https://storage.azure.com';
const defaultVersion = '2021-12-02';

export function createBlobSurface(options: {
  readonly accounts: Accounts;
  readonly domain: string;
  readonly schemes: readonly Scheme[];
  readonly authority: string;
}): Surface {
  const { accounts, schemes, authority } = options;
  const domain = options.domain.toLowerCase();
  return {
    name: 'blob',
    ignoresCase: false,
    collapsesSlashes: false,
    schemes,
    recognise(target) {
      // Another service of an account: asked for by clients who build its host from the suffix. It is said that it is not served.
      const other = otherServiceOf(target.host, domain);
      if (other !== undefined) return ['unserved', other, ...target.segments];
      const path = accountPath(target, accounts, domain);
      return path && [operationOf(path.length, target), ...path];
    },
    check: checkRequest,
    refuseUnread,
    challenge: () => ({
      'www-authenticate': `Bearer authorization_uri=${authority}/oauth2/authorize resource_id=${storageAudience}`,
    }),
    render(failure, exchange) {
      const [status, code] = wordsOf(failure);
      const answer = { status, headers: { 'x-ms-error-code': code } };
      // What has no body has no type of one: clients of the protocol look at it.
      if (exchange.method === 'HEAD') return answer;
      const body = documentOf(element('Error', [element('Code', code), element('Message', messageOf(failure))]));
      return { ...answer, contentType: 'application/xml', body };
    },
    headers: (exchange) => ({
      'x-ms-request-id': exchange.requestId,
      'x-ms-version': versionOf(exchange),
      ...(exchange.clientRequestId === undefined ? {} : { 'x-ms-client-request-id': exchange.clientRequestId }),
    }),
  };
}

/** The protocol has no word for a quota. This is the one that it has where writing is not allowed, and no client tries it again. */
const wordsOf = ({ status, code }: Failure): readonly [number, string] =>
  code === quotaCode ? [403, 'InsufficientAccountPermissions'] : [status, code];

/** The words of a refusal by role name the account's resource id, which whoever is refused may not learn exists. */
const refusedByRole =
  'This request is not authorized to perform this operation. Data is authorized by roles such as Storage Blob Data Reader. The audit log has the refusal under the request id of this answer.';

const messageOf = (failure: Failure) =>
  failure.code === 'AuthorizationFailed'
    ? refusedByRole
    : failure.target === undefined || failure.message.includes(failure.target)
      ? failure.message
      : `${failure.message} (${failure.target})`;

function versionOf(exchange: Exchange): string {
  const asked = exchange.header('x-ms-version');
  return asked !== undefined && isVersion(asked) ? asked : defaultVersion;
}

/** Account, container and the segments of the blob's name, whichever way the account is named. */
export function accountPath(target: Target, accounts: Accounts, domain: string): readonly string[] | undefined {
  const account = accountOfHost(target.host, domain);
  if (account !== undefined) return trimmed([account, ...target.segments]);
  if (target.host.endsWith(`.${domain}`)) return undefined; // a name of another protocol
  const [name = ''] = target.segments;
  if (!accountNamePattern.test(name) || reservedAccountNames.has(name)) return undefined;
  return accounts.byName(name) && trimmed(target.segments);
}

export function accountOfHost(host: string, domain: string): string | undefined {
  const suffix = `.blob.storage.${domain}`;
  const account = host.endsWith(suffix) ? host.slice(0, -suffix.length) : undefined;
  return account !== undefined && accountNamePattern.test(account) ? account : undefined;
}

/** `dfs`, `file`, `queue`, `table` or `web` of a host that clients build for it. */
export function otherServiceOf(host: string, domain: string): string | undefined {
  const [account = '', service = '', ...rest] = host.split('.');
  if (!otherServices.has(service) || !accountNamePattern.test(account)) return undefined;
  return rest.join('.') === `storage.${domain}` ? service : undefined;
}
const otherServices: ReadonlySet<string> = new Set(['dfs', 'file', 'queue', 'table', 'web']);

/** A slash behind the account or the container means nothing; one behind a blob's name belongs to it. */
const trimmed = (path: readonly string[]) =>
  path.length > 1 && path.length <= 3 && path.at(-1) === '' ? path.slice(0, -1) : path;
