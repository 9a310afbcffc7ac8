// What Azure's workspaces have and ours do not. Above all the switches of a network: a workspace that said to be closed and was
// open would be the worst answer of all, so they are refused on every way to a workspace, the template included.

import type { Refusal, Unserved } from '#resources';

/** In the order in which they are spoken of: clients that ask for the first send others along. */
export const networkSwitches: Refusal = {
  because: 'Network switches of a workspace are not served: all workspaces are reached where the server listens.',
  instead: 'Leave them out, and restrict who reaches the server, with its address or a firewall in front of it.',
};

const identity: Refusal = {
  because: 'A workspace acts as its own system-assigned identity; user-assigned ones are not served.',
  instead: 'Leave it out.',
};

const kinds: Refusal = {
  because: 'Hubs, projects and feature stores are not served.',
  instead: 'Leave it out, and make a workspace of the kind Default.',
};

const ownKeyOnly: Refusal = {
  because:
    'A customer key protects the whole workspace and what it makes for itself; it is not brought to other services.',
  instead: 'Leave it out.',
};

export const unservedOfWorkspaces: Unserved = {
  refused: {
    managedNetwork: {
      harmless: [
        { isolationMode: 'Disabled', outboundRules: {}, firewallSku: 'Standard', enableNetworkMonitor: false },
      ],
      ...networkSwitches,
    },
    publicNetworkAccess: { always: 'Enabled', ...networkSwitches },
    networkAcls: { harmless: [{ defaultAction: 'Allow', ipRules: [] }], ...networkSwitches },
    ipAllowlist: networkSwitches,
    provisionNetworkNow: { harmless: [false], ...networkSwitches },
    sharedPrivateLinkResources: networkSwitches,
    privateEndpointConnections: networkSwitches,
    serverlessComputeSettings: {
      harmless: [{ serverlessComputeNoPublicIP: false }],
      because: 'Jobs run on clusters of the workspace and in no virtual network.',
      instead: 'Leave serverlessComputeSettings out.',
    },
    v1LegacyMode: {
      always: false,
      because: 'There is one mode, in which all requests go through the resource manager and are recorded.',
      instead: 'Leave v1LegacyMode out.',
    },
    enableDataIsolation: {
      always: false,
      because: 'The containers of a workspace are open to whoever has a role at the account that they are in.',
      instead: 'Leave enableDataIsolation out, and give roles at single containers.',
    },
    primaryUserAssignedIdentity: identity,
    'encryption.identity': identity,
    'encryption.keyVaultProperties.identityClientId': identity,
    'encryption.cosmosDbResourceId': ownKeyOnly,
    'encryption.searchAccountResourceId': ownKeyOnly,
    'encryption.storageAccountResourceId': ownKeyOnly,
    featureStoreSettings: kinds,
    hubResourceId: kinds,
    workspaceHubConfig: kinds,
    associatedWorkspaces: kinds,
    systemDatastoresAuthMode: {
      // Never with the key of an account, whatever clients send by themselves: there is none.
      harmless: ['Identity', 'AccessKey', 'UserDelegationSAS'],
      because: 'Datastores are read as whoever asks, by his own role.',
      instead: "Leave systemDatastoresAuthMode out, or send 'Identity'.",
    },
  },
  kept: {},
  ignored: {
    allowPublicAccessWhenBehindVnet: 'Nothing is behind a virtual network.',
    serviceManagedResourcesSettings: 'Sets the throughput of a database of Azure that is not there.',
    enableServiceSideCMKEncryption: 'What a workspace keeps is under its customer key whenever it has one.',
    discoveryUrl: 'Told by the server.',
  },
};
