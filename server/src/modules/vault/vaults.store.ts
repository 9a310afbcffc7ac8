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
type VaultTables = { vaults: VaultRow };

export const vaultNameKey = (name: string) => name.toLowerCase();

export async function allVaults(tx: Tx): Promise<readonly Vault[]> {
  const rows = await tables<VaultTables>(tx)
    .selectFrom('vaults')
    .select(['name', 'id', 'unique_id', 'location', 'retention_days', 'purge_protection'])
    .orderBy('name_key')
    .execute();
  return rows.map((row) => ({
    name: row.name,
    id: row.id,
    uniqueId: row.unique_id,
    location: row.location,
    retentionDays: row.retention_days,
    purgeProtection: row.purge_protection === 1,
  }));
}

/** Adds the vault or brings its row up to date; false when another vault has the name. */
export async function putVault(tx: Tx, vault: Vault): Promise<boolean> {
  const row = {
    name: vault.name,
    id: vault.id,
    location: vault.location,
    retention_days: vault.retentionDays,
    purge_protection: vault.purgeProtection ? 1 : 0,
  };
  const { numInsertedOrUpdatedRows } = await tables<VaultTables>(tx)
    .insertInto('vaults')
    .values({ ...row, name_key: vaultNameKey(vault.name), unique_id: vault.uniqueId })
    .onConflict((clash) => clash.column('name_key').doUpdateSet(row).where('vaults.unique_id', '=', vault.uniqueId))
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

export async function deleteVault(tx: Tx, uniqueId: string): Promise<void> {
  await tables<VaultTables>(tx).deleteFrom('vaults').where('unique_id', '=', uniqueId).execute();
}
