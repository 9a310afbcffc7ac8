// What Azure's clients are told of repositories, tags and manifests, and the two deletions that only they know: of a tag alone
// and of a whole repository.

import { registryLimits } from '@strongroom/contract/registry';
import type { Grant } from '#kernel/authority/grant';
import type { Content } from './content.service.ts';
import * as rows from './descriptions.store.ts';
import * as store from './images.store.ts';
import type { Listed } from './manifests.service.ts';
import { isDigest, isTag, requireDigest } from './names.rules.ts';
import { registryFailures } from './registry.errors.ts';
import type { RepositoryRef } from './scopes.rules.ts';

export type Order = 'name' | 'oldest' | 'newest';
/** `after` is what the page before said; the beginning is an empty text. */
export type Ordered = { readonly by: Order; readonly after: string; readonly limit: number };
export type RepositoryCounts = {
  readonly manifests: number;
  readonly tags: number;
  readonly createdMs: number;
  readonly changedMs: number;
};
export type DescribedTag = rows.TagRow;
export type DescribedManifest = rows.ManifestRow & { readonly tags: readonly string[] };

/** Every function throws NAME_UNKNOWN where the repository holds nothing. */
export type Descriptions = {
  ofRepository(grant: Grant, ref: RepositoryRef): Promise<RepositoryCounts>;
  listTags(grant: Grant, ref: RepositoryRef, page: Ordered, digest?: string): Promise<Listed<DescribedTag>>;
  ofTag(grant: Grant, ref: RepositoryRef, name: string): Promise<DescribedTag>;
  listManifests(grant: Grant, ref: RepositoryRef, page: Ordered): Promise<Listed<DescribedManifest>>;
  /** @param reference a digest, or a tag that points to one */
  ofManifest(grant: Grant, ref: RepositoryRef, reference: string): Promise<DescribedManifest>;
  removeTag(grant: Grant, ref: RepositoryRef, name: string): Promise<void>;
  /** Takes every manifest that was there at the beginning away, with its tags. */
  removeRepository(
    grant: Grant,
    ref: RepositoryRef,
  ): Promise<{ readonly manifests: readonly string[]; readonly tags: readonly string[] }>;
};

/** Manifests that one transaction takes away: others write in between. */
const removedAtOnce = 50;

export function createDescriptions(deps: { readonly content: Content }): Descriptions {
  const within: Content['within'] = (grant, ref, act) =>
    deps.content.within(grant, ref, async (opened) => {
      if (!(await store.holdsRepository(opened.index.read, ref.repository))) throw registryFailures.NAME_UNKNOWN();
      return await act(opened);
    });

  return {
    ofRepository: (grant, ref) =>
      within(grant, ref, async ({ index }) => {
        const [[manifests], [tags]] = await Promise.all([
          index.scan(rows.countManifests(index.read, ref.repository)),
          index.scan(rows.countTags(index.read, ref.repository)),
        ]);
        if (manifests === undefined || manifests.count === 0) throw registryFailures.NAME_UNKNOWN();
        return {
          manifests: manifests.count,
          tags: tags?.count ?? 0,
          createdMs: manifests.firstMs,
          changedMs: Math.max(manifests.lastMs, tags?.lastMs ?? 0),
        };
      }),

    listTags: (grant, ref, page, digest) =>
      within(grant, ref, async ({ index }) => {
        const found = await rows.listTagRows(index.read, ref.repository, walkOf(page), digest);
        return pageOf(found, page, ({ name, movedMs }) => ({ name, atMs: movedMs }));
      }),

    ofTag: (grant, ref, name) =>
      within(grant, ref, async ({ index }) => {
        const found = isTag(name) ? await rows.findTagRow(index.read, ref.repository, name) : undefined;
        if (found === undefined) throw registryFailures.unknownTag();
        return found;
      }),

    listManifests: (grant, ref, page) =>
      within(grant, ref, async ({ index }) => {
        const { items, next } = pageOf(
          await rows.listManifestRows(index.read, ref.repository, walkOf(page)),
          page,
          manifestMark,
        );
        const described: DescribedManifest[] = [];
        let room: number = registryLimits.describedTags;
        for (const row of items) {
          const tags = await rows.listTagsOf(index.read, ref.repository, row.digest, registryLimits.describedTags);
          room -= tags.length;
          const last = described.at(-1);
          // What a page tells is bounded by its tags, too: the rest of it comes with the next one.
          if (room < 0 && last !== undefined) return { items: described, next: markOf(page.by, manifestMark(last)) };
          described.push({ ...row, tags });
        }
        return { items: described, next };
      }),

    ofManifest: (grant, ref, reference) =>
      within(grant, ref, async ({ index }) => {
        const { read } = index;
        if (reference.includes(':')) requireDigest(reference);
        const digest = isDigest(reference) ? reference : await store.findTag(read, ref.repository, reference);
        const row = digest === undefined ? undefined : await rows.findManifestRow(read, ref.repository, digest);
        if (row === undefined) throw registryFailures.MANIFEST_UNKNOWN();
        return { ...row, tags: await rows.listTagsOf(read, ref.repository, row.digest, registryLimits.describedTags) };
      }),

    removeTag: (grant, ref, name) =>
      within(grant, ref, async ({ index }) => {
        if (!(await index.write((tx) => store.deleteTag(tx, ref.repository, name))))
          throw registryFailures.unknownTag();
      }),

    removeRepository: (grant, ref) =>
      within(grant, ref, async ({ index }) => {
        const manifests: string[] = [];
        const tags: string[] = [];
        for (let after = ''; ; ) {
          const removed = await index.write(async (tx) => {
            const walk = { by: 'name', after, afterMs: 0, limit: removedAtOnce } as const;
            const digests = (await rows.listManifestRows(tx, ref.repository, walk)).map(({ digest }) => digest);
            for (const digest of digests) tags.push(...(await store.deleteManifest(tx, ref.repository, digest)));
            return digests;
          });
          manifests.push(...removed);
          after = removed.at(-1) ?? after;
          if (removed.length < removedAtOnce) return { manifests, tags };
        }
      }),
  };
}

type Mark = { readonly name: string; readonly atMs: number };
const manifestMark = ({ digest, pushedMs }: rows.ManifestRow): Mark => ({ name: digest, atMs: pushedMs });

/** Where a page ends, for whoever asks for the next one. By time it says both: names alone are in no order then. */
const markOf = (by: Order, { name, atMs }: Mark): string => (by === 'name' ? name : `${atMs},${name}`);

function walkOf({ by, after, limit }: Ordered): rows.Walk {
  if (by === 'name' || after === '') return { by, after, afterMs: 0, limit: limit + 1 };
  const [, afterMs, name = ''] = /^(\d{1,15}),(.{1,255})$/.exec(after) ?? [];
  if (afterMs === undefined) throw registryFailures.badLast();
  return { by, after: name, afterMs: Number(afterMs), limit: limit + 1 };
}

function pageOf<T>(found: readonly T[], { by, limit }: Ordered, mark: (row: T) => Mark): Listed<T> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, next: found.length > limit && last !== undefined ? markOf(by, mark(last)) : undefined };
}
