// Ends what an earlier process left half-way, where no operation resumes it: a creation is taken back, a removal finished.
// Until then such a row shows as Failed, and whoever makes or removes it again is not in the way.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { resourcesDuties } from './duties.ts';
import type { Resource } from './kind.types.ts';
import type { Ports } from './ports.types.ts';
import type { Provisioning } from './provisioning.service.ts';
import type { Removal } from './removal/removal.service.ts';
import { findResource, leftBehind, type Stored } from './resources.store.ts';
import { isBusy, isTransitional } from './state.rules.ts';

const sweepRows = 100;
const sweepRoundsMax = 1_000;

export function createSweeping(ports: Ports, deps: { readonly provisioning: Provisioning; readonly removal: Removal }) {
  const { acts, turns, log } = ports;
  const { provisioning, removal } = deps;

  const endInterrupted = ({ resource }: Stored, work: (grant: Grant) => Promise<void>) =>
    acts.duty(
      resourcesDuties.endInterrupted(resource.type),
      {
        operation: 'Resources_EndInterrupted',
        action: actionsOfType(resource.type).remove,
        scope: resource.id,
        parameters: { was: resource.provisioningState },
      },
      work,
    );

  /** Whether a database holds what an earlier process left half-way, with no operation to resume it. */
  const needsSweep = async (home: Database) => (await leftBehind(home, ports.holder, 1)).length > 0;

  /** Ends what an earlier process left half-way in a database: a creation is taken back, a removal is finished. */
  async function sweep(home: Database): Promise<void> {
    for (let round = 0; round < sweepRoundsMax; round++) {
      const rows = await leftBehind(home, ports.holder, sweepRows);
      const ended = await Promise.all(rows.map(({ resource }) => endLeft(home, resource)));
      if (!ended.includes(true)) return;
    }
  }

  async function endLeft(home: Database, { id, uniqueId }: Resource): Promise<boolean> {
    try {
      return await turns(id, async () => {
        const stored = await findResource(home.read, id);
        if (stored?.resource.uniqueId !== uniqueId || !isTransitional(stored.resource) || isBusy(ports, stored))
          return false; // somebody made or removed it again meanwhile
        if (stored.resource.provisioningState === 'Creating')
          await endInterrupted(stored, (grant) => provisioning.undo(grant, home, stored.resource));
        else await endInterrupted(stored, (grant) => removal.removeNow(grant, home, stored));
        return true;
      });
    } catch (error) {
      log.error({ module: 'resources', error }, 'what an earlier process left half-way could not be ended');
      return false;
    }
  }

  return { needsSweep, sweep };
}
