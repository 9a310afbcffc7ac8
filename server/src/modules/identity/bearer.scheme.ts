// Proof by access token (RFC 6750). A token is accepted when this server signed it for this tenantId, under one of its own
// origins, for an audience of the surface that is asked, and what it stands on (standings.service.ts) stands at this very moment.
// Order matters: nothing in a token is believed, or echoed, before its signature is.

import { type Actor, createActor } from '#kernel/authority/actor';
import { factsInClaims } from '#kernel/authority/facts';
import type { Exchange } from '#kernel/http/exchange';
import type { Scheme } from '#kernel/http/surface';
import { issuerOf } from './access-claims.rules.ts';
import { audienceKey } from './audiences.rules.ts';
import { identityFailures } from './identity.errors.ts';
import type { Revocations } from './revocations.service.ts';
import type { Standings } from './standings.service.ts';
import { accessTokenType, type Verifier } from './tokens.service.ts';

export type BearerOptions = {
  /** What `aud` may be; compared without regard to case and trailing slashes. */
  readonly audiences: readonly string[] | ((exchange: Exchange) => readonly string[]);
};

export function createBearerScheme(deps: {
  readonly verifier: Verifier;
  readonly revocations: Revocations;
  readonly standings: Pick<Standings, 'principalOf'>;
  readonly tenantId: string;
  readonly origins: readonly string[];
}): (options: BearerOptions) => Scheme {
  const { verifier, revocations, standings, tenantId, origins } = deps;

  async function actorOf(token: string, audiences: readonly string[]): Promise<Actor> {
    const claims = await verifier(token, accessTokenType);
    if (claims['tid'] !== tenantId) throw identityFailures.InvalidAuthenticationTokenTenant();
    if (!origins.some((origin) => claims.iss === issuerOf(origin, tenantId)))
      throw identityFailures.InvalidAuthenticationToken(
        'The access token was issued under a name that this server does not go by.',
      );
    const { aud, oid, uti, standing } = claims;
    if (typeof aud !== 'string' || !audiences.some((one) => audienceKey(one) === audienceKey(aud)))
      throw identityFailures.InvalidAuthenticationTokenAudience(String(aud), audiences[0] ?? '');
    const tokenId = typeof uti === 'string' ? uti : '';
    if (revocations.isRevoked(tokenId)) throw identityFailures.RevokedAuthenticationToken();
    const principal = await standings.principalOf(oid, standing);
    return createActor({
      kind: principal.kind,
      objectId: principal.objectId,
      tenantId: tenantId,
      name: principal.name,
      applicationId: typeof claims['appid'] === 'string' ? claims['appid'] : undefined,
      method: 'bearer',
      tokenId,
      standing: String(standing),
      // The verifier took no token without it.
      endsAtMs: Number(claims.exp) * 1000,
      facts: factsInClaims(claims),
    });
  }

  return ({ audiences }) => ({
    name: 'bearer',
    async authenticate(exchange) {
      const header = exchange.header('authorization');
      const found = header === undefined ? null : /^bearer +(\S+) *$/i.exec(header);
      const token = found?.[1];
      if (token === undefined) {
        if (header !== undefined && /^bearer\b/i.test(header))
          throw identityFailures.InvalidAuthenticationToken(
            'The Authorization header is not of the form: Bearer {token}.',
          );
        return undefined;
      }
      // Other schemes use opaque bearer values of their own; what has no two dots is no web token, but it is ours to refuse.
      return await actorOf(token, typeof audiences === 'function' ? audiences(exchange) : audiences);
    },
  });
}
