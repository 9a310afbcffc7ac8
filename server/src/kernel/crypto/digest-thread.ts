// SHA-256 of long content on a thread of its own, one for the process and started at the first use: hashing a large blob
// takes longer than sealing it, and the event loop has other work. Short content is hashed where it is. Promises the digest of exactly the pieces, in order; a
// thread that dies fails the digests under way, and the next one gets a new thread. It never keeps a process alive by itself.

import { Worker } from 'node:worker_threads';
import { isAlone } from '#kernel/bytes/pieces';
import type { Failure } from '#kernel/errors/failure';
import { cryptoFailures } from './crypto.errors.ts';
import { createSha256 } from './digest.ts';
import type { FromDigestWorker, ToDigestWorker } from './digest.worker.ts';

export interface ThreadSha256 {
  /** Shared memory is read in place and must stay as it is until the answer; other memory is copied. */
  update(piece: Uint8Array): Promise<void>;
  /** As `update` without a copy: the thread has all the memory that the piece lies in until the answer, which is that memory. */
  lend(piece: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** Ends the digest: 64 lower-case hexadecimal digits. */
  hex(): Promise<string>;
  /** Gives the digest up, so that the thread forgets it. Nothing after `hex`. */
  drop(): void;
}

/** A SHA-256 of content whose length is not known before it has passed. */
export interface LongSha256 {
  /** A promise while the piece is being read, which must not change until then; undefined when that is over already. */
  update(piece: Uint8Array): Promise<void> | undefined;
  /**
   * As `update`, and the piece may go away with all the memory it lies in: then the answer is a promise of that memory. Undefined
   * when it was read at once and is still the caller's. What is longest costs no copy this way.
   */
  lend(piece: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> | undefined;
  /** Ends the digest: 64 lower-case hexadecimal digits. */
  hex(): Promise<string>;
  /** Instead of `hex`; after it, nothing. */
  drop(): void;
}

/** A first piece of this length says that more will follow. Below, the way to the thread is longer than the hashing. */
const longPieceBytes = 256 * 1024;

export function createLongSha256(): LongSha256 {
  const here = createSha256();
  let thread: ThreadSha256 | undefined;
  let isFirst = true;
  /** The thread, where it is worth the way; otherwise the piece is read. */
  function threadOr(piece: Uint8Array): ThreadSha256 | undefined {
    if (isFirst && piece.length >= longPieceBytes) thread = createThreadSha256();
    isFirst = false;
    if (thread === undefined) here.update(piece);
    return thread;
  }
  return {
    update: (piece) => threadOr(piece)?.update(piece),
    lend: (piece) => threadOr(piece)?.lend(piece),
    hex: async () => (await thread?.hex()) ?? here.hex(),
    drop: () => thread?.drop(),
  };
}

/**
 * The SHA-256 of content that nobody needs afterwards: the memory of its pieces goes back, and the next piece is made while the last
 * one is read. 64 lower-case hexadecimal digits.
 */
export async function sha256OfPieces(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const digest = createLongSha256();
  let before: Promise<void> = Promise.resolve();
  try {
    for await (const piece of pieces) {
      await before;
      // What lies beside the piece in its memory is another's, if it does not lie there alone.
      before = isAlone(piece)
        ? Promise.resolve(digest.lend(piece)).then((memory) => void (memory ?? piece).buffer.transfer(0))
        : Promise.resolve(digest.update(piece));
      before.catch(() => {}); // told to whoever waits for it
    }
    await before;
  } catch (thrown) {
    digest.drop();
    throw thrown;
  }
  return await digest.hex();
}

type Waiting = { readonly resolve: (answer: FromDigestWorker) => void; readonly reject: (error: Failure) => void };
/** Answers come in the order of the questions. */
type Thread = { readonly worker: Worker; readonly waiting: Waiting[]; isDead: boolean };

let thread: Thread | undefined;
let digests = 0;

/** Starts an incremental SHA-256 on the thread. Its answers reject with Failure `DigestFailed` when the thread is lost. */
export function createThreadSha256(): ThreadSha256 {
  const home = thread ?? startThread();
  thread = home;
  digests += 1;
  const digest = digests;
  let isOver = false;
  return {
    update: async (bytes) => void (await ask(home, { say: 'update', digest, bytes })),
    async lend(bytes) {
      const { memory } = await ask(home, { say: 'update', digest, bytes, isLent: true }, [bytes.buffer]);
      return new Uint8Array(memory ?? new ArrayBuffer(0));
    },
    async hex() {
      isOver = true;
      return (await ask(home, { say: 'end', digest })).hex;
    },
    drop() {
      if (isOver || home.isDead) return;
      isOver = true;
      // Whoever asked before is answered all the same; this answer interests nobody.
      ask(home, { say: 'end', digest }).catch(() => {});
    },
  };
}

function ask(home: Thread, message: ToDigestWorker, moved: readonly ArrayBuffer[] = []): Promise<FromDigestWorker> {
  return new Promise((resolve, reject) => {
    if (home.isDead) return reject(cryptoFailures.DigestFailed());
    home.waiting.push({ resolve, reject });
    home.worker.ref();
    home.worker.postMessage(message, moved);
  });
}

function startThread(): Thread {
  const worker = new Worker(new URL('./digest.worker.ts', import.meta.url), { env: {} });
  const started: Thread = { worker, waiting: [], isDead: false };
  worker.on('message', (answer: FromDigestWorker) => {
    started.waiting.shift()?.resolve(answer);
    if (started.waiting.length === 0) worker.unref();
  });
  const died = (cause: unknown) => {
    started.isDead = true;
    if (thread === started) thread = undefined;
    for (const { reject } of started.waiting.splice(0)) reject(cryptoFailures.DigestFailed(cause));
  };
  worker.on('error', died);
  worker.on('exit', died);
  worker.unref();
  return started;
}
