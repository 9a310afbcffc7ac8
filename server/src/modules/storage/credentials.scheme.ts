// How callers of the blob protocol prove who they are: by a signed address of the server's own making, or by a token. Whoever
// comes with what Azure's clients know besides, an account key or nothing, is told what takes its place here.

import { Failure } from '#kernel/errors/failure';
import type { Scheme } from '#kernel/http/surface';
import { credentialFailures } from './credentials.errors.ts';

export function blobSchemes(addresses: Scheme, bearers: readonly Scheme[]): readonly Scheme[] {
  return [refusing(addresses), ...bearers, explaining];
}

/** A signature that does not hold is a 403 in this protocol: nothing that the caller could sign in with would make up for it. */
const refusing = (scheme: Scheme): Scheme => ({
  name: scheme.name,
  async authenticate(exchange) {
    try {
      return await scheme.authenticate(exchange);
    } catch (thrown) {
      if (!(thrown instanceof Failure) || thrown.kind !== 'unauthenticated') throw thrown;
      const { message, cause } = thrown;
      throw credentialFailures.signature(message, cause);
    }
  },
});

const explaining: Scheme = {
  name: 'none',
  authenticate(exchange) {
    const sent = exchange.header('authorization');
    if (sent === undefined) throw credentialFailures.NoAuthenticationInformation();
    if (/^SharedKey/i.test(sent)) throw credentialFailures.accountKey();
    return undefined;
  },
};
