// For tests of workspaces under a customer's key: his vault, who looks after it, and what he does with his keys.

import type { Lab } from './lab.fixture.ts';

export async function openCustomer(lab: Lab) {
  const vaultId = lab.id('Microsoft.KeyVault/vaults', 'customer1');
  await lab.must(lab.owner, 'PUT', vaultId, {
    body: { location: 'local', properties: { enablePurgeProtection: true, enableRbacAuthorization: true } },
  });
  await lab.now().tasks.drain();
  const officer = await lab.person(['Key Vault Administrator'], vaultId);
  await lab.now().assign(lab.owner, 'Key Vault Administrator', vaultId);
  const vault = (path: string) => `https://customer1.vault.localhost:8443${path}`;
  return {
    ...{ vaultId, officer, vault },
    /** Another version of one key. Answers its identifier. */
    async newKey(): Promise<string> {
      const body = { kty: 'RSA', key_size: 2048 };
      return String((await lab.must(officer, 'POST', vault('/keys/cmk/create'), { body })).body.key.kid);
    },
    enable: (kid: string, enabled: boolean) => lab.must(officer, 'PATCH', kid, { body: { attributes: { enabled } } }),
    /** Of a workspace under a key. */
    encryption: (keyIdentifier: string) => ({
      encryption: { status: 'Enabled', keyVaultProperties: { keyVaultArmId: vaultId, keyIdentifier } },
    }),
  };
}
