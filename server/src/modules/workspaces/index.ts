// The door of the workspaces module: the kinds of the workspace and its datastores, and what the modules of machine
// learning hold of a workspace.

import type { Grant } from '#kernel/authority/grant';
import { isAbout } from '#kernel/authority/reach';
import type { Anchors, Database, Databases, MigrationSet } from '#kernel/database/database';
import { asFailure, Failure } from '#kernel/errors/failure';
import { tableOf } from '#kernel/errors/failures';
import type { Files } from '#kernel/files/files';
import { isWithin } from '#kernel/ids/ids';
import type { Module } from '#kernel/module';
import type { Holders, Resource, ResourceKind } from '#resources';
import type { ReservedIn, Storage } from '#storage';
import { createWorkspaceDatabases } from './databases.service.ts';
import { createDatastoreKind } from './datastores.kind.ts';
import { type AddressSigner, createDatastores } from './datastores.service.ts';
import { containersOf, workspaceType } from './dependents.rules.ts';
import { customerKeyOf, wrapperOf } from './encryption.service.ts';
import { imageRegistriesOf } from './image-registries.rules.ts';
import { createReservations } from './reservations.service.ts';
import type { Workspaces } from './workspace.types.ts';
import { workspacesFailures } from './workspaces.errors.ts';
import {
  createWorkspaceKind,
  dependentsStored,
  holderOf,
  identityOf,
  imageBuildComputeOf,
  ownDependents,
  type WorkspaceKindDeps,
} from './workspaces.kind.ts';

export { type DatastoreName, datastoreNames, dependentsOf, workspaceType } from './dependents.rules.ts';
export {
  alsoOf,
  isRegistryHost,
  type RegistryPattern,
  type RegistryRule,
  readRegistryRule,
  registryClosed,
} from './image-registries.rules.ts';
export {
  type IndexForJobs,
  indexForJobsWords,
  type PackageIndexClosed,
  packageIndexClosed,
} from './package-index.rules.ts';
export { snapshotFolder } from './reservations.service.ts';
export type { DatastorePlace, Workspace, Workspaces } from './workspace.types.ts';

import { workspacesDuties } from './duties.ts';

export type WorkspacesModule = Module<ResourceKind> & {
  readonly workspaces: Workspaces;
  /** The tables of all modules that keep something in the databases of workspaces. Once, before `start`. */
  setTables(sets: readonly MigrationSet[]): void;
  readonly kinds: readonly ResourceKind[];
  /** For the resource manager: where the children of this resource live; undefined unless it is a workspace that has its database. */
  homeOf(id: string): Promise<Database | undefined>;
  /** For the resource manager: living workspaces outside of what is removed that stand on a vault, account or registry in it. */
  readonly standsOn: Holders;
  /** For storage: what living workspaces keep in their containers. */
  readonly reservedIn: ReservedIn;
};

/** Where every one counts: what is beyond it would be taken for not there. More than anybody has. */

const pattern =
  /^(\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.MachineLearningServices\/workspaces\/[^/]+)(\/.+)?$/i;

/** Where the artifacts of a run lie in the container of `workspaceartifactstore`; ends with a slash. */
export const artifactPrefix = (runId: string) => `ExperimentRun/dcid.${runId}/`;
/** The same of a logged model. */
export const loggedModelPrefix = (modelId: string) => `LoggedModels/${modelId}/`;

/** The workspace that an id is or lies below, in the id's casing. */
export function workspaceOf(id: string): string | undefined {
  return pattern.exec(id)?.[1];
}

export function createWorkspaces(
  deps: Omit<WorkspaceKindDeps, 'databases' | 'reservations'> & {
    readonly databases: Databases;
    readonly files: Files;
    readonly domain: string;
    readonly addresses: AddressSigner;
    readonly accountNamed: Storage['accountNamed'];
    readonly anchors?: Anchors;
    /** A commit found no room: see `Opening`. */
    readonly onFull?: () => void;
  },
): WorkspacesModule {
  const databases = createWorkspaceDatabases({
    databases: deps.databases,
    dataKeys: deps.dataKeys,
    ...(deps.anchors === undefined ? {} : { anchors: deps.anchors }),
    ...(deps.onFull === undefined ? {} : { onFull: deps.onFull }),
    ...(deps.quotas === undefined ? {} : { quotas: deps.quotas }),
  });
  const { grants, resources } = deps;
  const reservations = createReservations();
  const kindDeps = { ...deps, databases, reservations };

  async function stored(grant: Grant, workspaceId: string): Promise<Resource> {
    if (!isAbout(grant, workspaceId)) throw workspacesFailures.AuthorizationFailed();
    return resources.get(grants.duty(workspacesDuties.find, workspaceId), workspaceId);
  }

  const container: Workspaces['container'] = (workspace, datastore) => ({
    account: workspace.storageAccount,
    container: containersOf(workspace.uniqueId)[datastore],
  });
  const datastores = createDatastores({ ...deps, reservations });

  const workspaces: Workspaces = {
    async get(grant, workspaceId) {
      const resource = await stored(grant, workspaceId);
      // A refused customer key is said here, before any work on the workspace's behalf begins.
      await deps.dataKeys.open(resource.uniqueId, 'workspace');
      return {
        id: resource.id,
        uniqueId: resource.uniqueId,
        name: resource.name,
        location: resource.location ?? '',
        identity: identityOf(resource),
        ...dependentsStored(resource),
        imageBuildCompute: imageBuildComputeOf(resource),
        jobPackageIndex: resource.properties['jobPackageIndex'] === 'Enabled',
        imageRegistries: imageRegistriesOf(resource.properties),
        hbi: resource.properties['hbiWorkspace'] === true,
      };
    },
    async database(grant, workspaceId) {
      return databases.open((await stored(grant, workspaceId)).uniqueId);
    },
    async dataKey(grant, workspaceId, purpose) {
      const resource = await stored(grant, workspaceId);
      // order matters: what has lost its own key, or whose customer refuses it, is given no further one.
      await deps.dataKeys.open(resource.uniqueId, 'workspace');
      try {
        return await deps.dataKeys.open(resource.uniqueId, purpose);
      } catch (thrown) {
        if (asFailure(thrown).code !== 'DataKeyGone') throw thrown;
      }
      const wrapper = wrapperOf(customerKeyOf(resource.properties), identityOf(resource));
      return deps.dataKeys.ensure(resource.uniqueId, purpose, wrapper);
    },
    container,
    datastore: datastores.place,
    asIdentity: (workspace, action, scope, reason) => grants.as(workspace.identity, action, scope, reason),
  };

  const datastoreKind = createDatastoreKind({ domain: deps.domain, datastores, workspaces });

  const standsOn: Holders = async (id) => {
    // Below a workspace nothing is that another one stands on.
    const workspaceId = workspaceOf(id);
    if (workspaceId !== undefined && workspaceId !== id) return [];
    const grant = grants.duty(workspacesDuties.findHolders, '/');
    const all: Resource[] = [];
    for await (const one of resources.each(grant, { type: workspaceType, under: '/' })) all.push(one);
    const isGoing = (resource: Resource) => isWithin(resource.id, id);
    const standsOn = (resource: Resource) => {
      const { storageAccount, keyVault, containerRegistry } = dependentsStored(resource);
      return [storageAccount, keyVault, containerRegistry];
    };
    // What a workspace made for itself goes with it.
    const removed = [id, ...all.filter(isGoing).flatMap((one) => ownDependents(one))];
    const names: string[] = [];
    for (const one of all) {
      if (isGoing(one) || one.provisioningState === 'Deleting') continue;
      if (!standsOn(one).some((on) => removed.some((gone) => isWithin(on, gone)))) continue;
      const group = await resources.find(grant, one.id.slice(0, one.id.toLowerCase().indexOf('/providers/')));
      if (group?.provisioningState !== 'Deleting') names.push(`the workspace '${one.name}'`);
    }
    return names;
  };

  return {
    name: 'workspaces',
    duties: Object.values(workspacesDuties),
    failures: [tableOf(workspacesFailures)],
    workspaces,
    setTables: databases.setTables,
    standsOn,
    kinds: [createWorkspaceKind(kindDeps), datastoreKind],
    reservedIn: reservations.reservedIn,
    async homeOf(id) {
      // Asked with the id of a top-level resource; only a workspace has a home for what is below it.
      if (workspaceOf(id) !== id) return undefined;
      const resource = await resources.find(grants.duty(workspacesDuties.find, id), id);
      if (resource === undefined) return undefined;
      try {
        return await databases.open(resource.uniqueId);
      } catch (thrown) {
        // Not made yet, or destroyed already: a workspace at its beginning or its end has nothing below it.
        if (thrown instanceof Failure && thrown.code === 'DataKeyGone') return undefined;
        throw thrown;
      }
    },
    async start() {
      const grant = grants.duty(workspacesDuties.findAll, '/');
      for await (const one of resources.each(grant, { type: workspaceType, under: '/' }))
        reservations.hold(holderOf(one));
    },
    stop: databases.close,
  };
}
