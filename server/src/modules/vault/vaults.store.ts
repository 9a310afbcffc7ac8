// Rows of vaults: which name is which resource. SQL and nothing else.

import { type Tx, tables } from '#kernel/database/database';

/** What the module keeps of a vault, besides the resource that the resource manager keeps. */
export type Vault = {
  readonly name: string;
  /** Resource id, in the casing that it was made with. */
  readonly id: string;
  readonly uniqueId: string;
  readonly location: string;
  readonly retentionDays: number;
  readonly purgeProtection: boolean;
};

type VaultRow = {
  name_key: string;
  name: string;
  id: string;
  unique_id: string;
  location: string;
  retention_days: number;
  purge_protection: number;
};
type DeletedRow = VaultRow & { tags: string; deleted_at: number; purge_at: number };
type VaultTables = { vaults: VaultRow; deleted_vaults: DeletedRow };

/** A vault in the recycle bin: its name is kept, and all that it held. */
export type DeletedVault = Vault & {
  readonly tags: Readonly<Record<string, string>>;
  readonly deletedAtMs: number;
  /** From then on it is destroyed, and nobody recovers it. */
  readonly purgeAtMs: number;
};

export const vaultNameKey = (name: string) => name.toLowerCase();

export async function allVaults(tx: Tx): Promise<readonly Vault[]> {
  const rows = await tables<VaultTables>(tx)
    .selectFrom('vaults')
    .select(['name', 'id', 'unique_id', 'location', 'retention_days', 'purge_protection'])
    .orderBy('name_key')
    .execute();
  return rows.map(toVault);
}

const toVault = (row: Omit<VaultRow, 'name_key'>): Vault => ({
  name: row.name,
  id: row.id,
  uniqueId: row.unique_id,
  location: row.location,
  retentionDays: row.retention_days,
  purgeProtection: row.purge_protection === 1,
});

const toRow = (vault: Vault) => ({
  name: vault.name,
  id: vault.id,
  location: vault.location,
  retention_days: vault.retentionDays,
  purge_protection: vault.purgeProtection ? 1 : 0,
});

/** Adds the vault or brings its row up to date; false when another vault has the name. */
export async function putVault(tx: Tx, vault: Vault): Promise<boolean> {
  const row = toRow(vault);
  const { numInsertedOrUpdatedRows } = await tables<VaultTables>(tx)
    .insertInto('vaults')
    .values({ ...row, name_key: vaultNameKey(vault.name), unique_id: vault.uniqueId })
    .onConflict((clash) => clash.column('name_key').doUpdateSet(row).where('vaults.unique_id', '=', vault.uniqueId))
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

export async function allDeleted(tx: Tx): Promise<readonly DeletedVault[]> {
  const rows = await tables<VaultTables>(tx)
    .selectFrom('deleted_vaults')
    .select(['name', 'id', 'unique_id', 'location', 'retention_days', 'purge_protection'])
    .select(['tags', 'deleted_at', 'purge_at'])
    .orderBy('name_key')
    .execute();
  return rows.map((row) => ({
    ...toVault(row),
    // Written by this file; a cast stands for the schema of our own JSON.
    tags: JSON.parse(row.tags) as DeletedVault['tags'],
    deletedAtMs: row.deleted_at,
    purgeAtMs: row.purge_at,
  }));
}

/** From the living to the deleted ones. */
export async function binVault(tx: Tx, vault: DeletedVault): Promise<void> {
  await deleteVault(tx, vault.uniqueId);
  await tables<VaultTables>(tx)
    .insertInto('deleted_vaults')
    .values({
      ...toRow(vault),
      name_key: vaultNameKey(vault.name),
      unique_id: vault.uniqueId,
      tags: JSON.stringify(vault.tags),
      deleted_at: vault.deletedAtMs,
      purge_at: vault.purgeAtMs,
    })
    .execute();
}

/** Whether the bin holds the name, of any vault. */
export async function isBinned(tx: Tx, name: string): Promise<boolean> {
  const row = await tables<VaultTables>(tx)
    .selectFrom('deleted_vaults')
    .select('unique_id')
    .where('name_key', '=', vaultNameKey(name))
    .executeTakeFirst();
  return row !== undefined;
}

/** Out of the bin while its time lasts; false when it is over, or nothing is there. */
export async function unbinVault(tx: Tx, uniqueId: string, nowMs: number): Promise<boolean> {
  const { numDeletedRows } = await tables<VaultTables>(tx)
    .deleteFrom('deleted_vaults')
    .where('unique_id', '=', uniqueId)
    .where('purge_at', '>', nowMs)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}

/** Its time is over now: nobody recovers it from here on, also after a crash. */
export async function endRetention(tx: Tx, uniqueId: string, nowMs: number): Promise<void> {
  await tables<VaultTables>(tx)
    .updateTable('deleted_vaults')
    .set({ purge_at: nowMs })
    .where('unique_id', '=', uniqueId)
    .where('purge_at', '>', nowMs)
    .execute();
}

export async function deleteBinned(tx: Tx, uniqueId: string): Promise<void> {
  await tables<VaultTables>(tx).deleteFrom('deleted_vaults').where('unique_id', '=', uniqueId).execute();
}

export async function deleteVault(tx: Tx, uniqueId: string): Promise<void> {
  await tables<VaultTables>(tx).deleteFrom('vaults').where('unique_id', '=', uniqueId).execute();
}
