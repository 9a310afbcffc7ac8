// What the pipelines under way run, in the database of their workspace. No decisions.

import { type Tx, tables } from '#kernel/database/database';
import type { Part } from './parts.types.ts';

type Tables = { flow_parts: { root: string; digest: string; part: string } };

/** @param root the key of the outermost pipeline */
export async function putParts(tx: Tx, root: string, parts: ReadonlyMap<string, Part>): Promise<void> {
  for (const [digest, part] of parts)
    await tables<Tables>(tx)
      .insertInto('flow_parts')
      .values({ root, digest, part: JSON.stringify(part) })
      .onConflict((conflict) => conflict.columns(['root', 'digest']).doNothing())
      .execute();
}

/** Those of these that are there. */
export async function findParts(tx: Tx, root: string, digests: readonly string[]): Promise<ReadonlyMap<string, Part>> {
  const rows = await tables<Tables>(tx)
    .selectFrom('flow_parts')
    .select(['digest', 'part'])
    .where('root', '=', root)
    .where('digest', 'in', digests)
    .execute();
  return new Map(rows.map(({ digest, part }) => [digest, JSON.parse(part) as Part])); // as it was put
}

export async function deleteParts(tx: Tx, root: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('flow_parts').where('root', '=', root).execute();
}
