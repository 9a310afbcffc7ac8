// For tests: an installation with nothing played. The real door over TLS, the real agent as a child process, real sandboxes.

import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#kernel/clock/clock';
import { createAuthority, issueLeaf, namesOf } from '#kernel/http/certificates';
import { mount } from '#kernel/http/mount';
import type { Route } from '#kernel/http/route';
import { freePort, listen } from '#kernel/http/server';
import type { Surface } from '#kernel/http/surface';
import { silentLog } from '#kernel/log/log';
import type { WorkDocument, WorkSpec } from '../index.ts';
import { build, createOwner, limits, openControl, openFolder } from './world.ts';

const agentMain = fileURLToPath(new URL('../../../../../agent/src/main.ts', import.meta.url));
export const canary = 'token-canary-5d2f91';

const authority = await createAuthority('compute tests', new Date());
const { names, addresses } = namesOf('localhost');
const leaf = await issueLeaf(authority, names, addresses, new Date());

/** A server with its agent. `contentOf` makes what each piece of work runs, for the port that the server has. */
export async function openInstallation(
  t: Pick<TestContext, 'after'>,
  contentOf: (work: WorkSpec, port: number) => Pick<WorkDocument['document'], 'job' | 'score'>,
  further: {
    readonly surfaces?: readonly Surface[];
    readonly routes?: readonly Route[];
    readonly agentCommand?: readonly [string, ...string[]];
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
    agentCommand: further.agentCommand ?? [process.execPath, agentMain],
  });
  await built.compute.start?.();
  const { authorizer, audit } = built;
  const door = mount({
    surfaces: [...(further.surfaces ?? []), ...built.surfaces],
    routes: [...(further.routes ?? []), ...built.routes],
    ports: { authorizer, audit },
    log: silentLog,
  });
  const listener = await listen({ door, host: '127.0.0.1', port, leaf, log: silentLog });
  built.compute.startAgent({
    url: `https://localhost:${port}`,
    caPem: authority.certificatePem,
    hostNames: [],
  });
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await built.compute.stopAgent();
    await listener.close();
    await built.compute.stop?.();
    await database.close();
  };
  t.after(close);
  return { ...built, owner, documents, close };
}
