// Blobs of a registry: layers and configs. Each is there once a registry and reached through the repositories that it was
// pushed to or mounted in; its digest is computed while it is sealed, and what does not match is thrown away before any
// index knows of it. A blob that is being read keeps its files until the reader is done.

import { Readable } from 'node:stream';
import { registryLimits } from '@strongroom/contract/registry';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { createLongSha256, sha256OfPieces } from '#kernel/crypto/digest-thread';
import { type Part, type SealedStore, type SealedStores, streamParts } from '#storage';
import * as store from './images.store.ts';
import { requireDigest, requireRepository } from './names.rules.ts';
import type { Registries } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { type RepositoryRef, requireScope } from './scopes.rules.ts';
import { renew } from './upkeep.service.ts';

/** What the files of blobs are bound to, besides their registry and their own names: a digest is known only at the end. */
const place = { container: 'image', name: 'blob' };

export type Stored = { readonly digest: string; readonly size: number };
/** Bytes from `start` to `end` inclusive; without an end, to the last one. An end behind the blob means its last byte. */
export type Range = { readonly start: number; readonly end?: number };
export type Opened = Stored & {
  readonly stream: Readable;
  /** The bytes that the stream gives; undefined for an empty blob. */
  readonly bounds: { readonly start: number; readonly end: number } | undefined;
};

export type Content = {
  /** Runs `act` on the opened registry. Throws DENIED outside of the grant's scope, `forbidden` when its key is refused. */
  within<R>(grant: Grant, ref: RepositoryRef, act: (opened: SealedStore) => Promise<R>): Promise<R>;
  push(grant: Grant, ref: RepositoryRef, source: Readable | Uint8Array, expectedDigest?: string): Promise<Stored>;
  find(grant: Grant, ref: RepositoryRef, digest: string): Promise<Stored | undefined>;
  open(grant: Grant, ref: RepositoryRef, digest: string, range?: Range): Promise<Opened>;
  /** False when `from` does not hold the blob. Both repositories are of the same registry. */
  mount(
    grants: { readonly pull: Grant; readonly push: Grant },
    from: RepositoryRef,
    to: RepositoryRef,
    digest: string,
  ): Promise<boolean>;
  remove(grant: Grant, ref: RepositoryRef, digest: string): Promise<void>;
};

const attemptsMax = 20;

export function createContent(deps: {
  readonly registries: Registries;
  readonly stores: SealedStores;
  readonly clock: Clock;
}): Content {
  const { registries, stores, clock } = deps;

  const within: Content['within'] = async (grant, ref, act) => {
    requireRepository(ref.repository);
    requireScope(grant, ref);
    return await stores.use(registries.byId(ref.registry), act);
  };

  async function push(opened: SealedStore, ref: RepositoryRef, source: Readable | Uint8Array, expected?: string) {
    const part = await writePart(opened, source, { start: 0, maxBytes: registryLimits.blobBytes });
    const digest = `sha256:${part.sha256}`;
    try {
      if (expected !== undefined && expected !== digest) throw registryFailures.DIGEST_INVALID();
      return await commit(opened, ref, digest, part.parts, clock.epochMs());
    } catch (thrown) {
      await discardUnreferenced(opened, part.parts);
      throw thrown;
    }
  }

  return {
    within,
    async push(grant, ref, source, expected) {
      try {
        if (expected !== undefined) requireDigest(expected);
        return await within(grant, ref, (opened) => push(opened, ref, source, expected));
      } catch (thrown) {
        if (source instanceof Readable) source.destroy();
        throw thrown;
      }
    },
    async find(grant, ref, digest) {
      requireDigest(digest);
      return await within(grant, ref, async ({ index }) => {
        const size = await store.findBlob(index.read, ref.repository, digest);
        if (size === undefined || !(await renew(index, ref.repository, digest, clock.epochMs()))) return undefined;
        return { digest, size };
      });
    },
    async open(grant, ref, digest, range) {
      requireDigest(digest);
      return await within(grant, ref, (opened) => openBlob(opened, ref, digest, range));
    },
    async mount(grants, from, to, digest) {
      requireDigest(digest);
      requireScope(grants.pull, from);
      if (registries.byId(from.registry) !== registries.byId(to.registry)) return false;
      return await within(grants.push, to, ({ index }) =>
        index.write(async (tx) => {
          if ((await store.findBlob(tx, from.repository, digest)) === undefined) return false;
          await store.link(tx, to.repository, digest, clock.epochMs());
          return true;
        }),
      );
    },
    async remove(grant, ref, digest) {
      requireDigest(digest);
      await within(grant, ref, async ({ index, sealed }) => {
        const files = await index.write(async (tx) => {
          if ((await store.findBlob(tx, ref.repository, digest)) === undefined) throw registryFailures.BLOB_UNKNOWN();
          const manifest = await store.mentionOf(tx, ref.repository, digest);
          if (manifest !== undefined) throw registryFailures.blobNeeded(manifest);
          return await store.unlink(tx, ref.repository, digest);
        });
        await sealed.discard(files);
      });
    },
  };
}

/** Seals a source as one file of a blob; an empty source is no file. */
export async function writePart(
  { sealed, signal }: SealedStore,
  source: Readable | Uint8Array,
  { start, maxBytes }: { readonly start: number; readonly maxBytes: number },
): Promise<{ readonly parts: readonly Part[]; readonly sha256: string }> {
  const sha256 = createLongSha256();
  const { file, size, sealedSize, keyId } = await sealed.write(place, source, { maxBytes, sha256, signal });
  const hex = await sha256.hex();
  if (size > 0) return { parts: [{ start, size, file, sealedSize, keyId, blockId: undefined }], sha256: hex };
  await sealed.discard([file]);
  return { parts: [], sha256: hex };
}

/** The digest of parts that did not arrive in one piece, from what is stored. */
export async function digestOf({ sealed }: SealedStore, parts: readonly Part[]): Promise<string> {
  const size = sizeOf(parts);
  return `sha256:${size === 0 ? sha256Hex('') : await sha256OfPieces(sealed.read(place, parts, { start: 0, end: size - 1 }))}`;
}

export const sizeOf = (parts: readonly Part[]): number => parts.reduce((size, part) => size + part.size, 0);

/** Lets the repository reach the blob. When the registry holds it already, the files that just came are dropped. */
export async function commit(
  { index, sealed }: SealedStore,
  ref: RepositoryRef,
  digest: string,
  parts: readonly Part[],
  nowMs: number,
): Promise<Stored> {
  const size = sizeOf(parts);
  const isKnown = await index.write(async (tx) => {
    const known = await store.holdsBlob(tx, digest);
    if (!known) await store.insertBlob(tx, digest, size, parts);
    await store.link(tx, ref.repository, digest, nowMs);
    return known;
  });
  const files = parts.map((part) => part.file);
  if (isKnown) await sealed.discard(files);
  else sealed.adopted(files);
  return { digest, size };
}

/** After a write that failed: removes its files, unless the index took them after all. What cannot be asked is left to a sweep. */
export async function discardUnreferenced({ index, sealed }: SealedStore, parts: readonly Part[]): Promise<void> {
  const files = parts.map((part) => part.file);
  // Within a write: an index of which nobody knows what it keeps takes none, and then nothing is removed.
  const kept = await index.write((tx) => store.referenced(tx, files)).catch(() => new Set(files));
  await sealed.discard(files.filter((file) => !kept.has(file)));
}

async function openBlob(
  opened: SealedStore,
  ref: RepositoryRef,
  digest: string,
  range: Range | undefined,
): Promise<Opened> {
  const { index, sealed } = opened;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const size = await store.findBlob(index.read, ref.repository, digest);
    if (size === undefined) throw registryFailures.BLOB_UNKNOWN();
    const bounds = boundsOf(range, size);
    const parts = bounds ? await store.listParts(index.read, digest, bounds.start, bounds.end) : [];
    const files = parts.map((part) => part.file);
    const release = sealed.pin(files);
    // Pinned first, then looked at again: files that still belong to the blob are removed only after the release.
    if ((await store.referenced(index.read, files)).size === files.length)
      return { digest, size, bounds, stream: await streamParts(opened, place, parts, bounds, release) };
    release();
  }
  throw registryFailures.BLOB_UNKNOWN();
}

function boundsOf(range: Range | undefined, size: number): Opened['bounds'] {
  if (range === undefined && size === 0) return undefined;
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? size - 1, size - 1);
  if (!Number.isSafeInteger(start) || start < 0 || start >= size || end < start) throw registryFailures.blobRange(size);
  return { start, end };
}
