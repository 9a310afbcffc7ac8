// The vault as a resource, made through the resource manager: what is filled in, what is refused, what is promised for good,
// and what deleting one takes along.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { houseGrant } from '#kernel/testing/authority';
import { hostOf, makeVault, openVaults, subscriptionId, tenantId, vaultId } from './testing.ts';

after(() => closeScanPool());

test('a vault is made with roles, soft delete and 90 days, and answers its host', async (t) => {
  const { call } = await openVaults(t);
  const made = await call('PUT', vaultId('Main'), {
    body: { location: 'local', properties: { tenantId, sku: { family: 'A', name: 'standard' }, accessPolicies: [] } },
  });
  assert.equal(made.status, 201);
  const { properties } = made.body;
  assert.equal(properties.vaultUri, 'https://main.vault.localhost:8443/');
  assert.equal(properties.enableRbacAuthorization, true);
  assert.equal(properties.enableSoftDelete, true);
  assert.equal(properties.softDeleteRetentionInDays, 90);
  assert.equal(properties.enablePurgeProtection, undefined);
  const read = await call('GET', vaultId('main'));
  assert.deepEqual(read.body.properties, properties);
  // What was answered may be sent back.
  assert.equal((await call('PUT', vaultId('main'), { body: read.body })).status, 200);
});

test('what would weaken a vault is refused with a message that says what to do', async (t) => {
  const { call } = await openVaults(t);
  const wrong = [
    { enableRbacAuthorization: false },
    { enableSoftDelete: false },
    { softDeleteRetentionInDays: 6 },
    { softDeleteRetentionInDays: 91 },
    { tenantId: '99999999-9999-4999-8999-999999999999' },
    { sku: { family: 'A', name: 'premium' } },
    { networkAcls: { defaultAction: 'Deny' } },
    { publicNetworkAccess: 'Disabled' },
    { createMode: 'purge' },
  ];
  for (const properties of wrong) {
    const answer = await call('PUT', vaultId('main'), { body: { location: 'local', properties } });
    assert.equal(answer.status, 400, JSON.stringify(properties));
    assert.ok(answer.body.error.message.length > 40);
  }
  for (const name of ['a', 'ab', '1abc', 'ab-', 'a--b', 'a_bc', 'a'.repeat(25), 'a.b'])
    assert.equal((await call('PUT', vaultId(name), { body: { location: 'local' } })).status, 400, name);
});

test('retention is chosen once, and purge protection is never taken back', async (t) => {
  const { server, call } = await openVaults(t);
  await makeVault(server, 'main', { softDeleteRetentionInDays: 7 });
  const put = (properties: object) => call('PUT', vaultId('main'), { body: { location: 'local', properties } });
  assert.equal((await put({ softDeleteRetentionInDays: 8 })).status, 400);
  assert.equal((await put({ enablePurgeProtection: true })).status, 200);
  assert.equal((await put({ enablePurgeProtection: false })).status, 400);
  assert.equal((await put({})).body.properties.enablePurgeProtection, true);
  const patch = await call('PATCH', vaultId('main'), { body: { properties: { enablePurgeProtection: false } } });
  assert.equal(patch.status, 400);
  assert.equal((await call('PATCH', vaultId('main'), { body: { tags: { a: 'b' } } })).status, 200);
});

test('a name is unique over the whole server, without regard to case', async (t) => {
  const { call } = await openVaults(t, 'Main');
  const other = vaultId('MAIN').replace('Rooms', 'Other');
  await call('PUT', `/subscriptions/${subscriptionId}/resourceGroups/Other`, { body: { location: 'local' } });
  const taken = await call('PUT', other, { body: { location: 'local' } });
  assert.equal(taken.status, 409);
  assert.equal(taken.body.error.code, 'VaultAlreadyExists');
  const path = `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/checkNameAvailability`;
  const ask = async (name: string) =>
    (await call('POST', path, { body: { name, type: 'Microsoft.KeyVault/vaults' } })).body;
  assert.equal((await ask('main')).reason, 'AlreadyExists');
  assert.equal((await ask('a--b')).reason, 'AccountNameInvalid');
  assert.deepEqual(await ask('free'), { nameAvailable: true });
});

test('vaults are known again after a restart, without a look at the resource manager', async (t) => {
  const { start, call, server } = await openVaults(t, 'main');
  await call('PUT', '/secrets/s', { host: hostOf('main'), body: { value: 'v' } });
  server.dataKeys.close();
  const again = await start();
  assert.equal((await again.call('GET', '/secrets/s', { host: hostOf('main') })).body.value, 'v');
  const facts = again.vaults.find(vaultId('MAIN').toUpperCase());
  assert.deepEqual(
    [facts?.name, facts?.location, facts?.softDelete, facts?.retentionDays, facts?.purgeProtection],
    ['main', 'local', true, 90, false],
  );
});

test('key identifiers of other places, with other paths or without a version are refused', async (t) => {
  const { server } = await openVaults(t, 'main', 'other');
  const version = 'a'.repeat(32);
  const { vaultOf, describeKey } = server.vaults;
  assert.equal(vaultOf(`https://other.vault.localhost:8443/keys/k/${version}`).name, 'other');
  assert.equal(vaultOf(`https://OTHER.vault.localhost/keys/k/${version}/`).name, 'other');
  assert.equal(vaultOf(`https://localhost:8443/keys/k/${version}`).name, 'main');
  const wrong = [
    '',
    'k',
    `http://other.vault.localhost/keys/k/${version}`,
    `https://other.vault.azure.net/keys/k/${version}`,
    `https://evil.com/keys/k/${version}`,
    `https://a.other.vault.localhost/keys/k/${version}`,
    `https://.vault.localhost/keys/k/${version}`,
    `https://other.vault.localhost.evil.com/keys/k/${version}`,
    `https://other.vault.localhost@evil.com/keys/k/${version}`,
    `https://u:p@other.vault.localhost/keys/k/${version}`,
    `https://other.vault.localhost/secrets/k/${version}`,
    `https://other.vault.localhost/keys/k/${version}/more`,
    `https://other.vault.localhost/keys/k/${version}?x=1`,
    `https://other.vault.localhost/keys/a%2Fb/${version}`,
    'https://other.vault.localhost/keys/k/v1',
    `https://other.vault.localhost/keys/${'k'.repeat(2000)}/${version}`,
  ];
  for (const identifier of wrong)
    assert.throws(
      () => vaultOf(identifier),
      (error) => error instanceof Failure && error.code === 'InvalidKeyIdentifier',
      identifier,
    );
  const grant = houseGrant();
  await assert.rejects(
    describeKey(grant, 'https://other.vault.localhost/keys/k'),
    (error) => error instanceof Failure && error.code === 'InvalidKeyIdentifier',
  );
  assert.throws(
    () => vaultOf(`https://nothing.vault.localhost/keys/k/${version}`),
    (error) => error instanceof Failure && error.code === 'VaultNotFound',
  );
});
