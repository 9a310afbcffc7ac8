// The one writer of a schema. Calls wait in line, and each is a transaction of its own behind a lock that every process respects, so
// that it sees all that was written before and nobody comes between its statements. A call runs once, and is acknowledged when its
// COMMIT is answered.

import { databaseFailures } from '#kernel/database/database.errors';
import { Failure } from '#kernel/errors/failure';
import type { Faults } from '#kernel/files/faults';
import { nextTurn, transactionEnded, within, writeAwaited, writeFailed } from '../calls.ts';
import { kyselyThrough, type Statement } from '../dialect/connection.ts';
import { createLine, type LineWriter, type QueuedCall } from '../line.ts';
import { ask, type Connection, guarded } from './connection.ts';
import { lockOf } from './migrate.ts';
import { resultOf } from './result.ts';
import type { Stamper } from './stamper.ts';

/** The call that has the transaction. */
type Running = {
  readonly call: QueuedCall;
  readonly client: Connection;
  /** Statements that the server has not answered. */
  underWay: number;
  /** Told of each change of `underWay`. */
  changed: () => void;
};

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
}): LineWriter {
  const { owner, schema, connection, faults, stamper, onFull } = options;
  let inARow = 0;
  let current: Running | undefined;

  const tx = kyselyThrough('postgres', async <R>({ sql, parameters }: Statement) => {
    const at = current;
    if (at === undefined || within.getStore() !== at.call) throw transactionEnded();
    const { call, client } = at;
    if (call.failed !== undefined) throw writeFailed(call.failed.error);
    at.underWay += 1;
    at.changed();
    try {
      return resultOf<R>(await ask(client, sql, parameters));
    } catch (error) {
      call.failed ??= { error };
      throw error;
    } finally {
      at.underWay -= 1;
      at.changed();
    }
  });

  const { small, large, writer } = createLine(tx, async () => {
    const call = next();
    if (call === undefined) return;
    try {
      await runCall(call);
      call.settle({ ok: true });
    } catch (error) {
      if (error instanceof Failure && error.code === 'StorageFull') onFull?.();
      call.settle({ ok: false, error });
    }
  });

  function next(): QueuedCall | undefined {
    const isLargesTurn = large.length > 0 && (small.length === 0 || inARow >= smallInARow);
    inARow = isLargesTurn ? 0 : inARow + 1;
    return isLargesTurn ? large.shift() : small.shift();
  }

  async function runCall(call: QueuedCall): Promise<void> {
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
  async function runFunction(call: QueuedCall, client: Connection): Promise<void> {
    const awaited = Promise.withResolvers<'awaited'>();
    const drained = Promise.withResolvers<void>();
    let isOver = false;
    let turn: ReturnType<typeof nextTurn> | undefined;
    const changed = () => {
      turn?.cancel();
      if (running.underWay > 0) return;
      if (isOver) return drained.resolve();
      turn = nextTurn();
      void turn.reached.then(() => awaited.resolve('awaited'));
    };
    const running: Running = { call, client, underWay: 0, changed };
    current = running;
    call.active = true;
    changed();
    try {
      if ((await Promise.race([call.run(), awaited.promise])) === 'awaited') throw writeAwaited();
    } finally {
      turn?.cancel();
      isOver = true;
      call.active = false;
      current = undefined;
      // Statements that nobody awaited: they are part of the transaction all the same, and their failure is its own.
      if (running.underWay > 0) await drained.promise;
    }
    if (call.failed !== undefined) throw call.failed.error;
  }

  return writer;
}
