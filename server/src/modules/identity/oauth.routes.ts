// The routes of sign-in. All are open: whoever calls them is about to prove who he is. What issues a token or checks a
// password is recorded; documents and empty forms are not.

import {
  DeviceCodeResponse,
  KeySet,
  OAuthError,
  OAuthForm,
  OpenIdConfiguration,
  SignInForm,
  TokenResponse,
} from '@strongroom/contract/identity';
import type { Exchange } from '#kernel/http/exchange';
import { activity, json, open, type Params, type Route, route, unrecorded } from '#kernel/http/route';
import { keySet, openIdConfiguration } from './discovery.view.ts';
import type { Interactions } from './interaction.service.ts';
import { oauthFailures } from './oauth.errors.ts';
import type { Form, OAuth } from './oauth.service.ts';
import { paths, type Visit } from './openid.types.ts';
import { nextAnswer } from './pages.wire.ts';
import type { SigningKeys } from './signing-keys.service.ts';

const surface = 'oauth';
const form = { kind: 'form', schema: OAuthForm, maxBytes: 64 * 1024, holdsSecrets: true } as const;
const beginning = open('the caller is about to prove who it is');
const proving = open('the caller is about to prove who it is', { proves: true });
const published = open('clients read this before they can sign in');
const nothingActs = 'a public document or an empty form; nothing is done';
const errors = { 400: OAuthError, 401: OAuthError };

const lower = (params: Params) => (params['tenant'] ?? '').toLowerCase();
const uidOf = (params: Params) => params['uid'] ?? '';

/** The first value of each query parameter, bounded. */
function queryForm(exchange: Exchange): Form {
  const { values } = exchange.target.query;
  const first: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(values)) {
    const value = exchange.target.query.get(name) ?? '';
    if (value.length > 16_384) throw oauthFailures.tooLong(name);
    first[name] = value;
  }
  return first;
}

export function oauthRoutes(deps: {
  readonly visit: (exchange: Exchange) => Visit;
  readonly oauth: OAuth;
  readonly interactions: Interactions;
  readonly signingKeys: SigningKeys;
  readonly tenantId: string;
}): readonly Route[] {
  const { visit, oauth, interactions, signingKeys, tenantId } = deps;

  const configuration = (operation: string, path: string, version: 'v2.0' | '') =>
    route({
      operation,
      surface,
      method: 'GET',
      path,
      summary: 'Where to sign in',
      access: published,
      audit: unrecorded(nothingActs),
      responses: { 200: OpenIdConfiguration },
      handle: (_grant, { params, exchange }) =>
        json(
          200,
          openIdConfiguration({
            origin: exchange.target.origin,
            tenant: lower(params),
            tenantId: tenantId,
            version,
          }),
        ),
    });
  const keys = (operation: string, path: string) =>
    route({
      operation,
      surface,
      method: 'GET',
      path,
      summary: 'Public keys of token signatures',
      access: published,
      audit: unrecorded(nothingActs),
      responses: { 200: KeySet },
      handle: async () => json(200, await keySet(signingKeys)),
    });
  const token = (operation: string, path: string, isOlder: boolean) =>
    route({
      operation,
      surface,
      method: 'POST',
      path,
      summary: 'Issue tokens',
      access: proving,
      goesOnWhenLow: 'whoever makes room has to sign in',
      audit: activity('client_id', 'grant_type', 'scope', 'resource'),
      body: form,
      responses: { 200: TokenResponse, ...errors },
      handle: async (_grant, { body, exchange }) => json(200, await oauth.token(visit(exchange), body, isOlder)),
    });
  const deviceCode = (operation: string, path: string) =>
    route({
      operation,
      surface,
      method: 'POST',
      path,
      summary: 'Begin a sign-in on another device',
      access: beginning,
      goesOnWhenLow: 'whoever makes room has to sign in',
      audit: activity('client_id', 'scope'),
      body: form,
      responses: { 200: DeviceCodeResponse, ...errors },
      handle: async (_grant, { params, body, exchange }) =>
        json(200, await oauth.deviceCode(visit(exchange), body, lower(params))),
    });
  const authorize = (operation: string, path: string) =>
    route({
      operation,
      surface,
      method: 'GET',
      path,
      summary: 'Begin a sign-in in a browser',
      access: beginning,
      audit: activity('client_id', 'redirect_uri', 'scope'),
      handle: async (_grant, { exchange }) => nextAnswer(await oauth.authorize(visit(exchange), queryForm(exchange))),
    });
  const logout = (operation: string, path: string) =>
    route({
      operation,
      surface,
      method: 'GET',
      path,
      summary: 'Ask whether to end the session of this browser',
      access: beginning,
      audit: unrecorded(nothingActs),
      handle: async (_grant, { exchange }) => nextAnswer(await oauth.logout(visit(exchange), queryForm(exchange))),
    });

  return [
    configuration('OpenId_GetConfiguration', '/{tenant}/v2.0/.well-known/openid-configuration', 'v2.0'),
    configuration('OpenId_GetConfigurationV1', '/{tenant}/.well-known/openid-configuration', ''),
    keys('OpenId_GetKeys', '/{tenant}/discovery/v2.0/keys'),
    keys('OpenId_GetKeysV1', '/{tenant}/discovery/keys'),
    token('OAuth_Token', '/{tenant}/oauth2/v2.0/token', false),
    token('OAuth_TokenV1', '/{tenant}/oauth2/token', true),
    deviceCode('OAuth_DeviceCode', '/{tenant}/oauth2/v2.0/devicecode'),
    deviceCode('OAuth_DeviceCodeV1', '/{tenant}/oauth2/devicecode'),
    authorize('OAuth_Authorize', '/{tenant}/oauth2/v2.0/authorize'),
    authorize('OAuth_AuthorizeV1', '/{tenant}/oauth2/authorize'),
    logout('OAuth_Logout', '/{tenant}/oauth2/v2.0/logout'),
    logout('OAuth_LogoutV1', '/{tenant}/oauth2/logout'),
    route({
      operation: 'OAuth_Resume',
      surface,
      method: 'GET',
      path: '/{tenant}/oauth2/v2.0/authorize/{uid}',
      summary: 'Return from the sign-in page to the program that asked',
      access: beginning,
      audit: activity(),
      handle: async (_grant, { params, exchange }) =>
        nextAnswer(await oauth.resume(visit(exchange), `${paths.authorization}/${uidOf(params)}`)),
    }),
    route({
      operation: 'OAuth_LogoutConfirm',
      surface,
      method: 'POST',
      path: '/{tenant}/oauth2/v2.0/logout/confirm',
      summary: 'End the session of this browser',
      access: beginning,
      goesOnWhenLow: 'it takes away',
      audit: activity('logout'),
      body: form,
      handle: async (_grant, { body, exchange }) => nextAnswer(await oauth.logoutForm(visit(exchange), body)),
    }),
    route({
      operation: 'OAuth_LoggedOut',
      surface,
      method: 'GET',
      path: '/{tenant}/oauth2/v2.0/logout/success',
      summary: 'Say that the session ended',
      access: beginning,
      audit: unrecorded(nothingActs),
      handle: async (_grant, { exchange }) => nextAnswer(await oauth.loggedOut(visit(exchange))),
    }),
    route({
      operation: 'SignIn_Show',
      surface,
      method: 'GET',
      path: '/{tenant}/login/sign-in/{uid}',
      summary: 'The sign-in page',
      access: beginning,
      audit: unrecorded(nothingActs),
      handle: async (_grant, { params, exchange }) =>
        nextAnswer(await interactions.show(visit(exchange), uidOf(params))),
    }),
    route({
      operation: 'SignIn_Submit',
      surface,
      method: 'POST',
      path: '/{tenant}/login/sign-in/{uid}',
      summary: 'Check a user name and a password',
      access: proving,
      goesOnWhenLow: 'whoever makes room has to sign in',
      audit: activity('userName', 'cancel', 'act'),
      body: { kind: 'form', schema: SignInForm, maxBytes: 8 * 1024, holdsSecrets: true },
      handle: async (_grant, { params, body, exchange }) =>
        nextAnswer(await interactions.submit(visit(exchange), uidOf(params), body)),
    }),
    route({
      operation: 'Device_Show',
      surface,
      method: 'GET',
      path: '/{tenant}/login/device',
      summary: 'The page where a device code is typed',
      access: beginning,
      audit: unrecorded(nothingActs),
      handle: async (_grant, { exchange }) =>
        nextAnswer(await oauth.devicePage(visit(exchange), exchange.target.query.get('user_code')?.slice(0, 32))),
    }),
    route({
      operation: 'Device_Submit',
      surface,
      method: 'POST',
      path: '/{tenant}/login/device',
      summary: 'Compare and confirm a device code',
      access: beginning,
      goesOnWhenLow: 'whoever makes room has to sign in',
      audit: activity('confirm', 'abort'),
      body: form,
      handle: async (_grant, { body, exchange }) => nextAnswer(await oauth.deviceForm(visit(exchange), body)),
    }),
    route({
      operation: 'Device_Resume',
      surface,
      method: 'GET',
      path: '/{tenant}/login/device/{uid}',
      summary: 'Return from the sign-in page to the device flow',
      access: beginning,
      audit: activity(),
      handle: async (_grant, { params, exchange }) =>
        nextAnswer(await oauth.resume(visit(exchange), `${paths.code_verification}/${uidOf(params)}`)),
    }),
  ];
}
