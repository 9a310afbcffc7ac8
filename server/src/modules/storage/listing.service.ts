// Pages of the names of a container, as clients walk through them.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Tx } from '#kernel/database/database';
import { type BlobInfo, listBlobs } from './blobs.store.ts';
import { listUncommitted } from './blocks.store.ts';
import { behind } from './names.rules.ts';
import { storageFailures } from './storage.errors.ts';

/** A blob that is nothing but blocks yet has no etag and no bytes. */
export type ListedBlob = BlobInfo & { readonly isUncommitted?: true };
export type BlobPage = {
  readonly blobs: readonly ListedBlob[];
  readonly prefixes: readonly string[];
  readonly nextMarker?: string;
};

/** Rows that are read at once. */
const pageSize = 200;

/**
 * One page of names. A group of names below a delimiter is told once and then stepped over, so that a folder of a million
 * blobs costs one page of rows.
 */
export async function listPage(
  tx: Tx,
  query: { container: string; prefix: string; delimiter: string; after: string; limit: number; uncommitted: boolean },
): Promise<BlobPage> {
  const { container, prefix, delimiter, limit, uncommitted } = query;
  const blobs: ListedBlob[] = [];
  const prefixes: string[] = [];
  let after = query.after;
  let group: string | undefined;
  for (;;) {
    const rows = await readRows(tx, { container, prefix, after, limit: Math.min(pageSize, limit + 1) }, uncommitted);
    for (const info of rows) {
      if (group !== undefined && info.name.startsWith(group)) continue;
      if (blobs.length + prefixes.length === limit) return { blobs, prefixes, nextMarker: writeMarker(after) };
      const cut = delimiter === '' ? -1 : info.name.indexOf(delimiter, prefix.length);
      if (cut < 0) {
        blobs.push(info);
        after = info.name;
      } else {
        group = info.name.slice(0, cut + delimiter.length);
        prefixes.push(group);
        after = behind(group);
      }
    }
    if (rows.length < Math.min(pageSize, limit + 1)) return { blobs, prefixes };
    await yieldToEventLoop();
  }
}

async function readRows(
  tx: Tx,
  query: Parameters<typeof listBlobs>[1],
  uncommitted: boolean,
): Promise<readonly ListedBlob[]> {
  const committed = (await listBlobs(tx, query)).map(({ info }) => info);
  if (!uncommitted) return committed;
  const waiting = (await listUncommitted(tx, query)).map(({ name, stagedMs }): ListedBlob => {
    const at = new Date(stagedMs);
    const nothing = { size: 0, etag: '', contentMd5: undefined, contentType: '', contentHeaders: {}, metadata: {} };
    const unknown = { accessTier: undefined, sha256: undefined };
    return { name, ...nothing, ...unknown, createdAt: at, lastModified: at, isUncommitted: true };
  });
  // In the order of the index, which is of bytes.
  const order = (one: ListedBlob, other: ListedBlob) => Buffer.compare(Buffer.from(one.name), Buffer.from(other.name));
  return [...committed, ...waiting].sort(order).slice(0, query.limit);
}

/** Where the next page goes on. No secret: whoever may not see a name is given no marker that is made of it. */
export const writeMarker = (after: string) => Buffer.from(after, 'utf8').toString('base64url');

export function readMarker(marker: string): string {
  const after = Buffer.from(marker, 'base64url').toString('utf8');
  if (marker.length > 8192 || writeMarker(after) !== marker)
    throw storageFailures.InvalidQueryParameterValue({ target: 'marker' });
  return after;
}
