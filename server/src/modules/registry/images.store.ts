// What the index of one registry remembers: SQL and nothing else. Names compare byte by byte and are bound as parameters; a
// listing walks a key, so that a page costs what it holds and not what the registry holds.

import { type Tx, tables } from '#kernel/database/database';
import type { Part } from '#storage';

export type Tables = {
  blobs: { digest: string; size: number };
  parts: { digest: string; start: number; size: number; file: string; sealed_size: number; key_id: string };
  links: { repository: string; digest: string; asked_ms: number };
  repositories: { name: string };
  manifests: {
    repository: string;
    digest: string;
    media_type: string;
    size: number;
    subject: string | null;
    artifact_type: string | null;
    pushed_ms: number;
    content_size: number;
    bytes: Uint8Array;
  };
  mentions: { repository: string; manifest: string; target: string };
  tags: { repository: string; name: string; digest: string; created_ms: number; moved_ms: number };
};

export type Manifest = {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
};
export type NewManifest = Manifest & {
  readonly subject: string | undefined;
  readonly artifactType: string | undefined;
  /** Bytes of the layers and the config that it names. */
  readonly contentSize: number;
  /** Digests that must stay while the manifest does. */
  readonly mentions: readonly string[];
};
export type Referrer = Omit<Manifest, 'bytes'> & {
  readonly size: number;
  readonly artifactType: string | undefined;
};

/** Rows of one statement: SQLite takes 32,766 parameters. */
const rowsAtOnce = 500;

function* batches<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += rowsAtOnce) yield all.slice(at, at + rowsAtOnce);
}

/** Size in bytes of a blob that the repository reaches. */
export async function findBlob(tx: Tx, repository: string, digest: string): Promise<number | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('links')
    .innerJoin('blobs', 'blobs.digest', 'links.digest')
    .select('blobs.size')
    .where('links.repository', '=', repository)
    .where('links.digest', '=', digest)
    .executeTakeFirst();
  return row?.size;
}

/** Whether the registry holds the blob, in whatever repository. */
export async function holdsBlob(tx: Tx, digest: string): Promise<boolean> {
  const row = await tables<Tables>(tx)
    .selectFrom('blobs')
    .select('size')
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row !== undefined;
}

/** The files of a blob that hold bytes from `start` to `end` inclusive, in order. */
export async function listParts(tx: Tx, digest: string, start: number, end: number): Promise<readonly Part[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('parts')
    .select(['start', 'size', 'file', 'sealed_size', 'key_id'])
    .where('digest', '=', digest)
    .where('start', '<=', end)
    .orderBy('start')
    .execute();
  return rows
    .filter((row) => row.start + row.size > start)
    .map((row) => ({
      start: row.start,
      size: row.size,
      file: row.file,
      sealedSize: row.sealed_size,
      keyId: row.key_id,
      blockId: undefined,
    }));
}

export async function insertBlob(tx: Tx, digest: string, size: number, parts: readonly Part[]): Promise<void> {
  await tables<Tables>(tx).insertInto('blobs').values({ digest, size }).execute();
  const rows = parts.map((part) => ({
    digest,
    start: part.start,
    size: part.size,
    file: part.file,
    sealed_size: part.sealedSize,
    key_id: part.keyId,
  }));
  for (const batch of batches(rows)) await tables<Tables>(tx).insertInto('parts').values(batch).execute();
}

export async function link(tx: Tx, repository: string, digest: string, nowMs: number): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('links')
    .values({ repository, digest, asked_ms: nowMs })
    .onConflict((conflict) => conflict.columns(['repository', 'digest']).doUpdateSet({ asked_ms: nowMs }))
    .execute();
}

/** When the link was last made or asked for. */
export async function askedMs(tx: Tx, repository: string, digest: string): Promise<number | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('links')
    .select('asked_ms')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row?.asked_ms;
}

export type Link = { readonly repository: string; readonly digest: string };

/** Links behind `after`, in order, and whether each may go: no manifest mentions it and nobody asked for it since. */
export async function listLinks(
  tx: Tx,
  page: { readonly after: Link; readonly limit: number; readonly askedBeforeMs: number },
): Promise<readonly (Link & { readonly isLoose: boolean })[]> {
  const { after, limit, askedBeforeMs } = page;
  const rows = await tables<Tables>(tx)
    .selectFrom('links')
    .select((is) => [
      'repository',
      'digest',
      is
        .and([
          is('asked_ms', '<', askedBeforeMs),
          is.not(
            is.exists(
              is
                .selectFrom('mentions')
                .select('mentions.target')
                .whereRef('mentions.repository', '=', 'links.repository')
                .whereRef('mentions.target', '=', 'links.digest'),
            ),
          ),
        ])
        .$castTo<number>()
        .as('loose'),
    ])
    .where((is) =>
      is.or([
        is('repository', '>', after.repository),
        is.and([is('repository', '=', after.repository), is('digest', '>', after.digest)]),
      ]),
    )
    .orderBy('repository')
    .orderBy('digest')
    .limit(limit)
    .execute();
  return rows.map(({ repository, digest, loose }) => ({ repository, digest, isLoose: loose === 1 }));
}

/** Takes the link away, and the blob with the last one. Answers the files that are left over. */
export async function unlink(tx: Tx, repository: string, digest: string): Promise<readonly string[]> {
  const db = tables<Tables>(tx);
  await db.deleteFrom('links').where('repository', '=', repository).where('digest', '=', digest).execute();
  const other = await db.selectFrom('links').select('digest').where('digest', '=', digest).limit(1).executeTakeFirst();
  if (other !== undefined) return [];
  await db.deleteFrom('blobs').where('digest', '=', digest).execute();
  const dropped = await db.deleteFrom('parts').where('digest', '=', digest).returning('file').execute();
  return dropped.map((row) => row.file);
}

/** Which of these files belong to a blob. */
export async function referenced(tx: Tx, files: readonly string[]): Promise<ReadonlySet<string>> {
  const known = new Set<string>();
  for (const batch of batches(files)) {
    const rows = await tables<Tables>(tx).selectFrom('parts').select('file').where('file', 'in', batch).execute();
    for (const row of rows) known.add(row.file);
  }
  return known;
}

/** A manifest of the repository that needs this digest. */
export async function mentionOf(tx: Tx, repository: string, target: string): Promise<string | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('mentions')
    .select('manifest')
    .where('repository', '=', repository)
    .where('target', '=', target)
    .limit(1)
    .executeTakeFirst();
  return row?.manifest;
}

export async function findManifest(tx: Tx, repository: string, digest: string): Promise<Manifest | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('manifests')
    .select(['media_type', 'bytes'])
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row && { digest, mediaType: row.media_type, bytes: row.bytes };
}

/** What is known of a manifest without its bytes. */
export async function findManifestSize(
  tx: Tx,
  repository: string,
  digest: string,
): Promise<{ readonly size: number; readonly mediaType: string } | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('manifests')
    .select(['size', 'media_type'])
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row && { size: row.size, mediaType: row.media_type };
}

export async function insertManifest(
  tx: Tx,
  repository: string,
  manifest: NewManifest,
  pushedMs: number,
): Promise<void> {
  const db = tables<Tables>(tx);
  const { digest, mediaType, bytes, subject, artifactType } = manifest;
  await db
    .insertInto('repositories')
    .values({ name: repository })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await db
    .insertInto('manifests')
    .values({
      repository,
      digest,
      media_type: mediaType,
      size: bytes.length,
      content_size: manifest.contentSize,
      subject: subject ?? null,
      artifact_type: artifactType ?? null,
      pushed_ms: pushedMs,
      bytes,
    })
    .execute();
  const rows = [...new Set(manifest.mentions)].map((target) => ({ repository, manifest: digest, target }));
  for (const batch of batches(rows)) await db.insertInto('mentions').values(batch).execute();
}

/** With its tags, whose names it answers; and the repository with its last manifest. */
export async function deleteManifest(tx: Tx, repository: string, digest: string): Promise<readonly string[]> {
  const db = tables<Tables>(tx);
  const tags = await db
    .deleteFrom('tags')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .returning('name')
    .execute();
  await db.deleteFrom('mentions').where('repository', '=', repository).where('manifest', '=', digest).execute();
  await db.deleteFrom('manifests').where('repository', '=', repository).where('digest', '=', digest).execute();
  const other = await db
    .selectFrom('manifests')
    .select('digest')
    .where('repository', '=', repository)
    .limit(1)
    .executeTakeFirst();
  if (other === undefined) await db.deleteFrom('repositories').where('name', '=', repository).execute();
  return tags.map(({ name }) => name);
}

/** Every manifest of a repository. */
export async function listManifests(tx: Tx, repository: string): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('manifests')
    .select('digest')
    .where('repository', '=', repository)
    .execute();
  return rows.map(({ digest }) => digest);
}

export async function findTag(tx: Tx, repository: string, name: string): Promise<string | undefined> {
  const row = await tables<Tables>(tx)
    .selectFrom('tags')
    .select('digest')
    .where('repository', '=', repository)
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.digest;
}

export async function putTag(
  tx: Tx,
  tag: { readonly repository: string; readonly name: string; readonly digest: string },
  nowMs: number,
): Promise<void> {
  const { digest } = tag;
  await tables<Tables>(tx)
    .insertInto('tags')
    .values({ ...tag, created_ms: nowMs, moved_ms: nowMs })
    .onConflict((conflict) => conflict.columns(['repository', 'name']).doUpdateSet({ digest, moved_ms: nowMs }))
    .execute();
}

export async function deleteTag(tx: Tx, repository: string, name: string): Promise<boolean> {
  const { numDeletedRows } = await tables<Tables>(tx)
    .deleteFrom('tags')
    .where('repository', '=', repository)
    .where('name', '=', name)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Names behind `after`, in the order of their bytes. */
export async function listTags(
  tx: Tx,
  repository: string,
  page: { readonly after: string; readonly limit: number },
): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('tags')
    .select('name')
    .where('repository', '=', repository)
    .where('name', '>', page.after)
    .orderBy('name')
    .limit(page.limit)
    .execute();
  return rows.map((row) => row.name);
}

/** Whether anything was pushed to the repository and is still there. */
export async function holdsRepository(tx: Tx, name: string): Promise<boolean> {
  const row = await tables<Tables>(tx)
    .selectFrom('repositories')
    .select('name')
    .where('name', '=', name)
    .executeTakeFirst();
  return row !== undefined;
}

export async function listRepositories(
  tx: Tx,
  page: { readonly after: string; readonly limit: number },
): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('repositories')
    .select('name')
    .where('name', '>', page.after)
    .orderBy('name')
    .limit(page.limit)
    .execute();
  return rows.map((row) => row.name);
}

/** Manifests that name the subject, behind the digest `after`; without their bytes, which may be many. */
export async function listReferrers(
  tx: Tx,
  repository: string,
  query: {
    readonly subject: string;
    readonly artifactType: string | undefined;
    readonly after: string;
    readonly limit: number;
  },
): Promise<readonly Referrer[]> {
  const { subject, artifactType, after, limit } = query;
  let selected = tables<Tables>(tx)
    .selectFrom('manifests')
    .select(['digest', 'media_type', 'artifact_type', 'size'])
    .where('repository', '=', repository)
    .where('subject', '=', subject)
    .where('digest', '>', after);
  if (artifactType !== undefined) selected = selected.where('artifact_type', '=', artifactType);
  const rows = await selected.orderBy('digest').limit(limit).execute();
  return rows.map((row) => ({
    digest: row.digest,
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    size: row.size,
  }));
}
