// Rows of what vaults hold: an object is a name in a collection, a version is what it was at one time. SQL and nothing else;
// material comes and goes sealed.

import { type Tx, tables } from '#kernel/database/database';

/** One name in one collection of one vault (by its uniqueId). */
export type Collection = 'secrets' | 'keys';
export type ObjectAt = { readonly vault: string; readonly collection: Collection; readonly name: string };

/** One version of it. */
export type VersionAt = ObjectAt & { readonly number: number; readonly version: string };

export type StoredObject = {
  readonly name: string;
  readonly latest: number;
  readonly deletedAtMs: number | undefined;
  readonly purgeAtMs: number | undefined;
};

export type Attributes = {
  readonly enabled: boolean;
  /** Seconds since 1970. */
  readonly notBefore: number | undefined;
  readonly expires: number | undefined;
};

export type Tags = Readonly<Record<string, string>>;

export type StoredVersion = Attributes & {
  readonly name: string;
  readonly number: number;
  readonly version: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly tags: Tags;
  /** What is public of it, by collection: a content type; a public key. JSON. */
  readonly detail: unknown;
};

export type Deletion = { readonly deletedAtMs: number; readonly purgeAtMs: number };

type ObjectRow = {
  vault: string;
  collection: Collection;
  name_key: string;
  name: string;
  latest: number;
  deleted_at: number | null;
  purge_at: number | null;
};
type VersionRow = {
  vault: string;
  collection: Collection;
  name_key: string;
  number: number;
  version: string;
  enabled: number;
  not_before: number | null;
  expires: number | null;
  created_at: number;
  updated_at: number;
  tags: string;
  detail: string;
  sealed: Uint8Array;
};
type ObjectTables = { vault_objects: ObjectRow; vault_versions: VersionRow };

const nameKey = (name: string) => name.toLowerCase();

const shown = [
  'vault_versions.number',
  'vault_versions.version',
  'vault_versions.enabled',
  'vault_versions.not_before',
  'vault_versions.expires',
  'vault_versions.created_at',
  'vault_versions.updated_at',
  'vault_versions.tags',
  'vault_versions.detail',
] as const;
type ShownRow = Omit<VersionRow, 'vault' | 'collection' | 'name_key' | 'sealed'> & { name: string };

export async function findObject(tx: Tx, at: ObjectAt): Promise<StoredObject | undefined> {
  const row = await tables<ObjectTables>(tx)
    .selectFrom('vault_objects')
    .select(['name', 'latest', 'deleted_at', 'purge_at'])
    .where('vault', '=', at.vault)
    .where('collection', '=', at.collection)
    .where('name_key', '=', nameKey(at.name))
    .executeTakeFirst();
  return (
    row && {
      name: row.name,
      latest: row.latest,
      deletedAtMs: row.deleted_at ?? undefined,
      purgeAtMs: row.purge_at ?? undefined,
    }
  );
}

/** The given version, or without one the latest, of an object whether deleted or not. */
export async function findVersion(tx: Tx, at: ObjectAt, version?: string): Promise<StoredVersion | undefined> {
  let query = versionsOf(tx, at).select(shown).select('vault_objects.name');
  query =
    version === undefined
      ? query.whereRef('vault_versions.number', '=', 'vault_objects.latest')
      : query.where('vault_versions.version', '=', version);
  const row = await query.executeTakeFirst();
  return row && versionOf(row);
}

export async function findSealed(tx: Tx, at: VersionAt): Promise<Uint8Array | undefined> {
  const row = await versionsOf(tx, at)
    .select('vault_versions.sealed')
    .where('vault_versions.number', '=', at.number)
    .where('vault_versions.version', '=', at.version)
    .executeTakeFirst();
  return row?.sealed;
}

/** Latest versions in name order, after `after`: of live objects, or of deleted ones with their deletion. */
export async function listObjects(
  tx: Tx,
  query: {
    readonly vault: string;
    readonly collection: Collection;
    readonly deleted: boolean;
    readonly after: string;
    readonly limit: number;
  },
): Promise<readonly (StoredVersion & { readonly deletion: Deletion | undefined })[]> {
  const rows = await tables<ObjectTables>(tx)
    .selectFrom('vault_objects')
    .innerJoin('vault_versions', (join) =>
      join
        .onRef('vault_versions.vault', '=', 'vault_objects.vault')
        .onRef('vault_versions.collection', '=', 'vault_objects.collection')
        .onRef('vault_versions.name_key', '=', 'vault_objects.name_key')
        .onRef('vault_versions.number', '=', 'vault_objects.latest'),
    )
    .select(shown)
    .select(['vault_objects.name', 'vault_objects.deleted_at', 'vault_objects.purge_at'])
    .where('vault_objects.vault', '=', query.vault)
    .where('vault_objects.collection', '=', query.collection)
    .where('vault_objects.deleted_at', query.deleted ? 'is not' : 'is', null)
    .where('vault_objects.name_key', '>', nameKey(query.after))
    .orderBy('vault_objects.name_key')
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({
    ...versionOf(row),
    deletion:
      row.deleted_at === null || row.purge_at === null
        ? undefined
        : { deletedAtMs: row.deleted_at, purgeAtMs: row.purge_at },
  }));
}

/** Versions of one object, oldest first, after the number `after`. */
export async function listVersions(
  tx: Tx,
  at: ObjectAt,
  after: number,
  limit: number,
): Promise<readonly StoredVersion[]> {
  const rows = await versionsOf(tx, at)
    .select(shown)
    .select('vault_objects.name')
    .where('vault_versions.number', '>', after)
    .orderBy('vault_versions.number')
    .limit(limit)
    .execute();
  return rows.map(versionOf);
}

/** Objects of a vault and collection, deleted ones included. */
export async function countObjects(tx: Tx, vault: string, collection: Collection): Promise<number> {
  const row = await tables<ObjectTables>(tx)
    .selectFrom('vault_objects')
    .select((count) => count.fn.countAll<number>().as('count'))
    .where('vault', '=', vault)
    .where('collection', '=', collection)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Adds the object, or moves its newest version on. */
export async function putObject(tx: Tx, at: ObjectAt, latest: number): Promise<void> {
  await tables<ObjectTables>(tx)
    .insertInto('vault_objects')
    .values({ ...keyOf(at), name: at.name, latest, deleted_at: null, purge_at: null })
    .onConflict((clash) => clash.columns(['vault', 'collection', 'name_key']).doUpdateSet({ latest }))
    .execute();
}

export async function insertVersion(
  tx: Tx,
  at: ObjectAt,
  version: Omit<StoredVersion, 'name'> & { readonly sealed: Uint8Array },
): Promise<void> {
  await tables<ObjectTables>(tx)
    .insertInto('vault_versions')
    .values({
      ...keyOf(at),
      number: version.number,
      version: version.version,
      ...attributeColumns(version),
      created_at: version.createdAtMs,
      updated_at: version.updatedAtMs,
      tags: JSON.stringify(version.tags),
      detail: JSON.stringify(version.detail),
      sealed: version.sealed,
    })
    .execute();
}

export async function updateVersion(tx: Tx, at: ObjectAt, version: StoredVersion): Promise<void> {
  await tables<ObjectTables>(tx)
    .updateTable('vault_versions')
    .set({
      ...attributeColumns(version),
      updated_at: version.updatedAtMs,
      tags: JSON.stringify(version.tags),
      detail: JSON.stringify(version.detail),
    })
    .where('vault', '=', at.vault)
    .where('collection', '=', at.collection)
    .where('name_key', '=', nameKey(at.name))
    .where('number', '=', version.number)
    .execute();
}

/** Deletes softly, or with `undefined` recovers. */
export async function setDeletion(tx: Tx, at: ObjectAt, deletion: Deletion | undefined): Promise<void> {
  await tables<ObjectTables>(tx)
    .updateTable('vault_objects')
    .set({ deleted_at: deletion?.deletedAtMs ?? null, purge_at: deletion?.purgeAtMs ?? null })
    .where('vault', '=', at.vault)
    .where('collection', '=', at.collection)
    .where('name_key', '=', nameKey(at.name))
    .execute();
}

async function versionsAt(tx: Tx, at: ObjectAt): Promise<readonly VersionAt[]> {
  const rows = await versionsOf(tx, at)
    .select(['vault_objects.name', 'vault_versions.number', 'vault_versions.version'])
    .execute();
  return rows.map(({ name, number, version }) => ({ ...at, name, number, version }));
}

/** Takes versions away, whether or not their objects stay. */
export async function removeVersions(tx: Tx, versions: readonly VersionAt[]): Promise<void> {
  for (const at of versions)
    await tables<ObjectTables>(tx)
      .deleteFrom('vault_versions')
      .where('vault', '=', at.vault)
      .where('collection', '=', at.collection)
      .where('name_key', '=', nameKey(at.name))
      .where('version', '=', at.version)
      .execute();
}

export async function removeVersionsOf(tx: Tx, vault: string, collection: Collection): Promise<void> {
  await tables<ObjectTables>(tx)
    .deleteFrom('vault_versions')
    .where('vault', '=', vault)
    .where('collection', '=', collection)
    .execute();
}

export type DueObject = { readonly at: ObjectAt; readonly deletedAtMs: number };

/** Deleted objects whose retention has ended, in the order of their place, behind `after`. */
export async function dueObjects(
  tx: Tx,
  nowMs: number,
  after: ObjectAt | undefined,
  limit: number,
): Promise<readonly DueObject[]> {
  let due = tables<ObjectTables>(tx)
    .selectFrom('vault_objects')
    .select(['vault', 'collection', 'name', 'deleted_at'])
    .where('purge_at', '<=', nowMs);
  if (after !== undefined)
    due = due.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('vault', 'collection', 'name_key'), '>', tuple(after.vault, after.collection, nameKey(after.name))),
    );
  const rows = await due.orderBy('vault').orderBy('collection').orderBy('name_key').limit(limit).execute();
  return rows.map(({ vault, collection, name, deleted_at }) => ({
    at: { vault, collection, name },
    deletedAtMs: deleted_at ?? 0,
  }));
}

/**
 * From here on nobody recovers it, and whoever looks for what is due finds it, after a crash too. Only when its retention ends by
 * then. Answers its versions.
 */
export async function endRetention(tx: Tx, at: ObjectAt, byMs: number): Promise<readonly VersionAt[]> {
  const { numUpdatedRows } = await tables<ObjectTables>(tx)
    .updateTable('vault_objects')
    .set({ purge_at: 0 })
    .where('vault', '=', at.vault)
    .where('collection', '=', at.collection)
    .where('name_key', '=', nameKey(at.name))
    .where('purge_at', '<=', byMs)
    .executeTakeFirst();
  return numUpdatedRows > 0n ? versionsAt(tx, at) : [];
}

/** Takes away an object whose retention was ended, and what is left of its versions. */
export async function purgeEnded(tx: Tx, at: ObjectAt): Promise<void> {
  await tables<ObjectTables>(tx)
    .deleteFrom('vault_objects')
    .where('vault', '=', at.vault)
    .where('collection', '=', at.collection)
    .where('name_key', '=', nameKey(at.name))
    .where('purge_at', '=', 0)
    .execute();
}

export async function isVaultEmpty(tx: Tx, vault: string): Promise<boolean> {
  const found = await tables<ObjectTables>(tx)
    .selectFrom('vault_objects')
    .select('vault')
    .where('vault', '=', vault)
    .limit(1)
    .executeTakeFirst();
  return found === undefined;
}

export async function purgeVault(tx: Tx, vault: string): Promise<void> {
  await tables<ObjectTables>(tx).deleteFrom('vault_objects').where('vault', '=', vault).execute();
}

const keyOf = (at: ObjectAt) => ({ vault: at.vault, collection: at.collection, name_key: nameKey(at.name) });

function versionsOf(tx: Tx, at: ObjectAt) {
  return tables<ObjectTables>(tx)
    .selectFrom('vault_objects')
    .innerJoin('vault_versions', (join) =>
      join
        .onRef('vault_versions.vault', '=', 'vault_objects.vault')
        .onRef('vault_versions.collection', '=', 'vault_objects.collection')
        .onRef('vault_versions.name_key', '=', 'vault_objects.name_key'),
    )
    .where('vault_objects.vault', '=', at.vault)
    .where('vault_objects.collection', '=', at.collection)
    .where('vault_objects.name_key', '=', nameKey(at.name));
}

function attributeColumns(attributes: Attributes) {
  return {
    enabled: attributes.enabled ? 1 : 0,
    not_before: attributes.notBefore ?? null,
    expires: attributes.expires ?? null,
  };
}

function versionOf(row: ShownRow): StoredVersion {
  return {
    name: row.name,
    number: row.number,
    version: row.version,
    enabled: row.enabled === 1,
    notBefore: row.not_before ?? undefined,
    expires: row.expires ?? undefined,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    // Written by insertVersion and updateVersion alone.
    tags: JSON.parse(row.tags) as Tags,
    detail: JSON.parse(row.detail),
  };
}
