// Snapshots: folders kept by the digest of their content. Taking the same folder twice keeps one; what was taken never
// changes, so a job or a model that names a snapshot means those bytes for good. Files are sealed blobs under names of
// ours; their paths are in the workspace's encrypted database.

import { pipeline, Readable, Transform } from 'node:stream';
import { storageActions } from '@strongroom/contract/storage.actions';
import type { Grant } from '#kernel/authority/grant';
import { type Acts, counted } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { credentialScanner, scannedBytes } from '#kernel/credentials/credentials';
import { createSha256 } from '#kernel/crypto/digest';
import { createLongSha256 } from '#kernel/crypto/digest-thread';
import { randomUuid } from '#kernel/crypto/random';
import { isUnknown } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import { type BlobInfo, type BlobRef, type BlobStore, containerScope } from '#storage';
import { snapshotFolder, type Workspace, type Workspaces } from '#workspaces';
import { readArchive, safePath } from './archive.service.ts';
import { assetsFailures } from './assets.errors.ts';
import { assetsDuties } from './duties.ts';
import { type ContentLimits, codeLimits } from './limits.rules.ts';
import { createPacker, type Kept, smallBytesMax } from './packs.service.ts';
import {
  filesBelow,
  filesOf,
  findFile,
  findSnapshot,
  insertSnapshot,
  namedBlobs,
  type SnapshotFile,
} from './snapshots.store.ts';

export type Snapshot = {
  readonly digest: string;
  readonly uri: string;
  readonly files: readonly SnapshotFile[];
  readonly bytes: number;
};

/** What was copied: a folder, or the one file that the path names. */
export type Taken = Snapshot & { readonly isFile: boolean };

/** Where files lie, and the grant that reads them there. */
export type Folder = {
  readonly read: Grant;
  readonly account: string;
  readonly container: string;
  /** Names that begin so are the platform's own, and not there for whoever copies. */
  readonly without?: readonly string[];
  /** What the caller knows it as, for messages. */
  readonly title: string;
};

export type Snapshots = {
  /** Takes a tar archive. All or nothing: what was written before a refusal is removed. */
  take(
    grant: Grant,
    workspaceId: string,
    archive: Readable,
    options: { readonly allowCredentials: boolean },
  ): Promise<Snapshot>;
  /** Takes what lies below the root of a run or a logged model, so that what is registered can no longer change. */
  takeArtifacts(grant: Grant, workspaceId: string, root: string, path: string, limits: ContentLimits): Promise<Taken>;
  /** Takes a folder of a container, or the one blob of that name, with what the given grant may read. */
  takeFolder(
    grant: Grant,
    workspaceId: string,
    from: Folder & { readonly path: string },
    limits: ContentLimits,
  ): Promise<Taken>;
  /** @param uri `azureml://snapshots/sha256:…`. Throws `notFound`. */
  get(grant: Grant, workspaceId: string, uri: string): Promise<Snapshot>;
  hasFile(grant: Grant, workspaceId: string, digest: string, path: string): Promise<boolean>;
  /** The files below a folder (which ends with a slash; empty is all), without reading the rest of a large snapshot. */
  filesBelow(grant: Grant, workspaceId: string, digest: string, folder: string): Promise<readonly SnapshotFile[]>;
  openFile(
    grant: Grant,
    workspaceId: string,
    digest: string,
    path: string,
  ): Promise<{ readonly file: SnapshotFile; readonly stream: Readable }>;
  /** Removes blobs of snapshots that a crash left unfinished, never those of one that is being taken; says how many. */
  sweep(grant: Grant, workspaceId: string): Promise<number>;
};

/** A blob as it was when it was read. */
type Source = BlobRef & { readonly read: Grant; readonly etag: string };
type Put = (path: string, content: Readable) => Promise<void>;
/** A blob of the snapshot that another blob wrote, and the first of it, for who looks at it. */
type Shared = Kept & { readonly head: () => Promise<Readable> };
type Taking = {
  readonly put: Put;
  /** A blob of the snapshot of the same bytes; undefined where they must be copied: of another account, another by now. */
  share(from: Source): Promise<Shared | undefined>;
  readonly keep: (path: string, shared: Shared) => Promise<void>;
};

/** Where the files of a snapshot lie while and after it is taken: a folder of its own for each taking. */
const folders = snapshotFolder;
const fileBlob = /^(snapshots\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/\d+$/;
const sweepPage = 1000;
/** Files that are copied at the same time; a large one holds up to 14 MiB. */
const copiedTogether = 4;

export const uriOf = (digest: string) => `azureml://snapshots/${digest}`;
const uriPattern = /^azureml:\/\/snapshots\/(sha256:[0-9a-f]{64})$/;

/** The digest that a snapshot URI names, or undefined. */
export const digestOf = (uri: string): string | undefined => uriPattern.exec(uri)?.[1];

/** Over path, size and content of every file, in path order; length-prefixed, so that no two folders look alike. */
export function snapshotDigest(files: readonly Pick<SnapshotFile, 'path' | 'size' | 'sha256'>[]): string {
  const hash = createSha256();
  hash.update('strongroom snapshot 1\n');
  for (const { path, size, sha256 } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${Buffer.byteLength(path)}:${path}:${size}:${sha256}\n`);
  }
  return `sha256:${hash.hex()}`;
}

export function createSnapshots(deps: {
  readonly workspaces: Workspaces;
  readonly blobs: BlobStore;
  readonly acts: Pick<Acts, 'duty'>;
  readonly clock: Clock;
}): Snapshots {
  const { workspaces, blobs, acts, clock } = deps;
  /** Folders whose row is still to come. This process is the only one that writes any, so that what is not here was left behind. */
  const underWay = new Set<string>();

  function place(workspace: Workspace, datastore: 'workspaceblobstore' | 'workspaceartifactstore') {
    const at = workspaces.container(workspace, datastore);
    const as = (action: (typeof storageActions)[keyof typeof storageActions], reason: string) =>
      workspaces.asIdentity(workspace, action, containerScope(at), reason);
    return { ...at, as };
  }

  /** Only names that we give: what users put beside them in the same container is theirs. */
  function isLeftBehind(blob: string): boolean {
    const folder = fileBlob.exec(blob)?.[1];
    return folder !== undefined && !underWay.has(folder);
  }

  /** Keeps files as blobs; on any failure removes them again. */
  async function keep(
    grant: Grant,
    workspace: Workspace,
    limits: ContentLimits,
    fill: (taking: Taking) => Promise<void>,
  ): Promise<Snapshot> {
    const { account, container, as } = place(workspace, 'workspaceblobstore');
    const folder = `${folders}${randomUuid()}`;
    const tree = createTree();
    let count = 0;
    const write = as(storageActions.writeBlobs, 'keep a snapshot');
    const writeBlob = async (content: Readable | Uint8Array) => {
      const blob = `${folder}/${count++}`;
      const { size, sha256 } = await blobs.put(write, { account, container, name: blob }, content, {
        maxBytes: limits.bytes,
      });
      return kept(blob, size, sha256);
    };
    const share: Taking['share'] = async ({ read, ...from }) => {
      if (idKey(from.account) !== idKey(account)) return undefined;
      // At the source, so that it is known there the next time. What is shared below is of the same ETag, or is not shared.
      if ((await blobs.digest(read, from)) === undefined) return undefined;
      const blob = `${folder}/${count++}`;
      const to = { account, container, name: blob };
      const made = await blobs.share({ read, write }, from, to);
      if (made === undefined) return undefined;
      const { size, sha256 } = made;
      const bounds = { start: 0, end: scannedBytes - 1 };
      const head = async () =>
        (await blobs.open(as(storageActions.readBlobs, 'look at a snapshot for credentials'), to, bounds)).stream;
      return { ...kept(blob, size, sha256), head };
    };
    const packer = createPacker(writeBlob);
    const discard = () =>
      blobs.removePrefix(as(storageActions.deleteBlobs, 'discard a snapshot'), {
        account,
        container,
        prefix: `${folder}/`,
      });
    underWay.add(folder);
    try {
      const put: Put = async (path, content) => {
        try {
          tree.add(path);
        } catch (thrown) {
          content.destroy();
          throw thrown;
        }
        await packer.add(path, content);
      };
      const keep: Taking['keep'] = async (path, { head: _, ...shared }) => {
        tree.add(path);
        packer.keep(path, shared);
      };
      await fill({ put, share, keep });
      const files = await packer.end();
      const digest = snapshotDigest(files);
      const bytes = files.reduce((sum, file) => sum + file.size, 0);
      const database = await workspaces.database(grant, workspace.id);
      const row = {
        digest,
        files: files.length,
        bytes,
        created_at: clock.now().toISOString(),
        created_by: grant.actor.objectId,
      };
      const isNew = await database.write((tx) => insertSnapshot(tx, row, files), { rows: files.length });
      // What cannot be removed now is nobody's, and the sweep finds it.
      if (!isNew) await discard().catch(() => undefined);
      return { digest, uri: uriOf(digest), files: isNew ? files : await filesOf(database.read, digest), bytes };
    } catch (thrown) {
      // What went wrong first is what is said; blobs that stay behind are named nowhere, or by a row that is found yet.
      if (!isUnknown(thrown)) await discard().catch(() => undefined);
      throw thrown;
    } finally {
      underWay.delete(folder);
    }
  }

  /**
   * Every blob of a folder below `root`, or the one blob that the path names. Large ones are shared where they lie in the same account, so
   * that the bytes are there once and are not read; what becomes of the one does not touch the other.
   */
  async function copy(
    from: Folder,
    root: string,
    path: string,
    limits: ContentLimits,
    { put, share, keep }: Taking,
  ): Promise<{ readonly isFile: boolean }> {
    const { read, account, container, without = [] } = from;
    const isThere = (blob: string) => !without.some((prefix) => blob.startsWith(prefix));
    const inside = path.replace(/\/+$/, '');
    const name = `${root}${inside === '' ? '' : safePath(inside)}`;
    const one = async (at: string, { name, size, etag }: Pick<BlobInfo, 'name' | 'size' | 'etag'>) => {
      const ref = { account, container, name };
      // Shared first: what is looked at is what is kept, whoever writes there meanwhile.
      const shared = size <= smallBytesMax ? undefined : await share({ ...ref, read, etag });
      if (shared === undefined) await put(at, (await blobs.open(read, ref)).stream);
      else await keep(at, shared);
    };
    const file = inside !== '' && isThere(name) ? await blobs.find(read, { account, container, name }) : undefined;
    if (file !== undefined) {
      await one(name.slice(name.lastIndexOf('/') + 1), file);
      return { isFile: true };
    }
    const folder = name === '' || name.endsWith('/') ? name : `${name}/`;
    // All names first: what is too large is said before anything is copied.
    const found: BlobInfo[] = [];
    let seen = 0;
    let bytes = 0;
    let marker: string | undefined;
    do {
      const page = await blobs.list(read, {
        account,
        container,
        prefix: folder,
        limit: 1000,
        ...(marker === undefined ? {} : { marker }),
      });
      for (const blob of page.blobs) {
        // What is passed over counts too: it is looked at all the same.
        if (++seen > limits.files) throw assetsFailures.SnapshotTooManyFiles(limits);
        if (!isThere(blob.name)) continue;
        found.push(blob);
        bytes += blob.size;
        if (bytes > limits.bytes) throw assetsFailures.SnapshotTooLarge(limits);
      }
      marker = page.nextMarker;
    } while (marker !== undefined);
    if (found.length === 0) throw assetsFailures.AssetContentNotFound(`${from.title}/${path}`);
    await together(found, copiedTogether, (blob) => one(safePath(blob.name.slice(folder.length)), blob));
    return { isFile: false };
  }

  const snapshots: Snapshots = {
    async take(grant, workspaceId, archive, { allowCredentials }) {
      const workspace = await workspaces.get(grant, workspaceId);
      return keep(grant, workspace, codeLimits, ({ put }) =>
        readArchive(archive, codeLimits, async (path, content) => {
          const { scanned, found } = scanner(path, content);
          await put(path, scanned);
          const credential = found();
          if (credential !== undefined && !allowCredentials)
            throw assetsFailures.CredentialInSnapshot(path, credential);
        }),
      );
    },

    async takeArtifacts(grant, workspaceId, root, path, limits) {
      const workspace = await workspaces.get(grant, workspaceId);
      const { account, container, as } = place(workspace, 'workspaceartifactstore');
      const read = as(storageActions.readBlobs, 'register what a job left');
      const from = { read, account, container, title: root.split('/').at(-2) ?? '' };
      let copied = { isFile: false };
      const taken = await keep(grant, workspace, limits, async (taking) => {
        copied = await copy(from, root, path, limits, taking);
      });
      return { ...taken, ...copied };
    },

    async takeFolder(grant, workspaceId, { path, ...from }, limits) {
      const workspace = await workspaces.get(grant, workspaceId);
      let copied = { isFile: false };
      const taken = await keep(grant, workspace, limits, async ({ put, share, keep }) => {
        const refuse = (name: string, credential: string | undefined) => {
          if (credential !== undefined) throw assetsFailures.CredentialInSnapshot(name, credential);
        };
        const putScanned: Put = async (name, content) => {
          const { scanned, found } = scanner(name, content);
          await put(name, scanned);
          refuse(name, found());
        };
        const keepScanned: Taking['keep'] = async (name, shared) => {
          const { scanned, found } = scanner(name, await shared.head());
          for await (const _ of scanned);
          refuse(name, found());
          await keep(name, shared);
        };
        copied = await copy(from, '', path, limits, { put: putScanned, share, keep: keepScanned });
      });
      return { ...taken, ...copied };
    },

    async get(grant, workspaceId, uri) {
      const digest = digestOf(uri);
      if (digest === undefined)
        throw assetsFailures.InvalidAssetUri(
          'codeUri',
          `the uri that POST …/snapshots answers, azureml://snapshots/sha256:…`,
        );
      const database = await workspaces.database(grant, workspaceId);
      const row = await findSnapshot(database.read, digest);
      if (!row) throw assetsFailures.SnapshotNotFound(digest);
      return { digest, uri: uriOf(digest), files: await filesOf(database.read, digest), bytes: row.bytes };
    },

    async hasFile(grant, workspaceId, digest, path) {
      const database = await workspaces.database(grant, workspaceId);
      return (await findFile(database.read, digest, path)) !== undefined;
    },

    async filesBelow(grant, workspaceId, digest, folder) {
      const database = await workspaces.database(grant, workspaceId);
      if (!(await findSnapshot(database.read, digest))) throw assetsFailures.SnapshotNotFound(digest);
      return await filesBelow(database.read, digest, folder);
    },

    async openFile(grant, workspaceId, digest, path) {
      const workspace = await workspaces.get(grant, workspaceId);
      const database = await workspaces.database(grant, workspaceId);
      if (!(await findSnapshot(database.read, digest))) throw assetsFailures.SnapshotNotFound(digest);
      const file = await findFile(database.read, digest, path);
      if (!file) throw assetsFailures.FileNotFound(path);
      if (file.size === 0) return { file, stream: Readable.from([], { objectMode: false }) };
      const { account, container, as } = place(workspace, 'workspaceblobstore');
      const { stream } = await blobs.open(
        as(storageActions.readBlobs, 'read a file of a snapshot'),
        { account, container, name: file.blob },
        { start: file.start, end: file.start + file.size - 1 },
      );
      // `pipeline`, because either side may fail: a damaged blob ends what is read, and a reader that leaves closes the blob.
      return { file, stream: pipeline(stream, verified(file), () => {}) };
    },

    async sweep(grant, workspaceId) {
      const workspace = await workspaces.get(grant, workspaceId);
      const database = await workspaces.database(grant, workspaceId);
      const { account, container, as } = place(workspace, 'workspaceblobstore');
      const look = as(storageActions.readBlobs, 'find what no snapshot names');
      const clear = as(storageActions.deleteBlobs, 'remove what no snapshot names');
      let removed = 0;
      let marker: string | undefined;
      do {
        const page = await blobs.list(look, {
          ...{ account, container, prefix: folders, limit: sweepPage },
          ...(marker === undefined ? {} : { marker }),
        });
        // order matters: a folder that is no longer under way now has its row by the time that the rows are read, or never.
        const candidates = page.blobs.map(({ name }) => name).filter(isLeftBehind);
        const named = await namedBlobs(database.read, candidates);
        const unnamed = candidates.filter((name) => !named.has(name));
        if (unnamed.length > 0) {
          const facts = {
            operation: 'Snapshots_RemoveUnnamed',
            action: storageActions.deleteBlobs,
            scope: workspace.id,
            parameters: { container, ...counted(unnamed) },
          };
          await acts.duty(assetsDuties.removeUnnamed, facts, async () => {
            for (const name of unnamed) await blobs.remove(clear, { account, container, name });
          });
          removed += unnamed.length;
        }
        marker = page.nextMarker;
      } while (marker !== undefined);
      return removed;
    },
  };
  return snapshots;
}

/** Refuses what no disk could hold: one name for a file and for a folder of others. */
function createTree() {
  const files = new Set<string>();
  const folders = new Set<string>();
  return {
    add(path: string): void {
      const parts = path.split('/');
      const above = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
      const clash = folders.has(path) ? path : above.find((folder) => files.has(folder));
      if (clash !== undefined) throw assetsFailures.fileAndFolder(clash);
      files.add(path);
      for (const folder of above) folders.add(folder);
    },
  };
}

/** Acts on all of them, some at a time. After a failure no further one begins, and those under way are waited for. */
async function together<T>(items: readonly T[], atOnce: number, act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  let failed = false;
  const work = async () => {
    for (const item of left) {
      if (failed) return;
      try {
        await act(item);
      } catch (thrown) {
        failed = true;
        throw thrown;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** What has just been written, or asked for, has its digest; a file without one would be verified against nothing. */
function kept(blob: string, size: number, sha256: string | undefined): Kept {
  if (sha256 === undefined) throw assetsFailures.SnapshotDamaged();
  return { blob, size, sha256 };
}

/** What passes through is looked at for credentials; `found` says what was seen once the stream has ended. */
function scanner(
  path: string,
  content: Readable,
): { readonly scanned: Readable; readonly found: () => string | undefined } {
  let credential: string | undefined;
  const scan = credentialScanner(path, (what) => {
    credential = what;
  });
  return { scanned: pipeline(content, scan, () => {}), found: () => credential };
}

/**
 * Fails the stream at its end if the bytes are not those that the digest promised. What is long is digested on a thread, a piece behind
 * what is passed on.
 */
function verified(file: SnapshotFile): Transform {
  const hash = createLongSha256();
  let before: Promise<void> | undefined;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const ready = before ?? Promise.resolve();
      before = hash.update(chunk);
      // Told to whoever waits for it, with the next piece or at the end.
      before?.catch(() => {});
      ready.then(() => done(null, chunk), done);
    },
    flush(done) {
      hash.hex().then((hex) => done(hex === file.sha256 ? null : assetsFailures.SnapshotDamaged()), done);
    },
    destroy(error, done) {
      hash.drop();
      done(error);
    },
  });
}
