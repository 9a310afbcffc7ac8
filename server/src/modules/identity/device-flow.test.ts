// Signing in on another device: a code that a person types into a page.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { publicClients } from '@strongroom/contract/public-clients';
import { decodeJwt } from 'jose';
import { assertOAuthError, formOf, openIdentityBench, submitPassword } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { boot, call } = bench;
const { password } = boot.credentials;
const { userName } = boot.administrator;
const tokenPath = `/${boot.tenantId}/oauth2/v2.0/token`;

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
