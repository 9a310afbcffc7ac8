// Which containers living workspaces stand on, and what of them is theirs alone. In memory, because storage asks at every
// write; filled at the start and by what makes and removes workspaces. Names alone would not do: anybody may make a container
// of such a name in an account of his own, and may remove it when its workspace is gone.

import { idKey, sameId } from '#kernel/ids/ids';
import type { ContainerRef, Reserved, ReservedFolder, ReservedIn } from '#storage';
import { containersOf, type DatastoreName, datastoreNames } from './dependents.rules.ts';

/** Where snapshots lie in the container of `workspaceblobstore`; ends with a slash. */
export const snapshotFolder = 'snapshots/';

/**
 * Artifacts are read by address by whoever may read artifacts; snapshots have rights of their own, and their blobs are packs that
 * mean nothing to a reader.
 */
const folders: Readonly<Record<DatastoreName, readonly ReservedFolder[]>> = {
  workspaceblobstore: [{ prefix: snapshotFolder, isHidden: true }],
  workspaceartifactstore: [{ prefix: '', isHidden: false }],
  workspaceworkingdirectory: [],
  workspacefilestore: [],
};

export type Holder = {
  readonly id: string;
  readonly uniqueId: string;
  readonly name: string;
  readonly storageAccount: string;
};
type Held = Reserved & { readonly workspaceId: string; readonly datastore: DatastoreName };

export type Reservations = {
  hold(workspace: Holder): void;
  release(workspace: Holder): void;
  readonly reservedIn: ReservedIn;
  /** Which of the workspace's own datastores a container is; undefined for any other container. */
  builtIn(workspaceId: string, ref: ContainerRef): DatastoreName | undefined;
};

export function createReservations(): Reservations {
  const held = new Map<string, Held>();
  const keyOf = ({ account, container }: ContainerRef) => `${idKey(account)}/${container}`;
  const refOf = ({ uniqueId, storageAccount }: Holder, datastore: DatastoreName): ContainerRef => ({
    account: storageAccount,
    container: containersOf(uniqueId)[datastore],
  });
  return {
    hold(workspace) {
      for (const datastore of datastoreNames)
        held.set(keyOf(refOf(workspace, datastore)), {
          workspaceId: workspace.id,
          datastore,
          by: `The workspace '${workspace.name}'`,
          folders: folders[datastore],
        });
    },
    release(workspace) {
      for (const datastore of datastoreNames) held.delete(keyOf(refOf(workspace, datastore)));
    },
    reservedIn: (ref) => held.get(keyOf(ref)),
    builtIn(workspaceId, ref) {
      const found = held.get(keyOf(ref));
      return found !== undefined && sameId(found.workspaceId, workspaceId) ? found.datastore : undefined;
    },
  };
}
