// What lies in the index of one account below an id that no blob has: parts of a version that was replaced or is being put
// together, blocks of a staging that is over. SQL and nothing else. A large blob has 50,000 of them, so that they go in pieces;
// the table `loose` knows of what is left, whatever happens between.

import { type Tx, tables } from '#kernel/database/database';

type Tables = {
  parts: { version: string; start: number; file: string };
  blocks: { staging: string; block_id: string; file: string };
  loose: { id: string };
};

/** Rows that one write adds or takes away: a few milliseconds. */
export const rowsAtOnce = 100;

/** Of what a write took away: files that nothing names any more, and ids of which rows are left. */
export type Dropped = { readonly files: readonly string[]; readonly left: readonly string[] };

/** What lies below these ids has no name. */
export async function markLoose(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tables<Tables>(tx)
    .insertInto('loose')
    .values(ids.map((id) => ({ id })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** What lies below these ids has a name, or there is nothing. */
export async function unmarkLoose(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await tables<Tables>(tx).deleteFrom('loose').where('id', 'in', ids).execute();
}

/** Those of these ids that are loose: one may have got its name in a write whose end nobody heard of. */
export async function stillLoose(tx: Tx, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx).selectFrom('loose').select('id').where('id', 'in', ids).execute();
  return rows.map(({ id }) => id);
}

export async function listLoose(tx: Tx, after: string, limit: number): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('loose')
    .select('id')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** Takes away what lies below these versions and stagings, `rowsAtOnce` rows at most; an id of which rows may be left is loose. */
export async function drop(tx: Tx, ids: readonly string[]): Promise<Dropped> {
  const files: string[] = [];
  const left: string[] = [];
  for (const id of ids) {
    const room = () => rowsAtOnce - files.length;
    const parts = room() === 0 ? undefined : await dropParts(tx, id, room());
    files.push(...(parts?.files ?? []));
    const blocks = room() === 0 ? undefined : await dropBlocks(tx, id, room());
    files.push(...(blocks?.files ?? []));
    if (!(parts?.isAll && blocks?.isAll)) left.push(id);
  }
  await markLoose(tx, left);
  return { files: await unnamed(tx, files), left };
}

type Taken = { readonly files: readonly string[]; readonly isAll: boolean };
type Row<K> = { readonly key: K; readonly file: string };

/** Takes the first `limit` rows of one id, in the order of their keys. */
async function takeFirst<K>(
  limit: number,
  list: (atMost: number) => Promise<readonly Row<K>[]>,
  removeUpTo: (key: K) => Promise<unknown>,
): Promise<Taken> {
  const rows = await list(limit + 1);
  const taken = rows.slice(0, limit);
  const last = taken.at(-1);
  if (last !== undefined) await removeUpTo(last.key);
  return { files: taken.map(({ file }) => file), isAll: rows.length <= limit };
}

function dropParts(tx: Tx, version: string, limit: number): Promise<Taken> {
  const db = tables<Tables>(tx);
  const parts = db.selectFrom('parts').select(['start as key', 'file']).where('version', '=', version).orderBy('start');
  return takeFirst(
    limit,
    (atMost) => parts.limit(atMost).execute(),
    (key) => db.deleteFrom('parts').where('version', '=', version).where('start', '<=', key).execute(),
  );
}

function dropBlocks(tx: Tx, staging: string, limit: number): Promise<Taken> {
  const db = tables<Tables>(tx);
  const blocks = db.selectFrom('blocks').select(['block_id as key', 'file']).where('staging', '=', staging);
  return takeFirst(
    limit,
    (atMost) => blocks.orderBy('block_id').limit(atMost).execute(),
    (key) => db.deleteFrom('blocks').where('staging', '=', staging).where('block_id', '<=', key).execute(),
  );
}

/** Which of these files no row names, each once. */
export async function unnamed(tx: Tx, files: readonly string[]): Promise<readonly string[]> {
  if (files.length === 0) return [];
  const named = await referenced(tx, files);
  return [...new Set(files)].filter((file) => !named.has(file));
}

/** Which of these files any row names. At most a thousand at a time. */
export async function referenced(tx: Tx, files: readonly string[]): Promise<ReadonlySet<string>> {
  const parts = await tables<Tables>(tx).selectFrom('parts').select('file').where('file', 'in', files).execute();
  const blocks = await tables<Tables>(tx).selectFrom('blocks').select('file').where('file', 'in', files).execute();
  return new Set([...parts, ...blocks].map((row) => row.file));
}
