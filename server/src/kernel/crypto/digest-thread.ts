// SHA-256 of long content on a thread of its own, one for the process and started at the first use: hashing a large blob
// takes longer than sealing it, and the event loop has other work. Short content is hashed where it is. Promises the digest of exactly the pieces, in order; a
// thread that dies fails the digests under way, and the next one gets a new thread. It never keeps a process alive by itself.

import { Worker } from 'node:worker_threads';
import type { Failure } from '#kernel/errors/failure';
import { cryptoFailures } from './crypto.errors.ts';
import { createSha256 } from './digest.ts';
import type { FromDigestWorker, ToDigestWorker } from './digest.worker.ts';

export interface ThreadSha256 {
  /** Shared memory is read in place and must stay as it is until the answer; other memory is copied. */
  update(piece: Uint8Array): Promise<void>;
  /** Ends the digest: 64 lower-case hexadecimal digits. */
  hex(): Promise<string>;
  /** Gives the digest up, so that the thread forgets it. Nothing after `hex`. */
  drop(): void;
}

/** A SHA-256 of content whose length is not known before it has passed. */
export interface LongSha256 {
  /** A promise while the piece is being read, which must not change until then; undefined when that is over already. */
  update(piece: Uint8Array): Promise<void> | undefined;
  /** Ends the digest: 64 lower-case hexadecimal digits. */
  hex(): Promise<string>;
  /** Instead of `hex`; after it, nothing. */
  drop(): void;
}

/** A first piece of this length says that more will follow. Below, the way to the thread is longer than the hashing. */
const longPieceBytes = 512 * 1024;

export function createLongSha256(): LongSha256 {
  const here = createSha256();
  let thread: ThreadSha256 | undefined;
  let isFirst = true;
  return {
    update(piece) {
      if (isFirst && piece.length >= longPieceBytes) thread = createThreadSha256();
      isFirst = false;
      if (thread !== undefined) return thread.update(piece);
      here.update(piece);
      return undefined;
    },
    hex: async () => (await thread?.hex()) ?? here.hex(),
    drop: () => thread?.drop(),
  };
}

type Waiting = { readonly resolve: (hex: string) => void; readonly reject: (error: Failure) => void };
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
    async hex() {
      isOver = true;
      return await ask(home, { say: 'end', digest });
    },
    drop() {
      if (isOver || home.isDead) return;
      isOver = true;
      // Whoever asked before is answered all the same; this answer interests nobody.
      ask(home, { say: 'end', digest }).catch(() => {});
    },
  };
}

function ask(home: Thread, message: ToDigestWorker): Promise<string> {
  return new Promise((resolve, reject) => {
    if (home.isDead) return reject(cryptoFailures.DigestFailed());
    home.waiting.push({ resolve, reject });
    home.worker.ref();
    home.worker.postMessage(message);
  });
}

function startThread(): Thread {
  const worker = new Worker(new URL('./digest.worker.ts', import.meta.url), { env: {} });
  const started: Thread = { worker, waiting: [], isDead: false };
  worker.on('message', ({ hex }: FromDigestWorker) => {
    started.waiting.shift()?.resolve(hex);
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
