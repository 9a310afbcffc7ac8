// Between Azure's dialect of OAuth and the standard that the provider library speaks. In: scopes become one audience,
// grant names and duplicate fields become the standard's, everything unknown is left out. Out: answers get the fields that
// Microsoft's libraries read, and errors become Failures, so that they are recorded and shown like any other.

import type { DeviceCodeResponse, TokenResponse } from '@strongroom/contract/identity';
import { addressKeys } from '#kernel/addresses/addresses';
import type { Clock } from '#kernel/clock/clock';
import { Failure } from '#kernel/errors/failure';
import { accessTokenSeconds } from './access-claims.rules.ts';
import type { Attempts, Counted } from './attempts.service.ts';
import { readRequested } from './audiences.rules.ts';
import { oauthFailures, providerFailure } from './oauth.errors.ts';
import {
  askedParameter,
  formPostMode,
  type Next,
  type Outcome,
  openidScopes,
  type ProviderCall,
  paths,
  type Visit,
} from './openid.types.ts';
import { createPolls } from './polls.service.ts';
import type { Rate } from './rate.service.ts';

export type Form = Readonly<Record<string, string>>;
type Parameters = [string, string][];

export type OAuth = {
  /** `isOlder`: the endpoint without `/v2.0`, which takes `resource` and answers times as text. */
  token(visit: Visit, form: Form, isOlder: boolean): Promise<TokenResponse>;
  deviceCode(visit: Visit, form: Form, tenant: string): Promise<DeviceCodeResponse>;
  authorize(visit: Visit, query: Form): Promise<Next>;
  /** Comes back from the sign-in page: `path` is the provider's own. */
  resume(visit: Visit, path: string): Promise<Next>;
  devicePage(visit: Visit, userCode: string | undefined): Promise<Next>;
  deviceForm(visit: Visit, form: Form): Promise<Next>;
  logout(visit: Visit, query: Form): Promise<Next>;
  logoutForm(visit: Visit, form: Form): Promise<Next>;
  loggedOut(visit: Visit): Promise<Next>;
};

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
/** Grants that are served, and the fields of each that are handed on. A Map: `constructor` is no grant. */
const passed: ReadonlyMap<string, readonly string[]> = new Map([
  ['client_credentials', []],
  ['authorization_code', ['code', 'redirect_uri', 'code_verifier']],
  ['refresh_token', ['refresh_token']],
  [deviceGrant, ['device_code']],
]);

export function createOAuth(deps: {
  readonly audiences: readonly string[];
  readonly tenantId: string;
  readonly attempts: Attempts;
  readonly beginnings: Rate;
  readonly clock: Clock;
}): OAuth {
  const { audiences, tenantId, attempts, beginnings, clock } = deps;
  const polls = createPolls({ clock });

  /** For programs: an error of the provider becomes a Failure with its word. */
  async function call(visit: Visit, input: Omit<ProviderCall, 'accept'>): Promise<Outcome> {
    const outcome = await visit.run({ ...input, accept: 'json' });
    if (outcome.status < 400) return outcome;
    const { error = 'server_error', error_description: why } = (outcome.body ?? {}) as Record<string, string>;
    if (error === 'invalid_client' || outcome.status === 401) throw oauthFailures.invalid_client();
    throw providerFailure(error, sentence(why ?? error.replaceAll('_', ' ')), outcome.status);
  }

  /** For browsers: a page, a redirect, or an error page. */
  async function show(visit: Visit, input: Omit<ProviderCall, 'accept'>): Promise<Next> {
    const { page, location, status } = await visit.run({ ...input, accept: 'html' });
    if (location !== undefined) return { to: location };
    if (page !== undefined) return { page };
    throw oauthFailures[status >= 500 ? 'signInBroke' : 'SignInFailed']();
  }

  /** The audiences of a sign-in: the one that is asked for, then every other that a refresh may ask for later. */
  function resourcesFirst(requested: string | undefined): Parameters {
    const all = audiences;
    const ordered = requested === undefined ? all : [requested, ...all.filter((one) => one !== requested)];
    return ordered.map((one): [string, string] => ['resource', one]);
  }
  /** A program waits at the end of a redirect: what is wrong with its request is told to it there, and not on a page. */
  function readAsked(query: Form): { readonly requested: string | undefined; readonly refusal: Failure | undefined } {
    try {
      const { resource } = readRequested({ scope: query['scope'], resource: query['resource'] }, audiences);
      return { requested: resource, refusal: undefined };
    } catch (thrown) {
      if (!(thrown instanceof Failure) || thrown.kind !== 'invalid') throw thrown;
      return { requested: undefined, refusal: thrown };
    }
  }
  const userScope = [...openidScopes, 'user_impersonation'].join(' ');

  return {
    async token(visit, form, isOlder) {
      const grantType = form['grant_type'] === 'device_code' ? deviceGrant : (form['grant_type'] ?? '');
      if (form['client_assertion'] !== undefined) throw oauthFailures.noAssertions();
      if (grantType === '') throw oauthFailures.noGrantType();
      const fields = passed.get(grantType);
      if (fields === undefined) throw oauthFailures.unservedGrantType(grantType);
      const requested = readRequested({ scope: form['scope'], resource: form['resource'] }, audiences);
      if (grantType === 'client_credentials' && requested.resource === undefined) throw oauthFailures.noResource();

      const parameters: Parameters = [['grant_type', grantType]];
      for (const name of ['client_id', 'client_secret', ...fields]) {
        const value = form[name] ?? (name === 'device_code' ? form['code'] : undefined);
        if (value !== undefined) parameters.push([name, value]);
      }
      if (requested.resource !== undefined) parameters.push(['resource', requested.resource]);
      const { asked } = requested;
      const input = { method: 'POST', path: paths.token, parameters, asked } as const;
      const code = grantType === deviceGrant ? (form['device_code'] ?? form['code']) : undefined;
      const { body, issued } =
        code === undefined ? await call(visit, input) : await polls.ask(code, () => call(visit, input));
      const { access_token, refresh_token, id_token } = body as Record<string, string | undefined>;
      if (access_token === undefined) throw new Error('the provider answered no access token');

      const { account } = issued;
      const audience = asked ?? issued.audience ?? audiences[0] ?? '';
      const now = Math.floor(clock.epochMs() / 1000);
      return {
        token_type: 'Bearer',
        // Clients look tokens up in their cache by the scopes that were answered.
        ...(account === undefined
          ? {}
          : { scope: `${audience}/user_impersonation ${audience}/.default openid profile` }),
        expires_in: accessTokenSeconds,
        ext_expires_in: accessTokenSeconds,
        ...(isOlder
          ? { expires_on: String(now + accessTokenSeconds), not_before: String(now), resource: audience }
          : {}),
        access_token,
        ...(refresh_token === undefined ? {} : { refresh_token }),
        ...(id_token === undefined ? {} : { id_token }),
        ...(account !== undefined && form['client_info'] === '1'
          ? { client_info: Buffer.from(JSON.stringify({ uid: account, utid: tenantId })).toString('base64url') }
          : {}),
      };
    },

    async deviceCode(visit, form, tenant) {
      beginnings.take(visit.address);
      const requested = readRequested({ scope: form['scope'], resource: form['resource'] }, audiences);
      const parameters: Parameters = [
        ['client_id', form['client_id'] ?? ''],
        ['scope', userScope],
        ...resourcesFirst(requested.resource),
      ];
      if (requested.asked !== undefined) parameters.push([askedParameter, requested.asked]);
      const { body } = await call(visit, { method: 'POST', path: paths.device_authorization, parameters });
      const { device_code, user_code, expires_in } = body as {
        device_code: string;
        user_code: string;
        expires_in: number;
      };
      const uri = `${visit.origin}/${tenant}${paths.code_verification}`;
      return {
        device_code,
        user_code,
        verification_uri: uri,
        verification_uri_complete: `${uri}?user_code=${encodeURIComponent(user_code)}`,
        expires_in,
        interval: polls.seconds,
        message: `To sign in, open the page ${uri} in a browser and enter the code ${user_code}.`,
      };
    },

    async authorize(visit, query) {
      beginnings.take(visit.address);
      const { requested, refusal } = readAsked(query);
      const parameters: Parameters = [['scope', userScope], ...resourcesFirst(requested)];
      const mode = query['response_mode'] === 'form_post' ? formPostMode : query['response_mode'];
      if (mode !== undefined) parameters.push(['response_mode', mode]);
      const names = ['client_id', 'redirect_uri', 'response_type', 'state', 'nonce'];
      for (const name of [...names, 'code_challenge', 'code_challenge_method', 'login_hint']) {
        const value = query[name];
        if (value !== undefined) parameters.push([name, value]);
      }
      // Choosing an account is signing in; there is no consent to ask for.
      const prompt = query['prompt'] === 'select_account' ? 'login' : query['prompt'];
      if (prompt === 'login' || prompt === 'none') parameters.push(['prompt', prompt]);
      return await show(visit, { method: 'GET', path: paths.authorization, parameters, refusal });
    },
    resume: (visit, path) => show(visit, { method: 'GET', path, parameters: [] }),

    async devicePage(visit, userCode) {
      beginnings.take(visit.address);
      return await show(visit, { method: 'GET', path: paths.code_verification, parameters: [], userCode });
    },
    async deviceForm(visit, form) {
      const { near, wide } = addressKeys(visit.address);
      const guesser: readonly Counted[] = [
        { by: 'deviceCode', value: near },
        ...(wide === undefined ? [] : [{ by: 'deviceCodeAtSite', value: wide } as const]),
      ];
      const parameters = ['xsrf', 'user_code', 'confirm', 'abort'].flatMap((name): Parameters => {
        const value = form[name];
        return value === undefined ? [] : [[name, value]];
      });
      const input = { method: 'POST', path: paths.code_verification, parameters, accept: 'html' } as const;
      const attempt = await attempts.begin(guesser);
      try {
        const { page, location, guessedWrong } = await visit.run({ ...input, userCode: form['user_code'] });
        if (guessedWrong) await attempt.failed();
        if (location !== undefined) return { to: location };
        if (page !== undefined) return { page };
        throw oauthFailures.SignInFailed();
      } finally {
        attempt.end();
      }
    },

    async logout(visit, query) {
      beginnings.take(visit.address);
      const parameters = ['id_token_hint', 'client_id', 'post_logout_redirect_uri', 'state'].flatMap(
        (name): Parameters => {
          const value = query[name];
          return value === undefined ? [] : [[name, value]];
        },
      );
      const input = { method: 'GET', path: paths.end_session, parameters, accept: 'html' } as const;
      const { page, status } = await visit.run(input);
      if (page !== undefined) return { page };
      if (status >= 400) throw oauthFailures.SignOutFailed();
      // Nobody is signed in: the library would now submit a form by script; there is nothing left to end.
      return { to: `/${tenantId}${paths.end_session}/success` };
    },
    logoutForm: (visit, form) =>
      show(visit, {
        method: 'POST',
        path: `${paths.end_session}/confirm`,
        parameters: ['xsrf', 'logout'].flatMap((name): Parameters => {
          const value = form[name];
          return value === undefined ? [] : [[name, value]];
        }),
      }),
    loggedOut: (visit) => show(visit, { method: 'GET', path: `${paths.end_session}/success`, parameters: [] }),
  };
}

/** `refresh token not found` as `Refresh token not found.` */
const sentence = (words: string) =>
  `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? '' : '.'}`;
