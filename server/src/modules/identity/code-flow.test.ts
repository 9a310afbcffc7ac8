// Signing in with a browser: the pages, the code that a program gets for it, and signing out.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { publicClients } from '@strongroom/contract/public-clients';
import { decodeJwt } from 'jose';
import { assertOAuthError, formOf, openIdentityBench, pkce, type Reply, submitPassword } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { boot, call } = bench;
const { clientId } = boot.automation;
const { password } = boot.credentials;
const { userName } = boot.administrator;
const tokenPath = `/${boot.tenantId}/oauth2/v2.0/token`;
const arm = 'https://management.azure.com/.default';
const me = (token: unknown) => call('/api/me', { headers: { authorization: `Bearer ${String(token)}` } });

const redirect = 'http://localhost:51234';

const authorizeUrl = (challenge: string, changes: Readonly<Record<string, string>> = {}) =>
  `/organizations/oauth2/v2.0/authorize?${new URLSearchParams({
    client_id: publicClients.azureCli,
    response_type: 'code',
    redirect_uri: redirect,
    scope: `${arm} openid profile offline_access`,
    state: 'the-state',
    nonce: 'the-nonce',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    prompt: 'select_account',
    ...changes,
  })}`;

async function codeOf(challenge: string): Promise<string> {
  const browser = bench.browser();
  const page = await browser.follow(authorizeUrl(challenge));
  assert.equal(page.status, 200, page.text);
  const back = await submitPassword(browser, page, userName, password);
  assert.equal(back.status, 303, back.text);
  const url = new URL(back.location);
  assert.equal(url.origin, redirect);
  assert.equal(url.searchParams.get('state'), 'the-state');
  return url.searchParams.get('code') ?? '';
}

const exchange = (code: string, verifier: string, changes: Readonly<Record<string, string>> = {}) =>
  call(tokenPath, {
    form: {
      grant_type: 'authorization_code',
      client_id: publicClients.azureCli,
      code,
      code_verifier: verifier,
      redirect_uri: redirect,
      scope: `${arm} openid profile offline_access`,
      client_info: '1',
      ...changes,
    },
  });

test('a person signs in with a browser, and the refresh token serves another resource later', async () => {
  const { verifier, challenge } = pkce();
  const { status, body } = await exchange(await codeOf(challenge), verifier);
  assert.equal(status, 200, JSON.stringify(body));
  const claims = decodeJwt(String(body['access_token']));
  assert.equal(claims['scp'], 'user_impersonation');
  assert.equal(claims['upn'], userName);
  assert.equal(claims['oid'], boot.administrator.objectId);
  assert.deepEqual(claims['amr'], ['pwd']);
  const signedInAt = Math.floor(bench.clock.epochMs() / 1000);
  assert.deepEqual([claims['auth_time'], claims['ipaddr']], [signedInAt, '127.0.0.1']);
  const id = decodeJwt(String(body['id_token']));
  assert.equal(id['nonce'], 'the-nonce');
  assert.equal(id['preferred_username'], userName);
  assert.equal(id['tid'], boot.tenantId);
  const info: unknown = JSON.parse(Buffer.from(String(body['client_info']), 'base64url').toString());
  assert.deepEqual(info, { uid: boot.administrator.objectId, utid: boot.tenantId });
  assert.match(String(body['scope']), /^https:\/\/management\.azure\.com\/user_impersonation /);
  assert.equal((await me(body['access_token'])).body['name'], userName);
  assert.equal((await me(body['id_token'])).status, 401, 'an ID token is no access token');

  await bench.clock.advance(5000);
  const refreshed = await call(tokenPath, {
    headers: { 'x-forwarded-for': '203.0.113.9' },
    form: {
      grant_type: 'refresh_token',
      client_id: publicClients.azureCli,
      refresh_token: String(body['refresh_token']),
      scope: 'https://vault.azure.net/.default openid profile offline_access',
    },
  });
  assert.equal(refreshed.status, 200, refreshed.text);
  const later = decodeJwt(String(refreshed.body['access_token']));
  assert.equal(later.aud, 'https://vault.azure.net');
  // Of the sign-in, and not of who refreshes it, when and from where.
  assert.deepEqual([later['amr'], later['auth_time'], later['ipaddr']], [['pwd'], signedInAt, '127.0.0.1']);
  assert.notEqual(refreshed.body['refresh_token'], body['refresh_token']);

  const replayed = await call(tokenPath, {
    form: {
      grant_type: 'refresh_token',
      client_id: publicClients.azureCli,
      refresh_token: String(body['refresh_token']),
    },
  });
  assertOAuthError(replayed, 400, 'invalid_grant', 70000);
  const successor = await call(tokenPath, {
    form: {
      grant_type: 'refresh_token',
      client_id: publicClients.azureCli,
      refresh_token: String(refreshed.body['refresh_token']),
    },
  });
  assertOAuthError(successor, 400, 'invalid_grant', 70000);
});

test('a code works once, and its replay takes back what came of it', async () => {
  const { verifier, challenge } = pkce();
  const code = await codeOf(challenge);
  const first = await exchange(code, verifier);
  assert.equal(first.status, 200);
  assertOAuthError(await exchange(code, verifier), 400, 'invalid_grant', 70000);
  const refresh = { grant_type: 'refresh_token', client_id: publicClients.azureCli };
  const reply = await call(tokenPath, { form: { ...refresh, refresh_token: String(first.body['refresh_token']) } });
  assertOAuthError(reply, 400, 'invalid_grant', 70000);
});

test('of two exchanges of one code at the same time, one is refused', async () => {
  const { verifier, challenge } = pkce();
  const code = await codeOf(challenge);
  const replies = await Promise.all([exchange(code, verifier), exchange(code, verifier), exchange(code, verifier)]);
  assert.equal(replies.filter(({ status }) => status === 200).length, 1);
});

test('a code needs its verifier, its redirect and its client', async () => {
  const { verifier, challenge } = pkce();
  const code = await codeOf(challenge);
  assertOAuthError(await exchange(code, pkce().verifier), 400, 'invalid_grant');
  assertOAuthError(await exchange(code, verifier, { redirect_uri: 'http://localhost:1' }), 400, 'invalid_grant');
  const other = { client_id: publicClients.strongroomCli };
  assertOAuthError(await exchange(code, verifier, other), 400, 'invalid_grant');
});

test('a code is worth nothing after a minute', async () => {
  const { verifier, challenge } = pkce();
  const code = await codeOf(challenge);
  await bench.clock.advance(61_000);
  assertOAuthError(await exchange(code, verifier), 400, 'invalid_grant');
});

test('authorization without PKCE, or with a plain challenge, goes back with an error', async () => {
  const { challenge } = pkce();
  for (const changes of [{ code_challenge: '', code_challenge_method: '' }, { code_challenge_method: 'plain' }]) {
    const reply = await bench.browser().open(authorizeUrl(challenge, changes));
    assert.equal(reply.status, 303, reply.text);
    const url = new URL(reply.location);
    assert.equal(url.origin, redirect);
    assert.equal(url.searchParams.get('error'), 'invalid_request');
    assert.equal(url.searchParams.get('code'), null);
  }
});

test('form_post carries the code in a form that sends itself, under a policy that allows that line and no other', async () => {
  const { verifier, challenge } = pkce();
  const browser = bench.browser();
  const start = await browser.follow(authorizeUrl(challenge, { response_mode: 'form_post' }));
  const page = await submitPassword(browser, start, userName, password);
  assert.equal(page.status, 200, page.text);
  const { action, fields } = formOf(page);
  assert.equal(action, redirect);
  assert.equal(fields['state'], 'the-state');
  const policy = String(page.headers['content-security-policy']);
  const [, script = ''] = /<script>([^<]*)<\/script>/.exec(page.text) ?? [];
  assert.ok(policy.includes(`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`), policy);
  assert.ok(policy.includes(`form-action 'self' ${redirect}`) && !policy.includes('unsafe'));
  assert.equal((await exchange(fields['code'] ?? '', verifier)).status, 200);
});

test('a refusal reaches the program that waits: a person who cancels, a scope that is not known', async () => {
  for (const response_mode of ['query', 'form_post', 'fragment']) {
    const told = (reply: Reply): Readonly<Record<string, string | undefined>> => {
      if (response_mode === 'form_post') return { ...formOf(reply).fields, at: formOf(reply).action };
      assert.equal(reply.status, 303, reply.text);
      const { origin, search, hash } = new URL(reply.location);
      return { ...Object.fromEntries(new URLSearchParams(search || hash.slice(1))), at: origin };
    };
    const browser = bench.browser();
    const start = formOf(await browser.follow(authorizeUrl(pkce().challenge, { response_mode })));
    const cancelled = told(await browser.follow(start.action, { form: { ...start.fields, cancel: 'yes' } }));
    assert.deepEqual(
      [cancelled['error'], cancelled['state'], cancelled['at']],
      ['access_denied', 'the-state', redirect],
    );
    const scope = 'https://evil.example/.default';
    const unknown = told(await bench.browser().open(authorizeUrl(pkce().challenge, { response_mode, scope })));
    assert.deepEqual([unknown['error'], unknown['at']], ['invalid_scope', redirect]);
    assert.match(String(unknown['error_description']), /not a resource that this server issues tokens for/);
  }
  // Never to a redirect that is not the client's own.
  const evil = { redirect_uri: 'https://evil.example', scope: 'https://evil.example/.default' };
  const page = await bench.browser().open(authorizeUrl(pkce().challenge, evil));
  assert.deepEqual([page.status, page.location], [400, '']);
});

test('a redirect that is not registered is shown as an error and never followed', async () => {
  const { challenge } = pkce();
  const hostile = [
    'https://evil.example',
    'http://localhost.evil.example:80/',
    'http://localhost@evil.example/',
    'http://localhost:80/else',
    'javascript:alert(1)',
    'https://localhost:51234',
    '//evil.example',
  ];
  for (const redirect_uri of hostile) {
    const reply = await bench.browser().open(authorizeUrl(challenge, { redirect_uri }));
    assert.equal(reply.status, 400, redirect_uri);
    assert.equal(reply.location, '');
    assert.match(reply.text, /This did not work/);
  }
  const portal = { client_id: publicClients.portal, redirect_uri: redirect };
  assert.equal((await bench.browser().open(authorizeUrl(challenge, portal))).status, 400);
  const confidential = await bench.browser().open(authorizeUrl(challenge, { client_id: clientId }));
  assert.equal(confidential.status, 400);
});

test('pages run no script, cannot be framed, and escape what the client sent', async () => {
  const hint = '"><script>alert(1)</script>';
  const page = await bench.browser().follow(authorizeUrl(pkce().challenge, { login_hint: hint }));
  assert.equal(page.status, 200);
  assert.ok(!page.text.includes('<script'));
  assert.ok(page.text.includes('&lt;script&gt;'));
  const policy = String(page.headers['content-security-policy']);
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.match(policy, /form-action 'self' http:\/\/localhost:51234/);
  assert.ok(!/unsafe|\*/.test(policy));
});

test('cookies are bound to the host, secure, unreadable to scripts, and not sent by other sites', async () => {
  const browser = bench.browser();
  const reply = await browser.open(authorizeUrl(pkce().challenge));
  const lines = [reply.headers['set-cookie'] ?? []].flat();
  assert.ok(lines.length >= 2);
  for (const line of lines) assert.match(line, /; secure; httponly; samesite=lax|samesite=lax; secure; httponly/i);
});

test('the sign-in form works only in the browser that began, and only with its token', async () => {
  const browser = bench.browser();
  const page = await browser.follow(authorizeUrl(pkce().challenge));
  const { action, fields } = formOf(page);
  const stolen = await bench.browser().open(action, { form: { ...fields, userName, password } });
  assert.equal(stolen.status, 400);
  const forged = await browser.open(action, { form: { csrf: 'x', userName, password } });
  assert.equal(forged.status, 403);
  assert.equal((await browser.open(`${action}x`, { form: { ...fields, userName, password } })).status, 400);
});

test('cancelling goes back with access_denied', async () => {
  const browser = bench.browser();
  const page = await browser.follow(authorizeUrl(pkce().challenge));
  const { action, fields } = formOf(page);
  const back = await browser.follow(action, { form: { ...fields, cancel: 'yes' } });
  assert.equal(new URL(back.location).searchParams.get('error'), 'access_denied');
});

test('a wrong password and a user that does not exist look the same', async () => {
  const browser = bench.browser();
  const page = await browser.follow(authorizeUrl(pkce().challenge));
  const wrong = await submitPassword(browser, page, userName, 'not the password');
  const stranger = await submitPassword(browser, page, 'nobody@strongroom.local', 'not the password');
  assert.equal(wrong.status, 401);
  assert.equal(stranger.status, 401);
  assert.equal(stranger.text.replaceAll('nobody@strongroom.local', userName), wrong.text);
  assert.match(wrong.text, /The user name or the password is not right/);
});

test('a program on the machine gets no code without a person, even in a browser that is signed in', async () => {
  const browser = bench.browser();
  await submitPassword(browser, await browser.follow(authorizeUrl(pkce().challenge)), userName, password);
  const again = await browser.follow(authorizeUrl(pkce().challenge, { prompt: '' }));
  assert.match(again.text, /<h1>Sign in<\/h1>/);
  const silent = await browser.follow(authorizeUrl(pkce().challenge, { prompt: 'none' }));
  assert.match(String(new URL(silent.location).searchParams.get('error')), /_required$/);
});

test('signing out ends the session of the browser', async () => {
  const portal = { client_id: publicClients.portal, redirect_uri: `${bench.origin}/portal/`, prompt: '' };
  const url = () => authorizeUrl(pkce().challenge, portal);
  const browser = bench.browser();
  const isSignedIn = async () => (await browser.open(url())).location.startsWith(`${bench.origin}/portal/?code=`);
  await submitPassword(browser, await browser.follow(url()), userName, password);
  assert.equal(await isSignedIn(), true);
  const ask = await browser.follow(`/${boot.tenantId}/oauth2/v2.0/logout`);
  const { action, fields } = formOf(ask);
  const out = await browser.follow(action, { form: { ...fields, logout: 'yes' } });
  assert.match(out.text, /You are signed out/);
  assert.equal(await isSignedIn(), false);
  assert.match((await bench.browser().follow('/common/oauth2/logout')).text, /You are signed out/);
});

test('signing out leads nowhere but to registered pages', async () => {
  const leads = async (query: Readonly<Record<string, string>>) =>
    (await bench.browser().follow(`/common/oauth2/v2.0/logout?${new URLSearchParams(query)}`)).text;
  const post_logout_redirect_uri = 'https://evil.example/';
  assert.match(await leads({ post_logout_redirect_uri, client_id: publicClients.portal }), /This did not work/);
  assert.match(await leads({ post_logout_redirect_uri }), /You are signed out/);
  assert.match(await leads({ id_token_hint: 'a.b.c', post_logout_redirect_uri }), /This did not work/);
});

test('one address cannot begin sign-ins without end', async () => {
  const statuses = new Set<number>();
  for (let time = 0; time < 310; time++) statuses.add((await call('/common/oauth2/v2.0/authorize')).status);
  assert.ok(statuses.has(429));
  await bench.clock.advance(61_000);
  assert.notEqual((await call('/common/oauth2/v2.0/authorize')).status, 429);
});
