// Reads YAML for yaml.service.ts on a thread of its own: answers every text exactly once, in order, and keeps nothing.

import { parentPort } from 'node:worker_threads';
import { type YamlHow, yamlToJson } from './yaml.rules.ts';

export type ToYamlWorker = { readonly text: string; readonly how: YamlHow };
export type FromYamlWorker = { readonly json: string };

const port = parentPort;
if (port === null) throw new Error('yaml.worker.ts runs as a worker thread only');

port.on('message', ({ text, how }: ToYamlWorker) => {
  port.postMessage({ json: yamlToJson(text, how) } satisfies FromYamlWorker);
});
