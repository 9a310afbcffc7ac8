// What is served, as Azure lists it: namespaces with their resource types, and the operations that roles can permit. All
// derived from the kinds, so that it cannot drift from the routes.

import type { Action } from '@strongroom/contract/action';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Catalog } from './catalog.service.ts';
import type { ResourceKind } from './kind.types.ts';
import type { Subscription } from './ports.types.ts';
import { resourcesFailures } from './resources.errors.ts';

/** Any dated version is accepted; clients that ask for one are told the one that most shapes follow. */
const apiVersions = ['2022-10-01'];
/** Types whose routes are written by hand: what is no resource of its own has no kind. */
const handWritten: Readonly<Record<string, readonly string[]>> = {
  'Microsoft.Authorization': ['permissions', 'providerOperations', 'roleAssignments', 'roleDefinitions'],
  'Microsoft.Insights': ['eventtypes'],
  'Microsoft.Resources': ['locations', 'providers', 'resources', 'subscriptions', 'tenants'],
  'Microsoft.Storage': ['storageAccounts/blobServices/containers'],
};

const namespaceOf = (kind: ResourceKind) => kind.type.split('/')[0] ?? '';

export function createProviders(catalog: Catalog, subscription: Subscription) {
  const namespaces = () => [...new Set([...Object.keys(handWritten), ...catalog.all().map(namespaceOf)])].sort();

  function known(asked: string): string {
    const namespace = namespaces().find((each) => each.toLowerCase() === asked.toLowerCase());
    if (namespace !== undefined) return namespace;
    throw resourcesFailures.InvalidResourceNamespace(asked);
  }

  const typesIn = (namespace: string) =>
    [
      ...catalog
        .all()
        .filter((kind) => namespaceOf(kind) === namespace)
        .map((kind) => kind.type.slice(namespace.length + 1)),
      ...(handWritten[namespace] ?? []),
    ].sort();

  const provider = (namespace: string) => ({
    id: `/subscriptions/${subscription.id}/providers/${namespace}`,
    namespace,
    registrationState: 'Registered',
    registrationPolicy: 'RegistrationFree',
    resourceTypes: typesIn(namespace).map((resourceType) => ({
      resourceType,
      locations: [subscription.location],
      apiVersions,
      capabilities: 'None',
    })),
  });

  return {
    /** In its own casing; throws for one that is not served. */
    known,
    /** Undefined: nothing of the namespace is served. */
    find: (asked: string) => namespaces().find((each) => each.toLowerCase() === asked.toLowerCase()),
    /** Types of a namespace, without it: `workspaces/jobs`. */
    typesIn,
    list: () => namespaces().map(provider),
    get: (namespace: string) => provider(known(namespace)),
    operations(asked: string) {
      const namespace = known(asked);
      return catalog
        .all()
        .filter((kind) => namespaceOf(kind) === namespace)
        .flatMap((kind) => operationsOf(kind));
    },
  };
}

function operationsOf(kind: ResourceKind) {
  const { read, write, remove, verb } = actionsOfType(kind.type);
  const resource = kind.type.slice(namespaceOf(kind).length + 1);
  const entry = (action: Action, operation: string) => ({
    name: action.name,
    isDataAction: action.plane === 'data',
    display: { provider: namespaceOf(kind), resource, operation, description: operation },
  });
  return [
    entry(read, `Reads or lists: ${kind.title}`),
    entry(write, `Creates or changes: ${kind.title}`),
    entry(remove, `Removes: ${kind.title}`),
    ...(kind.actions ?? []).map((action) => entry(action.action ?? verb(action.name), action.summary)),
  ];
}
export type Providers = ReturnType<typeof createProviders>;
