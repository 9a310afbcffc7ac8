// Tokens for whoever is signed in: from the cache while they last, silently renewed when they do not. A refresh token is used
// by one process at a time, because the server takes each only once.

import { ServiceError, type Transport } from '@strongroom/contract/client';
import { createTokenEndpoint, type Tokens } from '@strongroom/contract/client.tokens';
import { NotSignedIn } from './exit.ts';
import type { Home, Session } from './home.ts';
import type { Shell } from './shell.ts';
import { clientName } from './version.ts';

/** A token this close to its end is as good as expired. */
const marginMs = 60_000;

export type Claims = Readonly<Record<string, unknown>>;

export function createSessions(deps: {
  readonly home: Home;
  readonly transport: Transport;
  readonly shell: Pick<Shell, 'now' | 'sleep'>;
}) {
  const { home, transport, shell } = deps;
  const endpointOf = (url: string, tenant: string) =>
    createTokenEndpoint({ origin: url, tenant, transport, userAgent: clientName });

  const cached = (session: Session | undefined, audience: string): string | undefined => {
    const token = session?.tokens[audience];
    return token !== undefined && token.expiresAt - marginMs > shell.now() ? token.accessToken : undefined;
  };

  const withTokens = (session: Session, audience: string, tokens: Tokens): Session => ({
    ...session,
    ...(tokens.refreshToken === undefined ? {} : { refreshToken: tokens.refreshToken }),
    tokens: {
      ...session.tokens,
      [audience]: { accessToken: tokens.accessToken, expiresAt: shell.now() + tokens.expiresInSeconds * 1000 },
    },
  });

  async function renew(session: Session, audience: string): Promise<Tokens> {
    const endpoint = endpointOf(session.url, session.tenant);
    try {
      if (session.clientId !== undefined && session.clientSecret !== undefined)
        return await endpoint.withSecret(session.clientId, session.clientSecret, audience);
      if (session.refreshToken !== undefined) return await endpoint.refresh(session.refreshToken, audience);
    } catch (thrown) {
      if (thrown instanceof ServiceError && thrown.status >= 400 && thrown.status < 500)
        throw new NotSignedIn(`Your sign-in has ended (${thrown.message}). Sign in again with 'strongroom login'.`);
      throw thrown;
    }
    throw new NotSignedIn("Your sign-in has ended. Sign in again with 'strongroom login'.");
  }

  return {
    /** An access token for an audience of the server at `url`. */
    async token(url: string, audience: string): Promise<string> {
      const present = home.session();
      if (present === undefined) throw new NotSignedIn("Nobody is signed in. Sign in with 'strongroom login'.");
      if (present.url !== url)
        throw new NotSignedIn(
          `You are signed in at ${present.url}, not at ${url}. Sign in there with 'strongroom login --url ${url}'.`,
        );
      return (
        cached(present, audience) ??
        (await home.exclusively(async () => {
          // Another process may have renewed it while this one waited.
          const session = home.session() ?? present;
          const renewed = cached(session, audience);
          if (renewed !== undefined) return renewed;
          const tokens = await renew(session, audience);
          home.saveSession(withTokens(session, audience, tokens));
          return tokens.accessToken;
        }, shell.sleep))
      );
    },

    async signInWithSecret(init: {
      readonly url: string;
      readonly tenant: string;
      readonly clientId: string;
      readonly clientSecret: string;
    }): Promise<Session> {
      const { url, tenant, clientId, clientSecret } = init;
      const tokens = await endpointOf(url, tenant).withSecret(clientId, clientSecret, url);
      const session = withTokens(
        { url, tenant, kind: 'servicePrincipal', clientId, clientSecret, tokens: {} },
        url,
        tokens,
      );
      home.saveSession(session);
      return session;
    },

    /** Waits until the person has finished in a browser. `show` is told what to do. */
    async signInWithDevice(init: {
      readonly url: string;
      readonly tenant: string;
      readonly show: (message: string) => void;
    }): Promise<Session> {
      const { url, tenant, show } = init;
      const endpoint = endpointOf(url, tenant);
      const code = await endpoint.beginDevice(url);
      show(code.message);
      let interval = code.intervalSeconds;
      for (const deadline = shell.now() + code.expiresInSeconds * 1000; shell.now() < deadline; ) {
        await shell.sleep(interval * 1000);
        const answer = await endpoint.pollDevice(code.deviceCode);
        if (answer === 'slower') interval += 5;
        else if (answer !== 'pending') {
          const session = withTokens({ url, tenant, kind: 'user', tokens: {} }, url, answer);
          home.saveSession(session);
          return session;
        }
      }
      throw new NotSignedIn("The code expired before it was used. Run 'strongroom login' again.");
    },
  };
}

/** What a token says of its holder. For display: it is not verified, the server does that. */
export function readClaims(accessToken: string): Claims {
  try {
    return JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString('utf8')) as Claims; // codec: display only
  } catch {
    return {};
  }
}
