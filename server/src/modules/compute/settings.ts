// Whether work runs on this machine, and how much at once.

import { settingList } from '#kernel/config/setting';

export const computeSettings = settingList({
  'agent.embedded': {
    kind: 'truth',
    standard: true,
    help: 'Whether the server starts a compute agent on this machine',
  },
  'agent.maxNodes': {
    kind: 'whole',
    standard: 8,
    min: 0,
    max: 256,
    help: 'Sandboxed nodes of this machine, over all clusters',
  },
});
