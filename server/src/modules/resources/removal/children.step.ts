// Removes everything that lies below a resource, deepest first, wherever its rows are.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grant } from '#kernel/authority/grant';
import { counted } from '#kernel/authority/perform';
import type { Database } from '#kernel/database/database';
import { asFailure } from '#kernel/errors/failure';
import { isGroupOrAbove, topLevelOf } from '../catalog.service.ts';
import { resourcesDuties } from '../duties.ts';
import type { Resource } from '../kind.types.ts';
import type { Ports } from '../ports.types.ts';
import { resourcesFailures } from '../resources.errors.ts';
import { deleteResource, findResource, rowsBelow, type Stored } from '../resources.store.ts';
import { hasSystemIdentity } from '../stamps.rules.ts';
import { isBusy } from '../state.rules.ts';

const batchRows = 200;
/** More than a million things below one resource are no accident; each round removes or throws. */
const roundsMax = 10_000;
const triesMax = 5;

export function createChildren(
  ports: Ports,
  deps: {
    readonly finishOperation: (id: string) => Promise<void>;
    /** Marks and removes one resource, with what is below it, in its turn. */
    readonly removeNow: (grant: Grant, database: Database, stored: Stored) => Promise<void>;
  },
) {
  const { catalog, homes, acts, turns, log } = ports;

  async function removeBelow(home: Database, resource: Resource): Promise<void> {
    for (const database of new Set([home, ...(await ownHome(resource))])) {
      for (let round = 0; ; round++) {
        if (round >= roundsMax) throw resourcesFailures.AnotherOperationInProgress(resource.id, 'Deleting');
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
    return isChild && !hasMore && !isBusy(ports, stored);
  }

  async function removeRow(database: Database, row: Resource, root: Resource): Promise<void> {
    for (let attempt = 0; attempt < triesMax; attempt++) {
      const before = await findResource(database.read, row.id);
      if (before === undefined) return;
      // Something long is at work on it: let it end, then remove what it made.
      const ended = isBusy(ports, before) ? before.operationId : undefined;
      if (ended !== undefined) await deps.finishOperation(ended);
      const done = await turns(row.id, async () => {
        const stored = await findResource(database.read, row.id);
        if (stored === undefined) return true;
        if (isBusy(ports, stored) && stored.operationId !== ended) return false;
        await acts.duty(
          resourcesDuties.removeBelow(row.type),
          {
            operation: 'Resources_RemoveBelow',
            action: actionsOfType(row.type).remove,
            scope: row.id,
            parameters: { together: root.id },
          },
          (grant) => deps.removeNow(grant, database, stored),
        );
        return true;
      });
      if (done) return;
    }
    throw resourcesFailures.AnotherOperationInProgress(row.id, 'Updating');
  }

  return removeBelow;
}
