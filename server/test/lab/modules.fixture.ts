// For tests: the modules of a server as compose makes them, over databases that outlive them. Everything is real but the
// nodes; steps can be failed or held up by name.

import { declaredActions } from '@strongroom/contract/actions';
import { builtInRoles, createAccess } from '#access';
import { createAssets } from '#assets';
import { createCompute } from '#compute';
import { createConnections } from '#connections';
import { createEnvironments, type EnvironmentsModule, type Fetch } from '#environments';
import { createFlows, type Flows } from '#flows';
import { createIdentity, createSignedAddresses, firstStart } from '#identity';
import { createImages } from '#images';
import { createImports, type FetchUpstream } from '#imports';
import { createJobs, type Jobs } from '#jobs';
import type { TestClock } from '#kernel/clock/test-clock';
import type { Database } from '#kernel/database/database';
import type { Files } from '#kernel/files/files';
import type { Scheme } from '#kernel/http/surface';
import { silentLog } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import { createDataKeys } from '#kernel/sealing/data-keys.service';
import type { RootKey } from '#kernel/sealing/root-key';
import { createTasks, type Tasks } from '#kernel/tasks/tasks';
import { houseGrant, testActor, testAudit } from '#kernel/testing/authority';
import { watchedByteStores } from '#kernel/testing/byte-stores';
import { openTestDoor } from '#kernel/testing/door';
import { recordTelemetry } from '#kernel/testing/telemetry';
import { createMetricsRegistry, createMonitoring } from '#monitoring';
import { createRegistry } from '#registry';
import { createResources, type ResourceKind } from '#resources';
import { createRuns } from '#runs';
import { createSchedules } from '#schedules';
import { createStorage } from '#storage';
import { createVault } from '#vault';
import { createWorkspaces, type IndexForJobs, readRegistryRule } from '#workspaces';
import { identitiesOf, principalsOf } from '../../src/compose/principals.ts';
import { byteStoresOf, databasesOf } from '../../src/data-folder.ts';
import type { PlayedWork } from './work.fixture.ts';

export const domain = 'localhost:8443';
export const location = 'local';
/** As a node of these tests offers it. */
export const offeredPython = (version: string) => ({
  version,
  release: `${version}.1`,
  abi: `cpython-${version.replace('.', '')}-x86_64-linux-gnu`,
});
/** Drawn once for a file of tests: the keys of identity take a second to make. */
const secrets = new Map<string, Uint8Array>();

/** Steps that a test can fail or hold up, each named before it is taken. */
export type Seam = {
  before: (step: string) => Promise<void>;
  /** The package index: nothing, unless a test has one. */
  fetch: Fetch;
  /** Other registries: none answers, unless a test has one. */
  upstream: FetchUpstream;
  /** What the operator permits of them; others count after `restart`. */
  registries: readonly string[];
  /** What the nodes have. */
  pythons: readonly ReturnType<typeof offeredPython>[];
  /** Bytes of sealed files that were read. */
  readBytes: number;
  /** Whose jobs may install packages; another word counts after `restart`. */
  indexForJobs: IndexForJobs;
  /** What stands for environments and images that are not here (`environments.images`); another list counts after `restart`. */
  map: readonly string[];
};

export async function assemble(on: {
  readonly dataDir: string;
  readonly files: Files;
  readonly control: Database;
  readonly rootKey: RootKey;
  readonly clock: TestClock;
  readonly work: PlayedWork;
  readonly seam: Seam;
}) {
  const { dataDir, files, control, rootKey, clock, work, seam } = on;
  const log = silentLog;
  const metrics = createMetricsRegistry({ log });
  const telemetry = recordTelemetry();
  const late: { tasks?: Tasks } = {};
  const lateTasks: Pick<Tasks, 'enqueue' | 'periodic'> = {
    enqueue: (tx, task) => late.tasks?.enqueue(tx, task) ?? Promise.reject(new Error('tasks are not made yet')),
    periodic: (...args) => late.tasks?.periodic(...args),
  };
  const installed = await firstStart(control, clock);
  const { tenantId, subscriptionId, administrator } = installed;
  const identity = createIdentity({
    database: control,
    clock,
    log,
    telemetry,
    secretStore: {
      get: async (name) => secrets.get(name),
      put: async (name, bytes) => void secrets.set(name, bytes),
    },
    installed,
    origins: [`https://${domain}`],
    domain,
    leaving: (objectId, how, leave) => access.retire(houseGrant(), objectId, how, leave),
  });
  const audit = testAudit();
  const access = createAccess({
    database: control,
    clock,
    tenantId,
    catalogue: declaredActions,
    audit,
    principals: principalsOf(identity.directory),
    scopes: {
      require: (scope) => resources.scopes.require(scope),
      isGone: (scope) => resources.scopes.isGone(scope),
    },
  });
  const { grants, acts, authorizer } = access;
  const addresses = createSignedAddresses({
    tokens: identity.tokens,
    standings: identity.standings,
    authorizer,
    tenantId,
  });
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
  const resources = createResources({
    database: control,
    clock,
    tasks: lateTasks,
    grants,
    acts,
    identities: identitiesOf({ control, directory: identity.directory, access, tenantId }),
    homeOf: (id) => workspaces.homeOf(id),
    subscription: { id: subscriptionId, displayName: 'Test', tenantId, location },
    domain,
    schemes: [runTokens, byName],
  });
  resources.onRemoved(async (grant, id) => void (await access.unassignAll(grant, id)));
  const vault = createVault({
    database: control,
    dataKeys,
    grants,
    acts,
    clock,
    tenantId,
    domain,
    schemes: [byName],
  });
  const databases = databasesOf(dataDir, files);
  const shared = {
    databases,
    byteStores: watchedByteStores(byteStoresOf(dataDir, files), (_object, bytes) => {
      seam.readBytes += bytes;
    }),
    files,
    dataKeys,
    resources: resources.resources,
    grants,
    acts,
    clock,
    log,
    domain,
  };
  const storage = createStorage({
    ...shared,
    schemes: [byName],
    addresses: addresses.scheme('blob'),
    authority: `https://${domain}/${tenantId}`,
    reservedIn: (ref) => workspaces.reservedIn(ref),
  });
  const registry = createRegistry({
    ...shared,
    schemes: [runTokens, byName],
    tokens: identity.tokens,
    principals: identity.standings,
    tenantId,
  });
  const monitoring = createMonitoring({ schemes: [byName], subscriptionId, version: '0', log, registry: metrics });
  const registryRules = seam.registries.map(readRegistryRule).filter((rule) => typeof rule !== 'string');
  const workspaces = createWorkspaces({
    ...shared,
    resources: {
      ...resources.resources,
      async put(grant, id, draft) {
        await seam.before(`put ${id.split('/').at(-2)}/${id.split('/').at(-1)}`);
        return resources.resources.put(grant, id, draft);
      },
      async create(grant, id, draft) {
        await seam.before(`put ${id.split('/').at(-2)}/${id.split('/').at(-1)}`);
        return resources.resources.create(grant, id, draft);
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
    storageUsed: storage.used,
    registryUsed: registry.used,
    accountNamed: storage.accountNamed,
    addresses,
    tenantId,
    indexForJobs: seam.indexForJobs,
    registryRules,
  });
  const within = { resources: resources.resources, workspaces: workspaces.workspaces, clock };
  const assets = createAssets({
    ...within,
    placed: (...named) => jobs.placed(...named),
    blobs: storage.blobs,
    addresses,
    grants,
    acts,
    log,
    loggedModel: (...asked) => runs.runs.loggedModel(...asked),
    pipelineSteps: () => flows.pipelineSteps,
  });
  const runs = createRuns({
    ...within,
    blobs: storage.blobs,
    registry: assets.assets.registry,
    schemes: [runTokens, byName],
  });
  const connections = createConnections({ workspaces: workspaces.workspaces });
  const compute = createCompute({
    database: control,
    clock,
    log,
    telemetry,
    tokens: identity.tokens,
    tenantId,
    maxNodes: 4,
    agentCommand: undefined,
  });
  resources.onRemoving(workspaces.standsOn);
  resources.onRemoved(compute.removed);
  resources.onRemoved((grant, id) => flows.removed?.(grant, id) ?? Promise.resolve());
  resources.onRemoved((grant, id) => schedules.removed?.(grant, id) ?? Promise.resolve());
  const jobs: Jobs = createJobs({
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
    vaults: vault.vaults,
    putAsked: storage.putAsked,
    work: work.anew(seam),
    tokens: identity.tokens,
    directory: identity.directory,
    addresses,
    schemes: [addresses.scheme('history'), runTokens, byName],
    grants,
    acts,
    serverlessNodes: 2,
    inputBytes: 16 * 1024 ** 2,
    keptInputBytes: 4 * 1024 ** 2,
    tenantId,
    log,
    telemetry,
    port: 8443,
    parents: {
      of: (type) => flows.parents.of(type),
      look: (id) => flows.parents.look(id),
      isMaking: (id) => flows.parents.isMaking(id),
    },
    environments: () => environments.forJobs,
  });
  const { images } = createImages({ registry: registry.registry });
  const imports = createImports({
    registry: registry.registry,
    fetch: (...asked) => seam.upstream(...asked),
    rules: registryRules,
    imageBytes: 8 * 1024 ** 2,
  });
  const environments: EnvironmentsModule = createEnvironments({
    ...within,
    assets: assets.assets,
    registry: registry.registry,
    images,
    imports: imports.imports,
    grants,
    acts,
    preparing: jobs.preparing,
    pythons: async () => seam.pythons,
    database: control,
    keptDays: 90,
    aside: (wait) => late.tasks?.aside(wait) ?? wait(),
    enqueue: lateTasks.enqueue,
    indexOf: () => new URL('https://index.example/simple/'),
    fetch: (url) => seam.fetch(url),
    indexForJobs: seam.indexForJobs,
    map: seam.map,
    runTokens,
    schemes: [byName],
    log,
    domain,
    port: 8443,
  });
  const flows: Flows = createFlows({
    ...within,
    resources: {
      ...resources.resources,
      async create(grant, id, draft) {
        await seam.before(`child ${id.split('/').at(-1)}`);
        const made = await resources.resources.create(grant, id, draft);
        await seam.before(`made ${id.split('/').at(-1)}`);
        return made;
      },
    },
    database: control,
    assets: assets.assets,
    jobs,
    acts,
    grants,
    log,
  });
  const schedules = createSchedules({
    ...within,
    resources: {
      ...resources.resources,
      async create(grant, id, draft) {
        await seam.before(`firing ${id.split('/').at(-1)}`);
        const made = await resources.resources.create(grant, id, draft);
        await seam.before(`fired ${id.split('/').at(-1)}`);
        return made;
      },
      async change(grant, id, change) {
        await seam.before(`keep ${id.split('/').at(-1)}`);
        const changed = await resources.resources.change(grant, id, change);
        await seam.before(`kept ${id.split('/').at(-1)}`);
        return changed;
      },
    },
    database: control,
    jobs,
    directory: identity.directory,
    grants,
    acts,
    log,
    telemetry,
  });
  const modules: readonly Module<ResourceKind>[] = [
    access,
    identity,
    resources,
    vault,
    storage,
    registry,
    monitoring,
    workspaces,
    connections,
    runs,
    assets,
    compute,
    jobs,
    flows,
    schedules,
    environments,
  ];
  workspaces.setTables(modules.flatMap(({ workspaceTables }) => workspaceTables ?? []));
  const kinds = [
    vault,
    storage,
    registry,
    monitoring,
    workspaces,
    connections,
    assets,
    compute,
    jobs,
    schedules,
  ].flatMap((module) => module.kinds);
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
  for (const module of modules) {
    await module.start?.();
    for (const { name, everyMs, run } of module.periodic ?? [])
      tasks.periodic(name, everyMs, async (signal) => void (await run(signal)));
  }
  await tasks.start();
  const subscription = `/subscriptions/${subscriptionId}`;
  const system = houseGrant();
  await access.bootstrapOwner(system, [administrator.objectId], subscriptionId).catch(() => undefined);
  const roles = new Map(builtInRoles.map((role) => [role.roleName, role.id]));

  return {
    ...within,
    door,
    telemetry,
    identity,
    access,
    assets: assets.assets,
    sweepAssets: assets.sweep,
    runs: runs.runs,
    blobs: storage.blobs,
    jobs,
    flows,
    schedules,
    environments,
    registry: registry.registry,
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
