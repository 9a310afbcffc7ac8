// What a vault says of itself holds: with soft delete on, deleting it destroys nothing. It lies in the bin with its keys and
// secrets, keeps its name, comes back whole, and ends by a purge or when its time is over; purge protection outlasts everybody.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { houseGrant } from '#kernel/testing/authority';
import { groupId, hostOf, makeVault, openVaults, subscriptionId, vaultId } from './testing.ts';

after(() => closeScanPool());

const provider = `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault`;
const deleted = (name: string, location = 'local') => `${provider}/locations/${location}/deletedVaults/${name}`;
const host = hostOf('main');
const day = 86_400_000;
const recover = { location: 'local', properties: { createMode: 'recover' } };

test('a deleted vault serves nothing, is listed, keeps its name, and comes back with all that it held', async (t) => {
  const { call } = await openVaults(t, 'main', 'other');
  await call('PUT', '/secrets/s', { host, body: { value: 'kept' } });
  const made = await call('POST', '/keys/k/create', { host, body: { kty: 'RSA', key_size: 2048 } });
  await call('PATCH', vaultId('main'), { body: { tags: { team: 'a' } } });
  assert.equal((await call('DELETE', vaultId('main'))).status, 200);
  assert.equal((await call('GET', '/secrets/s', { host })).status, 404);
  assert.equal((await call('GET', vaultId('main'))).status, 404);

  const { value } = (await call('GET', `${provider}/deletedVaults`)).body;
  assert.deepEqual(
    value.map(({ name }: { name: string }) => name),
    ['main'],
  );
  const { id, type, properties } = (await call('GET', deleted('MAIN', 'LOCAL'))).body;
  assert.deepEqual([id, type], [deleted('main'), 'Microsoft.KeyVault/deletedVaults']);
  assert.deepEqual([properties.vaultId, properties.tags], [vaultId('main'), { team: 'a' }]);
  assert.equal(Date.parse(properties.scheduledPurgeDate) - Date.parse(properties.deletionDate), 90 * day);
  assert.equal((await call('GET', deleted('main', 'elsewhere'))).body.error.code, 'DeletedVaultNotFound');
  assert.equal((await call('GET', deleted('other'))).status, 404);

  const again = await call('PUT', vaultId('main'), { body: { location: 'local' } });
  assert.deepEqual([again.status, again.body.error.code], [409, 'ConflictError']);
  assert.match(again.body.error.message, /Recover it .* purge it/);
  const elsewhere = vaultId('main').replace('/Rooms/', '/Attic/');
  await call('PUT', groupId.replace('Rooms', 'Attic'), { body: { location: 'local' } });
  assert.equal((await call('PUT', elsewhere, { body: { location: 'local' } })).body.error.code, 'ConflictError');
  assert.equal((await call('PUT', elsewhere, { body: recover })).body.error.code, 'DeletedVaultNotFound');
  const name = { body: { name: 'Main', type: 'Microsoft.KeyVault/vaults' } };
  assert.equal((await call('POST', `${provider}/checkNameAvailability`, name)).body.reason, 'AlreadyExists');

  const back = await call('PUT', vaultId('main'), { body: recover });
  assert.equal(back.status, 201);
  assert.deepEqual(
    [back.body.properties.softDeleteRetentionInDays, back.body.properties.createMode, back.body.properties.contentId],
    [90, undefined, undefined],
  );
  assert.equal((await call('GET', '/secrets/s', { host })).body.value, 'kept');
  assert.equal((await call('GET', '/keys/k', { host })).body.key.kid, made.body.key.kid);
  assert.deepEqual((await call('GET', `${provider}/deletedVaults`)).body, { value: [] });
  assert.equal((await call('PUT', vaultId('main'), { body: recover })).body.error.code, 'VaultAlreadyExists');

  // Changed, deleted and recovered again it is still the same vault.
  assert.equal((await call('PUT', vaultId('main'), { body: { location: 'local' } })).status, 200);
  await call('PUT', '/secrets/t', { host, body: { value: 'later' } });
  assert.equal((await call('DELETE', vaultId('main'))).status, 200);
  assert.equal((await call('PUT', vaultId('main'), { body: recover })).status, 201);
  assert.equal((await call('GET', '/secrets/s', { host })).body.value, 'kept');
  assert.equal((await call('GET', '/secrets/t', { host })).body.value, 'later');
});

test('what deletes a group deletes its vaults softly too', async (t) => {
  const { call, server } = await openVaults(t, 'main');
  await call('PUT', '/secrets/s', { host, body: { value: 'kept' } });
  await server.resources.remove(houseGrant(), groupId);
  assert.equal((await call('GET', vaultId('main'))).status, 404);
  assert.equal((await call('GET', deleted('main'))).status, 200);
  assert.equal((await call('PUT', vaultId('main'), { body: recover })).status, 404, 'its group is not there');
  await call('PUT', groupId, { body: { location: 'local' } });
  assert.equal((await call('PUT', vaultId('main'), { body: recover })).status, 201);
  assert.equal((await call('GET', '/secrets/s', { host })).body.value, 'kept');
});

test('a purge destroys for good what lies in the bin, and nothing else', async (t) => {
  const { call, server } = await openVaults(t, 'main');
  await call('PUT', '/secrets/s', { host, body: { value: 'gone' } });
  const alive = await call('POST', `${deleted('main')}/purge`);
  assert.deepEqual([alive.status, alive.body.error.code], [404, 'DeletedVaultNotFound']);
  await call('DELETE', vaultId('main'));
  assert.equal((await call('POST', `${deleted('main', 'elsewhere')}/purge`)).status, 404);
  assert.equal((await call('POST', `${deleted('main')}/purge`)).status, 200);
  assert.equal((await call('GET', deleted('main'))).status, 404);
  assert.equal((await call('PUT', vaultId('main'), { body: recover })).body.error.code, 'DeletedVaultNotFound');
  await makeVault(server, 'main');
  assert.equal((await call('GET', '/secrets/s', { host })).status, 404);
});

test('whoever may delete a vault may not purge one by that, nor see what lies in the bin', async (t) => {
  const { call, caller } = await openVaults(t, 'main');
  caller.allows = (action, scope) =>
    scope.toLowerCase().startsWith(groupId.toLowerCase()) && action.startsWith('Microsoft.KeyVault/vaults/');
  assert.equal((await call('DELETE', vaultId('main'))).status, 200);
  assert.equal((await call('POST', `${deleted('main')}/purge`)).status, 403);
  assert.equal((await call('GET', deleted('main'))).status, 403);
  assert.equal((await call('GET', `${provider}/deletedVaults`)).status, 403);
  assert.equal((await call('PUT', vaultId('main'), { body: recover })).status, 201);
});

test('purge protection outlasts the vault: nobody purges it, and recovered it still has it', async (t) => {
  const { call, server, clock } = await openVaults(t);
  await makeVault(server, 'main', { enablePurgeProtection: true, softDeleteRetentionInDays: 7 });
  await call('PUT', '/secrets/s', { host, body: { value: 'kept' } });
  assert.equal((await call('DELETE', vaultId('main'))).status, 200);
  assert.equal((await call('GET', deleted('main'))).body.properties.purgeProtectionEnabled, true);
  const purge = await call('POST', `${deleted('main')}/purge`);
  assert.deepEqual([purge.status, purge.body.error.code], [405, 'MethodNotAllowed']);
  await clock.advance(6 * day);
  const weaker = { location: 'local', properties: { createMode: 'recover', enablePurgeProtection: false } };
  const back = await call('PUT', vaultId('main'), { body: weaker });
  assert.deepEqual(
    [back.body.properties.enablePurgeProtection, back.body.properties.softDeleteRetentionInDays],
    [true, 7],
  );
  assert.equal((await call('GET', '/secrets/s', { host })).body.value, 'kept');
  const put = { location: 'local', properties: { enablePurgeProtection: false, softDeleteRetentionInDays: 7 } };
  assert.equal((await call('PUT', vaultId('main'), { body: put })).status, 400);
});

test('when its time is over a vault is destroyed by the house, and that is recorded', async (t) => {
  const { call, server, clock, start } = await openVaults(t);
  await makeVault(server, 'main', { enablePurgeProtection: true, softDeleteRetentionInDays: 7 });
  await call('PUT', '/secrets/s', { host, body: { value: 'gone' } });
  await call('DELETE', vaultId('main'));
  server.dataKeys.close();
  // Also after a restart.
  const again = await start();
  await again.tasks.start();
  t.after(() => again.tasks.stop());
  clock.jump(7 * day);
  const late = await again.call('PUT', vaultId('main'), { body: recover });
  assert.deepEqual([late.status, late.body.error.code], [409, 'DeletedVaultIsBeingPurged']);
  await clock.advance(11 * 60_000);
  for (let tries = 0; tries < 200 && (await again.call('GET', deleted('main'))).status !== 404; tries++);
  assert.equal((await again.call('GET', deleted('main'))).status, 404);
  const record = again.audit.entries.find(({ intent }) => intent.operation === 'DeletedVaults_RetentionOver');
  assert.deepEqual(
    [record?.intent.scope, record?.intent.action],
    [vaultId('main'), 'Microsoft.KeyVault/locations/deletedVaults/purge/action'],
  );
  await makeVault(again, 'main');
  assert.equal((await again.call('GET', '/secrets/s', { host })).status, 404);
});
