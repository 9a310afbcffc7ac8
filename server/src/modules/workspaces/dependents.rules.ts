// What a workspace stands on: names for the vault, storage account, registry and insights that it makes for itself, and
// the roles of its managed identity. Pure. Names are global on a server because they become hosts, so each carries a part
// of the workspace's unique id.

import { roleIds } from '#access';
import { parseResourceId } from '#kernel/ids/ids';

export const workspaceType = 'Microsoft.MachineLearningServices/workspaces';

export type Dependents = {
  readonly storageAccount: string;
  readonly keyVault: string;
  readonly containerRegistry: string;
  readonly applicationInsights: string;
};

/** ids of what the workspace makes where the caller named nothing. `uniqueId` is a GUID. */
export function dependentsOf(workspaceId: string, uniqueId: string, given: Partial<Dependents>): Dependents {
  const { subscriptionId, resourceGroup, name } = parseResourceId(workspaceId);
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
  const letters = name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, 8);
  const tail = uniqueId.replaceAll('-', '').slice(0, 10);
  return {
    storageAccount: given.storageAccount ?? `${group}/providers/Microsoft.Storage/storageAccounts/st${letters}${tail}`,
    keyVault: given.keyVault ?? `${group}/providers/Microsoft.KeyVault/vaults/kv${letters}${tail}`,
    containerRegistry:
      given.containerRegistry ?? `${group}/providers/Microsoft.ContainerRegistry/registries/cr${letters}${tail}`,
    applicationInsights:
      given.applicationInsights ?? `${group}/providers/Microsoft.Insights/components/ai${letters}${tail}`,
  };
}

/**
 * Blob containers of a workspace's storage account, by datastore. Each carries the unique id: an account that is given may serve
 * several workspaces, one after the other or at once, and none finds another's artifacts under a job's name.
 */
export function containersOf(uniqueId: string): Readonly<Record<DatastoreName, string>> {
  return {
    workspaceblobstore: `azureml-blobstore-${uniqueId}`,
    workspaceartifactstore: `azureml-${uniqueId}`,
    workspaceworkingdirectory: `code-${uniqueId}`,
    workspacefilestore: `azureml-filestore-${uniqueId}`,
  };
}

export type DatastoreName =
  | 'workspaceblobstore'
  | 'workspaceartifactstore'
  | 'workspaceworkingdirectory'
  | 'workspacefilestore';
export const datastoreNames: readonly DatastoreName[] = [
  'workspaceblobstore',
  'workspaceartifactstore',
  'workspaceworkingdirectory',
  'workspacefilestore',
];

export const dependentTypes = {
  storageAccount: 'Microsoft.Storage/storageAccounts',
  keyVault: 'Microsoft.KeyVault/vaults',
  containerRegistry: 'Microsoft.ContainerRegistry/registries',
  applicationInsights: 'Microsoft.Insights/components',
} as const satisfies Record<keyof Dependents, string>;

export type IdentityRole = { readonly scope: string; readonly roleId: string };

/**
 * All that a workspace does as its identity: it keeps artifacts, snapshots and uploads in its account, pushes, pulls and removes
 * images in its registry, and wraps its data keys by its customer's key. Whatever it does besides is decided by who asked for it.
 */
export function narrowRolesOf(
  dependents: Pick<Dependents, 'storageAccount' | 'containerRegistry'>,
): readonly IdentityRole[] {
  return [
    { scope: dependents.storageAccount, roleId: roleIds.storageBlobDataContributor },
    { scope: dependents.containerRegistry, roleId: roleIds.acrPush },
    { scope: dependents.containerRegistry, roleId: roleIds.acrDelete },
  ];
}

/**
 * The grants of the workspace's identity, and what they need here because vaults and registries decide by roles on the data plane:
 * access to all keys and secrets, push and pull. Source: Azure's documentation, "Enterprise security and governance for Azure
 * Machine Learning", managed identities.
 */
export function rolesOf(workspaceId: string, dependents: Dependents): readonly IdentityRole[] {
  const groupOf = (id: string) => {
    const { subscriptionId, resourceGroup } = parseResourceId(id);
    return `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
  };
  const own = groupOf(workspaceId);
  const vaultGroup = groupOf(dependents.keyVault);
  return [
    { scope: workspaceId, roleId: roleIds.contributor },
    { scope: dependents.storageAccount, roleId: roleIds.storageBlobDataContributor },
    { scope: dependents.keyVault, roleId: roleIds.keyVaultAdministrator },
    { scope: dependents.containerRegistry, roleId: roleIds.contributor },
    { scope: dependents.containerRegistry, roleId: roleIds.acrPush },
    { scope: own, roleId: roleIds.contributor },
    ...(vaultGroup.toLowerCase() === own.toLowerCase() ? [] : [{ scope: vaultGroup, roleId: roleIds.contributor }]),
  ];
}
