// An endpoint that has a managed identity of its own: a principal that is there, may be given roles, and goes with it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { roleIds } from '#access';
import { type Bench, openServer } from '../../../test/server.fixture.ts';

let bench: Bench;
let token: string;
let group: string;
const idOf = (workspace: string, name: string) =>
  `${group}/providers/Microsoft.MachineLearningServices/workspaces/${workspace}/onlineEndpoints/${name}`;

before(async () => {
  bench = await openServer();
  token = await bench.ownerToken();
  group = await bench.group('identities');
  await must('PUT', idOf('plain', '').replace('/onlineEndpoints/', ''), { location: bench.location, properties: {} });
});
after(() => bench.close());

async function must(method: string, path: string, body?: unknown) {
  const reply = await bench.armDone(token, method, path, body);
  assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${method} ${path}: ${reply.text}`);
  return reply;
}
const put = (id: string, identity?: object) =>
  must('PUT', id, { location: bench.location, properties: { authMode: 'Key' }, ...(identity ? { identity } : {}) });
const shown = async (id: string) => (await must('GET', id)).body.identity;
const isThere = async (objectId: string) => {
  const graph = await bench.token(bench.owner, bench.audience('graph'));
  const reply = await bench.send(`/msgraph/v1.0/servicePrincipals/${objectId}`, { token: graph });
  assert.ok([200, 404].includes(reply.status), reply.text);
  return reply.status === 200;
};
/** Gives it a role at the group; answers how the roles that it has there are asked for. */
async function giveRole(principalId: string) {
  const roleDefinitionId = `/subscriptions/${bench.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${roleIds.storageBlobDataReader}`;
  await must('PUT', `${group}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
    properties: { roleDefinitionId, principalId, principalType: 'ServicePrincipal' },
  });
  return async () => {
    const { body } = await must('GET', `${group}/providers/Microsoft.Authorization/roleAssignments`);
    return body.value.filter(
      (one: { properties: { principalId: string } }) => one.properties.principalId === principalId,
    ).length;
  };
}

test('asked for, an endpoint has one, which may be given roles and goes with the endpoint', async () => {
  const id = idOf('plain', 'asked');
  await put(id, { type: 'SystemAssigned' });
  const { type, principalId, tenantId } = await shown(id);
  assert.deepEqual([type, tenantId], ['SystemAssigned', bench.tenantId]);
  assert.match(principalId, /^[0-9a-f-]{36}$/);
  assert.ok(await isThere(principalId));
  const roles = await giveRole(principalId);
  assert.equal(await roles(), 1);
  // Sent again, also as it was shown, it is the same.
  await put(id, { type: 'SystemAssigned', principalId, tenantId });
  await put(id);
  assert.equal((await shown(id)).principalId, principalId);
  await must('DELETE', id);
  assert.equal(await isThere(principalId), false);
  assert.equal(await roles(), 0);
  // Of the same name, the next endpoint is another principal.
  await put(id, { type: 'SystemAssigned' });
  assert.notEqual((await shown(id)).principalId, principalId);
});

test('not asked for, there is none; asked for later there is, and taken away it is gone with its roles', async () => {
  const id = idOf('plain', 'later');
  await put(id);
  assert.equal(await shown(id), undefined);
  await must('PATCH', id, { identity: { type: 'SystemAssigned' } });
  const { principalId } = await shown(id);
  const roles = await giveRole(principalId);
  await must('PATCH', id, { identity: { type: 'None' } });
  assert.equal((await shown(id)).principalId, undefined);
  assert.equal(await isThere(principalId), false);
  assert.equal(await roles(), 0);
});

test('nobody chooses which principal an endpoint is, and others than its own are refused', async () => {
  const id = idOf('plain', 'chosen');
  await put(id, { type: 'SystemAssigned', principalId: bench.owner.objectId, tenantId: randomUUID() });
  const { principalId, tenantId } = await shown(id);
  assert.notEqual(principalId, bench.owner.objectId);
  assert.equal(tenantId, bench.tenantId);
  for (const identity of [
    { type: 'UserAssigned', userAssignedIdentities: { '/some/identity': {} } },
    { type: 'SystemAssigned,UserAssigned' },
  ]) {
    const body = { location: bench.location, properties: { authMode: 'Key' }, identity };
    const reply = await bench.arm(token, 'PUT', idOf('plain', 'others'), body);
    assert.equal(reply.status, 400, reply.text);
    assert.equal(reply.body.error.code, 'PropertyNotServed');
  }
});

test('a workspace that does not open any more takes the identities of its endpoints along', async () => {
  const vaultId = `${group}/providers/Microsoft.KeyVault/vaults/keys${randomUUID().slice(0, 8)}`;
  await must('PUT', vaultId, {
    location: bench.location,
    properties: { enableRbacAuthorization: true, enablePurgeProtection: true },
  });
  await bench.grant(bench.owner.objectId, 'Key Vault Administrator', vaultId);
  const host = `${vaultId.split('/').at(-1)}.vault.${new URL(bench.url).hostname}`;
  const vaultToken = await bench.token(bench.owner, 'https://vault.azure.net');
  const vault = (method: string, path: string, body: unknown) =>
    bench.send(`${path}?api-version=7.4`, { method, host, token: vaultToken, body });
  const { kid } = (await vault('POST', '/keys/owner/create', { kty: 'RSA', key_size: 2048 })).body.key;
  const workspace = idOf('sealed', '').replace('/onlineEndpoints/', '');
  const encryption = { status: 'Enabled', keyVaultProperties: { keyVaultArmId: vaultId, keyIdentifier: kid } };
  await must('PUT', workspace, { location: bench.location, properties: { encryption } });
  const id = idOf('sealed', 'inside');
  await put(id, { type: 'SystemAssigned' });
  const beside = idOf('plain', 'beside');
  await put(beside, { type: 'SystemAssigned' });
  const { principalId } = await shown(id);
  const roles = await giveRole(principalId);
  assert.equal((await vault('PATCH', new URL(kid).pathname, { attributes: { enabled: false } })).status, 200);
  await must('DELETE', workspace);
  assert.equal(await isThere(principalId), false);
  assert.equal(await roles(), 0);
  assert.ok(await isThere((await shown(beside)).principalId));
});
