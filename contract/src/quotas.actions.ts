// Actions around quotas of storage. Setting one is decided at the subscription, as Azure decides its quotas: no role below it
// raises a bound that protects others. Reading what is used stands beside the resource that uses it.

import { control } from './action.ts';

export const quotasActions = {
  read: control('Strongroom.Quotas/quotas/read'),
  update: control('Strongroom.Quotas/updateQuotas/action'),
  readAccountUsages: control('Microsoft.Storage/storageAccounts/usages/read'),
  // By the name that Azure has for it.
  readRegistryUsages: control('Microsoft.ContainerRegistry/registries/listUsages/read'),
  readWorkspaceUsages: control('Microsoft.MachineLearningServices/workspaces/usages/read'),
} as const;
