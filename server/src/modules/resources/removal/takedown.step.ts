// Takes down one resource whose children are gone: what stands behind it, its identity, what was attached to it, and its row
// last, so that nothing exists that nobody can name. Idempotent: after a crash it starts again and finds less.

import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { resourcesDuties } from '../duties.ts';
import type { Resource } from '../kind.types.ts';
import type { Ports } from '../ports.types.ts';
import { deleteResource } from '../resources.store.ts';
import { hasSystemIdentity } from '../stamps.rules.ts';

export type TakeDown = (grant: Grant, home: Database, resource: Resource) => Promise<void>;

export function createTakeDown({
  catalog,
  identities,
  grants,
  listeners,
}: Pick<Ports, 'catalog' | 'identities' | 'grants' | 'listeners'>): TakeDown {
  return async (grant, home, resource) => {
    await catalog.find(resource.type)?.remove?.(grant, resource);
    if (hasSystemIdentity(resource.identity)) await identities.remove(resource.id);
    const detaching = grants.duty(resourcesDuties.detach, resource.id);
    for (const listener of listeners) await listener(detaching, resource.id);
    await home.write((tx) => deleteResource(tx, resource));
  };
}
