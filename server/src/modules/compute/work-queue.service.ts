// Work that is queued or held, in memory, and the one way in which it ends: first the row, then the owner is told. Promises
// that work ends once, whoever says so first, and that its owner hears of it even when the server dies in between. Events of
// one item take turns.

import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import { createTurn, type Turn } from '#kernel/turns/turns';
import type { Session } from './agents.service.ts';
import type { Clusters } from './clusters.service.ts';
import * as store from './work.store.ts';
import type { WorkEvent, WorkKind, WorkOwner, WorkSpec, WorkState } from './work.types.ts';

export type LiveState = Exclude<WorkState, 'finished' | 'lost'>;

/** How much work there is: numbers, and nobody's name. */
export type Load = {
  readonly work: Readonly<Record<WorkKind, Readonly<Record<LiveState, number>>>>;
  /** How long the job that has waited longest has waited; 0: none waits. */
  readonly oldestJobSeconds: number;
};

export type Item = {
  readonly spec: WorkSpec;
  /** When it was submitted. */
  readonly queuedAtMs: number;
  state: LiveState;
  /** Grows with every lease: an earlier holder's reports are refused. */
  fence: number;
  /** Number of the last event that the owner was told of, in this lease. */
  lastSeq: number;
  session: Session | undefined;
  /** A scoring server that answers. */
  ready: boolean;
  stopGraceSeconds: number | undefined;
  renewal: { atMs: number; readonly everyMs: number } | undefined;
  ending: boolean;
  readonly turn: Turn;
};

export type Ended = Extract<WorkEvent, { type: 'finished' | 'lost' }>;

export type WorkQueue = ReturnType<typeof createWorkQueue>;

const untoldMax = 1_000;
const rememberMs = 24 * 3_600_000;

export function createWorkQueue(deps: {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly clusters: Clusters;
}) {
  const { database, clock, log, clusters } = deps;
  const owners = new Map<WorkKind, WorkOwner>();
  /** In the order of submission: the queue. */
  const items = new Map<string, Item>();
  /** Ends that an owner could not take yet. Their message is only here: it is the workspace's, and never stored. */
  const untold = new Map<string, { readonly spec: WorkSpec; readonly event: Ended }>();
  /** Owners are being told of these at this moment. */
  const telling = new Set<string>();
  const watchers = new Set<() => void>();

  function ownerOf(spec: WorkSpec): WorkOwner {
    const owner = owners.get(spec.kind);
    if (owner === undefined) throw new Error(`nobody owns work of the kind ${spec.kind}`);
    return owner;
  }

  function add(spec: WorkSpec, fence: number, queuedAtMs: number): Item {
    const item: Item = {
      spec,
      queuedAtMs,
      state: 'queued',
      fence,
      lastSeq: 0,
      session: undefined,
      ready: false,
      stopGraceSeconds: undefined,
      renewal: undefined,
      ending: false,
      turn: createTurn(),
    };
    items.set(spec.id, item);
    return item;
  }

  let version = 0;
  const changed = (): void => {
    version += 1;
    for (const watcher of watchers) watcher();
  };

  /** Only within the item's turn. Does nothing for work that has ended. */
  async function end(item: Item, event: Ended): Promise<void> {
    if (item.ending) return;
    item.ending = true;
    const { spec, fence, lastSeq } = item;
    const ending: store.Ending =
      event.type === 'lost'
        ? { state: 'lost', fence, lastSeq, reason: null, exitCode: null }
        : { state: 'finished', fence, lastSeq, reason: event.reason, exitCode: event.exitCode };
    try {
      await database.write((tx) => store.endWork(tx, spec.id, ending, clock.epochMs()));
    } catch (thrown) {
      item.ending = false;
      throw thrown;
    }
    // Before it leaves the items, so that the sweep never takes it for one that nobody tells.
    telling.add(spec.id);
    items.delete(spec.id);
    if (spec.computeId !== undefined) clusters.release(idKey(spec.computeId), spec.id);
    changed();
    await tell(spec, event);
  }

  async function tell(spec: WorkSpec, event: Ended): Promise<void> {
    telling.add(spec.id);
    try {
      await ownerOf(spec).onEvent(spec, event);
      await database.write((tx) => store.markTold(tx, spec.id));
      untold.delete(spec.id);
    } catch (error) {
      untold.set(spec.id, { spec, event });
      log.warn({ module: 'compute', job: spec.label, error }, 'the end of work could not be told; it is told again');
    } finally {
      telling.delete(spec.id);
    }
  }

  /** Tells again what could not be told, in this process or an earlier one. */
  async function tellUntold(): Promise<void> {
    for (const stored of await store.untoldWork(database.read, untoldMax)) {
      // One that ends at this moment is told by whoever ends it.
      if (items.has(stored.spec.id) || telling.has(stored.spec.id)) continue;
      const kept = untold.get(stored.spec.id)?.event;
      await tell(stored.spec, kept ?? endedOf(stored));
    }
  }

  return {
    owners,
    items,
    ownerOf,
    add,
    end,
    /** Called whenever something was queued, freed or is to be stopped; answers how to be called no more. */
    onChange(watcher: () => void): () => void {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
    changed,
    /** Grows with every change: who looked before it has to look again. */
    version: () => version,
    tellUntold,
    /** Walks what is in memory, which is `queueMax` at most. */
    measure(): Load {
      const none = () => ({ queued: 0, leased: 0, running: 0 });
      const work = { job: none(), score: none() };
      const now = clock.epochMs();
      let oldestMs = now;
      for (const { spec, state, queuedAtMs } of items.values()) {
        work[spec.kind][state] += 1;
        if (spec.kind === 'job' && state === 'queued') oldestMs = Math.min(oldestMs, queuedAtMs);
      }
      return { work, oldestJobSeconds: (now - oldestMs) / 1000 };
    },
    /** Ends, as lost, what agents of an earlier server process held, and queues again what waited. */
    async load(): Promise<number> {
      await database.write((tx) => store.loseHeldWork(tx, clock.epochMs()));
      for (const stored of await store.queuedWork(database.read, queueMax))
        add(stored.spec, stored.fence, stored.createdAtMs);
      return store.lastNumber(database.read);
    },
    forgetOld: () => database.write((tx) => store.forgetWork(tx, clock.epochMs() - rememberMs)),
  };
}

/** Work that may wait or run at once, over everything. */
export const queueMax = 10_000;

function endedOf(stored: store.StoredWork): Ended {
  if (stored.state === 'lost' || stored.reason === null) return { type: 'lost' };
  return { type: 'finished', reason: stored.reason, exitCode: stored.exitCode, message: undefined };
}
