// The procedure of a DELETE, as its list of steps in their order. One at a time for each resource, in turn with PUTs.

import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { readId } from '../catalog.service.ts';
import type { Resource } from '../kind.types.ts';
import type { Lookup } from '../lookup.service.ts';
import type { Operations } from '../operations.service.ts';
import type { Operation } from '../operations.store.ts';
import type { Ports } from '../ports.types.ts';
import { checkPreconditions } from '../put/preconditions.step.ts';
import type { How } from '../put/put.types.ts';
import { resourcesFailures } from '../resources.errors.ts';
import { type Stored, updateResource } from '../resources.store.ts';
import { newEtag } from '../stamps.rules.ts';
import { restingState } from '../state.rules.ts';
import { holdersOf } from './holders.step.ts';
import type { Removal } from './removal.service.ts';

export type Removed = {
  readonly existed: boolean;
  readonly operation: Operation | undefined;
  /** What stands on it still: the operation waits for a while that they go, and is refused if they do not. */
  readonly holders?: readonly string[];
};

export function createRemove(
  ports: Ports,
  deps: { readonly lookup: Lookup; readonly removal: Removal; readonly operations: Operations },
) {
  const { catalog, turns } = ports;
  const { lookup, removal, operations } = deps;

  async function remove(grant: Grant, id: string, how: How): Promise<Removed> {
    const parsed = readId(id);
    const kind = catalog.get(parsed.type);
    const isLong = kind.longRunning !== undefined && kind.longRunning !== false;
    const done = await turns(id, async (): Promise<Removed> => {
      const { home, stored } = await lookup.load(parsed.id);
      checkPreconditions({ ifMatch: how.ifMatch }, stored?.resource);
      if (stored === undefined) return { existed: false, operation: undefined };
      const underWay = await removalUnderWay(stored);
      if (underWay !== undefined) return { existed: true, operation: underWay };
      kind.checkRemoval?.(stored.resource, how.query ?? {});
      const holders = await holdersOf(ports, stored.resource.id);
      if (isLong || holders.length > 0)
        return { existed: true, operation: await accept(grant, home, stored.resource), holders };
      await removal.removeNow(grant, home, stored);
      return { existed: true, operation: undefined };
    });
    if (!how.wait || done.operation === undefined) return done;
    await operations.ended(done.operation);
    return { ...done, operation: undefined };
  }

  /** Whoever asks again is told of the same operation; any other work on it is waited for by the caller. */
  async function removalUnderWay(stored: Stored): Promise<Operation | undefined> {
    if (!(await operations.isAtWork(stored))) return undefined;
    const present = stored.operationId === undefined ? undefined : await operations.find(stored.operationId);
    if (present?.verb === 'remove') return present;
    throw resourcesFailures.AnotherOperationInProgress(stored.resource.id, stored.resource.provisioningState);
  }

  function accept(grant: Grant, home: Database, resource: Resource): Promise<Operation> {
    const marked: Resource = { ...resource, provisioningState: 'Deleting', etag: newEtag() };
    return operations.accept(
      grant.actor,
      { verb: 'remove', refusedState: restingState(resource) },
      home,
      resource.id,
      (tx, operationId) => updateResource(tx, { resource: marked, operationId, holder: undefined }),
    );
  }

  return remove;
}
