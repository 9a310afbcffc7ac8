// What an access token says. Claim names and meanings are those that Azure's clients and services read: identity is
// `oid` with `tid`; names are for display and never decide anything.

import { type AuthenticationFacts, claimsOfFacts } from '#kernel/authority/facts';
import type { Principal } from './directory.service.ts';
import type { Standing } from './standings.service.ts';
import type { TokenClaims } from './tokens.service.ts';

/** Seconds. What `expires_in` says, too. */
export const accessTokenSeconds = 3599;

export const issuerOf = (origin: string, tenantId: string): string => `${origin}/${tenantId}/v2.0`;

export function accessClaims(input: {
  readonly principal: Principal;
  readonly audience: string;
  readonly issuer: string;
  readonly tenantId: string;
  /** The application that the token was issued to. */
  readonly clientId: string;
  readonly tokenId: string;
  readonly standing: Standing;
  readonly facts: AuthenticationFacts;
  readonly epochSeconds: number;
}): TokenClaims {
  const { principal, audience, issuer, tenantId, clientId, tokenId, standing, facts, epochSeconds } = input;
  const isUser = principal.kind === 'user';
  return {
    aud: audience,
    iss: issuer,
    iat: epochSeconds,
    nbf: epochSeconds,
    exp: epochSeconds + accessTokenSeconds,
    oid: principal.objectId,
    tid: tenantId,
    sub: principal.objectId,
    appid: clientId,
    azp: clientId,
    // 0: a client without a secret; 1: with a secret.
    appidacr: isUser ? '0' : '1',
    azpacr: isUser ? '0' : '1',
    idtyp: isUser ? 'user' : 'app',
    ...(isUser
      ? {
          scp: 'user_impersonation',
          name: principal.displayName,
          upn: principal.name,
          unique_name: principal.name,
          preferred_username: principal.name,
        }
      : { app_displayname: principal.name }),
    ...(principal.resourceId === undefined ? {} : { xms_mirid: principal.resourceId }),
    ...claimsOfFacts(facts),
    standing,
    uti: tokenId,
    jti: tokenId,
    ver: '1.0',
  };
}
