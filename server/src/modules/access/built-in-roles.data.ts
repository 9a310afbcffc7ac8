// Azure's built-in roles that this server serves, by Azure's ids, as data. Two additions to what Azure ships, both stated
// in README.md: roles that Azure writes with a wildcard segment also name the resource itself (here that wildcard needs a
// segment), and the roles that may not upgrade a workspace's edition or share it say so.
// Sources: Azure RBAC built-in roles; Azure Machine Learning, "enterprise security" (who may do what), "manage roles".

import { auditActions } from '@strongroom/contract/audit.actions';
import type { Permission, RoleDefinition } from './role.rules.ts';

/** Upgrading a workspace's edition: by the article for Owners only, so it is an action of its own that others are denied. */
const upgradeEdition = 'Microsoft.MachineLearningServices/workspaces/upgradeEdition/action';

const ml = 'Microsoft.MachineLearningServices';
const vaults = 'Microsoft.KeyVault/vaults';
const blobService = 'Microsoft.Storage/storageAccounts/blobServices';

const vaultControl = [
  'Microsoft.Authorization/*/read',
  'Microsoft.Insights/alertRules/*',
  'Microsoft.Resources/deployments/*',
  'Microsoft.Resources/subscriptions/resourceGroups/read',
  'Microsoft.Support/*',
  'Microsoft.KeyVault/checkNameAvailability/read',
  'Microsoft.KeyVault/deletedVaults/read',
  'Microsoft.KeyVault/locations/*/read',
  'Microsoft.KeyVault/vaults/read',
  'Microsoft.KeyVault/vaults/*/read',
  'Microsoft.KeyVault/operations/read',
];

function role(id: string, roleName: string, description: string, permission: Partial<Permission>): RoleDefinition {
  return {
    id,
    roleName,
    description,
    type: 'BuiltInRole',
    permissions: [{ actions: [], notActions: [], dataActions: [], notDataActions: [], ...permission }],
    assignableScopes: ['/'],
    createdOn: '2015-02-02T21:55:09.8806423Z',
    updatedOn: '2015-02-02T21:55:09.8806423Z',
    createdBy: null,
    updatedBy: null,
  };
}

/** Ids that code refers to by name. */
export const roleIds = {
  owner: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
  contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
  reader: 'acdd72a7-3385-48ef-bd42-f606fba81ae7',
  userAccessAdministrator: '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1',
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe',
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b',
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d',
  acrPush: '8311e382-0749-4cb8-b61a-304f252e45ec',
  acrDelete: 'c2f4ef07-c644-48eb-af81-4b1b4947fb11',
  managedIdentityOperator: 'f1a07417-d97a-45cb-824c-7a7467783830',
  keyVaultAdministrator: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
  keyVaultReader: '21090545-7ca7-4776-b22c-e363652d74d2',
  keyVaultCertificatesOfficer: 'a4417e6f-fecd-4de8-b567-7b0420556985',
  keyVaultCertificateUser: 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba',
  keyVaultCryptoOfficer: '14b46e9e-c2b7-41b4-b07b-48a6ebf60603',
  keyVaultCryptoServiceEncryptionUser: 'e147488a-f6f5-4113-8e2d-b22465e65bf6',
  keyVaultCryptoUser: '12338af0-0e69-4776-bea7-57ae8d297424',
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6',
  azureMlDataScientist: 'f6c7c914-8db3-469d-8ca1-694a8f32e121',
  azureMlComputeOperator: 'e503ece1-11d0-4e8e-8e2c-7a6c3bf38815',
  azureMlMetricsWriter: '635dd51f-9968-44d3-b7fb-6d9a6bd613ae',
  azureMlRegistryUser: '1823dd4f-9b8c-4ab6-ab4e-7397a3684615',
  azureMlConnectionSecretsReader: 'ea01e6af-a1c1-4350-9563-ad00f8c72ec5',
  /** Ours: Azure has no log that somebody could take along. */
  auditArchivist: '5c8f0b5e-6f0e-4c1a-9d57-3d1b7c0f6a11',
  monitoringReader: '43d0d8ad-25c7-4714-9337-8ba259a9fe05',
} as const;

export const builtInRoles: readonly RoleDefinition[] = [
  role(roleIds.owner, 'Owner', 'Full control of every resource, and may grant access to others.', { actions: ['*'] }),
  role(roleIds.contributor, 'Contributor', 'Full control of every resource, but may not grant access to others.', {
    actions: ['*'],
    notActions: [
      'Microsoft.Authorization/*/Delete',
      'Microsoft.Authorization/*/Write',
      'Microsoft.Authorization/elevateAccess/Action',
      'Microsoft.Blueprint/blueprintAssignments/write',
      'Microsoft.Blueprint/blueprintAssignments/delete',
      'Microsoft.Compute/galleries/share/action',
      'Microsoft.Purview/consents/write',
      'Microsoft.Purview/consents/delete',
      'Microsoft.Resources/deploymentStacks/manageDenySetting/action',
      upgradeEdition,
    ],
  }),
  role(roleIds.reader, 'Reader', 'Sees every resource and changes none.', { actions: ['*/read'] }),
  role(roleIds.userAccessAdministrator, 'User Access Administrator', 'Manages who may do what.', {
    actions: ['*/read', 'Microsoft.Authorization/*', 'Microsoft.Support/*'],
  }),

  role(roleIds.storageBlobDataReader, 'Storage Blob Data Reader', 'Reads containers and blobs.', {
    actions: [`${blobService}/containers/read`, `${blobService}/generateUserDelegationKey/action`],
    dataActions: [`${blobService}/containers/blobs/read`],
  }),
  role(roleIds.storageBlobDataContributor, 'Storage Blob Data Contributor', 'Reads, writes and deletes blobs.', {
    actions: [
      `${blobService}/containers/delete`,
      `${blobService}/containers/read`,
      `${blobService}/containers/write`,
      `${blobService}/generateUserDelegationKey/action`,
    ],
    dataActions: [
      `${blobService}/containers/blobs/delete`,
      `${blobService}/containers/blobs/read`,
      `${blobService}/containers/blobs/write`,
      `${blobService}/containers/blobs/move/action`,
      `${blobService}/containers/blobs/add/action`,
    ],
  }),
  role(roleIds.storageBlobDataOwner, 'Storage Blob Data Owner', 'Full control of containers and blobs.', {
    actions: [`${blobService}/containers/*`, `${blobService}/generateUserDelegationKey/action`],
    dataActions: [`${blobService}/containers/blobs/*`],
  }),

  role(roleIds.acrPull, 'AcrPull', 'Pulls images.', {
    actions: ['Microsoft.ContainerRegistry/registries/pull/read'],
  }),
  role(roleIds.acrPush, 'AcrPush', 'Pulls and pushes images.', {
    actions: ['Microsoft.ContainerRegistry/registries/pull/read', 'Microsoft.ContainerRegistry/registries/push/write'],
  }),
  role(roleIds.acrDelete, 'AcrDelete', 'Deletes images, tags and repositories.', {
    actions: ['Microsoft.ContainerRegistry/registries/artifacts/delete'],
  }),
  role(roleIds.managedIdentityOperator, 'Managed Identity Operator', 'Reads and assigns user-assigned identities.', {
    actions: [
      'Microsoft.ManagedIdentity/userAssignedIdentities/read',
      'Microsoft.ManagedIdentity/userAssignedIdentities/*/read',
      'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action',
      'Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action',
      'Microsoft.Authorization/*/read',
      'Microsoft.Insights/alertRules/*',
      'Microsoft.Resources/subscriptions/resourceGroups/read',
      'Microsoft.Resources/deployments/*',
      'Microsoft.Support/*',
    ],
  }),

  role(roleIds.keyVaultAdministrator, 'Key Vault Administrator', 'Does everything with keys, secrets, certificates.', {
    actions: vaultControl,
    dataActions: [`${vaults}/*`],
  }),
  role(roleIds.keyVaultReader, 'Key Vault Reader', 'Reads what vaults hold, without values and key material.', {
    actions: vaultControl,
    dataActions: [`${vaults}/*/read`, `${vaults}/secrets/readMetadata/action`],
  }),
  role(roleIds.keyVaultCertificatesOfficer, 'Key Vault Certificates Officer', 'Does everything with certificates.', {
    actions: vaultControl,
    dataActions: [`${vaults}/certificatecas/*`, `${vaults}/certificates/*`, `${vaults}/certificatecontacts/write`],
  }),
  role(roleIds.keyVaultCertificateUser, 'Key Vault Certificate User', 'Reads certificates with their private keys.', {
    dataActions: [
      `${vaults}/certificates/read`,
      `${vaults}/secrets/getSecret/action`,
      `${vaults}/secrets/readMetadata/action`,
      `${vaults}/keys/read`,
    ],
  }),
  role(roleIds.keyVaultCryptoOfficer, 'Key Vault Crypto Officer', 'Does everything with keys.', {
    actions: vaultControl,
    dataActions: [`${vaults}/keys/*`, `${vaults}/keyrotationpolicies/*`],
  }),
  role(
    roleIds.keyVaultCryptoServiceEncryptionUser,
    'Key Vault Crypto Service Encryption User',
    'Reads keys and wraps and unwraps with them: the role of an identity that uses a customer-managed key.',
    {
      actions: [
        'Microsoft.EventGrid/eventSubscriptions/write',
        'Microsoft.EventGrid/eventSubscriptions/read',
        'Microsoft.EventGrid/eventSubscriptions/delete',
      ],
      dataActions: [`${vaults}/keys/read`, `${vaults}/keys/wrap/action`, `${vaults}/keys/unwrap/action`],
    },
  ),
  role(roleIds.keyVaultCryptoUser, 'Key Vault Crypto User', 'Performs cryptographic operations with keys.', {
    dataActions: [
      `${vaults}/keys/read`,
      `${vaults}/keys/update/action`,
      `${vaults}/keys/backup/action`,
      `${vaults}/keys/encrypt/action`,
      `${vaults}/keys/decrypt/action`,
      `${vaults}/keys/wrap/action`,
      `${vaults}/keys/unwrap/action`,
      `${vaults}/keys/sign/action`,
      `${vaults}/keys/verify/action`,
    ],
  }),
  role(roleIds.keyVaultSecretsOfficer, 'Key Vault Secrets Officer', 'Does everything with secrets.', {
    actions: vaultControl,
    dataActions: [`${vaults}/secrets/*`],
  }),
  role(roleIds.keyVaultSecretsUser, 'Key Vault Secrets User', 'Reads the values of secrets.', {
    dataActions: [`${vaults}/secrets/getSecret/action`, `${vaults}/secrets/readMetadata/action`],
  }),

  role(
    roleIds.azureMlDataScientist,
    'AzureML Data Scientist',
    'Does everything within a workspace except changing computes or the workspace itself.',
    {
      actions: [
        `${ml}/workspaces/read`,
        `${ml}/workspaces/*/read`,
        `${ml}/workspaces/*/action`,
        `${ml}/workspaces/*/delete`,
        `${ml}/workspaces/*/write`,
      ],
      notActions: [
        `${ml}/workspaces/delete`,
        `${ml}/workspaces/write`,
        `${ml}/workspaces/computes/*/write`,
        `${ml}/workspaces/computes/*/delete`,
        `${ml}/workspaces/computes/listKeys/action`,
        `${ml}/workspaces/listKeys/action`,
        `${ml}/workspaces/hubs/write`,
        `${ml}/workspaces/hubs/delete`,
        `${ml}/workspaces/featurestores/write`,
        `${ml}/workspaces/featurestores/delete`,
        upgradeEdition,
      ],
    },
  ),
  role(roleIds.azureMlComputeOperator, 'AzureML Compute Operator', 'Manages the computes of a workspace.', {
    actions: [`${ml}/workspaces/computes/*`, `${ml}/workspaces/notebooks/vm/*`],
  }),
  role(roleIds.azureMlMetricsWriter, 'AzureML Metrics Writer (preview)', 'Writes metrics to a workspace.', {
    actions: [`${ml}/workspaces/metrics/*/write`],
  }),
  role(roleIds.azureMlRegistryUser, 'AzureML Registry User', 'Uses the assets of a registry.', {
    actions: [`${ml}/registries/read`, `${ml}/registries/assets/*`],
  }),
  role(
    roleIds.azureMlConnectionSecretsReader,
    'Azure Machine Learning Workspace Connection Secrets Reader',
    'Lists the credentials of connections.',
    { actions: [`${ml}/workspaces/connections/listsecrets/action`, `${ml}/workspaces/metadata/secrets/read`] },
  ),
  role(roleIds.monitoringReader, 'Monitoring Reader', 'Reads all monitoring data.', {
    actions: ['*/read', 'Microsoft.OperationalInsights/workspaces/search/action', 'Microsoft.Support/*'],
  }),
  role(
    roleIds.auditArchivist,
    'Strongroom Audit Archivist',
    'Archives the audit log and drops what is archived and older than the retention. No other role holds either.',
    {
      actions: [
        auditActions.archiveSegment.name,
        auditActions.dropSegment.name,
        auditActions.readSegments.name,
        auditActions.readCheckpoints.name,
        auditActions.readProofs.name,
        auditActions.verify.name,
      ],
    },
  ),
];
