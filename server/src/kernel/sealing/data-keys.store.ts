// Rows of wrapped keys: one owner key for each owner, wrapped under the root key or a customer's key, and the owner's data keys
// wrapped under it. SQL and nothing else; no key is ever here unwrapped.

import { type Tx, tables } from '#kernel/database/database';
import type { WrapperRef } from './data-keys.ts';

type OwnerRow = {
  owner: string;
  key_id: string;
  wrapper: 'root' | 'vault';
  key_identifier: string | null;
  principal_id: string | null;
  principal_name: string | null;
  wrapped: Uint8Array;
  /** Counts rewraps. */
  revision: number;
};
type DataKeyRow = { owner: string; purpose: string; key_id: string; wrapped: Uint8Array };
type SealingTables = { data_key_owners: OwnerRow; data_keys: DataKeyRow };

export type StoredOwner = {
  readonly owner: string;
  readonly keyId: string;
  readonly wrapper: WrapperRef;
  readonly wrapped: Uint8Array;
  readonly revision: number;
};
export type StoredKey = { readonly purpose: string; readonly keyId: string; readonly wrapped: Uint8Array };

export async function findOwner(tx: Tx, owner: string): Promise<StoredOwner | undefined> {
  const row = await tables<SealingTables>(tx)
    .selectFrom('data_key_owners')
    .select(['owner', 'key_id', 'wrapper', 'key_identifier', 'principal_id', 'principal_name', 'wrapped', 'revision'])
    .where('owner', '=', owner)
    .executeTakeFirst();
  return (
    row && {
      owner: row.owner,
      keyId: row.key_id,
      wrapper: wrapperOf(row),
      wrapped: row.wrapped,
      revision: row.revision,
    }
  );
}

export async function findKey(tx: Tx, owner: string, purpose: string): Promise<StoredKey | undefined> {
  const row = await tables<SealingTables>(tx)
    .selectFrom('data_keys')
    .select(['purpose', 'key_id', 'wrapped'])
    .where('owner', '=', owner)
    .where('purpose', '=', purpose)
    .executeTakeFirst();
  return row && { purpose: row.purpose, keyId: row.key_id, wrapped: row.wrapped };
}

/** Owners whose key is wrapped by a key of a vault, in owner order, from after `after`. */
export async function listVaultOwners(tx: Tx, after: string, limit: number): Promise<readonly StoredOwner[]> {
  const rows = await tables<SealingTables>(tx)
    .selectFrom('data_key_owners')
    .select(['owner', 'key_id', 'wrapper', 'key_identifier', 'principal_id', 'principal_name', 'wrapped', 'revision'])
    .where('wrapper', '=', 'vault')
    .where('owner', '>', after)
    .orderBy('owner')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    owner: row.owner,
    keyId: row.key_id,
    wrapper: wrapperOf(row),
    wrapped: row.wrapped,
    revision: row.revision,
  }));
}

/** False when the owner has a key already. */
export async function insertOwner(tx: Tx, stored: StoredOwner): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tables<SealingTables>(tx)
    .insertInto('data_key_owners')
    .values({
      owner: stored.owner,
      key_id: stored.keyId,
      ...columnsOf(stored.wrapper),
      wrapped: stored.wrapped,
      revision: stored.revision,
    })
    .onConflict((on) => on.column('owner').doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** False when the owner has a key of that purpose already. */
export async function insertKey(tx: Tx, owner: string, stored: StoredKey): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tables<SealingTables>(tx)
    .insertInto('data_keys')
    .values({ owner, purpose: stored.purpose, key_id: stored.keyId, wrapped: stored.wrapped })
    .onConflict((on) => on.columns(['owner', 'purpose']).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** False when the row was rewrapped or destroyed since `revision` was read. */
export async function rewrapOwner(
  tx: Tx,
  owner: string,
  revision: number,
  next: { readonly wrapper: WrapperRef; readonly wrapped: Uint8Array },
): Promise<boolean> {
  const { numUpdatedRows } = await tables<SealingTables>(tx)
    .updateTable('data_key_owners')
    .set({ ...columnsOf(next.wrapper), wrapped: next.wrapped, revision: revision + 1 })
    .where('owner', '=', owner)
    .where('revision', '=', revision)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** The database overwrites what it deletes, so the wrapped keys are not left in free pages. */
export async function deleteOwner(tx: Tx, owner: string): Promise<void> {
  await tables<SealingTables>(tx).deleteFrom('data_keys').where('owner', '=', owner).execute();
  await tables<SealingTables>(tx).deleteFrom('data_key_owners').where('owner', '=', owner).execute();
}

function columnsOf(ref: WrapperRef) {
  return ref.kind === 'root'
    ? { wrapper: 'root' as const, key_identifier: null, principal_id: null, principal_name: null }
    : {
        wrapper: 'vault' as const,
        key_identifier: ref.keyIdentifier,
        principal_id: ref.principal.objectId,
        principal_name: ref.principal.name,
      };
}

function wrapperOf(row: Pick<OwnerRow, 'wrapper' | 'key_identifier' | 'principal_id' | 'principal_name'>): WrapperRef {
  if (row.wrapper === 'root') return { kind: 'root' };
  return {
    kind: 'vault',
    keyIdentifier: row.key_identifier ?? '',
    principal: { objectId: row.principal_id ?? '', name: row.principal_name ?? '' },
  };
}
