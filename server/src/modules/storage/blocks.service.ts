// Blocks: how a client uploads a large blob in pieces and puts it together in one step. A staged block is a sealed file of
// its own; committing writes rows, some at a time, and moves no byte. Blocks nobody commits are dropped after a week.

import type { Readable } from 'node:stream';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Tx } from '#kernel/database/database';
import type { Accounts } from './accounts.service.ts';
import { blobBytesMax, defined, discardUnreferenced } from './blobs.service.ts';
import type { BlobInfo, Part, StoredBlob } from './blobs.store.ts';
import * as store from './blobs.store.ts';
import type { Block } from './blocks.store.ts';
import * as blocks from './blocks.store.ts';
import { type Conditions, requireWritable } from './conditions.rules.ts';
import { requireContainer } from './containers.service.ts';
import { type BlobContent, describeContent, requireContent } from './content.rules.ts';
import { drop, markLoose, rowsAtOnce, unmarkLoose, unnamed } from './loose.store.ts';
import { requireBlobName, requireContainerName } from './names.rules.ts';
import type { OpenedAccount, OpenedAccounts } from './opened-accounts.service.ts';
import { attemptsMax, partsOf } from './reading.service.ts';
import { type BlobRef, requireScope } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';
import { blocksKeptMs, expireBlocks, type InWork, settle, settleLoose } from './upkeep.service.ts';

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
/** Blocks that are read at once. */
const readAtOnce = 1_000;

export function createBlocks(deps: {
  readonly accounts: Accounts;
  readonly opened: OpenedAccounts;
  readonly clock: Clock;
  readonly inWork: InWork;
}): Blocks {
  const { accounts, opened, clock, inWork } = deps;
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
    await settleLoose(account.index, account.sealed, inWork);
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
        const staging = await blocks.findStaging(tx, ref.container, ref.name);
        if (staging !== undefined && staging.blocks >= blocksMax) throw storageFailures.BlockCountExceedsLimit();
        if (staging !== undefined && staging.idBytes !== idBytes(blockId)) throw storageFailures.InvalidBlobOrBlock();
        const id = staging?.id ?? randomUuid();
        if (staging === undefined)
          await blocks.insertStaging(tx, ref.container, ref.name, { id, blocks: 0, idBytes: idBytes(blockId) });
        return await unnamed(tx, await blocks.putBlock(tx, id, { ...written, blockId }, clock.epochMs()));
      });
      sealed.adopted([written.file]);
      await sealed.discard(replaced);
      return { md5: written.md5 };
    } catch (thrown) {
      await discardUnreferenced(account, [written.file]);
      throw thrown;
    }
  }

  /**
   * Parts of a long list are written ahead, a piece a transaction, below a version that no blob has yet; the last piece gives it
   * the blob. What is written ahead names its files, so that they stay whatever becomes of the blocks meanwhile.
   */
  async function commit(
    account: OpenedAccount,
    ref: BlobRef,
    choices: readonly BlockChoice[],
    content: BlobContent,
    conditions: Conditions,
  ): Promise<BlobInfo> {
    requireContent(content);
    if (choices.length > blocksMax) throw storageFailures.BlockListTooLong();
    const { index, sealed } = account;
    const assembly = createAssembly(ref, choices);
    const { version } = assembly;
    const isAhead = assembly.isLong();
    inWork.add(version);
    try {
      if (isAhead) {
        await requireContainer(index.read, ref.container);
        requireWritable(conditions, (await store.findBlob(index.read, ref.container, ref.name))?.info);
        await index.write((tx) => markLoose(tx, [version]));
        while (assembly.isLong()) await index.write((tx) => assembly.takeNext(tx), { rows: rowsAtOnce });
      }
      const { info, dropped } = await index.write(
        async (tx) => {
          const before = await assembly.takeNext(tx);
          requireWritable(conditions, before?.info);
          const now = clock.now();
          const info: BlobInfo = {
            ...describeContent(ref.name, content, now),
            // Put together anew it is still the same blob.
            createdAt: before?.info.createdAt ?? now,
            size: assembly.size(),
            contentMd5: content.toldMd5 || undefined,
            // Blocks come in any order: only reading them in theirs tells.
            sha256: undefined,
          };
          await store.putBlob(tx, ref.container, { version, info });
          if (isAhead) await unmarkLoose(tx, [version]);
          const staging = await blocks.endStaging(tx, ref.container, ref.name);
          return { info, dropped: await drop(tx, defined([staging, before?.version])) };
        },
        { rows: Math.min(choices.length, rowsAtOnce) },
      );
      await settle(index, sealed, dropped);
      return info;
    } catch (thrown) {
      if (isAhead) await settle(index, sealed, { files: [], left: [version] });
      throw thrown;
    } finally {
      inWork.delete(version);
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
      within(grant, ref, (account) => commit(account, ref, choices, content, conditions)),
    listBlocks: async (grant, ref) =>
      within(grant, ref, async (account) => {
        const { read } = account.index;
        await requireContainer(read, ref.container);
        for (let attempt = 0; attempt < attemptsMax; attempt++) {
          const seen = await named(read, ref);
          if (seen.blob === undefined && seen.staging === undefined) throw storageFailures.BlobNotFound();
          const uncommitted = seen.staging === undefined ? [] : await everyBlock(read, seen.staging.id);
          const bounds = { start: 0, end: (seen.blob?.info.size ?? 0) - 1 };
          const parts = seen.blob === undefined ? [] : await partsOf(account, seen.blob.version, bounds);
          // What was replaced while it was read may have been half taken away.
          const now = await named(read, ref);
          if (now.blob?.version !== seen.blob?.version || now.staging?.id !== seen.staging?.id) continue;
          const committed = parts.flatMap(({ blockId, size }) => (blockId === undefined ? [] : [{ blockId, size }]));
          return { info: seen.blob?.info, committed, uncommitted };
        }
        throw storageFailures.alwaysReplaced();
      }),
  };
}

/** What has that name: a blob, and blocks that wait. */
async function named(tx: Tx, { container, name }: BlobRef) {
  return { blob: await store.findBlob(tx, container, name), staging: await blocks.findStaging(tx, container, name) };
}

async function everyBlock(tx: Tx, staging: string): Promise<readonly Block[]> {
  const all: Block[] = [];
  for (;;) {
    const page = await blocks.listBlocks(tx, staging, all.at(-1)?.blockId ?? '', readAtOnce);
    all.push(...page);
    if (page.length < readAtOnce) return all;
    await yieldToEventLoop();
  }
}

/** A version in the making: takes the blocks that a list chooses, `rowsAtOnce` of them in each write. */
function createAssembly(ref: BlobRef, choices: readonly BlockChoice[]) {
  const version = randomUuid();
  let at = 0;
  let size = 0;
  /** Where the first block came from, of each kind: in a later write they must come from the same. */
  let from: { staging?: string; version?: string } = {};

  return {
    version,
    size: () => size,
    /** More than one write can take. */
    isLong: () => choices.length - at > rowsAtOnce,
    /** Writes the next parts. Throws `invalid` InvalidBlockList for a block that is not where it is looked for. Answers the blob. */
    async takeNext(tx: Tx): Promise<StoredBlob | undefined> {
      await requireContainer(tx, ref.container);
      const { blob, staging } = await named(tx, ref);
      const chosen = choices.slice(at, at + rowsAtOnce);
      const ids = (isWanted: (choice: BlockChoice) => boolean) => [
        ...new Set(chosen.filter(isWanted).map(({ blockId }) => blockId)),
      ];
      const waiting = new Map<string, Block>();
      if (staging !== undefined)
        for (const block of await blocks.findBlocks(
          tx,
          staging.id,
          ids(({ from }) => from !== 'Committed'),
        ))
          waiting.set(block.blockId, block);
      const old = new Map<string, Part>();
      const isOld = ({ from, blockId }: BlockChoice) =>
        from === 'Committed' || (from === 'Latest' && !waiting.has(blockId));
      if (blob !== undefined)
        for (const part of await store.findParts(tx, blob.version, ids(isOld))) old.set(part.blockId ?? '', part);
      if (waiting.size > 0) from = { staging: staging?.id ?? '', ...from };
      if (old.size > 0) from = { version: blob?.version ?? '', ...from };
      if ((from.staging ?? staging?.id) !== staging?.id || (from.version ?? blob?.version) !== blob?.version)
        throw storageFailures.InvalidBlockList();
      const parts: Part[] = [];
      for (const choice of chosen) {
        const { blockId } = choice;
        const block =
          (choice.from === 'Committed' ? undefined : waiting.get(blockId)) ??
          (choice.from === 'Uncommitted' ? undefined : old.get(blockId));
        if (block === undefined) throw storageFailures.InvalidBlockList();
        const { file, sealedSize, keyId } = block;
        const sealedAs = 'sealedAs' in block ? block.sealedAs : undefined;
        // A block of nothing has nothing to be read from.
        if (block.size > 0) parts.push({ start: size, size: block.size, file, sealedSize, keyId, blockId, sealedAs });
        size += block.size;
        if (size > blobBytesMax) throw storageFailures.blocksTooLarge(blobBytesMax);
      }
      await store.insertParts(tx, version, parts);
      at += chosen.length;
      return blob;
    },
  };
}

const idBytes = (blockId: string) => Buffer.byteLength(blockId, 'base64');

export function requireBlockId(blockId: string): void {
  const bytes = Buffer.from(blockId, 'base64');
  if (bytes.length < 1 || bytes.length > 64 || bytes.toString('base64') !== blockId)
    throw storageFailures.InvalidBlockId();
}
