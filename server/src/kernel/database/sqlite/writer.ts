// The one writer of a database. Calls that arrive while others are at work are run as a group inside one transaction, a
// savepoint each, and share one durable COMMIT: a burst pays for one fsync. No call is acknowledged before that COMMIT is on
// disk, and a call that throws takes back only itself. A group never gives up the event loop between BEGIN and COMMIT. After a sync
// that failed nothing is written any more: a later one that succeeds says nothing of what the failed one lost.
//
// Small calls go before large ones, and each group takes at least one large one: a request of several small writes, one after
// the other, waits for one group with each of them, however many large writes stand in line, and those go on all the time.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Kysely } from 'kysely';
import { databaseFailures } from '#kernel/database/database.errors';
import { Failure } from '#kernel/errors/failure';
import type { Faults } from '#kernel/files/faults';
import {
  nestedWrite,
  nextTurn,
  tooManyWaiting,
  transactionEnded,
  type WriteCall,
  within,
  writeAwaited,
  writeFailed,
} from '../calls.ts';
import type { WriteOptions } from '../database.ts';
import { kyselyOver } from '../dialect/connection.ts';
import { type Engine, isSyncFailure } from './engine.ts';
import type { Stamper } from './stamper.ts';
import type { Wal } from './wal.ts';

export type Writer = {
  write<R>(fn: (tx: Kysely<unknown>) => Promise<R>, options?: WriteOptions): Promise<R>;
  /** Commits the stamp, and nothing with it that would count as a change. */
  restamp(): Promise<void>;
  /** Refuses every call from now on, and takes the connection out of use. The first cause is kept. */
  stop(cause: unknown): void;
  isStopped(): boolean;
  /** Resolves when everything queued so far and while waiting is settled. */
  idle(): Promise<void>;
};

type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: unknown };
type Call = WriteCall & {
  /** Runs the caller's function in the caller's own async context, and keeps its result. */
  readonly run: () => Promise<void>;
  readonly settle: (outcome: Outcome) => void;
  /** It writes nothing of its own: alone it does not raise the generation. */
  readonly isStampOnly: boolean;
  readonly rows: number;
};

const accepted: Outcome = { ok: true };

const groupCallsMax = 256;
/** A group stops taking calls after this long, so that a burst of heavy calls does not hold up everything else. */
const groupMillisecondsMax = 20;
const smallRowsMax = 100;
/** Large calls are taken into a group until they have written so many rows, and one in any case. */
const groupRowsMax = 1_000;
const queueCallsMax = 10_000;

export function createWriter(
  engine: Engine,
  options: {
    path: string;
    faults: Faults;
    stamper?: Stamper | undefined;
    wal?: Pick<Wal, 'committed'> | undefined;
    onFull?: (() => void) | undefined;
    /** Once, at the first sync that failed. */
    onStopped?: ((cause: unknown) => void) | undefined;
  },
): Writer {
  const small: Call[] = [];
  const large: Call[] = [];
  const waiting = () => small.length + large.length;
  const idleWaiters: (() => void)[] = [];
  let looping = false;
  let current: Call | undefined;
  let stopped: { readonly cause: unknown } | undefined;
  /** A transaction is open: whoever takes the connection out of use waits for its end. */
  let inGroup = false;

  function stop(cause: unknown): void {
    if (stopped !== undefined) return;
    stopped = { cause };
    if (!inGroup) options.onStopped?.(cause);
  }

  function refuseIfStopped(): void {
    if (stopped !== undefined) throw databaseFailures.WritesStopped(stopped.cause);
  }

  const tx = kyselyOver((sql, parameters) => {
    if (current === undefined || within.getStore() !== current) throw transactionEnded();
    if (current.failed !== undefined) throw writeFailed(current.failed.error);
    try {
      return engine.run(sql, parameters);
    } catch (error) {
      current.failed = { error };
      throw error;
    }
  });

  function enqueue<R>(
    fn: (tx: Kysely<unknown>) => Promise<R>,
    { rows = 1, isStampOnly = false }: WriteOptions & { readonly isStampOnly?: boolean } = {},
  ): Promise<R> {
    if (within.getStore()?.active === true) return Promise.reject(nestedWrite());
    if (waiting() >= queueCallsMax) return Promise.reject(tooManyWaiting());
    const inCallersContext = AsyncLocalStorage.snapshot();
    return new Promise<R>((resolve, reject) => {
      let result: { readonly value: R } | undefined;
      const call: Call = {
        isStampOnly,
        rows,
        active: false,
        failed: undefined,
        run: () =>
          inCallersContext(() =>
            within.run(call, async () => {
              result = { value: await fn(tx) };
            }),
          ),
        settle(outcome) {
          if (!outcome.ok) reject(outcome.error);
          else if (result !== undefined) resolve(result.value);
        },
      };
      (rows > smallRowsMax ? large : small).push(call);
      if (!looping) {
        looping = true;
        // One turn of the loop first: whatever else arrived in this turn joins the group.
        setImmediate(() => void loop());
      }
    });
  }

  async function loop(): Promise<void> {
    while (waiting() > 0) {
      await runGroup();
      // Acknowledged callers run, and new ones arrive, before the next group.
      await nextTurn().reached;
    }
    looping = false;
    for (const wake of idleWaiters.splice(0)) wake();
  }

  /** The calls of one group: the small ones, then large ones, within its bounds, and one large one in any case. */
  function takeInTurn(): () => Call | undefined {
    const started = performance.now();
    let calls = 0;
    let rows = 0;
    return () => {
      const isFull = calls >= groupCallsMax || performance.now() - started >= groupMillisecondsMax;
      const [first] = large;
      const hasRoom = first !== undefined && (rows === 0 || (!isFull && rows + first.rows <= groupRowsMax));
      const call = !isFull && small.length > 0 ? small.shift() : hasRoom ? large.shift() : undefined;
      calls += 1;
      if (call !== undefined && call === first) rows += call.rows;
      return call;
    };
  }

  async function runGroup(): Promise<void> {
    const alone = waiting() === 1;
    const done: { readonly call: Call; outcome: Outcome }[] = [];
    let undone: { readonly error: unknown } | undefined;
    const wasStopped = stopped !== undefined;
    inGroup = true;
    try {
      refuseIfStopped();
      engine.run('begin immediate', []);
      const next = takeInTurn();
      while (engine.inTransaction()) {
        const call = next();
        if (call === undefined) break;
        // Among those to be told before it runs: should a savepoint itself fail, it must not wait for ever.
        const ran = { call, outcome: accepted };
        done.push(ran);
        ran.outcome = alone ? await runCall(call) : await runInSavepoint(call);
      }
      const kept = done.filter(({ outcome }) => outcome.ok);
      commit(
        kept.length > 0,
        kept.some(({ call }) => !call.isStampOnly),
      );
    } catch (error) {
      undone = { error };
      if (error instanceof Failure && error.code === 'StorageFull') options.onFull?.();
      // The transaction never began: refuse who would have been in it, rather than try for ever.
      if (done.length === 0) {
        const next = takeInTurn();
        for (let call = next(); call !== undefined; call = next()) done.push({ call, outcome: accepted });
      }
      if (!wasStopped) rollBack();
      if (isSyncFailure(error)) stop(error);
    }
    inGroup = false;
    if (!wasStopped && stopped !== undefined) options.onStopped?.(stopped.cause);
    for (const { call, outcome } of done) {
      call.settle(undone === undefined || !outcome.ok ? outcome : { ok: false, error: undone.error });
    }
  }

  function commit(somethingToKeep: boolean, raises: boolean): void {
    if (!engine.inTransaction()) {
      throw databaseFailures.WriteUndone({ retryAfterSeconds: 1 });
    }
    if (!somethingToKeep) {
      rollBack();
      return;
    }
    refuseIfStopped();
    options.faults({ step: 'commit', path: options.path });
    options.stamper?.write(raises);
    engine.run('commit', []);
    options.stamper?.committed();
    options.wal?.committed();
  }

  /** If even this fails the transaction stays open, the next BEGIN is refused, and with it every write: fails closed. */
  function rollBack(): void {
    try {
      if (engine.inTransaction()) engine.run('rollback', []);
    } catch {
      // Whoever is waiting is told the first error, which is the one that says what happened.
    }
  }

  async function runInSavepoint(call: Call): Promise<Outcome> {
    engine.run('savepoint call', []);
    const outcome = await runCall(call);
    // Some errors (a full disk) make SQLite roll back everything, savepoints included.
    if (!engine.inTransaction()) return outcome;
    if (!outcome.ok) engine.run('rollback to call', []);
    engine.run('release call', []);
    return outcome;
  }

  /**
   * A function that awaits only its statements settles within microtasks, so the next turn of the event loop comes after
   * it. One that awaits anything else would keep the transaction open for as long as it likes: it is refused, undone, and
   * cannot reach the transaction again.
   */
  async function runCall(call: Call): Promise<Outcome> {
    const turn = nextTurn();
    current = call;
    call.active = true;
    try {
      const finished = await Promise.race([call.run().then(() => true), turn.reached.then(() => false)]);
      if (finished) return call.failed === undefined ? { ok: true } : { ok: false, error: call.failed.error };
      return { ok: false, error: writeAwaited() };
    } catch (error) {
      return { ok: false, error };
    } finally {
      turn.cancel();
      call.active = false;
      current = undefined;
    }
  }

  return {
    write: enqueue,
    restamp: () => enqueue(async () => {}, { isStampOnly: true }),
    stop,
    isStopped: () => stopped !== undefined,
    idle: () => (looping ? new Promise<void>((resolve) => idleWaiters.push(resolve)) : Promise.resolve()),
  };
}
