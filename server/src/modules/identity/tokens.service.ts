// Tokens that the server makes and checks itself: access tokens of principals, and the tokens of runs, registries and
// agents. Every kind has a header type and a claim of its own, so that none passes as another, and every one names its
// audience. RS256 alone is accepted, whatever the header says. Must never log a token.

import { compactVerify, decodeProtectedHeader, errors, type JWTPayload, SignJWT } from 'jose';
import { clockSkewSeconds } from '#kernel/authority/facts';
import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { randomToken } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import { identityFailures } from './identity.errors.ts';
import type { Revocations } from './revocations.service.ts';
import type { SigningKeys } from './signing-keys.service.ts';

export type TokenClaims = JWTPayload & { readonly [name: string]: unknown };

export type NewToken = {
  /** What kind of token it is: `run`, `registry`, `agent`, … 2 to 32 lower-case letters or dashes. */
  readonly purpose: string;
  readonly audience: string;
  readonly subject: string;
  /** Further claims. The registered ones (iss, aud, sub, exp, nbf, iat, jti, purpose) are set here and win. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly ttlSeconds: number;
};

export type IssuedToken = { readonly token: string; readonly tokenId: string; readonly expiresAt: Date };

export type Tokens = {
  issueToken(token: NewToken): Promise<IssuedToken>;
  /**
   * The claims of a token of exactly this purpose and audience that has not expired and is not revoked.
   * @throws Failure `unauthenticated`: InvalidAuthenticationToken, ExpiredAuthenticationToken
   */
  verifyToken(token: string, expected: { readonly purpose: string; readonly audience: string }): Promise<TokenClaims>;
  /** Refuses the token from now on. `until` is when it expires by itself. Durable when it resolves. */
  revoke(tokenId: string, until: Date): Promise<void>;
};

/** Checks signature, type and times; what the claims must say is for the caller. */
export type Verifier = (token: string, type: string) => Promise<TokenClaims>;

export const accessTokenType = 'at+jwt';
/** RFC 7515 §2: no padding, no white space. Decoders are more lenient, and a token must have one spelling only. */
const compactForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;
const purposePattern = /^[a-z][a-z-]{1,31}$/;
const tokenBytesMax = 16 * 1024;
const ttlSecondsMax = 7 * 86_400;
const verifiedMax = 10_000;

type Verified = { readonly type: string; readonly claims: TokenClaims };

export function createVerifier(options: { readonly signingKeys: SigningKeys; readonly clock: Clock }): Verifier {
  const { signingKeys, clock } = options;
  // By digest, so that no token rests in memory. Only the signature is remembered: times are checked on every use.
  const verified = new Map<string, Verified>();

  async function verifySignature(token: string): Promise<Verified> {
    const digest = sha256Hex(token);
    const known = verified.get(digest);
    if (known) {
      verified.delete(digest);
      verified.set(digest, known);
      return known;
    }
    // Of what was verified before this is known.
    if (!compactForm.test(token)) throw identityFailures.InvalidAuthenticationToken(notAToken);
    try {
      const { alg, kid, typ } = decodeProtectedHeader(token);
      if (alg !== 'RS256')
        throw identityFailures.InvalidAuthenticationToken(
          `The access token is signed with '${String(alg).slice(0, 16)}'. Only RS256 is accepted.`,
        );
      const key = typeof kid === 'string' ? await signingKeys.find(kid) : undefined;
      if (key === undefined)
        throw identityFailures.InvalidAuthenticationToken(
          'The access token was signed with a key that this server does not know. Sign in again.',
        );
      const { payload } = await compactVerify(token, key, { algorithms: ['RS256'] });
      const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
      if (typeof claims !== 'object' || claims === null || Array.isArray(claims))
        throw identityFailures.InvalidAuthenticationToken(notAToken);
      const one = { type: String(typ ?? '').toLowerCase(), claims: claims as TokenClaims };
      verified.set(digest, one);
      const [oldest] = verified.keys();
      if (verified.size > verifiedMax && oldest !== undefined) verified.delete(oldest);
      return one;
    } catch (thrown) {
      if (thrown instanceof Failure) throw thrown;
      if (thrown instanceof errors.JWSSignatureVerificationFailed)
        throw identityFailures.InvalidAuthenticationToken(
          'The signature of the access token does not match its content.',
          thrown,
        );
      throw identityFailures.InvalidAuthenticationToken(notAToken, thrown);
    }
  }

  return async (token, type) => {
    if (token.length > tokenBytesMax)
      throw identityFailures.InvalidAuthenticationToken(`The access token is longer than ${tokenBytesMax} bytes.`);
    const { type: actual, claims } = await verifySignature(token);
    if (actual !== type)
      throw identityFailures.InvalidAuthenticationToken(
        'This token is of another kind than the one that this operation takes.',
      );
    const now = clock.epochMs() / 1000;
    const { exp, nbf } = claims;
    if (typeof exp !== 'number' || typeof nbf !== 'number')
      throw identityFailures.InvalidAuthenticationToken('The access token does not say when it is valid.');
    if (exp + clockSkewSeconds <= now) throw identityFailures.ExpiredAuthenticationToken(exp);
    if (nbf - clockSkewSeconds > now)
      throw identityFailures.InvalidAuthenticationToken(
        'The access token is not valid yet. Check the clocks of both machines.',
      );
    return claims;
  };
}

const notAToken = 'The access token is not a JSON web token in compact form.';

export function createTokens(options: {
  readonly signingKeys: SigningKeys;
  readonly verifier: Verifier;
  readonly revocations: Revocations;
  readonly clock: Clock;
  /** Names this installation in the tokens that it makes for itself. */
  readonly issuer: () => string;
}): Tokens {
  const { signingKeys, verifier, revocations, clock, issuer } = options;
  return {
    async issueToken({ purpose, audience, subject, claims = {}, ttlSeconds }) {
      if (!purposePattern.test(purpose) || audience === '' || !(ttlSeconds > 0 && ttlSeconds <= ttlSecondsMax))
        throw new Error('a token needs a purpose, an audience and a lifetime of at most seven days');
      const { kid, privateKey } = await signingKeys.current();
      const now = Math.floor(clock.epochMs() / 1000);
      const tokenId = randomToken(16);
      const token = await new SignJWT({ ...claims, purpose })
        .setProtectedHeader({ alg: 'RS256', kid, typ: `${purpose}+jwt` })
        .setIssuer(issuer())
        .setAudience(audience)
        .setSubject(subject)
        .setIssuedAt(now)
        .setNotBefore(now)
        .setExpirationTime(now + Math.floor(ttlSeconds))
        .setJti(tokenId)
        .sign(privateKey);
      return { token, tokenId, expiresAt: new Date((now + Math.floor(ttlSeconds)) * 1000) };
    },
    async verifyToken(token, { purpose, audience }) {
      const claims = await verifier(token, `${purpose}+jwt`);
      if (claims.iss !== issuer() || claims['purpose'] !== purpose || claims.aud !== audience)
        throw identityFailures.InvalidAuthenticationToken(
          'This token was made for something else than this operation.',
        );
      if (revocations.isRevoked(String(claims.jti))) throw identityFailures.RevokedAuthenticationToken();
      return claims;
    },
    revoke: (tokenId, until) => revocations.revoke(tokenId, until),
  };
}

/** Signs an access token: claims are complete, times included. */
export async function signAccessToken(signingKeys: SigningKeys, claims: TokenClaims): Promise<string> {
  const { kid, privateKey } = await signingKeys.current();
  return await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid, typ: accessTokenType }).sign(privateKey);
}
