// Work that is queued or held, in memory, and the only writer of its state: every transition of `work.states.rules.ts` is a
// function here, which refuses what the table does not have and what an earlier holder says. Promises that work ends once,
// whoever says so first, that it is held by one session of its own target at a time, and that its owner hears of its end even
// when the server dies in between. Events of one item take turns.

import type { Clock } from '#kernel/clock/clock';
import { type Database, isUniqueViolation } from '#kernel/database/database';
import { idKey, sameId } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import { createTurn, createTurns, type Turn } from '#kernel/turns/turns';
import type { Session } from './agents.service.ts';
import type { Clusters } from './clusters.service.ts';
import { computeFailures } from './compute.errors.ts';
import { createFairLine, type FairLine, inOrder, type Waiting } from './fair-line.rules.ts';
import type { TargetId } from './targets.rules.ts';
import { after, type EndTransition, isLive, type LiveState, type Transition } from './work.states.rules.ts';
import * as store from './work.store.ts';
import type { WorkEvent, WorkKind, WorkOwner, WorkSpec } from './work.types.ts';

/** How much work there is: numbers, and nobody's name. */
export type Load = {
  readonly work: Readonly<Record<WorkKind, Readonly<Record<LiveState, number>>>>;
  /** How long the job that has waited longest has waited; 0: none waits. */
  readonly oldestJobSeconds: number;
};

export type Item = {
  readonly spec: WorkSpec;
  /** Where it was placed when it was submitted: no session of another target ever has it. */
  readonly target: TargetId;
  /** When it was submitted. */
  readonly queuedAtMs: number;
  readonly state: LiveState;
  /** Grows with every lease: an earlier holder's reports are refused. */
  readonly fence: number;
  /** Number of the last event that the owner was told of, in this lease. */
  readonly lastSeq: number;
  readonly session: Session | undefined;
  /** A scoring server that answers. */
  readonly ready: boolean;
  readonly stopGraceSeconds: number | undefined;
  readonly renewal: { readonly atMs: number; readonly everyMs: number } | undefined;
  /** Its end is being written: nothing else happens to it any more. */
  readonly ending: boolean;
  readonly turn: Turn;
};
type Entry = { -readonly [K in keyof Item]: Item[K] } & Waiting & {
    /** The row of its lease, while it is being written. */
    leasing: Promise<void> | undefined;
  };

/** Who says something of an item: only its present holder is heard. */
export type Holder = { readonly session: Session; readonly fence: number };

type Finished = Extract<WorkEvent, { type: 'finished' }>;
type Ended = Finished | Extract<WorkEvent, { type: 'lost' }>;

/** `leased` resolves when its row says so too; false: it ended meanwhile. */
export type Taken = { readonly item: Item; readonly leased: Promise<boolean> };

export type WorkQueue = ReturnType<typeof createWorkQueue>;

const untoldMax = 1_000;
const rememberMs = 24 * 3_600_000;
/** Scoring sandboxes of one target that belong to no cluster. */
const scoringMax = 64;

export function createWorkQueue(deps: {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly clusters: Clusters;
}) {
  const { database, clock, log, clusters } = deps;
  const owners = new Map<WorkKind, WorkOwner>();
  const entries = new Map<string, Entry>();
  const items: ReadonlyMap<string, Item> = entries;
  /** Ends that an owner could not take yet. Their message is only here: it is the workspace's, and never stored. */
  const untold = new Map<string, { readonly spec: WorkSpec; readonly event: Ended }>();
  /** Owners are being told of these at this moment. */
  const telling = new Set<string>();
  const watchers = new Set<() => void>();
  const submitting = createTurns();
  /** What waits, by target: the queue. */
  const lines = new Map<TargetId, FairLine<Entry>>();
  const held = new Map<Session, Set<Entry>>();
  /** Places that are taken by what belongs to no cluster. */
  const scoring = new Map<TargetId, number>();
  let number = 0;

  function ownerOf(spec: WorkSpec): WorkOwner {
    const owner = owners.get(spec.kind);
    if (owner === undefined) throw new Error(`nobody owns work of the kind ${spec.kind}`);
    return owner;
  }

  function add({
    spec,
    target,
    number,
    fence,
    createdAtMs,
  }: Pick<store.StoredWork, 'spec' | 'target' | 'number' | 'fence' | 'createdAtMs'>) {
    const entry: Entry = {
      spec,
      target,
      ...turnOf(spec),
      number,
      queuedAtMs: createdAtMs,
      state: 'queued',
      fence,
      lastSeq: 0,
      session: undefined,
      ready: false,
      stopGraceSeconds: undefined,
      renewal: undefined,
      ending: false,
      turn: createTurn(),
      leasing: undefined,
    };
    entries.set(spec.id, entry);
    lineOf(target).add(entry);
    return entry;
  }

  function lineOf(target: TargetId): FairLine<Entry> {
    const line = lines.get(target) ?? createFairLine<Entry>();
    lines.set(target, line);
    return line;
  }

  function hold(entry: Entry, session: Session): void {
    entry.session = session;
    const all = held.get(session) ?? new Set<Entry>();
    held.set(session, all.add(entry));
  }

  function letGo(entry: Entry): void {
    const all = entry.session && held.get(entry.session);
    all?.delete(entry);
    if (entry.session !== undefined && all?.size === 0) held.delete(entry.session);
  }

  let version = 0;
  const changed = (): void => {
    version += 1;
    for (const watcher of watchers) watcher();
  };

  /** Undefined: it is no longer there, it ends already, or the table does not have this. */
  function entryFor(item: Item, transition: Transition): Entry | undefined {
    const entry = entries.get(item.spec.id);
    if (entry !== item || entry.ending || after(entry.state, transition) === undefined) return undefined;
    return entry;
  }

  const isHeldBy = (item: Item, { session, fence }: Holder): boolean =>
    entries.get(item.spec.id) === item && item.session === session && item.fence === fence && !item.ending;

  function move(entry: Entry, transition: Transition): void {
    const next = after(entry.state, transition);
    if (next === undefined || !isLive(next)) throw new Error(`work that is ${entry.state} cannot ${transition}`);
    entry.state = next;
  }

  /** Within bounds, a node of the item's cluster, or a place for what belongs to none. */
  function takeNode({ spec, target }: Item): boolean {
    if (spec.computeId !== undefined) return clusters.take(idKey(spec.computeId), spec.id);
    const taken = scoring.get(target) ?? 0;
    if (taken >= scoringMax) return false;
    scoring.set(target, taken + 1);
    return true;
  }

  /** Of one that had a node. */
  function freeNode({ spec, target }: Item): void {
    if (spec.computeId !== undefined) clusters.release(idKey(spec.computeId), spec.id);
    else scoring.set(target, (scoring.get(target) ?? 1) - 1);
  }

  /**
   * It is the session's from this moment on. `passed`: the session may not have it; `full`: no node is free for it.
   * `leased` resolves when the row says so too. Where that could not be written no agent has heard of it: then it waits again.
   */
  function lease(item: Item, session: Session): { readonly leased: Promise<boolean> } | 'passed' | 'full' {
    const entry = entryFor(item, 'lease');
    if (entry === undefined || session.target !== entry.target || entry.stopGraceSeconds !== undefined) return 'passed';
    // Another node may have the room, and this one may have it later.
    if ((entry.spec.keptBytes ?? 0) > session.keptBytes) return 'passed';
    if (!takeNode(entry)) return 'full';
    move(entry, 'lease');
    hold(entry, session);
    // Never used again, also where the lease is given back: a write that was refused may have been done.
    entry.fence += 1;
    entry.lastSeq = 0;
    const holder: Holder = { session, fence: entry.fence };
    const row = { agent: session.agent, session: session.id, fence: entry.fence };
    const leased = database
      .write((tx) => store.leaseWork(tx, entry.spec.id, row, clock.epochMs()))
      .catch((thrown: unknown) => {
        giveBack(entry, holder);
        throw thrown;
      });
    const leasing = leased
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        if (entry.leasing === leasing) entry.leasing = undefined;
      });
    entry.leasing = leasing;
    return { leased };
  }

  function giveBack(item: Item, holder: Holder): void {
    const entry = isHeldBy(item, holder) ? entryFor(item, 'giveBack') : undefined;
    if (entry === undefined) return;
    move(entry, 'giveBack');
    freeNode(entry);
    letGo(entry);
    entry.session = undefined;
    entry.renewal = undefined;
    lineOf(entry.target).putBack(entry);
    changed();
    // Its owner's wish stands. Not awaited: whoever has its turn may wait for this. Where it fails, the sweep tries again.
    if (entry.stopGraceSeconds !== undefined)
      withdraw(entry, canceledBefore).catch((error: unknown) =>
        log.warn({ module: 'compute', job: entry.spec.label, error }, 'canceled work could not be ended yet'),
      );
  }

  /** Within the item's turn. What its holder reports runs; false where somebody else says so. */
  function begin(item: Item, holder: Holder, seq: number): boolean {
    const entry = isHeldBy(item, holder) ? entryFor(item, 'begin') : undefined;
    if (entry === undefined) return false;
    const isNew = entry.state !== after(entry.state, 'begin');
    move(entry, 'begin');
    // Not awaited: a crash makes leased and running work alike lost, so output need not wait for the disk.
    if (isNew)
      database
        .write((tx) => store.markRunning(tx, entry.spec.id, holder.fence, seq))
        .catch((error: unknown) =>
          log.warn({ module: 'compute', job: entry.spec.label, error }, 'a state was not stored'),
        );
    return true;
  }

  /** Within the item's turn. False: nothing was ended. */
  async function end(item: Item, transition: EndTransition, event: Ended): Promise<boolean> {
    const entry = entryFor(item, transition);
    if (entry === undefined) return false;
    entry.ending = true;
    const { spec, fence, lastSeq } = entry;
    const ending: store.Ending =
      event.type === 'lost'
        ? { state: 'lost', fence, lastSeq, reason: null, exitCode: null }
        : { state: 'finished', fence, lastSeq, reason: event.reason, exitCode: event.exitCode };
    try {
      await database.write((tx) => store.endWork(tx, spec.id, ending, clock.epochMs()));
    } catch (thrown) {
      entry.ending = false;
      throw thrown;
    }
    // Before it leaves the items, so that the sweep never takes it for one that nobody tells.
    telling.add(spec.id);
    entries.delete(spec.id);
    lineOf(entry.target).remove(entry);
    letGo(entry);
    if (entry.session !== undefined) freeNode(entry);
    changed();
    await tell(spec, event);
    return true;
  }

  const withdraw = (item: Item, message: string): Promise<boolean> =>
    item.turn(() => end(item, 'withdraw', { type: 'finished', reason: 'stopped', exitCode: null, message }));

  /** Within the item's turn. False: it is not that holder's any more. */
  async function finish(item: Item, holder: Holder, event: Finished): Promise<boolean> {
    return isHeldBy(item, holder) && (await end(item, 'finish', event));
  }

  /** Waits for the row of its lease: what no agent has heard of waits again, and is not lost. */
  const lose = (item: Item, holder: Holder): Promise<boolean> =>
    item.turn(async () => {
      await entries.get(item.spec.id)?.leasing;
      return isHeldBy(item, holder) && (await end(item, 'lose', { type: 'lost' }));
    });

  /** What waits ends here; what runs is asked to stop, and ends by its agent's report. */
  async function stop(item: Item, graceSeconds: number, message: string): Promise<void> {
    if (await withdraw(item, message)) return;
    const entry = entries.get(item.spec.id);
    if (entry !== item) return;
    // A second request can only shorten the first one's grace.
    entry.stopGraceSeconds = Math.min(entry.stopGraceSeconds ?? graceSeconds, graceSeconds);
    changed();
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

  /** Durable when it resolves; false where the same was submitted before. */
  const submit = (spec: WorkSpec, placed: () => TargetId): Promise<boolean> =>
    // The same id again waits for its first submission, and so finds it.
    submitting(spec.id, async () => {
      const stored = entries.has(spec.id) ? undefined : await store.findWork(database.read, spec.id);
      const known = entries.get(spec.id)?.spec ?? stored?.spec;
      if (known !== undefined && !sameWork(known, spec)) throw computeFailures.WorkExists();
      if (known !== undefined) {
        // Its row was written although the write was refused: without this it would wait for the next start.
        if (stored?.state === 'queued' && !entries.has(spec.id)) add(stored);
        changed();
        return false;
      }
      const target = placed();
      if (entries.size >= queueMax) throw computeFailures.TooMuchWorkQueued();
      number += 1;
      const work: store.NewWork = { spec, target, number, queuedAtMs: clock.epochMs() };
      await database
        .write((tx) => store.insertWork(tx, work))
        .catch((thrown: unknown) => {
          throw isUniqueViolation(thrown) ? computeFailures.WorkExists() : thrown;
        });
      add({ spec, target, number: work.number, fence: 0, createdAtMs: work.queuedAtMs });
      changed();
      return true;
    });

  return {
    items,
    owner(kind: WorkKind, owner: WorkOwner): void {
      if (owners.has(kind)) throw new Error(`work of the kind ${kind} has an owner already`);
      owners.set(kind, owner);
    },
    ownerOf,
    submit,
    /** Leases what this session may run now, in turn; what waits for its cluster does not hold up the others. */
    take(session: Session, most: number): readonly Taken[] {
      const taken: Taken[] = [];
      lines.get(session.target)?.take(most, (item) => {
        const got = lease(item, session);
        if (typeof got === 'string') return got;
        taken.push({ item, leased: got.leased });
        return 'taken';
      });
      return taken;
    },
    /** How much waits for a cluster. */
    waitingFor: (computeId: string, target: TargetId): number => lines.get(target)?.count(idKey(computeId)) ?? 0,
    heldBy: (session: Session): readonly Item[] => [...(held.get(session) ?? [])],
    /** By all sessions. */
    held: (): readonly Item[] => [...held.values()].flatMap((all) => [...all]),
    begin,
    finish,
    lose,
    stop,
    isHeldBy,
    /** Within the item's turn: an event of its holder was taken. */
    acknowledge(item: Item, holder: Holder, seq: number): void {
      if (isHeldBy(item, holder)) (item as Entry).lastSeq = seq;
    },
    /** Within the item's turn: its scoring server answers. */
    setReady(item: Item, holder: Holder): void {
      if (isHeldBy(item, holder)) (item as Entry).ready = true;
    },
    setRenewal(item: Item, holder: Holder, renewal: NonNullable<Item['renewal']>): void {
      if (isHeldBy(item, holder)) (item as Entry).renewal = renewal;
    },
    /** Called whenever something was queued, freed or is to be stopped; answers how to be called no more. */
    onChange(watcher: () => void): () => void {
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
    changed,
    /** Grows with every change: who looked before it has to look again. */
    version: () => version,
    /** What an earlier attempt could not write or tell, in this process or an earlier one. */
    async catchUp(isPresent: (session: Session) => boolean): Promise<void> {
      for (const item of [...entries.values()]) {
        const { session, fence, state, stopGraceSeconds } = item;
        if (session !== undefined && !isPresent(session)) await lose(item, { session, fence });
        if (state === 'queued' && stopGraceSeconds !== undefined) await withdraw(item, canceledBefore);
      }
      for (const stored of await store.untoldWork(database.read, untoldMax)) {
        // One that ends at this moment is told by whoever ends it.
        if (entries.has(stored.spec.id) || telling.has(stored.spec.id)) continue;
        const kept = untold.get(stored.spec.id)?.event;
        await tell(stored.spec, kept ?? endedOf(stored));
      }
    },
    /** Walks what is in memory, which is `queueMax` at most. */
    measure(): Load {
      const none = () => ({ queued: 0, leased: 0, running: 0 });
      const work = { job: none(), score: none() };
      const now = clock.epochMs();
      let oldestMs = now;
      for (const { spec, state, queuedAtMs } of entries.values()) {
        work[spec.kind][state] += 1;
        if (spec.kind === 'job' && state === 'queued') oldestMs = Math.min(oldestMs, queuedAtMs);
      }
      return { work, oldestJobSeconds: (now - oldestMs) / 1000 };
    },
    /** Ends, as lost, what agents of an earlier server process held, and queues again what waited. */
    async load(): Promise<void> {
      await database.write((tx) => store.loseHeldWork(tx, clock.epochMs()));
      const queued = await store.queuedWork(database.read, queueMax);
      const leases = await store.lastLeases(database.read);
      const waiting = queued.map((stored) => ({ ...stored, ...turnOf(stored.spec), sinceMs: stored.createdAtMs }));
      const turns = leases.map((last) => ({ ...turnOf(last), atMs: last.atMs }));
      for (const stored of inOrder(waiting, turns)) add(stored);
      number = await store.lastNumber(database.read);
    },
    forgetOld: () => database.write((tx) => store.forgetWork(tx, clock.epochMs() - rememberMs)),
  };
}

/** Where it waits, and in whose name: of one that belongs to no cluster the target is the place. */
const turnOf = ({
  computeId,
  submitter,
  workspaceId,
}: Pick<WorkSpec, 'computeId' | 'workspaceId'> & { readonly submitter?: string | undefined }) => ({
  place: computeId === undefined ? '' : idKey(computeId),
  submitter: (submitter ?? workspaceId).toLowerCase(),
});

/** Work that may wait or run at once, over everything. */
export const queueMax = 10_000;

export const canceledBefore = 'It was canceled before it began.';

function sameWork(one: WorkSpec, other: WorkSpec): boolean {
  return (
    one.kind === other.kind &&
    sameId(one.workspaceId, other.workspaceId) &&
    sameId(one.computeId ?? '/', other.computeId ?? '/') &&
    sameId(one.subject, other.subject)
  );
}

function endedOf(stored: store.StoredWork): Ended {
  if (stored.state === 'lost' || stored.reason === null) return { type: 'lost' };
  return { type: 'finished', reason: stored.reason, exitCode: stored.exitCode, message: undefined };
}
