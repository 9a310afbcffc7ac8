// Removes a resource with everything below it, deepest first. Every step is idempotent: after a crash it starts again and
// finds less. The row goes last, so that nothing exists that nobody can name.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grant } from '#kernel/authority/grant';
import { counted } from '#kernel/authority/perform';
import type { Database } from '#kernel/database/database';
import { asFailure } from '#kernel/errors/failure';
import { isGroupOrAbove, topLevelOf } from './catalog.ts';
import { resourcesDuties } from './duties.ts';
import { errors } from './errors.ts';
import type { Resource } from './kind.ts';
import { amend, hasSystemIdentity, isBusy, type Parts, restingState } from './parts.ts';
import { deleteResource, findResource, rowsBelow, type Stored, updateResource } from './resources.store.ts';

const batchRows = 200;
/** More than a million things below one resource are no accident; each round removes or throws. */
const roundsMax = 10_000;
const triesMax = 5;

export function createRemoval(parts: Parts, finishOperation: (id: string) => Promise<void>) {
  const { catalog, homes, identities, grants, acts, listeners, locks, log } = parts;

  /** Children, what stands behind it, its identity, what was attached to it, its row. */
  async function finish(grant: Grant, home: Database, resource: Resource): Promise<void> {
    await removeBelow(home, resource);
    await catalog.find(resource.type)?.remove?.(grant, resource);
    if (hasSystemIdentity(resource.identity)) await identities.remove(resource.id);
    const detaching = grants.duty(resourcesDuties.detach, resource.id);
    for (const listener of listeners) await listener(detaching, resource.id);
    await home.write((tx) => deleteResource(tx, resource));
  }

  async function removeBelow(home: Database, resource: Resource): Promise<void> {
    for (const database of new Set([home, ...(await ownHome(resource))])) {
      for (let round = 0; ; round++) {
        if (round >= roundsMax) throw errors.busy(resource.id, 'Deleting');
        const rows = await rowsBelow(database, resource.id, batchRows);
        if (rows.length === 0) break;
        await removeRows(database, rows, resource);
      }
    }
  }

  /** A key that is refused must not make a resource undeletable: what lies in its home is unreadable, and goes with the key. */
  async function ownHome(resource: Resource): Promise<readonly Database[]> {
    const ownsNone = isGroupOrAbove(resource.id) || topLevelOf(resource.id) !== undefined;
    if (ownsNone) return [];
    try {
      return [await homes.below(resource)];
    } catch (thrown) {
      const failure = asFailure(thrown);
      if (!['forbidden', 'notFound', 'gone'].includes(failure.kind)) throw failure;
      log.warn(
        { module: 'resources', error: failure },
        'children were not removed one by one: their home does not open',
      );
      return [];
    }
  }

  async function removeRows(database: Database, rows: readonly Stored[], root: Resource): Promise<void> {
    const plain = rows.filter((stored) => isPlain(stored));
    if (plain.length === rows.length) {
      // One record for all of them: how many, and a digest of the list of their ids.
      await acts.duty(
        resourcesDuties.removeBelow(root.type),
        {
          operation: 'Resources_RemoveBelow',
          action: actionsOfType(root.type).remove,
          scope: root.id,
          parameters: counted(plain.map(({ resource }) => resource.id)),
        },
        async () => {
          await database.write(async (tx) => {
            for (const { resource } of plain) await deleteResource(tx, resource);
          });
        },
      );
      return;
    }
    for (const { resource } of rows) await removeRow(database, resource, root);
  }

  /** Nothing stands behind it: the row is all there is. */
  function isPlain(stored: Stored): boolean {
    const { resource } = stored;
    const isChild = topLevelOf(resource.id) !== undefined;
    const hasMore = catalog.find(resource.type)?.remove !== undefined || hasSystemIdentity(resource.identity);
    return isChild && !hasMore && !isBusy(parts, stored);
  }

  async function removeRow(database: Database, row: Resource, root: Resource): Promise<void> {
    for (let attempt = 0; attempt < triesMax; attempt++) {
      const before = await findResource(database.read, row.id);
      if (before === undefined) return;
      // Something long is at work on it: let it end, then remove what it made.
      const ended = isBusy(parts, before) ? before.operationId : undefined;
      if (ended !== undefined) await finishOperation(ended);
      const done = await locks(row.id, async () => {
        const stored = await findResource(database.read, row.id);
        if (stored === undefined) return true;
        if (isBusy(parts, stored) && stored.operationId !== ended) return false;
        await acts.duty(
          resourcesDuties.removeBelow(row.type),
          {
            operation: 'Resources_RemoveBelow',
            action: actionsOfType(row.type).remove,
            scope: row.id,
            parameters: { together: root.id },
          },
          (grant) => removeNow(grant, database, stored),
        );
        return true;
      });
      if (done) return;
    }
    throw errors.busy(row.id, 'Updating');
  }

  /**
   * Marks and removes within the caller's lock. A kind that refuses leaves the resource as it was; any other failure leaves
   * it Failed, to be removed again.
   */
  async function removeNow(grant: Grant, database: Database, stored: Stored): Promise<void> {
    const { resource } = stored;
    const marked: Stored = {
      resource: { ...resource, provisioningState: 'Deleting' },
      operationId: undefined,
      holder: parts.holder,
    };
    await database.write((tx) => updateResource(tx, marked));
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
    await locks(made.id, async () => {
      const home = await homes.of(made.id);
      const stored = await findResource(home.read, made.id);
      if (stored?.resource.etag !== made.etag || isBusy(parts, stored)) return;
      const marked: Stored = {
        resource: { ...stored.resource, provisioningState: 'Deleting' },
        operationId: undefined,
        holder: parts.holder,
      };
      await home.write((tx) => updateResource(tx, marked));
      const isUsed = (await rowsBelow(home, made.id, 1)).length > 0;
      if (isUsed) await amend(home, stored.resource, { provisioningState: restingState(stored.resource) });
      else await finish(grants.duty(resourcesDuties.takeBack(made.type), made.id), home, stored.resource);
    });
  }

  return { finish, removeNow, removeUnused };
}
export type Removal = ReturnType<typeof createRemoval>;
