// What the vault as a resource refuses.

import { defineFailures } from '#kernel/errors/failures';

const property = (target: string, message: string) => ({ target: `properties.${target}`, message });

export const vaultsFailures = defineFailures('vault', {
  VaultAlreadyExists: {
    kind: 'conflict',
    meaning: 'Another vault of this server has the name, which becomes a host name.',
    remedy: 'Choose another name.',
    say: (name: string) => ({
      target: 'name',
      message: `The vault name '${name}' is already in use. Names of vaults are unique over the whole server, because they become host names; choose another.`,
    }),
  },
  notDeleted: {
    kind: 'conflict',
    code: 'VaultAlreadyExists',
    meaning: 'A vault is to be recovered that was not deleted.',
    remedy: 'Leave createMode out to change it.',
    say: (name: string) => ({
      target: 'name',
      message: `The vault '${name}' is not deleted: there is nothing to recover. Leave createMode out to change it.`,
    }),
  },
  otherTenant: {
    kind: 'invalid',
    code: 'InvalidVaultProperty',
    meaning: 'The tenant of a vault is not that of the server.',
    remedy: "Leave tenantId out, or send the server's.",
    say: () =>
      property('tenantId', 'The tenant of a vault is the tenant of this server. Leave tenantId out, or send that.'),
  },
  accessPolicies: {
    kind: 'invalid',
    code: 'InvalidVaultProperty',
    meaning: 'A vault was to be authorized by access policies; here it is by roles only.',
    remedy: 'Leave enableRbacAuthorization out or set it to true, and assign a role.',
    say: () =>
      property(
        'enableRbacAuthorization',
        'Vaults of this server are authorized by roles only. Under access policies whoever may write the vault could grant himself its secrets. Leave enableRbacAuthorization out or set it to true, and assign a role such as Key Vault Secrets User.',
      ),
  },
  softDelete: {
    kind: 'invalid',
    code: 'InvalidVaultProperty',
    meaning: 'Soft delete was to be turned off.',
    remedy: 'Leave enableSoftDelete out or set it to true.',
    say: () => property('enableSoftDelete', 'Soft delete cannot be turned off. Leave it out or set it to true.'),
  },
  retention: {
    kind: 'invalid',
    code: 'InvalidVaultProperty',
    meaning: 'The retention of a vault was to be changed, which is chosen when it is made.',
    remedy: 'Leave softDeleteRetentionInDays out, or make another vault.',
    say: (days: number) =>
      property(
        'softDeleteRetentionInDays',
        `The retention of a vault is chosen when it is made and never changed; this one keeps deleted objects for ${days} days.`,
      ),
  },
  purgeProtection: {
    kind: 'invalid',
    code: 'InvalidVaultProperty',
    meaning: 'Purge protection was to be turned off.',
    remedy: 'Leave enablePurgeProtection out.',
    say: () => property('enablePurgeProtection', 'Purge protection, once on, cannot be turned off.'),
  },
  sku: {
    kind: 'invalid',
    code: 'InvalidVaultProperty',
    meaning: 'A sku was sent that keeps keys in hardware, or that there is not.',
    remedy: 'Send {"family": "A", "name": "standard"}.',
    say: () =>
      property(
        'sku',
        'Vaults of this server keep keys in software: the sku is {"family": "A", "name": "standard"}. Keys in hardware (premium) are not offered.',
      ),
  },
  network: {
    kind: 'invalid',
    code: 'InvalidVaultProperty',
    meaning: 'A single vault was to be closed to networks.',
    remedy:
      'Leave publicNetworkAccess and networkAcls out; restrict by role, and by the address condition of role assignments.',
    say: () =>
      property(
        'networkAcls',
        'This server cannot close a single vault to networks, and does not pretend to. Leave out publicNetworkAccess and networkAcls, or set them to Enabled and Allow; restrict by role, and by the address condition of role assignments.',
      ),
  },
  createMode: {
    kind: 'invalid',
    code: 'InvalidVaultProperty',
    meaning: 'A createMode was sent that does not fit, or that there is not.',
    remedy: "Leave it out, or send 'default', or 'recover' for a vault that was deleted.",
    say: () =>
      property('createMode', "Leave createMode out, or send 'default', or 'recover' for a vault that was deleted."),
  },
  ConflictError: {
    kind: 'conflict',
    meaning: 'A deleted vault has the name, which is kept with it.',
    remedy: 'Recover it, purge it, or choose another name.',
    say: (name: string) => ({
      target: 'name',
      message: `A vault with the name '${name}' exists in deleted state, and its name is kept with it. Recover it (az keyvault recover; createMode 'recover'), purge it (az keyvault purge), or choose another name.`,
    }),
  },
  nothingToRecover: {
    kind: 'notFound',
    code: 'DeletedVaultNotFound',
    meaning: 'A vault is to be recovered, and none was deleted with this resource id and location.',
    remedy: 'List the deleted vaults; a vault is recovered where it was.',
    say: (name: string) => ({
      target: 'name',
      message: `There is no deleted vault '${name}' with this resource id and location. GET /subscriptions/{id}/providers/Microsoft.KeyVault/deletedVaults lists those that are; a vault is recovered where it was.`,
    }),
  },
  DeletedVaultIsBeingPurged: {
    kind: 'conflict',
    meaning: 'The retention of the deleted vault is over, or it was purged.',
    remedy: 'It cannot be recovered; make another.',
    say: (name: string) =>
      `The retention of the deleted vault '${name}' is over, or it was purged: it cannot be recovered.`,
  },
  DeletedVaultNotFound: {
    kind: 'notFound',
    meaning: 'No deleted vault has the name at the location.',
    remedy: 'List the deleted vaults.',
    say: (name: string) =>
      `There is no deleted vault named '${name}' at this location. GET /subscriptions/{id}/providers/Microsoft.KeyVault/deletedVaults lists those that are.`,
  },
  MethodNotAllowed: {
    kind: 'methodNotAllowed',
    meaning: 'A vault with purge protection is to be purged.',
    remedy: 'Wait for its retention to end.',
    say: (name: string, purgeAtMs: number) =>
      `Purge protection is on for the vault '${name}': it stays recoverable until ${new Date(purgeAtMs).toISOString()}, and nobody can shorten that.`,
  },
  VaultInUse: {
    kind: 'conflict',
    meaning: 'Keys of the vault protect data, which would be unreadable for ever.',
    remedy: 'Delete those workspaces, or move them to another key, and then delete the vault.',
    say: (name: string, count: number) =>
      `The vault '${name}' holds keys that protect the data of ${count} resource(s), which would be unreadable for ever. Delete those workspaces, or move them to another key, and then delete the vault.`,
  },
});
