// Between queue and agents: what an agent gets to do when it polls, and what it reports. A poll is answered at once when there
// is something to say; otherwise it waits, so that work begins the moment it is submitted. What the agent says that it holds
// is compared with what it should hold, in both directions: a lost answer is given again, a lost lease is ended.

import {
  type AgentEvent,
  type AgentEventsRequest,
  type AgentItem,
  type AgentPollAnswer,
  agentLimits,
  type HeldItem,
} from '@strongroom/contract/agent';
import type { Clock } from '#kernel/clock/clock';
import { asFailure } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import type { Session } from './agents.service.ts';
import { computeFailures } from './compute.errors.ts';
import { transitionOf } from './work.states.rules.ts';
import type { WorkDocument, WorkEvent } from './work.types.ts';
import type { Holder, Item, Taken, WorkQueue } from './work-queue.service.ts';

export type Dispatch = {
  poll(session: Session, held: readonly HeldItem[], signal: AbortSignal): Promise<AgentPollAnswer>;
  /** Answers the number of the last event that the owner has taken. */
  report(session: Session, id: string, request: Omit<AgentEventsRequest, 'session'>): Promise<number>;
  /** Everything that the session held is lost; each owner is told once. */
  lose(session: Session): Promise<void>;
  /** Lets polls answer for which a token is due. */
  remind(): void;
  /** Ends every waiting poll, and refuses further ones: the server stops. */
  release(): void;
};

const renewAgainMs = 10_000;

export function createDispatch(deps: {
  readonly clock: Clock;
  readonly log: Log;
  readonly queue: WorkQueue;
}): Dispatch {
  const { clock, log, queue } = deps;
  const polls = new Map<string, () => void>();
  let stopping = false;
  const wakeAll = () => {
    for (const wake of polls.values()) wake();
  };
  queue.onChange(wakeAll);

  /** Waits for a change, the end of the poll's time, or the end of its connection. */
  async function wait(session: Session, signal: AbortSignal): Promise<void> {
    // A newer poll of the same agent takes the place of an older one, whose connection is gone.
    polls.get(session.id)?.();
    const over = new AbortController();
    const wake = () => over.abort();
    polls.set(session.id, wake);
    signal.addEventListener('abort', wake, { once: true });
    await clock.sleep(agentLimits.pollSeconds * 1000, over.signal).catch(() => undefined);
    signal.removeEventListener('abort', wake);
    if (polls.get(session.id) === wake) polls.delete(session.id);
  }

  const take = (session: Session, room: number): readonly Taken[] =>
    session.isLost || !session.sandbox.available ? [] : queue.take(session, room);

  /** The document of a leased item, secrets included; undefined when the item ended instead. */
  async function start(session: Session, { item, leased: leasing }: Taken): Promise<AgentItem | undefined> {
    const { spec, fence } = item;
    const holder: Holder = { session, fence };
    const [leased, made] = await Promise.allSettled([leasing, documentOf(item)]);
    if (leased.status === 'rejected') throw leased.reason;
    if (made.status === 'rejected') {
      log.warn({ module: 'compute', job: spec.label, error: made.reason }, 'the document of work could not be made');
      await item.turn(() => queue.finish(item, holder, unprepared(made.reason)));
      return undefined;
    }
    // Lost while the document was made: nobody may start it under this fence.
    if (!leased.value || !queue.isHeldBy(item, holder)) return undefined;
    const { tokenTtlSeconds, ...given } = made.value;
    // A third of its life, so that one lost renewal does no harm. By the time of day, because its end is.
    const everyMs = Math.max(1, Math.floor(tokenTtlSeconds / 3)) * 1000;
    queue.setRenewal(item, holder, { atMs: clock.epochMs() + everyMs, everyMs });
    return { id: spec.id, kind: spec.kind, fence, label: spec.label, ...given };
  }

  const documentOf = async (item: Item): Promise<WorkDocument> =>
    queue.ownerOf(item.spec).documentOf(item.spec, item.fence);

  async function tokensFor(items: readonly Item[]): Promise<AgentPollAnswer['tokens']> {
    const tokens: { id: string; fence: number; token: string }[] = [];
    for (const item of items) {
      const { spec, session, fence, renewal } = item;
      const owner = queue.ownerOf(spec);
      if (session === undefined || renewal === undefined || owner.renewToken === undefined) continue;
      if (renewal.atMs > clock.epochMs()) continue;
      const { everyMs } = renewal;
      const due = (inMs: number) =>
        queue.setRenewal(item, { session, fence }, { atMs: clock.epochMs() + inMs, everyMs });
      try {
        due(everyMs);
        tokens.push({ id: spec.id, fence, token: await owner.renewToken(spec) });
      } catch (error) {
        due(renewAgainMs);
        log.warn({ module: 'compute', job: spec.label, error }, 'the token of running work was not renewed');
      }
    }
    return tokens;
  }

  async function orders(session: Session, held: readonly HeldItem[]): Promise<AgentPollAnswer> {
    const has = new Map(held.map((one) => [one.id, one]));
    const mine = queue.heldBy(session);
    const stop: { id: string; fence: number; graceSeconds: number }[] = [];
    for (const { id, fence, stopGraceSeconds } of held) {
      const item = queue.items.get(id);
      if (item?.session !== session || item.fence !== fence) {
        if (stopGraceSeconds !== 0) stop.push({ id, fence, graceSeconds: 0 });
      } else if (item.stopGraceSeconds !== undefined && item.stopGraceSeconds !== stopGraceSeconds)
        stop.push({ id, fence, graceSeconds: item.stopGraceSeconds });
    }
    const absent = mine.filter(({ spec, fence }) => has.get(spec.id)?.fence !== fence);
    // What was reported on was there. Handed out again it would run a second time, so an agent that has let go of it has lost it.
    const gone = absent.filter(({ lastSeq }) => lastSeq > 0);
    await Promise.all(gone.map((item) => queue.lose(item, { session, fence: item.fence })));
    const missing = absent.filter((item) => !gone.includes(item));
    const room = agentLimits.held - held.length - missing.length;
    const started = await Promise.all([
      ...missing.map((item) => start(session, { item, leased: Promise.resolve(true) })),
      ...take(session, room).map((taken) => start(session, taken)),
    ]);
    const tokens = await tokensFor(mine.filter(({ spec }) => has.has(spec.id)));
    return { start: started.filter((one) => one !== undefined), stop, tokens };
  }

  /** Within the item's turn. */
  async function apply(item: Item, holder: Holder, seq: number, event: AgentEvent): Promise<void> {
    if (event.type === 'finished') {
      const { reason, exitCode, message } = event;
      await queue.finish(item, holder, { type: 'finished', reason, exitCode, message });
      return;
    }
    if (event.type === 'output' && Buffer.byteLength(event.text) > agentLimits.outputBytes)
      throw computeFailures.OutputTooLong(agentLimits.outputBytes);
    // Before its owner hears of it, who may send a request at once.
    if (event.type === 'ready') queue.setReady(item, holder);
    await told(item, event);
    if (transitionOf(event) === 'begin') queue.begin(item, holder, seq);
  }

  async function told(item: Item, event: WorkEvent): Promise<void> {
    try {
      await queue.ownerOf(item.spec).onEvent(item.spec, event);
    } catch (thrown) {
      throw computeFailures.EventNotTaken(asFailure(thrown));
    }
  }

  return {
    async poll(session, held, signal) {
      if (stopping) throw computeFailures.ServerStopping();
      const seen = queue.version();
      session.polls += 1;
      const number = session.polls;
      const first = await orders(session, held);
      if (!isEmpty(first) || signal.aborted) return first;
      // What changed while the orders were made woke nobody.
      if (queue.version() === seen) await wait(session, signal);
      // Nobody would read the answer, what is handed out now would have to be handed out again, and what it held may be past.
      return stopping || signal.aborted || session.polls !== number ? first : orders(session, held);
    },
    async report(session, id, { fence, events }) {
      const item = queue.items.get(id);
      if (item === undefined) throw computeFailures.LeaseLost();
      const holder: Holder = { session, fence };
      return item.turn(async () => {
        for (const { seq, event } of events) {
          if (!queue.isHeldBy(item, holder)) throw computeFailures.LeaseLost();
          if (seq <= item.lastSeq) continue;
          if (seq !== item.lastSeq + 1) throw computeFailures.EventsMissing(item.lastSeq + 1);
          await apply(item, holder, seq, event);
          if (event.type === 'finished') return seq;
          queue.acknowledge(item, holder, seq);
        }
        return item.lastSeq;
      });
    },
    async lose(session) {
      // First: the node that is freed below wakes its waiting poll, which would take the next job for an agent that is gone.
      session.isLost = true;
      await Promise.all(queue.heldBy(session).map((item) => queue.lose(item, { session, fence: item.fence })));
    },
    remind() {
      const now = clock.epochMs();
      for (const { session, renewal } of queue.held())
        if (session !== undefined && renewal !== undefined && renewal.atMs <= now) polls.get(session.id)?.();
    },
    release() {
      stopping = true;
      wakeAll();
    },
  };
}

const isEmpty = (answer: AgentPollAnswer): boolean =>
  answer.start.length === 0 && answer.stop.length === 0 && answer.tokens.length === 0;

const unprepared = (thrown: unknown) =>
  ({ type: 'finished', reason: 'setup_failed', exitCode: null, message: asFailure(thrown).message }) as const;
