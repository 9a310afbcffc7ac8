// The door of the assets module: code, models and environments, and the snapshots that their content is.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { Failure } from '#kernel/errors/failure';
import type { Module } from '#kernel/module';
import type { ResourceKind, Resources } from '#resources';
import type { BlobStore } from '#storage';
import { type Workspaces, workspaceOf, workspaceType } from '#workspaces';
import { createAssetKinds } from './assets.kinds.ts';
import { assetTables } from './migrations/index.ts';
import { createNamedContent, type NamedContent } from './named-content.ts';
import { snapshotRoutes } from './snapshots.routes.ts';
import { createSnapshots, type Snapshot, type Snapshots } from './snapshots.service.ts';
import { uploadRoutes } from './uploads.routes.ts';
import { type AddressSigner, createUploads } from './uploads.service.ts';

export { findCredential } from './credentials.ts';
export { contentForms } from './named-content.ts';
export type { Snapshot, Snapshots } from './snapshots.service.ts';
export type { SnapshotFile } from './snapshots.store.ts';

/** Assets that a caller names by their ids or URIs. Each throws `forbidden` unless he may read what he names. */
export type Assets = {
  readonly snapshots: Snapshots;
  readonly named: NamedContent;
  /** Content of a code version. */
  code(grant: Grant, codeVersionId: string): Promise<Snapshot>;
  /** Content of a model version, with its name and version. */
  model(grant: Grant, modelVersionId: string): Promise<Snapshot & { readonly name: string; readonly version: string }>;
  /** The base image that an environment version names, or undefined: the sandbox's own Python. */
  environment(grant: Grant, environmentVersionId: string): Promise<{ readonly image: string | undefined }>;
};

export function createAssets(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly blobs: BlobStore;
  readonly grants: Pick<Grants, 'also'>;
  readonly addresses: AddressSigner;
  readonly clock: Clock;
}): Module & { readonly assets: Assets; readonly kinds: readonly ResourceKind[] } {
  const snapshots = createSnapshots(deps);
  const named = createNamedContent({ snapshots, workspaces: deps.workspaces, grants: deps.grants });
  const uploads = createUploads({ ...deps, snapshots });
  deps.workspaces.registerTables(assetTables);
  const workspaceIn = (id: string) => {
    const workspace = workspaceOf(id);
    if (workspace === undefined)
      throw new Failure({
        kind: 'invalid',
        code: 'InvalidResourceId',
        message: `'${id.slice(0, 200)}' is not the id of an asset of a workspace.`,
      });
    return workspace;
  };
  const versionOf = (grant: Grant, plural: 'codes' | 'models' | 'environments', id: string) => {
    deps.grants.also(grant, actionsOfType(`${workspaceType}/${plural}/versions`).read, id);
    return deps.resources.get(grant, id);
  };
  const assets: Assets = {
    snapshots,
    named,
    async code(grant, id) {
      const version = await versionOf(grant, 'codes', id);
      return snapshots.get(grant, workspaceIn(id), String(version.properties['codeUri']));
    },
    async model(grant, id) {
      const version = await versionOf(grant, 'models', id);
      const content = await snapshots.get(grant, workspaceIn(id), String(version.properties['snapshot']));
      return { ...content, name: version.id.split('/').at(-3) ?? '', version: version.name };
    },
    async environment(grant, id) {
      const version = await versionOf(grant, 'environments', id);
      const image = version.properties['image'];
      return { image: typeof image === 'string' ? image : undefined };
    },
  };
  return {
    name: 'assets',
    assets,
    kinds: createAssetKinds({ resources: deps.resources, snapshots, named, uploads }),
    routes: [...snapshotRoutes(snapshots), ...uploadRoutes(uploads)],
  };
}
