// What quotas look up by themselves: the resource that a quota is set for.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { QuietDuty } from '#kernel/authority/duty';

/** Types of resources that have a quota. */
export const typesWithQuota = [
  'Microsoft.Storage/storageAccounts',
  'Microsoft.ContainerRegistry/registries',
  'Microsoft.MachineLearningServices/workspaces',
] as const;
const [accounts, registries, workspaces] = typesWithQuota;

export const quotasDuties = {
  find: {
    name: 'quotas.find',
    why: 'A quota is set by an id, and kept by the unique id of the resource, so that a later one of its name has none.',
    actions: [actionsOfType(accounts).read, actionsOfType(registries).read, actionsOfType(workspaces).read],
    under: '/',
    record: { level: 'none', reason: 'reads for the request that sets the quota, which shows nothing of it' },
  },
} as const satisfies Record<string, QuietDuty>;
