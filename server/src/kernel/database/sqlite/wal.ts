// Keeps the write-ahead log short without holding the event loop. To move pages from the log into the file, each is decrypted and
// encrypted once more: a hundred milliseconds in which nobody else is served. Another thread does it while writing goes on; where
// that failed, fell behind or never came to the end of the log, it is done here, at a larger bound. SQLite's own way is off, because
// it passes over a sync that fails: pages counted as moved before it would be lost without a word.

import { type Engine, isSyncFailure } from './engine.ts';

export type Wal = {
  /** After each commit. */
  committed(): void;
  /** Resolves when nothing is being moved. */
  settled(): Promise<void>;
};

/** Pages that are in the log alone: 4 MiB. */
const pagesMax = 1_000;
/** Pages of the log, moved or not: it begins again at its head only after a move that nobody wrote beside. */
const logPagesMax = 4_000;
/** Looking takes a lock on the file: not after every commit. */
const commitsUnseen = 16;

/**
 * @param move moves what is in the log now, elsewhere than on this thread
 * @param stop a sync failed while pages were moved: what the file holds of them is not known
 */
export function createWal(options: {
  readonly engine: Engine;
  readonly move: () => Promise<void>;
  readonly stop: (cause: unknown) => void;
}): Wal {
  const { engine, move, stop } = options;
  let commits = 0;
  let moving: Promise<void> | undefined;

  /** The commit is durable: neither looking nor moving may make it fail. */
  function moveHere(): void {
    try {
      engine.run('pragma wal_checkpoint(passive)', []);
    } catch (error) {
      if (isSyncFailure(error)) stop(error);
    }
  }

  function look(): { readonly pages: number; readonly left: number } {
    try {
      const [row] = engine.run('pragma wal_checkpoint(noop)', []).rows;
      const pages = Number(row?.['log'] ?? 0);
      return { pages, left: pages - Number(row?.['checkpointed'] ?? 0) };
    } catch {
      return { pages: 0, left: 0 };
    }
  }

  function moveElsewhere(): void {
    // What fails here is tried again after some commits, and costs nobody's write.
    moving = move()
      .catch((error: unknown) => {
        if (isSyncFailure(error)) stop(error);
      })
      .finally(() => {
        moving = undefined;
      });
  }

  return {
    committed() {
      commits += 1;
      if (commits < commitsUnseen) return;
      commits = 0;
      const { pages, left } = look();
      if (pages >= logPagesMax) moveHere();
      else if (left >= pagesMax && moving === undefined) moveElsewhere();
    },
    settled: async () => moving,
  };
}
