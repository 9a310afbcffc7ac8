// What is served, as Azure lists it: namespaces with their resource types, and the operations that roles can permit. All
// derived from the kinds, so that it cannot drift from the routes.

import type { Action } from '@strongroom/contract/action';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { Failure } from '#kernel/errors/failure';
import type { Catalog } from './catalog.ts';
import type { ResourceKind } from './kind.ts';
import type { Subscription } from './parts.ts';

/** Any dated version is accepted; clients that ask for one are told the one that most shapes follow. */
const apiVersions = ['2022-10-01'];
/** Namespaces whose routes are written by hand: roles, locks on them, and metrics have no kind. */
const handWritten = ['Microsoft.Authorization', 'Microsoft.Insights', 'Microsoft.Resources'];

const namespaceOf = (kind: ResourceKind) => kind.type.split('/')[0] ?? '';

export function createProviders(catalog: Catalog, subscription: Subscription) {
  const namespaces = () => [...new Set([...handWritten, ...catalog.all().map(namespaceOf)])].sort();

  function known(asked: string): string {
    const namespace = namespaces().find((each) => each.toLowerCase() === asked.toLowerCase());
    if (namespace !== undefined) return namespace;
    throw new Failure({
      kind: 'notFound',
      code: 'InvalidResourceNamespace',
      message: `The resource namespace '${asked.slice(0, 100)}' is not served here. GET /providers lists those that are.`,
    });
  }

  const provider = (namespace: string) => ({
    id: `/subscriptions/${subscription.id}/providers/${namespace}`,
    namespace,
    registrationState: 'Registered',
    registrationPolicy: 'RegistrationFree',
    resourceTypes: catalog
      .all()
      .filter((kind) => namespaceOf(kind) === namespace)
      .map((kind) => ({
        resourceType: kind.type.slice(namespace.length + 1),
        locations: [subscription.location],
        apiVersions,
        capabilities: 'None',
      })),
  });

  return {
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
