// Connections behind the real door: what is kept and shown, who is given the credentials, and what is refused by its name.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { connectionsType } from '@strongroom/contract/connections.actions';
import { closeScanPool } from '#kernel/database/database';
import { openLab } from '../../../test/lab/lab.fixture.ts';
import { authTypes } from './connections.data.ts';

after(() => closeScanPool());

const git = {
  authType: 'PAT',
  category: 'Git',
  target: 'https://git.example.com/team',
  credentials: { pat: 'a-token-of-the-team' },
};

async function openBench(t: TestContext) {
  const lab = await openLab(t);
  const workspace = await lab.workspace('Vision');
  const idOf = (name: string) => `${workspace}/connections/${name}`;
  const put = (name: string, properties: object, who = lab.owner) =>
    lab.call(who, 'PUT', idOf(name), { body: { properties } });
  const secrets = (name: string, who = lab.owner) => lab.call(who, 'POST', `${idOf(name)}/listsecrets`);
  /** What is given out to who may have it. */
  const given = async (name: string) => {
    const { status, body, bytes } = await secrets(name);
    assert.equal(status, 200, bytes.toString());
    return body.properties.credentials;
  };
  const refused = async (properties: object, name = 'other') => {
    const { status, body, bytes } = await put(name, properties);
    assert.equal(status, 400, bytes.toString());
    return { code: body.error.code as string, message: body.error.message as string, text: bytes.toString() };
  };
  return { lab, workspace, idOf, put, secrets, given, refused };
}

test('a connection is kept and shown without its credentials, and they are given out by listSecrets alone', async (t) => {
  const { lab, workspace, idOf, put, secrets, given } = await openBench(t);
  const made = await put('team-git', { ...git, metadata: { team: 'vision' } });
  assert.equal(made.status, 200, made.bytes.toString());
  const shown = {
    authType: 'PAT',
    category: 'Git',
    target: 'https://git.example.com/team',
    metadata: { team: 'vision' },
    isSharedToAll: true,
    sharedUserList: [],
    credentials: null,
    provisioningState: 'Succeeded',
  };
  assert.deepEqual(made.body.properties, shown);
  assert.deepEqual((await lab.must(lab.owner, 'GET', idOf('team-git'))).body.properties, shown);
  const listed = await lab.must(lab.owner, 'GET', `${workspace}/connections?includeAll=false`);
  assert.deepEqual(
    listed.body.value.map((one: { name: string; properties: object }) => [one.name, one.properties]),
    [['team-git', shown]],
  );
  const { body } = await secrets('team-git');
  assert.equal(body.id, idOf('team-git'));
  assert.equal(body.type, connectionsType);
  assert.equal(body.properties.target, git.target);
  assert.deepEqual(body.properties.credentials, git.credentials);
  await lab.restart();
  assert.deepEqual(await given('team-git'), git.credentials);
});

test('every way to sign in is kept as it was sent', async (t) => {
  const { put, given } = await openBench(t);
  const all: Readonly<Record<keyof typeof authTypes, object | null>> = {
    None: null,
    AAD: null,
    ManagedIdentity: { clientId: 'c', resourceId: '/some/identity' },
    PAT: { pat: 'p' },
    SAS: { sas: 'sv=2021&sig=s' },
    AccountKey: { sas: 'the-key-of-an-account' },
    ApiKey: { key: 'k' },
    AccessKey: { accessKeyId: 'a', secretAccessKey: 's' },
    UsernamePassword: { username: 'u', password: 'p', securityToken: 't' },
    ServicePrincipal: { clientId: 'c', clientSecret: 's', tenantId: 't' },
    CustomKeys: { keys: { one: '1', two: '2' } },
    OAuth2: {
      ...{ authUrl: 'https://x', clientId: 'c', clientSecret: 's', developerToken: 'd' },
      ...{ password: 'p', refreshToken: 'r', tenantId: 't', username: 'u' },
    },
  };
  assert.deepEqual(Object.keys(all), Object.keys(authTypes));
  for (const [authType, credentials] of Object.entries(all)) {
    const made = await put(`by-${authType}`, { authType, category: 'CustomKeys', target: 'x', credentials });
    assert.equal(made.status, 200, `${authType}: ${made.bytes}`);
    assert.deepEqual(await given(`by-${authType}`), credentials);
  }
});

test('Azure’s spelling of category and authType does not matter, and lists narrow by them', async (t) => {
  const { lab, workspace, put } = await openBench(t);
  await put('team-git', { ...git, authType: 'pat', category: 'git' });
  await put('packages', { ...git, category: 'pythonFeed', target: 'https://feed.example.com/simple' });
  const names = async (query: string) =>
    (await lab.must(lab.owner, 'GET', `${workspace}/connections?${query}`)).body.value.map(
      (one: { name: string; properties: { category: string; authType: string } }) =>
        `${one.name} ${one.properties.category} ${one.properties.authType}`,
    );
  assert.deepEqual(await names('category=PYTHONFEED'), ['packages PythonFeed PAT']);
  assert.deepEqual(await names('category=git'), ['team-git Git PAT']);
  assert.deepEqual(await names(`target=${encodeURIComponent(git.target)}`), ['team-git Git PAT']);
  assert.deepEqual(await names('category=S3'), []);
});

test('what was shown may be sent back: credentials stay while they go where they went', async (t) => {
  const { lab, idOf, put, given, refused } = await openBench(t);
  await put('team-git', git);
  const { properties } = (await lab.must(lab.owner, 'GET', idOf('team-git'))).body;
  const again = await put('team-git', { ...properties, metadata: { owner: 'nobody' } });
  assert.equal(again.status, 200, again.bytes.toString());
  assert.deepEqual(again.body.properties.metadata, { owner: 'nobody' });
  assert.deepEqual(await given('team-git'), git.credentials);
  // As Azure's client for Python sends back what it was shown.
  assert.equal((await put('team-git', { ...properties, credentials: { pat: null } })).status, 200);
  assert.deepEqual(await given('team-git'), git.credentials);

  for (const change of [
    { target: 'https://elsewhere.example.com' },
    { target: null },
    { category: 'PythonFeed' },
    { authType: 'ApiKey' },
    { authType: 'PAT', target: 'https://git.example.com/team/' },
  ]) {
    const { code } = await refused({ ...properties, ...change }, 'team-git');
    assert.equal(code, 'CredentialsMissing');
  }
  const patched = await lab.call(lab.owner, 'PATCH', idOf('team-git'), {
    body: { properties: { target: 'https://elsewhere.example.com' } },
  });
  assert.equal(patched.body.error.code, 'CredentialsMissing');
  assert.deepEqual(await given('team-git'), git.credentials);

  await put('team-git', { ...git, credentials: { pat: 'another' } });
  assert.deepEqual(await given('team-git'), { pat: 'another' });
  // Without a way to sign in there is nothing to keep.
  await put('team-git', { authType: 'None', category: 'Git', target: git.target });
  assert.equal(await given('team-git'), null);
  assert.equal((await refused(properties, 'team-git')).code, 'CredentialsMissing');
});

test('an identity that is named is forgotten when the connection goes elsewhere', async (t) => {
  const { put, given } = await openBench(t);
  const pulls = { authType: 'ManagedIdentity', category: 'ContainerRegistry', target: 'https://registry.example.com' };
  await put('images', { ...pulls, credentials: { clientId: 'c', resourceId: 'r' } });
  await put('images', pulls);
  assert.deepEqual(await given('images'), { clientId: 'c', resourceId: 'r' });
  await put('images', { ...pulls, target: 'https://other.example.com' });
  assert.equal(await given('images'), null);
});

test('removed, nothing of it is left: a connection of the same name finds no credentials', async (t) => {
  const { lab, idOf, put, secrets, given } = await openBench(t);
  await put('team-git', git);
  assert.equal((await lab.call(lab.owner, 'DELETE', idOf('team-git'))).status, 200);
  assert.equal((await lab.call(lab.owner, 'DELETE', idOf('team-git'))).status, 204);
  assert.equal((await secrets('team-git')).status, 404);
  await put('team-git', { authType: 'None', category: 'Git', target: git.target });
  assert.equal(await given('team-git'), null);
});

test('what narrows a connection, or promises that something signs in with it, is refused by name', async (t) => {
  const { refused } = await openBench(t);
  for (const [name, value] of [
    ['isSharedToAll', false],
    ['sharedUserList', ['somebody']],
    ['expiryTime', '2030-01-01T00:00:00Z'],
    ['useWorkspaceManagedIdentity', true],
    ['value', 'the-very-secret'],
    ['valueFormat', 'JSON'],
    ['peRequirement', 'Required'],
    ['peStatus', 'Active'],
  ] as const) {
    const { code, message, text } = await refused({ ...git, [name]: value });
    assert.equal(code, 'PropertyNotServed');
    assert.match(message, new RegExp(name));
    assert.doesNotMatch(text, /the-very-secret/);
  }
  assert.equal((await refused({ ...git, category: 'Gopher' })).code, 'ConnectionCategoryUnknown');
  for (const authType of ['DelegatedSAS', 'AgenticUser', '__proto__', 'constructor'])
    assert.equal((await refused({ ...git, authType })).code, 'AuthTypeNotServed');
  for (const [authType, credentials] of [
    ['PAT', undefined],
    ['PAT', {}],
    ['PAT', { pat: '' }],
    ['AccessKey', { accessKeyId: 'a' }],
    ['ServicePrincipal', { clientId: 'c', tenantId: 't' }],
    ['UsernamePassword', { username: 'u' }],
    ['CustomKeys', { keys: {} }],
    ['OAuth2', { clientId: 'c' }],
  ] as const)
    assert.equal((await refused({ ...git, authType, credentials })).code, 'CredentialsMissing', authType);
  for (const [authType, credentials] of [
    ['None', { pat: 'the-very-secret' }],
    ['PAT', { pat: 'p', key: 'the-very-secret' }],
    ['ApiKey', { key: 'k', keys: { a: 'the-very-secret' } }],
  ] as const) {
    const { code, text } = await refused({ ...git, authType, credentials });
    assert.equal(code, 'CredentialNotOfType');
    assert.doesNotMatch(text, /the-very-secret/);
  }
});

test('a credential that stands in what everybody is shown is refused, with where it belongs', async (t) => {
  const { refused, put } = await openBench(t);
  const found = 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=';
  const key = `${found}${Buffer.alloc(64, 7).toString('base64')}`;
  for (const visible of [{ target: key }, { metadata: { note: key } }]) {
    const { code, message, text } = await refused({ ...git, ...visible });
    assert.equal(code, 'CredentialVisible');
    assert.match(message, /properties\.credentials/);
    assert.ok(!text.includes(key));
  }
  assert.equal((await put('kept', { ...git, credentials: { pat: key } })).status, 200);
});

test('what is too large, too many or of another shape is refused, and nothing of it said again', async (t) => {
  const { refused } = await openBench(t);
  const secret = 'the-very-secret';
  const keys = Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`k${at}`, secret]));
  for (const properties of [
    { ...git, credentials: secret },
    { ...git, credentials: [secret] },
    { ...git, credentials: { pat: { inner: secret } } },
    { ...git, credentials: { pat: secret.repeat(1000) } },
    { ...git, credentials: { pat: 'p', unheardOf: secret } },
    { ...git, authType: 'CustomKeys', credentials: { keys } },
    { ...git, authType: 'CustomKeys', credentials: { keys: { a: { b: secret } } } },
    { ...git, target: 'x'.repeat(3000) },
    { ...git, metadata: { a: ['b'] } },
    { ...git, authType: 7 },
    { category: 'Git', credentials: { pat: secret } },
  ]) {
    const { text } = await refused(properties);
    assert.ok(!text.includes(secret), text);
  }
});
