// For tests of workspaces, assets and jobs: everything that they stand on, real and on real databases in one folder, behind
// the real door. Only the nodes are played: `work` is what compute would be told, and tells what a test makes happen.
// `restart` makes every module anew over the same folder, as after a crash.

import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { createFiles } from '#kernel/files/files';
import { openRootKeyFile } from '#kernel/sealing/root-key-file';
import { testDatabases } from '#kernel/testing/databases';
import { controlTables } from '../../src/compose/foundation.ts';
import { assemble, domain, location, offeredPython, type Seam } from './modules.fixture.ts';
import { createPlayedWork } from './work.fixture.ts';

export type Answered = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  // A test reads what it expects to be there; what is not there is undefined and fails its assertion.
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are picked apart by assertions.
  readonly body: any;
};
export type Call = {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
};

export async function openLab(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-lab-'));
  const dataDir = join(folder, 'data');
  const files = createFiles();
  await files.ensureFolder(dataDir);
  const control = await testDatabases(folder).open('control', controlTables, { key: new Uint8Array(32).fill(7) });
  const rootKey = await openRootKeyFile({ file: join(folder, 'root.key'), dataFolder: join(folder, 'none'), files });
  const clock = createTestClock();
  const work = createPlayedWork();
  const seam: Seam = {
    before: async () => {},
    pythons: ['3.11', '3.12'].map(offeredPython),
    fetch: () => Promise.reject(new Error('there is no package index in this test')),
    upstream: () => Promise.reject(new Error('there is no other registry in this test')),
    registries: [],
    readBytes: 0,
    indexForJobs: 'none',
    map: ['mcr.microsoft.com/azureml/*=strongroom/node-python', 'AzureML-sklearn*=azureml:own:1'],
  };
  const closing: (() => Promise<unknown>)[] = [];

  const build = () => assemble({ dataDir, files, control, rootKey, clock, work, seam });
  let running = await build();
  t.after(async () => {
    for (const close of closing) await close();
    await running.close();
    await control.close();
    await rm(folder, { recursive: true, force: true });
  });
  const { owner, subscription } = running;
  const group = `${subscription}/resourceGroups/Lab`;

  async function call(who: string, method: string, path: string, options: Call = {}): Promise<Answered> {
    return send(new URL(running.door.url).port, who, method, path, options);
  }
  const must = async (who: string, method: string, path: string, options: Call = {}): Promise<Answered> => {
    const answered = await call(who, method, path, options);
    if (answered.status >= 300)
      throw new Error(`${method} ${path}: ${answered.status} ${answered.bytes.toString('utf8')}`);
    return answered;
  };
  await must(owner, 'PUT', group, { body: { location } });

  return {
    folder,
    dataDir,
    control,
    clock,
    work,
    seam,
    owner,
    group,
    subscription,
    /** What stands at this moment; another one after `restart`. */
    now: () => running,
    call,
    must,
    id: (type: string, name: string) => `${group}/providers/${type}/${name}`,
    workspaceId: (name: string) => `${group}/providers/Microsoft.MachineLearningServices/workspaces/${name}`,
    /** An application with these built-in roles at this scope; answers its credential. */
    async person(roles: readonly string[], scope = group): Promise<string> {
      const made = await control.write((tx) =>
        running.identity.directory.createApplication(tx, { name: `person-${roles.join('-') || 'nobody'}` }),
      );
      for (const role of roles) await running.assign(made.objectId, role, scope);
      return made.objectId;
    },
    /** A workspace that is done. */
    async workspace(name: string, properties: object = {}): Promise<string> {
      const id = `${group}/providers/Microsoft.MachineLearningServices/workspaces/${name}`;
      await must(owner, 'PUT', id, { body: { location, properties } });
      await running.tasks.drain();
      const { body } = await must(owner, 'GET', id);
      if (body.properties.provisioningState !== 'Succeeded') throw new Error(JSON.stringify(body));
      return id;
    },
    /** The server dies with things under way that never end; another one stands up. */
    async abandon() {
      await running.die();
      running = await build();
    },
    /** Everything anew over the same folder, after a clean stop. */
    async restart() {
      await running.close();
      running = await build();
      return running;
    },
  };
}
export type Lab = Awaited<ReturnType<typeof openLab>>;

function send(port: string, who: string, method: string, path: string, call: Call): Promise<Answered> {
  const { body, headers = {}, signal } = call;
  const url = new URL(path, `https://${domain}`);
  const version = url.host === domain ? '2024-10-01' : '7.4';
  if (!path.startsWith('/mlflow') && !url.searchParams.has('api-version')) url.searchParams.set('api-version', version);
  const sent = body === undefined || body instanceof Uint8Array ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        port,
        host: '127.0.0.1',
        method,
        path: url.pathname + url.search,
        headers: {
          host: url.host,
          authorization: `Bearer ${who}`,
          ...(sent === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
          ...headers,
        },
        ...(signal === undefined ? {} : { signal }),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const isJson = String(incoming.headers['content-type']).includes('json');
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            bytes,
            body: isJson && bytes.length > 0 ? JSON.parse(bytes.toString('utf8')) : undefined,
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(sent);
  });
}
