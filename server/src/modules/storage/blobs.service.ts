// Blobs: what may happen, in which order. A write seals to a file, makes it durable, and only then changes the index in one
// transaction; whoever reads a replaced version reads it to its end. Every function takes a grant first and refuses what
// lies outside of its scope. Nothing here speaks HTTP, so that runs, assets and registries use the same store in process.

import { Readable } from 'node:stream';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { createLongSha256 } from '#kernel/crypto/digest-thread';
import { randomUuid } from '#kernel/crypto/random';
import type { AccessTier } from './access-tier.rules.ts';
import type { Accounts } from './accounts.service.ts';
import type { BlobInfo, Part } from './blobs.store.ts';
import * as store from './blobs.store.ts';
import { endStaging } from './blocks.store.ts';
import { type Conditions, requireSource, requireWritable } from './conditions.rules.ts';
import { newEtag, requireContainer } from './containers.service.ts';
import { findContainer } from './containers.store.ts';
import { type BlobContent, describeContent, requireContent } from './content.rules.ts';
import { type BlobPage, listPage, readMarker } from './listing.service.ts';
import * as loose from './loose.store.ts';
import { requireBlobName, requireContainerName, requirePrefix } from './names.rules.ts';
import type { OpenedAccount, OpenedAccounts } from './opened-accounts.service.ts';
import { type ByteRange, existing, openRange } from './reading.service.ts';
import { type BlobRef, type ContainerRef, requireScope } from './scopes.rules.ts';
import { createSharing, type Sharing } from './sharing.service.ts';
import { storageFailures } from './storage.errors.ts';
import { type InWork, removeBlobs, settle } from './upkeep.service.ts';

/** The largest blob, in bytes: 100 GiB. */
export const blobBytesMax = 100 * 1024 ** 3;
export const listLimitMax = 5000;

export type PutOptions = BlobContent & {
  /** More fails with `tooLarge`. */
  readonly maxBytes: number;
  /** Base64 of the MD5 that the content must have. */
  readonly contentMd5?: string;
  readonly conditions?: Conditions;
};
export type ListQuery = ContainerRef & {
  readonly prefix?: string;
  /** Names that go on behind this, after the prefix, are told as one prefix. */
  readonly delimiter?: string;
  /** From the page before. */
  readonly marker?: string;
  /** Blobs that are nothing but blocks yet, too. */
  readonly uncommitted?: boolean;
  /** 1 to 5000. */
  readonly limit: number;
};
/** A blob, or a range of it, and what must hold of it when it is read. */
export type CopySource = { readonly ref: BlobRef; readonly range?: ByteRange; readonly conditions?: Conditions };
export type Blobs = Sharing & {
  put(grant: Grant, ref: BlobRef, source: Readable | Uint8Array, options: PutOptions): Promise<BlobInfo>;
  open(grant: Grant, ref: BlobRef, range?: ByteRange): Promise<{ readonly info: BlobInfo; readonly stream: Readable }>;
  /** Seals the content of one blob again as another. What `content` does not say of it is as at the source. */
  copy(
    grants: { readonly read: Grant; readonly write: Grant },
    from: CopySource,
    to: BlobRef,
    options: Pick<PutOptions, 'contentMd5' | 'conditions'> & { readonly content: BlobContent },
  ): Promise<BlobInfo>;
  find(grant: Grant, ref: BlobRef): Promise<BlobInfo | undefined>;
  head(grant: Grant, ref: BlobRef): Promise<BlobInfo>;
  list(grant: Grant, query: ListQuery): Promise<BlobPage>;
  /** Content of a source that meets its conditions, to be stored elsewhere: read to its end, or destroyed. */
  openSource(grant: Grant, source: CopySource): ReturnType<Blobs['open']>;
  /** Says no other thing of the blob than this. The version stays, as in Azure. */
  setTier(grant: Grant, ref: BlobRef, accessTier: AccessTier): Promise<void>;
  /** Changes what the blob says of itself, not its bytes. */
  describe(grant: Grant, ref: BlobRef, content: BlobContent, conditions?: Conditions): Promise<BlobInfo>;
  remove(grant: Grant, ref: BlobRef, conditions?: Conditions): Promise<void>;
  removePrefix(grant: Grant, ref: ContainerRef & { readonly prefix: string }): Promise<number>;
};

const removedAtOnce = 200;

export function createBlobs(deps: {
  readonly accounts: Accounts;
  readonly opened: OpenedAccounts;
  readonly clock: Clock;
  readonly inWork: InWork;
}): Blobs {
  const { accounts, opened, clock } = deps;
  const sharing = createSharing(deps);

  function within<R>(grant: Grant, ref: BlobRef, act: (opened: OpenedAccount) => Promise<R>): Promise<R> {
    requireBlobName(ref.name);
    requireContainerName(ref.container);
    requireScope(grant, ref, ref.name);
    return opened.use(accounts.byId(ref.account), act);
  }

  async function put(account: OpenedAccount, ref: BlobRef, source: Readable | Uint8Array, options: PutOptions) {
    const { index, sealed, signal } = account;
    const { maxBytes, contentMd5, conditions = {} } = options;
    requireContent(options);
    if (contentMd5 !== undefined && Buffer.from(contentMd5, 'base64').length !== 16) throw storageFailures.InvalidMd5();
    await requireContainer(index.read, ref.container);
    requireWritable(conditions, (await store.findBlob(index.read, ref.container, ref.name))?.info);
    const digest = createLongSha256();
    const written = await sealed.write(ref, source, {
      maxBytes: Math.min(maxBytes, blobBytesMax),
      md5: contentMd5 !== undefined,
      sha256: digest,
      signal,
    });
    try {
      const sha256 = await digest.hex();
      if (contentMd5 !== undefined && written.md5 !== contentMd5) throw storageFailures.Md5Mismatch();
      const { version, parts } = onePart(written);
      const { info, dropped } = await index.write(async (tx) => {
        // order matters: the container and the conditions again, now that nothing can come between.
        await requireContainer(tx, ref.container);
        const before = await store.findBlob(tx, ref.container, ref.name);
        requireWritable(conditions, before?.info);
        const now = clock.now();
        const info = {
          ...describeContent(ref.name, options, now),
          size: written.size,
          contentMd5: options.toldMd5 || written.md5,
          sha256,
        };
        await store.putBlob(tx, ref.container, { version, info });
        await store.insertParts(tx, version, parts);
        const staging = await endStaging(tx, ref.container, ref.name);
        return { info, dropped: await loose.drop(tx, defined([before?.version, staging])) };
      });
      sealed.adopted(parts.map((part) => part.file));
      if (parts.length === 0) await sealed.discard([written.file]);
      await settle(index, sealed, dropped);
      return info;
    } catch (thrown) {
      await discardUnreferenced(account, [written.file]);
      throw thrown;
    }
  }

  async function change(
    account: OpenedAccount,
    ref: BlobRef,
    conditions: Conditions,
    change: (info: BlobInfo, now: Date) => BlobInfo,
  ): Promise<BlobInfo> {
    return await account.index.write(async (tx) => {
      await requireContainer(tx, ref.container);
      const blob = await store.findBlob(tx, ref.container, ref.name);
      if (blob === undefined) throw storageFailures.BlobNotFound();
      requireWritable(conditions, blob.info);
      const info = change(blob.info, clock.now());
      await store.putBlob(tx, ref.container, { version: blob.version, info });
      return info;
    });
  }

  const putBlob: Blobs['put'] = async (grant, ref, source, options) => {
    try {
      return await within(grant, ref, (account) => put(account, ref, source, options));
    } catch (thrown) {
      if (source instanceof Readable) source.destroy();
      throw thrown;
    }
  };

  const openSource: Blobs['openSource'] = async (grant, { ref, range, conditions = {} }) => {
    const opened = await within(grant, ref, (account) => openRange(account, ref, range));
    try {
      requireSource(conditions, opened.info);
      return opened;
    } catch (thrown) {
      opened.stream.destroy();
      throw thrown;
    }
  };

  return {
    put: putBlob,
    async copy(grants, from, to, { content, ...options }) {
      const { info, stream } = await openSource(grants.read, from);
      const { contentType, contentHeaders, metadata, contentMd5: toldMd5 = '' } = info;
      const described = { contentType, contentHeaders, metadata, toldMd5, ...content };
      return await putBlob(grants.write, to, stream, { ...described, ...options, maxBytes: info.size });
    },
    ...sharing,
    openSource,
    setTier: async (grant, ref, accessTier) =>
      within(grant, ref, async ({ index }) =>
        index.write(async (tx) => {
          await requireContainer(tx, ref.container);
          const blob = await store.findBlob(tx, ref.container, ref.name);
          if (blob === undefined) throw storageFailures.BlobNotFound();
          await store.putBlob(tx, ref.container, { version: blob.version, info: { ...blob.info, accessTier } });
        }),
      ),
    open: async (grant, ref, range) => within(grant, ref, (account) => openRange(account, ref, range)),
    find: async (grant, ref) =>
      within(grant, ref, async ({ index }) => {
        const container = await findContainer(index.read, ref.container);
        if (container === undefined || container.isDeleting) return undefined;
        return (await store.findBlob(index.read, ref.container, ref.name))?.info;
      }),
    head: async (grant, ref) => within(grant, ref, async (account) => (await existing(account, ref)).info),
    async list(grant, query) {
      const { prefix = '', delimiter = '', uncommitted = false, limit } = query;
      requirePrefix(prefix);
      requirePrefix(delimiter);
      requireContainerName(query.container);
      requireScope(grant, query, prefix);
      if (!Number.isInteger(limit) || limit < 1 || limit > listLimitMax)
        throw storageFailures.InvalidQueryParameterValue({ target: 'maxresults' });
      const after = query.marker === undefined ? '' : readMarker(query.marker);
      return await opened.use(accounts.byId(query.account), async ({ index }) => {
        await requireContainer(index.read, query.container);
        return await listPage(index.read, { container: query.container, prefix, delimiter, after, limit, uncommitted });
      });
    },
    describe: async (grant, ref, content, conditions = {}) =>
      within(grant, ref, (account) => {
        requireContent(content);
        return change(account, ref, conditions, (info, now) => ({
          ...info,
          ...(content.contentType === undefined ? {} : { contentType: content.contentType }),
          ...(content.contentHeaders === undefined ? {} : { contentHeaders: content.contentHeaders }),
          ...(content.metadata === undefined ? {} : { metadata: content.metadata }),
          ...(content.toldMd5 === undefined ? {} : { contentMd5: content.toldMd5 || undefined }),
          etag: newEtag(),
          lastModified: now,
        }));
      }),
    remove: async (grant, ref, conditions = {}) =>
      within(grant, ref, async ({ index, sealed }) => {
        const dropped = await index.write(async (tx) => {
          await requireContainer(tx, ref.container);
          const blob = await store.findBlob(tx, ref.container, ref.name);
          if (blob === undefined) throw storageFailures.BlobNotFound();
          requireWritable(conditions, blob.info);
          await store.deleteBlob(tx, ref.container, ref.name, blob.version);
          return await loose.drop(tx, defined([blob.version, await endStaging(tx, ref.container, ref.name)]));
        });
        await settle(index, sealed, dropped);
      }),
    async removePrefix(grant, ref) {
      requirePrefix(ref.prefix);
      requireContainerName(ref.container);
      requireScope(grant, ref, ref.prefix);
      return await opened.use(accounts.byId(ref.account), async ({ index, sealed }) => {
        await requireContainer(index.read, ref.container);
        let removed = 0;
        for (let after = ''; ; ) {
          const page = await store.listBlobs(index.read, { ...ref, after, limit: removedAtOnce });
          await removeBlobs(index, sealed, ref.container, page);
          removed += page.length;
          const last = page.at(-1);
          if (last === undefined || page.length < removedAtOnce) return removed;
          after = last.info.name;
        }
      });
    },
  };
}

/** After a write that failed: removes its files, unless the index took them after all. What cannot be asked is left to a sweep. */
export async function discardUnreferenced({ index, sealed }: OpenedAccount, files: readonly string[]): Promise<void> {
  // Within a write: an index of which nobody knows what it keeps takes none, and then nothing is removed.
  const kept = await index.write((tx) => loose.referenced(tx, files)).catch(() => new Set(files));
  await sealed.discard(files.filter((file) => !kept.has(file)));
}

export const defined = (ids: readonly (string | undefined)[]): readonly string[] =>
  ids.filter((id) => id !== undefined);

/** A blob of one file. An empty blob has no part: there is nothing to read, and its size is in the index. */
function onePart(written: { file: string; size: number; sealedSize: number; keyId: string }) {
  const { file, size, sealedSize, keyId } = written;
  const parts: readonly Part[] = size === 0 ? [] : [{ start: 0, size, file, sealedSize, keyId, blockId: undefined }];
  return { version: randomUuid(), parts };
}
