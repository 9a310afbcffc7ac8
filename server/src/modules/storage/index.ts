// The door of storage: accounts and containers, and blobs that are always sealed by us before they reach the disk. Other
// modules hold `blobs` and act with a grant; the world comes through the `blob` surface with a token.

import type { Readable } from 'node:stream';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { ByteStores } from '#kernel/bytes/byte-store';
import type { Clock } from '#kernel/clock/clock';
import type { Anchors, Databases } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Faults } from '#kernel/files/faults';
import type { Quotas } from '#kernel/files/quota';
import type { Scheme } from '#kernel/http/surface';
import type { Module } from '#kernel/module';
import type { DataKeys } from '#kernel/sealing/data-keys';
import type { ResourceKind, Resources } from '#resources';
import { accountType, createAccountKind, protectedBy, stateOf } from './account.kind.ts';
import { accountIdOf, createAccounts } from './accounts.service.ts';
import { blobRoutes } from './blobs.routes.ts';
import { type Blobs, createBlobs, type PutOptions } from './blobs.service.ts';
import type { BlobInfo } from './blobs.store.ts';
import { createBlocks } from './blocks.service.ts';
import { containerArmRoutes } from './containers.arm.routes.ts';
import { containerRoutes } from './containers.routes.ts';
import { type Containers, createContainers } from './containers.service.ts';
import { credentialFailures } from './credentials.errors.ts';
import { blobSchemes } from './credentials.scheme.ts';
import { nameRoutes } from './names.arm.routes.ts';
import { createOpenedAccounts } from './opened-accounts.service.ts';
import { createProtection, type Protect } from './protection.service.ts';
import { createReserve, type ReservedIn } from './reserved.service.ts';
import { type BlobRef, requireAccountScope } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';
import { createBlobSurface } from './surface.ts';

export { accountType } from './account.kind.ts';
export type { ListQuery } from './blobs.service.ts';
export type { BlobInfo, Part } from './blobs.store.ts';
export type { BlobPage } from './listing.service.ts';
export { usageOnDisk, usageTable } from './migrations/usage.ts';
export { blobWireOf } from './operations.rules.ts';
export { createProtection, type Protect, type ProtectingKey } from './protection.service.ts';
export type { ByteRange } from './reading.service.ts';
export type { Reserved, ReservedFolder, ReservedIn } from './reserved.service.ts';
export { type BlobRef, blobScope, type ContainerRef, containerScope } from './scopes.rules.ts';
export type { SealedFiles, Written } from './sealed-files.service.ts';
export { createSealedStores, type SealedStore, type SealedStores } from './sealed-stores.service.ts';
export { streamParts } from './streaming.service.ts';
export { storageAudience } from './surface.ts';
export { usageOf } from './usages.rules.ts';

import { storageDuties } from './duties.ts';

export type BlobPutOptions = Omit<PutOptions, 'conditions'> & {
  /** `*`: only if there is no such blob; otherwise `conflict` BlobAlreadyExists. */
  readonly ifNoneMatch?: '*';
};

/**
 * Sealed blobs in process. `account` is always the resource id of a storage account. Every function refuses (403) what the
 * grant's scope does not cover: `{account}/blobServices/default/containers/{container}[/blobs/{name or folder}]`.
 */
export type BlobStore = Pick<Containers, 'ensureContainer' | 'deleteContainer'> & {
  /** Writes a whole blob, replacing what has its name at once or not at all. A source is read to its end or destroyed. */
  put(grant: Grant, ref: BlobRef, source: Readable | Uint8Array, options: BlobPutOptions): Promise<BlobInfo>;
  /** The caller reads the stream to its end, or destroys it. A blob that was replaced meanwhile is read to its end. */
  open: Blobs['open'];
  /** Throws `notFound`. */
  head: Blobs['head'];
  /** See `Blobs`: the one way to have bytes twice and keep them once. */
  share: Blobs['share'];
  digest: Blobs['digest'];
  find: Blobs['find'];
  list: Blobs['list'];
  /** Throws `notFound`. */
  remove(grant: Grant, ref: BlobRef): Promise<void>;
  /** Removes every blob whose name begins with `prefix`, and says how many. End it with a slash to mean a folder. */
  removePrefix: Blobs['removePrefix'];
};

export type Storage = Module<ResourceKind> & {
  readonly kinds: readonly ResourceKind[];
  readonly blobs: BlobStore;
  /** Writes as requests do, for who writes where a user has said: what is reserved is refused. */
  readonly putAsked: BlobStore['put'];
  /** Bytes that an account holds. Throws `notFound`, and the vault's Failure while its key is refused. */
  used(grant: Grant, account: string): Promise<number>;
  /** Puts an account under a customer's key as the given identity, or back under the root key. */
  readonly protect: Protect;
  /** Resource id of the account of a name; of a name that there is not, an id at which nothing was granted. */
  accountNamed(name: string): string;
};

export function createStorage(deps: {
  readonly databases: Databases;
  readonly byteStores: ByteStores;
  readonly dataKeys: DataKeys;
  /** What notices an older copy of an index. */
  readonly anchors?: Anchors;
  /** An index found no room: see `Opening`. */
  readonly onFull?: () => void;
  readonly quotas?: Quotas;
  readonly resources: Resources;
  readonly grants: Grants;
  readonly clock: Clock;
  /** `localhost:8443`: accounts are at `{account}.blob.storage.{domain}` and at `/{account}`. */
  readonly domain: string;
  /** How callers of the blob surface prove who they are. */
  readonly schemes: readonly Scheme[];
  /** For addresses that carry a signature (`sig`). Asked first: a request with one is never decided by anything else. */
  readonly addresses: Scheme;
  /** Where callers get their tokens, for the challenge: `https://localhost:8443/{tenant}`. */
  readonly authority: string;
  /** What no request touches, whoever sends it: modules above keep it there. */
  readonly reservedIn: ReservedIn;
  /** For tests. */
  readonly faults?: Faults;
  readonly openMax?: number;
}): Storage {
  const accounts = createAccounts();
  const opened = createOpenedAccounts(deps);
  const containers = createContainers({ ...deps, accounts, opened });
  const inWork = new Set<string>();
  const blobs = createBlobs({ ...deps, accounts, opened, inWork });
  const blocks = createBlocks({ ...deps, accounts, opened, inWork });
  const { resources, grants } = deps;
  // What comes by a request is kept from what is reserved; who holds `blobs` in process is not.
  const reserve = createReserve(deps.reservedIn);
  const asked = {
    blobs: reserve.blobs(blobs),
    blocks: reserve.blocks(blocks),
    containers: reserve.containers(containers),
  };
  const putWith =
    (put: Blobs['put']): BlobStore['put'] =>
    (grant, ref, source, { ifNoneMatch, ...options }) =>
      put(grant, ref, source, { ...options, ...(ifNoneMatch === undefined ? {} : { conditions: { ifNoneMatch } }) });
  return {
    name: 'storage',
    duties: Object.values(storageDuties),
    failures: [tableOf(storageFailures), tableOf(credentialFailures)],
    surfaces: [createBlobSurface({ ...deps, accounts, schemes: blobSchemes(deps.addresses, deps.schemes) })],
    routes: [
      ...blobRoutes({ ...deps, ...asked, accounts }),
      ...containerRoutes({ ...deps, ...asked, accounts }),
      ...containerArmRoutes(asked.containers),
      ...nameRoutes(accounts),
    ],
    kinds: [createAccountKind({ ...deps, accounts, opened })],
    blobs: {
      ensureContainer: containers.ensureContainer,
      deleteContainer: containers.deleteContainer,
      put: putWith(blobs.put),
      open: blobs.open,
      head: blobs.head,
      share: blobs.share,
      digest: blobs.digest,
      find: blobs.find,
      list: blobs.list,
      remove: (grant, ref) => blobs.remove(grant, ref),
      removePrefix: blobs.removePrefix,
    },
    putAsked: putWith(asked.blobs.put),
    async used(grant, account) {
      requireAccountScope(grant, account);
      return await opened.used(accounts.byId(account));
    },
    protect: createProtection({
      ...deps,
      find(grant, id) {
        requireAccountScope(grant, id);
        return accounts.byId(id);
      },
      tell: protectedBy,
    }),
    accountNamed: (name) => accountIdOf(accounts, name),
    async start() {
      const grant = grants.duty(storageDuties.findAccounts, '/');
      for await (const resource of resources.each(grant, { type: accountType, under: '/' })) {
        const { id, name, uniqueId } = resource;
        if (stateOf(resource).creationTime !== undefined) accounts.add({ id, name, uniqueId });
      }
    },
    stop: () => opened.closeAll(),
  };
}
