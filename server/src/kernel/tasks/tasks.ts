// Work that outlives its request: enqueued in the transaction that makes it necessary, done at least once, by one holder at a
// time. Every handler must be idempotent. Promises that a crash loses no task, that a holder which lost its lease cannot end
// the row, and that a task which keeps failing is given up loudly. Must not be used for what has to happen exactly once.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '#kernel/clock/clock';
import type { Database, Tx } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import { tasksFailures } from './tasks.errors.ts';
import * as store from './tasks.store.ts';

export { taskMigrations } from './migrations.ts';

export type Task = {
  readonly id: number;
  readonly name: string;
  /** What the work is about: usually the id of a resource. */
  readonly subject: string;
  /** As it was enqueued, read back from JSON; a handler checks it like any input. */
  readonly payload: unknown;
  /** From 1. */
  readonly attempt: number;
  /** Grows with every holder of this task. Hand it to whatever must not listen to an earlier holder. */
  readonly fence: number;
};

/** Does the work or throws. `signal` is aborted when the server stops or the lease is lost: then stop soon, and throw. */
export type TaskHandler = (task: Task, signal: AbortSignal) => Promise<void>;

export type NewTask = {
  readonly name: string;
  readonly subject: string;
  /** Anything JSON can hold, up to 64 KiB. Never a secret. */
  readonly payload?: unknown;
  /** Not before this time; at once by default. */
  readonly runAt?: Date;
};

export type Tasks = {
  /** Adds a task in the caller's transaction and returns its id: it runs if, and as soon as, that transaction is durable. */
  enqueue(tx: Tx, task: NewTask): Promise<number>;
  /**
   * For a task that waits for what does not depend on its own progress, a build that runs elsewhere: meanwhile another one has its place.
   * Outside of a task it only waits.
   */
  aside<R>(wait: () => Promise<R>): Promise<R>;
  /** Who does tasks of these names. Before `start`; a task can be enqueued once its name is known. */
  handle(handlers: Readonly<Record<string, TaskHandler>>): void;
  /** Takes over what an earlier process left behind, and begins. One server process at a time works on a database. */
  start(): Promise<void>;
  /** Aborts handlers and waits for them (at most ten seconds); what they did not finish is done after the next start. */
  stop(): Promise<void>;
  /** For tests: works until nothing is due and nothing runs. Needs no start. */
  drain(): Promise<void>;
  /**
   * Calls `fn` every `everyMs` between start and stop, never twice at once; the first time after as long, or with the start
   * itself. For sweeps that need no memory of their own.
   */
  periodic(
    name: string,
    everyMs: number,
    fn: (signal: AbortSignal) => Promise<void>,
    options?: { readonly atStart: boolean },
  ): void;
};

const leaseMs = 60_000;
const renewEveryMs = leaseMs / 3;
/** A sleeping loop looks again after this long even if nothing is due, because the time of day can jump. */
const lookAgainMs = 30_000;
const stopMs = 10_000;
const keepDoneMs = 7 * 24 * 3_600_000;
/** So many wait without a place; whoever comes then keeps his. */
const asideMax = 256;
const payloadBytesMax = 64 * 1024;
const backOffMsMax = 300_000;

/** 1 s, 2 s, 4 s … 5 min. */
const backOffMs = (attempt: number) => Math.min(1_000 * 2 ** (attempt - 1), backOffMsMax);

export function createTasks(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly handlers?: Readonly<Record<string, TaskHandler>>;
  /** Tasks at once; 4 by default. */
  readonly concurrency?: number;
  /** After this many a task is failed; 10 by default. */
  readonly attemptsMax?: number;
}): Tasks {
  const { database, clock, log, concurrency = 4, attemptsMax = 10 } = options;
  const handlers = new Map(Object.entries(options.handlers ?? {}));
  const owner = `${process.pid}-${process.hrtime.bigint().toString(36)}`;
  const running = new Map<number, Promise<void>>();
  const places = new AsyncLocalStorage<{ isAside: boolean }>();
  let aside = 0;
  const taken = () => running.size - aside;
  const periodics: (() => Promise<void>)[] = [];
  const loops: Promise<void>[] = [];
  const stopping = new AbortController();
  // Work must not run in the async context of whichever request happened to wake it.
  const atHome = AsyncLocalStorage.snapshot();
  let started = false;
  let wake: () => void = () => {};

  /** Leases what is due, as far as there is room, and sets it going. */
  async function claim(): Promise<number> {
    const room = concurrency - taken();
    if (room <= 0 || handlers.size === 0 || stopping.signal.aborted) return 0;
    const now = clock.epochMs();
    const rows = await database.write((tx) =>
      store.claimTasks(tx, {
        names: [...handlers.keys()],
        except: [...running.keys()],
        owner,
        now,
        leaseUntil: now + leaseMs,
        limit: room,
      }),
    );
    for (const row of rows) {
      const work = atHome(() => hold(row)).finally(() => {
        running.delete(row.id);
        wake();
      });
      running.set(row.id, work);
    }
    return rows.length;
  }

  /** Runs one task under its lease and records how it ended. Never throws. */
  async function hold(row: store.ClaimedRow): Promise<void> {
    const lost = new AbortController();
    const over = new AbortController();
    const signal = AbortSignal.any([stopping.signal, lost.signal]);
    const renewing = keepLease(row, lost, over.signal);
    let thrown: { readonly error: unknown } | undefined;
    try {
      const { id, name, subject, fence, attempts: attempt } = row;
      // Only a process that died under it leaves a task with its attempts used up.
      if (attempt > attemptsMax) throw tasksFailures.TaskAttempts();
      const task = { id, name, subject, fence, attempt, payload: JSON.parse(row.payload) as unknown };
      await places.run({ isAside: false }, async () => handlers.get(name)?.(task, signal));
    } catch (error) {
      thrown = { error };
    }
    over.abort();
    await renewing;
    try {
      if (!(await record(row, thrown))) throw tasksFailures.LeaseLost();
    } catch (error) {
      // The row stays leased until the lease runs out; then the task is done again.
      log.warn(
        { task: row.name, subject: row.subject, attempt: row.attempts, error },
        'the end of a task was not recorded',
      );
    }
  }

  async function record(row: store.ClaimedRow, thrown: { readonly error: unknown } | undefined): Promise<boolean> {
    const now = clock.epochMs();
    const end = (ending: Parameters<typeof store.endTask>[2]) => database.write((tx) => store.endTask(tx, row, ending));
    if (thrown === undefined) return end({ state: 'done', finishedAt: now });
    // Interrupted by us: not the task's fault, so the attempt does not count.
    if (stopping.signal.aborted) return end({ state: 'queued', runAt: now, error: null, attempts: row.attempts - 1 });
    const error = describe(thrown.error);
    const fields = { task: row.name, subject: row.subject, attempt: row.attempts, error: thrown.error };
    if (row.attempts >= attemptsMax) {
      log.error(fields, 'a task failed for the last time');
      return end({ state: 'failed', finishedAt: now, error });
    }
    log.warn(fields, 'a task failed and will be tried again');
    return end({ state: 'queued', runAt: now + backOffMs(row.attempts), error, attempts: row.attempts });
  }

  /** Extends the lease until `over`; aborts `lost` when somebody else has the task. */
  async function keepLease(row: store.ClaimedRow, lost: AbortController, over: AbortSignal): Promise<void> {
    while (await slept(clock, renewEveryMs, over)) {
      try {
        const until = clock.epochMs() + leaseMs;
        if (await database.write((tx) => store.renewLease(tx, row, until))) continue;
        lost.abort(tasksFailures.LeaseLost());
        return;
      } catch (error) {
        // A full disk may have passed by the next time; if not, the lease runs out.
        log.warn({ task: row.name, subject: row.subject, error }, 'a lease could not be renewed');
      }
    }
  }

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      const woken = Promise.withResolvers<void>();
      wake = woken.resolve;
      let waitMs = lookAgainMs;
      try {
        await claim();
        // With no room left, the next thing to happen is the end of a task, which wakes us.
        if (taken() < concurrency) waitMs = await untilNextDue();
      } catch (error) {
        log.error({ error }, 'due tasks could not be read');
        waitMs = 1_000;
      }
      const rest = new AbortController();
      await Promise.race([woken.promise, slept(clock, waitMs, AbortSignal.any([stopping.signal, rest.signal]))]);
      rest.abort();
    }
  }

  async function untilNextDue(): Promise<number> {
    const at = await store.nextDue(database.read, [...handlers.keys()], [...running.keys()]);
    return at === undefined ? lookAgainMs : Math.max(0, Math.min(lookAgainMs, at - clock.epochMs()));
  }

  const periodic: Tasks['periodic'] = (name, everyMs, fn, { atStart } = { atStart: false }) => {
    const repeat = async () => {
      let isDue = atStart;
      while (isDue || (await slept(clock, everyMs, stopping.signal))) {
        isDue = false;
        try {
          await fn(stopping.signal);
        } catch (error) {
          log.error({ task: name, error }, 'a periodic task failed');
        }
      }
    };
    if (started) loops.push(atHome(repeat));
    else periodics.push(repeat);
  };

  const prune = () => database.write((tx) => store.pruneDone(tx, clock.epochMs() - keepDoneMs));
  periodic('tasks.prune', 3_600_000, prune);

  return {
    async enqueue(tx, task) {
      const payload = JSON.stringify(task.payload ?? null);
      if (Buffer.byteLength(payload) > payloadBytesMax) {
        throw tasksFailures.TaskTooLarge();
      }
      if (!handlers.has(task.name)) {
        throw tasksFailures.TaskUnknown(task.name);
      }
      const now = clock.epochMs();
      const runAt = task.runAt?.getTime() ?? now;
      const id = await store.insertTask(tx, { name: task.name, subject: task.subject, payload, runAt, now });
      // It may wake before the row is committed: the claim is a write, and writes of a database come one after the other.
      setImmediate(() => wake());
      return id;
    },
    async aside(wait) {
      const place = places.getStore();
      if (place === undefined || place.isAside || aside >= asideMax) return wait();
      place.isAside = true;
      aside += 1;
      wake();
      try {
        return await wait();
      } finally {
        // Back at work at once: for a moment there may be more than there are places.
        place.isAside = false;
        aside -= 1;
      }
    },
    handle(more) {
      for (const [name, handler] of Object.entries(more)) {
        if (started || handlers.has(name)) throw new Error(`tasks named ${name} are handled already, or have begun`);
        handlers.set(name, handler);
      }
    },
    async start() {
      if (started) throw tasksFailures.TasksStarted();
      started = true;
      await prune();
      const count = await database.write((tx) => store.takeOver(tx, owner));
      if (count > 0) log.info({ count }, 'tasks were taken over from an earlier process');
      for (const name of await store.orphanNames(database.read, [...handlers.keys()])) {
        log.error({ task: name }, 'tasks are waiting that nothing handles');
      }
      for (const begin of [loop, ...periodics]) loops.push(atHome(begin));
    },
    async stop() {
      stopping.abort(tasksFailures.ServerStopping());
      const patience = new AbortController();
      // The loops first: the last thing that one does may be to set a task going.
      const settled = Promise.allSettled(loops).then(() => Promise.allSettled(running.values()));
      await Promise.race([settled, slept(clock, stopMs, patience.signal)]);
      patience.abort();
    },
    async drain() {
      while ((await claim()) > 0 || running.size > 0) await Promise.race(running.values());
    },
    periodic,
  };
}

/** Sleeps; false when it was interrupted. */
async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return true;
  } catch {
    return false;
  }
}

/** For the row: a Failure's message is safe by rule, any other stays in the log. */
function describe(error: unknown): string {
  return error instanceof Failure
    ? `${error.code}: ${error.message}`.slice(0, 2_000)
    : 'Unexpected error; see the log.';
}
