// How files of a datastore are reached by who has no role at its storage account. Whoever may list the secrets of a datastore
// gets a short-lived signed address: of the workspace's own containers it acts through the workspace's identity, of any other
// container as its maker, because whoever may write a datastore may name every container there is.

import { runsActions } from '@strongroom/contract/runs.actions';
import { storageActions } from '@strongroom/contract/storage.actions';
import type { DatastoreProperties } from '@strongroom/contract/workspaces';
import { workspacesActions } from '@strongroom/contract/workspaces.actions';
import { isBounded } from '#kernel/authority/actor';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import type { Resource, Resources } from '#resources';
import { type ContainerRef, containerScope, type Storage } from '#storage';
import type { DatastoreName } from './dependents.rules.ts';
import type { Reservations } from './reservations.service.ts';
import type { DatastorePlace, Workspace } from './workspace.types.ts';
import { workspacesFailures } from './workspaces.errors.ts';

/** Hands on a caller's decision as an address. Identity implements it; compose introduces the two. */
export type AddressSigner = {
  sign(
    grant: Grant,
    address: {
      readonly surface: 'blob';
      readonly scope: string;
      readonly actions: readonly Action[];
      readonly action: Action;
      readonly also: readonly { readonly action: Action; readonly scope: string }[];
      readonly through: { readonly objectId: string; readonly name: string };
      readonly ttlSeconds: number;
    },
  ): Promise<{ readonly signature: string; readonly expiresAt: Date }>;
};

export type Datastores = {
  /** What follows the `?` of a URL of the container. Throws `forbidden` where it would open nothing. */
  sign(grant: Grant, workspace: Workspace, datastore: Resource, hours: number): Promise<string>;
  /** Which of the workspace's own datastores this is, whatever it is called. */
  builtIn(workspaceId: string, properties: DatastoreProperties): DatastoreName | undefined;
  /** Where a datastore of this name is. Throws `notFound`, and `invalid` for a share. */
  place(grant: Grant, workspace: Workspace, name: string): Promise<DatastorePlace>;
};

const { readBlobs, writeBlobs } = storageActions;

/** Longer than a working day nobody needs one that is asked for again at every start of a client. */
const hoursMax = 8;

export function createDatastores(deps: {
  readonly grants: Pick<Grants, 'also' | 'mayAlso' | 'as'>;
  readonly addresses: AddressSigner;
  readonly accountNamed: Storage['accountNamed'];
  readonly reservations: Pick<Reservations, 'builtIn' | 'reservedIn'>;
  readonly resources: Pick<Resources, 'find'>;
}): Datastores {
  const { grants, addresses, accountNamed, reservations, resources } = deps;

  const refOf = ({ accountName, containerName }: DatastoreProperties): ContainerRef | undefined =>
    containerName === undefined ? undefined : { account: accountNamed(accountName), container: containerName };
  const builtIn: Datastores['builtIn'] = (workspaceId, properties) => {
    const ref = refOf(properties);
    return ref && reservations.builtIn(workspaceId, ref);
  };
  /** What its caller must be allowed besides: artifacts have a right of their own. */
  const alsoOf = (workspace: Workspace, datastore: DatastoreName) =>
    datastore === 'workspaceartifactstore' ? [{ action: runsActions.readArtifacts, scope: workspace.id }] : [];

  return {
    builtIn,
    async sign(grant, workspace, datastore, hours) {
      const properties = datastore.properties as DatastoreProperties; // checked by the schema when it was written
      const ref = refOf(properties);
      if (properties.datastoreType !== 'AzureBlob' || ref === undefined) throw workspacesFailures.noAddressOfShare();
      const scope = containerScope(ref);
      const own = builtIn(workspace.id, properties);
      let actions: readonly Action[];
      if (own === undefined) {
        actions = [readBlobs, writeBlobs].filter((action) => grants.mayAlso(grant, action, scope));
        if (actions.length === 0) throw workspacesFailures.addressOpensNothing();
      } else {
        actions = own === 'workspaceartifactstore' ? [readBlobs] : [readBlobs, writeBlobs];
        for (const { action, scope: at } of alsoOf(workspace, own)) grants.also(grant, action, at);
        // Said now, and not by every request: what took the workspace's own roles away is mended by resyncKeys.
        for (const action of actions) grants.as(workspace.identity, action, scope, 'an address of a datastore is made');
      }
      const { objectId, name } = own === undefined ? grant.actor : workspace.identity;
      const { signature, expiresAt } = await addresses.sign(grant, {
        surface: 'blob',
        scope,
        actions,
        action: workspacesActions.listDatastoreSecrets,
        also: own === undefined ? [] : alsoOf(workspace, own),
        through: { objectId, name },
        ttlSeconds: Math.min(hours, hoursMax) * 3600,
      });
      const [reads, writes] = [actions.includes(readBlobs), actions.includes(writeBlobs)];
      // What stands beside `sig` tells clients what they have; nothing is decided by it.
      const told = new URLSearchParams({
        sv: '2021-12-02',
        sr: 'c',
        sp: `${reads ? 'r' : ''}${writes ? 'cw' : ''}${reads ? 'l' : ''}`,
        spr: 'https',
        se: expiresAt.toISOString().replace(/\.\d+Z$/, 'Z'),
      });
      return `${told}&sig=${signature}`;
    },
    async place(grant, workspace, name) {
      const id = `${workspace.id}/datastores/${name}`;
      const datastore = await resources.find(grant, id);
      if (datastore === undefined) throw workspacesFailures.DatastoreNotFound(name);
      const properties = datastore.properties as DatastoreProperties; // checked by the schema when it was written
      const at = refOf(properties);
      if (properties.datastoreType !== 'AzureBlob' || at === undefined) throw workspacesFailures.noFilesOfShare(name);
      const own = builtIn(workspace.id, properties);
      const scope = containerScope(at);
      const right = (action: Action, reason: string): Grant => {
        // Who is bounded is given no address either.
        const mayHaveAddress =
          own !== undefined &&
          !isBounded(grant.actor) &&
          grants.mayAlso(grant, workspacesActions.listDatastoreSecrets, datastore.id);
        // The refusal of who has neither right names the one that Azure asks for.
        if (!mayHaveAddress || grants.mayAlso(grant, action, scope)) return grants.also(grant, action, scope);
        for (const { action: further, scope: below } of alsoOf(workspace, own)) grants.also(grant, further, below);
        return grants.as(workspace.identity, action, scope, reason);
      };
      const folders = reservations.reservedIn(at)?.folders ?? [];
      return {
        name: datastore.name,
        ...at,
        hidden: folders.filter(({ isHidden }) => isHidden).map(({ prefix }) => prefix),
        isReserved: (path) => folders.some(({ prefix }) => `${path}/`.startsWith(prefix)),
        reader: () => right(readBlobs, 'a file of a datastore is named by who may have its address'),
        writer: () => right(writeBlobs, 'a file is written to a datastore by who may have its address'),
      };
    },
  };
}
