// What the modules of machine learning hold of a workspace, and by which functions they come by it.

import type { Action, Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import type { DatastoreName } from './dependents.rules.ts';

export type Workspace = {
  readonly id: string;
  readonly uniqueId: string;
  readonly name: string;
  readonly location: string;
  /** The system-assigned managed identity that the workspace acts as. */
  readonly identity: { readonly objectId: string; readonly name: string };
  readonly storageAccount: string;
  readonly keyVault: string;
  readonly containerRegistry: string;
  readonly applicationInsights: string;
  /** Resource id of the cluster that environments are built on, where one was named. */
  readonly imageBuildCompute?: string | undefined;
  /** High business impact: less is recorded, nothing leaves. */
  readonly hbi: boolean;
};

export type Workspaces = {
  /** Throws `notFound`, and the vault's Failure while a customer's key is refused. The grant's scope must reach the workspace. */
  get(grant: Grant, workspaceId: string): Promise<Workspace>;
  /** The workspace's own database, open while its key may be used. */
  database(grant: Grant, workspaceId: string): Promise<Database>;
  /** The blob container behind a built-in datastore. */
  container(workspace: Workspace, datastore: DatastoreName): { readonly account: string; readonly container: string };
  /** The right to read a built-in datastore by naming files in it, the caller's or the workspace's. Throws `forbidden`. */
  reader(grant: Grant, workspace: Workspace, datastore: DatastoreName): Grant;
  /** A grant as the workspace's managed identity, decided by its own role assignments. */
  asIdentity(workspace: Workspace, action: Action, scope: string, reason: string): Grant;
};
