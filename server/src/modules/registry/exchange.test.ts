// Azure's way to a token of the registry, and what an attacker would make of it: tokens of other kinds, of other people, of a
// principal that is no more, for other services, and forms of every shape.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Actor, anonymous } from '#kernel/authority/actor';
import { testActor } from '#kernel/testing/authority';
import type { Reply, Send } from '../storage/ground.fixture.ts';
import { mediaTypes } from './index.ts';
import { client, codesIn, digestOf, manifestOf, openDoor, pushBlob } from './testing.ts';

const nobody = '00000000-0000-0000-0000-000000000000';
const service = 'localhost:8443';

const bodyOf = (reply: Reply): Record<string, unknown> => JSON.parse(reply.body.toString()) as Record<string, unknown>;

const post = (send: Send, path: string, form: Record<string, string>) =>
  send('POST', path, {
    authorization: '',
    body: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });

const exchange = (send: Send, more: Record<string, string> = {}) =>
  post(send, '/oauth2/exchange', { grant_type: 'access_token', service, access_token: 'test', ...more });

async function refreshToken(send: Send, more: Record<string, string> = {}): Promise<string> {
  const reply = await exchange(send, more);
  assert.equal(reply.status, 200, reply.body.toString());
  return String(bodyOf(reply)['refresh_token']);
}

const ask = (send: Send, refresh: string, scope: string, more: Record<string, string> = {}) =>
  post(send, '/oauth2/token', { grant_type: 'refresh_token', service, scope, refresh_token: refresh, ...more });

async function tokenFor(send: Send, refresh: string, scope: string): Promise<string> {
  const reply = await ask(send, refresh, scope);
  assert.equal(reply.status, 200, reply.body.toString());
  return `Bearer ${String(bodyOf(reply)['access_token'])}`;
}

async function pushImage(send: Send, name: string, tag = 'v1'): Promise<string> {
  await pushBlob(send, name, '{}');
  const body = manifestOf('{}', [], { annotations: { tag } });
  const reply = await send('PUT', `/v2/${name}/manifests/${tag}`, {
    body,
    headers: { 'content-type': mediaTypes.ociManifest },
  });
  assert.equal(reply.status, 201, reply.body.toString());
  return digestOf(body);
}

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, number>;

test('an access token is worth a refresh token, and that a token for what is named', async (t) => {
  const { send } = await openDoor(t);
  await pushImage(send, 'reg01/a');
  const refresh = await refreshToken(send, { tenant: 'any' });
  const authorization = await tokenFor(send, refresh, 'repository:reg01/a:metadata_read');
  assert.equal((await send('GET', '/acr/v1/reg01/a/_tags', { authorization })).status, 200);
  const basic = `Basic ${Buffer.from(`${nobody}:${refresh}`).toString('base64')}`;
  for (const path of ['/v2/token', '/oauth2/token']) {
    const got = await send('GET', `${path}?scope=repository:reg01/a:pull`, { authorization: basic });
    const pull = `Bearer ${String(bodyOf(got)['token'])}`;
    assert.equal((await send('GET', '/v2/reg01/a/manifests/v1', { authorization: pull })).status, 200);
  }
});

test('a client id and its secret are posted for a token', async (t) => {
  const { send } = await openDoor(t);
  await pushImage(send, 'reg01/a');
  const form = { grant_type: 'password', service, scope: 'registry:catalog:*' };
  const right = await post(send, '/oauth2/token', { ...form, username: client.id, password: client.secret });
  const authorization = `Bearer ${String(bodyOf(right)['access_token'])}`;
  assert.deepEqual(bodyOf(await send('GET', '/acr/v1/_catalog', { authorization })), { repositories: ['reg01/a'] });
  for (const [username, password] of [
    [client.id, 'wrong'],
    [client.id, ''],
    ['', ''],
    [nobody, 'wrong'],
  ] as const) {
    const wrong = await post(send, '/oauth2/token', { ...form, username, password });
    assert.deepEqual([wrong.status, codesIn(wrong)], [401, ['UNAUTHORIZED']]);
  }
});

test('a refresh token opens nothing by itself, and no token is worth another one of its own kind', async (t) => {
  const { send } = await openDoor(t);
  await pushImage(send, 'reg01/a');
  const refresh = await refreshToken(send);
  const authorization = `Bearer ${refresh}`;
  for (const [method, path] of [
    ['GET', '/v2/'],
    ['GET', '/v2/_catalog'],
    ['GET', '/acr/v1/_catalog'],
    ['GET', '/acr/v1/reg01/a'],
    ['GET', '/v2/reg01/a/manifests/v1'],
    ['DELETE', '/acr/v1/reg01/a'],
    ['GET', '/v2/token?scope=repository:reg01/a:pull'],
    ['GET', '/oauth2/token?scope=repository:reg01/a:pull'],
  ] as const)
    assert.equal((await send(method, path, { authorization })).status, 401, `${method} ${path}`);
  const access = (await tokenFor(send, refresh, 'repository:reg01/a:pull')).slice('Bearer '.length);
  assert.equal((await ask(send, access, 'repository:reg01/a:pull')).status, 401);
  for (const token of [access, refresh, '', 'x', 'a.b.c', `${refresh.slice(0, -4)}AAAA`, 'test test'])
    assert.equal((await exchange(send, { access_token: token })).status, 401, token.slice(0, 12));
  for (const token of ['', 'test', `${refresh.slice(0, -4)}AAAA`, `${refresh}.x`])
    assert.equal((await ask(send, token, 'registry:catalog:*')).status, 401, token.slice(0, 12));
  const basic = `Basic ${Buffer.from(`${nobody}:${access}`).toString('base64')}`;
  assert.equal((await send('GET', '/v2/token', { authorization: basic })).status, 401);
});

test('tokens of other purposes and for other audiences are no refresh tokens', async (t) => {
  const { send, tokens } = await openDoor(t);
  const common = { subject: testActor.objectId, ttlSeconds: 600, claims: { standing: '1' } };
  const audience = 'urn:strongroom:registry';
  const good = await tokens.issueToken({ ...common, purpose: 'registry-refresh', audience });
  assert.equal((await ask(send, good.token, 'registry:catalog:*')).status, 200);
  for (const other of [
    { ...common, purpose: 'run', audience },
    { ...common, purpose: 'registry', audience },
    { ...common, purpose: 'registry-refresh', audience: 'urn:other' },
    { ...common, purpose: 'registry-refresh', audience, claims: {} },
    { ...common, purpose: 'registry-refresh', audience, subject: nobody },
  ]) {
    const { token } = await tokens.issueToken(other);
    assert.equal((await ask(send, token, 'registry:catalog:*')).status, 401, JSON.stringify(other));
  }
});

test('roles, the directory and the time are asked again at every use', async (t) => {
  const state = { allows: true };
  const { send, directory, clock } = await openDoor(t, () => state.allows);
  await pushImage(send, 'reg01/a');
  const refresh = await refreshToken(send);
  const authorization = await tokenFor(send, refresh, 'repository:reg01/a:metadata_read');
  const describe = () => send('GET', '/acr/v1/reg01/a', { authorization });
  const person = directory.get(testActor.objectId);
  assert.ok(person);
  directory.set(testActor.objectId, { ...person, standing: '2' });
  assert.equal((await describe()).status, 401);
  assert.equal((await ask(send, refresh, 'registry:catalog:*')).status, 401);
  directory.delete(testActor.objectId);
  assert.equal((await ask(send, refresh, 'registry:catalog:*')).status, 401);
  directory.set(testActor.objectId, person);
  state.allows = false;
  const denied = await describe();
  assert.deepEqual([denied.status, codesIn(denied)], [403, ['DENIED']]);
  // Who may nothing is told so by a token that lists nothing.
  const empty = String(bodyOf(await ask(send, refresh, 'repository:reg01/a:pull'))['access_token']);
  assert.deepEqual(claimsOf(empty)['access'], []);
  state.allows = true;
  await clock.advance(1000 * 1000);
  assert.equal((await describe()).status, 401);
  assert.equal((await ask(send, refresh, 'registry:catalog:*')).status, 200);
  await clock.advance(3 * 3600 * 1000);
  assert.equal((await ask(send, refresh, 'registry:catalog:*')).status, 401);
});

test('a refresh token ends with what it was made from', async (t) => {
  const endsAtMs = { value: 0 };
  const methods = ['pwd', 'mfa'];
  const short = { ...testActor, authentication: { ...testActor.authentication, method: 'short', methods } };
  const { send, clock } = await openDoor(t, undefined, undefined, [
    {
      name: 'short',
      authenticate: (one) =>
        one.header('authorization') === 'Bearer short'
          ? { ...short, authentication: { ...short.authentication, endsAtMs: endsAtMs.value } }
          : undefined,
    },
  ]);
  endsAtMs.value = clock.epochMs() + 600_000;
  const refresh = await refreshToken(send, { access_token: 'short' });
  const claims = claimsOf(refresh);
  assert.equal((claims['exp'] ?? 0) - (claims['iat'] ?? 0), 600);
  // How he signed in travels along, to conditions and to the record.
  assert.deepEqual(
    [claims['amr'], claimsOf(await tokenFor(send, refresh, 'registry:catalog:*'))['amr']],
    [methods, methods],
  );
  // And so does what is made from it.
  await clock.advance(300_000);
  const reply = bodyOf(await ask(send, refresh, 'registry:catalog:*'));
  const short5 = claimsOf(String(reply['access_token']));
  assert.deepEqual([reply['expires_in'], short5['exp']], [300, claims['exp']]);
  endsAtMs.value = clock.epochMs() + 86_400_000;
  const bounded = claimsOf(await refreshToken(send, { access_token: 'short' }));
  assert.equal((bounded['exp'] ?? 0) - (bounded['iat'] ?? 0), 3 * 3600);
  endsAtMs.value = clock.epochMs() - 10_000;
  assert.equal((await exchange(send, { access_token: 'short' })).status, 401);
});

test('a token for one repository or for names opens no other registry, repository or list', async (t) => {
  const { send, addRegistry } = await openDoor(t);
  await addRegistry('Other');
  for (const name of ['reg01/a', 'reg01/a/b', 'other/a']) await pushImage(send, name);
  const refresh = await refreshToken(send);
  const one = await tokenFor(send, refresh, 'repository:reg01/a:metadata_read');
  const names = await tokenFor(send, refresh, 'registry:catalog:*');
  assert.equal((await send('GET', '/acr/v1/reg01/a/_manifests', { authorization: one })).status, 200);
  for (const [method, path, authorization] of [
    ['GET', '/acr/v1/other/a', one],
    ['GET', '/acr/v1/reg01/a/b', one],
    ['GET', '/acr/v1/reg01%2Fa%2Fb/_tags', one],
    ['GET', '/acr/v1/_catalog', one],
    ['GET', '/v2/_catalog', one],
    ['GET', '/v2/reg01/a/manifests/v1', one],
    ['DELETE', '/acr/v1/reg01/a', one],
    ['DELETE', '/acr/v1/reg01/a/_tags/v1', one],
    ['GET', '/acr/v1/reg01/a', names],
    ['GET', '/v2/reg01/a/manifests/v1', names],
  ] as const) {
    const reply = await send(method, path, { authorization });
    assert.deepEqual([reply.status, codesIn(reply)], [401, ['UNAUTHORIZED']], `${method} ${path}`);
    assert.match(reply.headers['www-authenticate'] ?? '', /scope="[^"]+",error="insufficient_scope"$/);
  }
  // A star is a star of actions, never one of names.
  for (const scope of [
    'repository:*:pull',
    'repository:reg01/*:pull',
    'repository:reg01:*',
    'repository::*',
    'repository:REG01/a:*',
    'repository:reg01/a/../b:*',
  ]) {
    const reply = await ask(send, refresh, scope);
    if (reply.status === 200) assert.deepEqual(claimsOf(String(bodyOf(reply)['access_token']))['access'], [], scope);
    else assert.deepEqual([reply.status, codesIn(reply)], [400, ['NAME_INVALID']], scope);
  }
});

test('the token of a run, a bounded caller and nobody are exchanged for nothing', async (t) => {
  const run: Actor = {
    ...testActor,
    kind: 'run',
    bounds: { roles: 'ignored', rules: [] },
  };
  const callers: Readonly<Record<string, Actor>> = {
    'Bearer run': run,
    'Bearer bounded': { ...run, kind: 'user' },
    'Bearer nobody': anonymous,
  };
  const scheme = {
    name: 'callers',
    authenticate: (one: { header(name: string): string | undefined }) => callers[one.header('authorization') ?? ''],
  };
  const { send } = await openDoor(t, undefined, undefined, [scheme]);
  for (const token of ['run', 'bounded', 'nobody']) {
    const exchanged = await exchange(send, { access_token: token });
    assert.deepEqual([exchanged.status, codesIn(exchanged)], [403, ['DENIED']], token);
    const form = { grant_type: 'password', service, username: nobody, password: token, scope: 'registry:catalog:*' };
    assert.equal((await post(send, '/oauth2/token', form)).status, 403, token);
  }
});

test('forms of other services, unknown grants and sizes without bounds are refused, and no secret is recorded', async (t) => {
  const { send, audit } = await openDoor(t);
  const refresh = await refreshToken(send);
  for (const [path, form] of [
    ['/oauth2/exchange', { grant_type: 'access_token', service: 'other.azurecr.io', access_token: 'test' }],
    ['/oauth2/exchange', { grant_type: 'refresh_token', service, refresh_token: refresh }],
    ['/oauth2/exchange', { service, access_token: 'test' }],
    ['/oauth2/exchange', { grant_type: 'access_token', access_token: 'test' }],
    ['/oauth2/token', { grant_type: 'refresh_token', service: 'other', refresh_token: refresh }],
    ['/oauth2/token', { grant_type: 'authorization_code', service, refresh_token: refresh }],
    ['/oauth2/token', { grant_type: 'refresh_token', service, refresh_token: 'x'.repeat(20_000) }],
    ['/oauth2/token', { grant_type: 'refresh_token', service, refresh_token: refresh, scope: 'a '.repeat(30) }],
  ] as const) {
    const reply = await post(send, path, form as Record<string, string>);
    assert.deepEqual([reply.status, codesIn(reply)], [400, ['UNSUPPORTED']], `${path} ${reply.body.toString()}`);
  }
  const huge = await post(send, '/oauth2/exchange', { grant_type: 'x'.repeat(100_000), service });
  assert.equal(huge.status, 413);
  for (const path of ['/oauth2', '/oauth2/other', '/oauth2/token/more', '/acr', '/acr/v2/_catalog'])
    assert.equal((await send('GET', path)).status, 404, path);
  const recorded = JSON.stringify(audit.entries);
  assert.ok(!recorded.includes(refresh));
  assert.ok(audit.entries.some(({ intent }) => intent.operation === 'Acr_ExchangeAccessToken'));
});
