// For tests of this module: vaults on a real database in a temporary folder, made through the real resource manager, behind the
// real door, with requests whose Host header the test chooses, and data keys whose time the test drives.

import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { createFiles } from '#kernel/files/files';
import type { Scheme } from '#kernel/http/surface';
import { createDataKeys, type DataKeyService, dataKeyMigrations } from '#kernel/sealing/data-keys.service';
import { openRootKeyFile } from '#kernel/sealing/root-key-file';
import { createTasks, type TaskHandler, taskMigrations } from '#kernel/tasks/tasks';
import { type Rule, testActor, testActs, testAudit, testAuthority } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { createResources, resourceTables } from '#resources';
import { createVault, type VaultModule, vaultMigrations } from './index.ts';

export const tenantId = '22222222-2222-4222-8222-222222222222';
export const subscriptionId = '33333333-3333-4333-8333-333333333333';
export const groupId = `/subscriptions/${subscriptionId}/resourceGroups/Rooms`;
export const vaultId = (name: string) => `${groupId}/providers/Microsoft.KeyVault/vaults/${name}`;
export const rootHost = 'localhost:8443';
export const hostOf = (vault: string) => `${vault.toLowerCase()}.vault.${rootHost}`;

export type Answered = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // A test reads what it expects to be there; what is not there is undefined and fails its assertion.
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are picked apart by assertions.
  readonly body: any;
};

export type Call = {
  readonly host?: string;
  readonly body?: unknown;
  /** False sends no credential. */
  readonly token?: string | false;
  readonly headers?: Readonly<Record<string, string>>;
};

const bearer: Scheme = {
  name: 'test',
  authenticate: (exchange) => (/^Bearer \S+$/.test(exchange.header('authorization') ?? '') ? testActor : undefined),
};

export async function openWorld(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-vault-'));
  const clock = createTestClock();
  const database = await testDatabases(folder).open(
    'control',
    [taskMigrations, resourceTables, dataKeyMigrations, vaultMigrations],
    { key: new Uint8Array(32).fill(7) },
  );
  const rootKey = await openRootKeyFile({
    file: join(folder, 'root.key'),
    dataFolder: join(folder, 'none'),
    files: createFiles(),
  });
  const caller: { allows: Rule } = { allows: () => true };
  const closing: (() => Promise<unknown> | undefined)[] = [];
  t.after(async () => {
    for (const close of closing) await close();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function start() {
    const { authorizer, grants } = testAuthority((action, scope, actor) => caller.allows(action, scope, actor));
    const audit = testAudit();
    const late: { vault?: VaultModule; resources?: ReturnType<typeof createResources> } = {};
    // Removing a group is long: a task, whose handler is made after the tasks.
    const handlers = {
      'resources.operation': async (...asked: Parameters<TaskHandler>) =>
        late.resources?.tasks?.['resources.operation']?.(...asked),
    };
    const dataKeys: DataKeyService = createDataKeys({
      database,
      rootKey,
      wrapper: () => late.vault?.keyWrapper ?? fail('the vault is not made yet'),
      clock,
    });
    const tasks = createTasks({ database, clock, log: { debug() {}, info() {}, warn() {}, error() {} }, handlers });
    const resources = createResources({
      database,
      clock,
      tasks,
      grants,
      acts: testActs(grants, audit),
      identities: {
        create: async () => ({ objectId: 'identity-object', tenantId }),
        remove: async () => {},
      },
      homeOf: async () => undefined,
      subscription: { id: subscriptionId, displayName: 'Test', tenantId, location: 'local' },
      domain: rootHost,
      schemes: [bearer],
    });
    late.resources = resources;
    const opened: string[] = [];
    const vault = createVault({
      database,
      // Whatever is sealed in a vault is opened with its data key, and with nothing else.
      dataKeys: {
        ...dataKeys,
        open: (...asked) => {
          opened.push(asked.join('/'));
          return dataKeys.open(...asked);
        },
      },
      grants,
      acts: testActs(grants, audit),
      clock,
      tenantId,
      domain: rootHost,
      schemes: [bearer],
      defaultVault: 'main',
    });
    late.vault = vault;
    await resources.start?.();
    await vault.start?.();
    for (const { name, everyMs, run } of vault.periodic ?? [])
      tasks.periodic(name, everyMs, async (signal) => void (await run(signal)));
    tasks.periodic('data-keys-revalidate', 10_000, dataKeys.revalidate);
    const door = await openTestDoor({
      surfaces: [...(vault.surfaces ?? []), ...(resources.surfaces ?? [])],
      routes: [...(vault.routes ?? []), ...(resources.routes ?? []), ...resources.routesFor(vault.kinds)],
      ports: { authorizer, audit },
    });
    closing.push(async () => {
      await door.close();
      await resources.stop?.();
      dataKeys.close();
    });
    const call = callerOf(Number(new URL(door.url).port));
    return { ...vault, dataKeys, opened, grants, audit, tasks, resources: resources.resources, call, url: door.url };
  }
  return { folder, database, clock, caller, start };
}

export type World = Awaited<ReturnType<typeof openWorld>>;
export type Server = Awaited<ReturnType<World['start']>>;

/** A server with the group and the named vaults. */
export async function openVaults(t: TestContext, ...names: readonly string[]) {
  const world = await openWorld(t);
  const server = await world.start();
  const group = await server.call('PUT', groupId, { body: { location: 'local' } });
  if (group.status !== 201) fail(JSON.stringify(group.body));
  for (const name of names) await makeVault(server, name);
  return { ...world, server, call: server.call };
}

export async function makeVault(server: Server, name: string, properties: Readonly<Record<string, unknown>> = {}) {
  const made = await server.call('PUT', vaultId(name), { body: { location: 'local', properties } });
  if (made.status !== 201) fail(JSON.stringify(made.body));
  return made.body;
}

function callerOf(port: number) {
  return (method: string, path: string, call: Call = {}): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const { host = rootHost, body, token = 'test', headers = {} } = call;
      const url = path.startsWith('https://') ? new URL(path) : undefined;
      const target = url === undefined ? path : url.pathname + url.search;
      const asked = target.includes('api-version')
        ? target
        : `${target}${target.includes('?') ? '&' : '?'}api-version=2023-07-01`;
      const sent = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const outgoing = request(
        {
          port,
          host: '127.0.0.1',
          method,
          path: asked,
          headers: {
            host: url?.host ?? host,
            ...(token === false ? {} : { authorization: `Bearer ${token}` }),
            ...(sent === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
            ...headers,
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: text === '' ? undefined : JSON.parse(text),
            });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(sent);
    });
}

function fail(message: string): never {
  throw new Error(message);
}
