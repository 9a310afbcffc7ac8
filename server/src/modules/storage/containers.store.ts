// Containers, in the index of one account: SQL and nothing else.

import { type Tx, tables } from '#kernel/database/database';
import { behind, type Metadata } from './names.rules.ts';

type ContainerTable = { name: string; etag: string; metadata: string; modified_ms: number; deleting: number };
type Tables = { containers: ContainerTable };

export type Container = {
  readonly name: string;
  readonly etag: string;
  readonly metadata: Metadata;
  readonly lastModified: Date;
  readonly isDeleting: boolean;
};

export async function findContainer(tx: Tx, name: string): Promise<Container | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('containers')
    .select(['name', 'etag', 'metadata', 'modified_ms', 'deleting'])
    .where('name', '=', name)
    .executeTakeFirst();
  return row && toContainer(row);
}

export async function listContainers(
  tx: Tx,
  query: { readonly prefix: string; readonly after: string; readonly limit: number },
): Promise<readonly Container[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('containers')
    .select(['name', 'etag', 'metadata', 'modified_ms', 'deleting'])
    .where('name', '>', query.after)
    .where('name', '>=', query.prefix)
    .where('name', '<', behind(query.prefix))
    .orderBy('name')
    .limit(query.limit)
    .execute();
  return rows.map(toContainer);
}

function toContainer(row: ContainerTable): Container {
  return {
    name: row.name,
    etag: row.etag,
    // Written by this file; a cast stands for the schema of our own JSON.
    metadata: JSON.parse(row.metadata) as Metadata,
    lastModified: new Date(row.modified_ms),
    isDeleting: row.deleting === 1,
  };
}

/** False when it exists. */
export async function insertContainer(tx: Tx, container: Container): Promise<boolean> {
  const result = await tables<Tables>(tx)
    .insertInto('containers')
    .values({
      name: container.name,
      etag: container.etag,
      metadata: JSON.stringify(container.metadata),
      modified_ms: container.lastModified.getTime(),
      deleting: 0,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

export async function updateContainer(tx: Tx, container: Container): Promise<void> {
  await tables<Tables>(tx)
    .updateTable('containers')
    .set({
      etag: container.etag,
      metadata: JSON.stringify(container.metadata),
      modified_ms: container.lastModified.getTime(),
    })
    .where('name', '=', container.name)
    .execute();
}

export async function markDeleting(tx: Tx, name: string): Promise<void> {
  await tables<Tables>(tx).updateTable('containers').set({ deleting: 1 }).where('name', '=', name).execute();
}

export async function deleteContainer(tx: Tx, name: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('containers').where('name', '=', name).execute();
}
