// How a caller proves himself where tokens of the registry are given: a client id with its secret, an access token, or a
// refresh token of ours, each under the name that clients give with it.

import type { Actor } from '#kernel/authority/actor';
import type { Exchange } from '#kernel/http/exchange';
import type { Scheme } from '#kernel/http/surface';
import { registryFailures } from './registry.errors.ts';
import type { Principals, RegistryTokens } from './tokens.service.ts';

/** The name that clients give when the password is a token. */
const tokenUser = '00000000-0000-0000-0000-000000000000';

export type Proofs = {
  /** An access token of this server for the registry, or the token of a run. Throws `unauthenticated`. */
  byAccessToken(exchange: Exchange, token: string): Promise<Actor>;
  /** Throws `unauthenticated`. */
  byPassword(exchange: Exchange, user: string, password: string): Promise<Actor>;
};

export function createProofs(deps: {
  readonly schemes: readonly Scheme[];
  readonly tokens: Pick<RegistryTokens, 'isRefresh' | 'refreshedBy' | 'principal'>;
  readonly principals: Pick<Principals, 'bySecret'>;
}): Proofs {
  const { schemes, tokens, principals } = deps;

  async function byAccessToken(exchange: Exchange, token: string): Promise<Actor> {
    const header = (name: string) => (name === 'authorization' ? `Bearer ${token}` : exchange.header(name));
    for (const scheme of schemes) {
      const actor = await scheme.authenticate({ ...exchange, header });
      if (actor !== undefined) return actor;
    }
    throw registryFailures.notOurToken();
  }

  return {
    byAccessToken,
    async byPassword(exchange, user, password) {
      if (user === tokenUser)
        return tokens.isRefresh(password)
          ? await tokens.refreshedBy(password)
          : await byAccessToken(exchange, password);
      const found = password === '' ? undefined : await principals.bySecret(user, password);
      if (found !== undefined) return tokens.principal(found.principal, 'clientSecret', found.standing);
      throw registryFailures.noPasswords(tokenUser);
    },
  };
}
