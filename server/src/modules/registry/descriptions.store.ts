// What is told of repositories, tags and manifests beyond what pulls need: SQL and nothing else. Every list walks a key, in the
// order of names or of time, so that a page costs what it holds.

import { sql } from 'kysely';
import { type Tx, tables } from '#kernel/database/database';
import type { Tables } from './images.store.ts';

/** Behind `after`; by time, behind this moment and the name at it. */
export type Walk = {
  readonly by: 'name' | 'oldest' | 'newest';
  readonly after: string;
  readonly afterMs: number;
  readonly limit: number;
};
export type TagRow = {
  readonly name: string;
  readonly digest: string;
  readonly createdMs: number;
  readonly movedMs: number;
};
export type ManifestRow = {
  readonly digest: string;
  readonly mediaType: string;
  readonly contentSize: number;
  readonly pushedMs: number;
};
export async function listTagRows(
  tx: Tx,
  repository: string,
  { by, after, afterMs, limit }: Walk,
  digest?: string,
): Promise<readonly TagRow[]> {
  let rows = tables<Tables>(tx)
    .selectFrom('tags')
    .select(['name', 'digest', 'created_ms as createdMs', 'moved_ms as movedMs'])
    .where('repository', '=', repository)
    .limit(limit);
  if (digest !== undefined) rows = rows.where('digest', '=', digest);
  if (by === 'name') return await rows.where('name', '>', after).orderBy('name').execute();
  const [behind, order] = by === 'oldest' ? (['>', 'asc'] as const) : (['<', 'desc'] as const);
  if (after !== '') rows = rows.where(sql<boolean>`(moved_ms, name) ${sql.raw(behind)} (${afterMs}, ${after})`);
  return await rows.orderBy('moved_ms', order).orderBy('name', order).execute();
}

export async function findTagRow(tx: Tx, repository: string, name: string): Promise<TagRow | undefined> {
  return await tables<Tables>(tx)
    .selectFrom('tags')
    .select(['name', 'digest', 'created_ms as createdMs', 'moved_ms as movedMs'])
    .where('repository', '=', repository)
    .where('name', '=', name)
    .executeTakeFirst();
}

const manifestColumns = [
  'digest',
  'media_type as mediaType',
  'content_size as contentSize',
  'pushed_ms as pushedMs',
] as const;

export async function listManifestRows(
  tx: Tx,
  repository: string,
  { by, after, afterMs, limit }: Walk,
): Promise<readonly ManifestRow[]> {
  let rows = tables<Tables>(tx)
    .selectFrom('manifests')
    .select(manifestColumns)
    .where('repository', '=', repository)
    .limit(limit);
  if (by === 'name') return await rows.where('digest', '>', after).orderBy('digest').execute();
  const [behind, order] = by === 'oldest' ? (['>', 'asc'] as const) : (['<', 'desc'] as const);
  if (after !== '') rows = rows.where(sql<boolean>`(pushed_ms, digest) ${sql.raw(behind)} (${afterMs}, ${after})`);
  return await rows.orderBy('pushed_ms', order).orderBy('digest', order).execute();
}

export async function findManifestRow(tx: Tx, repository: string, digest: string): Promise<ManifestRow | undefined> {
  return await tables<Tables>(tx)
    .selectFrom('manifests')
    .select(manifestColumns)
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirst();
}

/** Names of the tags that point to a manifest, in order. */
export async function listTagsOf(
  tx: Tx,
  repository: string,
  digest: string,
  limit: number,
): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('tags')
    .select('name')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(({ name }) => name);
}

/** Two counts over a whole repository: run off the thread that answers. */
export const countManifests = (tx: Tx, repository: string) =>
  tables<Tables>(tx)
    .selectFrom('manifests')
    .select(({ fn }) => [
      fn.countAll<number>().as('count'),
      fn.min<number>('pushed_ms').as('firstMs'),
      fn.max<number>('pushed_ms').as('lastMs'),
    ])
    .where('repository', '=', repository);

export const countTags = (tx: Tx, repository: string) =>
  tables<Tables>(tx)
    .selectFrom('tags')
    .select(({ fn }) => [fn.countAll<number>().as('count'), fn.max<number | null>('moved_ms').as('lastMs')])
    .where('repository', '=', repository);
