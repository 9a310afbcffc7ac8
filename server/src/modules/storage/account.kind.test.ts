// The storage account as a resource: names, defaults, what is refused, whose identity uses a customer's key, and removal.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import type { Failure } from '#kernel/errors/failure';
import { validate } from '#kernel/input/validate';
import { testGrant } from '#kernel/testing/authority';
import type { Draft, Resource } from '#resources';
import { reservedAccountNames } from './names.rules.ts';
import { accountId, bytesOf, code, customerKey, principal, readAll, setUp, setUpContainer } from './testing.ts';

after(() => closeScanPool());

const draftOf = (properties: Record<string, unknown>, identity?: Draft['identity']): Draft => ({
  location: 'local',
  tags: {},
  kind: undefined,
  sku: undefined,
  identity,
  properties,
});

async function checking(t: Parameters<typeof setUp>[0]) {
  const set = await setUp(t);
  const check = (name: string, draft: Draft, existing?: Resource) => {
    const properties = set.kind.normalise?.(draft, existing) ?? {};
    return set.kind.validate?.(testGrant(), { ...draft, properties }, existing, accountId(name));
  };
  return { ...set, check };
}

test('a name is lower-case letters and digits, unique over the server, and no path of another protocol', async (t) => {
  const { kind, check, addAccount } = await checking(t);
  for (const name of ['ab', 'x'.repeat(25), 'Abc', 'a-b', 'a.b', 'a/b', '../x'])
    assert.ok(!kind.namePattern.test(name), name);
  for (const name of ['subscriptions', 'secrets', 'mlflow', 'portal', 'healthz', 'metadata']) {
    assert.ok(reservedAccountNames.has(name));
    await assert.rejects(async () => check(name, draftOf({})), code('InvalidRequestPropertyValue'), name);
  }
  const first = await addAccount('abc');
  await check('abc', draftOf({}), first);
  const elsewhere = { ...first, id: first.id.replace('/rg/', '/other/'), uniqueId: 'u2' };
  await assert.rejects(
    async () =>
      kind.validate?.(
        testGrant(),
        draftOf({ encryption: { keySource: 'Microsoft.Storage' } }),
        undefined,
        elsewhere.id,
      ),
    code('StorageAccountAlreadyTaken'),
  );
  await assert.rejects(async () => kind.create?.(testGrant(), elsewhere), code('StorageAccountAlreadyTaken'));
  // Taking back what could not be made leaves the holder of the name alone.
  await kind.remove?.(testGrant(), elsewhere);
  await assert.rejects(async () => kind.create?.(testGrant(), elsewhere), code('StorageAccountAlreadyTaken'));
});

test('what is left out gets the safe default, and what would weaken the account is refused with a reason', async (t) => {
  const { kind, check } = await checking(t);
  assert.deepEqual(kind.normalise?.(draftOf({}), undefined), {
    minimumTlsVersion: 'TLS1_2',
    allowBlobPublicAccess: false,
    supportsHttpsTrafficOnly: true,
    allowSharedKeyAccess: false,
    isHnsEnabled: false,
    publicNetworkAccess: 'Enabled',
    networkAcls: { defaultAction: 'Allow', bypass: 'None' },
    encryption: { keySource: 'Microsoft.Storage' },
  });
  for (const weak of [
    { allowBlobPublicAccess: true },
    { supportsHttpsTrafficOnly: false },
    { allowSharedKeyAccess: true },
    { isHnsEnabled: true },
    { publicNetworkAccess: 'Disabled' },
    { networkAcls: { defaultAction: 'Deny' } },
    { encryption: { keySource: 'Microsoft.Storage', requireInfrastructureEncryption: true } },
  ])
    await assert.rejects(
      async () => check('abc', draftOf(weak)),
      (error) => {
        const name = Object.keys(weak)[0] ?? '';
        return code('InvalidRequestPropertyValue')(error) && /network|public/.test(name + (error as Failure).message)
          ? true
          : (error as Failure).message.includes(name);
      },
    );
  assert.throws(
    () => validate(kind.properties, { minimumTlsVersion: 'TLS1_0' }, 'body'),
    code('InvalidRequestContent'),
  );
});

test('a customer key is used as the identity of the account, and nobody can name another in a request', async (t) => {
  const { kind, check, addAccount, stored, storage, dataKeys } = await checking(t);
  const keyvaultproperties = { keyvaulturi: 'https://v.vault.localhost/', keyname: 'k', keyversion: '1' };
  const encryption = { keySource: 'Microsoft.Keyvault', keyvaultproperties };
  const identity = { type: 'SystemAssigned', principalId: 'p1' } as const;
  await assert.rejects(async () => check('abc', draftOf({ encryption })), /system-assigned identity/);
  await check('abc', draftOf({ encryption }, identity));
  for (const wrong of [
    { keySource: 'Microsoft.Keyvault' },
    { keySource: 'Microsoft.Storage', keyvaultproperties },
    { ...encryption, identity: { userAssignedIdentity: '/subscriptions/s/x' } },
    { ...encryption, keyvaultproperties: { ...keyvaultproperties, keyvaulturi: 'http://v/' } },
    { ...encryption, keyvaultproperties: { ...keyvaultproperties, keyname: '../x' } },
  ])
    await assert.rejects(
      async () => check('abc', draftOf({ encryption: wrong }, identity)),
      code('InvalidRequestPropertyValue'),
    );

  // `protector` is what is kept of the identity that uses the key: a request that holds one leaves no trace.
  const smuggled = kind.normalise?.(draftOf({ protector: principal }), undefined);
  assert.equal(smuggled?.['protector'], undefined);

  const account = await addAccount('abc');
  await storage.protect(testGrant(), account.id, customerKey);
  const lent = stored.get(account.id) ?? account;
  assert.deepEqual(lent.properties['protector'], principal);
  assert.deepEqual(await dataKeys.vaultWrapped(), [
    { owner: account.uniqueId, keyIdentifier: customerKey.keyIdentifier },
  ]);
  assert.equal(JSON.stringify(kind.view?.(lent, undefined)).includes(principal.objectId), false);
  await check('abc', draftOf({}), lent);
  await assert.rejects(
    async () => check('abc', draftOf({ encryption: { keySource: 'Microsoft.Storage' } }), lent),
    /managed by the workspace/,
  );
  await assert.rejects(async () => check('abc', draftOf({ encryption }, identity), lent), /managed by the workspace/);
  await storage.protect(testGrant(), account.id, { kind: 'root' });
  assert.deepEqual(await dataKeys.vaultWrapped(), []);
  await assert.rejects(
    storage.protect(testGrant({ scope: accountId('zzz') }), account.id, customerKey),
    code('AuthorizationPermissionMismatch'),
  );
});

test('changing the key source rewraps the key, and the data stays readable', async (t) => {
  const { kind, account, blobs, grant, ref, dataKeys } = await setUpContainer(t);
  const content = bytesOf(1000);
  await blobs.put(grant, ref('x'), content, { maxBytes: 1000 });
  const encryption = {
    keySource: 'Microsoft.Keyvault',
    keyvaultproperties: { keyvaulturi: 'https://v.vault.localhost', keyname: 'k', keyversion: '7' },
  };
  const identity = { type: 'SystemAssigned', principalId: 'p1' } as const;
  const next: Resource = { ...account, identity, properties: { ...account.properties, encryption } };
  await kind.update?.(testGrant(), next, account);
  assert.deepEqual(await dataKeys.vaultWrapped(), [
    { owner: account.uniqueId, keyIdentifier: 'https://v.vault.localhost/keys/k/7' },
  ]);
  assert.ok((await readAll((await blobs.open(grant, ref('x'))).stream)).equals(content));
});

test('removing an account destroys its key and its files, and its name finds nothing old', async (t) => {
  const { kind, account, blobs, grant, ref, blobsFolder, addAccount, dataKeys, stored } = await setUpContainer(t);
  await blobs.put(grant, ref('x'), bytesOf(1000), { maxBytes: 1000 });
  await kind.remove?.(testGrant(), account);
  await kind.remove?.(testGrant(), account);
  assert.equal(existsSync(dirname(blobsFolder(account.uniqueId))), false);
  await assert.rejects(dataKeys.open(account.uniqueId, 'storage'), code('DataKeyGone'));
  await assert.rejects(blobs.head(grant, ref('x')), code('ResourceNotFound'));
  stored.delete(account.id);
  await addAccount('acct1');
  await assert.rejects(blobs.head(grant, ref('x')), code('ContainerNotFound'));
});

test('after a restart the accounts that were finished are known, and the others are not', async (t) => {
  const { storage, stored, account, blobs, grant, ref } = await setUpContainer(t);
  const { creationTime: _, ...unfinished } = account.properties;
  stored.set('x', { ...account, id: accountId('half'), name: 'half', properties: unfinished });
  await storage.start?.();
  assert.equal(await blobs.find(grant, ref('none')), undefined);
  await assert.rejects(
    blobs.find(testGrant(), { account: accountId('half'), container: 'data', name: 'x' }),
    code('ResourceNotFound'),
  );
});

test('the endpoint is in the form of the host that was asked', async (t) => {
  const { kind, addAccount } = await setUp(t);
  const account = await addAccount('abc');
  const endpoint = kind.view?.(account, undefined)?.['primaryEndpoints'];
  assert.deepEqual(endpoint, { blob: 'https://localhost:8443/abc/' });
});
