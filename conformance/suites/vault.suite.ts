// @azure/arm-keyvault, @azure/keyvault-secrets and @azure/keyvault-keys: vaults, what is in them, and keys that never leave.

import assert from 'node:assert/strict';
import { constants, createPublicKey, randomBytes, verify } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { KeyVaultManagementClient } from '@azure/arm-keyvault';
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys';
import { SecretClient } from '@azure/keyvault-secrets';
import { all, bootstrap, credential, makeGroup } from '../harness/bootstrap.ts';
import { assign } from '../harness/roles.ts';

const vaults = new KeyVaultManagementClient(credential, bootstrap.subscriptionId, { endpoint: bootstrap.url }).vaults;
const parameters = {
  location: bootstrap.location,
  properties: {
    tenantId: bootstrap.tenantId,
    sku: { family: 'A' as const, name: 'standard' as const },
    enableRbacAuthorization: true,
    softDeleteRetentionInDays: 7,
  },
};

const base64url = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('base64url');

async function makeVault(name: string): Promise<string> {
  const { properties } = await vaults.createOrUpdate('vaults', name, parameters);
  assert.ok(properties?.vaultUri);
  return properties.vaultUri;
}

describe('@azure/arm-keyvault', () => {
  before(() => makeGroup('vaults'));

  it('a vault is created, read, listed, updated and deleted', async () => {
    const name = 'managed-vault';
    assert.equal((await vaults.checkNameAvailability({ name, type: 'Microsoft.KeyVault/vaults' })).nameAvailable, true);
    const uri = await makeVault(name);
    assert.equal(new URL(uri).hostname, `${name}.vault.localhost`);
    assert.equal(
      (await vaults.checkNameAvailability({ name, type: 'Microsoft.KeyVault/vaults' })).nameAvailable,
      false,
    );
    assert.equal((await vaults.get('vaults', name)).properties.enableSoftDelete, true);
    assert.ok((await all(vaults.listByResourceGroup('vaults'))).some((vault) => vault.name === name));
    assert.ok((await all(vaults.listBySubscription())).some((vault) => vault.name === name));
    assert.ok((await all(vaults.list())).some((vault) => vault.name === name));
    assert.deepEqual((await vaults.update('vaults', name, { tags: { a: '1' } })).tags, { a: '1' });
    const { location = '', properties } = await vaults.get('vaults', name);
    await vaults.delete('vaults', name);
    await assert.rejects(vaults.get('vaults', name), { statusCode: 404 });
    assert.ok((await all(vaults.listDeleted())).some((vault) => vault.name === name));
    const recover = {
      tenantId: properties.tenantId,
      sku: { family: 'A', name: 'standard' },
      createMode: 'recover',
    } as const;
    await vaults.beginCreateOrUpdateAndWait('vaults', name, { location, properties: recover });
    await vaults.delete('vaults', name);
    assert.equal((await vaults.getDeleted(name, location)).properties?.location, location);
    await vaults.beginPurgeDeletedAndWait(name, location);
    await assert.rejects(vaults.getDeleted(name, location), { statusCode: 404 });
    assert.equal((await vaults.checkNameAvailability({ name, type: 'Microsoft.KeyVault/vaults' })).nameAvailable, true);
  });
});

describe('@azure/keyvault-secrets', () => {
  let client: SecretClient;
  before(async () => {
    await makeGroup('vaults');
    client = new SecretClient(await makeVault('secret-vault'), credential);
  });

  it('the owner of the subscription may not read secrets until a role of the vault says so', async () => {
    await assert.rejects(client.getSecret('nothing'), { statusCode: 403, code: 'Forbidden' });
    const { id } = await vaults.get('vaults', 'secret-vault');
    await assign(id ?? '', 'Key Vault Administrator');
    await assert.rejects(client.getSecret('nothing'), { statusCode: 404, code: 'SecretNotFound' });
  });

  it('a secret is set, read by version, listed and its properties changed', async () => {
    const first = await client.setSecret('password', 'one', { contentType: 'text/plain', tags: { a: '1' } });
    const second = await client.setSecret('password', 'two');
    assert.notEqual(first.properties.version, second.properties.version);
    assert.equal((await client.getSecret('password')).value, 'two');
    assert.equal((await client.getSecret('password', { version: first.properties.version ?? '' })).value, 'one');
    const versions = await all(client.listPropertiesOfSecretVersions('password'));
    assert.equal(versions.length, 2);
    assert.ok((await all(client.listPropertiesOfSecrets())).some((secret) => secret.name === 'password'));
    const version = second.properties.version ?? '';
    const changed = await client.updateSecretProperties('password', version, { enabled: false });
    assert.equal(changed.enabled, false);
    await assert.rejects(client.getSecret('password'), { statusCode: 403 });
  });

  it('a deleted secret is recovered, and a purged one is gone', async () => {
    await client.setSecret('short-lived', 'value');
    await (await client.beginDeleteSecret('short-lived', { intervalInMs: 50 })).pollUntilDone();
    await assert.rejects(client.getSecret('short-lived'), { statusCode: 404 });
    assert.ok((await all(client.listDeletedSecrets())).some((secret) => secret.name === 'short-lived'));
    await (await client.beginRecoverDeletedSecret('short-lived', { intervalInMs: 50 })).pollUntilDone();
    assert.equal((await client.getSecret('short-lived')).value, 'value');
    await (await client.beginDeleteSecret('short-lived', { intervalInMs: 50 })).pollUntilDone();
    await client.purgeDeletedSecret('short-lived');
    await assert.rejects(client.getDeletedSecret('short-lived'), { statusCode: 404 });
  });

  it('a name that is not one is refused with a reason', async () => {
    await assert.rejects(client.setSecret('no_underscores', 'x'), { statusCode: 400 });
  });
});

describe('@azure/keyvault-keys', () => {
  let client: KeyClient;
  before(async () => {
    await makeGroup('vaults');
    client = new KeyClient(await makeVault('key-vault'), credential);
    const { id } = await vaults.get('vaults', 'key-vault');
    await assign(id ?? '', 'Key Vault Administrator');
  });

  it('an RSA key wraps and unwraps, encrypts and decrypts, signs and verifies through CryptographyClient', async () => {
    const key = await client.createRsaKey('rsa', { keySize: 2048 });
    assert.equal(key.key?.d, undefined, 'the private half never leaves');
    const cryptography = new CryptographyClient(key, credential);
    const dataKey = randomBytes(32);
    for (const algorithm of ['RSA-OAEP', 'RSA-OAEP-256'] as const) {
      const wrapped = await cryptography.wrapKey(algorithm, dataKey);
      assert.deepEqual(Buffer.from((await cryptography.unwrapKey(algorithm, wrapped.result)).result), dataKey);
      const sealed = await cryptography.encrypt(algorithm, dataKey);
      const opened = await cryptography.decrypt({ algorithm, ciphertext: sealed.result });
      assert.deepEqual(Buffer.from(opened.result), dataKey);
    }
    for (const algorithm of ['RS256', 'RS512'] as const) {
      const { result } = await cryptography.signData(algorithm, Buffer.from('message'));
      assert.equal((await cryptography.verifyData(algorithm, Buffer.from('message'), result)).result, true);
      assert.equal((await cryptography.verifyData(algorithm, Buffer.from('massage'), result)).result, false);
    }
    // The client verifies PS256 itself, with the padding of RS256, and always answers false: Node is asked instead.
    const { result } = await cryptography.signData('PS256', Buffer.from('message'));
    const jwk = { kty: 'RSA', n: base64url(key.key?.n), e: base64url(key.key?.e) };
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    const publicKey = { key: createPublicKey({ key: jwk, format: 'jwk' }), padding, saltLength: 32 };
    assert.equal(verify('sha256', Buffer.from('message'), publicKey, result), true);
  });

  it('a kind of key that is not served is refused with what is', async () => {
    await assert.rejects(client.createEcKey('curve', { curve: 'P-256' }), { statusCode: 501, message: /RSA/ });
  });

  it('a key is rotated by a new version, listed, disabled, deleted and recovered', async () => {
    const first = await client.createKey('turning', 'RSA');
    const second = await client.createKey('turning', 'RSA');
    assert.notEqual(first.id, second.id);
    const rotated = await client.rotateKey('turning');
    assert.notEqual(rotated.id, second.id);
    assert.equal((await all(client.listPropertiesOfKeyVersions('turning'))).length, 3);
    assert.ok((await all(client.listPropertiesOfKeys())).some((item) => item.name === 'turning'));
    const version = rotated.properties.version ?? '';
    await client.updateKeyProperties('turning', version, { enabled: false });
    const disabled = new CryptographyClient(rotated.id ?? '', credential);
    await assert.rejects(disabled.unwrapKey('RSA-OAEP', randomBytes(256)), { statusCode: 403 });
    await (await client.beginDeleteKey('turning', { intervalInMs: 50 })).pollUntilDone();
    await assert.rejects(client.getKey('turning'), { statusCode: 404, code: 'KeyNotFound' });
    await (await client.beginRecoverDeletedKey('turning', { intervalInMs: 50 })).pollUntilDone();
    assert.equal((await client.getKey('turning')).name, 'turning');
  });

  it('a key that may only verify does not sign', async () => {
    const key = await client.createRsaKey('narrow', { keySize: 2048, keyOps: ['verify'] });
    await assert.rejects(new CryptographyClient(key, credential).signData('RS256', Buffer.from('x')));
  });
});
