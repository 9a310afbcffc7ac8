// What keeps an account's files and its index in step: removal in batches, and the repair of what a crash left. Each step
// may be cut off anywhere and begun again.

import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import * as store from './blobs.store.ts';
import { deleteOldBlocks, endStaging, listStagings } from './blocks.store.ts';
import * as containers from './containers.store.ts';
import * as loose from './loose.store.ts';
import type { SealedFiles } from './sealed-files.service.ts';

/** Blocks that were staged and not committed are dropped after a week, as Azure does. */
export const blocksKeptMs = 7 * 24 * 60 * 60 * 1000;
const namesAtOnce = 200;
const idsAtOnce = 50;
const containersMax = 10_000;

/** Versions that are being put together, of all accounts: what lies below them is loose, and wanted. */
export type InWork = Set<string>;

/** Takes away a container with every blob and block in it, a piece a transaction. While it is at it, the container takes no calls. */
export async function removeContainer(index: Database, sealed: SealedFiles, container: string): Promise<void> {
  await index.write((tx) => containers.markDeleting(tx, container));
  for (;;) {
    const stagings = await listStagings(index.read, container, namesAtOnce);
    const dropped = await index.write(
      async (tx) => {
        for (const { blob } of stagings) await endStaging(tx, container, blob);
        return await loose.drop(
          tx,
          stagings.map(({ id }) => id),
        );
      },
      { rows: namesAtOnce + loose.rowsAtOnce },
    );
    await settle(index, sealed, dropped);
    const page = await store.listBlobs(index.read, { container, prefix: '', after: '', limit: namesAtOnce });
    await removeBlobs(index, sealed, container, page);
    if (page.length === 0 && stagings.length === 0) break;
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
  const dropped = await index.write(
    async (tx) => {
      const gone: string[] = [];
      for (const { version, info } of blobs)
        if (await store.deleteBlob(tx, container, info.name, version)) gone.push(version);
      return await loose.drop(tx, gone);
    },
    { rows: blobs.length + loose.rowsAtOnce },
  );
  await settle(index, sealed, dropped);
}

/**
 * After a write that took names away: removes the files, and what is left of the rows, some a transaction. What cannot be taken
 * away now stays loose, and goes within the hour or when the account is opened again: the names are gone all the same.
 */
export async function settle(
  index: Pick<Database, 'write'>,
  sealed: Pick<SealedFiles, 'discard'>,
  { files, left }: loose.Dropped,
): Promise<void> {
  await sealed.discard(files);
  try {
    for (let ids = left; ids.length > 0; ) {
      const [now, later] = [ids.slice(0, idsAtOnce), ids.slice(idsAtOnce)];
      const dropped = await index.write(
        async (tx) => {
          const wanted = await loose.stillLoose(tx, now);
          const next = await loose.drop(tx, wanted);
          await loose.unmarkLoose(
            tx,
            wanted.filter((id) => !next.left.includes(id)),
          );
          return next;
        },
        { rows: loose.rowsAtOnce },
      );
      await sealed.discard(dropped.files);
      ids = [...dropped.left, ...later];
    }
  } catch (thrown) {
    // A full disk, or a database that is closing. Damage and mistakes of ours are told.
    if (!(thrown instanceof Failure && ['full', 'unavailable'].includes(thrown.kind))) throw thrown;
  }
}

/** What was left loose. @param except versions that are being put together */
export async function settleLoose(
  index: Database,
  sealed: SealedFiles,
  except: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (let after = ''; ; ) {
    const ids = await loose.listLoose(index.read, after, namesAtOnce);
    await settle(index, sealed, { files: [], left: ids.filter((id) => !except.has(id)) });
    const last = ids.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

/** Drops blocks whose week is over. */
export async function expireBlocks(index: Database, sealed: SealedFiles, nowMs: number): Promise<void> {
  const limit = loose.rowsAtOnce;
  for (let isLeft = true; isLeft; ) {
    const { taken, files } = await index.write(
      async (tx) => {
        const gone = await deleteOldBlocks(tx, nowMs - blocksKeptMs, limit);
        return { taken: gone.length, files: await loose.unnamed(tx, gone) };
      },
      { rows: limit },
    );
    await sealed.discard(files);
    isLeft = taken === limit;
  }
}

/** After a crash: what is loose, containers half deleted, and files that no row names. Only while nothing else uses the account. */
export async function repair(index: Database, sealed: SealedFiles, nowMs: number): Promise<void> {
  await expireBlocks(index, sealed, nowMs);
  await settleLoose(index, sealed);
  const all = await containers.listContainers(index.read, { prefix: '', after: '', limit: containersMax });
  for (const container of all) if (container.isDeleting) await removeContainer(index, sealed, container.name);
  await sealed.sweep((names) => loose.referenced(index.read, names));
}
