// Manifests and tags. A manifest is immutable: its name is its digest. What it needs must be in its repository when it is
// pushed and stays for as long as it does, so that whatever can be named can be pulled. Tags move.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import type { Tx } from '#kernel/database/database';
import type { Content } from './content.service.ts';
import * as store from './images.store.ts';
import { type Descriptor, type ReadManifest, readManifest } from './manifest.rules.ts';
import { isDigest, isTag, requireDigest } from './names.rules.ts';
import { registryFailures } from './registry.errors.ts';
import type { RepositoryRef } from './scopes.rules.ts';

export type Page = { readonly after: string; readonly limit: number };
export type Listed<T> = { readonly items: readonly T[]; readonly next: string | undefined };

/** A manifest as others list it: OCI distribution 1.1, "Listing Referrers". */
export type ReferrerDescriptor = Descriptor & {
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
};

export type Manifests = {
  /** @param reference a tag, or the digest that the bytes must have */
  put(
    grant: Grant,
    ref: RepositoryRef,
    reference: string,
    mediaType: string,
    bytes: Uint8Array,
  ): Promise<{ readonly digest: string; readonly subject: string | undefined }>;
  get(grant: Grant, ref: RepositoryRef, reference: string): Promise<store.Manifest>;
  /** By digest, the manifest with its tags; by tag, the tag alone. */
  remove(grant: Grant, ref: RepositoryRef, reference: string): Promise<void>;
  /** Takes every manifest of the repository away but one, or all of them. */
  keepOnly(grant: Grant, ref: RepositoryRef, digest: string | undefined): Promise<void>;
  listTags(grant: Grant, ref: RepositoryRef, page: Page): Promise<Listed<string>>;
  listReferrers(
    grant: Grant,
    ref: RepositoryRef,
    query: Page & { readonly subject: string; readonly artifactType: string | undefined },
  ): Promise<Listed<ReferrerDescriptor>>;
};

/** Bytes of manifests that one page of referrers reads: their annotations are in the answer. */
const referrerBytesMax = 8 * 1024 * 1024;
const referrersAtOnce = 20;
/** Whoever reads more than this in one piece lets others have their turn behind it. */
const unyieldedBytes = 64 * 1024;

export function createManifests(deps: { readonly content: Content; readonly clock: Clock }): Manifests {
  const { content, clock } = deps;
  const { within } = content;

  async function digestOf(tx: Tx, { repository }: RepositoryRef, reference: string): Promise<string> {
    if (isDigest(reference)) return reference;
    if (reference.includes(':')) requireDigest(reference);
    const digest = isTag(reference) ? await store.findTag(tx, repository, reference) : undefined;
    if (digest === undefined) throw registryFailures.MANIFEST_UNKNOWN();
    return digest;
  }

  return {
    async put(grant, ref, reference, contentType, bytes) {
      const digest = `sha256:${sha256Hex(bytes)}`;
      if (reference.includes(':')) requireDigest(reference);
      else if (!isTag(reference)) throw registryFailures.badTag();
      return await within(grant, ref, async ({ index }) => {
        const read = readManifest(contentType, bytes);
        if (isDigest(reference) && reference !== digest) throw registryFailures.DIGEST_INVALID();
        await index.write(async (tx) => {
          const present = await store.findManifest(tx, ref.repository, digest);
          if (present !== undefined && present.mediaType !== read.mediaType)
            throw registryFailures.pushedAsAnotherType();
          if (present === undefined) {
            await requireContent(tx, ref, read);
            const mentions = [...read.blobs, ...read.manifests].map((descriptor) => descriptor.digest);
            const { mediaType, subject, artifactType } = read;
            const contentSize = read.blobs.reduce((sum, { size }) => sum + size, 0);
            const manifest = { digest, mediaType, bytes, contentSize, subject, artifactType, mentions };
            await store.insertManifest(tx, ref.repository, manifest, clock.epochMs());
          }
          if (!isDigest(reference))
            await store.putTag(tx, { repository: ref.repository, name: reference, digest }, clock.epochMs());
        });
        return { digest, subject: read.subject };
      });
    },

    get: async (grant, ref, reference) =>
      within(grant, ref, async ({ index }) => {
        const digest = await digestOf(index.read, ref, reference);
        const manifest = await store.findManifest(index.read, ref.repository, digest);
        if (manifest === undefined) throw registryFailures.MANIFEST_UNKNOWN();
        return manifest;
      }),

    remove: async (grant, ref, reference) =>
      within(grant, ref, async ({ index }) => {
        await index.write(async (tx) => {
          const digest = await digestOf(tx, ref, reference);
          if (!isDigest(reference)) {
            await store.deleteTag(tx, ref.repository, reference);
            return;
          }
          if ((await store.findManifestSize(tx, ref.repository, digest)) === undefined)
            throw registryFailures.MANIFEST_UNKNOWN();
          const list = await store.mentionOf(tx, ref.repository, digest);
          if (list !== undefined) throw registryFailures.manifestListed(list);
          await store.deleteManifest(tx, ref.repository, digest);
        });
      }),

    keepOnly: async (grant, ref, kept) =>
      within(grant, ref, async ({ index }) =>
        index.write(async (tx) => {
          for (const digest of await store.listManifests(tx, ref.repository))
            if (digest !== kept) await store.deleteManifest(tx, ref.repository, digest);
        }),
      ),

    listTags: async (grant, ref, { after, limit }) =>
      within(grant, ref, async ({ index }) => {
        if (!(await store.holdsRepository(index.read, ref.repository))) throw registryFailures.NAME_UNKNOWN();
        return pageOf(await store.listTags(index.read, ref.repository, { after, limit: limit + 1 }), limit);
      }),

    async listReferrers(grant, ref, { subject, artifactType, after, limit }) {
      requireDigest(subject);
      return await within(grant, ref, async ({ index }) => {
        const items: ReferrerDescriptor[] = [];
        let bytes = 0;
        for (let last = after; ; ) {
          const query = { subject, artifactType, after: last, limit: referrersAtOnce };
          const rows = await store.listReferrers(index.read, ref.repository, query);
          for (const row of rows) {
            bytes += row.size;
            if (items.length === limit || (items.length > 0 && bytes > referrerBytesMax)) return { items, next: last };
            last = row.digest;
            const manifest = await store.findManifest(index.read, ref.repository, row.digest);
            // Taken away since it was listed: it refers to nothing.
            if (manifest !== undefined) items.push(describe(row, manifest.bytes));
            if (row.size > unyieldedBytes) await yieldToEventLoop();
          }
          if (rows.length < referrersAtOnce) return { items, next: undefined };
          await yieldToEventLoop();
        }
      });
    },
  };
}

export function pageOf(found: readonly string[], limit: number): Listed<string> {
  const items = found.slice(0, limit);
  return { items, next: found.length > limit ? items.at(-1) : undefined };
}

/** What a manifest names must be there, and be as large as it says: clients plan their memory by it. */
async function requireContent(tx: Tx, { repository }: RepositoryRef, read: ReadManifest): Promise<void> {
  for (const { digest, size } of read.blobs) {
    const stored = await store.findBlob(tx, repository, digest);
    if (stored === undefined) throw registryFailures.MANIFEST_BLOB_UNKNOWN(digest);
    if (stored !== size) throw registryFailures.listedInAnotherSize(digest);
  }
  for (const { digest, size, mediaType } of read.manifests) {
    const stored = await store.findManifestSize(tx, repository, digest);
    if (stored === undefined) throw registryFailures.MANIFEST_BLOB_UNKNOWN(digest);
    if (stored.size !== size) throw registryFailures.listedInAnotherSize(digest);
    if (stored.mediaType !== mediaType) throw registryFailures.listedAsAnotherType(digest);
  }
}

function describe({ digest, mediaType, artifactType }: store.Referrer, bytes: Uint8Array): ReferrerDescriptor {
  const { annotations } = readManifest(mediaType, bytes);
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
