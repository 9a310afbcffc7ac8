// Sign-in as clients see it, over TLS: documents, the token endpoint, the device and the code flow, and what each refuses.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { publicClients } from '@strongroom/contract/public-clients';
import { decodeJwt } from 'jose';
import { formOf, openIdentityBench, pkce, type Reply, submitPassword } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { boot, call } = bench;
const { clientId } = boot.automation;
const { clientSecret, password } = boot.credentials;
const { userName } = boot.administrator;
const tokenPath = `/${boot.tenantId}/oauth2/v2.0/token`;
const arm = 'https://management.azure.com/.default';
const app = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope: arm };
const me = (token: unknown) => call('/api/me', { headers: { authorization: `Bearer ${String(token)}` } });

function assertOAuthError(reply: Reply, status: number, error: string, number?: number): void {
  assert.equal(reply.status, status, reply.text);
  assert.equal(reply.body['error'], error);
  for (const name of ['error_description', 'timestamp', 'trace_id', 'correlation_id'])
    assert.equal(typeof reply.body[name], 'string', name);
  assert.ok(Array.isArray(reply.body['error_codes']));
  if (number !== undefined) assert.deepEqual(reply.body['error_codes'], [number]);
}

test('every spelling of the tenant leads to a document on the origin that was asked', async () => {
  for (const tenant of [boot.tenantId, boot.tenantId.toUpperCase(), 'strongroom.local', 'common', 'organizations']) {
    const { status, body } = await call(`/${tenant}/v2.0/.well-known/openid-configuration`);
    assert.equal(status, 200);
    assert.equal(body['issuer'], `${bench.origin}/${boot.tenantId}/v2.0`);
    assert.equal(body['token_endpoint'], `${bench.origin}/${tenant.toLowerCase()}/oauth2/v2.0/token`);
  }
  const { body } = await call('/adfs/.well-known/openid-configuration');
  assert.equal(body['token_endpoint'], `${bench.origin}/adfs/oauth2/token`);
  assert.equal(body['device_authorization_endpoint'], `${bench.origin}/adfs/oauth2/devicecode`);
});

test('a tenant that is not ours is refused in the shape that clients read', async () => {
  const stranger = '99999999-9999-4999-8999-999999999999';
  assertOAuthError(await call(`/${stranger}/v2.0/.well-known/openid-configuration`), 400, 'invalid_request', 90002);
});

test('a forged Host header never becomes the issuer of a token', async () => {
  const reply = await call(tokenPath, { form: app, headers: { host: 'evil.example' } });
  assertOAuthError(reply, 400, 'invalid_request');
});

test('an application gets a token with its secret in the form or in the header, and the token works', async () => {
  const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
  const inForm = await call(tokenPath, {
    form: { ...app, claims: '{"access_token":{}}', 'x-client-SKU': 'msal.js.node' },
  });
  const inHeader = await call(tokenPath, {
    form: { grant_type: 'client_credentials', scope: arm },
    headers: { authorization: `Basic ${basic}` },
  });
  for (const { status, body, headers } of [inForm, inHeader]) {
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body['token_type'], 'Bearer');
    assert.equal(body['expires_in'], 3599);
    assert.equal(headers['cache-control'], 'no-store');
    const claims = decodeJwt(String(body['access_token']));
    assert.equal(claims.aud, 'https://management.azure.com');
    assert.equal(claims.iss, `${bench.origin}/${boot.tenantId}/v2.0`);
    assert.equal(claims['oid'], boot.automation.objectId);
    assert.equal(claims['idtyp'], 'app');
    assert.equal(claims['scp'], undefined);
    assert.equal(claims['appid'], clientId);
    const answer = await me(body['access_token']);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body['kind'], 'application');
    assert.equal(answer.body['objectId'], boot.automation.objectId);
  }
});

test('the older endpoint takes a resource and answers times as text', async () => {
  const { scope: _scope, ...form } = app;
  const resource = 'https://management.core.windows.net/';
  const { status, body } = await call('/adfs/oauth2/token', { form: { ...form, resource } });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body['resource'], resource);
  assert.match(String(body['expires_on']), /^\d+$/);
  assert.equal(decodeJwt(String(body['access_token'])).aud, resource);
});

test('the audience is answered as it was spelled, and an unknown or a second one is refused', async () => {
  const aud = async (scope: string) => {
    const { body } = await call(tokenPath, { form: { ...app, scope } });
    return decodeJwt(String(body['access_token'])).aud;
  };
  assert.equal(await aud('https://management.core.windows.net//.default'), 'https://management.core.windows.net/');
  assert.equal(await aud('https://ml.azure.com/.default'), 'https://ml.azure.com');
  assert.equal(await aud(`${bench.origin}/.default`), bench.origin);
  const studio = `https://ml.azure.${new URL(bench.origin).host}`;
  assert.equal(await aud(`${studio}/.default`), studio);
  assert.equal(await aud(`${arm} ${arm} openid`), 'https://management.azure.com');
  const scopes = ['https://evil.example/.default', `${arm} https://vault.azure.net/.default`, 'openid', '', 'nonsense'];
  for (const scope of scopes)
    assertOAuthError(await call(tokenPath, { form: { ...app, scope } }), 400, 'invalid_scope', 70011);
});

test('a wrong secret and an unknown application get one and the same answer', async () => {
  const wrong = await call(tokenPath, { form: { ...app, client_secret: 'x'.repeat(43) } });
  const stranger = await call(tokenPath, { form: { ...app, client_id: '12345678-1234-4234-8234-123456789012' } });
  const none = await call(tokenPath, { form: { grant_type: 'client_credentials', client_id: clientId, scope: arm } });
  const identity = await bench.database.write((tx) =>
    bench.identity.directory.createManagedIdentity(tx, { resourceId: '/subscriptions/a', name: 'a' }),
  );
  const managed = await call(tokenPath, { form: { ...app, client_id: identity.clientId } });
  for (const reply of [wrong, stranger, none, managed]) {
    assertOAuthError(reply, 401, 'invalid_client', 7000215);
    assert.equal(reply.body['error_description'], wrong.body['error_description']);
  }
});

test('malformed, oversized and unknown requests are refused in the same shape', async () => {
  assertOAuthError(await call(tokenPath, { form: '' }), 400, 'invalid_request');
  const password = { ...app, grant_type: 'password', username: 'a@b', password: 'c' };
  assertOAuthError(await call(tokenPath, { form: password }), 400, 'unsupported_grant_type', 70003);
  const prototype = { ...app, grant_type: 'constructor' };
  assertOAuthError(await call(tokenPath, { form: prototype }), 400, 'unsupported_grant_type', 70003);
  assertOAuthError(await call(tokenPath, { form: { ...app, x: 'y'.repeat(70_000) } }), 413, 'invalid_request');
  assertOAuthError(await call(tokenPath, { form: { ...app, x: 'y'.repeat(20_000) } }), 400, 'invalid_request');
  assertOAuthError(await call(tokenPath), 405, 'invalid_request');
  assertOAuthError(await call(`/${boot.tenantId}/oauth2/v2.0/nothing`), 404, 'invalid_request');
  const assertion = { ...app, client_assertion: 'x.y.z' };
  assertOAuthError(await call(tokenPath, { form: assertion }), 401, 'invalid_client');
});

test('issuing a token is recorded with the client, and the secret is not', () => {
  const entries = bench.audit.entries.filter(({ intent }) => intent.operation === 'OAuth_Token');
  assert.ok(
    entries.some(({ intent, outcome }) => intent.parameters['client_id'] === clientId && outcome?.status === 200),
  );
  assert.ok(entries.some(({ outcome }) => outcome?.code === 'invalid_client'));
  assert.ok(!JSON.stringify(bench.audit.entries).includes(clientSecret));
});

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

const slashed = 'https://management.core.windows.net//.default';
const deviceForm = { client_id: publicClients.azureCli, scope: `${slashed} openid profile offline_access` };

test('the device flow: pending, confirmed in a browser, then a token; both spellings of the grant', async () => {
  for (const [grant, field] of [
    ['device_code', 'device_code'],
    ['urn:ietf:params:oauth:grant-type:device_code', 'code'],
  ] as const) {
    const begun = await call('/organizations/oauth2/v2.0/devicecode', {
      form: deviceForm,
      headers: { 'x-forwarded-for': '198.51.100.66, 203.0.113.7' },
    });
    assert.equal(begun.status, 200, begun.text);
    assert.equal(begun.body['interval'], 5);
    assert.ok(String(begun.body['message']).includes(String(begun.body['user_code'])));
    const poll = () =>
      call('/organizations/oauth2/v2.0/token', {
        form: { grant_type: grant, client_id: publicClients.azureCli, [field]: String(begun.body['device_code']) },
      });
    assertOAuthError(await poll(), 400, 'authorization_pending', 70016);
    await bench.clock.advance(5000);

    const browser = bench.browser();
    const code = await browser.follow(String(begun.body['verification_uri_complete']));
    assert.ok(code.text.includes(String(begun.body['user_code'])), 'the code of the link is filled in');
    const first = formOf(code);
    const user_code = String(begun.body['user_code']).toLowerCase();
    const confirm = await browser.follow(first.action, { form: { ...first.fields, user_code } });
    assert.match(confirm.text, /Is this your device\?/);
    // Where the device is, as the trusted proxy says: not the proxy itself, and not what the device claims.
    assert.match(confirm.text, /203\.0\.113\.7/);
    assert.doesNotMatch(confirm.text, /127\.0\.0\.1|198\.51\.100\.66/);
    assertOAuthError(await poll(), 400, 'authorization_pending', 70016);
    const second = formOf(confirm);
    const signIn = await browser.follow(second.action, { form: { ...second.fields, confirm: 'yes' } });
    assert.match(signIn.text, /<h1>Sign in<\/h1>/);
    const done = await submitPassword(browser, signIn, userName, password);
    assert.match(done.text, /You are signed in/);

    const reply = await poll();
    assert.equal(reply.status, 200, reply.text);
    // The poll does not repeat the scope; clients look tokens up by the spelling that they began with.
    assert.equal(decodeJwt(String(reply.body['access_token'])).aud, 'https://management.core.windows.net/');
    assert.ok(String(reply.body['scope']).split(' ').includes(slashed));
    assert.equal(typeof reply.body['refresh_token'], 'string');
    assertOAuthError(await poll(), 400, 'invalid_grant', 70000);
  }
});

test('a device that asks faster than it was told is slowed down, longer each time, and not when it has its answer', async () => {
  const begun = await call('/organizations/oauth2/v2.0/devicecode', { form: deviceForm });
  const form = { grant_type: 'device_code', ...deviceForm, device_code: String(begun.body['device_code']) };
  const poll = async () => (await call('/organizations/oauth2/v2.0/token', { form })).body['error'];
  const answers: unknown[] = [];
  for (const seconds of [0, 5, 4.5, 1, 5, 14, 15]) {
    await bench.clock.advance(seconds * 1000);
    answers.push(await poll());
  }
  const [pending, slow] = ['authorization_pending', 'slow_down'];
  assert.deepEqual(answers, [pending, pending, pending, slow, slow, pending, pending]);
  assert.equal(
    (await call('/organizations/oauth2/v2.0/token', { form: { ...form, device_code: 'x' } })).body['error'],
    'invalid_grant',
  );
});

test('a device code that is denied is denied to the device', async () => {
  const begun = await call('/common/oauth2/v2.0/devicecode', { form: deviceForm });
  const browser = bench.browser();
  const first = formOf(await browser.follow(String(begun.body['verification_uri'])));
  const user_code = String(begun.body['user_code']);
  const second = formOf(await browser.follow(first.action, { form: { ...first.fields, user_code } }));
  await browser.follow(second.action, { form: { ...second.fields, abort: 'yes' } });
  const form = { grant_type: 'device_code', ...deviceForm, device_code: String(begun.body['device_code']) };
  assertOAuthError(await call(tokenPath, { form }), 400, 'access_denied');
});

test('a device code expires', async () => {
  const begun = await call('/common/oauth2/v2.0/devicecode', { form: deviceForm });
  await bench.clock.advance(15 * 60_000 + 1000);
  const form = { grant_type: 'device_code', ...deviceForm, device_code: String(begun.body['device_code']) };
  const reply = await call(tokenPath, { form });
  assert.equal(reply.status, 400);
  assert.ok(['expired_token', 'invalid_grant'].includes(String(reply.body['error'])));
});

test('guessing device codes is stopped after a few wrong ones', async () => {
  const browser = bench.browser();
  let page = await browser.follow('/common/login/device');
  const statuses: number[] = [];
  for (let guess = 0; guess < 12; guess++) {
    const { action, fields } = formOf(page);
    const reply = await browser.follow(action, { form: { ...fields, user_code: `BBBB-BBB${guess % 10}` } });
    statuses.push(reply.status);
    if (reply.status === 400) page = reply;
  }
  assert.deepEqual(statuses.slice(0, 10), Array(10).fill(400));
  assert.deepEqual(statuses.slice(10), [429, 429]);
  await bench.clock.advance(31_000);
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
