// Scans run here, and logs are moved: a few worker threads, shared by every database of the process and started when first needed. Promises
// that a query never holds the event loop, that the queue, the rows, the bytes and the time of a scan are bounded, and that a
// worker which dies takes only its own scan with it.

import { Worker } from 'node:worker_threads';
import { databaseFailures } from '#kernel/database/database.errors';
import { failureAgain } from '#kernel/errors/failure';
import type { FromWorker, ToWorker } from './scan.messages.ts';

export type ScanTarget = { readonly id: number; readonly path: string; readonly key: Uint8Array };
export type ScanRow = Record<string, unknown>;

const workersMax = 2;
const waitingMax = 1_000;
export const scanBytesMax = 256 * 1024 * 1024;
const answerMillisecondsMax = 60_000;

type Job = {
  readonly first: (seat: Seat) => ToWorker;
  /** Says whether the job is over. */
  readonly hear: (message: FromWorker, seat: Seat) => boolean;
  readonly fail: (error: unknown) => void;
};
type Seat = {
  readonly worker: Worker;
  /** Databases that the worker holds open. */
  readonly holds: Set<number>;
  job: Job | undefined;
  deadline: NodeJS.Timeout | undefined;
};

let seats: Seat[] = [];
let waiting: Job[] = [];

/** Reads rows of `target` on a worker. Rejects with Failure `ResultTooLarge`, `ScanTimeout`, `ServerBusy` or what the read met. */
export function scanRows(
  target: ScanTarget,
  query: { readonly sql: string; readonly parameters: readonly unknown[] },
  bounds: { readonly maxRows: number; readonly maxBytes: number },
): Promise<readonly ScanRow[]> {
  const rows: ScanRow[] = [];
  return new Promise((resolve, reject) => {
    if (waiting.length >= waitingMax)
      return reject(
        databaseFailures.ServerBusy({
          message: 'Too many queries are waiting. Try again in a moment.',
          retryAfterSeconds: 1,
        }),
      );
    submit({
      first(seat) {
        // A copy of the key: the worker wipes what it receives.
        const open = seat.holds.has(target.id) ? undefined : { path: target.path, key: target.key.slice() };
        return { say: 'scan', database: target.id, open, ...query, ...bounds };
      },
      hear(message, seat) {
        if (message.say === 'failed') {
          if (message.holds) seat.holds.add(target.id);
          reject(failureAgain(message.failure));
          return true;
        }
        if (message.say !== 'rows') return false;
        seat.holds.add(target.id);
        for (let index = 0; index < message.count; index++) rows.push(rowAt(message, index));
        if (message.last) resolve(rows);
        else seat.worker.postMessage({ say: 'more' } satisfies ToWorker);
        return message.last;
      },
      fail: reject,
    });
  });
}

/** Moves what the write-ahead log holds now into the file. The caller keeps the database open until it is done. */
export function moveLog(target: Pick<ScanTarget, 'path' | 'key'>): Promise<void> {
  return new Promise((resolve, reject) => {
    if (waiting.length >= waitingMax)
      return reject(
        databaseFailures.ServerBusy({
          message: 'Too many queries are waiting. Try again in a moment.',
          retryAfterSeconds: 1,
        }),
      );
    submit({
      first: () => ({ say: 'move', open: { path: target.path, key: target.key.slice() } }),
      hear(message) {
        if (message.say === 'moved') resolve();
        else if (message.say === 'failed') reject(failureAgain(message.failure));
        return message.say === 'moved' || message.say === 'failed';
      },
      fail: reject,
    });
  });
}

function rowAt(message: Extract<FromWorker, { say: 'rows' }>, index: number): ScanRow {
  const row: ScanRow = {};
  for (let column = 0; column < message.columns.length; column++) {
    row[message.columns[column] ?? ''] = bufferOf(message.values[column]?.[index]);
  }
  return row;
}

/** Bytes arrive as plain Uint8Arrays; point reads give Buffers, and so do we. */
function bufferOf(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}

/** Makes every worker let go of the database. */
export async function forgetScans(id: number): Promise<void> {
  await Promise.all(
    seats
      .filter((seat) => seat.holds.has(id))
      .map(
        (seat) =>
          new Promise<void>((resolve) => {
            seat.holds.delete(id);
            const heard = (message: FromWorker) => {
              if (message.say === 'closed' && message.database === id) done();
            };
            const done = () => {
              seat.worker.off('message', heard);
              seat.worker.off('exit', done);
              if (seat.job === undefined) seat.worker.unref();
              resolve();
            };
            seat.worker.ref();
            seat.worker.on('message', heard);
            seat.worker.on('exit', done);
            seat.worker.postMessage({ say: 'close', database: id } satisfies ToWorker);
          }),
      ),
  );
}

/** Stops all workers. Scans under way fail; a later scan starts new workers. */
export async function closeScanPool(): Promise<void> {
  const [stopping, dropped] = [seats, waiting];
  seats = [];
  waiting = [];
  const stopped = databaseFailures.ServerStopping({ retryAfterSeconds: 1 });
  for (const job of dropped) job.fail(stopped);
  for (const seat of stopping) retire(seat, stopped);
  await Promise.all(stopping.map((seat) => seat.worker.terminate()));
}

function submit(job: Job): void {
  waiting.push(job);
  if (seats.every((seat) => seat.job !== undefined) && seats.length < workersMax) seats.push(startSeat());
  for (const seat of seats) serve(seat);
}

function serve(seat: Seat): void {
  if (seat.job !== undefined) return;
  const job = waiting.shift();
  if (job === undefined) {
    seat.worker.unref();
    return;
  }
  seat.job = job;
  // While it works the process must not end under it.
  seat.worker.ref();
  seat.deadline = setTimeout(() => {
    lose(seat, databaseFailures.ScanTimeout({ retryAfterSeconds: 1 }));
    void seat.worker.terminate();
  }, answerMillisecondsMax);
  try {
    seat.worker.postMessage(job.first(seat));
  } catch (error) {
    // A parameter that cannot travel to another thread, such as a function.
    release(seat);
    job.fail(error);
    serve(seat);
  }
}

function startSeat(): Seat {
  const worker = new Worker(new URL('./scan.worker.ts', import.meta.url), { env: {} });
  const seat: Seat = { worker, holds: new Set(), job: undefined, deadline: undefined };
  worker.on('message', (message: FromWorker) => {
    if (seat.job?.hear(message, seat) !== true) return;
    release(seat);
    serve(seat);
  });
  const died = (error: unknown) =>
    lose(seat, databaseFailures.ScanFailed({ message: 'The query ended with its worker.', cause: error }));
  worker.on('error', died);
  worker.on('exit', died);
  return seat;
}

/** The worker is gone: its scan fails, and whoever waits gets another worker. */
function lose(seat: Seat, error: unknown): void {
  if (!seats.includes(seat)) return;
  seats = seats.filter((other) => other !== seat);
  retire(seat, error);
  const next = waiting.shift();
  if (next !== undefined) submit(next);
}

function retire(seat: Seat, error: unknown): void {
  const job = seat.job;
  release(seat);
  job?.fail(error);
}

function release(seat: Seat): void {
  clearTimeout(seat.deadline);
  seat.job = undefined;
  seat.deadline = undefined;
}
