// Finding a resource's row, and what a new resource is to stand in.

import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { idKey, parentId } from '#kernel/ids/ids';
import { depthOf, readId } from './catalog.service.ts';
import type { Resource } from './kind.types.ts';
import { groupType } from './paths.rules.ts';
import type { Ports } from './ports.types.ts';
import { resourcesFailures } from './resources.errors.ts';
import { findResource, type Stored } from './resources.store.ts';
import { present } from './state.rules.ts';

export function createLookup(ports: Pick<Ports, 'homes' | 'holder' | 'subscription'>) {
  const { homes, subscription } = ports;

  async function load(id: string): Promise<{ readonly home: Database; readonly stored: Stored | undefined }> {
    const home = await homes.of(id);
    return { home, stored: await home.remembered(`resource ${idKey(id)}`, (tx) => findResource(tx, id)) };
  }

  /** As it is shown. */
  async function find(id: string): Promise<Resource | undefined> {
    const { stored } = await load(readId(id).id);
    return stored && present(ports, stored);
  }

  /** Whether what a list lies below exists: a resource, a group, or this subscription. */
  async function hasContainer(id: string): Promise<boolean> {
    if (id.split('/').length <= 3) return idKey(id) === idKey(`/subscriptions/${subscription.id}`);
    return (await find(id)) !== undefined;
  }

  /** What a new resource stands in: its id in the casing that it was made with. Throws unless it is there and ready. */
  async function readyParent(grant: Grant, id: string, type: string): Promise<string> {
    const parent = parentId(id);
    if (type === groupType) {
      if (idKey(parent) !== idKey(`/subscriptions/${subscription.id}`))
        throw resourcesFailures.SubscriptionNotFound(parent.split('/')[2] ?? '');
      return parent;
    }
    const isTopLevel = depthOf(type) === 1;
    const resource = await find(parent);
    if (resource === undefined)
      throw isTopLevel
        ? resourcesFailures.ResourceGroupNotFound(parent.split('/').at(-1) ?? '')
        : resourcesFailures.ParentResourceNotFound(parent);
    const state = resource.provisioningState;
    // A kind that is being created furnishes itself, which is a duty that it declares; everybody else waits.
    const furnishes = state === 'Creating' && grant.duty !== undefined;
    // A group whose removal failed half-way still holds what is left, and takes what is put back.
    const isLeftGroup = state === 'Failed' && resource.type === groupType;
    if (state !== 'Succeeded' && state !== 'Updating' && !furnishes && !isLeftGroup)
      throw resourcesFailures.ParentResourceNotReady(resource.id, state);
    return resource.id;
  }

  return { load, find, hasContainer, readyParent };
}
export type Lookup = ReturnType<typeof createLookup>;
