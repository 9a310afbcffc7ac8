// What storage does without being asked: it learns at the start which accounts there are.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { QuietDuty } from '#kernel/authority/duty';

export const storageDuties = {
  findAccounts: {
    name: 'storage.find-accounts',
    why: 'Accounts are served by name, and the names are kept in memory.',
    actions: [actionsOfType('Microsoft.Storage/storageAccounts').read],
    under: '/',
    record: { level: 'none', reason: 'reads which accounts there are, and shows them to nobody' },
  },
} as const satisfies Record<string, QuietDuty>;
