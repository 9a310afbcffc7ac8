// All vaults in memory, by name and by id. Permission checks need a vault's resource id before anything else happens, and must
// not read a table for it; so do the names that deleted vaults keep. The rows are the truth; memory follows them after each write, and is filled at start.

import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { idKey, isWithin } from '#kernel/ids/ids';
import { vaultFailures } from './vault.errors.ts';
import { vaultsFailures } from './vaults.errors.ts';
import * as store from './vaults.store.ts';
import { type DeletedVault, type Vault, vaultNameKey } from './vaults.store.ts';

export type { DeletedVault, Vault } from './vaults.store.ts';

export type Directory = {
  load(): Promise<void>;
  byName(name: string): Vault | undefined;
  byId(id: string): Vault | undefined;
  byUniqueId(uniqueId: string): Vault | undefined;
  /** The vault that the grant was decided on. Throws `VaultNotFound`, also when the name is another vault's by now. */
  granted(grant: Grant, name: string): Vault;
  /**
   * What a data action on the named vault is decided on: the vault's id, or below it one secret or key. A name that nobody has
   * gives a scope that nobody has a role at, so that unknown and forbidden look the same.
   */
  scope(name: string, ...below: readonly string[]): string;
  /** Throws `VaultAlreadyExists` when another vault has the name, `ConflictError` when a deleted one has. */
  put(vault: Vault): Promise<void>;
  /** Forgets a vault that never was one. */
  remove(uniqueId: string): Promise<void>;
  /** The deleted vault of that name, in the bin until its time is over. */
  deleted(name: string): DeletedVault | undefined;
  /** In the order of their names. */
  allDeleted(): readonly DeletedVault[];
  bin(vault: DeletedVault): Promise<void>;
  /** Back among the living, under this id. Throws `conflict` when its time is over. */
  recover(vault: DeletedVault, id: string): Promise<Vault>;
  /** Its time is over: nobody recovers it from here on. */
  endRetention(vault: DeletedVault): Promise<void>;
  forget(vault: DeletedVault): Promise<void>;
};

export function createDirectory(database: Database, clock: Pick<Clock, 'epochMs'>): Directory {
  const binned = new Map<string, DeletedVault>();
  const names = new Map<string, Vault>();
  const ids = new Map<string, Vault>();
  const uniqueIds = new Map<string, Vault>();

  function remember(vault: Vault): void {
    names.set(vaultNameKey(vault.name), vault);
    ids.set(idKey(vault.id), vault);
    uniqueIds.set(vault.uniqueId, vault);
  }

  function forget(uniqueId: string): void {
    const vault = uniqueIds.get(uniqueId);
    if (vault === undefined) return;
    names.delete(vaultNameKey(vault.name));
    ids.delete(idKey(vault.id));
    uniqueIds.delete(uniqueId);
  }

  const byName = (name: string) => names.get(vaultNameKey(name));

  return {
    async load() {
      for (const vault of await store.allVaults(database.read)) remember(vault);
      for (const vault of await store.allDeleted(database.read)) binned.set(vaultNameKey(vault.name), vault);
    },
    byName,
    byId: (id) => ids.get(idKey(id)),
    byUniqueId: (uniqueId) => uniqueIds.get(uniqueId),
    granted(grant, name) {
      const vault = byName(name);
      if (vault === undefined || !isWithin(grant.scope, vault.id)) throw vaultFailures.VaultNotFound(name);
      return vault;
    },
    scope: (name, ...below) => [byName(name)?.id ?? `/vaults/${name}`, ...below].join('/'),
    async put(vault) {
      await database.write(async (tx) => {
        if (await store.isBinned(tx, vault.name)) throw vaultsFailures.ConflictError(vault.name);
        if (!(await store.putVault(tx, vault))) throw vaultsFailures.VaultAlreadyExists(vault.name);
      });
      remember(vault);
    },
    async remove(uniqueId) {
      await database.write((tx) => store.deleteVault(tx, uniqueId));
      forget(uniqueId);
    },
    deleted: (name) => binned.get(vaultNameKey(name)),
    allDeleted: () => [...binned.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, vault]) => vault),
    async bin(vault) {
      await database.write((tx) => store.binVault(tx, vault));
      forget(vault.uniqueId);
      binned.set(vaultNameKey(vault.name), vault);
    },
    async recover({ tags: _, deletedAtMs: __, purgeAtMs: ___, ...facts }, id) {
      const vault = { ...facts, id };
      await database.write(async (tx) => {
        if (!(await store.unbinVault(tx, vault.uniqueId, clock.epochMs())))
          throw vaultsFailures.DeletedVaultIsBeingPurged(vault.name);
        if (!(await store.putVault(tx, vault))) throw vaultsFailures.VaultAlreadyExists(vault.name);
      });
      binned.delete(vaultNameKey(vault.name));
      remember(vault);
      return vault;
    },
    async endRetention(vault) {
      const now = clock.epochMs();
      await database.write((tx) => store.endRetention(tx, vault.uniqueId, now));
      const key = vaultNameKey(vault.name);
      const present = binned.get(key);
      if (present?.uniqueId === vault.uniqueId && present.purgeAtMs > now)
        binned.set(key, { ...present, purgeAtMs: now });
    },
    async forget(vault) {
      await database.write((tx) => store.deleteBinned(tx, vault.uniqueId));
      const key = vaultNameKey(vault.name);
      if (binned.get(key)?.uniqueId === vault.uniqueId) binned.delete(key);
    },
  };
}
