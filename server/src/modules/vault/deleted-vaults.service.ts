// The bin of vaults. A vault that was deleted keeps its name, its keys and its secrets for the retention that it was made with.
// It ends there in one of three ways: recovered by a PUT, purged by who may, or destroyed when its time is over, which the
// house does by itself and records. Purge protection leaves only the first and the last.

import { vaultActions } from '@strongroom/contract/vault.actions';
import type { Grant } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { isWithin } from '#kernel/ids/ids';
import type { DataKeyService } from '#kernel/sealing/data-keys.service';
import type { KeyCustody } from './custody.types.ts';
import type { DeletedVault, Directory } from './directory.service.ts';
import { vaultDuties } from './duties.ts';
import * as objects from './objects.store.ts';
import { vaultsFailures } from './vaults.errors.ts';
import { sameLocation } from './vaults.kind.ts';

export type DeletedVaults = {
  /** Those of the grant's subscription behind a name, in order. */
  list(grant: Grant, after: string, limit: number): readonly DeletedVault[];
  /** Throws `notFound` DeletedVaultNotFound. */
  get(grant: Grant, location: string, name: string): DeletedVault;
  /** Destroys it with all that it holds. Throws `notFound`, and under purge protection `methodNotAllowed`. */
  purge(grant: Grant, location: string, name: string): Promise<void>;
  /** Destroys those whose time is over, and what a crash left of a purge. One that fails keeps no other; it throws at the end. */
  sweep(): Promise<void>;
};

export function createDeletedVaults(deps: {
  readonly database: Database;
  readonly dataKeys: Pick<DataKeyService, 'destroy'>;
  readonly custody: Pick<KeyCustody, 'destroyAll'>;
  readonly directory: Pick<Directory, 'deleted' | 'allDeleted' | 'endRetention' | 'forget'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly clock: Clock;
}): DeletedVaults {
  const { database, dataKeys, custody, directory, acts, clock } = deps;

  function get(grant: Grant, location: string, name: string): DeletedVault {
    const vault = directory.deleted(name);
    if (vault === undefined || !sameLocation(vault.location, location) || !isWithin(vault.id, grant.scope))
      throw vaultsFailures.DeletedVaultNotFound(name);
    return vault;
  }

  async function destroy(vault: DeletedVault): Promise<void> {
    // order matters: first nobody recovers it, then without its key nothing of it opens, whatever happens after.
    await directory.endRetention(vault);
    await dataKeys.destroy(vault.uniqueId);
    await custody.destroyAll(vault.uniqueId);
    await database.write((tx) => objects.purgeVault(tx, vault.uniqueId));
    await directory.forget(vault);
  }

  /** As if somebody had asked: intent, act, conclusion. */
  async function destroyOverdue(vault: DeletedVault): Promise<void> {
    await acts.duty(
      vaultDuties.destroyDeletedVaults,
      {
        operation: 'DeletedVaults_RetentionOver',
        action: vaultActions.purgeDeletedVault,
        scope: vault.id,
        parameters: { vaultName: vault.name, deletedAt: new Date(vault.deletedAtMs).toISOString() },
      },
      () => destroy(vault),
    );
  }

  return {
    get,
    list: (grant, after, limit) =>
      directory
        .allDeleted()
        .filter(({ id, name }) => isWithin(id, grant.scope) && name.toLowerCase() > after.toLowerCase())
        .slice(0, limit),
    async purge(grant, location, name) {
      const vault = get(grant, location, name);
      if (vault.purgeProtection) throw vaultsFailures.MethodNotAllowed(vault.name, vault.purgeAtMs);
      await destroy(vault);
    },
    async sweep() {
      const nowMs = clock.epochMs();
      const failures: unknown[] = [];
      for (const vault of directory.allDeleted())
        if (vault.purgeAtMs <= nowMs) await destroyOverdue(vault).catch((thrown: unknown) => failures.push(thrown));
      if (failures.length > 0) throw new AggregateError(failures, 'overdue vaults could not all be destroyed');
    },
  };
}
