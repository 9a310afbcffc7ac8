// For tests: an installation with nothing played. The real door over TLS, the real agent as a child process, real sandboxes.

import { spawn } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#kernel/clock/clock';
import { createAuthority, issueLeaf, namesOf } from '#kernel/http/certificates';
import { mount } from '#kernel/http/mount';
import type { Route } from '#kernel/http/route';
import { freePort, listen } from '#kernel/http/server';
import type { Surface } from '#kernel/http/surface';
import { idKey } from '#kernel/ids/ids';
import { silentLog } from '#kernel/log/log';
import { putCluster } from '../clusters.store.ts';
import type { AgentPlace, Compute, WorkDocument, WorkSpec } from '../index.ts';
import { build, clusterId, createOwner, limits, openControl, openFolder } from './world.ts';

const agentMain = fileURLToPath(new URL('../../../../../agent/src/main.ts', import.meta.url));
export const canary = 'token-canary-5d2f91';

const authority = await createAuthority('compute tests', new Date());
const { names, addresses } = namesOf('localhost');
const leaf = await issueLeaf(authority, names, addresses, new Date());

/** A server with its agent. `contentOf` makes what each piece of work runs, for the port that the server has. */
export async function openInstallation(
  t: Pick<TestContext, 'after'>,
  contentOf: (work: WorkSpec, port: number) => Pick<WorkDocument['document'], 'job' | 'score' | 'python'>,
  further: {
    readonly surfaces?: readonly Surface[];
    readonly routes?: readonly Route[];
    readonly agentCommand?: readonly [string, ...string[]];
    /** The agent is one of another target, with the cluster `far`: nothing of it but its own connections leads to it. */
    readonly isElsewhere?: boolean;
  } = {},
) {
  const folder = await openFolder(t as TestContext);
  const database = await openControl(folder);
  const port = await freePort('127.0.0.1');
  const documents: string[] = [];
  const owner = createOwner(async (work): Promise<WorkDocument> => {
    documents.push(work.label);
    return {
      document: { port, ...contentOf(work, port) },
      limits,
      scratchBytes: 16 * 1024 * 1024,
      tokenTtlSeconds: 900,
    };
  });
  const built = await build({
    database,
    clock: systemClock,
    owners: { job: owner.owner, score: owner.owner },
    ...(further.isElsewhere ? {} : { agentCommand: further.agentCommand ?? [process.execPath, agentMain] }),
  });
  if (further.isElsewhere) {
    const id = clusterId('far');
    const bounds = { minNodes: 0, maxNodes: 4, idleSeconds: 60 };
    await database.write((tx) => putCluster(tx, { key: idKey(id), id, target: 'pool', ...bounds }));
  }
  await built.compute.start?.();
  const { authorizer, audit } = built;
  const door = mount({
    surfaces: [...(further.surfaces ?? []), ...built.surfaces],
    routes: [...(further.routes ?? []), ...built.routes],
    ports: { authorizer, audit },
    log: silentLog,
  });
  const listener = await listen({ door, host: '127.0.0.1', port, leaf, log: silentLog });
  const place = { url: `https://localhost:${port}`, caPem: authority.certificatePem, hostNames: [] };
  built.compute.startAgent(place);
  const far = further.isElsewhere ? await startFar(built.compute, place) : undefined;
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await far?.stop();
    await built.compute.stopAgent();
    await listener.close();
    await built.compute.stop?.();
    await database.close();
  };
  t.after(close);
  return { ...built, owner, documents, close };
}

/** The agent as whoever runs it elsewhere starts it: its enrolment on its standard input, which stays open. */
async function startFar(compute: Compute, place: AgentPlace) {
  const enrolment = { agent: 'far', ...place, ...(await compute.enrol('far', 'pool')), reach: 'tunnel' };
  const child = spawn(process.execPath, [agentMain], {
    stdio: ['pipe', 'ignore', 'inherit'],
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  child.stdin.write(`${JSON.stringify(enrolment)}\n`);
  return {
    stop: () => {
      child.stdin.end();
      return ended;
    },
  };
}
