// What the platform keeps in containers that others use too: content that it names by digest, artifacts of runs. Held here, in
// front of every request, because a right to a container is a right to all of it: no role and no signed address writes in a
// reserved folder or removes its container. Modules write there in process, as they hold the services without this guard.

import { Readable } from 'node:stream';
import { isBounded } from '#kernel/authority/actor';
import type { Grant } from '#kernel/authority/grant';
import type { Blobs } from './blobs.service.ts';
import type { Blocks } from './blocks.service.ts';
import type { Containers } from './containers.service.ts';
import { readMarker, writeMarker } from './listing.service.ts';
import { behind } from './names.rules.ts';
import type { BlobRef, ContainerRef } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';

export type ReservedFolder = {
  /** Ends with a slash; empty is the whole container. */
  readonly prefix: string;
  /** Whoever is bounded, as by a signed address, does not read it either: bounds to a container say nothing of what lies there. */
  readonly isHidden: boolean;
};
export type Reserved = {
  /** Whose it is, in words for messages. */
  readonly by: string;
  readonly folders: readonly ReservedFolder[];
};
/** What is reserved in a container now; undefined where nothing is. Asked at every write, so it answers from memory. */
export type ReservedIn = (ref: ContainerRef) => Reserved | undefined;

/** What requests may ask of blobs: all but what the protocol does not have, the removal of whole folders, sharing and digests. */
export type RequestBlobs = Omit<Blobs, 'removePrefix' | 'share' | 'digest'>;

export function createReserve(reservedIn: ReservedIn) {
  const foldersOf = (ref: ContainerRef) => reservedIn(ref)?.folders ?? [];

  function requireFree(ref: BlobRef): void {
    if (!foldersOf(ref).some(({ prefix }) => ref.name.startsWith(prefix))) return;
    throw storageFailures.BlobImmutableDueToPolicy({
      message: `${reservedIn(ref)?.by ?? 'The platform'} keeps its own content at this name: it is neither written nor removed by requests. Use another name.`,
    });
  }

  /** Folders that this caller is not shown. */
  const hiddenFrom = (grant: Grant, ref: ContainerRef): readonly string[] =>
    !isBounded(grant.actor) ? [] : foldersOf(ref).flatMap(({ prefix, isHidden }) => (isHidden ? [prefix] : []));

  function requireShown(grant: Grant, ref: BlobRef): void {
    if (hiddenFrom(grant, ref).some((prefix) => ref.name.startsWith(prefix)))
      throw storageFailures.AuthorizationPermissionMismatch();
  }

  /** A marker holds the name that a page ends with: in what is hidden the next page goes on behind all of that. */
  function markerBehind(marker: string, hidden: readonly string[]): string {
    const after = readMarker(marker);
    const prefix = hidden.find((each) => after.startsWith(each));
    return prefix === undefined ? marker : writeMarker(behind(prefix));
  }

  /** A source that is refused is destroyed, as by the services. */
  function requireFreeFor(ref: BlobRef, source: Readable | Uint8Array): void {
    try {
      requireFree(ref);
    } catch (thrown) {
      if (source instanceof Readable) source.destroy();
      throw thrown;
    }
  }

  return {
    blobs: (blobs: Blobs): RequestBlobs => ({
      async put(grant, ref, source, options) {
        requireFreeFor(ref, source);
        return await blobs.put(grant, ref, source, options);
      },
      async open(grant, ref, range) {
        requireShown(grant, ref);
        return await blobs.open(grant, ref, range);
      },
      async copy(grants, from, to, options) {
        requireFree(to);
        requireShown(grants.read, from.ref);
        return await blobs.copy(grants, from, to, options);
      },
      async find(grant, ref) {
        requireShown(grant, ref);
        return await blobs.find(grant, ref);
      },
      async head(grant, ref) {
        requireShown(grant, ref);
        return await blobs.head(grant, ref);
      },
      async list(grant, query) {
        const page = await blobs.list(grant, query);
        const hidden = hiddenFrom(grant, query);
        if (hidden.length === 0) return page;
        const isShown = (name: string) => !hidden.some((prefix) => name.startsWith(prefix));
        const { nextMarker } = page;
        return {
          blobs: page.blobs.filter(({ name }) => isShown(name)),
          prefixes: page.prefixes.filter(isShown),
          ...(nextMarker === undefined ? {} : { nextMarker: markerBehind(nextMarker, hidden) }),
        };
      },
      async openSource(grant, source) {
        requireShown(grant, source.ref);
        return await blobs.openSource(grant, source);
      },
      async setTier(grant, ref, accessTier) {
        requireFree(ref);
        await blobs.setTier(grant, ref, accessTier);
      },
      async describe(grant, ref, content, conditions) {
        requireFree(ref);
        return await blobs.describe(grant, ref, content, conditions);
      },
      async remove(grant, ref, conditions) {
        requireFree(ref);
        await blobs.remove(grant, ref, conditions);
      },
    }),
    blocks: (blocks: Blocks): Blocks => ({
      async stage(grant, ref, block) {
        requireFreeFor(ref, block.source);
        return await blocks.stage(grant, ref, block);
      },
      async commit(grant, ref, choices, content, conditions) {
        requireFree(ref);
        return await blocks.commit(grant, ref, choices, content, conditions);
      },
      async listBlocks(grant, ref) {
        requireShown(grant, ref);
        return await blocks.listBlocks(grant, ref);
      },
    }),
    containers: (containers: Containers): Containers => ({
      ...containers,
      async deleteContainer(grant, ref, conditions) {
        const reserved = reservedIn(ref);
        if (reserved !== undefined)
          throw storageFailures.ContainerReserved({
            message: `${reserved.by} stands on this container. Delete it first; its content is removed by its own operations.`,
          });
        await containers.deleteContainer(grant, ref, conditions);
      },
    }),
  };
}
