// Artifacts of runs and logged models: sealed blobs in the workspace's own storage, reached as the workspace's identity
// under a grant that covers the one folder. The caller's own right was decided on the route; here it is decided which run
// the path belongs to, and that it exists.

import type { Readable } from 'node:stream';
import type { FileInfo } from '@strongroom/contract/runs';
import { storageActions } from '@strongroom/contract/storage.actions';
import type { Grant } from '#kernel/authority/grant';
import type { BlobInfo, BlobStore, ByteRange } from '#storage';
import { containerScope } from '#storage';
import type { Workspace, Workspaces } from '#workspaces';
import { runScope } from '../bounds.rules.ts';
import { scopesOfMaker } from '../models/models.service.ts';
import { findModel } from '../models/models.store.ts';
import { requireRunId } from '../names.rules.ts';
import { invalid, missingResource, noModel, noRun, runsFailures } from '../runs.errors.ts';
import { requireActive } from '../runs.service.ts';
import { findRun } from '../runs.store.ts';
import { modelPrefix, type ProxiedPath, parseProxiedPath, requireArtifactPath, runPrefix } from './paths.rules.ts';

export type OpenedArtifact = { readonly info: BlobInfo; readonly stream: Readable };
export type PutArtifact = { readonly maxBytes?: number; readonly contentType?: string };

/** Paths of `…At` are those of the proxy; the others are below the root of a run. */
export type Artifacts = {
  /** The run that bounds must reach for what is of this owner: none for a model that is not there, or that no run made. */
  ownerScope(grant: Grant, workspaceId: string, owner: ProxiedPath['owner']): Promise<readonly string[]>;
  put(
    grant: Grant,
    workspaceId: string,
    runId: string,
    path: string,
    source: Readable | Uint8Array,
    options?: PutArtifact,
  ): Promise<BlobInfo>;
  open(grant: Grant, workspaceId: string, runId: string, path: string, range?: ByteRange): Promise<OpenedArtifact>;
  /** Files and folders right below `path`, with paths below the root of the run. */
  list(
    grant: Grant,
    workspaceId: string,
    runId: string,
    page: { path?: string; pageToken?: string },
  ): Promise<ArtifactPage>;
  /** The same of a logged model. */
  listModel(
    grant: Grant,
    workspaceId: string,
    modelId: string,
    page: { path?: string; pageToken?: string },
  ): Promise<ArtifactPage>;
  putAt(grant: Grant, workspaceId: string, whole: string, source: Readable): Promise<void>;
  openAt(grant: Grant, workspaceId: string, whole: string, range?: ByteRange): Promise<OpenedArtifact>;
  /** With base names, all of them. */
  listAt(grant: Grant, workspaceId: string, whole: string): Promise<readonly FileInfo[]>;
  /** A file, or a folder with all below it. */
  removeAt(grant: Grant, workspaceId: string, whole: string): Promise<void>;
};
export type ArtifactPage = {
  readonly experimentId: string;
  readonly files: readonly FileInfo[];
  readonly nextPageToken?: string;
};

export const artifactBytesMax = 100 * 2 ** 30;
const listPage = 1000;
const listMax = 50_000;

type Root = { readonly experimentId: string; readonly prefix: string };

export function createArtifacts(deps: {
  readonly workspaces: Pick<Workspaces, 'get' | 'database' | 'container' | 'asIdentity'>;
  readonly blobs: Pick<BlobStore, 'put' | 'open' | 'find' | 'list' | 'remove' | 'removePrefix'>;
}): Artifacts {
  const { workspaces, blobs } = deps;
  /** Names that are being written, by the folder of their run or model. This process is the only one that writes there. */
  const underWay = new Map<string, Map<string, number>>();

  /** The folder of a run that is there, and may be touched. */
  async function runRoot(grant: Grant, workspaceId: string, runId: string, writing: boolean): Promise<Root> {
    requireRunId(runId);
    const database = await workspaces.database(grant, workspaceId);
    const row = await findRun(database.read, runId);
    if (row === undefined) throw noRun(runId);
    if (writing) requireActive(row);
    return { experimentId: String(row.experiment), prefix: runPrefix(row.run_id) };
  }

  async function modelRoot(grant: Grant, workspaceId: string, modelId: string): Promise<Root> {
    const database = await workspaces.database(grant, workspaceId);
    const row = await findModel(database.read, modelId);
    if (row === undefined || row.deleted === 1) throw noModel(modelId);
    return { experimentId: String(row.experiment), prefix: modelPrefix(row.model_id) };
  }

  async function proxied(grant: Grant, workspaceId: string, whole: string, writing: boolean) {
    const { experimentId, owner, path } = parseProxiedPath(whole);
    const root =
      owner.kind === 'run'
        ? await runRoot(grant, workspaceId, owner.id, writing)
        : await modelRoot(grant, workspaceId, owner.id);
    // One artifact has one path: what is decided on and recorded must be what is touched.
    if (root.experimentId !== experimentId)
      throw missingResource('The run or model of this path does not belong to the experiment of this path.');
    return { root, path };
  }

  /** The container of artifacts, and the workspace's own right to the one folder in it. */
  async function folder(
    grant: Grant,
    workspaceId: string,
    root: Root,
    action: keyof typeof storageActions,
    reason: string,
  ) {
    const workspace: Workspace = await workspaces.get(grant, workspaceId);
    const container = workspaces.container(workspace, 'workspaceartifactstore');
    const scope = `${containerScope(container)}/blobs/${root.prefix}`;
    return { container, grant: workspaces.asIdentity(workspace, storageActions[action], scope, reason) };
  }

  async function put(
    grant: Grant,
    workspaceId: string,
    root: Root,
    path: string,
    source: Readable | Uint8Array,
    { maxBytes = artifactBytesMax, contentType }: PutArtifact,
  ): Promise<BlobInfo> {
    const as = await folder(grant, workspaceId, root, 'writeBlobs', 'an artifact is stored');
    const name = `${root.prefix}${requireFile(path)}`;
    // Order matters: taken first, then looked at, so that of two that clash at the same time one is refused.
    const giveBack = takeName(workspaceId, root, name);
    try {
      await requireRoom(await folder(grant, workspaceId, root, 'readBlobs', 'an artifact is stored'), root, name);
      return await blobs.put(as.grant, { ...as.container, name }, source, {
        maxBytes,
        ...(contentType === undefined ? {} : { contentType }),
      });
    } finally {
      giveBack();
    }
  }

  /** Keeps a name, while it is written, from the name of a folder, and its folders from being files. */
  function takeName(workspaceId: string, root: Root, name: string): () => void {
    const key = JSON.stringify([workspaceId.toLowerCase(), root.prefix]);
    const taken = underWay.get(key) ?? new Map<string, number>();
    for (const other of taken.keys()) {
      if (other.startsWith(`${name}/`)) throw runsFailures.artifactIs(name.slice(root.prefix.length), 'folder');
      if (name.startsWith(`${other}/`)) throw runsFailures.artifactIs(other.slice(root.prefix.length), 'file');
    }
    taken.set(name, (taken.get(name) ?? 0) + 1);
    underWay.set(key, taken);
    return () => {
      const left = (taken.get(name) ?? 1) - 1;
      if (left > 0) taken.set(name, left);
      else taken.delete(name);
      if (taken.size === 0) underWay.delete(key);
    };
  }

  /** What one name is, a file or a folder, it stays: whoever downloads the folder above could keep only one of the two. */
  async function requireRoom(
    { container, grant }: Awaited<ReturnType<typeof folder>>,
    root: Root,
    name: string,
  ): Promise<void> {
    for (let at = name.indexOf('/', root.prefix.length); at >= 0; at = name.indexOf('/', at + 1)) {
      const above = name.slice(0, at);
      if (await blobs.find(grant, { ...container, name: above }))
        throw runsFailures.artifactIs(above.slice(root.prefix.length), 'file');
    }
    if (await hasBelow({ container, grant }, name))
      throw runsFailures.artifactIs(name.slice(root.prefix.length), 'folder');
  }

  const hasBelow = async ({ container, grant }: Awaited<ReturnType<typeof folder>>, name: string): Promise<boolean> =>
    (await blobs.list(grant, { ...container, prefix: `${name}/`, limit: 1 })).blobs.length > 0;

  async function open(grant: Grant, workspaceId: string, root: Root, path: string, range: ByteRange | undefined) {
    const as = await folder(grant, workspaceId, root, 'readBlobs', 'an artifact is read');
    const ref = { ...as.container, name: `${root.prefix}${requireFile(path)}` };
    if (!(await blobs.find(as.grant, ref))) throw missingResource('There is no artifact at this path.');
    return blobs.open(as.grant, ref, range);
  }

  async function list(grant: Grant, workspaceId: string, root: Root, path: string, marker: string | undefined) {
    const as = await folder(grant, workspaceId, root, 'readBlobs', 'artifacts are listed');
    const below = path === '' ? root.prefix : `${root.prefix}${requireArtifactPath(path)}/`;
    const page = await blobs.list(as.grant, {
      ...as.container,
      prefix: below,
      delimiter: '/',
      limit: listPage,
      ...(marker === undefined || marker === '' ? {} : { marker }),
    });
    const folders = new Set(page.prefixes);
    const last = [...page.prefixes, ...page.blobs.map(({ name }) => name)].reduce((a, b) => (a > b ? a : b), '');
    const plain: (typeof page.blobs)[number][] = [];
    for (const blob of page.blobs) {
      // Of data from before names were kept apart: the folder is what is shown, so that what holds it can be downloaded. The
      // file is read by its own path. A folder that sorts behind the page is asked for.
      const shadow = `${blob.name}/`;
      const isShadowed =
        folders.has(shadow) || (page.nextMarker !== undefined && shadow > last && (await hasBelow(as, blob.name)));
      if (!isShadowed) plain.push(blob);
    }
    const files: FileInfo[] = [
      ...page.prefixes.map((prefix) => ({ path: prefix.slice(root.prefix.length, -1), is_dir: true })),
      ...plain.map(({ name, size }) => ({ path: name.slice(root.prefix.length), is_dir: false, file_size: size })),
    ].sort((a, b) => (a.path < b.path ? -1 : 1));
    return { files, nextMarker: page.nextMarker };
  }

  async function page(
    grant: Grant,
    workspaceId: string,
    root: Root,
    { path = '', pageToken }: { readonly path?: string; readonly pageToken?: string },
  ): Promise<ArtifactPage> {
    const { files, nextMarker } = await list(grant, workspaceId, root, path, pageToken);
    return {
      experimentId: root.experimentId,
      files,
      ...(nextMarker === undefined ? {} : { nextPageToken: nextMarker }),
    };
  }

  return {
    async ownerScope(grant, workspaceId, { kind, id }) {
      if (kind === 'model') return await scopesOfMaker(deps.workspaces, grant, workspaceId, id);
      requireRunId(id);
      return [runScope(workspaceId, id)];
    },
    put: async (grant, workspaceId, runId, path, source, options = {}) =>
      put(grant, workspaceId, await runRoot(grant, workspaceId, runId, true), path, source, options),
    open: async (grant, workspaceId, runId, path, range) =>
      open(grant, workspaceId, await runRoot(grant, workspaceId, runId, false), path, range),
    list: async (grant, workspaceId, runId, query) =>
      page(grant, workspaceId, await runRoot(grant, workspaceId, runId, false), query),
    listModel: async (grant, workspaceId, modelId, query) =>
      page(grant, workspaceId, await modelRoot(grant, workspaceId, modelId), query),
    async putAt(grant, workspaceId, whole, source) {
      const { root, path } = await proxied(grant, workspaceId, whole, true);
      await put(grant, workspaceId, root, path, source, {});
    },
    async openAt(grant, workspaceId, whole, range) {
      const { root, path } = await proxied(grant, workspaceId, whole, false);
      return open(grant, workspaceId, root, path, range);
    },
    async listAt(grant, workspaceId, whole) {
      const { root, path } = await proxied(grant, workspaceId, whole, false);
      const files: FileInfo[] = [];
      let marker: string | undefined;
      do {
        const page = await list(grant, workspaceId, root, path, marker);
        files.push(
          ...page.files.map((file) => ({ ...file, path: file.path.slice(path === '' ? 0 : path.length + 1) })),
        );
        if (files.length > listMax)
          throw invalid(`The folder holds more than ${listMax} entries. List below it.`, 'path');
        marker = page.nextMarker;
      } while (marker !== undefined);
      return files;
    },
    async removeAt(grant, workspaceId, whole) {
      const { root, path } = await proxied(grant, workspaceId, whole, true);
      const as = await folder(grant, workspaceId, root, 'deleteBlobs', 'artifacts are removed');
      const name = `${root.prefix}${path}`;
      if (path !== '' && (await blobs.find(as.grant, { ...as.container, name })))
        await blobs.remove(as.grant, { ...as.container, name });
      await blobs.removePrefix(as.grant, { ...as.container, prefix: path === '' ? root.prefix : `${name}/` });
    },
  };
}

function requireFile(path: string): string {
  if (path === '') throw invalid('Invalid path: it names the folder of the run and no file in it.', 'path');
  return requireArtifactPath(path);
}
