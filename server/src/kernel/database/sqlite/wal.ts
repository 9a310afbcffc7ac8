// Keeps the write-ahead log short without holding the event loop. What SQLite does by itself, within a commit, is to move pages
// from the log into the file, each decrypted and encrypted once more: a hundred milliseconds in which nobody else is served.
// Another thread does it while writing goes on. It decides when; should the other thread fail or fall behind, SQLite's own way
// is still there at a larger bound (`engine.ts`).

import type { Engine } from './engine.ts';

export type Wal = {
  /** After each commit. */
  committed(): void;
  /** Resolves when nothing is being moved. */
  settled(): Promise<void>;
};

/** Pages that are in the log alone: 4 MiB. */
const pagesMax = 1_000;
/** Looking takes a lock on the file: not after every commit. */
const commitsUnseen = 16;

/** @param move moves what is in the log now, elsewhere than on this thread */
export function createWal({ engine, move }: { readonly engine: Engine; readonly move: () => Promise<void> }): Wal {
  let commits = 0;
  let moving: Promise<void> | undefined;

  function pagesLeft(): number {
    try {
      const [row] = engine.run('pragma wal_checkpoint(noop)', []).rows;
      return Number(row?.['log'] ?? 0) - Number(row?.['checkpointed'] ?? 0);
    } catch {
      // The commit is durable: looking must not make it fail.
      return 0;
    }
  }

  return {
    committed() {
      commits += 1;
      if (moving !== undefined || commits < commitsUnseen) return;
      commits = 0;
      if (pagesLeft() < pagesMax) return;
      // What fails here is tried again after some commits, and costs nobody's write.
      moving = move()
        .catch(() => {})
        .finally(() => {
          moving = undefined;
        });
    },
    settled: async () => moving,
  };
}
