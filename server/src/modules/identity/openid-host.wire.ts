// Runs a request through the OpenID provider and takes its answer out again, so that it is decided, recorded and sent by
// the same pipeline as every other. The provider sees a request that we wrote: canonical path, known parameters, a few
// headers. Instances are few: one for each of our own origins, made anew when the signing key changes.

import type { Provider } from 'oidc-provider';
import type { Exchange } from '#kernel/http/exchange';
import { identityFailures } from './identity.errors.ts';
import type { Outcome, ProviderCall, Visit } from './openid.types.ts';
import { findPendingSignIn } from './openid-interaction.wire.ts';
import { askedOf, type Call, type Calls, type Request } from './openid-provider.wire.ts';

export type OpenIdHost = {
  visit(exchange: Exchange): Visit;
};

const passedHeaders = ['cookie', 'authorization', 'user-agent', 'host'] as const;
const formType = 'application/x-www-form-urlencoded';

export function createOpenIdHost(options: {
  readonly tenantId: string;
  readonly origins: readonly string[];
  readonly calls: Calls;
  readonly signingKid: () => Promise<string>;
  readonly create: (origin: string) => Promise<Provider>;
}): OpenIdHost {
  const { tenantId, origins, calls, signingKid, create } = options;
  const providers = new Map<string, Promise<Provider>>();
  let kid: string | undefined;

  async function providerOf(origin: string): Promise<Provider> {
    // Only our own names: a forged Host header would otherwise become the issuer of a token that we sign.
    if (!origins.includes(origin)) throw identityFailures.UnknownHost(origin);
    const current = await signingKid();
    if (current !== kid) {
      providers.clear();
      kid = current;
    }
    let provider = providers.get(origin);
    if (provider === undefined) {
      provider = create(origin);
      providers.set(origin, provider);
      provider.catch(() => providers.delete(origin));
    }
    return await provider;
  }

  /** A view of the request: the real one's socket and protocol under a path, headers and a body that we chose. */
  function rewrite(request: Request, call: ProviderCall): Request {
    const encoded = new URLSearchParams(
      call.parameters.map(([name, value]): [string, string] => [name, value]),
    ).toString();
    const isGet = call.method === 'GET';
    const body = Buffer.from(encoded);
    const headers: Record<string, string> = {
      accept: call.accept === 'html' ? 'text/html' : 'application/json',
      ...(isGet ? {} : { 'content-type': formType, 'content-length': String(body.length) }),
    };
    for (const name of passedHeaders) {
      const value = request.headers[name];
      if (value !== undefined) headers[name] = value;
    }
    const own = (value: unknown): PropertyDescriptor => ({ value, writable: true, configurable: true });
    return Object.create(request, {
      method: own(call.method),
      url: own(isGet && encoded !== '' ? `${call.path}?${encoded}` : call.path),
      baseUrl: own(`/${tenantId}`),
      originalUrl: own(undefined),
      headers: own(headers),
      readable: own(true),
      readableEncoding: own(null),
      iterator: own(async function* () {
        yield body;
      }),
    } as PropertyDescriptorMap) as Request;
  }

  async function enter(exchange: Exchange, call: ProviderCall) {
    const provider = await providerOf(exchange.target.origin);
    return { provider, request: rewrite(exchange.raw.request, call), response: exchange.raw.response };
  }

  async function run(exchange: Exchange, call: ProviderCall): Promise<Outcome> {
    const { provider, request, response } = await enter(exchange, call);
    const heard: Call = {
      requestId: exchange.requestId,
      address: exchange.address,
      asked: call.asked,
      userCode: call.userCode,
      refusal: call.refusal,
      context: undefined,
      page: undefined,
      thrown: undefined,
      proved: undefined,
      guessedWrong: false,
    };
    calls.set(request, heard);
    await provider.callback()(request, response);
    const { context, thrown, page, guessedWrong } = heard;
    if (thrown !== undefined || context === undefined) throw thrown ?? new Error('the OpenID provider did not answer');
    const { status, body } = context;
    const location = context.response.get('location') || undefined;
    // Cookies stay on the response; what describes a body is written again by whoever sends it.
    for (const name of ['content-length', 'content-type', 'transfer-encoding', 'location', 'link', 'vary'])
      response.removeHeader(name);
    const { account, entities } = context.oidc;
    const audience = askedOf(context) ?? entities.AccessToken?.aud;
    const issued = {
      account: account?.accountId,
      audience: audience === undefined ? undefined : String(audience),
    };
    return { status, body, page, location, issued, guessedWrong };
  }

  return {
    visit: (exchange) => ({
      origin: exchange.target.origin,
      address: exchange.address,
      cookies: exchange.header('cookie'),
      // Beside the cookies that the library sets itself.
      keepCookie: (line) => void exchange.raw.response.appendHeader('set-cookie', line),
      run: (call) => run(exchange, call),
      async pendingSignIn(uid) {
        const { provider, request, response } = await enter(exchange, {
          method: 'GET',
          path: `/login/sign-in/${uid}`,
          parameters: [],
          accept: 'html',
        });
        return await findPendingSignIn(provider, request, response, uid);
      },
    }),
  };
}
