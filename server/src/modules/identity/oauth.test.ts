// The token endpoint as programs see it, over TLS: documents, audiences, and what is refused.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decodeJwt } from 'jose';
import { assertOAuthError, openIdentityBench } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { boot, call } = bench;
const { clientId } = boot.automation;
const { clientSecret } = boot.credentials;
const tokenPath = `/${boot.tenantId}/oauth2/v2.0/token`;
const arm = 'https://management.azure.com/.default';
const app = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope: arm };
const me = (token: unknown) => call('/api/me', { headers: { authorization: `Bearer ${String(token)}` } });

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
