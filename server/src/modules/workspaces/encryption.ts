// Customer-managed keys: the rules that are checked, all of them, before anything is made (reference 1.8). Both
// properties or neither; the vault in the workspace's subscription and region, with soft delete and purge protection; a
// key URI with its version, of that vault, enabled. What Azure finds late is refused here at once.

import type { Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import { parseResourceId, sameId } from '#kernel/ids/ids';
import type { WrapperRef } from '#kernel/sealing/data-keys';
import type { Resource, Resources } from '#resources';
import type { Vaults } from '#vault';

export type CustomerKey = { readonly vaultId: string; readonly keyIdentifier: string };

const refuse = (code: string, message: string, target: string) =>
  new Failure({ kind: 'invalid', code, message, target: `properties.encryption.${target}` });

/** The customer key that a draft or a stored workspace names, or undefined for service-managed encryption. */
export function customerKeyOf(properties: Readonly<Record<string, unknown>>): CustomerKey | undefined {
  const encryption = properties['encryption'] as
    | { status?: string; keyVaultProperties?: { keyVaultArmId?: string; keyIdentifier?: string } }
    | undefined;
  if (encryption === undefined) return undefined;
  const vaultId = encryption.keyVaultProperties?.keyVaultArmId;
  const keyIdentifier = encryption.keyVaultProperties?.keyIdentifier;
  if (encryption.status === 'Disabled') {
    if (vaultId !== undefined || keyIdentifier !== undefined) {
      throw refuse(
        'InvalidEncryption',
        "encryption.status is 'Disabled' although a key is named. Set it to 'Enabled', or leave out keyVaultProperties.",
        'status',
      );
    }
    return undefined;
  }
  if (vaultId === undefined || keyIdentifier === undefined) {
    throw refuse(
      'InvalidEncryption',
      'A customer-managed key needs both keyVaultProperties.keyVaultArmId (the vault) and keyVaultProperties.keyIdentifier (the key URI with its version); name both or neither.',
      vaultId === undefined ? 'keyVaultProperties.keyVaultArmId' : 'keyVaultProperties.keyIdentifier',
    );
  }
  return { vaultId, keyIdentifier };
}

export async function validateCustomerKey(
  deps: { readonly resources: Resources; readonly vaults: Pick<Vaults, 'describeKey'> },
  grant: Grant,
  key: CustomerKey,
  workspace: { readonly id: string; readonly location: string | undefined },
): Promise<void> {
  const at = 'keyVaultProperties.keyVaultArmId';
  const wanted = parseResourceId(key.vaultId);
  if (wanted.type?.toLowerCase() !== 'microsoft.keyvault/vaults')
    throw refuse('InvalidEncryption', 'keyVaultArmId is not the id of a key vault.', at);
  if (wanted.subscriptionId?.toLowerCase() !== parseResourceId(workspace.id).subscriptionId?.toLowerCase()) {
    throw refuse(
      'KeyVaultInOtherSubscription',
      'The key vault of a customer-managed key must be in the subscription of the workspace.',
      at,
    );
  }
  const vault: Resource | undefined = await deps.resources.find(grant, key.vaultId);
  if (!vault)
    throw refuse(
      'KeyVaultNotFound',
      `There is no key vault '${wanted.name}' at the given id. Create it first, with purge protection.`,
      at,
    );
  if (vault.location?.toLowerCase() !== workspace.location?.toLowerCase()) {
    throw refuse(
      'KeyVaultInOtherRegion',
      `The key vault is in '${vault.location}', the workspace in '${workspace.location}'. They must be in the same region.`,
      at,
    );
  }
  if (vault.properties['enablePurgeProtection'] !== true) {
    throw refuse(
      'PurgeProtectionRequired',
      `The key vault '${vault.name}' has no purge protection. Set enablePurgeProtection on it: without it a lost key could not be recovered.`,
      at,
    );
  }
  const described = await deps.vaults.describeKey(grant, key.keyIdentifier);
  const keyAt = 'keyVaultProperties.keyIdentifier';
  if (!sameId(described.vaultId, key.vaultId))
    throw refuse('InvalidEncryption', 'keyIdentifier is a key of another vault than keyVaultArmId names.', keyAt);
  if (!described.enabled)
    throw refuse('KeyDisabled', 'The key is disabled. Enable it, or name another version.', keyAt);
}

/** The key itself, whatever its version: where a role for it alone is given. */
export function keyScopeOf({ vaultId, keyIdentifier }: CustomerKey): string {
  const [, name = ''] = /\/keys\/([^/]+)/.exec(keyIdentifier) ?? [];
  return `${vaultId}/keys/${name}`;
}

/** The wrapping key of everything that the workspace owns. */
export function wrapperOf(
  key: CustomerKey | undefined,
  identity: { readonly objectId: string; readonly name: string },
): WrapperRef {
  return key === undefined
    ? { kind: 'root' }
    : { kind: 'vault', keyIdentifier: key.keyIdentifier, principal: identity };
}
