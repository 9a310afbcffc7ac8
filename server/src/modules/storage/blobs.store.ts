// Blobs and the sealed files that hold them, in the index of one account: SQL and nothing else. Names compare byte by byte and
// are bound as parameters; a listing walks the primary key, so that a page costs what it holds and not what the container holds.

import { type Tx, tables } from '#kernel/database/database';
import { type AccessTier, accessTiers } from './access-tier.rules.ts';
import { behind, type Metadata } from './names.rules.ts';

type BlobTable = {
  container: string;
  name: string;
  version: string;
  size: number;
  content_md5: string | null;
  etag: string;
  content_type: string;
  headers: string;
  metadata: string;
  created_ms: number;
  modified_ms: number;
  access_tier: string | null;
  sha256: string | null;
};
type PartTable = {
  version: string;
  start: number;
  size: number;
  file: string;
  sealed_size: number;
  key_id: string;
  block_id: string | null;
  sealed_container: string | null;
  sealed_blob: string | null;
};
type Tables = { blobs: BlobTable; parts: PartTable };

/** Headers that a writer may give a blob and every reader gets back, by their HTTP names in lower case. */
export type ContentHeaders = Readonly<
  Partial<Record<'content-encoding' | 'content-language' | 'content-disposition' | 'cache-control', string>>
>;

export type BlobInfo = {
  readonly name: string;
  /** Bytes of plaintext. */
  readonly size: number;
  /** With its quotes, as HTTP sends it. */
  readonly etag: string;
  /**
   * Base64; what was found while writing, or what the writer said (`BlobContent.toldMd5`): for readers, and nothing to trust.
   * Absent for blobs from blocks, and for large ones whose writer sent none.
   */
  readonly contentMd5: string | undefined;
  /**
   * Hexadecimal: found by the write of exactly these bytes, or by reading them; never what anybody said. Absent for blobs of blocks and
   * for those of an older release, until somebody has asked for it (`Blobs.digest`).
   */
  readonly sha256: string | undefined;
  /** Empty when a writer took it away. */
  readonly contentType: string;
  readonly contentHeaders: ContentHeaders;
  readonly createdAt: Date;
  readonly lastModified: Date;
  readonly metadata: Metadata;
  /** As a writer set it; otherwise the account's, Hot. */
  readonly accessTier: AccessTier | undefined;
};
export type StoredBlob = { readonly version: string; readonly info: BlobInfo };

/** One sealed file of a blob. `start` is its plaintext offset in the blob; sizes are bytes. */
export type Part = {
  readonly start: number;
  readonly size: number;
  readonly file: string;
  readonly sealedSize: number;
  readonly keyId: string;
  readonly blockId: string | undefined;
  /** What the file is sealed as, where another blob wrote it. */
  readonly sealedAs?: { readonly container: string; readonly name: string } | undefined;
};
const blobColumns = [
  'name',
  'version',
  'size',
  'content_md5',
  'etag',
  'content_type',
  'headers',
  'metadata',
  'created_ms',
  'modified_ms',
  'access_tier',
  'sha256',
] as const;

function toBlob(row: Pick<BlobTable, (typeof blobColumns)[number]>): StoredBlob {
  return {
    version: row.version,
    info: {
      name: row.name,
      size: row.size,
      etag: row.etag,
      contentMd5: row.content_md5 ?? undefined,
      contentType: row.content_type,
      // What the columns hold was written by this file; a cast stands for the schema of our own JSON.
      contentHeaders: JSON.parse(row.headers) as ContentHeaders,
      createdAt: new Date(row.created_ms),
      lastModified: new Date(row.modified_ms),
      metadata: JSON.parse(row.metadata) as Metadata,
      accessTier: accessTiers.find((tier) => tier === row.access_tier),
      sha256: row.sha256 ?? undefined,
    },
  };
}

export async function findBlob(tx: Tx, container: string, name: string): Promise<StoredBlob | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('blobs')
    .select(blobColumns)
    .where('container', '=', container)
    .where('name', '=', name)
    .executeTakeFirst();
  return row && toBlob(row);
}

/** Blobs below `prefix` in the order of their names, beginning behind `after`. */
export async function listBlobs(
  tx: Tx,
  query: { readonly container: string; readonly prefix: string; readonly after: string; readonly limit: number },
): Promise<readonly StoredBlob[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('blobs')
    .select(blobColumns)
    .where('container', '=', query.container)
    .where('name', '>', query.after)
    .where('name', '>=', query.prefix)
    .where('name', '<', behind(query.prefix))
    .orderBy('name')
    .limit(query.limit)
    .execute();
  return rows.map(toBlob);
}

/** Writes the blob's row, replacing what has its name. Its parts are written by `insertParts`. */
export async function putBlob(tx: Tx, container: string, { version, info }: StoredBlob): Promise<void> {
  const values = {
    version,
    size: info.size,
    content_md5: info.contentMd5 ?? null,
    etag: info.etag,
    content_type: info.contentType,
    headers: JSON.stringify(info.contentHeaders),
    metadata: JSON.stringify(info.metadata),
    created_ms: info.createdAt.getTime(),
    modified_ms: info.lastModified.getTime(),
    access_tier: info.accessTier ?? null,
    sha256: info.sha256 ?? null,
  };
  await tables<Tables>(tx)
    .insertInto('blobs')
    .values({ container, name: info.name, ...values })
    .onConflict((conflict) => conflict.columns(['container', 'name']).doUpdateSet(values))
    .execute();
}

/** Remembers what the bytes of that version are; nothing where it is gone or was replaced. */
export async function rememberDigest(
  tx: Tx,
  container: string,
  name: string,
  { version, sha256 }: { readonly version: string; readonly sha256: string },
): Promise<void> {
  await tables<Tables>(tx)
    .updateTable('blobs')
    .set({ sha256 })
    .where('container', '=', container)
    .where('name', '=', name)
    .where('version', '=', version)
    .execute();
}

/** Deletes that version of the blob; false when it is gone or was replaced. */
export async function deleteBlob(tx: Tx, container: string, name: string, version: string): Promise<boolean> {
  const result = await tables<Tables>(tx)
    .deleteFrom('blobs')
    .where('container', '=', container)
    .where('name', '=', name)
    .where('version', '=', version)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** At most a thousand: SQLite takes 32,766 parameters. */
export async function insertParts(tx: Tx, version: string, parts: readonly Part[]): Promise<void> {
  if (parts.length === 0) return;
  const rows = parts.map((part) => ({
    version,
    start: part.start,
    size: part.size,
    file: part.file,
    sealed_size: part.sealedSize,
    key_id: part.keyId,
    block_id: part.blockId ?? null,
    sealed_container: part.sealedAs?.container ?? null,
    sealed_blob: part.sealedAs?.name ?? null,
  }));
  await tables<Tables>(tx).insertInto('parts').values(rows).execute();
}

const partColumns = [
  'start',
  'size',
  'file',
  'sealed_size',
  'key_id',
  'block_id',
  'sealed_container',
  'sealed_blob',
] as const;

const toPart = (row: Pick<PartTable, (typeof partColumns)[number]>): Part => ({
  start: row.start,
  size: row.size,
  file: row.file,
  sealedSize: row.sealed_size,
  keyId: row.key_id,
  blockId: row.block_id ?? undefined,
  ...(row.sealed_container === null || row.sealed_blob === null
    ? {}
    : { sealedAs: { container: row.sealed_container, name: row.sealed_blob } }),
});

/** Of each of these blocks, at most a thousand, the first part of a version that was one. */
export async function findParts(tx: Tx, version: string, blockIds: readonly string[]): Promise<readonly Part[]> {
  if (blockIds.length === 0) return [];
  const rows = await tables<Tables>(tx)
    .selectFrom('parts')
    .select(partColumns)
    .where('version', '=', version)
    .where((is) =>
      is(
        'start',
        'in',
        // One look at the index each: a version may hold one block 50,000 times.
        blockIds.map((id) =>
          is
            .selectFrom('parts as one')
            .select((of) => of.fn.min('one.start').as('start'))
            .where('one.version', '=', version)
            .where('one.block_id', '=', id),
        ),
      ),
    )
    .execute();
  return rows.map(toPart);
}

/** The first `limit` parts that hold plaintext from `start` to `end`, inclusive, in order. */
export async function listParts(
  tx: Tx,
  version: string,
  { start, end, limit }: { readonly start: number; readonly end: number; readonly limit: number },
): Promise<readonly Part[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('parts')
    .select(partColumns)
    .where('version', '=', version)
    .where('start', '<=', end)
    // Parts lie behind each other: the first of these is the last that begins before, found by the key and not by looking at all.
    .where((is) =>
      is(
        'start',
        '>=',
        is
          .selectFrom('parts as before')
          .select((of) => of.fn.max('before.start').as('start'))
          .where('before.version', '=', version)
          .where('before.start', '<=', start),
      ),
    )
    .where((is) => is(is('start', '+', is.ref('size')), '>', start))
    .orderBy('start')
    .limit(limit)
    .execute();
  return rows.map(toPart);
}
