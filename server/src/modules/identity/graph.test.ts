// The directory as a command line uses it: looking people up, making and removing them, and who may not.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { publicClients } from '@strongroom/contract/public-clients';
import { Failure } from '#kernel/errors/failure';
import { silentTelemetry } from '#kernel/telemetry/telemetry';
import { testActor, testGrant } from '#kernel/testing/authority';
import { createAttempts } from './attempts.service.ts';
import { createGraph } from './graph.service.ts';
import { readGraphFilter } from './graph-filter.rules.ts';
import { createPasswords } from './passwords.service.ts';
import { createSignIn } from './sign-in.service.ts';
import { formOf, openIdentityBench, pkce, type Sent } from './testing.ts';

// Applications may do everything, people nothing that needs an action.
const bench = await openIdentityBench((_action, _scope, actor) => actor.kind === 'application');
after(() => bench.close());
const { boot, call } = bench;
const v1 = '/msgraph/v1.0';
const scope = `${bench.origin}/msgraph//.default`;

const { body: issued } = await call('/adfs/oauth2/v2.0/token', {
  form: {
    grant_type: 'client_credentials',
    client_id: boot.automation.clientId,
    client_secret: boot.credentials.clientSecret,
    scope,
  },
});
const send = (path: string, method = 'GET', body?: unknown, token = String(issued['access_token'])) => {
  const sent: Sent = {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { form: JSON.stringify(body) }),
  };
  return call(path.startsWith('https:') ? path : `${v1}${path}`, sent);
};
const values = (body: Readonly<Record<string, unknown>>) => body['value'] as readonly Record<string, unknown>[];

async function userToken(userName: string, password: string): Promise<string | undefined> {
  const { verifier, challenge } = pkce();
  const redirect_uri = `${bench.origin}/portal/`;
  const query = { client_id: publicClients.portal, redirect_uri, scope, response_type: 'code' };
  const browser = bench.browser();
  const proof = { code_challenge: challenge, code_challenge_method: 'S256' };
  const page = await browser.follow(`/common/oauth2/v2.0/authorize?${new URLSearchParams({ ...query, ...proof })}`);
  const { action, fields } = formOf(page);
  const posted = await browser.open(action, { form: { ...fields, userName, password } });
  if (posted.status !== 303) return undefined;
  const back = await browser.open(posted.location);
  const code = new URL(back.location).searchParams.get('code') ?? '';
  const form = { grant_type: 'authorization_code', client_id: publicClients.portal, code, code_verifier: verifier };
  const { body } = await call('/common/oauth2/v2.0/token', { form: { ...form, redirect_uri, scope } });
  return String(body['access_token']);
}

test('without a token there is a challenge, and a token for something else is refused', async () => {
  const reply = await call(`${v1}/users`);
  assert.equal(reply.status, 401);
  assert.match(String(reply.headers['www-authenticate']), /^Bearer .*authorization_uri/);
  assert.equal(typeof (reply.body['error'] as Record<string, unknown>)['innerError'], 'object');
});

test('the look-ups of the command line find users and service principals, and no groups', async () => {
  const find = async (path: string) => values((await send(path)).body).map((one) => one['id']);
  const { objectId, userName } = boot.administrator;
  const { clientId } = boot.automation;
  assert.deepEqual(await find(`/users?$filter=userPrincipalName eq '${userName.toUpperCase()}'`), [objectId]);
  const names = encodeURIComponent(`servicePrincipalNames/any(c:c eq '${clientId}')`);
  assert.deepEqual(await find(`/servicePrincipals?$filter=${names}`), [boot.automation.objectId]);
  assert.deepEqual(await find(`/servicePrincipals?$filter=appId eq '${clientId}'`), [boot.automation.objectId]);
  assert.deepEqual(await find(`/users?$filter=displayName eq 'Administrator'`), [objectId]);
  assert.deepEqual(await find(`/users?$filter=id eq '${boot.automation.objectId}'`), []);
  assert.deepEqual(await find(`/groups?$filter=displayName eq 'x'`), []);
  const { body } = await send('/directoryObjects/getByIds', 'POST', {
    ids: [objectId, boot.automation.objectId, '00000000-0000-0000-0000-000000000000'],
    types: ['user', 'group', 'servicePrincipal', 'directoryObjectPartnerReference'],
  });
  assert.equal(values(body).length, 2);
  assert.equal((await send('/me')).body['id'], boot.automation.objectId);
});

test('filters that are not understood are refused, never ignored', () => {
  for (const filter of [
    "startswith(userPrincipalName,'a')",
    "startswith(displayName,'a') or id eq 'b'",
    "id eq 'a' or id eq 'b'",
    "x eq 'a'",
    "id eq 'a''",
    `id eq '${'a'.repeat(2000)}'`,
  ])
    assert.throws(
      () => readGraphFilter(filter),
      (error) => error instanceof Failure && error.code === 'Request_UnsupportedQuery',
    );
  assert.deepEqual(readGraphFilter("displayName eq 'O''Brien'"), { property: 'displayName', value: "O'Brien" });
  assert.deepEqual(readGraphFilter("startswith(displayName,'O''B')"), {
    property: 'displayName',
    value: "O'B",
    isPrefix: true,
  });
  assert.equal(readGraphFilter(''), undefined);
});

test('names are found by how they begin, and nothing in the text is a pattern', async () => {
  const find = async (text: string) =>
    values((await send(`/servicePrincipals?$filter=${encodeURIComponent(`startswith(displayName,'${text}')`)}`)).body);
  const made = await send('/applications', 'POST', { displayName: '100% Sure_\\thing' });
  assert.equal(made.status, 201, made.text);
  for (const text of ['100% sure', '100% SURE_\\th', '100% Sure_\\thing'])
    assert.deepEqual(
      (await find(text)).map((one) => one['id']),
      [made.body['id']],
      text,
    );
  for (const text of ['1%', '100%%', '100_', '100% SureX', '%']) assert.deepEqual(await find(text), [], text);
  assert.equal((await send(`/applications/${made.body['id']}`, 'DELETE')).status, 204);
});

test('a user is made, signs in, changes the password, is disabled and removed', async () => {
  const user = {
    accountEnabled: true,
    displayName: 'Grace',
    mailNickname: 'grace',
    userPrincipalName: 'grace@strongroom.local',
    passwordProfile: { password: 'correct horse battery', forceChangePasswordNextSignIn: false },
  };
  const made = await send('/users', 'POST', user);
  assert.equal(made.status, 201, made.text);
  assert.equal((await send('/users', 'POST', user)).status, 409);
  assert.equal(
    (await send('/users', 'POST', { ...user, userPrincipalName: 'x@y', passwordProfile: { password: 'x' } })).status,
    400,
  );
  const id = String(made.body['id']);
  assert.equal((await send(`/users/${user.userPrincipalName}`)).body['id'], id);

  const token = await userToken(user.userPrincipalName, user.passwordProfile.password);
  assert.equal((await send('/me', 'GET', undefined, token)).body['id'], id);
  assert.equal((await send('/users', 'POST', user, token)).status, 403);
  assert.equal((await send(`/users/${id}`, 'DELETE', undefined, token)).status, 403);
  assert.equal((await send('/applications', 'POST', { displayName: 'x' }, token)).status, 403);

  const change = (currentPassword: string) =>
    send('/me/changePassword', 'POST', { currentPassword, newPassword: 'another good password' }, token);
  assert.equal((await change('not the password')).status, 400);
  await bench.clock.advance(2000);
  assert.equal((await change(user.passwordProfile.password)).status, 204);
  assert.equal((await send('/me', 'GET', undefined, token)).status, 401, 'what the old password gave is over');
  assert.equal(await userToken(user.userPrincipalName, user.passwordProfile.password), undefined);
  const second = await userToken(user.userPrincipalName, 'another good password');
  assert.equal((await send('/me', 'GET', undefined, second)).status, 200);

  assert.equal((await send(`/users/${id}`, 'PATCH', { accountEnabled: false })).status, 204);
  assert.equal((await send('/me', 'GET', undefined, second)).status, 401);
  assert.equal((await send(`/users/${id}`, 'DELETE')).status, 204);
  assert.equal((await send(`/users/${id}`)).status, 404);
  const recorded = JSON.stringify(bench.audit.entries);
  assert.ok(recorded.includes('Graph_CreateUser') && recorded.includes('grace@strongroom.local'));
  for (const secret of [user.passwordProfile.password, 'another good password']) assert.ok(!recorded.includes(secret));
});

test('a password that an administrator gives meanwhile is not overwritten by whoever knew the old one', async () => {
  const { database, clock, identity } = bench;
  const passwords = createPasswords();
  const old = 'correct horse battery';
  const { directory } = identity;
  const passwordHash = await directory.hashPassword(old);
  const { objectId } = await database.write((tx) =>
    directory.createUser(tx, { userName: 'taken@strongroom.local', displayName: 'Taken', passwordHash }),
  );
  const given = await directory.hashPassword('given by an administrator');
  const graph = createGraph({
    database,
    clock,
    directory: {
      ...directory,
      async hashPassword(...asked) {
        await database.write((tx) => directory.setPasswordHash(tx, objectId, given));
        return await directory.hashPassword(...asked);
      },
    },
    signIn: createSignIn({
      database,
      clock,
      passwords,
      attempts: createAttempts({ database, clock, telemetry: silentTelemetry }),
      directory,
    }),
    leaving: (_objectId, _how, leave) => database.write(leave),
  });
  const grant = testGrant({ scope: '/', actor: { ...testActor, objectId } });
  await assert.rejects(
    graph.changeOwnPassword(grant, old, 'chosen by a thief in time'),
    (error: unknown) => error instanceof Failure && error.code === 'AccountChanged',
  );
  assert.notEqual(await userToken('taken@strongroom.local', 'given by an administrator'), undefined);
  assert.equal(await userToken('taken@strongroom.local', 'chosen by a thief in time'), undefined);
});

test('what is given is done, or refused by name, and then nothing was', async () => {
  const user = {
    displayName: 'Mary',
    mailNickname: 'mary',
    userPrincipalName: 'mary@strongroom.local',
    passwordProfile: { password: 'correct horse battery', forceChangePasswordNextSignIn: true },
  };
  const refused = async (method: string, path: string, body: object, word: RegExp) => {
    const reply = await send(path, method, body);
    assert.equal(reply.status, 400, `${path} ${JSON.stringify(body)} ${reply.text}`);
    assert.match(reply.text, word);
  };
  await refused('POST', '/users', { ...user, nonsense: 1 }, /'nonsense' is not served/);
  await refused('POST', '/users', { ...user, mailNickname: 'other' }, /'mailNickname'.*no mail/);
  await refused('POST', '/users', { ...user, userType: 'Guest' }, /'userType'/);
  const withMfa = { ...user.passwordProfile, forceChangePasswordNextSignInWithMfa: true };
  await refused('POST', '/users', { ...user, passwordProfile: withMfa }, /second factor/);
  for (const password of ['password1234', 'mary@strongroom.local'])
    await refused('POST', '/users', { ...user, passwordProfile: { password } }, /tried first/);
  assert.equal((await send(`/users/${user.userPrincipalName}`)).status, 404, 'nothing was done');
  const made = await send('/users', 'POST', { ...user, accountEnabled: false, jobTitle: null, businessPhones: [] });
  assert.equal(made.status, 201, made.text);
  assert.equal(made.body['accountEnabled'], false);
  const id = String(made.body['id']);
  const patch = (body: object) => send(`/users/${id}`, 'PATCH', body);
  assert.equal((await patch({ displayName: 'Mary S.', accountEnabled: true })).status, 204);
  const { body } = await send(`/users/${id}`);
  assert.deepEqual([body['displayName'], body['accountEnabled']], ['Mary S.', true]);
  await refused('PATCH', `/users/${id}`, { nonsense: 1 }, /'nonsense'/);
  await refused('PATCH', `/users/${id}`, { userPrincipalName: 'm@strongroom.local' }, /keeps the name/);
  await refused('PATCH', `/users/${id}`, { displayName: 'x', jobTitle: 'y' }, /'jobTitle'/);
  assert.equal((await send(`/users/${id}`)).body['displayName'], 'Mary S.');

  const mustChange = async (password: string) => {
    const browser = bench.browser();
    const redirect_uri = `${bench.origin}/portal/`;
    const query = { client_id: publicClients.portal, redirect_uri, scope, response_type: 'code' };
    const proof = { code_challenge: pkce().challenge, code_challenge_method: 'S256' };
    const page = await browser.follow(`/common/oauth2/v2.0/authorize?${new URLSearchParams({ ...query, ...proof })}`);
    const { action, fields } = formOf(page);
    const posted = await browser.open(action, { form: { ...fields, userName: user.userPrincipalName, password } });
    return posted.status === 303 ? false : /Choose a new password/.test(posted.text) ? true : posted.status;
  };
  assert.equal(await mustChange('correct horse battery'), true, 'as it was made');
  assert.equal((await patch({ passwordProfile: { forceChangePasswordNextSignIn: false } })).status, 204);
  assert.equal(await mustChange('correct horse battery'), false);
  const password = 'another good password';
  assert.equal((await patch({ passwordProfile: { password } })).status, 204);
  assert.equal(await mustChange(password), true, 'a password that somebody else gave');
  assert.equal((await patch({ passwordProfile: { password, forceChangePasswordNextSignIn: false } })).status, 204);
  assert.equal(await mustChange(password), false);
  assert.equal(await mustChange('correct horse battery'), 401);

  assert.deepEqual((await send(`/users/${id}/memberOf`)).body, { value: [] });
  assert.deepEqual((await send(`/users/${id}/getMemberGroups`, 'POST', { securityEnabledOnly: true })).body, {
    value: [],
  });
  assert.equal((await send('/users/nobody/memberOf')).status, 404);
  assert.equal((await send(`/users/${id}`, 'DELETE')).status, 204);
});

test('an application takes no certificate that nobody would know, and says so', async () => {
  const application = { displayName: 'with a certificate', signInAudience: 'AzureADMyOrg', keyCredentials: [] };
  const key = { type: 'AsymmetricX509Cert', usage: 'Verify', key: 'AAAA' };
  for (const [body, word] of [
    [{ ...application, keyCredentials: [key] }, /Certificates are not accepted.*client secret/],
    [{ ...application, signInAudience: 'AzureADMultipleOrgs' }, /'signInAudience'/],
    [{ ...application, web: { redirectUris: ['https://x'] } }, /'web' is not served/],
    [{ ...application, nonsense: true }, /'nonsense'/],
  ] as const) {
    const reply = await send('/applications', 'POST', body);
    assert.equal(reply.status, 400, reply.text);
    assert.match(reply.text, word);
  }
  const made = await send('/applications', 'POST', { ...application, web: { redirectUris: [] }, appRoles: null });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual([made.body['keyCredentials'], made.body['requiredResourceAccess']], [[], []]);
  const { id, appId } = made.body as { id: string; appId: string };
  assert.equal((await send(`/applications/${id}`, 'PATCH', { keyCredentials: [key] })).status, 400);
  assert.equal((await send(`/applications/${id}`, 'PATCH', { displayName: 'renamed' })).status, 204);
  assert.equal((await send(`/servicePrincipals/${id}`)).body['displayName'], 'renamed');
  assert.equal((await send(`/servicePrincipals/${id}`, 'PATCH', { tags: ['x'] })).status, 400);
  assert.equal((await send('/servicePrincipals', 'POST', { appId, accountEnabled: true })).status, 201);
  assert.equal((await send('/servicePrincipals', 'POST', { appId, keyCredentials: [key] })).status, 400);
  const later = { passwordCredential: { startDateTime: '2999-01-01T00:00:00Z' } };
  assert.equal((await send(`/applications/${id}/addPassword`, 'POST', later)).status, 400);
  for (const list of ['owners', 'federatedIdentityCredentials'])
    assert.deepEqual((await send(`/applications/${id}/${list}`)).body, { value: [] });
  assert.equal((await send(`/applications/${id}`, 'DELETE')).status, 204);
});

test('every sign-in of a user is ended, by an administrator or by the user, and no application’s', async () => {
  const passwordProfile = { password: 'correct horse battery' };
  const user = { displayName: 'Hedy', userPrincipalName: 'hedy@strongroom.local', passwordProfile };
  const { body: made } = await send('/users', 'POST', user);
  const first = await userToken(user.userPrincipalName, passwordProfile.password);
  assert.deepEqual((await send(`/users/${made['id']}/revokeSignInSessions`, 'POST')).body, { value: true });
  assert.equal((await send('/me', 'GET', undefined, first)).status, 401);
  const second = await userToken(user.userPrincipalName, passwordProfile.password);
  assert.equal((await send(`/users/${made['id']}/revokeSignInSessions`, 'POST', undefined, second)).status, 403);
  assert.equal((await send('/me/revokeSignInSessions', 'POST', undefined, second)).status, 200);
  assert.equal((await send('/me', 'GET', undefined, second)).status, 401);
  assert.equal((await send(`/users/${boot.automation.objectId}/revokeSignInSessions`, 'POST')).status, 404);
  assert.equal((await send('/me/revokeSignInSessions', 'POST')).status, 404, 'an application has secrets, no sessions');
  assert.equal((await send(`/users/${made['id']}`, 'DELETE')).status, 204);
});

test('an application is made with a secret that works until it is removed', async () => {
  const made = await send('/applications', 'POST', { displayName: 'pipeline', signInAudience: 'AzureADMyOrg' });
  assert.equal(made.status, 201, made.text);
  const { id, appId } = made.body as { id: string; appId: string };
  assert.equal((await send('/servicePrincipals', 'POST', { appId })).body['id'], id);
  const wanted = {
    passwordCredential: {
      displayName: 'rbac',
      endDateTime: new Date(bench.clock.epochMs() + 86_400_000 * 30).toISOString(),
    },
  };
  const { body } = await send(`/applications/${id}/addPassword`, 'POST', wanted);
  const token = () =>
    call('/adfs/oauth2/token', {
      form: {
        grant_type: 'client_credentials',
        client_id: appId,
        client_secret: String(body['secretText']),
        resource: 'https://management.azure.com/',
      },
    });
  assert.equal((await token()).status, 200);
  const told = await send(`/applications/${id}`);
  assert.deepEqual(told.body['passwordCredentials'], [
    {
      keyId: body['keyId'],
      displayName: 'rbac',
      startDateTime: body['startDateTime'],
      endDateTime: body['endDateTime'],
    },
  ]);
  assert.ok(!told.text.includes(String(body['secretText'])));
  assert.equal((await send(`/applications/${id}/removePassword`, 'POST', { keyId: body['keyId'] })).status, 204);
  assert.equal((await token()).status, 401);
  assert.equal((await send(`/servicePrincipals/${id}`, 'DELETE')).status, 204);
});

test('nobody removes himself, and a resource keeps its identity', async () => {
  const self = boot.automation.objectId;
  assert.equal((await send(`/servicePrincipals/${self}`, 'DELETE')).status, 400);
  assert.equal((await send(`/servicePrincipals/${self}`, 'PATCH', { accountEnabled: false })).status, 400);
  const { directory } = bench.identity;
  const identity = await bench.database.write((tx) =>
    directory.createManagedIdentity(tx, { resourceId: '/subscriptions/s/resourceGroups/g', name: 'w' }),
  );
  assert.equal((await send(`/servicePrincipals/${identity.objectId}`, 'DELETE')).status, 400);
  assert.equal((await send(`/applications/${identity.objectId}/addPassword`, 'POST', {})).status, 400);
});

test('a long list comes in pages', async () => {
  await bench.database.write(async (tx) => {
    for (let at = 0; at < 5; at++) await bench.identity.directory.createApplication(tx, { name: `app ${at}` });
  });
  const seen = new Set<unknown>();
  let next: string | undefined = '/servicePrincipals?$top=2';
  for (let pages = 0; next !== undefined && pages < 20; pages++) {
    const { body }: { body: Readonly<Record<string, unknown>> } = await send(next);
    for (const one of values(body)) seen.add(one['id']);
    next = body['@odata.nextLink'] as string | undefined;
  }
  assert.equal(seen.size, 7);
  assert.equal((await send('/users?$top=1000000')).status, 400);
});
