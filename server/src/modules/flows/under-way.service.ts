// Which jobs made of others are under way, and that each is looked at whenever something happened to it or to a child: one
// look at a time for each, in the order in which they were asked for, never inside what caused it, and again after a crash. A look may find nothing to do; whatever it
// does may be done twice. What throws is looked at again with the next tick.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Database } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import { flowsFailures } from './flows.errors.ts';
import * as store from './under-way.store.ts';

/** `ended`: it needs no more looks. `timed`: it wants one with every tick, besides those that are asked for. */
export type Looked = 'ended' | 'waits' | 'timed';

export const flowsMax = 200;
const pageRows = 5_000;
const atOnce = 4;

export type UnderWays = {
  /**
   * Durable when it resolves. Throws `conflict` when the workspace has as many as it may have; one that stands in another one
   * is counted with that.
   */
  add(jobId: string, workspaceId: string, isWithin: boolean): Promise<void>;
  /** Waits for nothing and never throws. */
  look(jobId: string): void;
  /** Looks at those that go by the time, and at those whose last look failed. */
  tick(): void;
  /** After a start: looks at all that an earlier process left. */
  load(): Promise<void>;
  forgetWorkspace(workspaceId: string): Promise<void>;
  /** Every one of them, by id. */
  all(): readonly string[];
  /** Resolves when nothing is being looked at, nor about to be. */
  idle(): Promise<void>;
  /** No more looks are begun. One that was is cut off like by a crash, and done again after the next start. */
  stop(): void;
};

type Entry = {
  readonly jobId: string;
  readonly workspace: string;
  isTimed: boolean;
  looking: boolean;
};

export function createUnderWays(deps: {
  readonly database: Database;
  readonly log: Log;
  readonly lookAt: (jobId: string) => Promise<Looked>;
  /** What was kept for it goes; before it is forgotten that it was under way. */
  readonly ended: (jobId: string) => Promise<void>;
}): UnderWays {
  const { database, log, lookAt } = deps;
  const entries = new Map<string, Entry>();
  /** Those that are to be looked at, whoever asked first before the others: one that is asked for all the time keeps none waiting. */
  const wanted = new Map<string, Entry>();
  const waiting: (() => void)[] = [];
  // A look must not run in the context of the request that caused it.
  const atHome = AsyncLocalStorage.snapshot();
  let looking = 0;
  let stopped = false;

  function pump(): void {
    for (const [key, entry] of wanted) {
      if (looking >= atOnce || stopped) break;
      if (entry.looking) continue;
      wanted.delete(key);
      entry.looking = true;
      looking += 1;
      void atHome(() => lookOnce(key, entry)).finally(() => {
        entry.looking = false;
        looking -= 1;
        pump();
      });
    }
    if (looking === 0) for (const resume of waiting.splice(0)) resume();
  }

  function forget(key: string): void {
    entries.delete(key);
    wanted.delete(key);
  }

  async function lookOnce(key: string, entry: Entry): Promise<void> {
    try {
      const looked = await lookAt(entry.jobId);
      entry.isTimed = looked === 'timed';
      if (looked !== 'ended') return;
      await deps.ended(entry.jobId);
      await database.write((tx) => store.deleteUnderWay(tx, key));
      forget(key);
    } catch (error) {
      entry.isTimed = true;
      log.warn(
        { module: 'flows', job: entry.jobId.split('/').at(-1), error },
        'a job made of others is looked at again',
      );
    }
  }

  const put = (row: store.UnderWay): Entry => {
    const entry = entries.get(row.key) ?? {
      ...{ jobId: row.job_id, workspace: row.workspace, isTimed: false, looking: false },
    };
    entries.set(row.key, entry);
    return entry;
  };

  return {
    async add(jobId, workspaceId, isWithin) {
      const row = { key: idKey(jobId), job_id: jobId, workspace: idKey(workspaceId), is_within: isWithin ? 1 : 0 };
      await database.write(async (tx) => {
        if (!isWithin && (await store.countUnderWay(tx, row.workspace, row.key)) >= flowsMax)
          throw flowsFailures.TooManyFlows(flowsMax);
        await store.insertUnderWay(tx, row);
      });
      put(row);
    },
    look(jobId) {
      const key = idKey(jobId);
      const entry = entries.get(key);
      if (entry === undefined) return;
      wanted.set(key, entry);
      pump();
    },
    tick() {
      for (const [key, entry] of entries) if (entry.isTimed) wanted.set(key, entry);
      pump();
    },
    async load() {
      for (let after = ''; ; ) {
        const rows = await store.underWayAfter(database.read, after, pageRows);
        for (const row of rows) wanted.set(row.key, put(row));
        after = rows.at(-1)?.key ?? '';
        if (rows.length < pageRows) break;
      }
      pump();
    },
    async forgetWorkspace(workspaceId) {
      const workspace = idKey(workspaceId);
      await database.write((tx) => store.deleteOfWorkspace(tx, workspace));
      for (const [key, entry] of entries) if (entry.workspace === workspace) forget(key);
    },
    all: () => [...entries.values()].map(({ jobId }) => jobId),
    async idle() {
      pump();
      if (looking > 0) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    stop() {
      stopped = true;
    },
  };
}
