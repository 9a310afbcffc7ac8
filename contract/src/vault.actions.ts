// Actions of key vaults. The vault itself is of the control plane; what it holds is of the data plane, by Azure's names, so
// that neither Owner nor Contributor reads a secret. Source: Azure RBAC, Microsoft.KeyVault operations.

import { control, data } from './action.ts';

export const vaultActions = {
  checkNameAvailability: control('Microsoft.KeyVault/checkNameAvailability/read'),

  listDeletedVaults: control('Microsoft.KeyVault/deletedVaults/read'),
  readDeletedVault: control('Microsoft.KeyVault/locations/deletedVaults/read'),
  purgeDeletedVault: control('Microsoft.KeyVault/locations/deletedVaults/purge/action'),

  getSecret: data('Microsoft.KeyVault/vaults/secrets/getSecret/action'),
  setSecret: data('Microsoft.KeyVault/vaults/secrets/setSecret/action'),
  readSecretMetadata: data('Microsoft.KeyVault/vaults/secrets/readMetadata/action'),
  updateSecret: data('Microsoft.KeyVault/vaults/secrets/update/action'),
  deleteSecret: data('Microsoft.KeyVault/vaults/secrets/delete'),
  recoverSecret: data('Microsoft.KeyVault/vaults/secrets/recover/action'),
  purgeSecret: data('Microsoft.KeyVault/vaults/secrets/purge/action'),

  readKey: data('Microsoft.KeyVault/vaults/keys/read'),
  createKey: data('Microsoft.KeyVault/vaults/keys/create/action'),
  importKey: data('Microsoft.KeyVault/vaults/keys/import/action'),
  rotateKey: data('Microsoft.KeyVault/vaults/keys/rotate/action'),
  updateKey: data('Microsoft.KeyVault/vaults/keys/update/action'),
  deleteKey: data('Microsoft.KeyVault/vaults/keys/delete'),
  recoverKey: data('Microsoft.KeyVault/vaults/keys/recover/action'),
  purgeKey: data('Microsoft.KeyVault/vaults/keys/purge/action'),
  encrypt: data('Microsoft.KeyVault/vaults/keys/encrypt/action'),
  decrypt: data('Microsoft.KeyVault/vaults/keys/decrypt/action'),
  wrapKey: data('Microsoft.KeyVault/vaults/keys/wrap/action'),
  unwrapKey: data('Microsoft.KeyVault/vaults/keys/unwrap/action'),
  sign: data('Microsoft.KeyVault/vaults/keys/sign/action'),
  verify: data('Microsoft.KeyVault/vaults/keys/verify/action'),
} as const;
