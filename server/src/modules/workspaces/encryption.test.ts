import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import type { Resource, Resources } from '#resources';
import { containersOf, dependentsOf, rolesOf } from './dependents.rules.ts';
import { customerKeyOf, validateCustomerKey, wrapperOf } from './encryption.service.ts';

const group = '/subscriptions/s1/resourceGroups/g';
const workspaceId = `${group}/providers/Microsoft.MachineLearningServices/workspaces/Research_1`;
const vaultId = `${group}/providers/Microsoft.KeyVault/vaults/v1`;
const keyIdentifier = 'https://v1.vault.localhost:8443/keys/k/0123';
const encryption = (keyVaultProperties?: object, status = 'Enabled') => ({
  encryption: { status, ...(keyVaultProperties ? { keyVaultProperties } : {}) },
});
const refusedAs = (code: string) => (thrown: unknown) =>
  (thrown instanceof Failure && thrown.code === code) || assert.fail(String(thrown));

test('a customer key is both properties or neither', () => {
  assert.equal(customerKeyOf({}), undefined);
  assert.equal(customerKeyOf(encryption(undefined, 'Disabled')), undefined);
  assert.deepEqual(customerKeyOf(encryption({ keyVaultArmId: vaultId, keyIdentifier })), { vaultId, keyIdentifier });
  for (const properties of [
    encryption(),
    encryption({ keyVaultArmId: vaultId }),
    encryption({ keyIdentifier }),
    encryption({ keyVaultArmId: vaultId, keyIdentifier }, 'Disabled'),
  ]) {
    assert.throws(() => customerKeyOf(properties), refusedAs('InvalidEncryption'));
  }
});

const vault = (more: Partial<Resource> = {}, properties: object = { enablePurgeProtection: true }) =>
  ({ id: vaultId, name: 'v1', location: 'local', properties, ...more }) as Resource;
const check = (found: Resource | undefined, described = { vaultId, enabled: true }, key = { vaultId, keyIdentifier }) =>
  validateCustomerKey(
    {
      resources: { find: async () => found } as unknown as Resources,
      vaults: {
        describeKey: async () => ({ name: 'k', version: '0123', kty: 'RSA', size: 3072, ...described }) as never,
      },
    },
    testGrant(),
    key,
    { id: workspaceId, location: 'local' },
  );

test('the vault must be there, here, protected, and own the enabled key: each has its own refusal', async () => {
  await check(vault());
  await assert.rejects(check(undefined), refusedAs('KeyVaultNotFound'));
  await assert.rejects(check(vault({ location: 'elsewhere' })), refusedAs('KeyVaultInOtherRegion'));
  await assert.rejects(check(vault({}, {})), refusedAs('PurgeProtectionRequired'));
  await assert.rejects(check(vault(), { vaultId: `${vaultId}2`, enabled: true }), refusedAs('InvalidEncryption'));
  await assert.rejects(check(vault(), { vaultId, enabled: false }), refusedAs('KeyDisabled'));
  await assert.rejects(
    check(vault(), undefined, { vaultId: vaultId.replace('s1', 's2'), keyIdentifier }),
    refusedAs('KeyVaultInOtherSubscription'),
  );
  await assert.rejects(
    check(vault(), undefined, { vaultId: workspaceId, keyIdentifier }),
    refusedAs('InvalidEncryption'),
  );
});

test('what wraps is the root key, or the customer key as the workspace identity', () => {
  const identity = { objectId: 'o', name: 'Research_1' };
  assert.deepEqual(wrapperOf(undefined, identity), { kind: 'root' });
  assert.deepEqual(wrapperOf({ vaultId, keyIdentifier }, identity), {
    kind: 'vault',
    keyIdentifier,
    principal: identity,
  });
});

test('what a workspace makes for itself has names that their kinds take, and none that two workspaces share', () => {
  const made = dependentsOf(workspaceId, '0f8fad5b-d9cb-469f-a165-70867728950e', {});
  assert.match(made.storageAccount, /\/storageAccounts\/[a-z0-9]{3,24}$/);
  assert.match(made.keyVault, /\/vaults\/[a-z][a-z0-9]{2,23}$/);
  assert.match(made.containerRegistry, /\/registries\/[a-z0-9]{5,50}$/);
  assert.notEqual(
    made.storageAccount,
    dependentsOf(workspaceId, '1f8fad5b-d9cb-469f-a165-70867728950e', {}).storageAccount,
  );
  assert.equal(
    dependentsOf(workspaceId, '0f8fad5b-d9cb-469f-a165-70867728950e', { keyVault: vaultId }).keyVault,
    vaultId,
  );
  assert.equal(new Set(Object.values(containersOf('u'))).size, 4);
});

test("the identity's roles are those of Azure's, with the vault's group when it is another", () => {
  const made = dependentsOf(workspaceId, '0f8fad5b-d9cb-469f-a165-70867728950e', {
    keyVault: vaultId.replace('/g/', '/other/'),
  });
  const scopes = rolesOf(workspaceId, made).map(({ scope }) => scope);
  for (const scope of [
    workspaceId,
    made.storageAccount,
    made.keyVault,
    made.containerRegistry,
    group,
    '/subscriptions/s1/resourceGroups/other',
  ])
    assert.ok(scopes.includes(scope), scope);
});
