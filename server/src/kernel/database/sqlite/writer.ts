// The one writer of a database. Calls that arrive while others are at work are run as a group inside one transaction, a
// savepoint each, and share one durable COMMIT: a burst pays for one fsync. No call is acknowledged before that COMMIT is on
// disk, and a call that throws takes back only itself. A group never gives up the event loop between BEGIN and COMMIT; the next begins when
// the commit of the last is on disk (`log-sync.ts`). After a sync
// that failed nothing is written any more: a later one that succeeds says nothing of what the failed one lost.
//
// Small calls go before large ones, and each group takes at least one large one: a request of several small writes, one after
// the other, waits for one group with each of them, however many large writes stand in line, and those go on all the time.

import { databaseFailures } from '#kernel/database/database.errors';
import { Failure } from '#kernel/errors/failure';
import type { Faults } from '#kernel/files/faults';
import { nextTurn, transactionEnded, within, writeAwaited, writeFailed } from '../calls.ts';
import { kyselyOver } from '../dialect/connection.ts';
import { createLine, type LineWriter, type Outcome, type QueuedCall } from '../line.ts';
import { type Engine, isSyncFailure } from './engine.ts';
import type { LogSync } from './log-sync.ts';
import type { Stamper } from './stamper.ts';
import type { Wal } from './wal.ts';

export type Writer = LineWriter & {
  /** Refuses every call from now on, and takes the connection out of use. The first cause is kept. */
  stop(cause: unknown): void;
  isStopped(): boolean;
};

const accepted: Outcome = { ok: true };

const groupCallsMax = 256;
/** A group stops taking calls after this long, so that a burst of heavy calls does not hold up everything else. */
const groupMillisecondsMax = 20;
/** Large calls are taken into a group until they have written so many rows, and one in any case. */
const groupRowsMax = 1_000;

export function createWriter(
  engine: Engine,
  options: {
    path: string;
    faults: Faults;
    stamper?: Stamper | undefined;
    wal?: Pick<Wal, 'committed'> | undefined;
    log: Pick<LogSync, 'hold' | 'release' | 'sync'>;
    onFull?: (() => void) | undefined;
    /** Once, at the first sync that failed. */
    onStopped?: ((cause: unknown) => void) | undefined;
  },
): Writer {
  let current: QueuedCall | undefined;
  let stopped: { readonly cause: unknown } | undefined;
  /** Ends the call that is running as one that gave up the event loop. */
  let late: (() => void) | undefined;
  let isWatched = false;
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

  const { small, large, waiting, writer } = createLine(tx, async () => {
    await runGroup();
    // Acknowledged callers run, and new ones arrive, before the next group.
    await nextTurn().reached;
  });

  /** The calls of one group: the small ones, then large ones, within its bounds, and one large one in any case. */
  function takeInTurn(): () => QueuedCall | undefined {
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
    const done: { readonly call: QueuedCall; outcome: Outcome }[] = [];
    let undone: { readonly error: unknown } | undefined;
    const wasStopped = stopped !== undefined;
    inGroup = true;
    try {
      refuseIfStopped();
      engine.run('begin immediate', []);
      const next = takeInTurn();
      // Some errors (a full disk) make SQLite roll back everything, savepoints included.
      for (let isOpen = true; isOpen; ) {
        const call = next();
        if (call === undefined) break;
        // Among those to be told before it runs: should a savepoint itself fail, it must not wait for ever.
        const ran = { call, outcome: accepted };
        done.push(ran);
        ran.outcome = alone ? await runCall(call) : await runInSavepoint(call);
        isOpen = ran.outcome.ok || engine.inTransaction();
      }
      const kept = done.filter(({ outcome }) => outcome.ok);
      await commit(
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

  async function commit(somethingToKeep: boolean, raises: boolean): Promise<void> {
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
    options.log.hold();
    try {
      engine.run('commit', []);
    } catch (error) {
      options.log.release();
      throw error;
    }
    // The one wait of a group, after its transaction: others are served meanwhile, and the next group gathers.
    await options.log.sync();
    options.log.release();
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

  async function runInSavepoint(call: QueuedCall): Promise<Outcome> {
    engine.run('savepoint call', []);
    const outcome = await runCall(call);
    if (!outcome.ok) {
      if (!engine.inTransaction()) return outcome;
      engine.run('rollback to call', []);
    }
    engine.run('release call', []);
    return outcome;
  }

  /**
   * A function that awaits only its statements settles within microtasks, so the next turn of the event loop comes after
   * it. One that awaits anything else would keep the transaction open for as long as it likes: it is refused, undone, and
   * cannot reach the transaction again.
   */
  async function runCall(call: QueuedCall): Promise<Outcome> {
    watchTurn();
    current = call;
    call.active = true;
    try {
      const isFinished = await new Promise<boolean>((resolve, reject) => {
        late = () => resolve(false);
        call.run().then(() => resolve(true), reject);
      });
      if (isFinished) return call.failed === undefined ? accepted : { ok: false, error: call.failed.error };
      return { ok: false, error: writeAwaited() };
    } catch (error) {
      return { ok: false, error };
    } finally {
      late = undefined;
      call.active = false;
      current = undefined;
    }
  }

  /** One look at the next turn of the event loop is enough for all calls that run before it. */
  function watchTurn(): void {
    if (isWatched) return;
    isWatched = true;
    setImmediate(() => {
      isWatched = false;
      late?.();
    });
  }

  return { ...writer, stop, isStopped: () => stopped !== undefined };
}
