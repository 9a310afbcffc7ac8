// Which write the running code belongs to, over all databases of the process and both engines: how a write inside a write, a read
// beside its transaction, and a transaction that outlives its call are noticed.

import { AsyncLocalStorage } from 'node:async_hooks';
import { Failure } from '#kernel/errors/failure';

export type WriteCall = {
  active: boolean;
  /** Of the statement that failed, which ends the write even where the error is caught. */
  failed: { readonly error: unknown } | undefined;
};

export const within = new AsyncLocalStorage<WriteCall>();

/** A write that waits for another database, or for its own beside the transaction, holds up every other writer meanwhile. */
export function refuseReadWithinWrite(): void {
  if (within.getStore()?.active === true)
    throw misuse('ReadInWrite', 'A write read beside its transaction. Read before it, or through the transaction.');
}

export const nestedWrite = (): Failure =>
  misuse('NestedWrite', 'write() was called inside a write. Pass the transaction on instead.');

export const writeAwaited = (): Failure =>
  misuse('WriteAwaited', 'A write awaited something other than statements of its transaction.');

/** A transaction kept beyond its call, or used by work that the call did not await, would write into a stranger's call. */
export const transactionEnded = (): Failure =>
  misuse('TransactionEnded', 'A transaction was used outside of the write that it belongs to.');

/** An engine over a socket can do nothing more in a transaction in which a statement failed, so nothing is done on any. */
export const writeFailed = (cause: unknown): Failure =>
  new Failure({
    kind: 'internal',
    code: 'WriteFailed',
    message: 'A statement of this write failed before, so nothing more is done in it.',
    cause,
  });

export const tooManyWaiting = (): Failure =>
  new Failure({
    kind: 'unavailable',
    code: 'ServerBusy',
    message: 'Too many changes are waiting to be stored. Try again in a moment.',
    retryAfterSeconds: 1,
  });

export const databaseClosed = (): Failure =>
  new Failure({
    kind: 'unavailable',
    code: 'DatabaseClosed',
    message: 'This database is closed.',
    retryAfterSeconds: 1,
  });

export const databaseReadOnly = (): Failure => misuse('DatabaseReadOnly', 'This database was opened for reading only.');

/** The next turn of the event loop, which comes after everything that needs microtasks alone. */
export function nextTurn(): { readonly reached: Promise<void>; readonly cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const handle = setImmediate(resolve);
  return { reached: promise, cancel: () => clearImmediate(handle) };
}

function misuse(code: string, message: string): Failure {
  return new Failure({ kind: 'internal', code, message });
}
