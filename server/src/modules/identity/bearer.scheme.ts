// Proof by access token (RFC 6750). A token is accepted when this server signed it for this tenantId, under one of its own
// origins, for an audience of the surface that is asked, and what it stands on (standings.service.ts) stands at this very moment.
// Order matters: nothing in a token is believed, or echoed, before its signature is.

import { type Actor, createActor } from '#kernel/authority/actor';
import { factsInClaims } from '#kernel/authority/facts';
import type { Exchange } from '#kernel/http/exchange';
import type { Scheme } from '#kernel/http/surface';
import { issuerOf } from './access-claims.rules.ts';
import { audienceKey } from './audiences.rules.ts';
import type { Principal } from './directory.service.ts';
import { identityFailures } from './identity.errors.ts';
import type { Revocations } from './revocations.service.ts';
import type { Standings } from './standings.service.ts';
import { accessTokenType, type TokenClaims, type Verifier } from './tokens.service.ts';

export type BearerOptions = {
  /** What `aud` may be; compared without regard to case and trailing slashes. */
  readonly audiences: readonly string[] | ((exchange: Exchange) => readonly string[]);
};

type Read = {
  readonly audience: string | undefined;
  readonly tokenId: string;
  /** Who it stood for at its last use, as the directory answered it then. */
  latest: { readonly principal: Principal; readonly actor: Actor } | undefined;
};

export function createBearerScheme(deps: {
  readonly verifier: Verifier;
  readonly revocations: Revocations;
  readonly standings: Pick<Standings, 'principalOf'>;
  readonly tenantId: string;
  readonly origins: readonly string[];
}): (options: BearerOptions) => Scheme {
  const { verifier, revocations, standings, tenantId, origins } = deps;

  // By the claims, which the verifier answers as the same object for the same token: what is in them is read once. Whether the token
  // and what it stands on are still good is asked at every use, and whoever it stands for is made anew when the directory says so.
  const read = new WeakMap<TokenClaims, Read>();

  function readOnce(claims: TokenClaims): Read {
    const present = read.get(claims);
    if (present) return present;
    if (claims['tid'] !== tenantId) throw identityFailures.InvalidAuthenticationTokenTenant();
    if (!origins.some((origin) => claims.iss === issuerOf(origin, tenantId)))
      throw identityFailures.InvalidAuthenticationToken(
        'The access token was issued under a name that this server does not go by.',
      );
    const { aud, uti } = claims;
    const made: Read = {
      audience: typeof aud === 'string' ? aud : undefined,
      tokenId: typeof uti === 'string' ? uti : '',
      latest: undefined,
    };
    read.set(claims, made);
    return made;
  }

  async function actorOf(token: string, audiences: readonly string[]): Promise<Actor> {
    const claims = await verifier(token, accessTokenType);
    const known = readOnce(claims);
    const { audience, tokenId } = known;
    const key = audience === undefined ? undefined : audienceKey(audience);
    if (key === undefined || !audiences.some((one) => audienceKey(one) === key))
      throw identityFailures.InvalidAuthenticationTokenAudience(String(claims.aud), audiences[0] ?? '');
    if (revocations.isRevoked(tokenId)) throw identityFailures.RevokedAuthenticationToken();
    const { oid, standing } = claims;
    const principal = await standings.principalOf(oid, standing);
    if (known.latest?.principal !== principal) known.latest = { principal, actor: made(principal, claims, tokenId) };
    return known.latest.actor;
  }

  const made = (principal: Principal, claims: TokenClaims, tokenId: string): Actor =>
    createActor({
      kind: principal.kind,
      objectId: principal.objectId,
      tenantId,
      name: principal.name,
      applicationId: typeof claims['appid'] === 'string' ? claims['appid'] : undefined,
      method: 'bearer',
      tokenId,
      standing: String(claims['standing']),
      // The verifier took no token without it.
      endsAtMs: Number(claims.exp) * 1000,
      facts: factsInClaims(claims),
    });

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
