// Removes a resource with everything below it, as its list of steps in their order. Every step is idempotent: after a crash it
// starts again and finds less.

import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { asFailure } from '#kernel/errors/failure';
import { amend } from '../amend.store.ts';
import { resourcesDuties } from '../duties.ts';
import type { Resource } from '../kind.types.ts';
import type { Ports } from '../ports.types.ts';
import { findResource, rowsBelow, type Stored, updateResource } from '../resources.store.ts';
import { isBusy, restingState } from '../state.rules.ts';
import { createChildren } from './children.step.ts';
import type { TakeDown } from './takedown.step.ts';

export function createRemoval(
  ports: Ports,
  deps: { readonly takeDown: TakeDown; readonly finishOperation: (id: string) => Promise<void> },
) {
  const { homes, grants, turns } = ports;
  const { takeDown, finishOperation } = deps;
  const removeBelow = createChildren(ports, { finishOperation, removeNow });

  /** Children first; then what stands behind it, its identity, what was attached to it, its row. */
  async function finish(grant: Grant, home: Database, resource: Resource): Promise<void> {
    await removeBelow(home, resource);
    await takeDown(grant, home, resource);
  }

  const mark = (database: Database, resource: Resource) =>
    database.write((tx) =>
      updateResource(tx, {
        resource: { ...resource, provisioningState: 'Deleting' },
        operationId: undefined,
        holder: ports.holder,
      }),
    );

  /**
   * Marks and removes within the caller's turn. A kind that refuses leaves the resource as it was; any other failure leaves
   * it Failed, to be removed again.
   */
  async function removeNow(grant: Grant, database: Database, stored: Stored): Promise<void> {
    const { resource } = stored;
    await mark(database, resource);
    try {
      await finish(grant, database, resource);
    } catch (thrown) {
      const provisioningState = asFailure(thrown).status < 500 ? restingState(resource) : 'Failed';
      await amend(database, resource, { provisioningState });
      throw thrown;
    }
  }

  /**
   * Removes a resource again that nobody has used or changed since it was made. Order matters: marked first, so that a child
   * which is stored after the mark takes itself back, and one before it is seen here.
   */
  async function removeUnused(made: Resource): Promise<void> {
    await turns(made.id, async () => {
      const home = await homes.of(made.id);
      const stored = await findResource(home.read, made.id);
      if (stored?.resource.etag !== made.etag || isBusy(ports, stored)) return;
      await mark(home, stored.resource);
      const isUsed = (await rowsBelow(home, made.id, 1)).length > 0;
      if (isUsed) await amend(home, stored.resource, { provisioningState: restingState(stored.resource) });
      else await finish(grants.duty(resourcesDuties.takeBack(made.type), made.id), home, stored.resource);
    });
  }

  return { finish, removeNow, removeUnused };
}
export type Removal = ReturnType<typeof createRemoval>;
