// Stores the row of a resource that is new, with the operation that will provision it where that takes long.

import { randomUuid } from '#kernel/crypto/random';
import type { Resource } from '../kind.types.ts';
import type { Operations } from '../operations.service.ts';
import type { Ports } from '../ports.types.ts';
import { insertResource, type Stored, updateResource } from '../resources.store.ts';
import { creatorOf, hasSystemIdentity, newEtag, stampOf } from '../stamps.rules.ts';
import type { Rowed, Ruled } from './put.types.ts';

export function createRow(
  { clock, holder }: Pick<Ports, 'clock' | 'holder'>,
  { operations }: { readonly operations: Operations },
) {
  return async (ruled: Ruled): Promise<Rowed> => {
    const { grant, kind, draft, properties, at, home, existing: failed } = ruled;
    const isLong = kind.longRunning === true;
    const isPlain = !isLong && kind.create === undefined && !hasSystemIdentity(draft.identity);
    const resource: Resource = {
      ...draft,
      id: at.id,
      name: at.name,
      type: kind.type,
      properties,
      provisioningState: isPlain ? 'Succeeded' : 'Creating',
      etag: newEtag(),
      systemData: stampOf(grant.actor, clock.now(), failed?.systemData),
      uniqueId: failed?.uniqueId ?? randomUuid(),
      creator: creatorOf(grant.actor),
    };
    const persist = failed === undefined ? insertResource : updateResource;
    if (!isLong) {
      const stored: Stored = { resource, operationId: undefined, holder };
      await home.write(async (tx) => void (await persist(tx, stored)));
      return { ...ruled, resource, isPlain, operation: undefined };
    }
    const operation = await operations.accept(
      grant.actor,
      { verb: 'create', refusedState: 'Failed' },
      home,
      resource.id,
      (tx, operationId) => persist(tx, { resource, operationId, holder: undefined }),
    );
    return { ...ruled, resource: { ...resource, operationId: operation.id }, isPlain, operation };
  };
}
