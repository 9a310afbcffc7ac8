// What the index of one account remembers: SQL and nothing else. Names compare byte by byte and are bound as parameters;
// a listing walks the primary key, so that a page costs what it holds and not what the container holds.

import { type Tx, tables } from '#kernel/database/database';
import type { Metadata } from './names.ts';

type ContainerTable = { name: string; etag: string; metadata: string; modified_ms: number; deleting: number };
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
};
type PartTable = {
  version: string;
  start: number;
  size: number;
  file: string;
  sealed_size: number;
  key_id: string;
  block_id: string | null;
};
type BlockTable = {
  container: string;
  blob: string;
  block_id: string;
  size: number;
  file: string;
  sealed_size: number;
  key_id: string;
  staged_ms: number;
};
type Tables = { containers: ContainerTable; blobs: BlobTable; parts: PartTable; blocks: BlockTable };

export type Container = {
  readonly name: string;
  readonly etag: string;
  readonly metadata: Metadata;
  readonly lastModified: Date;
  readonly isDeleting: boolean;
};

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
  /** Base64; absent for blobs from blocks, and for large ones whose writer sent none. */
  readonly contentMd5: string | undefined;
  readonly contentType: string;
  readonly contentHeaders: ContentHeaders;
  readonly createdAt: Date;
  readonly lastModified: Date;
  readonly metadata: Metadata;
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
};
export type Block = Omit<Part, 'start' | 'blockId'> & { readonly blockId: string };

/** Rows of one insert: SQLite takes 32,766 parameters. */
const rowsAtOnce = 500;

/** Sorts behind every name that continues `prefix`: names hold no U+10FFFF. */
const behind = (prefix: string) => `${prefix}\u{10ffff}`;

// What the columns hold was written by this file; a cast stands for the schema of our own JSON.
const readMetadata = (text: string) => JSON.parse(text) as Metadata;

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
    metadata: readMetadata(row.metadata),
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
      contentHeaders: JSON.parse(row.headers) as ContentHeaders,
      createdAt: new Date(row.created_ms),
      lastModified: new Date(row.modified_ms),
      metadata: readMetadata(row.metadata),
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

/** Where a listing goes on behind everything that continues `prefix`. */
export const afterPrefix = behind;

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
  };
  await tables<Tables>(tx)
    .insertInto('blobs')
    .values({ container, name: info.name, ...values })
    .onConflict((conflict) => conflict.columns(['container', 'name']).doUpdateSet(values))
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

export async function insertParts(tx: Tx, version: string, parts: readonly Part[]): Promise<void> {
  for (let at = 0; at < parts.length; at += rowsAtOnce) {
    const rows = parts.slice(at, at + rowsAtOnce).map((part) => ({
      version,
      start: part.start,
      size: part.size,
      file: part.file,
      sealed_size: part.sealedSize,
      key_id: part.keyId,
      block_id: part.blockId ?? null,
    }));
    await tables<Tables>(tx).insertInto('parts').values(rows).execute();
  }
}

/** The parts that hold plaintext from `start` to `end`, inclusive, in order. */
export async function listParts(tx: Tx, version: string, start: number, end: number): Promise<readonly Part[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('parts')
    .select(['start', 'size', 'file', 'sealed_size', 'key_id', 'block_id'])
    .where('version', '=', version)
    .where('start', '<=', end)
    .where((is) => is(is('start', '+', is.ref('size')), '>', start))
    .orderBy('start')
    .execute();
  return rows.map((row) => ({
    start: row.start,
    size: row.size,
    file: row.file,
    sealedSize: row.sealed_size,
    keyId: row.key_id,
    blockId: row.block_id ?? undefined,
  }));
}

export async function deleteParts(tx: Tx, version: string): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx).deleteFrom('parts').where('version', '=', version).returning('file').execute();
  return rows.map((row) => row.file);
}

const blockColumns = ['block_id', 'size', 'file', 'sealed_size', 'key_id'] as const;

export async function listBlocks(tx: Tx, container: string, blob: string): Promise<readonly Block[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select(blockColumns)
    .where('container', '=', container)
    .where('blob', '=', blob)
    .orderBy('block_id')
    .execute();
  return rows.map((row) => ({
    blockId: row.block_id,
    size: row.size,
    file: row.file,
    sealedSize: row.sealed_size,
    keyId: row.key_id,
  }));
}

/** How many blocks wait, and the length of their ids. */
export async function describeBlocks(
  tx: Tx,
  container: string,
  blob: string,
): Promise<{ readonly count: number; readonly idLength: number | undefined }> {
  const row = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select((is) => [is.fn.countAll<number>().as('count'), is.fn.min('block_id').as('sample')])
    .where('container', '=', container)
    .where('blob', '=', blob)
    .executeTakeFirstOrThrow();
  return { count: row.count, idLength: row.sample?.length };
}

/** Answers the file of a block of the same id that it replaced. */
export async function putBlock(
  tx: Tx,
  container: string,
  blob: string,
  block: Block,
  stagedMs: number,
): Promise<readonly string[]> {
  const replaced = await tables<Tables>(tx)
    .deleteFrom('blocks')
    .where('container', '=', container)
    .where('blob', '=', blob)
    .where('block_id', '=', block.blockId)
    .returning('file')
    .execute();
  await tables<Tables>(tx)
    .insertInto('blocks')
    .values({
      container,
      blob,
      block_id: block.blockId,
      size: block.size,
      file: block.file,
      sealed_size: block.sealedSize,
      key_id: block.keyId,
      staged_ms: stagedMs,
    })
    .execute();
  return replaced.map((row) => row.file);
}

export async function deleteBlocks(tx: Tx, container: string, blob: string): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .deleteFrom('blocks')
    .where('container', '=', container)
    .where('blob', '=', blob)
    .returning('file')
    .execute();
  return rows.map((row) => row.file);
}

/** Takes away up to `limit` blocks, of one container or staged before a time, and answers their files. */
export async function deleteSomeBlocks(
  tx: Tx,
  of: { readonly container: string } | { readonly stagedBeforeMs: number },
  limit: number,
): Promise<readonly string[]> {
  const chosen = await tables<Tables>(tx)
    .selectFrom('blocks')
    .select('file')
    .$if('container' in of, (query) => query.where('container', '=', 'container' in of ? of.container : ''))
    .$if('stagedBeforeMs' in of, (query) =>
      query.where('staged_ms', '<', 'stagedBeforeMs' in of ? of.stagedBeforeMs : 0),
    )
    .limit(limit)
    .execute();
  const files = chosen.map((row) => row.file);
  if (files.length > 0) await tables<Tables>(tx).deleteFrom('blocks').where('file', 'in', files).execute();
  return files;
}

/** Which of these files anything refers to. At most a thousand at a time. */
export async function referenced(tx: Tx, files: readonly string[]): Promise<ReadonlySet<string>> {
  const parts = await tables<Tables>(tx).selectFrom('parts').select('file').where('file', 'in', files).execute();
  const blocks = await tables<Tables>(tx).selectFrom('blocks').select('file').where('file', 'in', files).execute();
  return new Set([...parts, ...blocks].map((row) => row.file));
}
