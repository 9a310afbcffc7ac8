// What happens to roles without somebody asking for just that: who leaves keeps none, and somebody must be the first Owner.

import { accessActions } from '@strongroom/contract/access.actions';
import type { Duty } from '#kernel/authority/duty';

export const accessDuties = {
  withdrawOfPrincipal: {
    name: 'access.withdraw-of-principal',
    why: 'A principal that is removed keeps no role, and the last Owner of a subscription is not removed.',
    actions: [accessActions.deleteRoleAssignments],
    under: '/',
    record: { level: 'part', of: 'the removal or disabling of the principal' },
  },
  withdrawStray: {
    name: 'access.withdraw-stray',
    why: 'A role at what does not exist, which an older folder may hold, would wait for whoever takes the name.',
    actions: [accessActions.deleteRoleAssignments],
    under: '/',
    record: { level: 'activity' },
  },
  elevateAdministrator: {
    name: 'access.elevate-administrator',
    why: "The tenant's administrator asks to be User Access Administrator at the root, where nobody has a role that could grant it.",
    actions: [accessActions.writeRoleAssignments],
    under: '/',
    record: { level: 'part', of: 'the call elevateAccess' },
  },
  makeFirstOwners: {
    name: 'access.make-first-owners',
    why: 'At the first start the administrator and the automation become Owners of the subscription, once.',
    actions: [accessActions.writeRoleAssignments],
    under: 'Microsoft.Resources/subscriptions',
    record: { level: 'activity' },
  },
} as const satisfies Record<string, Duty>;
