// What keeps an account's files and its index in step: removal in batches, and the repair of what a crash left. Each step
// may be cut off anywhere and begun again.

import type { Database } from '#kernel/database/database';
import * as store from './blobs.store.ts';
import { deleteSomeBlocks } from './blocks.store.ts';
import * as containers from './containers.store.ts';
import type { SealedFiles } from './sealed-files.service.ts';

/** Blocks that were staged and not committed are dropped after a week, as Azure does. */
export const blocksKeptMs = 7 * 24 * 60 * 60 * 1000;
const batchSize = 500;
const containersMax = 10_000;

/** Takes away a container with every blob and block in it, a batch a transaction. While it is at it, the container takes no calls. */
export async function removeContainer(index: Database, sealed: SealedFiles, container: string): Promise<void> {
  await index.write((tx) => containers.markDeleting(tx, container));
  for (;;) {
    const page = await store.listBlobs(index.read, { container, prefix: '', after: '', limit: batchSize });
    const blocks = await index.write((tx) => deleteSomeBlocks(tx, { container }, batchSize), { rows: batchSize });
    await sealed.discard(blocks);
    await removeBlobs(index, sealed, container, page);
    if (page.length === 0 && blocks.length === 0) break;
  }
  await index.write((tx) => containers.deleteContainer(tx, container));
}

/** Takes away these versions, and leaves a blob alone that was replaced since it was listed. */
export async function removeBlobs(
  index: Database,
  sealed: SealedFiles,
  container: string,
  blobs: readonly store.StoredBlob[],
): Promise<void> {
  const files = await index.write(
    async (tx) => {
      const dropped: string[] = [];
      for (const { version, info } of blobs) {
        if (!(await store.deleteBlob(tx, container, info.name, version))) continue;
        dropped.push(...(await store.deleteParts(tx, version)));
      }
      return dropped;
    },
    { rows: blobs.length },
  );
  await sealed.discard(files);
}

/** Drops blocks whose week is over. */
export async function expireBlocks(index: Database, sealed: SealedFiles, nowMs: number): Promise<void> {
  for (;;) {
    const files = await index.write((tx) => deleteSomeBlocks(tx, { stagedBeforeMs: nowMs - blocksKeptMs }, batchSize), {
      rows: batchSize,
    });
    await sealed.discard(files);
    if (files.length < batchSize) return;
  }
}

/** After a crash: containers half deleted, and files that no row refers to. Only while nothing else uses the account. */
export async function repair(index: Database, sealed: SealedFiles, nowMs: number): Promise<void> {
  await expireBlocks(index, sealed, nowMs);
  const all = await containers.listContainers(index.read, { prefix: '', after: '', limit: containersMax });
  for (const container of all) if (container.isDeleting) await removeContainer(index, sealed, container.name);
  await sealed.sweep((names) => store.referenced(index.read, names));
}
