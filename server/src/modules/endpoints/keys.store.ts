// Rows of sealed endpoint keys. No decisions, no secrets in the clear.

import { type Tx, tables } from '#kernel/database/database';

export type KeyName = 'primary' | 'secondary';
export type KeyRow = { endpoint: string; name: KeyName; version: number; envelope: Uint8Array };
type Tables = { endpoint_keys: KeyRow };

export async function keysOf(tx: Tx, endpoint: string): Promise<readonly KeyRow[]> {
  return tables<Tables>(tx).selectFrom('endpoint_keys').selectAll().where('endpoint', '=', endpoint).execute();
}

export async function putKey(tx: Tx, row: KeyRow): Promise<void> {
  const { version, envelope } = row;
  await tables<Tables>(tx)
    .insertInto('endpoint_keys')
    .values(row)
    .onConflict((conflict) => conflict.columns(['endpoint', 'name']).doUpdateSet({ version, envelope }))
    .execute();
}

export async function deleteKeys(tx: Tx, endpoint: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('endpoint_keys').where('endpoint', '=', endpoint).execute();
}
