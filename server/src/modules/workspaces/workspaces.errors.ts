// What workspaces and their datastores refuse.

import { defineFailures } from '#kernel/errors/failures';

const encryption = (target: string, message: string) => ({ message, target: `properties.encryption.${target}` });
const vaultOfKey = 'keyVaultProperties.keyVaultArmId';
const keyItself = 'keyVaultProperties.keyIdentifier';

export const workspacesFailures = defineFailures('workspaces', {
  AuthorizationFailed: {
    kind: 'forbidden',
    say: 'The decision of this request does not reach that workspace.',
  },
  WorkspaceKindNotServed: {
    kind: 'invalid',
    meaning: 'A hub, a project or a feature store is to be made; workspaces are served.',
    remedy: "Leave kind out, or send 'Default'.",
    say: (kind: string) => ({
      target: 'kind',
      message: `Workspaces of the kind '${kind}' (hubs, projects, feature stores) are not served here. Leave kind out, or send 'Default'.`,
    }),
  },
  InvalidResourceName: {
    kind: 'invalid',
    meaning: 'A template names the workspace by what is no name of one.',
    remedy: 'Send a name of letters, digits, hyphens and underscores.',
    say: () => ({
      target: 'properties.parameters.workspaceName',
      message:
        "The parameter 'workspaceName' is no name of a workspace: it has letters, digits, hyphens and underscores.",
    }),
  },
  TemplateParameterNotServed: {
    kind: 'invalid',
    code: 'PropertyNotServed',
    meaning: 'A parameter of a template asks for what a workspace does not have here.',
    remedy: 'The message says why, and what to do instead.',
    say: (name: string, reason: string) => ({
      target: `properties.parameters.${name}`,
      message: `${name} is not served as asked. ${reason}`,
    }),
  },
  PropertyChangeNotAllowed: {
    kind: 'invalid',
    meaning: 'A property is to be changed that is set when the workspace is created.',
    remedy: 'Leave it out, or create another workspace.',
    say: (name: string) => ({
      target: `properties.${name}`,
      message: `properties.${name} is set when the workspace is created and cannot change. Leave it out, or create another workspace.`,
    }),
  },
  packageIndexClosed: {
    kind: 'invalid',
    code: 'PackageIndexClosed',
    meaning: 'A workspace is to let its jobs install packages, which the operator of the server lets none do.',
    remedy: 'Leave jobPackageIndex out, or have the operator set environments.indexForJobs.',
    say: () => ({
      target: 'properties.jobPackageIndex',
      message:
        "Jobs reach no package index here: the setting environments.indexForJobs is 'none'. Leave jobPackageIndex out and name packages in environments; or the operator sets environments.indexForJobs to 'workspaces'.",
    }),
  },
  packageIndexClosedToHbi: {
    kind: 'invalid',
    code: 'PackageIndexClosed',
    meaning:
      'A workspace of high business impact is to let its jobs install packages, which the operator lets others do.',
    remedy: "Leave jobPackageIndex out, or have the operator set environments.indexForJobs to 'all'.",
    say: () => ({
      target: 'properties.jobPackageIndex',
      message:
        "Jobs of a workspace of high business impact reach no package index here: what a job asks for tells something outside. Leave jobPackageIndex out and name packages in environments; or the operator sets environments.indexForJobs to 'all'.",
    }),
  },
  imageRegistryUnread: {
    kind: 'invalid',
    code: 'InvalidImageRegistry',
    meaning: 'A registry that a workspace names for its images is not named as one.',
    remedy: 'Write HOST, HOST/REPOSITORY or HOST/PREFIX/*, in small letters and without a tag.',
    say: (why: string) => ({
      target: 'properties.imageRegistries',
      message: `imageRegistries: ${why}. Write HOST, HOST/REPOSITORY or HOST/PREFIX/*.`,
    }),
  },
  imageRegistryClosed: {
    kind: 'invalid',
    code: 'ImageRegistryClosed',
    meaning: 'A workspace is to take images from a registry that the operator of the server does not permit.',
    remedy: 'Leave it out, or have the operator name it in environments.registries.',
    say: (pattern: string, permitted: readonly string[]) => ({
      target: 'properties.imageRegistries',
      message: `No image comes from '${pattern.slice(0, 200)}' here: the operator of the server has not named it in the setting environments.registries${permitted.length === 0 ? ', which is empty' : `, which permits ${permitted.slice(0, 10).join(', ').slice(0, 600)}`}. Leave it out, or have it named there.`,
    }),
  },
  InvalidResourceId: {
    kind: 'invalid',
    meaning: 'A property that names a resource the workspace stands on holds no id of its type.',
    remedy: 'Send the resource id.',
    say: (name: string, type: string) => ({
      target: `properties.${name}`,
      message: `properties.${name} is not the id of a ${type}.`,
    }),
  },
  LinkedResourceNotFound: {
    kind: 'invalid',
    meaning: 'The workspace is to stand on a resource that is not there.',
    remedy: 'Create it first, or leave the property out and the workspace makes its own.',
    say: (name: string) => ({
      target: `properties.${name}`,
      message: `There is no resource with the id that properties.${name} names. Create it first, or leave the property out and the workspace makes its own.`,
    }),
  },
  InvalidIdentity: {
    kind: 'invalid',
    meaning: 'A workspace is to act through another identity than its own.',
    remedy: "Send identity.type 'SystemAssigned', or leave it out.",
    say: () => ({
      target: 'identity.type',
      message:
        "A workspace acts through its own managed identity: identity.type must be 'SystemAssigned' (or be left out).",
    }),
  },
  SoftDeleteNotServed: {
    kind: 'invalid',
    meaning: 'A workspace is to be deleted so that it can be recovered (forceToPurge=false), and none is kept.',
    remedy: 'Send forceToPurge=true, if it is to go at once with its keys and its data.',
    say: (name: string) => ({
      target: 'forceToPurge',
      message: `The workspace '${name}' was not deleted: forceToPurge=false asks that it can be recovered, and here a workspace that is deleted is gone at once, with its keys, its database and what it made for itself. If that is meant, send forceToPurge=true (azure-ai-ml: permanently_delete=True; az ml workspace delete: --permanently-delete).`,
    }),
  },
  DatastoreOfWorkspace: {
    kind: 'conflict',
    meaning: 'A datastore is to be deleted that came with its workspace.',
    remedy: 'Delete what lies in it; the datastore goes with the workspace.',
    say: (name: string) =>
      `The datastore '${name}' came with its workspace and goes with it: jobs, models and clients write to it by this name. Delete what lies in it, if that is what should go.`,
  },
  beingChanged: {
    kind: 'conflict',
    code: 'AnotherOperationInProgress',
    meaning: 'Roles are to be given back to a workspace that is being created, changed or deleted.',
    remedy: 'Wait for it, then try again.',
    say: (name: string) =>
      `The workspace '${name}' is being created, changed or deleted. Try again when that has ended.`,
  },
  noIdentity: { kind: 'internal', code: 'InternalError', say: 'The workspace has no managed identity.' },
  badUniqueId: { kind: 'internal', code: 'InternalError', say: 'A workspace has an id that is not a GUID.' },

  // ---- a customer's key -----------------------------------------------------------------------------------------------

  keyOfDisabled: {
    kind: 'invalid',
    code: 'InvalidEncryption',
    meaning: "encryption.status is 'Disabled' although a key is named.",
    remedy: "Set it to 'Enabled', or leave out keyVaultProperties.",
    say: () =>
      encryption(
        'status',
        "encryption.status is 'Disabled' although a key is named. Set it to 'Enabled', or leave out keyVaultProperties.",
      ),
  },
  halfAKey: {
    kind: 'invalid',
    code: 'InvalidEncryption',
    meaning: 'Of vault and key one is named and the other is not.',
    remedy: 'Name both or neither.',
    say: (missing: 'vault' | 'key') =>
      encryption(
        missing === 'vault' ? vaultOfKey : keyItself,
        'A customer-managed key needs both keyVaultProperties.keyVaultArmId (the vault) and keyVaultProperties.keyIdentifier (the key URI with its version); name both or neither.',
      ),
  },
  notAVault: {
    kind: 'invalid',
    code: 'InvalidEncryption',
    meaning: 'keyVaultArmId is not the id of a key vault.',
    remedy: 'Send the resource id of the vault.',
    say: () => encryption(vaultOfKey, 'keyVaultArmId is not the id of a key vault.'),
  },
  KeyVaultInOtherSubscription: {
    kind: 'invalid',
    meaning: 'The key vault of a customer-managed key is in another subscription than the workspace.',
    remedy: 'Use a vault of the subscription.',
    say: () =>
      encryption(vaultOfKey, 'The key vault of a customer-managed key must be in the subscription of the workspace.'),
  },
  KeyVaultNotFound: {
    kind: 'invalid',
    meaning: 'There is no key vault at the id that is given for a customer-managed key.',
    remedy: 'Create it first, with purge protection.',
    say: (name: string) =>
      encryption(
        vaultOfKey,
        `There is no key vault '${name}' at the given id. Create it first, with purge protection.`,
      ),
  },
  KeyVaultInOtherRegion: {
    kind: 'invalid',
    meaning: 'The key vault of a customer-managed key is in another region than the workspace.',
    remedy: 'Use a vault of the region.',
    say: (vault: string | undefined, workspace: string | undefined) =>
      encryption(
        vaultOfKey,
        `The key vault is in '${vault}', the workspace in '${workspace}'. They must be in the same region.`,
      ),
  },
  PurgeProtectionRequired: {
    kind: 'invalid',
    meaning: 'The key vault of a customer-managed key has no purge protection.',
    remedy: 'Set enablePurgeProtection on it.',
    say: (name: string) =>
      encryption(
        vaultOfKey,
        `The key vault '${name}' has no purge protection. Set enablePurgeProtection on it: without it a lost key could not be recovered.`,
      ),
  },
  keyOfOtherVault: {
    kind: 'invalid',
    code: 'InvalidEncryption',
    meaning: 'keyIdentifier is a key of another vault than keyVaultArmId names.',
    remedy: 'Name a key of that vault.',
    say: () => encryption(keyItself, 'keyIdentifier is a key of another vault than keyVaultArmId names.'),
  },
  KeyDisabled: {
    kind: 'invalid',
    meaning: "The customer's key that a workspace is to be put under is disabled.",
    remedy: 'Enable it, or name another version.',
    say: () => encryption(keyItself, 'The key is disabled. Enable it, or name another version.'),
  },

  // ---- datastores -----------------------------------------------------------------------------------------------------

  DatastoreTypeNotServed: {
    kind: 'invalid',
    meaning: 'A datastore of this type is not served.',
    remedy: "Use 'AzureBlob' or 'AzureFile'.",
    say: (type: string) => ({
      target: 'properties.datastoreType',
      message: `Datastores of type '${type}' are not served here. Use 'AzureBlob' or 'AzureFile': a container of a storage account of this installation.`,
    }),
  },
  DatastoreNotFound: {
    kind: 'invalid',
    meaning: 'Files were named in a datastore that the workspace has not.',
    remedy: 'Name one of its datastores (strongroom datastore list), or make it first.',
    say: (name: string) =>
      `There is no datastore '${name.slice(0, 100)}' in this workspace. Name one of its datastores, or make it first.`,
  },
  noFilesOfShare: {
    kind: 'invalid',
    code: 'DatastoreTypeNotServed',
    meaning: 'Files were named in a datastore that is a file share.',
    remedy: 'Name a datastore of type AzureBlob, a container.',
    say: (name: string) =>
      `The datastore '${name}' is a file share, whose files are not served here. Name a datastore of type AzureBlob, a container.`,
  },
  noAddressOfShare: {
    kind: 'invalid',
    code: 'DatastoreTypeNotServed',
    say: 'Files of shares are not served here, so there is no address of one. Use a datastore of type AzureBlob, a container.',
  },
  CredentialsNotServed: {
    kind: 'invalid',
    meaning: 'A datastore is to hold a credential; data is read as whoever asks.',
    remedy: "Leave credentials out (credentialsType 'None').",
    say: () => ({
      target: 'properties.credentials',
      message:
        "Datastores hold no credentials here: data is read as whoever asks, by his own role. Leave credentials out (credentialsType 'None').",
    }),
  },
  ValidationError: {
    kind: 'invalid',
    meaning: 'A datastore lacks the name of its container or share.',
    remedy: 'Send the property that the message names.',
    say: (type: string, needed: string) => ({
      target: `properties.${needed}`,
      message: `A datastore of type ${type} needs properties.${needed}.`,
    }),
  },
  addressOpensNothing: {
    kind: 'forbidden',
    code: 'AuthorizationFailed',
    say: "This datastore is a container that the workspace does not own, and its address would be no more than your own role there: you have none. Ask for 'Storage Blob Data Reader' or 'Storage Blob Data Contributor' at the container.",
  },
});
