// Actions of the resource manager, and the one rule by which every resource type gets its own: `{type}/read`,
// `{type}/write`, `{type}/delete` and `{type}/{verb}/action`. Roles, routes and the operation list derive them here alike.

import { type Action, control } from './action.ts';

export type TypeActions = {
  readonly read: Action;
  readonly write: Action;
  readonly remove: Action;
  /** The action of a POST verb: `listKeys` becomes `{type}/listKeys/action`. */
  readonly verb: (name: string) => Action;
};

/** @param type `Microsoft.KeyVault/vaults`, or of a child `Microsoft.MachineLearningServices/workspaces/jobs` */
export function actionsOfType(type: string): TypeActions {
  // Azure names a resource group's actions below the subscription, although its type has two words.
  const stem =
    type === 'Microsoft.Resources/resourceGroups' ? 'Microsoft.Resources/subscriptions/resourceGroups' : type;
  return {
    read: control(`${stem}/read`),
    write: control(`${stem}/write`),
    remove: control(`${stem}/delete`),
    verb: (name) => control(`${stem}/${name}/action`),
  };
}

export const resourcesActions = {
  readSubscription: control('Microsoft.Resources/subscriptions/read'),
  readResources: control('Microsoft.Resources/subscriptions/resources/read'),
  readGroupResources: control('Microsoft.Resources/subscriptions/resourceGroups/resources/read'),
  readDeploymentOperations: control('Microsoft.Resources/deployments/operations/read'),
  readGroup: control('Microsoft.Resources/subscriptions/resourceGroups/read'),
  writeGroup: control('Microsoft.Resources/subscriptions/resourceGroups/write'),
  deleteGroup: control('Microsoft.Resources/subscriptions/resourceGroups/delete'),
} as const;
