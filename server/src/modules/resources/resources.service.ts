// What can be done with a resource of any kind, once it was decided that it may be. The procedures stand as lists of steps: a
// PUT's in put/put.service.ts, a removal's in removal/remove.service.ts.

import type { Grant } from '#kernel/authority/grant';
import { readId } from './catalog.service.ts';
import { patchedBody } from './draft.rules.ts';
import type { Properties, Resource } from './kind.types.ts';
import type { Lookup } from './lookup.service.ts';
import type { Operations } from './operations.service.ts';
import type { Ports } from './ports.types.ts';
import type { Provisioning } from './provisioning.service.ts';
import { createCheck } from './put/check.service.ts';
import { createPut } from './put/put.service.ts';
import type { How, Put } from './put/put.types.ts';
import type { Removal } from './removal/removal.service.ts';
import { createRemove } from './removal/remove.service.ts';
import { notFound } from './resources.errors.ts';
import { findResource, updateResource } from './resources.store.ts';
import { newEtag } from './stamps.rules.ts';
import { present } from './state.rules.ts';

export function createResourcesService(
  ports: Ports,
  deps: {
    readonly lookup: Lookup;
    readonly provisioning: Provisioning;
    readonly removal: Removal;
    readonly operations: Operations;
  },
) {
  const { homes, turns } = ports;
  const { find, hasContainer } = deps.lookup;
  const putWith = createPut(ports, deps);

  return {
    find,
    hasContainer,
    put: (grant: Grant, id: string, body: unknown, how: How): Promise<Put> =>
      putWith({ grant, id, bodyFor: () => body, how }),
    patch: (grant: Grant, id: string, patch: unknown, how: How): Promise<Put> =>
      putWith({
        grant,
        id,
        bodyFor: (existing, kind) => {
          if (existing === undefined) throw notFound(id);
          return patchedBody(kind, existing, patch);
        },
        how,
      }),
    check: createCheck(ports, deps),
    remove: createRemove(ports, deps),
    /** In turn with every PUT, PATCH and DELETE of it. */
    inTurn: <R>(id: string, act: () => Promise<R>): Promise<R> => turns(readId(id).id, act),
    /** Atomic: `change` sees the stored properties. */
    async change(id: string, change: (properties: Properties) => Properties): Promise<Resource> {
      const { id: wanted } = readId(id);
      const home = await homes.of(wanted);
      return home.write(async (tx) => {
        const stored = await findResource(tx, wanted);
        if (stored === undefined) throw notFound(wanted);
        const resource = { ...stored.resource, properties: change(stored.resource.properties), etag: newEtag() };
        await updateResource(tx, { ...stored, resource });
        return present(ports, { ...stored, resource });
      });
    },
  };
}
export type ResourcesService = ReturnType<typeof createResourcesService>;
