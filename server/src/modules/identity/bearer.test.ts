// What an access token must be, one forgery after another; and tokens of other kinds, which must not pass as each other.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decodeJwt, exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { Failure } from '#kernel/errors/failure';
import { openIdentityBench, type Reply } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { boot, call, identity, clock } = bench;
const { directory, tokens } = identity;

const arm = 'https://management.azure.com/.default';
const me = (token: string) => call('/api/me', { headers: { authorization: `Bearer ${token}` } });
async function appToken(scope = arm): Promise<string> {
  const { clientId } = boot.automation;
  const form = { grant_type: 'client_credentials', client_id: clientId, scope };
  const secret = { client_secret: boot.credentials.clientSecret };
  const { body } = await call(`/${boot.tenantId}/oauth2/v2.0/token`, { form: { ...form, ...secret } });
  return String(body['access_token']);
}
function assertRefused(reply: Reply, code: string, words: RegExp): void {
  assert.equal(reply.status, 401, reply.text);
  const { error } = reply.body as { error: { code: string; message: string } };
  assert.equal(error.code, code);
  assert.match(error.message, words);
}

/** Signs with the server's own key: what only a leak of the key, or a mistake of ours, could make. */
async function signed(claims: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
  const bytes = await bench.secretStore.get('token-signing-keys');
  const [stored] = JSON.parse(new TextDecoder().decode(bytes)) as [{ kid: string; privateJwk: object }];
  const key = await importJWK(stored.privateJwk, 'RS256');
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: stored.kid, typ: 'at+jwt', ...header })
    .sign(key);
}
const genuine = await appToken();
const claims = decodeJwt(genuine);

test('a genuine token works, again and again', async () => {
  for (let time = 0; time < 3; time++) assert.equal((await me(genuine)).status, 200);
  assert.equal((await me(await signed(claims))).status, 200, 'the forgeries below differ from it in one thing each');
});

test('how, when and from where somebody signed in goes from the token to the actor', async () => {
  const factsOf = async (more: Record<string, unknown>) => {
    const { status, body } = await me(await signed({ ...claims, ...more }));
    assert.equal(status, 200);
    const { methods, mfa, at, from } = body['authentication'] as Record<string, unknown>;
    return { methods, mfa, at, from };
  };
  const at = claims['auth_time'];
  assert.equal(typeof at, 'number');
  assert.deepEqual(await factsOf({}), { methods: [], mfa: false, at, from: '127.0.0.1' });
  assert.deepEqual(await factsOf({ amr: ['pwd', 'otp', 'mfa'], auth_time: 7, ipaddr: '192.0.2.7' }), {
    methods: ['pwd', 'otp', 'mfa'],
    mfa: true,
    at: 7,
    from: '192.0.2.7',
  });
  assert.equal((await factsOf({ mfa: true, amr: 'mfa' })).mfa, false);
});

test('no token, and a header that is none', async () => {
  assert.equal((await call('/api/me')).status, 401);
  for (const authorization of ['Bearer', 'Bearer ', 'Bearer a b', `Bearer ${genuine} x`])
    assertRefused(await call('/api/me', { headers: { authorization } }), 'InvalidAuthenticationToken', /form: Bearer/);
});

test('what is no web token', async () => {
  for (const token of ['x', 'a.b', 'a.b.c', '..', `${genuine}.x`, genuine.slice(0, -10), '{}', '%00', 'null'])
    assertRefused(await me(token), 'InvalidAuthenticationToken', /access token/);
});

test('a token without a signature', async () => {
  const token = new UnsecuredJWT(claims).encode();
  assertRefused(await me(token), 'InvalidAuthenticationToken', /Only RS256/);
  const [, payload, signature] = genuine.split('.');
  for (const alg of ['none', 'None', 'NONE', '']) {
    const header = Buffer.from(JSON.stringify({ alg, typ: 'at+jwt' })).toString('base64url');
    assertRefused(await me(`${header}.${payload}.${signature}`), 'InvalidAuthenticationToken', /./);
    assertRefused(await me(`${header}.${payload}.`), 'InvalidAuthenticationToken', /./);
  }
});

test('a token that takes our public key for a shared secret', async () => {
  const { body } = await call(`/${boot.tenantId}/discovery/v2.0/keys`);
  const [key] = body['keys'] as [Record<string, string>];
  for (const secret of [JSON.stringify(key), key['n'] ?? '', Buffer.from(key['n'] ?? '', 'base64url')]) {
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: key['kid'] ?? '', typ: 'at+jwt' })
      .sign(Buffer.from(secret));
    assertRefused(await me(token), 'InvalidAuthenticationToken', /Only RS256/);
  }
});

test('a token of a key that is not ours, named as ours, embedded or linked', async () => {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  const { body } = await call(`/${boot.tenantId}/discovery/v2.0/keys`);
  const [ours] = body['keys'] as [{ kid: string }];
  for (const header of [
    { kid: ours.kid },
    { kid: 'theirs' },
    {},
    { jwk },
    { kid: ours.kid, jwk, jku: 'https://evil.example' },
  ]) {
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', ...header })
      .sign(privateKey);
    assertRefused(await me(token), 'InvalidAuthenticationToken', /signature|does not know/);
  }
});

test('a token whose content was changed', async () => {
  const [header, , signature] = genuine.split('.');
  const payload = Buffer.from(JSON.stringify({ ...claims, oid: boot.administrator.objectId })).toString('base64url');
  assertRefused(await me(`${header}.${payload}.${signature}`), 'InvalidAuthenticationToken', /signature/);
});

test('a token for another audience', async () => {
  assertRefused(
    await me(await appToken('https://vault.azure.net/.default')),
    'InvalidAuthenticationTokenAudience',
    /vault\.azure\.net.*management\.azure\.com/,
  );
  for (const aud of [['https://management.azure.com'], '', null, 'https://management.azure.com.evil.example', {}])
    assertRefused(await me(await signed({ ...claims, aud })), 'InvalidAuthenticationTokenAudience', /audience/);
});

test('trailing slashes and case do not make another audience', async () => {
  assert.equal((await me(await signed({ ...claims, aud: 'https://management.azure.com/' }))).status, 200);
  assert.equal((await me(await signed({ ...claims, aud: 'HTTPS://Management.Azure.com' }))).status, 200);
});

test('a token of another tenant or issuer', async () => {
  const stranger = '99999999-9999-4999-8999-999999999999';
  assertRefused(await me(await signed({ ...claims, tid: stranger })), 'InvalidAuthenticationTokenTenant', /tenant/);
  for (const iss of [`https://evil.example/${boot.tenantId}/v2.0`, `${bench.origin}/${stranger}/v2.0`, '', null])
    assertRefused(await me(await signed({ ...claims, iss })), 'InvalidAuthenticationToken', /name/);
});

test('a token without times, too old, too early; a minute of skew is allowed', async () => {
  const now = Math.floor(clock.epochMs() / 1000);
  const { exp: _exp, ...endless } = claims;
  assertRefused(await me(await signed(endless)), 'InvalidAuthenticationToken', /when it is valid/);
  assertRefused(await me(await signed({ ...claims, exp: '9999999999' })), 'InvalidAuthenticationToken', /when/);
  assertRefused(
    await me(await signed({ ...claims, exp: now - 61 })),
    'ExpiredAuthenticationToken',
    /expired at .*Sign in/,
  );
  assert.equal((await me(await signed({ ...claims, exp: now - 50 }))).status, 200);
  assertRefused(await me(await signed({ ...claims, nbf: now + 120 })), 'InvalidAuthenticationToken', /clocks/);
  assert.equal((await me(await signed({ ...claims, nbf: now + 50 }))).status, 200);
});

test('a token that was good a moment ago expires although it is remembered', async () => {
  const token = await appToken();
  assert.equal((await me(token)).status, 200);
  clock.jump(3_700_000);
  assertRefused(await me(token), 'ExpiredAuthenticationToken', /expired/);
  clock.jump(-3_700_000);
});

test('a token that is too long', async () => {
  assertRefused(await me(`${genuine}${'x'.repeat(16_384)}`), 'InvalidAuthenticationToken', /longer than 16384/);
});

test('an ID token and a token of another kind are no access tokens', async () => {
  assertRefused(await me(await signed(claims, { typ: 'JWT' })), 'InvalidAuthenticationToken', /another kind/);
  const run = await tokens.issueToken({
    purpose: 'run',
    audience: 'https://management.azure.com',
    subject: boot.administrator.objectId,
    claims: { tid: boot.tenantId, oid: boot.administrator.objectId, iss: claims.iss, typ: 'at+jwt' },
    ttlSeconds: 60,
  });
  assertRefused(await me(run.token), 'InvalidAuthenticationToken', /another kind/);
});

test('a principal that was disabled, removed, or whose password changed is refused at once, and for good', async () => {
  const made = await bench.database.write((tx) => directory.createApplication(tx, { name: 'short-lived' }));
  const theirs = { ...claims, oid: made.objectId, sub: made.objectId, standing: '1' };
  const token = await signed(theirs);
  assert.equal((await me(token)).status, 200);
  await bench.database.write((tx) => directory.setEnabled(tx, made.objectId, false));
  assertRefused(await me(token), 'InvalidAuthenticationToken', /removed or disabled/);
  await bench.database.write((tx) => directory.setEnabled(tx, made.objectId, true));
  assertRefused(await me(token), 'InvalidAuthenticationToken', /disabled for a time.*Sign in again/);
  const later = await signed({ ...theirs, standing: '2' });
  assert.equal((await me(later)).status, 200);
  await bench.database.write((tx) => directory.removePrincipal(tx, made.objectId));
  assertRefused(await me(later), 'InvalidAuthenticationToken', /removed or disabled/);

  const passwordHash = await directory.hashPassword('a long enough password');
  const user = { userName: 'ada@strongroom.local', displayName: 'Ada', passwordHash };
  const { objectId } = await bench.database.write((tx) => directory.createUser(tx, user));
  const hers = await signed({ ...claims, oid: objectId, standing: '1' });
  assert.equal((await me(hers)).status, 200);
  // The clock stands still: what is compared is no time.
  await bench.database.write((tx) => directory.setPasswordHash(tx, objectId, passwordHash));
  assertRefused(await me(hers), 'InvalidAuthenticationToken', /new password/);
});

test('whoever is renamed acts under the new name at once, with the token that he has', async () => {
  const made = await bench.database.write((tx) => directory.createApplication(tx, { name: 'before' }));
  const token = await signed({ ...claims, oid: made.objectId, sub: made.objectId, standing: '1' });
  assert.equal((await me(token)).body['name'], 'before');
  await bench.database.write((tx) => directory.rename(tx, made.objectId, 'after'));
  assert.equal((await me(token)).body['name'], 'after');
});

test('a token from before there were generations, or with another word for what it stands on, is refused', async () => {
  const { standing, ...before } = claims;
  const generation = String(standing).split('.')[0] ?? '';
  assertRefused(await me(await signed(before)), 'InvalidAuthenticationToken', /stands on. Sign in again/);
  for (const other of [
    1,
    null,
    '',
    ' 1',
    '1 ',
    '01x',
    '-1',
    '1e0',
    `${generation}.secret`,
    `${generation}.else.1`,
    ['1'],
  ])
    assertRefused(await me(await signed({ ...claims, standing: other })), 'InvalidAuthenticationToken', /stands on/);
  const strange = `${generation}.secret.99999999-9999-4999-8999-999999999999`;
  assertRefused(await me(await signed({ ...claims, standing: strange })), 'InvalidAuthenticationToken', /secret/);
  const nowhere = `${generation}.grant.${'0'.repeat(64)}`;
  assertRefused(await me(await signed({ ...claims, standing: nowhere })), 'InvalidAuthenticationToken', /sign-in/);
});

test('the token of a managed identity says whose it is, and ends with the resource', async () => {
  const resourceId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/W';
  const made = await bench.database.write((tx) => directory.createManagedIdentity(tx, { resourceId, name: 'W' }));
  const again = await bench.database.write((tx) =>
    directory.createManagedIdentity(tx, { resourceId: resourceId.toUpperCase(), name: 'other' }),
  );
  assert.deepEqual(again, made);
  assert.deepEqual(await directory.findManagedIdentity(resourceId), { ...made, name: 'W' });
  const resource = 'https://management.azure.com/';
  const issued = await identity.issueAccessToken({ objectId: made.objectId, resource, origin: bench.origin });
  assert.equal(issued.clientId, made.clientId);
  assert.equal(decodeJwt(issued.accessToken)['xms_mirid'], resourceId);
  const { body } = await me(issued.accessToken);
  assert.equal(body['kind'], 'managedIdentity');
  assert.equal(body['name'], 'W');
  await assert.rejects(
    identity.issueAccessToken({ objectId: made.objectId, resource: 'https://evil.example', origin: bench.origin }),
    (error) => error instanceof Failure && error.code === 'invalid_scope',
  );
  await assert.rejects(
    identity.issueAccessToken({ objectId: boot.administrator.objectId, resource, origin: bench.origin }),
    (error) => error instanceof Failure && error.code === 'IdentityNotFound',
  );
  await bench.database.write((tx) => directory.removeManagedIdentity(tx, resourceId));
  assertRefused(await me(issued.accessToken), 'InvalidAuthenticationToken', /removed/);
});

const refused = (code: string) => (error: unknown) =>
  error instanceof Failure && error.kind === 'unauthenticated' && error.code === code;

test('a token of one purpose and audience serves no other', async () => {
  const { token } = await tokens.issueToken({
    purpose: 'run',
    audience: 'workspace-1',
    subject: 'run-1',
    claims: { purpose: 'agent', aud: 'workspace-2', sub: 'run-2', extra: 1 },
    ttlSeconds: 60,
  });
  const read = await tokens.verifyToken(token, { purpose: 'run', audience: 'workspace-1' });
  assert.equal(read.sub, 'run-1');
  assert.equal(read['extra'], 1);
  const invalid = refused('InvalidAuthenticationToken');
  await assert.rejects(tokens.verifyToken(token, { purpose: 'agent', audience: 'workspace-1' }), invalid);
  await assert.rejects(tokens.verifyToken(token, { purpose: 'run', audience: 'workspace-2' }), invalid);
  await assert.rejects(tokens.verifyToken(genuine, { purpose: 'at', audience: String(claims.aud) }), invalid);
  await assert.rejects(tokens.issueToken({ purpose: 'At+', audience: 'a', subject: 'b', ttlSeconds: 60 }));
  await assert.rejects(tokens.issueToken({ purpose: 'run', audience: 'a', subject: 'b', ttlSeconds: 8 * 86_400 }));
});

test('a token of ours expires, and a revoked one is refused even by a server that starts later', async () => {
  const expected = { purpose: 'run', audience: 'w' };
  const issue = () => tokens.issueToken({ ...expected, subject: 's', ttlSeconds: 60 });
  const short = await issue();
  clock.jump(121_000);
  await assert.rejects(tokens.verifyToken(short.token, expected), refused('ExpiredAuthenticationToken'));

  const revoked = await issue();
  await tokens.verifyToken(revoked.token, expected);
  await tokens.revoke(revoked.tokenId, revoked.expiresAt);
  await tokens.revoke(revoked.tokenId, revoked.expiresAt);
  await assert.rejects(tokens.verifyToken(revoked.token, expected), refused('RevokedAuthenticationToken'));
  await identity.start?.();
  await assert.rejects(tokens.verifyToken(revoked.token, expected), refused('RevokedAuthenticationToken'));
});
