// The one place where records become leaves. Callers queue; one transaction at a time takes everything that waits, gives
// each record the next sequence, and stores rows, tiles and the tree's new state together: the order of sequences is the
// order of leaves, and a burst pays for one fsync. The tree in memory moves only after the commit, so a commit that fails
// leaves it where the disk is. Fails closed: before load, after close and beyond the queue's bound nothing is accepted.

import { AsyncLocalStorage } from 'node:async_hooks';
import { createTree, type TreeState } from '#kernel/crypto/merkle';
import { type Database, isStopped, type Tx } from '#kernel/database/database';
import { auditFailures } from './audit.errors.ts';
import { insertRecord, insertTile, moveTree, readLeaves, readTree } from './audit.store.ts';
import type { Encoded } from './record.rules.ts';
import { leavesPerTile } from './tiles.rules.ts';

export type Appender = {
  /** Reads where the log ended and says below which sequence every intent has its outcome. Throws `AuditDamaged`. */
  load(): Promise<{ readonly settled: number }>;
  /** Durable when it resolves, with the sequence. Rejects with `AuditUnavailable`, and then nothing was stored. */
  append(encoded: Encoded): Promise<number>;
  /** The tree of what is durable. */
  tree(): TreeState;
  /** Refuses from now on, and waits for what is queued. */
  close(): Promise<void>;
};

type Waiting = {
  readonly encoded: Encoded;
  readonly resolve: (sequence: number) => void;
  readonly reject: (error: unknown) => void;
};
/** The whole tree, and the tile at its end that is not full yet. */
type Head = { readonly tree: TreeState; readonly tile: TreeState };

const waitingMax = 10_000;
/** One transaction must not hold the event loop for longer than a few milliseconds. */
const batchMax = 256;

export function createAppender(database: Database): Appender {
  let head: Head | undefined;
  let closed = false;
  let pumping: Promise<void> | undefined;
  let waiting: Waiting[] = [];
  /** Intents without an outcome, in the order of their sequences. */
  const open = new Set<number>();
  // The pump serves everybody: it must not run in the async context of the request that happened to start it.
  const atHome = AsyncLocalStorage.snapshot();

  async function pump(): Promise<void> {
    while (waiting.length > 0) {
      let batch: readonly Waiting[] = [];
      try {
        const from = head;
        if (from === undefined) throw auditFailures.AuditDamaged('it was not loaded');
        head = await database.write(async (tx) => {
          // Taken as late as possible: whoever arrived while the last commit was syncing belongs to this one.
          batch = waiting.slice(0, batchMax);
          waiting = waiting.slice(batchMax);
          return await store(tx, from, batch);
        });
        accept(from.tree.size, batch);
      } catch (error) {
        // The write did not even run: refuse who would have been in it, rather than try for ever.
        if (batch.length === 0) {
          batch = waiting;
          waiting = [];
        }
        const refusal = isStopped(error)
          ? auditFailures.notRecordedUntilStarted(error)
          : auditFailures.notRecorded(error);
        for (const { reject } of batch) reject(refusal);
      }
    }
    pumping = undefined;
  }

  async function store(tx: Tx, from: Head, batch: readonly Waiting[]): Promise<Head> {
    const tree = createTree(from.tree);
    let tile = createTree(from.tile);
    let sequence = from.tree.size;
    for (const { encoded } of batch) {
      await insertRecord(tx, sequence, encoded);
      tree.append(encoded.leaf);
      tile.append(encoded.leaf);
      sequence += 1;
      if (sequence % leavesPerTile !== 0) continue;
      await insertTile(tx, sequence / leavesPerTile - 1, tile.root());
      tile = createTree();
    }
    const [oldestOpen] = open;
    const next = { tree: tree.state(), tile: tile.state() };
    await moveTree(tx, from.tree, { tree: next.tree, settled: oldestOpen ?? from.tree.size });
    return next;
  }

  function accept(first: number, batch: readonly Waiting[]): void {
    for (const [index, { encoded, resolve }] of batch.entries()) {
      const { kind, intent } = encoded.columns;
      if (kind === 'intent') open.add(first + index);
      if (intent !== null) open.delete(intent);
      resolve(first + index);
    }
  }

  return {
    async load() {
      const { tree, settled } = await readTree(database.read);
      const full = Math.floor(tree.size / leavesPerTile) * leavesPerTile;
      const tile = createTree();
      for (const leaf of await readLeaves(database.read, full, tree.size)) tile.append(leaf);
      // Throws for a state that cannot be.
      createTree(tree);
      head = { tree, tile: tile.state() };
      return { settled };
    },
    append(encoded) {
      if (head === undefined || closed || waiting.length >= waitingMax)
        return Promise.reject(auditFailures.notRecorded());
      return new Promise((resolve, reject) => {
        waiting.push({ encoded, resolve, reject });
        pumping ??= atHome(pump);
      });
    },
    tree() {
      if (head === undefined) throw auditFailures.notRecorded();
      return head.tree;
    },
    async close() {
      closed = true;
      await pumping;
    },
  };
}
