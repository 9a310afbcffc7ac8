// Remembers which files a snapshot holds and which blob each is. No decisions.

import { type Tx, tables } from '#kernel/database/database';

export type SnapshotFile = {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  readonly blob: string;
};
export type SnapshotRow = {
  readonly digest: string;
  readonly files: number;
  readonly bytes: number;
  readonly created_at: string;
  readonly created_by: string;
};

type Tables = {
  snapshots: SnapshotRow;
  snapshot_files: { digest: string; path: string; size: number; sha256: string; blob: string };
};

export async function findSnapshot(tx: Tx, digest: string): Promise<SnapshotRow | undefined> {
  return tables<Tables>(tx)
    .selectFrom('snapshots')
    .select(['digest', 'files', 'bytes', 'created_at', 'created_by'])
    .where('digest', '=', digest)
    .executeTakeFirst();
}

/** False when the snapshot was there already: its content is the same by its digest. */
export async function insertSnapshot(tx: Tx, row: SnapshotRow, files: readonly SnapshotFile[]): Promise<boolean> {
  if (await findSnapshot(tx, row.digest)) return false;
  await tables<Tables>(tx).insertInto('snapshots').values(row).execute();
  for (const file of files)
    await tables<Tables>(tx)
      .insertInto('snapshot_files')
      .values({ digest: row.digest, ...file })
      .execute();
  return true;
}

export async function filesOf(tx: Tx, digest: string): Promise<readonly SnapshotFile[]> {
  return tables<Tables>(tx)
    .selectFrom('snapshot_files')
    .select(['path', 'size', 'sha256', 'blob'])
    .where('digest', '=', digest)
    .orderBy('path')
    .execute();
}

export async function findFile(tx: Tx, digest: string, path: string): Promise<SnapshotFile | undefined> {
  return tables<Tables>(tx)
    .selectFrom('snapshot_files')
    .select(['path', 'size', 'sha256', 'blob'])
    .where('digest', '=', digest)
    .where('path', '=', path)
    .executeTakeFirst();
}

/** Which of these blobs are files of a snapshot. At most a thousand at a time. */
export async function namedBlobs(tx: Tx, blobs: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await tables<Tables>(tx)
    .selectFrom('snapshot_files')
    .select('blob')
    .where('blob', 'in', blobs)
    .execute();
  return new Set(rows.map((row) => row.blob));
}
