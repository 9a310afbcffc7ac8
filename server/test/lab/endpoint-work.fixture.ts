// For tests of endpoints: an agent that leads requests to a model, and the queue of work that it would have taken.

import { chmod } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { gatewayHeaders } from '@strongroom/contract/agent';
import type { Work, WorkEvent, WorkOwner, WorkSpec } from '#compute';
import { createUnixReach } from '../../src/modules/compute/unix-reach.service.ts';

/** What stands for a scoring process: answers the request that the agent would have led to it. */
export type Model = (request: IncomingMessage, body: Buffer, response: ServerResponse) => void;
export const answering =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Model =>
  (_request, _body, response) => {
    const text = JSON.stringify(body);
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...headers,
    });
    response.end(text);
  };

const agentKey = 'k'.repeat(43);

export async function openAgent(t: TestContext, folder: string) {
  const socketPath = join(folder, 'agent.sock');
  const agent = { model: answering(200, { answer: 42 }) as Model, seen: [] as IncomingMessage[] };
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    agent.seen.push(incoming);
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      if (incoming.headers[gatewayHeaders.key] !== agentKey) return void response.writeHead(403).end();
      agent.model(incoming, Buffer.concat(chunks), response);
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  await chmod(socketPath, 0o600);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { agent, socketPath };
}

/** The queue of work without anybody who takes it: a test plays the agent. */
export function createFakeWork(t: TestContext, socketPath: () => string) {
  const unixReach = createUnixReach();
  t.after(() => unixReach.close());
  const items = new Map<string, { spec: WorkSpec; cancelled: boolean; ready: boolean }>();
  const held: { owner: WorkOwner | undefined } = { owner: undefined };
  const watchers: (() => void)[] = [];
  const changed = () => {
    for (const watcher of watchers.splice(0)) watcher();
  };
  const fake = {
    /** What becomes of work at once when it is submitted; by default it gets ready. */
    onSubmit: (async (spec) => fake.tell(spec.id, { type: 'ready' })) as (spec: WorkSpec) => Promise<void>,
    items,
    async tell(id: string, event: WorkEvent): Promise<void> {
      const item = items.get(id);
      if (item === undefined || held.owner === undefined) throw new Error('no such work');
      if (event.type === 'ready') item.ready = true;
      if (event.type === 'finished' || event.type === 'lost') items.delete(id);
      await held.owner.onEvent(item.spec, event);
      changed();
    },
    documentOf: async (id: string) => {
      const item = items.get(id);
      if (item === undefined || held.owner === undefined) throw new Error('no such work');
      return held.owner.documentOf(item.spec, 1);
    },
    /** Resolves once `holds`, looked at after every change. */
    async until(holds: () => boolean): Promise<void> {
      while (!holds()) await new Promise<void>((resolve) => watchers.push(resolve));
    },
    running: () => [...items.values()].filter(({ cancelled }) => !cancelled).map(({ spec }) => spec),
  };
  const work: Work = {
    owner: (_kind, owner) => {
      held.owner = owner;
    },
    async submit(_grant, spec) {
      items.set(spec.id, { spec, cancelled: false, ready: false });
      changed();
      await fake.onSubmit(spec);
    },
    async cancel(_grant, id) {
      const item = items.get(id);
      if (item !== undefined) item.cancelled = true;
      items.delete(id);
      changed();
    },
    keptBytes: async () => 0,
    unsettled: async () => [...items.values()].map(({ spec }) => spec),
    state: async (id) => (items.has(id) ? 'running' : undefined),
    call(id, request) {
      if (items.get(id)?.ready !== true) return undefined;
      const reach = { kind: 'unix', socketPath: socketPath(), key: agentKey } as const;
      const session = { reach, gone: new AbortController().signal };
      return unixReach.call({ session, workId: id }, request);
    },
  };
  return { work, fake };
}
