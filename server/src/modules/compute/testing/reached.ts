// For tests: work that is ready, behind a real door over TLS, with the agent's own half of the protocol in this process and a
// server of the test's in the place of its gateway.

import { rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AgentPollAnswer, ReachOffer } from '@strongroom/contract/agent';
import { createTestClock } from '#kernel/clock/test-clock';
import { createAuthority, issueLeaf, namesOf } from '#kernel/http/certificates';
import { mount } from '#kernel/http/mount';
import { freePort, listen } from '#kernel/http/server';
import { idKey } from '#kernel/ids/ids';
import { silentLog } from '#kernel/log/log';
import { serveCalls } from '../../../../../agent/src/calls.ts';
import { createClient } from '../../../../../agent/src/client.ts';
import { putCluster } from '../clusters.store.ts';
import type { ReachUnderTest } from '../reach.contract.ts';
import { build, clusterId, createOwner, grant, openControl, openFolder, specOf } from './world.ts';

const authority = await createAuthority('reach tests', new Date());
const { names, addresses } = namesOf('localhost');
const leaf = await issueLeaf(authority, names, addresses, new Date());
const sandbox = { available: true, version: '1' } as const;
const key = 'k'.repeat(43);

export async function openReached(kind: ReachOffer['kind']): Promise<ReachUnderTest> {
  const cleanups: (() => unknown)[] = [];
  const folder = await openFolder({ after: (act: () => unknown) => void cleanups.push(act) } as unknown as TestContext);
  const socketPath = join(folder, 'gateway.sock');
  let handler: RequestListener = (_request, response) => void response.end();
  const gateway = createServer((request, response) => {
    if (request.headers['x-strongroom-key'] !== key) response.writeHead(403).end();
    else handler(request, response);
  });
  await new Promise<void>((resolve) => gateway.listen(socketPath, resolve));

  const clock = createTestClock();
  const database = await openControl(folder);
  const far = clusterId('far');
  const target = kind === 'unix' ? 'local' : 'pool';
  const bounds = { minNodes: 0, maxNodes: 1, idleSeconds: 60 };
  await database.write((tx) => putCluster(tx, { key: idKey(far), id: far, target, ...bounds }));
  const { owner } = createOwner();
  const built = await build({ database, clock, owners: { job: owner, score: owner } });
  await built.compute.start?.();
  const { surfaces, routes, authorizer, audit } = built;
  const door = mount({ surfaces, routes, ports: { authorizer, audit }, log: silentLog });
  const port = await freePort('127.0.0.1');
  const listener = await listen({ door, host: '127.0.0.1', port, leaf, log: silentLog });

  const token = await built.compute.enrol('far', target);
  const url = `https://localhost:${port}`;
  const client = createClient({
    agent: 'far',
    url,
    caPem: authority.certificatePem,
    hostNames: [],
    reach: kind,
    ...token,
  });
  const reach: ReachOffer = kind === 'unix' ? { kind, socketPath, key } : { kind };
  const { session } = (await client.post('session', { sandbox, reach }, 5_000)) as { session: string };
  const spec = specOf('scoring', { kind: 'score', computeId: far });
  await built.compute.work.submit(grant, spec);
  const { start } = (await client.post('poll', { session, held: [] }, 5_000)) as AgentPollAnswer;
  const [item] = start;
  if (item === undefined) throw new Error('the work was not handed out');
  const ready = { session, fence: item.fence, events: [{ seq: 1, event: { type: 'ready' } }] };
  await client.post(`items/${item.id}/events`, ready, 5_000);
  const calls = kind === 'tunnel' ? serveCalls({ client, session, gateway: { socketPath, key } }) : undefined;

  const shut = () => {
    calls?.close();
    client.close();
    gateway.closeAllConnections();
    gateway.close();
  };
  return {
    workId: spec.id,
    call(request) {
      const call = built.compute.work.call(spec.id, request);
      if (call === undefined) throw new Error('the work is not ready');
      return call;
    },
    serve(next) {
      handler = next;
    },
    endSession: () => built.compute.dismiss('far'),
    async vanish() {
      rmSync(socketPath, { force: true });
      shut();
      // An agent that has a request and does not begin to answer is given up after a while.
      await clock.advance(10_000);
    },
    async close() {
      shut();
      await built.compute.stopAgent();
      await listener.close();
      await built.compute.stop?.();
      await database.close();
      for (const act of cleanups) await act();
    },
  };
}
