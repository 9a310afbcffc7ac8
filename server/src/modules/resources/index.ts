// The door of the resource manager. Wiring, in the order of the dependency table: compose makes it first; the other
// modules take `resources` and `onRemoved`; at last compose hands their kinds to `routesFor`, and mounts `routes` together with
// what that answers. No kind is known, and no resource of it can be made, before.

import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Route } from '#kernel/http/route';
import type { Scheme } from '#kernel/http/surface';
import { idKey } from '#kernel/ids/ids';
import { type Log, silentLog } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Tasks } from '#kernel/tasks/tasks';
import { createTurns } from '#kernel/turns/turns';
import { builtinRoutes } from './builtin.routes.ts';
import { createCatalog } from './catalog.service.ts';
import { createDeploymentKind } from './deployments/deployments.kind.ts';
import { deploymentRoutes } from './deployments/deployments.routes.ts';
import { createGranted } from './granted.service.ts';
import { groupKind } from './groups.kind.ts';
import { createGuard } from './guard.service.ts';
import { createHomes, type HomeOf } from './homes.service.ts';
import type { ResourceKind, Resources } from './kind.types.ts';
import { routesOf, type Serving } from './kinds.routes.ts';
import { createListing } from './listing.service.ts';
import { createLookup } from './lookup.service.ts';
import { resourceTables } from './migrations/resources.ts';
import { createNothing } from './nothing.view.ts';
import { createOperations, operationTask } from './operations.service.ts';
import { createPolls } from './polls.view.ts';
import type { Holders, Identities, Ports, RemovalListener, Subscription } from './ports.types.ts';
import { createProviders } from './providers.view.ts';
import { createProvisioning } from './provisioning.service.ts';
import { createRemoval, type Removal } from './removal/removal.service.ts';
import { createTakeDown } from './removal/takedown.step.ts';
import { resourcesFailures } from './resources.errors.ts';
import { createResourcesService } from './resources.service.ts';
import { createScopes } from './scopes.service.ts';
import { present } from './state.rules.ts';
import { createArmSurface } from './surface.ts';
import { createSweeping } from './sweeping.service.ts';

export type { HomeOf } from './homes.service.ts';
export type {
  Addressed,
  Creator,
  Discriminator,
  Draft,
  KnownTemplate,
  Properties,
  ProvisioningState,
  Resource,
  ResourceAction,
  ResourceIdentity,
  ResourceKind,
  Resources,
  SystemData,
  TemplateParameters,
} from './kind.types.ts';
export { resourceTables } from './migrations/resources.ts';
export { collectionPath, containerId, itemId, itemPath, paramOf } from './paths.rules.ts';
export type { Holders, Identities, RemovalListener, Subscription } from './ports.types.ts';
export { madeByUri, resourceWire } from './resources.wire.ts';
export { creatorOf } from './stamps.rules.ts';
export { apiVersionOf } from './surface.ts';
export { envelopeRefusals, everythingServed, keptSkuBecause, type Refusal, type Unserved } from './unserved.ts';

import type { Acts } from '#kernel/authority/perform';
import { dutiesOfEach } from './duties.ts';

export type ResourcesModule = Module<ResourceKind> & {
  readonly resources: Resources;
  /** Makes kinds known, and deployments of the templates that they bring, and answers their routes. Throws on a type that is known already. */
  routesFor(kinds: readonly ResourceKind[]): readonly Route[];
  /** All that are served, in the order of their types. */
  served(): readonly ResourceKind[];
  /** For access: what a role may be assigned at. */
  readonly scopes: { require(scope: string): Promise<void>; isGone(scope: string): Promise<boolean> };
  /** Told when what stood behind a resource is gone: what was attached at or below its id (role assignments) goes too. */
  onRemoved(listener: RemovalListener): void;
  /** Asked before a resource is removed: who stands on it, by their names for messages. */
  onRemoving(ask: Holders): void;
};

const sweepTask = 'resources.sweep';
/** Requests that are at one resource and wait for it. */
const atOnceMax = 64;

export function createResources(deps: {
  /** The control database, migrated with `resourceTables`. */
  readonly database: Database;
  readonly clock: Clock;
  /** `enqueue` is called late: tasks may be made after the modules whose handlers they need. */
  readonly tasks: Pick<Tasks, 'enqueue'>;
  readonly grants: Pick<Grants, 'also' | 'mayAlso' | 'duty'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly identities: Identities;
  readonly homeOf: HomeOf;
  readonly subscription: Subscription;
  /** Host and port that names of vaults and accounts end with: `localhost:8443`. */
  readonly domain: string;
  readonly schemes: readonly Scheme[];
  readonly log?: Log;
}): ResourcesModule {
  const { database, clock, tasks, grants, acts, identities, subscription, domain } = deps;
  const log = deps.log ?? silentLog;
  const listeners: RemovalListener[] = [];
  const holders: Holders[] = [];
  const sweeps = new Set<Promise<void>>();
  const homes = createHomes({ control: database, homeOf: deps.homeOf, opened: (home) => sweepLater(home) });
  const ports: Ports = {
    control: database,
    homes,
    catalog: createCatalog(),
    clock,
    grants,
    acts,
    identities,
    turns: createTurns({ keyOf: idKey, bound: { max: atOnceMax, refuse: resourcesFailures.ServerBusy } }),
    log,
    subscription,
    holder: randomUuid(),
    enqueue: (tx, task) => tasks.enqueue(tx, task),
    listeners,
    holders,
  };
  const takeDown = createTakeDown(ports);
  const provisioning = createProvisioning(ports, takeDown);
  // Operations remove, and a removal waits for operations on what it removes: one of the two is named before it is made.
  const operations = createOperations(ports, { provisioning, removal: (): Removal => removal });
  const removal = createRemoval(ports, { takeDown, finishOperation: operations.finish });
  const lookup = createLookup(ports);
  const service = createResourcesService(ports, { lookup, provisioning, removal, operations });
  const sweeping = createSweeping(ports, { provisioning, removal });
  const listing = createListing(homes, (stored) => present(ports, stored));
  const guard = createGuard(grants);
  const serving: Serving = { service, listing, guard, location: subscription.location };
  const polls = createPolls({ catalog: ports.catalog, service, operations, grants });
  const providers = createProviders(ports.catalog, subscription);

  function sweepLater(home: Database): void {
    const sweep = sweeping
      .sweep(home)
      .catch((error: unknown) => log.error({ module: 'resources', error }, 'a database was not swept'))
      .finally(() => void sweeps.delete(sweep));
    sweeps.add(sweep);
  }

  const granted = createGranted({ service, listing, guard });

  function routesFor(kinds: readonly ResourceKind[]): readonly Route[] {
    const templates = kinds.flatMap(({ template }) => template ?? []);
    const deployments = templates.length === 0 ? [] : [createDeploymentKind({ templates, resources: granted, grants })];
    const all = [...kinds, ...deployments];
    for (const kind of all) ports.catalog.add(kind);
    const routes = all.flatMap((kind) => routesOf(kind, serving));
    return templates.length === 0 ? routes : [...routes, ...deploymentRoutes(granted)];
  }

  return {
    name: 'resources',
    failures: [tableOf(resourcesFailures)],
    duties: dutiesOfEach('{type}'),
    surfaces: [
      createArmSurface({
        tenantId: subscription.tenantId,
        subscriptionId: subscription.id,
        schemes: deps.schemes,
        nothing: createNothing(ports.catalog, providers),
      }),
    ],
    routes: [...routesFor([groupKind]), ...builtinRoutes({ serving, grants, subscription, domain, providers, polls })],
    migrations: resourceTables,
    // What is below a workspace is kept as resources in its own database.
    workspaceTables: resourceTables,
    tasks: { [operationTask]: operations.handler, [sweepTask]: () => sweeping.sweep(database) },
    resources: granted,
    routesFor,
    served: () => ports.catalog.all(),
    scopes: createScopes(ports, lookup),
    onRemoved: (listener) => void listeners.push(listener),
    onRemoving: (ask) => void holders.push(ask),
    // As a task, because what it calls belongs to modules that start after this one.
    async start() {
      if (await sweeping.needsSweep(database))
        await database.write((tx) => ports.enqueue(tx, { name: sweepTask, subject: 'control' }));
    },
    async stop() {
      await Promise.allSettled(sweeps);
    },
  };
}
