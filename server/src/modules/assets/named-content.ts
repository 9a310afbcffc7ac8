// Content that a caller names by a URI: a snapshot, or files that a job left, which become a snapshot. Promises that nobody
// reaches by naming it (as the input of a job, as a model) what he may not read.

import { assetsActions } from '@strongroom/contract/assets.actions';
import { runsActions } from '@strongroom/contract/runs.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import { digestOf, type Snapshot, type Snapshots } from './snapshots.service.ts';

/** For messages: what may be named. */
export const contentForms =
  'a snapshot (azureml://snapshots/sha256:…), or files of a job (azureml://jobs/{job}/outputs/artifacts/paths/{path}, or runs:/{job}/{path})';

/** Undefined for a URI of another form; throws `forbidden` unless the caller may read it, `notFound` where nothing is. */
export type NamedContent = (grant: Grant, workspaceId: string, uri: string) => Promise<Snapshot | undefined>;

const jobFiles =
  /^(?:azureml:\/\/jobs\/([\w-]{1,255})\/outputs\/artifacts\/(?:paths\/)?|runs:\/([\w-]{1,255})\/)([^#?]*)$/;

/** Which run and path a URI names, or undefined. */
export function jobFilesOf(uri: string): { readonly runId: string; readonly path: string } | undefined {
  const found = jobFiles.exec(uri);
  const runId = found?.[1] ?? found?.[2];
  return runId === undefined ? undefined : { runId, path: (found?.[3] ?? '').replace(/\/+$/, '') };
}

export const isContentUri = (uri: string): boolean => digestOf(uri) !== undefined || jobFilesOf(uri) !== undefined;

export function createNamedContent(deps: {
  readonly snapshots: Pick<Snapshots, 'get' | 'takeArtifacts'>;
  readonly grants: Pick<Grants, 'also'>;
}): NamedContent {
  const { snapshots, grants } = deps;
  return async (grant, workspaceId, uri) => {
    const digest = digestOf(uri);
    if (digest !== undefined) {
      grants.also(grant, assetsActions.readSnapshot, `${workspaceId}/snapshots/${digest}`);
      return await snapshots.get(grant, workspaceId, uri);
    }
    const files = jobFilesOf(uri);
    if (files === undefined) return undefined;
    grants.also(grant, runsActions.readArtifacts, workspaceId);
    return await snapshots.takeArtifacts(grant, workspaceId, files.runId, files.path);
  };
}
