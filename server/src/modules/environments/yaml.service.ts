// Reads the YAML of strangers on a thread of its own, one text at a time: 64 KiB can be written so that reading them takes seconds, and
// the event loop has other work. A text that takes too long, or more memory than there is for it, is told to be unreadable, and the next
// one gets a new thread. It never keeps a process alive by itself.

import { Worker } from 'node:worker_threads';
import { environmentsFailures } from './environments.errors.ts';
import { type YamlHow, type YamlRead, yamlFrom } from './yaml.rules.ts';
import type { FromYamlWorker, ToYamlWorker } from './yaml.worker.ts';

export type YamlReader = {
  /** Throws `throttled` when too many texts wait. What cannot be read is an answer. */
  read(text: string, how?: YamlHow): Promise<YamlRead>;
};

const memoryMb = 256;

type Question = { readonly asked: ToYamlWorker; readonly answer: (read: YamlRead) => void };

export function createYamlReader({
  limitMs = 5_000,
  waitingMax = 32,
}: {
  readonly limitMs?: number;
  readonly waitingMax?: number;
} = {}): YamlReader {
  const waiting: Question[] = [];
  let worker: Worker | undefined;
  let current: { readonly question: Question; readonly timer: NodeJS.Timeout } | undefined;

  function startWorker(): Worker {
    const started = new Worker(new URL('./yaml.worker.ts', import.meta.url), {
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    const gone = () => {
      if (worker !== started) return;
      worker = undefined;
      settle({ error: 'cannot be read with the memory that there is for it' });
    };
    started.on('message', ({ json }: FromYamlWorker) => {
      if (worker === started) settle(yamlFrom(json));
    });
    started.on('error', gone);
    started.on('exit', gone);
    return started;
  }

  function settle(read: YamlRead): void {
    const over = current;
    current = undefined;
    if (over !== undefined) {
      clearTimeout(over.timer);
      over.question.answer(read);
    }
    next();
  }

  function next(): void {
    if (current !== undefined) return;
    const question = waiting.shift();
    if (question === undefined) return void worker?.unref();
    worker ??= startWorker();
    const asked = worker;
    asked.ref();
    const late = () => {
      worker = undefined;
      void asked.terminate();
      settle({ error: 'takes too long to read' });
    };
    current = { question, timer: setTimeout(late, limitMs) };
    asked.postMessage(question.asked);
  }

  return {
    read(text, how = {}) {
      if (waiting.length >= waitingMax) throw environmentsFailures.TooManyFiles();
      return new Promise((answer) => {
        waiting.push({ asked: { text, how }, answer });
        next();
      });
    },
  };
}
