// All vaults in memory, by name and by id. Permission checks need a vault's resource id before anything else happens, and must
// not read a table for it. The rows are the truth; memory follows them after each write, and is filled at start.

import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { idKey, isWithin } from '#kernel/ids/ids';
import { vaultErrors, vaultNotFound } from './errors.ts';
import * as store from './vaults.store.ts';
import { type Vault, vaultNameKey } from './vaults.store.ts';

export type { Vault } from './vaults.store.ts';

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
  /** Throws `VaultAlreadyExists` when another vault has the name. */
  put(vault: Vault): Promise<void>;
  remove(uniqueId: string): Promise<void>;
};

export function createDirectory(database: Database): Directory {
  const names = new Map<string, Vault>();
  const ids = new Map<string, Vault>();
  const uniqueIds = new Map<string, Vault>();

  function remember(vault: Vault): void {
    names.set(vaultNameKey(vault.name), vault);
    ids.set(idKey(vault.id), vault);
    uniqueIds.set(vault.uniqueId, vault);
  }

  const byName = (name: string) => names.get(vaultNameKey(name));

  return {
    async load() {
      for (const vault of await store.allVaults(database.read)) remember(vault);
    },
    byName,
    byId: (id) => ids.get(idKey(id)),
    byUniqueId: (uniqueId) => uniqueIds.get(uniqueId),
    granted(grant, name) {
      const vault = byName(name);
      if (vault === undefined || !isWithin(grant.scope, vault.id)) throw vaultNotFound(name);
      return vault;
    },
    scope: (name, ...below) => [byName(name)?.id ?? `/vaults/${name}`, ...below].join('/'),
    async put(vault) {
      if (!(await database.write((tx) => store.putVault(tx, vault)))) throw vaultErrors.nameTaken(vault.name);
      remember(vault);
    },
    async remove(uniqueId) {
      await database.write((tx) => store.deleteVault(tx, uniqueId));
      const vault = uniqueIds.get(uniqueId);
      if (vault === undefined) return;
      names.delete(vaultNameKey(vault.name));
      ids.delete(idKey(vault.id));
      uniqueIds.delete(uniqueId);
    },
  };
}
