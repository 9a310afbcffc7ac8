// What a resource is to stand in is there and ready: before anything else is looked at, and once more when the row is stored.

import type { Lookup } from '../lookup.service.ts';
import { deleteResource, updateResource } from '../resources.store.ts';
import type { Named, Placed, Rowed } from './put.types.ts';

export const createParentReady =
  ({ lookup }: { readonly lookup: Lookup }) =>
  async (named: Named): Promise<Placed> => {
    const { grant, parsed } = named;
    return { ...named, parent: await lookup.readyParent(grant, parsed.id, parsed.type) };
  };

/**
 * Order matters: a removal marks the parent first and lists its children then. Whoever stored a child before the mark is
 * listed; whoever stored it after sees the mark here, and takes it back.
 */
export const createParentStillReady =
  ({ lookup }: { readonly lookup: Lookup }) =>
  async ({ grant, home, resource, existing }: Rowed): Promise<void> => {
    try {
      await lookup.readyParent(grant, resource.id, resource.type);
    } catch (thrown) {
      // What failed before may have left something behind it, which the removal of the parent takes care of.
      const back = existing && { resource: existing, operationId: undefined, holder: undefined };
      await home.write(async (tx) => void (await (back ? updateResource(tx, back) : deleteResource(tx, resource))));
      throw thrown;
    }
  };
