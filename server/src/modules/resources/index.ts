// The door of the resource manager. Wiring, in the order of the dependency table: compose makes it first; the other
// modules take `resources` and `onRemoved`; at last compose hands their kinds to `routesFor`, and mounts `routes` together with
// what that answers. No kind is known, and no resource of it can be made, before.

import type { Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import type { Route } from '#kernel/http/route';
import type { Scheme } from '#kernel/http/surface';
import { type Log, silentLog } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Tasks } from '#kernel/tasks/tasks';
import { builtinRoutes } from './builtin.routes.ts';
import { createCatalog } from './catalog.ts';
import { groupKind } from './groups.ts';
import { createGuard } from './guard.ts';
import { createHomes, type HomeOf } from './homes.ts';
import type { ResourceKind, Resources } from './kind.ts';
import { createListing } from './listing.ts';
import { createLocks } from './locks.ts';
import { createLookup } from './lookup.ts';
import { createMaking } from './making.ts';
import { createManager } from './manager.ts';
import { resourceTables } from './migrations/resources.ts';
import { createNothing } from './nothing.ts';
import { createOperations, operationTask } from './operations.ts';
import {
  type Holders,
  type Identities,
  type Parts,
  present,
  type RemovalListener,
  type Subscription,
} from './parts.ts';
import { createPolls } from './polls.ts';
import { createProviders } from './providers.ts';
import { createRemoval, type Removal } from './removal.ts';
import { routesOf, type Serving } from './routes.ts';
import { createScopes } from './scopes.ts';
import { createService } from './service.ts';
import { createArmSurface } from './surface.ts';
import { createSweeping } from './sweeping.ts';
import { createWriting } from './writing.ts';

export type { HomeOf } from './homes.ts';
export type {
  Creator,
  Discriminator,
  Draft,
  Properties,
  ProvisioningState,
  Resource,
  ResourceAction,
  ResourceIdentity,
  ResourceKind,
  Resources,
  SystemData,
} from './kind.ts';
export { resourceTables } from './migrations/resources.ts';
export type { Holders, Identities, RemovalListener, Subscription } from './parts.ts';
export { collectionPath, containerId, itemId, itemPath, paramOf } from './paths.ts';
export { apiVersionOf } from './surface.ts';
export { envelopeRefusals, everythingServed, keptSkuBecause, type Refusal, type Unserved } from './unserved.ts';
export { madeByUri, resourceWire } from './wire.ts';

import type { Acts } from '#kernel/authority/perform';
import { dutiesOfEach } from './duties.ts';

export type ResourcesModule = Module<ResourceKind> & {
  readonly resources: Resources;
  /** Makes kinds known and answers their routes. Throws on a type that is known already. */
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
  const parts: Parts = {
    control: database,
    homes,
    catalog: createCatalog(),
    clock,
    grants,
    acts,
    identities,
    locks: createLocks(),
    log,
    subscription,
    holder: randomUuid(),
    enqueue: (tx, task) => tasks.enqueue(tx, task),
    listeners,
    holders,
  };
  const making = createMaking(parts);
  // Operations remove, and a removal waits for operations on what it removes: one of the two is named before it is made.
  const operations = createOperations(parts, { making, removal: (): Removal => removal });
  const removal = createRemoval(parts, operations.finish);
  const lookup = createLookup(parts);
  const writing = createWriting(parts, { lookup, making, operations });
  const manager = createManager(parts, { lookup, writing, removal, operations });
  const sweeping = createSweeping(parts, { making, removal });
  const listing = createListing(homes, (stored) => present(parts, stored));
  const guard = createGuard(grants);
  const serving: Serving = { manager, listing, guard, location: subscription.location };
  const polls = createPolls({ catalog: parts.catalog, manager, operations, grants });
  const providers = createProviders(parts.catalog, subscription);

  function sweepLater(home: Database): void {
    const sweep = sweeping
      .sweep(home)
      .catch((error: unknown) => log.error({ module: 'resources', error }, 'a database was not swept'))
      .finally(() => void sweeps.delete(sweep));
    sweeps.add(sweep);
  }

  function routesFor(kinds: readonly ResourceKind[]): readonly Route[] {
    for (const kind of kinds) parts.catalog.add(kind);
    return kinds.flatMap((kind) => routesOf(kind, serving));
  }

  return {
    name: 'resources',
    duties: dutiesOfEach('{type}'),
    surfaces: [
      createArmSurface({
        tenantId: subscription.tenantId,
        subscriptionId: subscription.id,
        schemes: deps.schemes,
        nothing: createNothing(parts.catalog, providers),
      }),
    ],
    routes: [...routesFor([groupKind]), ...builtinRoutes({ serving, grants, subscription, domain, providers, polls })],
    migrations: resourceTables,
    // What is below a workspace is kept as resources in its own database.
    workspaceTables: resourceTables,
    tasks: { [operationTask]: operations.handler, [sweepTask]: () => sweeping.sweep(database) },
    resources: createService({ manager, listing, guard }),
    routesFor,
    served: () => parts.catalog.all(),
    scopes: createScopes(parts, lookup),
    onRemoved: (listener) => void listeners.push(listener),
    onRemoving: (ask) => void holders.push(ask),
    // As a task, because what it calls belongs to modules that start after this one.
    async start() {
      if (await sweeping.needsSweep(database))
        await database.write((tx) => parts.enqueue(tx, { name: sweepTask, subject: 'control' }));
    },
    async stop() {
      await Promise.allSettled(sweeps);
    },
  };
}
