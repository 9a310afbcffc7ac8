// The OCI distribution protocol 1.1 as seen from outside, at `/v2/`, and what Azure's clients of registries say beside it, in
// the same envelope: its challenge, its token endpoints, its errors. A
// token that lists less than a request needs is answered like none at all, with what to ask for: that is how clients of this
// protocol learn their scopes.

import type { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Scheme, Surface } from '#kernel/http/surface';
import { refuseUnreadParameter } from '#kernel/http/unread';
import { ociCodeOf } from './codes.rules.ts';
import { actionOf, type OciPath, readPath } from './paths.rules.ts';
import type { Proofs } from './proofs.scheme.ts';
import { registryFailures } from './registry.errors.ts';
import type { Asked, RegistryTokens } from './tokens.service.ts';

function askedOf(path: OciPath, method: string): Asked {
  if (path.lists === 'catalog') return 'catalog';
  return path.name === undefined ? undefined : { name: path.name, action: actionOf(path, method) };
}

export function createOciSurface(options: {
  readonly domain: string;
  /** Besides registry tokens: access tokens, tokens of runs. */
  readonly schemes: readonly Scheme[];
  readonly tokens: RegistryTokens;
  readonly proofs: Pick<Proofs, 'byPassword'>;
}): Surface {
  const { schemes, tokens, proofs } = options;
  const domain = options.domain.toLowerCase();

  function challenge(exchange: Exchange): Readonly<Record<string, string>> {
    const path = readPath(exchange.target);
    const { host, origin } = exchange.target;
    const parts = [`realm="${host === '' ? `https://${domain}` : origin}/v2/token"`, `service="${domain}"`];
    const action = path && actionOf(path, exchange.method);
    const actions = action === 'push' ? 'pull,push' : action;
    if (path?.name !== undefined) parts.push(`scope="repository:${path.name}:${actions}"`);
    else if (path?.lists === 'catalog') parts.push('scope="registry:catalog:*"');
    if (exchange.header('authorization') !== undefined) {
      const isScoped = path !== undefined && (path.name !== undefined || path.lists === 'catalog');
      parts.push(`error="${isScoped ? 'insufficient_scope' : 'invalid_token'}"`);
    }
    return { 'www-authenticate': `Bearer ${parts.join(',')}` };
  }

  const registryToken: Scheme = {
    name: 'registry token',
    async authenticate(exchange) {
      const token = /^bearer +(\S+) *$/i.exec(exchange.header('authorization') ?? '')?.[1];
      const path = readPath(exchange.target);
      if (token === undefined || path?.givesTokens === true) return undefined;
      return await tokens.actorOf(token, path && askedOf(path, exchange.method));
    },
  };

  const basic: Scheme = {
    name: 'basic',
    async authenticate(exchange) {
      const encoded = /^basic +([A-Za-z0-9+/=_-]{1,32768}) *$/i.exec(exchange.header('authorization') ?? '')?.[1];
      const path = readPath(exchange.target);
      if (encoded === undefined || path?.givesTokens !== true) return undefined;
      const text = Buffer.from(encoded, 'base64').toString('utf8');
      const colon = text.indexOf(':');
      const [user, password] = colon < 0 ? ['', ''] : [text.slice(0, colon), text.slice(colon + 1)];
      return await proofs.byPassword(exchange, user, password);
    },
  };

  return {
    name: 'oci',
    ignoresCase: false,
    collapsesSlashes: true,
    schemes: [registryToken, basic, ...schemes],
    recognise(target) {
      // A host of an account or a vault is another protocol's, whatever its path.
      if (target.host.endsWith(`.${domain}`)) return undefined;
      return readPath(target)?.canonical;
    },
    check(exchange) {
      if (readPath(exchange.target)?.isMisnamed) throw registryFailures.NAME_INVALID();
    },
    refuseUnread: refuseUnreadParameter,
    challenge,
    render: (thrown) => ({
      status: thrown.status,
      body: { errors: [{ code: ociCodeOf(thrown), message: messageOf(thrown), detail: detailOf(thrown) }] },
    }),
    headers: (exchange) => ({
      'docker-distribution-api-version': 'registry/2.0',
      'x-ms-request-id': exchange.requestId,
    }),
  };
}

/** The words of a refusal by role name the registry's resource id, which whoever is refused may not learn exists. */
const messageOf = (thrown: Failure): string =>
  thrown.code === 'AuthorizationFailed'
    ? 'The caller is not authorized for this operation on this repository. Registries are authorized by roles such as AcrPull and AcrPush. The audit log has the refusal under the request id of this answer.'
    : thrown.message;

/** What the specification's few codes do not say. */
function detailOf(thrown: Failure): Readonly<Record<string, string>> {
  return {
    ...(thrown.code === ociCodeOf(thrown) ? {} : { reason: thrown.code }),
    ...(thrown.target === undefined ? {} : { target: thrown.target }),
  };
}
