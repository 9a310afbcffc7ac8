// Remembers which files a snapshot holds and which blob each is. No decisions.

import { sql } from 'kysely';
import { type Tx, tables } from '#kernel/database/database';
import { rowsOf } from '#kernel/database/dialect/dialect';

export type SnapshotFile = {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  readonly blob: string;
  /** Where it begins in the blob, which several small files may share. */
  readonly start: number;
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
  snapshot_files: SnapshotFile & { readonly digest: string };
};

const fileColumns = ['path', 'size', 'sha256', 'blob', 'start'] as const;

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
  // One statement however many there are: thousands of them would hold up every other write of the workspace.
  const rows = rowsOf(
    files.map(({ path, size, sha256, blob, start }) => [path, size, sha256, blob, start]),
    ['text', 'integer', 'text', 'text', 'integer'],
  );
  await sql`
    insert into snapshot_files (digest, path, size, sha256, blob, start)
    select ${row.digest}, c0, c1, c2, c3, c4 from ${rows} as listed
  `.execute(tx);
  return true;
}

/** @param folder ends with a slash; empty is all of them */
export async function filesBelow(tx: Tx, digest: string, folder: string): Promise<readonly SnapshotFile[]> {
  const all = tables<Tables>(tx).selectFrom('snapshot_files').select(fileColumns).where('digest', '=', digest);
  // `0` comes right behind the slash.
  const some = folder === '' ? all : all.where('path', '>', folder).where('path', '<', `${folder.slice(0, -1)}0`);
  return some.orderBy('path').execute();
}

export const filesOf = (tx: Tx, digest: string): Promise<readonly SnapshotFile[]> => filesBelow(tx, digest, '');

export async function findFile(tx: Tx, digest: string, path: string): Promise<SnapshotFile | undefined> {
  return tables<Tables>(tx)
    .selectFrom('snapshot_files')
    .select(fileColumns)
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
