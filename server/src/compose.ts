// The only file that knows every module. Makes them in the order of the dependency table, introduces ports to each other,
// and answers what main listens with, starts and stops. It decides nothing.

import { fileURLToPath } from 'node:url';
import { declaredActions } from '@strongroom/contract/actions';
import { accessMigrations, createAccess, type Principal as RolePrincipal } from '#access';
import { createAssets } from '#assets';
import { createAudit } from '#audit';
import { computeTables, createCompute } from '#compute';
import { createEndpoints } from '#endpoints';
import { createIdentity, createSignedAddresses, identityMigrations, type Principal } from '#identity';
import { createJobs } from '#jobs';
import type { Clock } from '#kernel/clock/clock';
import type { Config } from '#kernel/config/config';
import type { SigningKey } from '#kernel/crypto/signing';
import type { Database, MigrationSet } from '#kernel/database/database';
import type { Files } from '#kernel/files/files';
import type { Authority } from '#kernel/http/certificates';
import { type Door, mount } from '#kernel/http/mount';
import type { Scheme } from '#kernel/http/surface';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import { createDataKeys, dataKeyMigrations } from '#kernel/sealing/data-keys.service';
import type { Keyring } from '#kernel/sealing/keyring';
import type { RootKey } from '#kernel/sealing/root-key';
import { createTasks, type Tasks, taskMigrations } from '#kernel/tasks/tasks';
import { createMonitoring } from '#monitoring';
import { createRegistry } from '#registry';
import { createResources, type Resources, resourceTables } from '#resources';
import { createRuns } from '#runs';
import { createStorage } from '#storage';
import { createVault, vaultAudiences, vaultMigrations } from '#vault';
import { createWorkspaces } from '#workspaces';
import { makeOwners } from './first-start.ts';

/** Tables of the control database, in the order in which modules stand on each other. */
export const controlTables: readonly MigrationSet[] = [
  taskMigrations,
  dataKeyMigrations,
  identityMigrations,
  accessMigrations,
  resourceTables,
  vaultMigrations,
  computeTables,
];

export type Foundation = {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Files;
  readonly rootKey: RootKey;
  readonly keyring: Keyring;
  readonly control: Database;
  readonly auditDatabase: Database;
  readonly auditSigner: SigningKey;
  /** The installation's certificate authority, for those who hand its certificate on. */
  readonly authority: Authority;
  /** `localhost:8443`, the port already known. */
  readonly domain: string;
};

export type Composed = {
  readonly door: Door;
  readonly identity: ReturnType<typeof createIdentity>;
  readonly audit: ReturnType<typeof createAudit>;
  readonly resources: Resources;
  readonly setReady: (ready: boolean) => void;
  readonly bootstrapped: Awaited<ReturnType<ReturnType<typeof createIdentity>['bootstrap']>>;
  start(): Promise<void>;
  /** After the server listens: what calls it back may begin. */
  listening(): Promise<void>;
  /** Before the listener closes: what calls it back ends. */
  leaving(): Promise<void>;
  stop(): Promise<void>;
};

const subscriptionName = 'Strongroom';
/** Opens every workspace and registry once, so not more often than it is of use. */
const sweepEveryMs = 6 * 3_600_000;

export async function compose(foundation: Foundation): Promise<Composed> {
  const { config, clock, log, files, rootKey, keyring, control, domain } = foundation;
  const origin = `https://${domain}`;
  // Ports that must be named before their side is made; each is called only after compose has answered.
  let tasks: Tasks;
  const lateTasks: Tasks = {
    enqueue: (tx, task) => tasks.enqueue(tx, task),
    periodic: (...args) => tasks.periodic(...args),
    start: () => tasks.start(),
    stop: () => tasks.stop(),
    drain: () => tasks.drain(),
  };

  const identity = createIdentity({
    database: control,
    clock,
    log,
    secretStore: {
      get: (name) => keyring.get(`identity/${name}`),
      put: (name, bytes) => keyring.put(`identity/${name}`, bytes),
    },
    origins: () => [origin],
    domain: () => domain,
    furtherAudiences: () => [`${origin}/registry`],
    leaving: (objectId, how, leave) => access.retire(grants.system(`a principal is ${how}`), objectId, how, leave),
  });
  const bootstrapped = await identity.bootstrap();
  const { tenantId, subscriptionId } = bootstrapped;
  const bearer = (...audiences: readonly string[]) => identity.bearerScheme({ audiences });
  const armAudiences = [origin, 'https://management.azure.com', 'https://management.core.windows.net'];
  // Run tokens are jobs' to tell; every surface that a running job calls asks for them before access tokens.
  const runTokens: Scheme = { name: 'run token', authenticate: (exchange) => jobs.runScheme.authenticate(exchange) };
  const armSchemes = [runTokens, bearer(...armAudiences)];

  const audit = createAudit({
    database: foundation.auditDatabase,
    clock,
    log,
    signer: foundation.auditSigner,
    installationId: tenantId,
    ...(config.audit.checkpointFile === '' ? {} : { checkpointFile: config.audit.checkpointFile }),
  });
  const access = createAccess({
    database: control,
    clock,
    tenantId,
    catalogue: declaredActions,
    principals: { find: async (objectId) => asRolePrincipal(await identity.directory.findPrincipal(objectId)) },
  });
  const { grants } = access;
  const addresses = createSignedAddresses({
    tokens: identity.tokens,
    directory: identity.directory,
    authorizer: access.authorizer,
    tenantId,
  });
  // What most modules are made with; each takes what its own type names and nothing else.
  const common = {
    clock,
    log,
    grants,
    tenantId,
    domain,
    files,
    dataDir: config.dataDir,
    port: config.http.port,
    origin,
  };
  const dataKeys = createDataKeys({ database: control, rootKey, clock, wrapper: () => vault.keyWrapper });

  const resources = createResources({
    database: control,
    clock,
    log,
    tasks: lateTasks,
    grants,
    identities: {
      create: async (resource) => ({
        ...(await control.write((tx) => identity.directory.createManagedIdentity(tx, resource))),
        tenantId,
      }),
      async remove(resourceId) {
        const found = await identity.directory.findManagedIdentity(resourceId);
        if (found === undefined) return;
        await access.retire(grants.system('its resource is gone'), found.objectId, 'removed', (tx) =>
          identity.directory.removeManagedIdentity(tx, resourceId),
        );
      },
    },
    homeOf: (id) => workspaces.homeOf(id),
    subscription: { id: subscriptionId, displayName: subscriptionName, tenantId, location: config.location },
    domain,
    schemes: armSchemes,
  });
  resources.onRemoved(
    async (_grant, id) => void (await access.unassignAll(grants.system('what a role was assigned at is gone'), id)),
  );

  const vault = createVault({
    ...common,
    database: control,
    dataKeys,
    audit: audit.trail,
    tasks: lateTasks,
    schemes: [bearer(...vaultAudiences(domain))],
  });
  const storage = createStorage({
    ...common,
    dataKeys,
    resources: resources.resources,
    schemes: [bearer('https://storage.azure.com')],
    addresses: addresses.scheme('blob'),
    authority: `${origin}/${tenantId}`,
  });
  const registry = createRegistry({
    ...common,
    dataKeys,
    resources: resources.resources,
    schemes: [runTokens, bearer('https://containerregistry.azure.net', `${origin}/registry`, ...armAudiences)],
    tokens: identity.tokens,
    principals: identity.directory,
  });
  const monitoring = createMonitoring({
    schemes: [bearer(...armAudiences)],
    subscriptionId,
    version: foundation.version,
    log,
  });
  const workspaces = createWorkspaces({
    ...common,
    resources: resources.resources,
    access,
    vaults: vault.vaults,
    blobs: storage.blobs,
    protectStorage: storage.protect,
    protectRegistry: registry.protect,
    dataKeys,
  });
  const learning = {
    ...common,
    resources: resources.resources,
    workspaces: workspaces.workspaces,
    blobs: storage.blobs,
    addresses,
  };
  const { assets, sweep: sweepAssets, ...assetsModule } = createAssets(learning);
  const runs = createRuns({ ...learning, registry: assets.registry, schemes: armSchemes });
  const compute = createCompute({
    database: control,
    clock,
    log,
    tokens: identity.tokens,
    tenantId: () => tenantId,
    maxNodes: config.agent.maxNodes,
    agentCommand: config.agent.embedded
      ? [
          process.execPath,
          '--disable-warning=ExperimentalWarning',
          fileURLToPath(new URL('../../agent/src/main.ts', import.meta.url)),
        ]
      : undefined,
  });
  resources.onRemoved((_grant, id) => compute.removed(id));
  const jobs = createJobs({
    ...learning,
    runs: runs.runs,
    assets,
    work: compute.work,
    tokens: identity.tokens,
    schemes: [addresses.scheme('history'), ...armSchemes],
  });

  const endpoints = createEndpoints({
    ...learning,
    assets,
    registry: registry.registry,
    work: compute.work,
    dataKeys,
    scoring: monitoring.scoring,
  });

  const modules: readonly Module[] = [
    audit,
    access,
    identity,
    resources,
    vault,
    storage,
    registry,
    monitoring,
    workspaces,
    runs,
    assetsModule,
    compute,
    jobs,
    endpoints,
  ];
  const kinds = [vault, storage, registry, monitoring, workspaces, assetsModule, compute, jobs, endpoints].flatMap(
    (module) => module.kinds,
  );
  tasks = createTasks({
    database: control,
    clock,
    log,
    handlers: Object.assign({}, ...modules.map((module) => module.tasks ?? {})),
  });

  const door = mount({
    // Those that recognise their own host come first: what is asked of a vault or an account is never another surface's.
    surfaces: [vault, storage, ...modules.filter((module) => module !== vault && module !== storage)].flatMap(
      (module) => module.surfaces ?? [],
    ),
    routes: [...modules.flatMap((module) => module.routes ?? []), ...resources.routesFor(kinds)],
    ports: { authorizer: access.authorizer, audit: audit.trail },
    log,
    observe: monitoring.observe,
    declared: declaredActions,
  });

  return {
    door,
    identity,
    audit,
    resources: resources.resources,
    bootstrapped,
    setReady: monitoring.setReady,
    async start() {
      for (const module of modules) await module.start?.();
      await makeOwners({ keyring, access, grants }, bootstrapped);
      tasks.periodic('registry-uploads', 300_000, () => registry.sweepUploads());
      tasks.periodic('registry-blobs', sweepEveryMs, registry.sweepBlobs, { atStart: true });
      tasks.periodic('scoring-records', sweepEveryMs, endpoints.sweepRecords, { atStart: true });
      tasks.periodic('asset-blobs', sweepEveryMs, sweepAssets, { atStart: true });
      tasks.periodic('identity-sweep', 300_000, () => identity.sweep());
      tasks.periodic('data-keys-revalidate', 10_000, () => dataKeys.revalidate());
      await tasks.start();
    },
    async listening() {
      compute.startAgent({
        url: `https://localhost:${config.http.port}`,
        caPem: foundation.authority.certificatePem,
        hostNames: [],
      });
    },
    leaving: () => compute.stopAgent(),
    async stop() {
      await tasks.stop();
      for (const module of [...modules].reverse()) await module.stop?.();
      dataKeys.close();
    },
  };
}

function asRolePrincipal(principal: Principal | undefined): RolePrincipal | undefined {
  if (principal === undefined) return undefined;
  return {
    objectId: principal.objectId,
    name: principal.name,
    type: principal.kind === 'user' ? 'User' : 'ServicePrincipal',
    groups: [],
    isEnabled: principal.enabled,
    isOfResource: principal.kind === 'managedIdentity',
  };
}
