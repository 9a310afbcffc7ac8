// Blocks: how a client uploads a large blob in pieces and puts it together in one step. A staged block is a sealed file of
// its own; committing writes rows and moves no byte. Blocks nobody commits are dropped after a week.

import type { Readable } from 'node:stream';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Accounts } from './accounts.service.ts';
import { blobBytesMax, discardUnreferenced } from './blobs.service.ts';
import type { BlobInfo, Part } from './blobs.store.ts';
import * as store from './blobs.store.ts';
import type { Block } from './blocks.store.ts';
import * as blocks from './blocks.store.ts';
import { type Conditions, requireWritable } from './conditions.rules.ts';
import { requireContainer } from './containers.service.ts';
import { type BlobContent, describeContent, requireContent } from './content.rules.ts';
import { requireBlobName, requireContainerName } from './names.rules.ts';
import type { OpenedAccount, OpenedAccounts } from './opened-accounts.service.ts';
import { type BlobRef, requireScope } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';
import { blocksKeptMs, expireBlocks } from './upkeep.service.ts';

/** The largest block, in bytes: 4,000 MiB, as Azure has it. */
export const blockBytesMax = 4000 * 1024 ** 2;
export const blocksMax = 50_000;

/** One entry of a block list: which block, and where it is to be looked for. */
export type BlockChoice = { readonly from: 'Latest' | 'Uncommitted' | 'Committed'; readonly blockId: string };
export type BlockSize = { readonly blockId: string; readonly size: number };

export type Blocks = {
  /** Stages one block; one of the same id is replaced. Answers its MD5 where it was asked for or is cheap. */
  stage(
    grant: Grant,
    ref: BlobRef,
    block: { readonly blockId: string; readonly source: Readable; readonly contentMd5?: string },
  ): Promise<{ readonly md5: string | undefined }>;
  /** Makes the blob of these blocks, in this order, replacing what has its name. Blocks that are not named are dropped. */
  commit(
    grant: Grant,
    ref: BlobRef,
    choices: readonly BlockChoice[],
    content: BlobContent,
    conditions?: Conditions,
  ): Promise<BlobInfo>;
  listBlocks(
    grant: Grant,
    ref: BlobRef,
  ): Promise<{
    readonly info: BlobInfo | undefined;
    readonly committed: readonly BlockSize[];
    readonly uncommitted: readonly BlockSize[];
  }>;
};

const expireEveryMs = 60 * 60 * 1000;

export function createBlocks(deps: {
  readonly accounts: Accounts;
  readonly opened: OpenedAccounts;
  readonly clock: Clock;
}): Blocks {
  const { accounts, opened, clock } = deps;
  // One that is opened anew is not in it: its old blocks go at once.
  const expiredAtMs = new WeakMap<OpenedAccount, number>();

  function within<R>(grant: Grant, ref: BlobRef, act: (opened: OpenedAccount) => Promise<R>): Promise<R> {
    requireBlobName(ref.name);
    requireContainerName(ref.container);
    requireScope(grant, ref, ref.name);
    return opened.use(accounts.byId(ref.account), act);
  }

  /** An account may stay open for months: at most once an hour the old blocks go while new ones come. */
  async function expire(account: OpenedAccount): Promise<void> {
    const nowMs = clock.epochMs();
    const last = expiredAtMs.get(account);
    if (last !== undefined && nowMs - last < Math.min(expireEveryMs, blocksKeptMs)) return;
    expiredAtMs.set(account, nowMs);
    await expireBlocks(account.index, account.sealed, nowMs);
  }

  async function stage(account: OpenedAccount, ref: BlobRef, staged: Parameters<Blocks['stage']>[2]) {
    const { index, sealed, signal } = account;
    const { blockId, source, contentMd5 } = staged;
    requireBlockId(blockId);
    if (contentMd5 !== undefined && Buffer.from(contentMd5, 'base64').length !== 16) throw storageFailures.InvalidMd5();
    await requireContainer(index.read, ref.container);
    await expire(account);
    const written = await sealed.write(ref, source, { maxBytes: blockBytesMax, md5: contentMd5 !== undefined, signal });
    try {
      if (contentMd5 !== undefined && written.md5 !== contentMd5) throw storageFailures.Md5Mismatch();
      const replaced = await index.write(async (tx) => {
        await requireContainer(tx, ref.container);
        const waiting = await blocks.describeBlocks(tx, ref.container, ref.name);
        if (waiting.count >= blocksMax) throw storageFailures.BlockCountExceedsLimit();
        if (waiting.id !== undefined && idBytes(waiting.id) !== idBytes(blockId))
          throw storageFailures.InvalidBlobOrBlock();
        return await blocks.putBlock(tx, ref.container, ref.name, { ...written, blockId }, clock.epochMs());
      });
      sealed.adopted([written.file]);
      await sealed.discard(replaced);
      return { md5: written.md5 };
    } catch (thrown) {
      await discardUnreferenced(account, [written.file]);
      throw thrown;
    }
  }

  return {
    stage: async (grant, ref, block) => {
      try {
        return await within(grant, ref, (account) => stage(account, ref, block));
      } catch (thrown) {
        block.source.destroy();
        throw thrown;
      }
    },
    commit: async (grant, ref, choices, content, conditions = {}) =>
      within(grant, ref, async ({ index, sealed }) => {
        requireContent(content);
        if (choices.length > blocksMax) throw storageFailures.BlockListTooLong();
        const { info, dropped } = await index.write(
          async (tx) => {
            await requireContainer(tx, ref.container);
            const before = await store.findBlob(tx, ref.container, ref.name);
            requireWritable(conditions, before?.info);
            const old = before === undefined ? [] : await store.listParts(tx, before.version, 0, before.info.size);
            const { parts, size } = assemble(choices, await blocks.listBlocks(tx, ref.container, ref.name), old);
            const version = randomUuid();
            const now = clock.now();
            const info: BlobInfo = {
              ...describeContent(ref.name, content, now),
              // Put together anew it is still the same blob.
              createdAt: before?.info.createdAt ?? now,
              size,
              contentMd5: content.toldMd5 || undefined,
            };
            await store.putBlob(tx, ref.container, { version, info });
            const loose = [
              ...(await blocks.deleteBlocks(tx, ref.container, ref.name)),
              ...(before === undefined ? [] : await store.deleteParts(tx, before.version)),
            ];
            await store.insertParts(tx, version, parts);
            const kept = new Set(parts.map((part) => part.file));
            return { info, dropped: [...new Set(loose)].filter((file) => !kept.has(file)) };
          },
          { rows: choices.length },
        );
        await sealed.discard(dropped);
        return info;
      }),
    listBlocks: async (grant, ref) =>
      within(grant, ref, async ({ index }) => {
        await requireContainer(index.read, ref.container);
        const blob = await store.findBlob(index.read, ref.container, ref.name);
        const uncommitted = await blocks.listBlocks(index.read, ref.container, ref.name);
        if (blob === undefined && uncommitted.length === 0) throw storageFailures.BlobNotFound();
        const parts = blob === undefined ? [] : await store.listParts(index.read, blob.version, 0, blob.info.size);
        const committed = parts.flatMap(({ blockId, size }) => (blockId === undefined ? [] : [{ blockId, size }]));
        return { info: blob?.info, committed, uncommitted };
      }),
  };
}

/** The parts that a list of choices means. Throws for a block that is not where it is looked for. */
function assemble(choices: readonly BlockChoice[], waiting: readonly Block[], old: readonly Part[]) {
  const uncommitted = new Map(waiting.map((block) => [block.blockId, block]));
  const committed = new Map(old.map((part) => [part.blockId, part]));
  const parts: Part[] = [];
  let size = 0;
  for (const { from, blockId } of choices) {
    const block =
      (from === 'Committed' ? undefined : uncommitted.get(blockId)) ??
      (from === 'Uncommitted' ? undefined : committed.get(blockId));
    if (block === undefined) throw storageFailures.InvalidBlockList();
    const { file, sealedSize, keyId } = block;
    // A block of nothing has nothing to be read from.
    if (block.size > 0) parts.push({ start: size, size: block.size, file, sealedSize, keyId, blockId });
    size += block.size;
    if (size > blobBytesMax) {
      throw storageFailures.blocksTooLarge(blobBytesMax);
    }
  }
  return { parts, size };
}

const idBytes = (blockId: string) => Buffer.byteLength(blockId, 'base64');

export function requireBlockId(blockId: string): void {
  const bytes = Buffer.from(blockId, 'base64');
  if (bytes.length < 1 || bytes.length > 64 || bytes.toString('base64') !== blockId)
    throw storageFailures.InvalidBlockId();
}
