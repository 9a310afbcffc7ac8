// The line before the one writer of a database, the same for both engines: who is let into it, in whose context a call runs, and
// when nobody waits any more. Which of those that wait come next is the engine's to decide.

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { Kysely } from 'kysely';
import { nestedWrite, nextTurn, tooManyWaiting, type WriteCall, within } from './calls.ts';
import type { WriteOptions } from './database.ts';

export type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: unknown };

export type QueuedCall = WriteCall & {
  /** Runs the caller's function in the caller's own async context, and keeps its result. */
  readonly run: () => Promise<void>;
  readonly settle: (outcome: Outcome) => void;
  /** It writes nothing of its own: alone it does not raise the generation. */
  readonly isStampOnly: boolean;
  readonly rows: number;
};

/** What every engine's writer does. */
export type LineWriter = {
  write<R>(fn: (tx: Kysely<unknown>) => Promise<R>, options?: WriteOptions): Promise<R>;
  /** Commits the stamp, and nothing with it that would count as a change. */
  restamp(): Promise<void>;
  /** Resolves when everything queued so far and while waiting is settled. */
  idle(): Promise<void>;
};

export type Line = {
  readonly small: QueuedCall[];
  readonly large: QueuedCall[];
  waiting(): number;
  readonly writer: LineWriter;
};

const smallRowsMax = 100;
const queueCallsMax = 10_000;

/** @param serve takes some of those that wait, at least one, and settles them. Called while anybody waits, never twice at once. */
export function createLine(tx: Kysely<unknown>, serve: () => Promise<void>): Line {
  const small: QueuedCall[] = [];
  const large: QueuedCall[] = [];
  const waiting = () => small.length + large.length;
  const idleWaiters: (() => void)[] = [];
  let isServing = false;
  // Work of everybody must not run in the async context of whoever came first.
  const outside = AsyncLocalStorage.snapshot();

  function enqueue<R>(
    fn: (tx: Kysely<unknown>) => Promise<R>,
    { rows = 1, isStampOnly = false }: WriteOptions & { readonly isStampOnly?: boolean } = {},
  ): Promise<R> {
    if (within.getStore()?.active === true) return Promise.reject(nestedWrite());
    if (waiting() >= queueCallsMax) return Promise.reject(tooManyWaiting());
    // As AsyncLocalStorage.snapshot(), which makes a function with properties of its own for each.
    const callersContext = new AsyncResource('Database.write');
    return new Promise<R>((resolve, reject) => {
      let result: { readonly value: R } | undefined;
      const call: QueuedCall = {
        isStampOnly,
        rows,
        active: false,
        failed: undefined,
        run: () =>
          callersContext.runInAsyncScope(() =>
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
      if (!isServing) {
        isServing = true;
        void outside(serveAll);
      }
    });
  }

  async function serveAll(): Promise<void> {
    // One turn of the loop first: whatever else arrived in this turn waits too before the first is taken.
    await nextTurn().reached;
    // order matters: nothing is awaited between the last look and the end, or who comes there would wait for ever.
    while (waiting() > 0) await serve();
    isServing = false;
    for (const wake of idleWaiters.splice(0)) wake();
  }

  return {
    small,
    large,
    waiting,
    writer: {
      write: enqueue,
      restamp: () => enqueue(async () => {}, { isStampOnly: true }),
      idle: () => (isServing ? new Promise<void>((resolve) => idleWaiters.push(resolve)) : Promise.resolve()),
    },
  };
}
