// Content that a caller names by a URI: a snapshot; files of a job or a datastore, which become one; or a registered model.
// Promises that nobody reaches by naming it (as the input of a job, as a model) what he may not read.

import { assetsActions } from '@strongroom/contract/assets.actions';
import { runsActions } from '@strongroom/contract/runs.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import { asFailure } from '#kernel/errors/failure';
import { isWithin, sameId } from '#kernel/ids/ids';
import { artifactPrefix, loggedModelPrefix, type Workspaces } from '#workspaces';
import { assetsFailures } from './assets.errors.ts';
import type { ContentLimits } from './limits.rules.ts';
import { digestOf, type Snapshot, type Snapshots, type Taken } from './snapshots.service.ts';

/** For messages: what may be named. */
export const contentForms =
  'a snapshot (azureml://snapshots/sha256:…), files of a job (azureml://jobs/{job}/outputs/artifacts/paths/{path}, or runs:/{job}/{path}), an output of a job (azureml://jobs/{job}/outputs/{output}/paths/{path}), files of a logged model (models:/m-…) or of a datastore of the workspace (azureml://datastores/{datastore}/paths/{path}), or a registered model (azureml:{model}:{version}) or data asset (its resource id)';

/** For messages: what a data asset may be of. Not another asset, so that there is no circle of them. */
export const dataForms =
  'files of a datastore of this workspace (azureml://datastores/{datastore}/paths/{path}) or of a job (azureml://jobs/{job}/outputs/{output}/paths/{path}, runs:/{job}/{path}), or a snapshot (azureml://snapshots/sha256:…). Data that lie elsewhere are brought into a datastore first: a path on the own machine is uploaded by the client that registers it';

/** A snapshot, and the name of the folder that it was where it came from: a file and the whole of something have none. */
export type Named = Snapshot & { readonly folder?: string | undefined };

/** Undefined for a URI of another form; throws `forbidden` unless the caller may read it, `notFound` where nothing is. */
export type NamedContent = (
  grant: Grant,
  workspaceId: string,
  uri: string,
  /** What is taken by it: more is refused. A snapshot that was taken already stays what it is. */
  limits: ContentLimits,
) => Promise<Named | undefined>;

const jobFiles =
  /^(?:azureml:\/\/jobs\/([\w-]{1,255})\/outputs\/([A-Za-z_][\w-]{0,254})(?:\/(?:paths(?:\/|$))?|$)|runs:\/([\w-]{1,255})\/)([^#?]*)$/;
/** Azure's words for all that a job has left. Any other is the name of one of its outputs. */
const wholeOutputs: readonly string[] = ['artifacts', 'default'];

/** Where the output of a job lies among its artifacts. */
export const outputPath = (output: string): string => `outputs/${output}`;

/** Which run and path a URI names, or undefined. */
export function jobFilesOf(uri: string): { readonly runId: string; readonly path: string } | undefined {
  const [, job, output, run, rest = ''] = jobFiles.exec(uri) ?? [];
  const runId = job ?? run;
  if (runId === undefined) return undefined;
  const path = output === undefined || wholeOutputs.includes(output) ? rest : `${outputPath(output)}/${rest}`;
  return { runId, path: path.replace(/\/+$/, '') };
}

/** Whose files a URI names, whichever way it is written: the job or run. */
export const runOf = (uri: string): string | undefined => filesOfRun(uri)?.runId;

/** Where an output of a job lies that has a place of its own; undefined for any other. Jobs tell it: they stand above. */
export type PlacedOutputs = (workspaceId: string, jobName: string, output: string) => Promise<string | undefined>;

const outputOfJob = /^azureml:\/\/jobs\/([\w-]{1,255})\/outputs\/([A-Za-z_][\w-]{0,254})(?:\/paths)?(?:\/([^#?]*))?$/;

/** An output of a job that has a place of its own, by where it lies; anything else as it is. */
export async function wherePlaced(placed: PlacedOutputs, workspaceId: string, uri: string): Promise<string> {
  const [, job, output, path = ''] = outputOfJob.exec(uri) ?? [];
  if (job === undefined || output === undefined || wholeOutputs.includes(output)) return uri;
  const place = await placed(workspaceId, job, output);
  if (place === undefined) return uri;
  return path === '' ? place : `${place}/${path}`;
}

/** As clients that fetch files themselves read it, who know of datastores and not of jobs: files of a job by where they lie. */
export function fetchableUri(uri: string): string {
  const files = uri.startsWith('azureml://jobs/') ? jobFilesOf(uri) : undefined;
  return files === undefined
    ? uri
    : `azureml://datastores/workspaceartifactstore/paths/${artifactPrefix(files.runId)}${files.path}`;
}

/** What run history has as a folder of its store is the run's, whichever way it is written. */
const runFolder = /^ExperimentRun\/dcid\.([\w-]{1,255})(?:\/(.*))?$/;

/** The id of a version of this workspace that a URI is, with or without `azureml:` before it. */
function versionIn(workspaceId: string, plural: 'models' | 'data', uri: string): string | undefined {
  const id = uri.replace(/^azureml:(?=\/)/, '');
  const [, within] = isWithin(id, workspaceId)
    ? (/^\/([^/]+)\/[^/]+\/versions\/[^/]+$/.exec(id.slice(workspaceId.length)) ?? [])
    : [];
  return within?.toLowerCase() === plural ? id : undefined;
}

/** The version of a registered model that a URI names: in short, by an id, or by an id with `azureml:` before it. */
export function modelVersionOf(workspaceId: string, uri: string): string | undefined {
  const [, name, version] = /^azureml:([A-Za-z0-9][\w.-]{0,254}):([A-Za-z0-9][\w.-]{0,254})$/.exec(uri) ?? [];
  if (name !== undefined) return `${workspaceId}/models/${name}/versions/${version}`;
  return versionIn(workspaceId, 'models', uri);
}

/** The version of a data asset that an id names. In short only its kind tells it from a model. */
export const dataVersionOf = (workspaceId: string, uri: string): string | undefined =>
  versionIn(workspaceId, 'data', uri);

const datastoreFiles =
  /^azureml:\/\/(?:(subscriptions\/[^/?#]+\/resourceGroups\/[^/?#]+)\/(?:providers\/Microsoft\.MachineLearningServices\/)?workspaces\/([^/?#]+)\/)?datastores\/([A-Za-z0-9_]{1,255})\/paths\/([^#?]*)$/i;

/** Which datastore and path a URI names, of whichever workspace; undefined for another form. */
export function datastoreFilesOf(
  uri: string,
): { readonly workspaceId: string | undefined; readonly datastore: string; readonly path: string } | undefined {
  const [, group, workspace, datastore, path = ''] = datastoreFiles.exec(uri) ?? [];
  if (datastore === undefined) return undefined;
  const workspaceId =
    group === undefined ? undefined : `/${group}/providers/Microsoft.MachineLearningServices/workspaces/${workspace}`;
  return { workspaceId, datastore, path: path.replace(/\/+$/, '') };
}

/** A logged model of MLflow, or undefined. */
const loggedModelOf = (uri: string): string | undefined => /^models:\/(m-[0-9a-f]{32})$/.exec(uri)?.[1];

function filesOfRun(uri: string): { readonly runId: string; readonly path: string } | undefined {
  const stored = datastoreFilesOf(uri);
  const [, run, rest = ''] =
    stored?.workspaceId === undefined && stored?.datastore.toLowerCase() === 'workspaceartifactstore'
      ? (runFolder.exec(stored.path) ?? [])
      : [];
  return run === undefined ? jobFilesOf(uri) : { runId: run, path: rest };
}

type Left = { readonly root: string; readonly path: string; readonly runId?: string };

function artifactsOf(uri: string): Left | undefined {
  const files = filesOfRun(uri);
  if (files !== undefined) return { root: artifactPrefix(files.runId), ...files };
  const modelId = loggedModelOf(uri);
  return modelId === undefined ? undefined : { root: loggedModelPrefix(modelId), path: '' };
}

const isFiles = (uri: string): boolean =>
  [digestOf, artifactsOf, datastoreFilesOf].some((form) => form(uri) !== undefined);

export const isContentUri = (workspaceId: string, uri: string): boolean =>
  modelVersionOf(workspaceId, uri) !== undefined || dataVersionOf(workspaceId, uri) !== undefined || isFiles(uri);

/** Whether data of this workspace may lie there. Whether anything does is looked at when they are used. */
export function isDataUri(workspaceId: string, uri: string): boolean {
  const of = datastoreFilesOf(uri)?.workspaceId;
  return isFiles(uri) && (of === undefined || sameId(of, workspaceId));
}

/** What was read is sent back in the form in which it was shown. */
export const isSameUri = (wanted: unknown, existing: unknown): boolean =>
  fetchableUri(String(wanted)) === fetchableUri(String(existing));

export type LoggedModelOf = (
  grant: Grant,
  workspaceId: string,
  runId: string,
  name: string,
) => Promise<string | undefined>;

export function createNamedContent(deps: {
  readonly snapshots: Pick<Snapshots, 'get' | 'takeArtifacts' | 'takeFolder'>;
  readonly workspaces: Pick<Workspaces, 'get' | 'datastore'>;
  readonly grants: Pick<Grants, 'also'>;
  /** The id of the model that a run has logged under a name. MLflow 3 keeps its files beside the artifacts of the run. */
  readonly loggedModel: LoggedModelOf;
  /** Content of a version of a registered model, for a caller who may read it. */
  readonly model: (grant: Grant, versionId: string) => Promise<Named>;
  /** Where the data of a version lie, for a caller who may read it. What lies there is decided on like anything he names. */
  readonly data: (grant: Grant, versionId: string) => Promise<string>;
  readonly placed: PlacedOutputs;
}): NamedContent {
  const { snapshots, workspaces, grants } = deps;

  /** Files of a run; where it has none of this path, those of a model that it has logged under the name that the path begins with. */
  async function takeLeft(grant: Grant, workspaceId: string, { root, path, runId }: Left, limits: ContentLimits) {
    const take = (from: string, below: string) => snapshots.takeArtifacts(grant, workspaceId, from, below, limits);
    try {
      return await take(root, path);
    } catch (thrown) {
      const failure = asFailure(thrown);
      const [name = '', ...rest] = path.split('/');
      if (runId === undefined || name === '' || failure.code !== assetsFailures.AssetContentNotFound('').code)
        throw failure;
      const model = await deps.loggedModel(grant, workspaceId, runId, name);
      if (model === undefined) throw failure;
      return take(loggedModelPrefix(model), rest.join('/'));
    }
  }

  const named = (path: string, { isFile, ...taken }: Taken): Named => {
    const last = path.split('/').at(-1) ?? '';
    return isFile || last === '' ? taken : { ...taken, folder: last };
  };
  return async (grant, workspaceId, asked, limits) => {
    const dataId = dataVersionOf(workspaceId, asked);
    const given = dataId === undefined ? asked : await deps.data(grant, dataId);
    const uri = await wherePlaced(deps.placed, workspaceId, given);
    const digest = digestOf(uri);
    if (digest !== undefined) {
      grants.also(grant, assetsActions.readSnapshot, `${workspaceId}/snapshots/${digest}`);
      return await snapshots.get(grant, workspaceId, uri);
    }
    const modelId = modelVersionOf(workspaceId, uri);
    if (modelId !== undefined) {
      const { digest, uri: content, files, bytes, folder } = await deps.model(grant, modelId);
      return { digest, uri: content, files, bytes, folder };
    }
    const left = artifactsOf(uri);
    if (left !== undefined) {
      grants.also(grant, runsActions.readArtifacts, workspaceId);
      return named(left.path, await takeLeft(grant, workspaceId, left, limits));
    }
    const stored = datastoreFilesOf(uri);
    if (stored !== undefined) {
      const { path } = stored;
      // A longer form names its workspace, and only this one is at hand.
      if (stored.workspaceId !== undefined && !sameId(stored.workspaceId, workspaceId)) return undefined;
      const workspace = await workspaces.get(grant, workspaceId);
      // What he may not read himself, by a role or by an address that he could have, he does not get by naming it.
      const { account, container, name, hidden, reader } = await workspaces.datastore(
        grant,
        workspace,
        stored.datastore,
      );
      const from = { read: reader(), account, container, path, title: name, without: hidden };
      return named(path, await snapshots.takeFolder(grant, workspaceId, from, limits));
    }
    return undefined;
  };
}
