// Customer-managed keys from end to end: data keys wrapped by a key of a vault, as a managed identity, and what happens to the
// data when the customer turns the key off, takes the role away, deletes the key or lets it expire.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { WrapperRef } from '#kernel/sealing/data-keys';
import { hostOf, makeVault, openVaults, vaultId } from './testing.ts';

after(() => closeScanPool());

const principal = { objectId: '44444444-4444-4444-8444-444444444444', name: 'ws' };
const host = hostOf('rooms');
const code = (expected: string) => (error: unknown) =>
  error instanceof Failure && error.kind === 'forbidden' && error.code === expected;

async function setUp(t: TestContext) {
  const world = await openVaults(t);
  const { call, server } = world;
  await makeVault(server, 'rooms', { enablePurgeProtection: true });
  const made = await call('POST', '/keys/cmk/create', { host, body: { kty: 'RSA', key_size: 3072 } });
  const keyIdentifier: string = made.body.key.kid;
  const ref: WrapperRef = { kind: 'vault', keyIdentifier, principal };
  const closed: string[] = [];
  server.dataKeys.onClosed((owner) => closed.push(owner));
  const key = await server.dataKeys.ensure('workspace', 'runs', ref);
  const { bytes } = key;
  const open = async () => (await server.dataKeys.open('workspace', 'runs')).bytes;
  const patch = (attributes: object) => call('PATCH', `/keys/cmk`, { host, body: { attributes } });
  return { ...world, keyIdentifier, ref, closed, key, bytes, open, patch };
}

test('a disabled key ends the use of the data within 30 seconds, and enabling it restores everything', async (t) => {
  const { clock, closed, key, bytes, open, patch } = await setUp(t);
  assert.deepEqual(await open(), bytes);
  await patch({ enabled: false });
  assert.deepEqual(await open(), bytes);
  await clock.advance(30_000);
  await assert.rejects(open(), code('KeyDisabled'));
  assert.deepEqual(closed, ['workspace']);
  assert.throws(() => key.bytes, code('DataKeyClosed'));
  await assert.rejects(open(), code('KeyDisabled'));
  await patch({ enabled: true });
  assert.deepEqual(await open(), bytes);
});

test('a disabled key is noticed although nobody opens anything', async (t) => {
  const { clock, closed, patch, server, key } = await setUp(t);
  await server.tasks.start();
  await patch({ enabled: false });
  await clock.advance(40_000);
  await server.tasks.stop();
  assert.deepEqual(closed, ['workspace']);
  assert.throws(() => key.bytes, code('DataKeyClosed'));
});

test('an expired key and a deleted one end the use too; a later date and recovering restore it', async (t) => {
  const { clock, bytes, open, patch, call } = await setUp(t);
  await patch({ exp: clock.epochMs() / 1000 + 10 });
  await clock.advance(30_000);
  await assert.rejects(open(), code('KeyExpired'));
  await patch({ exp: null });
  assert.deepEqual(await open(), bytes);
  await call('DELETE', '/keys/cmk', { host });
  await clock.advance(30_000);
  await assert.rejects(open(), code('KeyNotFound'));
  await call('POST', '/deletedkeys/cmk/recover', { host });
  assert.deepEqual(await open(), bytes);
});

test('without its role the identity is refused, by a word that names the identity and the role it needs', async (t) => {
  const { clock, caller, bytes, open } = await setUp(t);
  const asked: string[] = [];
  caller.allows = (action, scope, actor) => {
    asked.push(`${actor.objectId} ${action} ${scope}`);
    return false;
  };
  await clock.advance(30_000);
  await assert.rejects(open(), (error) => {
    assert.ok(code('ForbiddenByRbac')(error) && error instanceof Failure);
    assert.match(error.message, /'ws'.*Key Vault Crypto Service Encryption User/);
    return true;
  });
  assert.deepEqual(asked, [
    `${principal.objectId} Microsoft.KeyVault/vaults/keys/unwrap/action ${vaultId('rooms')}/keys/cmk`,
  ]);
  caller.allows = () => true;
  assert.deepEqual(await open(), bytes);
});

test('every wrap and unwrap is recorded as the identity, refusals included', async (t) => {
  const { clock, caller, open, server, keyIdentifier } = await setUp(t);
  caller.allows = () => false;
  await clock.advance(30_000);
  await assert.rejects(open());
  const version = keyIdentifier.split('/').pop();
  const parameters = { vault: 'rooms', name: 'cmk', version, alg: 'RSA-OAEP-256' };
  const seen = server.audit.entries
    .filter(({ intent }) => intent.operation.startsWith('DataKeys_'))
    .map(({ level, intent, outcome }) => [
      level,
      intent.operation,
      intent.actor.objectId,
      intent.parameters,
      outcome?.status,
    ]);
  assert.deepEqual(seen, [
    ['activity', 'DataKeys_Wrap', principal.objectId, parameters, 200],
    ['activity', 'DataKeys_Unwrap', principal.objectId, parameters, 200],
    ['refused', 'DataKeys_Unwrap', principal.objectId, parameters, 403],
  ]);
});

test('a key of another version, of no version, or of no vault wraps nothing', async (t) => {
  const { server, ref, keyIdentifier, call } = await setUp(t);
  const ensure = (identifier: string) =>
    server.dataKeys.ensure(`owner ${identifier}`, 'runs', { ...ref, keyIdentifier: identifier } as WrapperRef);
  const refuses = (identifier: string, expected: string) =>
    assert.rejects(ensure(identifier), (error) => error instanceof Failure && error.code === expected, identifier);
  await refuses(keyIdentifier.replace(/[0-9a-f]{32}$/, 'a'.repeat(32)), 'KeyNotFound');
  await refuses(keyIdentifier.replace(/\/[0-9a-f]{32}$/, ''), 'InvalidKeyIdentifier');
  await refuses(keyIdentifier.replace('rooms', 'nothing'), 'VaultNotFound');
  await refuses('https://vault.azure.net/keys/a/b', 'InvalidKeyIdentifier');
  await call('PATCH', '/keys/cmk', { host, body: { key_ops: ['sign'] } });
  await refuses(keyIdentifier, 'KeyOperationNotPermitted');
});

test('what one version wrapped does not open with another, and is reported as damage', async (t) => {
  const { server, call, database, open, clock } = await setUp(t);
  const rotated = await call('POST', '/keys/cmk/rotate', { host });
  type Rows = { data_key_owners: { owner: string; key_identifier: string } };
  await database.write((tx) =>
    tables<Rows>(tx)
      .updateTable('data_key_owners')
      .set({ key_identifier: rotated.body.key.kid })
      .where('owner', '=', 'workspace')
      .execute(),
  );
  await clock.advance(30_000);
  await assert.rejects(open(), (error) => error instanceof Failure && error.kind === 'integrity');
  void server;
});

test('rotating to a new version rewraps the same keys, and the old version may then be disabled', async (t) => {
  const { server, call, ref, bytes, open, clock, keyIdentifier } = await setUp(t);
  const rotated = await call('POST', '/keys/cmk/rotate', { host });
  await server.dataKeys.rewrap('workspace', { ...ref, keyIdentifier: rotated.body.key.kid } as WrapperRef);
  await call('PATCH', new URL(keyIdentifier).pathname, { host, body: { attributes: { enabled: false } } });
  await clock.advance(60_000);
  assert.deepEqual(await open(), bytes);
});

test('a vault whose key protects data is not deleted, and says how many resources would be lost', async (t) => {
  const { call, server, bytes, open } = await setUp(t);
  const refused = await call('DELETE', vaultId('rooms'));
  assert.equal(refused.status, 409);
  assert.equal(refused.body.error.code, 'VaultInUse');
  assert.match(refused.body.error.message, /1 resource/);
  assert.deepEqual(await open(), bytes);
  await server.dataKeys.destroy('workspace');
  assert.equal((await call('DELETE', vaultId('rooms'))).status, 200);
});

test('a key is described to who may read it, for the rules of a workspace', async (t) => {
  const { server, caller, keyIdentifier } = await setUp(t);
  const grant = server.grants.as(principal, { name: 'any', plane: 'data' }, '/', 'test');
  const described = await server.vaults.describeKey(grant, keyIdentifier);
  assert.deepEqual(described, {
    vaultId: vaultId('rooms'),
    name: 'cmk',
    version: keyIdentifier.split('/').pop(),
    enabled: true,
    kty: 'RSA',
    size: 3072,
  });
  assert.equal(server.vaults.vaultOf(keyIdentifier).purgeProtection, true);
  caller.allows = () => false;
  await assert.rejects(server.vaults.describeKey(grant, keyIdentifier), { code: 'AuthorizationFailed' });
});
