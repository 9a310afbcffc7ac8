// What this module refuses, as a table: the protocol's word and a message that says what to do. Messages never hold a value.
// A refusal of a key carries the word that the vault answers inside its envelope (KeyDisabled), because whoever uses the
// key from outside, a workspace for its data, hands that word on.

import { Failure } from '#kernel/errors/failure';

export type Collection = 'secrets' | 'keys';

const title = { secrets: 'secret', keys: 'key' } as const;
const word = { secrets: 'Secret', keys: 'Key' } as const;
const day = (seconds: number) => new Date(seconds * 1000).toISOString();

export const badParameter = (message: string, target?: string): Failure =>
  new Failure({ kind: 'invalid', code: 'BadParameter', message, ...(target === undefined ? {} : { target }) });

const keyTypes: Readonly<Record<string, string>> = {
  EC: 'Elliptic-curve keys (EC)',
  'EC-HSM': 'Elliptic-curve keys in hardware (EC-HSM)',
  'RSA-HSM': 'Keys in hardware (RSA-HSM)',
  oct: 'Symmetric keys (oct)',
  'oct-HSM': 'Symmetric keys in hardware (oct-HSM)',
};

/** Of a type that the protocol has, it is said that the server lacks it: sending another is no advice to who needs this one. */
export const keyTypeNotServed = (kty: string): Failure => {
  const known = Object.hasOwn(keyTypes, kty) ? keyTypes[kty] : undefined;
  if (known === undefined)
    return badParameter("The key type (kty) is none of the protocol's. Vaults here hold 'RSA'.", 'kty');
  return new Failure({
    kind: 'notImplemented',
    code: 'KeyTypeNotServed',
    target: 'kty',
    message: `${known} are not served by this server's vaults: they hold RSA keys of 2048, 3072 and 4096 bits in software. Keep this key in another vault, or use RSA where the algorithm may be chosen.`,
  });
};

export const vaultNotFound = (name: string): Failure =>
  new Failure({
    kind: 'notFound',
    code: 'VaultNotFound',
    message: `There is no key vault named '${name}' on this server.`,
  });

export const objectNotFound = (collection: Collection, name: string): Failure =>
  new Failure({
    kind: 'notFound',
    code: `${word[collection]}NotFound`,
    message: `A ${title[collection]} with the name '${name}' (and version, if one was given) was not found in this key vault. If it was deleted, it may be recoverable.`,
  });

export const deletedNotFound = (collection: Collection, name: string): Failure =>
  new Failure({
    kind: 'notFound',
    code: `${word[collection]}NotFound`,
    message: `A deleted ${title[collection]} with the name '${name}' was not found in this key vault.`,
  });

export const deletedButRecoverable = (collection: Collection, name: string, purgeAtSeconds: number): Failure =>
  new Failure({
    kind: 'conflict',
    code: 'ObjectIsDeletedButRecoverable',
    message: `The ${title[collection]} '${name}' is deleted but recoverable, and its name cannot be used until ${day(purgeAtSeconds)}. Recover it, or purge it.`,
  });

export const purgeProtected = (): Failure =>
  new Failure({
    kind: 'forbidden',
    code: 'ForbiddenByPolicy',
    message:
      'Purge protection is on for this vault: what was deleted stays recoverable until its retention ends. Nobody can shorten that.',
  });

export const disabled = (collection: Collection, operation: string): Failure =>
  new Failure({
    kind: 'forbidden',
    code: `${word[collection]}Disabled`,
    message: `Operation ${operation} is not allowed on a disabled ${title[collection]}. Enable this version first.`,
  });

export const keyNotYetValid = (operation: string, notBefore: number): Failure =>
  new Failure({
    kind: 'forbidden',
    code: 'KeyNotYetValid',
    message: `Operation ${operation} is not allowed before the key is valid (${day(notBefore)}).`,
  });

export const keyExpired = (operation: string, expires: number): Failure =>
  new Failure({
    kind: 'forbidden',
    code: 'KeyExpired',
    message: `Operation ${operation} is not allowed on an expired key (expired ${day(expires)}). Use a newer version.`,
  });

export const operationNotPermitted = (operation: string): Failure =>
  new Failure({
    kind: 'forbidden',
    code: 'KeyOperationNotPermitted',
    message: `Operation ${operation} is not among the key_ops of this key.`,
  });

export const identityRefused = (identity: string, objectId: string, operation: string): Failure =>
  new Failure({
    kind: 'forbidden',
    code: 'ForbiddenByRbac',
    message: `The managed identity '${identity}' (object id ${objectId}) may not ${operation} with this key. Assign it the role Key Vault Crypto Service Encryption User on the vault.`,
  });

export const badKeyIdentifier = (why: string): Failure =>
  new Failure({
    kind: 'invalid',
    code: 'InvalidKeyIdentifier',
    target: 'keyIdentifier',
    message: `The key identifier is not usable: ${why}. It looks like https://{vault}.vault.{domain}/keys/{name}/{version}.`,
  });

export const tooManyGenerations = (): Failure =>
  new Failure({
    kind: 'throttled',
    code: 'Throttled',
    message: 'Too many keys are being generated at this moment. Try again.',
    retryAfterSeconds: 5,
  });

// ---- the vault as a resource ----------------------------------------------------------------------------------------

const invalidProperty = (target: string, message: string): Failure =>
  new Failure({ kind: 'invalid', code: 'InvalidVaultProperty', target: `properties.${target}`, message });

export const vaultErrors = {
  nameTaken: (name: string) =>
    new Failure({
      kind: 'conflict',
      code: 'VaultAlreadyExists',
      target: 'name',
      message: `The vault name '${name}' is already in use. Names of vaults are unique over the whole server, because they become host names; choose another.`,
    }),
  otherTenant: () =>
    invalidProperty(
      'tenantId',
      'The tenant of a vault is the tenant of this server. Leave tenantId out, or send that.',
    ),
  accessPolicies: () =>
    invalidProperty(
      'enableRbacAuthorization',
      'Vaults of this server are authorized by roles only. Under access policies whoever may write the vault could grant himself its secrets. Leave enableRbacAuthorization out or set it to true, and assign a role such as Key Vault Secrets User.',
    ),
  softDelete: () =>
    invalidProperty('enableSoftDelete', 'Soft delete cannot be turned off. Leave it out or set it to true.'),
  retention: (days: number) =>
    invalidProperty(
      'softDeleteRetentionInDays',
      `The retention of a vault is chosen when it is made and never changed; this one keeps deleted objects for ${days} days.`,
    ),
  purgeProtection: () => invalidProperty('enablePurgeProtection', 'Purge protection, once on, cannot be turned off.'),
  sku: () =>
    invalidProperty(
      'sku',
      'Vaults of this server keep keys in software: the sku is {"family": "A", "name": "standard"}. Keys in hardware (premium) are not offered.',
    ),
  network: () =>
    invalidProperty(
      'networkAcls',
      'This server cannot close a single vault to networks, and does not pretend to. Leave out publicNetworkAccess and networkAcls, or set them to Enabled and Allow; restrict by role, and by the address condition of role assignments.',
    ),
  createMode: () =>
    invalidProperty(
      'createMode',
      "Leave createMode out, or send 'default', or 'recover' for a vault that was deleted.",
    ),
  nameInBin: (name: string) =>
    new Failure({
      kind: 'conflict',
      code: 'ConflictError',
      target: 'name',
      message: `A vault with the name '${name}' exists in deleted state, and its name is kept with it. Recover it (az keyvault recover; createMode 'recover'), purge it (az keyvault purge), or choose another name.`,
    }),
  notDeleted: (name: string) =>
    new Failure({
      kind: 'conflict',
      code: 'VaultAlreadyExists',
      target: 'name',
      message: `The vault '${name}' is not deleted: there is nothing to recover. Leave createMode out to change it.`,
    }),
  nothingToRecover: (name: string) =>
    new Failure({
      kind: 'notFound',
      code: 'DeletedVaultNotFound',
      target: 'name',
      message: `There is no deleted vault '${name}' with this resource id and location. GET /subscriptions/{id}/providers/Microsoft.KeyVault/deletedVaults lists those that are; a vault is recovered where it was.`,
    }),
  retentionOver: (name: string) =>
    new Failure({
      kind: 'conflict',
      code: 'DeletedVaultIsBeingPurged',
      message: `The retention of the deleted vault '${name}' is over, or it was purged: it cannot be recovered.`,
    }),
  deletedNotFound: (name: string) =>
    new Failure({
      kind: 'notFound',
      code: 'DeletedVaultNotFound',
      message: `There is no deleted vault named '${name}' at this location. GET /subscriptions/{id}/providers/Microsoft.KeyVault/deletedVaults lists those that are.`,
    }),
  purgeProtected: (name: string, purgeAtMs: number) =>
    new Failure({
      kind: 'methodNotAllowed',
      code: 'MethodNotAllowed',
      message: `Purge protection is on for the vault '${name}': it stays recoverable until ${new Date(purgeAtMs).toISOString()}, and nobody can shorten that.`,
    }),
  wrapsData: (name: string, count: number) =>
    new Failure({
      kind: 'conflict',
      code: 'VaultInUse',
      message: `The vault '${name}' holds keys that protect the data of ${count} resource(s), which would be unreadable for ever. Delete those workspaces, or move them to another key, and then delete the vault.`,
    }),
} as const;
