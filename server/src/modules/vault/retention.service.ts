// Destroys deleted secrets and keys whose retention is over, each with a record of its own: when a key was destroyed, and by
// whose rule, is in the log. What is not recorded stays, and is looked at again the next time.

import { vaultActions } from '@strongroom/contract/vault.actions';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import type { KeyCustody } from './custody.types.ts';
import type { Directory } from './directory.service.ts';
import { vaultDuties } from './duties.ts';
import * as store from './objects.store.ts';
import { nothingElsewhere, takeAway } from './taking-away.service.ts';

const rowsAtOnce = 200;

const acts = {
  secrets: { operation: 'Secrets_RetentionOver', action: vaultActions.purgeSecret },
  keys: { operation: 'Keys_RetentionOver', action: vaultActions.purgeKey },
} as const;

/** Answers what does it for all that is due, and throws at the end what some met; for a periodic task. */
export function createRetention(deps: {
  readonly database: Database;
  readonly directory: Pick<Directory, 'byUniqueId' | 'allDeleted'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly custody: Pick<KeyCustody, 'destroy'>;
  readonly clock: Clock;
}): (signal: AbortSignal) => Promise<void> {
  const { database, directory, custody, clock } = deps;

  const vaultOf = (uniqueId: string) =>
    directory.byUniqueId(uniqueId) ?? directory.allDeleted().find((vault) => vault.uniqueId === uniqueId);

  async function destroy({ at, deletedAtMs }: store.DueObject, nowMs: number): Promise<void> {
    const vault = vaultOf(at.vault);
    // Of a vault that is being destroyed itself: its objects go with it, under its record.
    if (vault === undefined) return;
    await deps.acts.duty(
      vaultDuties.destroyExpired,
      {
        ...acts[at.collection],
        scope: `${vault.id}/${at.collection}/${at.name}`,
        parameters: { vault: vault.name, name: at.name, deletedAt: new Date(deletedAtMs).toISOString() },
      },
      () =>
        takeAway(
          database,
          at,
          (tx) => store.endRetention(tx, at, nowMs),
          at.collection === 'keys' ? custody.destroy : nothingElsewhere,
        ),
    );
  }

  return async (signal) => {
    const nowMs = clock.epochMs();
    const failures: unknown[] = [];
    for (let after: store.ObjectAt | undefined; !signal.aborted; ) {
      const due = await store.dueObjects(database.read, nowMs, after, rowsAtOnce);
      for (const object of due) {
        if (signal.aborted) break;
        // What cannot be destroyed now must not keep what stands behind it.
        await destroy(object, nowMs).catch((thrown: unknown) => failures.push(thrown));
      }
      after = due.at(-1)?.at;
      if (due.length < rowsAtOnce) break;
    }
    if (failures.length > 0) throw new AggregateError(failures, 'what is overdue could not all be destroyed');
  };
}
