// For the tests of endpoints: the whole of that module over the real resource manager, storage, assets, monitoring and workspace
// database and registry, behind the real door. Written by hand are what other processes are: the agent (a real HTTP server on a Unix
// socket) and the queue of work.

import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import { storageActions } from '@strongroom/contract/storage.actions';
import tar from 'tar-stream';
import { createAssets } from '#assets';
import { createEndpoints } from '#endpoints';
import type { Environments } from '#environments';
import { createImages } from '#images';
import type { Action } from '#kernel/authority/grant';
import { randomUuid } from '#kernel/crypto/random';
import type { Database, MigrationSet } from '#kernel/database/database';
import type { Failure } from '#kernel/errors/failure';
import { createFiles } from '#kernel/files/files';
import { silentLog } from '#kernel/log/log';
import { createTasks, taskMigrations } from '#kernel/tasks/tasks';
import { type Rule, testActor, testActs, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { recordTelemetry } from '#kernel/testing/telemetry';
import { createMetricsRegistry, createMonitoring } from '#monitoring';
import { createRegistry } from '#registry';
import { createResources, everythingServed, resourceTables } from '#resources';
import { containerScope } from '#storage';
import type { Workspace, Workspaces } from '#workspaces';
import { workspaceType } from '#workspaces';
import { byteStoresOf, databasesOf } from '../../src/data-folder.ts';
import { setUp as setUpStorage } from '../../src/modules/storage/testing.ts';
import { createFakeWork, openAgent } from './endpoint-work.fixture.ts';

const subscriptionId = '0b1f6471-1bf0-4dda-aec3-cb9272f09590';
export const groupId = `/subscriptions/${subscriptionId}/resourceGroups/rg`;
export const workspaceId = `${groupId}/providers/Microsoft.MachineLearningServices/workspaces/ws`;
/** Its unique id. */
export const workspaceUid = '44444444-4444-4444-8444-444444444444';
export const registryId = `${groupId}/providers/Microsoft.ContainerRegistry/registries/crlab`;
export const insightsId = `${groupId}/providers/Microsoft.Insights/components/wsinsights`;
export const endpointId = `${workspaceId}/onlineEndpoints/credit`;
const version = 'api-version=2024-10-01';

export const scoreScript = 'def init(): pass\ndef run(data): return data\n';

export type World = Awaited<ReturnType<typeof setUp>>;

/** @param options.allows what callers of the management API may do; everything when absent */
export async function setUp(
  t: TestContext,
  options: { readonly allows?: Rule; readonly hbi?: boolean; readonly environments?: Environments } = {},
) {
  const storage = await setUpStorage(t);
  const account = await storage.addAccount('wsstore');
  const workspace: Workspace = {
    id: workspaceId,
    uniqueId: workspaceUid,
    name: 'ws',
    location: 'local',
    identity: { objectId: '55555555-5555-4555-8555-555555555555', name: 'ws' },
    storageAccount: account.id,
    keyVault: '',
    containerRegistry: registryId,
    applicationInsights: insightsId,
    jobPackageIndex: false,
    imageRegistries: [],
    hbi: options.hbi ?? false,
  };
  const container = { account: account.id, container: `azureml-blobstore-${workspace.uniqueId}` };
  await storage.blobs.ensureContainer(testGrant({ scope: containerScope(container) }), account.id, container.container);
  await storage.dataKeys.ensure(workspace.uniqueId, 'workspace', { kind: 'root' });
  let tables: readonly MigrationSet[] = [];
  const held: { home: Promise<Database> | undefined; refusal: Failure | undefined } = {
    home: undefined,
    refusal: undefined,
  };
  const home = () => {
    if (held.refusal) throw held.refusal;
    held.home ??= testDatabases(storage.folder).open('ws', tables, { key: new Uint8Array(32).fill(5) });
    return held.home;
  };
  const control = await testDatabases(storage.folder).open('arm', [taskMigrations, resourceTables], {
    key: new Uint8Array(32).fill(6),
  });
  const { authorizer, grants } = testAuthority((...asked) => options.allows?.(...asked) ?? true);
  const acts = testActs(grants);
  const workspaces: Workspaces = {
    async get() {
      if (held.refusal) throw held.refusal;
      return workspace;
    },
    database: async () => home(),
    async dataKey(_grant, _id, purpose) {
      if (held.refusal) throw held.refusal;
      return storage.dataKeys.ensure(workspace.uniqueId, purpose, { kind: 'root' });
    },
    container: () => container,
    datastore: async (grant, _workspace, name) => {
      const right = (action: Action) => () => grants.also(grant, action, containerScope(container));
      const { readBlobs, writeBlobs } = storageActions;
      return {
        name,
        ...container,
        hidden: [],
        isReserved: () => false,
        reader: right(readBlobs),
        writer: right(writeBlobs),
      };
    },
    asIdentity: (of, action, scope, reason) => grants.as(of.identity, action, scope, reason),
  };
  const { agent, socketPath } = await openAgent(t, storage.folder);
  const closing: (() => Promise<unknown>)[] = [];
  t.after(async () => {
    for (const close of closing.reverse()) await close();
    await (await held.home?.catch(() => undefined))?.close();
    await control.close();
  });

  /** A server over the same databases, as often as a test wants one to have died. */
  async function start() {
    const late: { tasks: ReturnType<typeof createTasks> | undefined } = { tasks: undefined };
    const schemes = [
      {
        name: 'test',
        authenticate: () => testActor,
      },
    ];
    const resources = createResources({
      database: control,
      clock: storage.clock,
      tasks: {
        enqueue: (tx, task) => {
          if (late.tasks === undefined) throw new Error('tasks are not made yet');
          return late.tasks.enqueue(tx, task);
        },
      },
      grants,
      acts,
      identities: { create: async () => ({ objectId: 'id', tenantId: 'tenant' }), remove: async () => {} },
      homeOf: async (id) => (id.toLowerCase() === workspaceId.toLowerCase() ? home() : undefined),
      subscription: { id: subscriptionId, displayName: 'Test', tenantId: testActor.tenantId, location: 'local' },
      domain: 'localhost:8443',
      schemes,
    });
    const { work, fake } = createFakeWork(t, () => socketPath);
    const telemetry = recordTelemetry();
    const metrics = { ...createMetricsRegistry({ log: silentLog }), telemetry };
    const monitoring = createMonitoring({ schemes, subscriptionId, version: '1', log: silentLog, registry: metrics });
    const assets = createAssets({
      resources: resources.resources,
      workspaces,
      blobs: storage.blobs,
      addresses: { sign: () => Promise.reject(new Error('nothing is uploaded in these tests')) },
      placed: async () => undefined,
      grants,
      acts,
      clock: storage.clock,
      log: silentLog,
      loggedModel: async () => undefined,
      pipelineSteps: () => {
        throw new Error('no component is registered in these tests');
      },
    });
    const registry = createRegistry({
      byteStores: byteStoresOf(join(storage.folder, 'data'), createFiles()),
      databases: databasesOf(join(storage.folder, 'data')),
      dataKeys: storage.dataKeys,
      resources: resources.resources,
      grants,
      acts,
      clock: storage.clock,
      log: silentLog,
      domain: 'localhost:8443',
      schemes,
      tokens: {
        issueToken: async ({ claims }) => ({
          token: `pull-token:${JSON.stringify(claims)}`,
          tokenId: randomUuid(),
          expiresAt: storage.clock.now(),
        }),
        verifyToken: async () => ({}),
      },
      principals: {
        principalOf: () => Promise.reject(new Error('nobody signs in in these tests')),
        bySecret: async () => undefined,
      },
      tenantId: testActor.tenantId,
    });
    const { images } = createImages({ registry: registry.registry });
    const endpoints = createEndpoints({
      resources: resources.resources,
      workspaces,
      assets: assets.assets,
      registry: registry.registry,
      images,
      environments: options.environments ?? {
        check: async () => undefined,
        plan: async () => ({}),
        knows: () => false,
        checkModel: async () => undefined,
        planModel: () => Promise.reject(new Error('no environment of a model is planned in this test')),
        ready: () => Promise.reject(new Error('no environment is built in this test')),
      },
      work,
      dataKeys: storage.dataKeys,
      grants,
      acts,
      scoring: monitoring.scoring,
      tenantId: testActor.tenantId,
      clock: storage.clock,
      log: silentLog,
      telemetry,
      port: 8443,
      origin: 'https://localhost:8443',
    });
    tables = [resources, monitoring, assets, endpoints].flatMap(({ workspaceTables }) => workspaceTables ?? []);
    const plain = {
      title: 'workspace',
      namePattern: /^\w+$/,
      nameRule: 'letters',
      properties: Type.Object({}),
      unserved: everythingServed,
      location: 'none',
    } as const;
    const routes = [
      ...(resources.routes ?? []),
      ...resources.routesFor([
        { ...plain, type: workspaceType },
        ...registry.kinds,
        ...monitoring.kinds,
        ...assets.kinds,
        ...endpoints.kinds,
      ]),
      ...(endpoints.routes ?? []),
    ];
    const audit = testAudit();
    const tasks = createTasks({
      database: control,
      clock: storage.clock,
      log: silentLog,
      handlers: resources.tasks ?? {},
    });
    late.tasks = tasks;
    resources.onRemoved(endpoints.removed);
    await resources.start?.();
    await registry.start?.();
    const surfaces = [...(endpoints.surfaces ?? []), ...(resources.surfaces ?? [])];
    const door = await openTestDoor({ surfaces, routes, ports: { authorizer, audit } });
    const stop = async () => {
      await door.close();
      await endpoints.stop?.();
      await registry.stop?.();
      await monitoring.scoring.flush();
      await resources.stop?.();
    };
    closing.push(async () => stop());
    const arm = async (method: string, id: string, body?: unknown) => {
      const reply = await send(door.url, method, `${id}${id.includes('?') ? '&' : '?'}${version}`, {
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { ...reply, json: reply.text === '' ? undefined : JSON.parse(reply.text) };
    };
    return {
      resources: resources.resources,
      endpoints,
      assets: assets.assets,
      monitoring,
      telemetry,
      registry: registry.registry,
      fake,
      work,
      audit,
      url: door.url,
      arm,
      tasks,
      start: () => endpoints.start?.(),
      /** A PUT of something long-running, and its end. */
      async make(id: string, body: unknown) {
        const put = await arm('PUT', id, body);
        if (put.status >= 300) return { put, got: put };
        await tasks.drain();
        return { put, got: await arm('GET', id) };
      },
      score: (body: string | Buffer | undefined, asked: Asked = {}, tail = '/score') =>
        send(
          door.url,
          asked.method ?? 'POST',
          `/endpoints/${workspace.uniqueId}/${asked.endpoint ?? 'credit'}${tail}`,
          {
            ...(asked.signal === undefined ? {} : { signal: asked.signal }),
            ...(body === undefined ? {} : { body }),
            headers: { 'content-type': 'application/json', ...asked.headers },
          },
        ),
    };
  }

  const first = await start();
  await first.arm('PUT', groupId, { location: 'local' });
  await first.arm('PUT', workspaceId, {});
  const made = await first.arm('PUT', registryId, { location: 'local', sku: { name: 'Premium' }, properties: {} });
  if (made.status >= 300) throw new Error(`no registry: ${made.text}`);

  /** Takes a folder as a snapshot and registers it. */
  async function register(
    kind: 'codes' | 'models',
    name: string,
    files: Readonly<Record<string, string>>,
    more: Readonly<Record<string, unknown>> = {},
  ) {
    const pack = tar.pack();
    for (const [path, content] of Object.entries(files)) pack.entry({ name: path }, content);
    pack.finalize();
    const grant = testGrant({ scope: workspaceId });
    const snapshot = await first.assets.snapshots.take(grant, workspaceId, pack as unknown as Readable, {
      allowCredentials: false,
    });
    const id = `${workspaceId}/${kind}/${name}/versions/1`;
    const property = kind === 'codes' ? 'codeUri' : 'modelUri';
    const put = await first.arm('PUT', id, { properties: { [property]: snapshot.uri, ...more } });
    if (put.status >= 300) throw new Error(`register: ${put.text}`);
    return id;
  }

  return { ...first, storage, workspace, agent, socketPath, register, restart: start, held, home, grants };
}

/** A deployment's body over the code and model that `furnish` registers. */
export const deploymentBody = (more: Readonly<Record<string, unknown>> = {}, capacity = 1) => ({
  location: 'local',
  sku: { name: 'Default', capacity },
  properties: {
    endpointComputeType: 'Managed',
    model: 'azureml:credit:1',
    codeConfiguration: { codeId: `${workspaceId}/codes/score/versions/1`, scoringScript: 'score.py' },
    ...more,
  },
});

/** An endpoint with a deployment that gets all the traffic; answers its keys. */
export async function furnish(world: World, more: Readonly<Record<string, unknown>> = {}, capacity = 1) {
  await world.register('codes', 'score', { 'score.py': scoreScript, 'lib/helper.py': 'x = 1\n' });
  await world.register('models', 'credit', { 'model.json': '{"weights":[1,2]}' });
  await world.make(endpointId, { location: 'local', properties: { authMode: 'Key' } });
  const made = await world.make(`${endpointId}/deployments/blue`, deploymentBody(more, capacity));
  if (made.got.json.properties.provisioningState !== 'Succeeded') throw new Error(`no deployment: ${made.got.text}`);
  const patched = await world.arm('PATCH', endpointId, { properties: { traffic: { blue: 100 } } });
  if (patched.status !== 200) throw new Error(`no traffic: ${patched.text}`);
  const { primaryKey, secondaryKey } = (await world.arm('POST', `${endpointId}/listKeys`)).json;
  return {
    primary: String(primaryKey),
    secondary: String(secondaryKey),
    bearer: { authorization: `Bearer ${primaryKey}` },
  };
}

export type Asked = {
  readonly method?: string;
  readonly endpoint?: string;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
};
export type Reply = { readonly status: number; readonly headers: IncomingMessage['headers']; readonly text: string };

export function send(
  url: string,
  method: string,
  path: string,
  asked: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Buffer;
    readonly signal?: AbortSignal;
  },
): Promise<Reply> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const body = asked.body === undefined ? undefined : Buffer.from(asked.body);
    const sent = request(
      {
        host: hostname,
        port,
        method,
        path,
        ...(asked.signal === undefined ? {} : { signal: asked.signal }),
        headers: {
          ...(body === undefined || asked.headers?.['transfer-encoding'] !== undefined
            ? {}
            : { 'content-length': String(body.length) }),
          ...asked.headers,
        },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
