// Remembers the containers that files of code versions are being sent to. No decisions.

import { type Tx, tables } from '#kernel/database/database';

export type PendingUploadRow = {
  readonly container: string;
  /** Resource id of the code version that it was begun for. */
  readonly version_id: string;
  readonly expires_at: string;
  /** The snapshot that was made of it; null while files may still be sent. */
  readonly digest: string | null;
};

type Tables = { pending_uploads: PendingUploadRow };

export async function insertUpload(tx: Tx, row: PendingUploadRow): Promise<void> {
  await tables<Tables>(tx).insertInto('pending_uploads').values(row).execute();
}

export async function findUpload(tx: Tx, container: string, versionId: string): Promise<PendingUploadRow | undefined> {
  return tables<Tables>(tx)
    .selectFrom('pending_uploads')
    .select(['container', 'version_id', 'expires_at', 'digest'])
    .where('container', '=', container)
    .where('version_id', '=', versionId)
    .executeTakeFirst();
}

export async function setUploadDigest(tx: Tx, container: string, digest: string): Promise<void> {
  await tables<Tables>(tx).updateTable('pending_uploads').set({ digest }).where('container', '=', container).execute();
}

/** Containers whose time was over at `now`, the oldest first. */
export async function expiredUploads(tx: Tx, now: string, limit: number): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('pending_uploads')
    .select('container')
    .where('expires_at', '<', now)
    .orderBy('expires_at')
    .limit(limit)
    .execute();
  return rows.map(({ container }) => container);
}

export async function countUploads(tx: Tx): Promise<number> {
  const { count } = await tables<Tables>(tx)
    .selectFrom('pending_uploads')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('digest', 'is', null)
    .executeTakeFirstOrThrow();
  return Number(count);
}

export async function removeUpload(tx: Tx, container: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('pending_uploads').where('container', '=', container).execute();
}
