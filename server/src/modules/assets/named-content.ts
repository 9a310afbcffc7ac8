// Content that a caller names by a URI: a snapshot; or files of a job or a datastore, which become one. Promises that nobody
// reaches by naming it (as the input of a job, as a model) what he may not read.

import { assetsActions } from '@strongroom/contract/assets.actions';
import { runsActions } from '@strongroom/contract/runs.actions';
import { storageActions } from '@strongroom/contract/storage.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import { sameId } from '#kernel/ids/ids';
import { containerScope } from '#storage';
import { artifactPrefix, type DatastoreName, datastoreNames, loggedModelPrefix, type Workspaces } from '#workspaces';
import type { ContentLimits } from './limits.ts';
import { digestOf, type Snapshot, type Snapshots } from './snapshots.service.ts';

/** For messages: what may be named. */
export const contentForms =
  'a snapshot (azureml://snapshots/sha256:…), files of a job (azureml://jobs/{job}/outputs/artifacts/paths/{path}, or runs:/{job}/{path}), of a logged model (models:/m-…), or of a datastore that came with the workspace (azureml://datastores/{datastore}/paths/{path})';

/** Undefined for a URI of another form; throws `forbidden` unless the caller may read it, `notFound` where nothing is. */
export type NamedContent = (
  grant: Grant,
  workspaceId: string,
  uri: string,
  /** What is taken by it: more is refused. A snapshot that was taken already stays what it is. */
  limits: ContentLimits,
) => Promise<Snapshot | undefined>;

const jobFiles =
  /^(?:azureml:\/\/jobs\/([\w-]{1,255})\/outputs\/artifacts\/(?:paths\/)?|runs:\/([\w-]{1,255})\/)([^#?]*)$/;

/** Which run and path a URI names, or undefined. */
export function jobFilesOf(uri: string): { readonly runId: string; readonly path: string } | undefined {
  const found = jobFiles.exec(uri);
  const runId = found?.[1] ?? found?.[2];
  return runId === undefined ? undefined : { runId, path: (found?.[3] ?? '').replace(/\/+$/, '') };
}

const datastoreFiles =
  /^azureml:\/\/(?:(subscriptions\/[^/?#]+\/resourceGroups\/[^/?#]+)\/(?:providers\/Microsoft\.MachineLearningServices\/)?workspaces\/([^/?#]+)\/)?datastores\/([a-z]{1,32})\/paths\/([^#?]*)$/i;

/** Which datastore and path a URI names, of whichever workspace; undefined for another form. */
export function datastoreFilesOf(
  uri: string,
): { readonly workspaceId: string | undefined; readonly datastore: DatastoreName; readonly path: string } | undefined {
  const [, group, workspace, name = '', path = ''] = datastoreFiles.exec(uri) ?? [];
  const datastore = datastoreNames.find((known) => known === name.toLowerCase());
  if (datastore === undefined) return undefined;
  const workspaceId =
    group === undefined ? undefined : `/${group}/providers/Microsoft.MachineLearningServices/workspaces/${workspace}`;
  return { workspaceId, datastore, path: path.replace(/\/+$/, '') };
}

/** A logged model of MLflow, or undefined. */
const loggedModelOf = (uri: string): string | undefined => /^models:\/(m-[0-9a-f]{32})$/.exec(uri)?.[1];

function artifactsOf(uri: string): { readonly root: string; readonly path: string } | undefined {
  const files = jobFilesOf(uri);
  if (files !== undefined) return { root: artifactPrefix(files.runId), path: files.path };
  const modelId = loggedModelOf(uri);
  return modelId === undefined ? undefined : { root: loggedModelPrefix(modelId), path: '' };
}

export const isContentUri = (uri: string): boolean =>
  [digestOf, artifactsOf, datastoreFilesOf].some((form) => form(uri) !== undefined);

export function createNamedContent(deps: {
  readonly snapshots: Pick<Snapshots, 'get' | 'takeArtifacts' | 'takeFolder'>;
  readonly workspaces: Pick<Workspaces, 'get' | 'container'>;
  readonly grants: Pick<Grants, 'also'>;
}): NamedContent {
  const { snapshots, workspaces, grants } = deps;
  return async (grant, workspaceId, uri, limits) => {
    const digest = digestOf(uri);
    if (digest !== undefined) {
      grants.also(grant, assetsActions.readSnapshot, `${workspaceId}/snapshots/${digest}`);
      return await snapshots.get(grant, workspaceId, uri);
    }
    const stored = datastoreFilesOf(uri);
    if (stored !== undefined) {
      const { datastore, path } = stored;
      // A longer form names its workspace, and only this one is at hand.
      if (stored.workspaceId !== undefined && !sameId(stored.workspaceId, workspaceId)) return undefined;
      const at = workspaces.container(await workspaces.get(grant, workspaceId), datastore);
      // As the caller, not as the workspace: what he may not read himself he does not get by naming it.
      const read = grants.also(grant, storageActions.readBlobs, containerScope(at));
      return await snapshots.takeFolder(grant, workspaceId, { read, ...at, path, title: datastore }, limits);
    }
    const at = artifactsOf(uri);
    if (at === undefined) return undefined;
    grants.also(grant, runsActions.readArtifacts, workspaceId);
    return await snapshots.takeArtifacts(grant, workspaceId, at.root, at.path, limits);
  };
}
