// What the modules of machine learning hold of a workspace, and by which functions they come by it.

import type { Action, Grant } from '#kernel/authority/grant';
import type { DataKey } from '#kernel/crypto/value-envelope';
import type { Database } from '#kernel/database/database';
import type { DatastoreName } from './dependents.rules.ts';
import type { RegistryPattern } from './image-registries.rules.ts';

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
  /** Whether its jobs may install packages, as far as it is the workspace's to say. */
  readonly jobPackageIndex: boolean;
  /** Registries of others that its images may come from, as far as it is the workspace's to say. */
  readonly imageRegistries: readonly RegistryPattern[];
  /** High business impact: less is recorded, nothing leaves. */
  readonly hbi: boolean;
};

/** What a datastore names, and what the caller who asked may do there. */
export type DatastorePlace = {
  readonly name: string;
  readonly account: string;
  readonly container: string;
  /** Folders that are not there for who names files in it; each ends with a slash. */
  readonly hidden: readonly string[];
  /** Whether nothing but the platform writes at this path. */
  isReserved(path: string): boolean;
  /**
   * The right to read files by naming them: the caller's own, or, of the workspace's own containers and for who could have an address of
   * one, the workspace's. Throws `forbidden`.
   */
  reader(): Grant;
  /** The same to write them. */
  writer(): Grant;
};

export type Workspaces = {
  /** Throws `notFound`, and the vault's Failure while a customer's key is refused. The grant's scope must reach the workspace. */
  get(grant: Grant, workspaceId: string): Promise<Workspace>;
  /** The workspace's own database, open while its key may be used. */
  database(grant: Grant, workspaceId: string): Promise<Database>;
  /**
   * A key for what a module seals in rows of that database, made when it is first asked for: under the key of the workspace's
   * customer where there is one, and gone with the workspace. Throws like `get`.
   */
  dataKey(grant: Grant, workspaceId: string, purpose: string): Promise<DataKey>;
  /** The blob container behind a built-in datastore. */
  container(workspace: Workspace, datastore: DatastoreName): { readonly account: string; readonly container: string };
  /** Where a datastore of this name is, built-in or not. Throws `notFound`, and `invalid` for a share. */
  datastore(grant: Grant, workspace: Workspace, name: string): Promise<DatastorePlace>;
  /** A grant as the workspace's managed identity, decided by its own role assignments. */
  asIdentity(workspace: Workspace, action: Action, scope: string, reason: string): Grant;
};
