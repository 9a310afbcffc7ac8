// The OpenID provider library, configured: only what is served is switched on, tokens say what Azure's clients read, and
// every page is ours. One instance speaks for one origin, because the issuer must live where the request came in.

import { publicClients } from '@strongroom/contract/public-clients';
import type { JWK } from 'jose';
import {
  type Adapter,
  type Configuration,
  errors,
  interactionPolicy,
  type KoaContextWithOIDC,
  Provider,
} from 'oidc-provider';
import { type AuthenticationFacts, factsInClaims } from '#kernel/authority/facts';
import type { Clock } from '#kernel/clock/clock';
import type { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Log } from '#kernel/log/log';
import { accessClaims, accessTokenSeconds, issuerOf } from './access-claims.rules.ts';
import { codePage, confirmPage, donePage } from './device.page.ts';
import type { Directory, Principal } from './directory.service.ts';
import type { Page } from './frame.page.ts';
import { errorPage, formPostPage, signedOutPage, signOutPage } from './message.page.ts';
import type { OpenIdRecords } from './openid.store.ts';
import { askedParameter, formPostMode, openidScopes, paths } from './openid.types.ts';
import { readNote } from './sign-in-note.rules.ts';
import { type Standing, type Standings, standingOf } from './standings.service.ts';

/** What one request tells the hooks below, and hears from them. */
export type Call = {
  readonly requestId: string;
  /** Where the request came from, as the door says. */
  readonly address: string | undefined;
  /** The resource in the client's spelling. */
  readonly asked: string | undefined;
  /** A code that came with the link to the device page. */
  readonly userCode: string | undefined;
  readonly refusal: Failure | undefined;
  context: KoaContextWithOIDC | undefined;
  page: Page | undefined;
  thrown: unknown;
  /** What the token that this request issues will stand on: set where the account or the secret is checked. */
  proved:
    | ({ readonly facts: AuthenticationFacts } & ({ readonly generation: number } | { readonly standing: Standing }))
    | undefined;
  /** True when somebody typed a device code that does not exist. */
  guessedWrong: boolean;
};
export type Request = Exchange['raw']['request'];
export type Response = Exchange['raw']['response'];
/** Beside the library, which hands on its own context and nothing of ours. A request that is not in it is refused. */
export type Calls = WeakMap<Request, Call>;

const day = 86_400;

export function createProvider(options: {
  readonly origin: string;
  readonly tenantId: string;
  readonly audiences: readonly string[];
  readonly signingJwk: JWK;
  readonly records: OpenIdRecords;
  readonly clients: Adapter;
  readonly directory: Directory;
  readonly standings: Standings;
  readonly clock: Clock;
  readonly log: Log;
  readonly calls: Calls;
}): Provider {
  const { origin, tenantId, audiences, signingJwk, records, clients, directory, standings, clock, log, calls } =
    options;
  const issuer = issuerOf(origin, tenantId);
  const callOf = (ctx: KoaContextWithOIDC): Call => {
    const call = calls.get(ctx.req);
    if (call === undefined) throw new Error('a request reached the OpenID provider beside its host');
    return call;
  };
  const show = (ctx: KoaContextWithOIDC, page: Page): void => {
    callOf(ctx).page = page;
    ctx.status = page.status;
    ctx.type = 'html';
    ctx.body = 'page';
  };

  const policy = interactionPolicy.base();
  // Every client is one of ours, or made by an administrator: there is nothing to consent to.
  policy.remove('consent');
  const signIn = policy.get('login')?.checks;
  signIn?.add(
    new interactionPolicy.Check(
      'account_gone',
      'the account of this session is disabled, removed or has another password',
      (ctx) => ctx.oidc.session?.accountId !== undefined && ctx.oidc.account === undefined,
    ),
  );
  signIn?.add(
    new interactionPolicy.Check(
      'native_client',
      'a program on this machine asks, and any program can take its place',
      // RFC 8252 §8.6: a loopback redirect proves nothing about who listens, so a person must act each time. The device
      // flow has its own page for that.
      (ctx) =>
        ctx.oidc.client?.applicationType === 'native' &&
        ['authorization', 'resume'].includes(ctx.oidc.route) &&
        ctx.oidc.result?.login === undefined,
    ),
  );

  const configuration: Configuration = {
    adapter: (model: string) => (model === 'Client' ? clients : records.adapter(model)),
    jwks: { keys: [signingJwk as never] }, // the library declares a JWK type of its own; jose exported this one
    routes: paths,
    extraParams: [askedParameter],
    scopes: [...openidScopes],
    claims: { openid: ['sub', 'oid', 'tid'], profile: ['name', 'preferred_username', 'upn', 'unique_name'] },
    // Clients read names from the ID token; there is no userinfo endpoint to ask.
    conformIdTokenClaims: false,
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    responseTypes: ['code'],
    enabledJWA: { idTokenSigningAlgValues: ['RS256'] },
    // RFC 9700 §2.1.1, and S256 is the only method that the library knows.
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    clientBasedCORS: () => false,
    cookies: {
      names: {
        session: '__Host-strongroom-session',
        interaction: '__Secure-strongroom-sign-in',
        resume: '__Secure-strongroom-resume',
      },
      long: { httpOnly: true, sameSite: 'lax', secure: true },
      short: { httpOnly: true, sameSite: 'lax', secure: true },
    },
    ttl: {
      AccessToken: accessTokenSeconds,
      ClientCredentials: accessTokenSeconds,
      IdToken: accessTokenSeconds,
      AuthorizationCode: 60,
      DeviceCode: 15 * 60,
      Interaction: 15 * 60,
      Session: day / 2,
      RefreshToken: 30 * day,
      Grant: 90 * day,
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx) => {
          const { action, xsrf } = formOf(ctx, 'end_session_confirm');
          const leads = (ctx.oidc.session?.state as { postLogoutRedirectUri?: unknown } | undefined)
            ?.postLogoutRedirectUri;
          show(ctx, signOutPage(action, xsrf, typeof leads === 'string' ? [new URL(leads).origin] : []));
        },
        postLogoutSuccessSource: (ctx) => show(ctx, signedOutPage()),
      },
      deviceFlow: {
        enabled: true,
        deviceInfo: (ctx) => ({ ip: callOf(ctx).address ?? '', ua: ctx.get('user-agent').slice(0, 256) }),
        userCodeInputSource: (ctx, _form, _out, error) => {
          const call = callOf(ctx);
          call.guessedWrong = error?.name === 'NotFoundError';
          const { action, xsrf } = formOf(ctx, 'code_verification');
          const wrong = error === undefined ? undefined : { status: 400, message: deviceMistake(error) };
          const userCode = call.userCode === undefined ? {} : { userCode: call.userCode };
          show(ctx, codePage({ action, xsrf, ...userCode, ...(wrong ? { wrong } : {}) }));
        },
        userCodeConfirmSource: (ctx, _form, client, device, userCode) => {
          const { action, xsrf } = formOf(ctx, 'code_verification');
          const { ip, ua } = device as { ip?: string; ua?: string };
          const clientName = client.clientName ?? client.clientId;
          show(ctx, confirmPage({ action, xsrf, userCode, clientName, address: ip, userAgent: ua }));
        },
        successSource: (ctx) => show(ctx, donePage(ctx.oidc.client?.clientName ?? 'Your device')),
      },
      resourceIndicators: {
        enabled: true,
        // A device code or a refresh token carries every audience; the one that was asked for first comes first.
        defaultResource: (_ctx, _client, oneOf) => (Array.isArray(oneOf) ? (oneOf[0] ?? '') : (oneOf ?? '')),
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => {
          const { refusal } = callOf(ctx);
          if (refusal !== undefined) throw new errors.CustomOIDCProviderError(refusal.code, refusal.message);
          if (!audiences.includes(resource)) throw new errors.InvalidTarget('this resource is not known here');
          return {
            scope: 'user_impersonation',
            audience: resource,
            accessTokenTTL: accessTokenSeconds,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          };
        },
      },
    },
    formats: {
      customizers: {
        jwt: async (ctx, token, jwt) => {
          const principal =
            token.kind === 'AccessToken'
              ? await directory.findPrincipal(token.accountId)
              : await directory.findByClientId(token.clientId ?? '');
          if (principal === undefined || !principal.enabled) throw new errors.InvalidGrant('the principal is gone');
          const { proved, asked = askedOf(ctx) } = callOf(ctx);
          const grantId = token.kind === 'AccessToken' ? token.grantId : undefined;
          // fails closed: no token without what it stands on, and a person's stands on one sign-in.
          if (proved === undefined || 'standing' in proved !== (token.kind === 'ClientCredentials'))
            throw new errors.InvalidGrant('nothing was proved');
          const standing =
            'standing' in proved
              ? proved.standing
              : standingOf(proved, { by: 'grant', id: records.grantKey(grantId ?? '') });
          jwt.payload = accessClaims({
            principal,
            audience: asked ?? String(jwt.payload.aud),
            issuer,
            tenantId,
            clientId: token.clientId ?? '',
            tokenId: String(jwt.payload.jti),
            standing,
            facts: proved.facts,
            epochSeconds: Math.floor(clock.epochMs() / 1000),
          });
        },
      },
    },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    // The portal's tokens end with the browser's session; a command line has no session to end.
    expiresWithSession: (ctx) => ctx.oidc.client?.clientId === publicClients.portal,
    rotateRefreshToken: true,
    async loadExistingGrant(ctx) {
      const accountId = ctx.oidc.session?.accountId;
      const clientId = ctx.oidc.client?.clientId;
      if (accountId === undefined || clientId === undefined) return undefined;
      // A grant of its own for each sign-in, so that a replayed code revokes what came of it and nothing else.
      const grant = new ctx.oidc.provider.Grant({ accountId, clientId });
      grant.addOIDCScope(openidScopes.join(' '));
      for (const audience of audiences) grant.addResourceScope(audience, 'user_impersonation');
      await grant.save();
      return grant;
    },
    async findAccount(ctx, accountId, source) {
      const principal = await directory.findPrincipal(accountId);
      if (principal?.kind !== 'user' || !principal.enabled) return undefined;
      // The generation that the password was checked in. The library hands `acr` on from the sign-in to the session, to codes
      // and to every refresh token, and without `acrValues` tells nobody. What comes from before there were generations has none.
      const { acr, amr, authTime } = (source ?? ctx.oidc.session ?? {}) as Readonly<Record<string, unknown>>;
      const note = readNote(acr);
      if (note?.generation !== String(principal.generation)) return undefined;
      const facts = factsInClaims({ amr, auth_time: authTime, ipaddr: note.from });
      callOf(ctx).proved = { generation: principal.generation, facts };
      return { accountId, claims: () => Promise.resolve(accountClaims(principal, tenantId)) };
    },
    interactions: { policy, url: (_ctx, interaction) => `/${tenantId}/login/sign-in/${interaction.uid}` },
    renderError(ctx, out) {
      show(ctx, errorPage(ctx.status, out.error_description ?? out.error, callOf(ctx).requestId));
    },
  };

  const provider = new Provider(issuer, configuration);
  provider.Client.prototype.compareClientSecret = async function (this: { clientId: string }, secret: string) {
    const found = await standings.bySecret(this.clientId, secret);
    const ctx = Provider.ctx;
    if (found === undefined || ctx === undefined) return false;
    // Clients are shared between requests: what this one proved belongs to its own request.
    const { address } = callOf(ctx);
    const facts = { methods: [], at: Math.floor(clock.epochMs() / 1000), from: address };
    callOf(ctx).proved = { standing: found.standing, facts };
    return true;
  };
  // The library's own form_post answers with a page of its own making; ours has our policy.
  provider.registerResponseMode(formPostMode, (ctx, action, inputs) =>
    show(ctx as KoaContextWithOIDC, formPostPage(action, inputs as Readonly<Record<string, unknown>>)),
  );
  provider.on('server_error', (ctx, error) =>
    log.error({ requestId: calls.get(ctx.req)?.requestId, error }, 'the OpenID provider failed'),
  );
  provider.use(async (ctx, next) => {
    const call = calls.get(ctx.req);
    if (call === undefined) throw new Error('a request reached the OpenID provider beside its host');
    // The answer is read from the context and leaves through the door, like every other.
    ctx.respond = false;
    call.context = ctx as KoaContextWithOIDC;
    try {
      await next();
    } catch (thrown) {
      const { session } = (ctx as KoaContextWithOIDC).oidc;
      // A form that came without the session it was shown in: the library shows it again, and then fails to keep a session
      // that never was. What it shows could not be sent either.
      if (call.page === undefined || session?.exp !== undefined) call.thrown = thrown;
      else
        call.page = errorPage(400, 'This page is out of date. Open it again, and then type the code.', call.requestId);
    }
  });
  return provider;
}

/** What the device asked for when it got its code. */
export function askedOf(ctx: KoaContextWithOIDC): string | undefined {
  const asked = ctx.oidc.entities.DeviceCode?.params?.[askedParameter];
  return typeof asked === 'string' ? asked : undefined;
}

/** The library puts a fresh secret into the session just before it asks for a page with a form. */
function formOf(ctx: KoaContextWithOIDC, route: string): { readonly action: string; readonly xsrf: string } {
  const state: { readonly secret?: unknown } = ctx.oidc.session?.state ?? {};
  return { action: ctx.oidc.urlFor(route), xsrf: String(state.secret ?? '') };
}

/** Words for a person, by the library's names for what went wrong. */
function deviceMistake(error: Error): string {
  switch (error.name) {
    case 'NotFoundError':
    case 'NoCodeError':
      return 'That code is not one that was given out here. Check it and type it again.';
    case 'ExpiredError':
      return 'That code has expired. Ask your device or command line for a new one.';
    case 'AlreadyUsedError':
      return 'That code was used already. Ask your device or command line for a new one.';
    case 'AbortedError':
      return 'The sign-in was denied. Nothing was allowed.';
    default:
      return 'This page is out of date. Type the code again.';
  }
}

const accountClaims = (principal: Principal, tenantId: string) => ({
  sub: principal.objectId,
  oid: principal.objectId,
  tid: tenantId,
  name: principal.displayName,
  preferred_username: principal.name,
  upn: principal.name,
  unique_name: principal.name,
});
