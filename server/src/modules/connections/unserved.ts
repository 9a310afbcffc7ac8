// What Azure's connections have and ours do not: whatever narrows who may use one, or promises that something here signs in with it.

import type { Refusal, Unserved } from '#resources';

const roles: Refusal = {
  because:
    'Who may read a connection, and who its credentials, is decided by roles at the workspace and at the connection.',
  instead: 'Leave it out, and assign roles.',
};
const network: Refusal = {
  harmless: ['NotRequired', 'NotApplicable', 'Inactive'],
  because: 'There are no private endpoints: nothing here connects to what a connection names.',
  instead: 'Leave it out.',
};

export const unservedOfConnections: Unserved = {
  refused: {
    isSharedToAll: { always: true, ...roles },
    sharedUserList: { always: [], ...roles },
    expiryTime: {
      because: 'Nothing ends a connection by itself.',
      instead: 'Leave expiryTime out, and delete the connection or send other credentials when its time has come.',
    },
    useWorkspaceManagedIdentity: {
      harmless: [false],
      because: 'Nothing here signs in anywhere with a connection, nor as the workspace in place of one.',
      instead: 'Leave useWorkspaceManagedIdentity out.',
    },
    value: {
      because: 'Credentials have a form for each authType, and are kept sealed.',
      instead: 'Send them in properties.credentials.',
    },
    valueFormat: {
      because: 'Credentials have a form for each authType, and are kept sealed.',
      instead: 'Send them in properties.credentials.',
    },
    peRequirement: network,
    peStatus: network,
  },
  kept: {},
  ignored: {
    error: 'Told by the service and not chosen.',
    group: 'Told by the service and not chosen.',
    createdByWorkspaceArmId: 'Told by the service and not chosen.',
  },
};
