// Customer-managed keys: the rules that are checked, all of them, before anything is made. Both properties or neither; the vault
// in the workspace's subscription and region, with soft delete and purge protection; a key URI with its version, of that vault,
// enabled. What Azure finds late is refused here at once. Source: Azure's documentation, "Customer-managed keys for Azure Machine
// Learning".

import type { Grant } from '#kernel/authority/grant';
import { parseResourceId, sameId } from '#kernel/ids/ids';
import type { WrapperRef } from '#kernel/sealing/data-keys';
import type { Resource, Resources } from '#resources';
import type { Vaults } from '#vault';
import { workspacesFailures } from './workspaces.errors.ts';

export type CustomerKey = { readonly vaultId: string; readonly keyIdentifier: string };

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
      throw workspacesFailures.keyOfDisabled();
    }
    return undefined;
  }
  if (vaultId === undefined || keyIdentifier === undefined) {
    throw workspacesFailures.halfAKey(vaultId === undefined ? 'vault' : 'key');
  }
  return { vaultId, keyIdentifier };
}

export async function validateCustomerKey(
  deps: { readonly resources: Resources; readonly vaults: Pick<Vaults, 'describeKey'> },
  grant: Grant,
  key: CustomerKey,
  workspace: { readonly id: string; readonly location: string | undefined },
): Promise<void> {
  const wanted = parseResourceId(key.vaultId);
  if (wanted.type?.toLowerCase() !== 'microsoft.keyvault/vaults') throw workspacesFailures.notAVault();
  if (wanted.subscriptionId?.toLowerCase() !== parseResourceId(workspace.id).subscriptionId?.toLowerCase()) {
    throw workspacesFailures.KeyVaultInOtherSubscription();
  }
  const vault: Resource | undefined = await deps.resources.find(grant, key.vaultId);
  if (!vault) throw workspacesFailures.KeyVaultNotFound(wanted.name);
  if (vault.location?.toLowerCase() !== workspace.location?.toLowerCase()) {
    throw workspacesFailures.KeyVaultInOtherRegion(vault.location, workspace.location);
  }
  if (vault.properties['enablePurgeProtection'] !== true) {
    throw workspacesFailures.PurgeProtectionRequired(vault.name);
  }
  const described = await deps.vaults.describeKey(grant, key.keyIdentifier);
  if (!sameId(described.vaultId, key.vaultId)) throw workspacesFailures.keyOfOtherVault();
  if (!described.enabled) throw workspacesFailures.KeyDisabled();
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
