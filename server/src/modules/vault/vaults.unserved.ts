// What Azure's vaults have and ours do not: other ways in than roles, and permissions for services of Azure that are not here.

import { Type } from '@strongroom/contract/schema';
import type { Unserved } from '#resources';

const forAzure = {
  schema: Type.Boolean(),
  because: 'There is no such service of Azure here that could read the vault.',
};

export const unservedOfVaults: Unserved = {
  refused: {
    accessPolicies: {
      always: [],
      because:
        'Who may use a vault is said by roles: whoever may write a vault could give himself its secrets by a policy.',
      instead: 'Send accessPolicies empty or leave them out, and assign roles such as Key Vault Secrets User.',
    },
    hsmPoolResourceId: {
      because: 'Keys are kept in software.',
      instead: 'Leave hsmPoolResourceId out.',
    },
    privateEndpointConnections: {
      because: 'There are no private endpoints.',
      instead: 'Leave privateEndpointConnections out, and restrict who reaches the server where it listens.',
    },
  },
  kept: {
    enabledForDeployment: forAzure,
    enabledForDiskEncryption: forAzure,
    enabledForTemplateDeployment: forAzure,
  },
  ignored: {},
};
