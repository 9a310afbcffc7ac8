// The one writer of a schema. Calls wait in line, and each is a transaction of its own behind a lock that every process respects, so
// that it sees all that was written before and nobody comes between its statements. A call runs once, and is acknowledged when its
// COMMIT is answered.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { CompiledQuery, Kysely } from 'kysely';
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
import { kyselyThrough } from '../dialect/connection.ts';
import { ask, type Connection, guarded } from './connection.ts';
import { lockOf } from './migrate.ts';
import { resultOf } from './result.ts';
import type { Stamper } from './stamper.ts';

export type Writer = {
  write<R>(fn: (tx: Kysely<unknown>) => Promise<R>, options?: WriteOptions): Promise<R>;
  /** Commits the stamp, and nothing with it that would count as a change. */
  restamp(): Promise<void>;
  /** Resolves when everything queued so far and while waiting is settled. */
  idle(): Promise<void>;
};

type Call = WriteCall & {
  readonly run: () => Promise<void>;
  readonly settle: (failed: { readonly error: unknown } | undefined) => void;
  /** It writes nothing of its own: alone it does not raise the generation. */
  readonly isStampOnly: boolean;
  /** Statements that the server has not answered. */
  underWay: number;
  /** Told of each change of `underWay`. */
  changed: () => void;
};

const queueCallsMax = 10_000;
const smallRowsMax = 100;
/** So many small calls in a row, and then a large one that waits. */
const smallInARow = 256;

export function createWriter(options: {
  readonly owner: string;
  readonly schema: string;
  /** The connection, made anew where the one before was lost. */
  readonly connection: () => Promise<Connection>;
  readonly faults: Faults;
  readonly stamper: Stamper | undefined;
  readonly onFull: (() => void) | undefined;
}): Writer {
  const { owner, schema, connection, faults, stamper, onFull } = options;
  const small: Call[] = [];
  const large: Call[] = [];
  const idleWaiters: (() => void)[] = [];
  let looping = false;
  let inARow = 0;
  let current: { readonly call: Call; readonly client: Connection } | undefined;

  const tx = kyselyThrough('postgres', async <R>({ sql, parameters }: CompiledQuery) => {
    const at = current;
    if (at === undefined || within.getStore() !== at.call) throw transactionEnded();
    const { call, client } = at;
    if (call.failed !== undefined) throw writeFailed(call.failed.error);
    call.underWay += 1;
    call.changed();
    try {
      return resultOf<R>(await ask(client, sql, parameters));
    } catch (error) {
      call.failed ??= { error };
      throw error;
    } finally {
      call.underWay -= 1;
      call.changed();
    }
  });

  function enqueue<R>(
    fn: (tx: Kysely<unknown>) => Promise<R>,
    { rows = 1, isStampOnly = false }: WriteOptions & { readonly isStampOnly?: boolean } = {},
  ): Promise<R> {
    if (within.getStore()?.active === true) return Promise.reject(nestedWrite());
    if (small.length + large.length >= queueCallsMax) return Promise.reject(tooManyWaiting());
    const inCallersContext = AsyncLocalStorage.snapshot();
    return new Promise<R>((resolve, reject) => {
      let result: { readonly value: R } | undefined;
      const call: Call = {
        isStampOnly,
        active: false,
        failed: undefined,
        underWay: 0,
        changed: () => {},
        run: () =>
          inCallersContext(() =>
            within.run(call, async () => {
              result = { value: await fn(tx) };
            }),
          ),
        settle(failed) {
          if (failed !== undefined) reject(failed.error);
          else if (result !== undefined) resolve(result.value);
        },
      };
      (rows > smallRowsMax ? large : small).push(call);
      if (!looping) {
        looping = true;
        void outside(loop);
      }
    });
  }

  function next(): Call | undefined {
    const isLargesTurn = large.length > 0 && (small.length === 0 || inARow >= smallInARow);
    inARow = isLargesTurn ? 0 : inARow + 1;
    return isLargesTurn ? large.shift() : small.shift();
  }

  async function loop(): Promise<void> {
    // Whatever else arrived in this turn is counted as waiting before the first one is taken.
    await nextTurn().reached;
    for (let call = next(); call !== undefined; call = next()) {
      let failed: { readonly error: unknown } | undefined;
      try {
        await runCall(call);
      } catch (error) {
        failed = { error };
        if (error instanceof Failure && error.code === 'StorageFull') onFull?.();
      }
      call.settle(failed);
    }
    looping = false;
    for (const wake of idleWaiters.splice(0)) wake();
  }

  async function runCall(call: Call): Promise<void> {
    const client = await connection();
    await guarded(() => client.query(`begin; ${lockOf(schema)}`));
    try {
      await runFunction(call, client);
      faults({ step: 'commit', path: owner });
      await stamper?.write(client, !call.isStampOnly);
    } catch (error) {
      await client.query('rollback').catch(() => {});
      throw error;
    }
    await commit(client);
    stamper?.committed();
  }

  async function commit(client: Connection): Promise<void> {
    try {
      await guarded(() => client.query('commit'));
    } catch (error) {
      if (!(error instanceof Failure && error.code === 'StorageUnavailable')) throw error;
      throw databaseFailures.WriteUnknown({ retryAfterSeconds: 5, cause: error });
    }
  }

  /**
   * A function that awaits only its statements goes on within microtasks whenever one is answered. So while none is under way, the
   * next turn of the event loop is proof that it awaits something else: it is refused, undone, and cannot reach the transaction again.
   */
  async function runFunction(call: Call, client: Connection): Promise<void> {
    const awaited = Promise.withResolvers<'awaited'>();
    const drained = Promise.withResolvers<void>();
    let isOver = false;
    let turn: ReturnType<typeof nextTurn> | undefined;
    call.changed = () => {
      turn?.cancel();
      if (call.underWay > 0) return;
      if (isOver) return drained.resolve();
      turn = nextTurn();
      void turn.reached.then(() => awaited.resolve('awaited'));
    };
    current = { call, client };
    call.active = true;
    call.changed();
    try {
      if ((await Promise.race([call.run(), awaited.promise])) === 'awaited') throw writeAwaited();
    } finally {
      turn?.cancel();
      isOver = true;
      call.active = false;
      current = undefined;
      // Statements that nobody awaited: they are part of the transaction all the same, and their failure is its own.
      if (call.underWay > 0) await drained.promise;
    }
    if (call.failed !== undefined) throw call.failed.error;
  }

  // Work of everybody must not run in the async context of whoever came first.
  const outside = AsyncLocalStorage.snapshot();

  return {
    write: enqueue,
    restamp: () => enqueue(async () => {}, { isStampOnly: true }),
    idle: () => (looping ? new Promise<void>((resolve) => idleWaiters.push(resolve)) : Promise.resolve()),
  };
}
