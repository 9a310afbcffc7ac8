// A workspace whose identity has only the roles that its work needs: enough for a whole life under a customer's key, from a
// job to a model that scores to its deletion, and no more than that.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { plant, scores } from './planting.fixture.ts';
import { type Bench, idsIn, openServer } from './server.fixture.ts';
import { ended, makeCluster, submit } from './work.fixture.ts';

const word = 'narrow';
const vaultHost = 'narrow-keys.vault.localhost';
let bench: Bench;
let owner: string;
let keysVault: string;
let encryption: (keyIdentifier: string) => object;

const arm = (method: string, path: string, body?: unknown) => bench.arm(owner, method, path, body);
const armDone = (method: string, path: string, body?: unknown) => bench.armDone(owner, method, path, body);
async function newKey(name: string): Promise<string> {
  const made = await bench.send(`/keys/${name}/create?api-version=7.4`, {
    host: vaultHost,
    method: 'POST',
    token: await bench.token(bench.owner, bench.audience('keyvault')),
    body: { kty: 'RSA', key_size: 2048 },
  });
  assert.equal(made.status, 200, made.text);
  return String(made.body.key.kid);
}

before(async () => {
  bench = await openServer({ embedded: true });
  owner = await bench.ownerToken();
  const keys = idsIn(await bench.group('Keys'));
  keysVault = keys.vault('narrow-keys');
  const made = await arm('PUT', keysVault, {
    location: bench.location,
    properties: { enablePurgeProtection: true },
  });
  assert.ok(made.status < 300, made.text);
  await bench.grant(bench.owner.objectId, 'Key Vault Crypto Officer', keysVault);
  encryption = (keyIdentifier) => ({
    status: 'Enabled',
    keyVaultProperties: { keyVaultArmId: keysVault, keyIdentifier },
  });
});
after(() => bench.close());

type Assigned = { readonly scope: string; readonly roleDefinitionId: string; readonly principalId: string };
async function rolesOf(principalId: string): Promise<readonly string[]> {
  const path = `/subscriptions/${bench.subscriptionId}/providers/Microsoft.Authorization/roleAssignments`;
  const listed = await arm('GET', `${path}?$filter=principalId eq '${principalId}'`.replaceAll(' ', '%20'));
  assert.equal(listed.status, 200, listed.text);
  const names = new Map<string, string>();
  const definitions = await arm(
    'GET',
    `/subscriptions/${bench.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions`,
  );
  for (const { name, properties } of definitions.body.value) names.set(name, properties.roleName);
  return listed.body.value
    .map(({ properties }: { properties: Assigned }) => properties)
    .filter((one: Assigned) => one.principalId === principalId)
    .map((one: Assigned) => `${names.get(one.roleDefinitionId.split('/').at(-1) ?? '')} at ${one.scope}`)
    .sort();
}
async function may(principalId: string, action: string, scope: string, plane?: 'data'): Promise<boolean> {
  const query = `principalId=${principalId}&action=${encodeURIComponent(action)}${plane ? `&plane=${plane}` : ''}`;
  const told = await arm('GET', `${scope}/providers/Strongroom.Access/explanations?${query}`);
  assert.equal(told.status, 200, told.text);
  return told.body.allowed;
}

test('a whole life: a job, a model, an image, a deployment that scores, another key, deletion', async () => {
  const planted = await plant(bench, word, {
    allowRoleAssignmentOnRG: false,
    encryption: encryption(await newKey('first')),
  });
  const { workspace, endpoint } = planted;
  const { body } = await arm('GET', workspace);
  assert.equal(body.properties.allowRoleAssignmentOnRG, false);
  const identity = String(body.identity.principalId);
  const { storageAccount, keyVault, containerRegistry } = body.properties;
  const rolesWith = (key: string) =>
    [
      `AcrDelete at ${containerRegistry}`,
      `AcrPush at ${containerRegistry}`,
      `Key Vault Crypto Service Encryption User at ${keysVault}/keys/${key}`,
      `Storage Blob Data Contributor at ${storageAccount}`,
    ] as const;
  assert.deepEqual(await rolesOf(identity), rolesWith('first'));

  // What a job left becomes a model, and files that a client sends become code.
  const cluster = await makeCluster(bench, workspace, 'again');
  const job = await submit(bench, workspace, 'leaves', {
    computeId: cluster,
    command: 'mkdir -p outputs/m && echo kept > outputs/m/file.txt',
  });
  assert.equal(await ended(bench, job), 'Completed');
  const modelUri = 'azureml://jobs/leaves/outputs/artifacts/paths/outputs/m/';
  const model = await arm('PUT', `${workspace}/models/left/versions/1`, { properties: { modelUri } });
  assert.ok(model.status < 300, model.text);
  const pending = await arm('POST', `${workspace}/codes/sent/versions/1/startPendingUpload`, {
    pendingUploadType: 'TemporaryBlobReference',
  });
  assert.equal(pending.status, 200, pending.text);
  const { blobUri, credential } = pending.body.blobReferenceForConsumption;
  const sas = new URL(credential.sasUri);
  const sent = await bench.send(`${sas.pathname}/train.py${sas.search}`, {
    method: 'PUT',
    host: sas.host.split(':')[0] ?? '',
    headers: { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2021-12-02' },
    body: 'print(1)',
  });
  assert.equal(sent.status, 201, sent.text);
  const code = await arm('PUT', `${workspace}/codes/sent/versions/1`, { properties: { codeUri: blobUri } });
  assert.ok(code.status < 300, code.text);

  // Less than the usual: nothing at the group, nor at anything beside.
  const group = workspace.slice(0, workspace.indexOf('/providers/'));
  const read = (type: string) => `${type}/read`;
  const beside = `${group}/providers/Microsoft.Storage/storageAccounts/s${word}`;
  for (const [action, scope, plane] of [
    [read('Microsoft.Resources/subscriptions/resourceGroups'), group],
    [read('Microsoft.Storage/storageAccounts'), beside],
    [
      read('Microsoft.Storage/storageAccounts/blobServices/containers/blobs'),
      `${beside}/blobServices/default/containers/${word}`,
      'data',
    ],
    [read('Microsoft.KeyVault/vaults'), `${group}/providers/Microsoft.KeyVault/vaults/v${word}`],
    ['Microsoft.KeyVault/vaults/secrets/getSecret/action', keyVault, 'data'],
    ['Microsoft.KeyVault/vaults/keys/unwrap/action', `${keysVault}/keys/another`, 'data'],
    [read('Microsoft.ContainerRegistry/registries'), containerRegistry],
    ['Microsoft.MachineLearningServices/workspaces/write', workspace],
  ] as const)
    assert.equal(await may(identity, action, scope, plane), false, `${action} at ${scope}`);
  assert.equal(
    await may(identity, 'Microsoft.KeyVault/vaults/keys/unwrap/action', `${keysVault}/keys/first`, 'data'),
    true,
  );

  // Another key of the vault: the role moves with it.
  const turned = await arm('PATCH', workspace, { properties: { encryption: encryption(await newKey('second')) } });
  assert.equal(turned.status, 200, turned.text);
  assert.deepEqual(await rolesOf(identity), rolesWith('second'));
  await scores(bench, endpoint, word);
  const resynced = await arm('POST', `${workspace}/resyncKeys`, {});
  assert.equal(resynced.status, 200, resynced.text);
  assert.deepEqual(await rolesOf(identity), rolesWith('second'));

  // Chosen once.
  const widened = await arm('PATCH', workspace, { properties: { allowRoleAssignmentOnRG: true } });
  assert.deepEqual([widened.status, widened.body.error.code], [400, 'PropertyChangeNotAllowed']);

  await armDone('DELETE', workspace);
  assert.equal((await arm('GET', workspace)).status, 404);
  assert.deepEqual(await rolesOf(identity), []);
  assert.equal((await arm('GET', storageAccount)).status, 404);
});

test('the usual identity has the roles of the documentation, the group included', async () => {
  const ids = idsIn(await bench.group('Usual'));
  const workspace = ids.workspace('Usual');
  const made = await armDone('PUT', workspace, {
    location: bench.location,
    properties: { allowRoleAssignmentOnRG: true },
  });
  assert.equal(made.body?.status, 'Succeeded', made.text);
  const { body } = await arm('GET', workspace);
  const group = workspace.slice(0, workspace.indexOf('/providers/'));
  const roles = await rolesOf(body.identity.principalId);
  assert.ok(roles.includes(`Contributor at ${group}`), roles.join(', '));
  const narrowed = await arm('PATCH', workspace, { properties: { allowRoleAssignmentOnRG: false } });
  assert.deepEqual([narrowed.status, narrowed.body.error.code], [400, 'PropertyChangeNotAllowed']);
});
