// Storage accounts through the real resource manager and the real door: made, shown, listed and removed as a client would,
// with blobs in between.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { systemClock } from '#kernel/clock/clock';
import { closeScanPool } from '#kernel/database/database';
import { createFiles } from '#kernel/files/files';
import { createDataKeys, dataKeyMigrations } from '#kernel/sealing/data-keys.service';
import { openRootKeyFile } from '#kernel/sealing/root-key-file';
import { testActs, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { createResources, resourceTables } from '#resources';
import { byteStoresOf, databasesOf } from '../../data-folder.ts';
import { createStorage } from './index.ts';
import { bearer, noSignatures, principal, readAll, sender } from './testing.ts';

after(() => closeScanPool());

const subscription = {
  id: '0b1f6471-1bf0-4dda-aec3-cb9272f09590',
  displayName: 'test',
  tenantId: '22222222-2222-4222-8222-222222222222',
  location: 'local',
};
const group = `/subscriptions/${subscription.id}/resourceGroups/rg`;
const idOf = (name: string) => `${group}/providers/Microsoft.Storage/storageAccounts/${name}`;
const at = (id: string) => `${id}?api-version=2023-05-01`;

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-storage-arm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const files = createFiles();
  const database = await testDatabases(folder).open('control', [dataKeyMigrations, resourceTables], {
    key: new Uint8Array(32).fill(3),
  });
  const rootKey = await openRootKeyFile({ file: join(folder, 'root.key'), dataFolder: join(folder, 'data'), files });
  const refuse = () => Promise.reject(new Error('no vault in this test'));
  const wrapper = { wrap: refuse, unwrap: refuse };
  const clock = systemClock;
  const dataKeys = createDataKeys({ database, rootKey, wrapper: () => wrapper, clock });
  const { authorizer, grants } = testAuthority();
  const shared = { grants, acts: testActs(grants), clock, domain: 'localhost:8443', schemes: [bearer] };
  const manager = createResources({
    ...shared,
    database,
    tasks: { enqueue: refuse },
    identities: {
      create: async () => ({ objectId: principal.objectId, tenantId: subscription.tenantId }),
      remove: async () => {},
    },
    homeOf: async () => undefined,
    subscription,
  });
  const make = () =>
    createStorage({
      ...shared,
      byteStores: byteStoresOf(join(folder, 'data'), files),
      databases: databasesOf(join(folder, 'data')),
      dataKeys,
      resources: manager.resources,
      addresses: noSignatures,
      reservedIn: () => undefined,
      authority: `https://localhost:8443/${subscription.tenantId}`,
    });
  const storage = make();
  const door = await openTestDoor({
    surfaces: [...(manager.surfaces ?? []), ...(storage.surfaces ?? [])],
    routes: [...(manager.routes ?? []), ...manager.routesFor(storage.kinds), ...(storage.routes ?? [])],
    ports: { authorizer, audit: testAudit() },
  });
  t.after(async () => {
    await door.close();
    await storage.stop?.();
    await manager.stop?.();
    dataKeys.close();
    await database.close();
  });
  const send = sender(Number(new URL(door.url).port));
  const put = async (id: string, body: object) => {
    const reply = await send('PUT', at(id), {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
    return { status: reply.status, body: JSON.parse(reply.body.toString()) };
  };
  assert.equal((await put(group, { location: 'local' })).status, 201);
  return { folder, send, put, make };
}

test('an account is made with safe defaults, and takes blobs at the endpoint that it shows', async (t) => {
  const { send, put } = await open(t);
  const made = await put(idOf('first'), { location: 'local', kind: 'StorageV2', sku: { name: 'Standard_LRS' } });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  const { properties } = made.body;
  assert.deepEqual(properties.primaryEndpoints, { blob: 'https://localhost:8443/first/' });
  assert.equal(properties.allowSharedKeyAccess, false);
  assert.equal(properties.provisioningState, 'Succeeded');
  const again = await put(idOf('first'), made.body);
  assert.equal(again.status, 200, JSON.stringify(again.body));
  assert.equal((await send('PUT', '/first/data?restype=container')).status, 201);
  const headers = { 'x-ms-blob-type': 'BlockBlob' };
  assert.equal((await send('PUT', '/first/data/x', { headers, body: 'hello' })).status, 201);
  const shown = await send('GET', at(`${idOf('first')}/blobServices/default/containers/data`));
  assert.equal(JSON.parse(shown.body.toString()).name, 'data');
  const listed = await send('GET', at(`${group}/providers/Microsoft.Storage/storageAccounts`));
  assert.equal(JSON.parse(listed.body.toString()).value.length, 1);
});

test('who asks for account keys is told what there is instead, whatever else he asks', async (t) => {
  const { send, put } = await open(t);
  await put(idOf('keyless'), { location: 'local', kind: 'StorageV2', sku: { name: 'Standard_LRS' } });
  // As az asks.
  for (const more of ['', '&%24expand=kerb']) {
    const { status, body } = await send('POST', `${idOf('keyless')}/listKeys?api-version=2023-05-01${more}`);
    assert.deepEqual([status, JSON.parse(body.toString()).error.code], [501, 'AccountKeysNotServed']);
    assert.match(body.toString(), /--auth-mode login/);
  }
});

test('what would weaken it, what nobody knows and what names an identity is refused', async (t) => {
  const { put } = await open(t);
  for (const properties of [
    { allowSharedKeyAccess: true },
    { allowBlobPublicAccess: true },
    { minimumTlsVersion: 'TLS1_0' },
    { protector: principal },
    { creationTime: '2020-01-01T00:00:00Z' },
    { encryption: { keySource: 'Microsoft.Keyvault', protector: principal } },
  ]) {
    const reply = await put(idOf('weak'), { location: 'local', properties });
    assert.equal(reply.status, 400, JSON.stringify(properties));
  }
  assert.equal((await put(idOf('secrets'), { location: 'local' })).status, 400);
  assert.equal((await put(idOf('Bad-Name'), { location: 'local' })).status, 400);
});

test('a name is taken once on the whole server, also by two who ask at the same time', async (t) => {
  const { put } = await open(t);
  const other = group.replace('/rg', '/rg2');
  await put(other, { location: 'local' });
  const replies = await Promise.all([
    put(idOf('same'), { location: 'local' }),
    put(idOf('same').replace('/rg/', '/rg2/'), { location: 'local' }),
  ]);
  assert.deepEqual(replies.map((reply) => reply.status).sort(), [200, 409]);
});

test('a name is said to be free, taken, reserved or none', async (t) => {
  const { send, put } = await open(t);
  await put(idOf('mine'), { location: 'local' });
  const ask = async (name: unknown, type: unknown = 'Microsoft.Storage/storageAccounts') => {
    const path = at(`/subscriptions/${subscription.id}/providers/Microsoft.Storage/checkNameAvailability`);
    const headers = { 'content-type': 'application/json' };
    const reply = await send('POST', path, { headers, body: JSON.stringify({ name, type }) });
    return { status: reply.status, body: JSON.parse(reply.body.toString()) };
  };
  assert.deepEqual((await ask('free1')).body, { nameAvailable: true });
  assert.equal((await ask('mine')).body.reason, 'AlreadyExists');
  assert.equal((await ask('mlflow')).body.reason, 'AlreadyExists');
  for (const name of ['Mine', 'ab', '../x', '', 'x'.repeat(25)])
    assert.deepEqual(
      [(await ask(name)).body.nameAvailable, (await ask(name)).body.reason],
      [false, 'AccountNameInvalid'],
    );
  assert.equal((await ask(7)).status, 400);
  assert.equal((await ask('x'.repeat(300))).status, 400);
  assert.equal((await ask('free1', 'Microsoft.KeyVault/vaults')).status, 400);
});

test('after a restart blobs are where they were, and removing the account leaves no file', async (t) => {
  const { folder, send, put, make } = await open(t);
  await put(idOf('kept'), { location: 'local' });
  await send('PUT', '/kept/data?restype=container');
  await send('PUT', '/kept/data/x', { headers: { 'x-ms-blob-type': 'BlockBlob' }, body: 'hello' });
  const restarted = make();
  await restarted.start?.();
  const { stream } = await restarted.blobs.open(testGrant(), { account: idOf('KEPT'), container: 'data', name: 'x' });
  assert.equal((await readAll(stream)).toString(), 'hello');
  await restarted.stop?.();
  assert.equal((await send('DELETE', at(idOf('kept')))).status, 200);
  assert.equal((await send('GET', '/kept/data/x')).status, 404);
  assert.deepEqual(await readdir(join(folder, 'data', 'storage')), []);
});
