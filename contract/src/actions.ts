// Every action that this server knows, from the tables of the modules and from the types of its resources. Roles are
// written against this list, and the server does not start with a route whose action is not in it.

import { accessActions } from './access.actions.ts';
import type { Action } from './action.ts';
import { assetsActions } from './assets.actions.ts';
import { auditActions, auditNamedOnly } from './audit.actions.ts';
import { agentActions, computeActions } from './compute.actions.ts';
import { connectionsActions } from './connections.actions.ts';
import { endpointsActions } from './endpoints.actions.ts';
import { identityActions } from './identity.actions.ts';
import { jobsActions } from './jobs.actions.ts';
import { monitoringActions } from './monitoring.actions.ts';
import { quotasActions } from './quotas.actions.ts';
import { registryActions } from './registry.actions.ts';
import { actionsOfType, resourcesActions } from './resources.actions.ts';
import { runsActions } from './runs.actions.ts';
import { storageActions } from './storage.actions.ts';
import { vaultActions } from './vault.actions.ts';
import { workspacesActions } from './workspaces.actions.ts';

const workspace = 'Microsoft.MachineLearningServices/workspaces';

/** Resource types with the POST verbs of each; read, write and delete follow. */
export const resourceTypes: Readonly<Record<string, readonly string[]>> = {
  'Microsoft.Resources/resourceGroups': [],
  'Microsoft.Resources/deployments': [],
  'Microsoft.KeyVault/vaults': [],
  'Microsoft.Storage/storageAccounts': ['listKeys', 'regenerateKey', 'listAccountSas', 'listServiceSas'],
  'Microsoft.ContainerRegistry/registries': [],
  'Microsoft.Insights/components': [],
  [workspace]: [],
  [`${workspace}/connections`]: [],
  [`${workspace}/datastores`]: [],
  [`${workspace}/codes`]: [],
  [`${workspace}/codes/versions`]: [],
  [`${workspace}/models`]: [],
  [`${workspace}/models/versions`]: [],
  [`${workspace}/data`]: [],
  [`${workspace}/data/versions`]: [],
  [`${workspace}/components`]: [],
  [`${workspace}/components/versions`]: [],
  [`${workspace}/environments`]: [],
  [`${workspace}/environments/versions`]: [],
  [`${workspace}/computes`]: ['listNodes'],
  [`${workspace}/jobs`]: ['cancel'],
  [`${workspace}/schedules`]: ['trigger'],
  [`${workspace}/onlineEndpoints`]: ['listKeys', 'regenerateKeys', 'token'],
  [`${workspace}/onlineEndpoints/deployments`]: ['getLogs'],
};

const tables: readonly Readonly<Record<string, Action>>[] = [
  accessActions,
  assetsActions,
  agentActions,
  auditActions,
  computeActions,
  connectionsActions,
  endpointsActions,
  identityActions,
  jobsActions,
  monitoringActions,
  quotasActions,
  registryActions,
  resourcesActions,
  runsActions,
  storageActions,
  vaultActions,
  workspacesActions,
];

function derived(): readonly Action[] {
  return Object.entries(resourceTypes).flatMap(([type, verbs]) => {
    const { read, write, remove, verb } = actionsOfType(type);
    return [read, write, remove, ...verbs.map(verb)];
  });
}

/** Without duplicates: a table may name an action that its type also derives. */
export const declaredActions: readonly Action[] = [
  ...new Map(
    [...tables.flatMap((table) => Object.values(table)), ...derived()].map((action) => [
      action.name.toLowerCase(),
      action,
    ]),
  ).values(),
];

/** What a role grants only by its name, in lower case: no wildcard covers it. */
export const namedOnly: ReadonlySet<string> = new Set(auditNamedOnly.map(({ name }) => name.toLowerCase()));
