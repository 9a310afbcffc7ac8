// Which write the running code belongs to, over all databases of the process and both engines: how a write inside a write, a read
// beside its transaction, and a transaction that outlives its call are noticed.

import { AsyncLocalStorage } from 'node:async_hooks';
import { databaseFailures } from '#kernel/database/database.errors';
import type { Failure } from '#kernel/errors/failure';

export type WriteCall = {
  active: boolean;
  /** Of the statement that failed, which ends the write even where the error is caught. */
  failed: { readonly error: unknown } | undefined;
};

export const within = new AsyncLocalStorage<WriteCall>();

/** A write that waits for another database, or for its own beside the transaction, holds up every other writer meanwhile. */
export function refuseReadWithinWrite(): void {
  if (within.getStore()?.active === true) throw databaseFailures.ReadInWrite();
}

export const nestedWrite = (): Failure => databaseFailures.NestedWrite();

export const writeAwaited = (): Failure => databaseFailures.WriteAwaited();

/** A transaction kept beyond its call, or used by work that the call did not await, would write into a stranger's call. */
export const transactionEnded = (): Failure => databaseFailures.TransactionEnded();

/** An engine over a socket can do nothing more in a transaction in which a statement failed, so nothing is done on any. */
export const writeFailed = (cause: unknown): Failure => databaseFailures.WriteFailed({ cause });

export const tooManyWaiting = (): Failure => databaseFailures.ServerBusy({ retryAfterSeconds: 1 });

export const databaseClosed = (): Failure => databaseFailures.DatabaseClosed({ retryAfterSeconds: 1 });

export const databaseReadOnly = (): Failure => databaseFailures.DatabaseReadOnly();

/** The next turn of the event loop, which comes after everything that needs microtasks alone. */
export function nextTurn(): { readonly reached: Promise<void>; readonly cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const handle = setImmediate(resolve);
  return { reached: promise, cancel: () => clearImmediate(handle) };
}
