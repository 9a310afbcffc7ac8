// The rows of quotas that were set. No decisions.

import { type Tx, tables } from '#kernel/database/database';

type Tables = { quotas: { unique_id: string; resource_id: string; limit_bytes: number } };

export type SetQuota = { readonly uniqueId: string; readonly resourceId: string; readonly limit: number };

export async function allQuotas(tx: Tx): Promise<readonly SetQuota[]> {
  const rows = await tables<Tables>(tx).selectFrom('quotas').selectAll().orderBy('resource_id').execute();
  return rows.map((row) => ({ uniqueId: row.unique_id, resourceId: row.resource_id, limit: row.limit_bytes }));
}

export async function putQuota(tx: Tx, { uniqueId, resourceId, limit }: SetQuota): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('quotas')
    .values({ unique_id: uniqueId, resource_id: resourceId, limit_bytes: limit })
    .onConflict((conflict) => conflict.column('unique_id').doUpdateSet({ limit_bytes: limit }))
    .execute();
}

export async function deleteQuotas(tx: Tx, uniqueIds: readonly string[]): Promise<void> {
  for (const uniqueId of uniqueIds)
    await tables<Tables>(tx).deleteFrom('quotas').where('unique_id', '=', uniqueId).execute();
}
