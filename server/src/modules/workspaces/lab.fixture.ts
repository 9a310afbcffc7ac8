// For tests of workspaces, assets and jobs: everything that they stand on, real and on real databases in one folder, behind
// the real door. Only the nodes are played: `work` is what compute would be told, and tells what a test makes happen.
// `restart` makes every module anew over the same folder, as after a crash.

import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { declaredActions } from '@strongroom/contract/actions';
import { accessMigrations, builtInRoles, createAccess } from '#access';
import { createAssets } from '#assets';
import { computeTables, createCompute } from '#compute';
import { createIdentity, identityMigrations } from '#identity';
import { createJobs } from '#jobs';
import { createTestClock } from '#kernel/clock/test-clock';
import { openDatabase } from '#kernel/database/database';
import { createFiles } from '#kernel/files/files';
import type { Scheme } from '#kernel/http/surface';
import { silentLog } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import { createDataKeys, dataKeyMigrations } from '#kernel/sealing/data-keys.service';
import { openRootKeyFile } from '#kernel/sealing/root-key';
import { createTasks, type Tasks, taskMigrations } from '#kernel/tasks/tasks';
import { testActor, testAudit } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';
import { createMonitoring } from '#monitoring';
import { createRegistry } from '#registry';
import { createResources, resourceTables } from '#resources';
import { createRuns } from '#runs';
import { createStorage } from '#storage';
import { createVault, vaultMigrations } from '#vault';
import { createWorkspaces } from './index.ts';
import { createPlayedWork, type PlayedWork } from './work.fixture.ts';

export const domain = 'localhost:8443';
export const location = 'local';
/** Drawn once for a file of tests: the keys of identity take a second to make. */
const secrets = new Map<string, Uint8Array>();

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

/** Steps that a test can fail or hold up, each named before it is taken. */
export type Seam = { before: (step: string) => Promise<void> };

export async function openLab(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-lab-'));
  const dataDir = join(folder, 'data');
  const files = createFiles();
  await files.ensureFolder(dataDir);
  const control = await openDatabase({
    path: join(folder, 'control.db'),
    key: new Uint8Array(32).fill(7),
    migrations: [
      taskMigrations,
      dataKeyMigrations,
      identityMigrations,
      accessMigrations,
      resourceTables,
      vaultMigrations,
      computeTables,
    ],
  });
  const rootKey = await openRootKeyFile({ file: join(folder, 'root.key'), dataFolder: join(folder, 'none'), files });
  const clock = createTestClock();
  const work = createPlayedWork();
  const seam: Seam = { before: async () => {} };
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

async function assemble(on: {
  readonly dataDir: string;
  readonly files: ReturnType<typeof createFiles>;
  readonly control: Awaited<ReturnType<typeof openDatabase>>;
  readonly rootKey: Awaited<ReturnType<typeof openRootKeyFile>>;
  readonly clock: ReturnType<typeof createTestClock>;
  readonly work: PlayedWork;
  readonly seam: Seam;
}) {
  const { dataDir, files, control, rootKey, clock, work, seam } = on;
  const log = silentLog;
  const late: { tasks?: Tasks } = {};
  const lateTasks: Pick<Tasks, 'enqueue' | 'periodic'> = {
    enqueue: (tx, task) => late.tasks?.enqueue(tx, task) ?? Promise.reject(new Error('tasks are not made yet')),
    periodic: (name, everyMs, act) => late.tasks?.periodic(name, everyMs, act),
  };
  const identity = createIdentity({
    database: control,
    clock,
    log,
    secretStore: {
      get: async (name) => secrets.get(name),
      put: async (name, bytes) => void secrets.set(name, bytes),
    },
    origins: () => [`https://${domain}`],
    domain: () => domain,
  });
  const { tenantId, subscriptionId, administrator } = await identity.bootstrap();
  const access = createAccess({
    database: control,
    clock,
    tenantId,
    catalogue: declaredActions,
    principals: {
      find: async (objectId) => {
        const found = await identity.directory.findPrincipal(objectId);
        const type = found?.kind === 'user' ? 'User' : 'ServicePrincipal';
        return found && { objectId: found.objectId, name: found.name, type, groups: [] };
      },
    },
  });
  const { grants, authorizer } = access;
  const dataKeys = createDataKeys({ database: control, rootKey, clock, wrapper: () => vault.keyWrapper });
  // `Bearer {object id}`: who somebody is needs no proof here.
  const byName: Scheme = {
    name: 'test',
    authenticate: (exchange) => {
      const objectId = /^Bearer ([0-9a-f-]{36})$/.exec(exchange.header('authorization') ?? '')?.[1];
      return objectId === undefined ? undefined : { ...testActor, tenantId, objectId };
    },
  };
  const runTokens: Scheme = { name: 'run token', authenticate: (exchange) => jobs.runScheme.authenticate(exchange) };
  const audit = testAudit();
  const resources = createResources({
    database: control,
    clock,
    tasks: lateTasks,
    grants,
    identities: {
      create: async (resource) => ({
        ...(await control.write((tx) => identity.directory.createManagedIdentity(tx, resource))),
        tenantId,
      }),
      async remove(resourceId) {
        const removed = await identity.directory.findManagedIdentity(resourceId);
        if (removed) await access.unassignPrincipal(grants.system('its resource is gone'), removed.objectId);
        await control.write((tx) => identity.directory.removeManagedIdentity(tx, resourceId));
      },
    },
    homeOf: (id) => workspaces.homeOf(id),
    subscription: { id: subscriptionId, displayName: 'Test', tenantId, location },
    domain,
    schemes: [runTokens, byName],
  });
  resources.onRemoved(async (_grant, id) => void (await access.unassignAll(grants.system('it is gone'), id)));
  const vault = createVault({
    database: control,
    dataKeys,
    grants,
    audit,
    clock,
    tasks: lateTasks,
    tenantId,
    domain,
    schemes: [byName],
  });
  const shared = { dataDir, files, dataKeys, resources: resources.resources, grants, clock, domain };
  const storage = createStorage({ ...shared, schemes: [byName], authority: `https://${domain}/${tenantId}` });
  const registry = createRegistry({
    ...shared,
    schemes: [runTokens, byName],
    tokens: identity.tokens,
    principals: identity.directory,
    tenantId,
  });
  const monitoring = createMonitoring({ schemes: [byName], subscriptionId, version: '0', log });
  const workspaces = createWorkspaces({
    ...shared,
    resources: {
      ...resources.resources,
      async put(grant, id, draft) {
        await seam.before(`put ${id.split('/').at(-2)}/${id.split('/').at(-1)}`);
        return resources.resources.put(grant, id, draft);
      },
    },
    access: {
      ...access,
      async assign(grant, assignment) {
        await seam.before('assign');
        return access.assign(grant, assignment);
      },
    },
    vaults: vault.vaults,
    blobs: {
      async ensureContainer(grant, account, container) {
        await seam.before(`container ${container.split('-')[0]}`);
        return storage.blobs.ensureContainer(grant, account, container);
      },
    },
    protectStorage: storage.protect,
    protectRegistry: registry.protect,
    tenantId,
  });
  const within = { resources: resources.resources, workspaces: workspaces.workspaces, clock };
  const assets = createAssets({ ...within, blobs: storage.blobs });
  const runs = createRuns({ ...within, blobs: storage.blobs, schemes: [runTokens, byName] });
  const compute = createCompute({
    database: control,
    clock,
    log,
    tokens: identity.tokens,
    tenantId: () => tenantId,
    maxNodes: 4,
    agentCommand: undefined,
  });
  const jobs = createJobs({
    ...within,
    runs: {
      ...runs.runs,
      async createRun(grant, id, run) {
        await seam.before('create run');
        return runs.runs.createRun(grant, id, run);
      },
      async setStatus(grant, id, run, status, endTime) {
        await seam.before(`run is ${status}`);
        return runs.runs.setStatus(grant, id, run, status, endTime);
      },
      async putArtifact(grant, id, run, path, source, options) {
        await seam.before('put artifact');
        return runs.runs.putArtifact(grant, id, run, path, source, options);
      },
    },
    assets: assets.assets,
    work: work.anew(seam),
    tokens: identity.tokens,
    grants,
    tenantId,
    log,
    port: 8443,
  });
  const modules: readonly Module[] = [
    access,
    identity,
    resources,
    vault,
    storage,
    registry,
    monitoring,
    workspaces,
    runs,
    assets,
    compute,
    jobs,
  ];
  const kinds = [vault, storage, registry, monitoring, workspaces, assets, compute, jobs].flatMap(
    (module) => module.kinds,
  );
  const tasks = createTasks({
    database: control,
    clock,
    log,
    handlers: Object.assign({}, ...modules.map((module) => module.tasks ?? {})),
  });
  late.tasks = tasks;
  const door = await openTestDoor({
    surfaces: [vault, storage, ...modules.filter((module) => module !== vault && module !== storage)].flatMap(
      (module) => module.surfaces ?? [],
    ),
    routes: [...modules.flatMap((module) => module.routes ?? []), ...resources.routesFor(kinds)],
    ports: { authorizer, audit },
  });
  for (const module of modules) await module.start?.();
  await tasks.start();
  const subscription = `/subscriptions/${subscriptionId}`;
  const system = grants.system('a test');
  await access.bootstrapOwner(system, [administrator.objectId], subscriptionId).catch(() => undefined);
  const roles = new Map(builtInRoles.map((role) => [role.roleName, role.id]));

  return {
    ...within,
    door,
    identity,
    access,
    assets: assets.assets,
    runs: runs.runs,
    blobs: storage.blobs,
    jobs,
    dataKeys,
    tasks,
    audit,
    system,
    subscription,
    owner: administrator.objectId,
    async assign(principalId: string, role: string, scope: string) {
      const roleDefinitionId = roles.get(role);
      if (roleDefinitionId === undefined) throw new Error(`there is no role '${role}'`);
      await access.assign(system, { scope, roleDefinitionId, principalId, principalType: 'ServicePrincipal' });
    },
    /** Decided by the real authorizer, as a route would ask. */
    grant: (objectId: string, action: string, scope: string) =>
      authorizer.needs(
        { actor: { ...testActor, tenantId, objectId }, requestId: 'r1', address: '127.0.0.1' },
        { name: action, plane: 'control' },
        scope,
      ),
    /** What is under way stays as it is stored: the tasks that hold it are not waited for. */
    async die() {
      await door.close();
      const stopping = tasks.stop();
      await clock.asleep(1);
      await clock.advance(600_000);
      await stopping;
      for (const module of [...modules].reverse()) await module.stop?.();
      dataKeys.close();
    },
    async close() {
      await door.close();
      await tasks.stop();
      for (const module of [...modules].reverse()) await module.stop?.();
      dataKeys.close();
    },
  };
}

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
