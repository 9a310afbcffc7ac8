// Whether there is something at an id for a role to be assigned at. What is attached to a name that nobody has would wait for
// whoever takes it, so a name that is free, or is being freed, is no scope.

import { Failure } from '#kernel/errors/failure';
import { idKey, parentId, parseResourceId, type ResourceId } from '#kernel/ids/ids';
import type { Lookup } from './lookup.service.ts';
import type { Ports } from './ports.types.ts';
import { notFound, resourcesFailures } from './resources.errors.ts';

export function createScopes(
  { catalog, subscription }: Pick<Ports, 'catalog' | 'subscription'>,
  { find }: Pick<Lookup, 'find'>,
) {
  /** What is being removed loses what is attached to it, perhaps a moment ago already. */
  async function isThere(id: string): Promise<boolean> {
    const resource = await find(id);
    return resource !== undefined && resource.provisioningState !== 'Deleting';
  }

  /**
   * The innermost id, from `scope` outwards, whose existence a row states: a group, or a resource of a served kind. What lies
   * below such a resource (a secret, a container, a repository, an asset) is a name within something that exists, known to
   * the data planes alone, and is granted by whoever may grant there.
   */
  function nearestStated(scope: string): ResourceId | undefined {
    for (let at = scope; at !== '/'; at = parentId(at)) {
      const parsed = parseResourceId(at);
      // A type that is not served has no resources: nothing is at its ids, directly in a group least of all.
      if (parsed.type === undefined) return at === scope ? parsed : undefined;
      if (catalog.find(parsed.type)) return parsed;
    }
    return undefined;
  }

  /** Throws `notFound` with the code of the outermost thing that is missing. */
  const require = (scope: string) => requireBy(scope, isThere);

  async function isGone(scope: string): Promise<boolean> {
    try {
      await requireBy(scope, async (id) => (await find(id)) !== undefined);
      return false;
    } catch (thrown) {
      if (thrown instanceof Failure && thrown.kind === 'notFound') return true;
      throw thrown;
    }
  }

  async function requireBy(scope: string, isThere: (id: string) => Promise<boolean>): Promise<void> {
    if (scope === '/') return;
    const { subscriptionId, resourceGroup } = parseResourceId(scope);
    if (subscriptionId === undefined) throw notFound(scope);
    const within = `/subscriptions/${subscriptionId}`;
    if (idKey(within) !== idKey(`/subscriptions/${subscription.id}`))
      throw resourcesFailures.SubscriptionNotFound(subscriptionId);
    if (resourceGroup !== undefined && !(await isThere(`${within}/resourceGroups/${resourceGroup}`)))
      throw resourcesFailures.ResourceGroupNotFound(resourceGroup);
    const stated = nearestStated(scope);
    if (stated === undefined) throw notFound(scope);
    if (stated.type !== undefined && !(await isThere(stated.id))) throw notFound(stated.id);
  }

  return { require, isGone };
}
