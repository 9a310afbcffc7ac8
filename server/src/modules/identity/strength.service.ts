// How easily a password is guessed, judged on a thread of its own, started at the first use: what is made of many substituted
// letters takes a second of thinking, and the event loop has other work. A thread that dies fails the questions under way, and the
// next one gets a new thread. It never keeps a process alive by itself.

import { Worker } from 'node:worker_threads';
import { identityFailures } from './identity.errors.ts';
import type { FromStrengthWorker, ToStrengthWorker } from './strength.worker.ts';

/** Passwords are set rarely: more at once is a flood. */
const waitingMax = 16;

type Waiting = { readonly resolve: (score: number) => void; readonly reject: (error: unknown) => void };
/** Answers come in the order of the questions. */
type Thread = { readonly worker: Worker; readonly waiting: Waiting[] };

let thread: Thread | undefined;

/** 0 to 4, by the estimate of zxcvbn. Throws `throttled` when too many are asked for at once. */
export function strengthOf(question: ToStrengthWorker): Promise<number> {
  thread ??= startThread();
  const { worker, waiting } = thread;
  if (waiting.length >= waitingMax) throw identityFailures.TooManySignIns();
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    worker.ref();
    worker.postMessage(question);
  });
}

function startThread(): Thread {
  const worker = new Worker(new URL('./strength.worker.ts', import.meta.url), { env: {} });
  const started: Thread = { worker, waiting: [] };
  worker.on('message', ({ score }: FromStrengthWorker) => {
    started.waiting.shift()?.resolve(score);
    if (started.waiting.length === 0) worker.unref();
  });
  const died = (cause: unknown) => {
    if (thread === started) thread = undefined;
    for (const { reject } of started.waiting.splice(0))
      reject(new Error('the thread that judges passwords has ended', { cause }));
  };
  worker.on('error', died);
  worker.on('exit', died);
  worker.unref();
  return started;
}
