// Pending uploads: a container for the files of one code version, for clients that send files to an address with a signature
// in it. It opens that container for an hour, while its caller may write the version; registering the version makes a
// snapshot of what arrived and removes the container. So what a signature can reach is never what a job runs.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import { storageActions } from '@strongroom/contract/storage.actions';
import type { Action, Grant } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { parseResourceId } from '#kernel/ids/ids';
import { type BlobStore, containerScope } from '#storage';
import { type Workspace, type Workspaces, workspaceOf, workspaceType } from '#workspaces';
import { assetsFailures } from './assets.errors.ts';
import { assetsDuties } from './duties.ts';
import { codeLimits } from './limits.rules.ts';
import { type Snapshot, type Snapshots, uriOf } from './snapshots.service.ts';
import * as store from './uploads.store.ts';

/** Hands on a caller's decision as an address. Identity implements it; compose introduces the two. */
export type AddressSigner = {
  sign(
    grant: Grant,
    address: {
      readonly surface: 'blob';
      readonly scope: string;
      readonly actions: readonly Action[];
      readonly action: Action;
      readonly ttlSeconds: number;
    },
  ): Promise<{ readonly signature: string; readonly expiresAt: Date }>;
};

export type PendingUpload = {
  readonly uploadId: string;
  readonly account: string;
  /** Of the container, without and with its signature. */
  readonly uri: string;
  readonly signedUri: string;
};

export type Uploads = {
  /** @param origin what the address begins with */
  begin(grant: Grant, versionId: string, origin: string): Promise<PendingUpload>;
  /** Removes what nobody finished in time. */
  sweep(grant: Grant, workspaceId: string): Promise<void>;
  /** Makes a snapshot of what was sent, once; asked again it answers the same. Throws `invalid` for an upload of another version. */
  take(grant: Grant, versionId: string, uri: string): Promise<Snapshot>;
};

export const uploadSeconds = 3600;
/** Of one workspace, unfinished at the same time. */
const openMax = 200;
const sweptAtOnce = 50;
const uploadPattern = /^https:\/\/[^/?#]+\/(?:[a-z0-9]{3,24}\/)?(upload-[0-9a-f-]{36})(?:\/([^?#]*))?$/;
const writeCode = actionsOfType(`${workspaceType}/codes/versions`).write;

/** Whether a codeUri is an address that an upload answered. */
export const isUploadUri = (uri: string): boolean => uploadPattern.test(uri);

export function createUploads(deps: {
  readonly workspaces: Workspaces;
  readonly blobs: Pick<BlobStore, 'ensureContainer' | 'deleteContainer'>;
  readonly snapshots: Pick<Snapshots, 'takeFolder' | 'get'>;
  readonly addresses: AddressSigner;
  readonly acts: Pick<Acts, 'duty'>;
  readonly clock: Clock;
}): Uploads {
  const { workspaces, blobs, snapshots, addresses, acts, clock } = deps;

  /** @param id of the workspace, or of something in it */
  async function opened(grant: Grant, id: string) {
    const workspace = await workspaces.get(grant, workspaceOf(id) ?? '');
    return { workspace, database: await workspaces.database(grant, workspace.id) };
  }

  /** Idempotent: gone is what was wanted. With it the address that opens it is worth nothing. */
  async function removeContainer(workspace: Workspace, container: string): Promise<void> {
    const ref = { account: workspace.storageAccount, container };
    const remove = workspaces.asIdentity(
      workspace,
      storageActions.deleteContainers,
      containerScope(ref),
      'remove a pending upload',
    );
    try {
      await blobs.deleteContainer(remove, ref);
    } catch (thrown) {
      if (!(thrown instanceof Failure && thrown.kind === 'notFound')) throw thrown;
    }
  }

  async function removeExpired(workspace: Workspace, database: Database): Promise<void> {
    for (const old of await store.expiredUploads(database.read, clock.now().toISOString(), sweptAtOnce)) {
      const facts = {
        operation: 'Uploads_Expire',
        action: storageActions.deleteContainers,
        scope: workspace.id,
        parameters: { container: old },
      };
      await acts.duty(assetsDuties.removeUploads, facts, async () => {
        await removeContainer(workspace, old);
        await database.write((tx) => store.removeUpload(tx, old));
      });
    }
  }

  return {
    async sweep(grant, workspaceId) {
      const { workspace, database } = await opened(grant, workspaceId);
      await removeExpired(workspace, database);
    },
    async begin(grant, versionId, origin) {
      const { workspace, database } = await opened(grant, versionId);
      // Here too, so that what nobody finished never fills the room for those who do.
      await removeExpired(workspace, database);
      const uploadId = randomUuid();
      const ref = { account: workspace.storageAccount, container: `upload-${uploadId}` };
      const scope = containerScope(ref);
      const { signature, expiresAt } = await addresses.sign(grant, {
        surface: 'blob',
        scope,
        actions: [storageActions.readBlobs, storageActions.writeBlobs],
        action: writeCode,
        ttlSeconds: uploadSeconds,
      });
      // Order matters: a container that is not written down would never be removed.
      await database.write(async (tx) => {
        // Here, where nobody else counts at the same time.
        if ((await store.countUploads(tx)) >= openMax) throw assetsFailures.TooManyPendingUploads(openMax);
        await store.insertUpload(tx, {
          container: ref.container,
          version_id: versionId,
          expires_at: expiresAt.toISOString(),
          digest: null,
        });
      });
      const make = workspaces.asIdentity(workspace, storageActions.writeContainers, scope, 'begin a pending upload');
      await blobs.ensureContainer(make, ref.account, ref.container);
      const uri = `${origin}/${parseResourceId(ref.account).name}/${ref.container}`;
      // What stands beside `sig` tells clients what they have; nothing is decided by it.
      const told = new URLSearchParams({
        sv: '2021-12-02',
        sr: 'c',
        sp: 'rcw',
        spr: 'https',
        se: expiresAt.toISOString().replace(/\.\d+Z$/, 'Z'),
      });
      return { uploadId, account: ref.account, uri, signedUri: `${uri}?${told}&sig=${signature}` };
    },

    async take(grant, versionId, uri) {
      const [, container = '', path = ''] = uploadPattern.exec(uri) ?? [];
      const { workspace, database } = await opened(grant, versionId);
      const row = await store.findUpload(database.read, container, versionId);
      if (row === undefined)
        throw assetsFailures.InvalidAssetUri(
          'codeUri',
          'the address that startPendingUpload answered for this very version',
        );
      if (row.digest !== null) return await snapshots.get(grant, workspace.id, uriOf(row.digest));
      const ref = { account: workspace.storageAccount, container };
      const read = workspaces.asIdentity(
        workspace,
        storageActions.readBlobs,
        containerScope(ref),
        'make a snapshot of an upload',
      );
      const taken = await snapshots.takeFolder(
        grant,
        workspace.id,
        { read, ...ref, path, title: container },
        codeLimits,
      );
      // Order matters: after a crash the registration runs again, and what it needs is either still there or written down.
      await database.write((tx) => store.setUploadDigest(tx, container, taken.digest));
      // What cannot be removed now goes when its time is over.
      await removeContainer(workspace, container).catch(() => undefined);
      return taken;
    },
  };
}
