// How callers of the blob protocol prove who they are: by a signed address of the server's own making, or by a token. Whoever
// comes with what Azure's clients know besides, an account key or nothing, is told what takes its place here.

import { Failure } from '#kernel/errors/failure';
import type { Scheme } from '#kernel/http/surface';

const instead =
  'Send a bearer token for https://storage.azure.com: with az, add --auth-mode login; with an SDK, pass a credential such as DefaultAzureCredential.';
const refusal = (code: string, message: string) => new Failure({ kind: 'unauthenticated', code, message });

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
      throw new Failure({ kind: 'forbidden', code: 'AuthenticationFailed', message, cause });
    }
  },
});

const explaining: Scheme = {
  name: 'none',
  authenticate(exchange) {
    const sent = exchange.header('authorization');
    if (sent === undefined) throw refusal('NoAuthenticationInformation', `No credential was sent. ${instead}`);
    if (/^SharedKey/i.test(sent))
      throw refusal('AuthenticationFailed', `Storage accounts have no account keys here. ${instead}`);
    return undefined;
  },
};
