// Hashes for digest-thread.ts on a thread of its own: answers every message exactly once, in order, and decides nothing.

import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

export type ToDigestWorker =
  | { readonly say: 'update'; readonly digest: number; readonly bytes: Uint8Array; readonly isLent?: boolean }
  | { readonly say: 'end'; readonly digest: number };
/** Of an update the text is empty; memory that was lent comes back. */
export type FromDigestWorker = { readonly hex: string; readonly memory?: ArrayBuffer };

const port = parentPort;
if (port === null) throw new Error('digest.worker.ts runs as a worker thread only');

const hashes = new Map<number, Hash>();

port.on('message', (message: ToDigestWorker) => {
  const hash = hashes.get(message.digest) ?? createHash('sha256');
  let hex = '';
  if (message.say === 'update') {
    hash.update(message.bytes);
    hashes.set(message.digest, hash);
    const { isLent, bytes } = message;
    if (isLent && bytes.buffer instanceof ArrayBuffer) {
      const memory = bytes.buffer;
      return port.postMessage({ hex, memory } satisfies FromDigestWorker, [memory]);
    }
  } else {
    hex = hash.digest('hex');
    hashes.delete(message.digest);
  }
  port.postMessage({ hex } satisfies FromDigestWorker);
});
