import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { testActor, testGrant } from '#kernel/testing/authority';
import { mediaTypes } from './index.ts';
import { client, code, codesIn, customerKey, digestOf, manifestOf, openDoor, pushBlob, type Send } from './testing.ts';

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const nobody = '00000000-0000-0000-0000-000000000000';

async function tokenOf(send: Send, scope: string, authorization?: string): Promise<string> {
  const query = scope === '' ? '' : `&scope=${scope}`;
  const reply = await send(
    'GET',
    `/v2/token?service=localhost:8443${query}`,
    authorization === undefined ? {} : { authorization },
  );
  assert.equal(reply.status, 200, reply.body.toString());
  const { token, access_token, expires_in } = JSON.parse(reply.body.toString()) as {
    token: string;
    access_token: string;
    expires_in: number;
  };
  assert.deepEqual([access_token, expires_in], [token, 900]);
  return `Bearer ${token}`;
}

async function pushImage(send: Send, name: string) {
  await pushBlob(send, name, '{}');
  const body = manifestOf('{}', []);
  await send('PUT', `/v2/${name}/manifests/v1`, { body, headers: { 'content-type': mediaTypes.ociManifest } });
  return digestOf(body);
}

test('who brings no credential is told where to get a token, and for what', async (t) => {
  const { send } = await openDoor(t);
  const base = await send('GET', '/v2/', { authorization: '' });
  assert.deepEqual([base.status, codesIn(base)], [401, ['UNAUTHORIZED']]);
  assert.equal(base.headers['docker-distribution-api-version'], 'registry/2.0');
  assert.equal(
    base.headers['www-authenticate'],
    'Bearer realm="https://localhost:8443/v2/token",service="localhost:8443"',
  );
  const push = await send('POST', '/v2/reg01/team/image/blobs/uploads/', { authorization: '' });
  assert.equal(push.status, 401);
  assert.match(push.headers['www-authenticate'] ?? '', /,scope="repository:reg01\/team\/image:pull,push"$/);
  const pull = await send('GET', '/v2/reg01/a/manifests/v1', { authorization: '' });
  assert.match(pull.headers['www-authenticate'] ?? '', /,scope="repository:reg01\/a:pull"$/);
  assert.equal((await send('GET', '/v2/token', { authorization: '' })).status, 401);
  assert.equal((await send('GET', '/v2/')).status, 200);
});

test('a client secret, an access token as password, and an access token itself are worth a token', async (t) => {
  const { send } = await openDoor(t);
  for (const authorization of [basic(client.id, client.secret), basic(nobody, 'test'), 'Bearer test']) {
    const token = await tokenOf(send, 'repository:reg01/a:pull,push', authorization);
    assert.equal((await send('GET', '/v2/', { authorization: token })).status, 200);
    const reply = await send('POST', '/v2/reg01/a/blobs/uploads/', { authorization: token });
    assert.equal(reply.status, 202, authorization);
  }
  for (const authorization of [
    basic(client.id, 'wrong'),
    basic(client.id, ''),
    basic(nobody, 'wrong'),
    basic('', ''),
    'Basic !',
    basic('x', client.secret),
  ])
    assert.equal((await send('GET', '/v2/token', { authorization })).status, 401, authorization);
  // A password is for the token endpoint and nowhere else.
  assert.equal((await send('GET', '/v2/', { authorization: basic(client.id, client.secret) })).status, 401);
});

test('a token says how who asked for it signed in', async (t) => {
  const { send, audit } = await openDoor(t);
  for (const [bearer, mfa, methods] of [
    ['test', false, []],
    ['second-factor', true, ['pwd', 'otp', 'mfa']],
  ] as const) {
    for (const authorization of [`Bearer ${bearer}`, basic(nobody, bearer)]) {
      const token = await tokenOf(send, 'repository:reg01/a:pull,push', authorization);
      assert.equal((await send('POST', '/v2/reg01/a/blobs/uploads/', { authorization: token })).status, 202);
      const { authentication } = audit.entries.at(-1)?.intent.actor ?? {};
      assert.deepEqual(
        [authentication?.method, authentication?.mfa, authentication?.methods],
        ['registryToken', mfa, methods],
      );
    }
  }
});

test('a token is a ceiling: it does what it lists, where it lists it', async (t) => {
  const { send } = await openDoor(t);
  await pushImage(send, 'reg01/a');
  const authorization = await tokenOf(send, 'repository:reg01/a:pull');
  assert.equal((await send('GET', '/v2/reg01/a/manifests/v1', { authorization })).status, 200);
  for (const [method, path] of [
    ['POST', '/v2/reg01/a/blobs/uploads/'],
    ['DELETE', '/v2/reg01/a/manifests/v1'],
    ['GET', '/v2/reg01/b/manifests/v1'],
    ['GET', '/v2/reg01/a/b/manifests/v1'],
  ] as const) {
    const reply = await send(method, path, { authorization });
    assert.equal(reply.status, 401, `${method} ${path}`);
    assert.match(reply.headers['www-authenticate'] ?? '', /error="insufficient_scope"$/);
  }
});

test('a mount needs a token that lists the source', async (t) => {
  const { send } = await openDoor(t);
  const digest = await pushBlob(send, 'reg01/a', 'x');
  const path = `/v2/reg01/b/blobs/uploads/?mount=${digest}&from=reg01/a`;
  const one = await tokenOf(send, 'repository:reg01/b:pull,push');
  assert.equal((await send('POST', path, { authorization: one })).status, 202);
  const both = await tokenOf(send, 'repository:reg01/b:pull,push&scope=repository:reg01/a:pull');
  assert.equal((await send('POST', path, { authorization: both })).status, 201);
});

test('roles, the directory and the time are asked again at every use of a token', async (t) => {
  const state = { allows: true };
  const { send, directory, clock } = await openDoor(t, () => state.allows);
  await pushImage(send, 'reg01/a');
  const authorization = await tokenOf(send, 'repository:reg01/a:pull');
  const pull = () => send('GET', '/v2/reg01/a/manifests/v1', { authorization });
  state.allows = false;
  const denied = await pull();
  assert.deepEqual([denied.status, codesIn(denied)], [403, ['DENIED']]);
  state.allows = true;
  assert.equal((await pull()).status, 200);
  const person = directory.get(testActor.objectId);
  assert.ok(person);
  directory.set(testActor.objectId, { ...person, standing: '2' });
  assert.equal((await pull()).status, 401);
  directory.set(testActor.objectId, person);
  assert.equal((await pull()).status, 200);
  // A token is no credential for the next one: it would live for ever.
  assert.equal((await send('GET', '/v2/token', { authorization })).status, 401);
  await clock.advance(1000 * 1000);
  assert.equal((await pull()).status, 401);
});

test('a token to pull an image pulls that repository and does nothing else', async (t) => {
  const { send, registry, id, kind, entry, addRegistry } = await openDoor(t);
  const digest = await pushImage(send, 'reg01/team/image');
  await pushImage(send, 'reg01/team/image/more');
  await pushImage(send, 'reg01/other');
  const ask = { registryId: id, repository: 'team/image', digest, ttlSeconds: 600 };
  const authorization = `Bearer ${await registry.pullToken(testGrant({ scope: id }), ask)}`;
  const manifest = await send('GET', `/v2/reg01/team/image/manifests/${digest}`, { authorization });
  assert.equal(manifest.status, 200);
  assert.equal((await send('GET', `/v2/reg01/team/image/blobs/${digestOf('{}')}`, { authorization })).status, 200);
  assert.equal((await send('GET', '/v2/', { authorization })).status, 200);
  const catalog = await send('GET', '/v2/_catalog', { authorization });
  assert.ok(!catalog.body.toString().includes('other'));
  for (const [method, path] of [
    ['GET', '/v2/reg01/other/manifests/v1'],
    ['GET', '/v2/reg01/team/image/more/manifests/v1'],
    ['POST', '/v2/reg01/team/image/blobs/uploads/'],
    ['PUT', '/v2/reg01/team/image/manifests/v2'],
    ['DELETE', `/v2/reg01/team/image/manifests/${digest}`],
    ['GET', '/v2/token'],
  ] as const)
    assert.equal((await send(method, path, { authorization })).status, 401, `${method} ${path}`);
  await assert.rejects(
    registry.pullToken(testGrant({ scope: id }), { ...ask, digest: digestOf('x') }),
    code('MANIFEST_UNKNOWN'),
  );
  await assert.rejects(
    registry.pullToken(testGrant({ scope: id }), { ...ask, ttlSeconds: 0 }),
    code('InvalidLifetime'),
  );
  await assert.rejects(registry.pullToken(testGrant({ scope: `${id}/repositories/other` }), ask), code('DENIED'));
  // A registry of the same name made anew is another one.
  await kind.remove?.(testGrant(), entry);
  await addRegistry('Reg01');
  assert.equal((await send('GET', '/v2/reg01/team/image/manifests/v1', { authorization })).status, 401);
});

test('tokens of other kinds and damaged ones open nothing', async (t) => {
  const { send, tokens } = await openDoor(t);
  const good = (await tokenOf(send, 'repository:reg01/a:pull')).slice('Bearer '.length);
  const common = {
    subject: testActor.objectId,
    ttlSeconds: 600,
    claims: { access: [{ type: 'repository', name: 'reg01/a', actions: ['pull'] }] },
  };
  const run = await tokens.issueToken({ ...common, purpose: 'run', audience: 'urn:strongroom:registry' });
  const elsewhere = await tokens.issueToken({ ...common, purpose: 'registry', audience: 'urn:other' });
  const [header, payload, signature] = good.split('.');
  const forged = Buffer.from(JSON.stringify({ sub: testActor.objectId })).toString('base64url');
  for (const token of [
    run.token,
    elsewhere.token,
    `${header}.${forged}.${signature}`,
    `${header}.${payload}.`,
    'x',
    'a.b.c',
    `${header}..`,
  ])
    assert.equal((await send('GET', '/v2/', { authorization: `Bearer ${token}` })).status, 401, token.slice(0, 20));
});

test("a customer's key that is refused answers 403 with the vault's word, to pulls and pushes alike", async (t) => {
  const { send, module, id, vault, clock } = await openDoor(t);
  await pushImage(send, 'reg01/a');
  await module.protect(testGrant({ scope: id }), id, customerKey);
  vault.refusal = new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key is disabled.' });
  await clock.advance(31_000);
  for (const [method, path] of [
    ['GET', '/v2/reg01/a/manifests/v1'],
    ['POST', '/v2/reg01/a/blobs/uploads/'],
    ['GET', '/v2/reg01/a/tags/list'],
  ] as const) {
    const reply = await send(method, path);
    assert.deepEqual([reply.status, codesIn(reply)], [403, ['DENIED']]);
    assert.match(reply.body.toString(), /The key is disabled\..*"reason":"KeyDisabled"/);
  }
  assert.deepEqual(JSON.parse((await send('GET', '/v2/_catalog')).body.toString()), { repositories: [] });
  vault.refusal = undefined;
  assert.equal((await send('GET', '/v2/reg01/a/manifests/v1')).status, 200);
});

test('hosts of accounts and vaults are not of this protocol', async (t) => {
  const { send } = await openDoor(t);
  assert.equal((await send('GET', '/v2/', { host: 'acct1.blob.storage.localhost:8443' })).status, 404);
});

test('a token says of what was asked for only what its caller may', async (t) => {
  const { send } = await openDoor(t, (action) => action.endsWith('/pull/read'));
  const listed = async (scope: string) => {
    const token = await tokenOf(send, scope);
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { access: unknown };
    return claims.access;
  };
  const pulls = { type: 'repository', name: 'reg01/a', actions: ['pull'] };
  assert.deepEqual(await listed('repository:reg01/a:pull,push,delete'), [pulls]);
  assert.deepEqual(await listed('repository:reg01/a:*'), [{ ...pulls, actions: ['pull', 'metadata_read'] }]);
  const catalog = { type: 'registry', name: 'catalog', actions: ['*'] };
  assert.deepEqual(await listed('registry:catalog:*'), [catalog]);
  assert.deepEqual(await listed('repository:reg01/a:push'), []);
  assert.deepEqual(await listed('repository:absent/a:pull'), []);
});
