// Judges passwords for strength.service.ts on a thread of its own: answers every message exactly once, in order, and keeps nothing
// of what it is sent.

import { parentPort } from 'node:worker_threads';
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common';

export type ToStrengthWorker = { readonly password: string; readonly about: readonly string[] };
/** 0 to 4, as zxcvbn has it. */
export type FromStrengthWorker = { readonly score: number };

const port = parentPort;
if (port === null) throw new Error('strength.worker.ts runs as a worker thread only');

const factory = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs });

port.on('message', ({ password, about }: ToStrengthWorker) => {
  const { score } = factory.check(password, [...about]);
  port.postMessage({ score } satisfies FromStrengthWorker);
});
