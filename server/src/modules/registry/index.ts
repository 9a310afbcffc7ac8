// The door of registry: container registries, and images that are always sealed by us before they reach the disk. Other
// modules hold `registry` and act with a grant; the world comes through the `oci` surface with a token.

import type { Readable } from 'node:stream';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { ByteStores } from '#kernel/bytes/byte-store';
import type { Clock } from '#kernel/clock/clock';
import type { Anchors, Databases } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Faults } from '#kernel/files/faults';
import type { Quotas } from '#kernel/files/quota';
import type { Scheme } from '#kernel/http/surface';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { DataKeys } from '#kernel/sealing/data-keys';
import type { ResourceKind, Resources } from '#resources';
import { createProtection, createSealedStores, type Protect } from '#storage';
import { blobRoutes } from './blobs.routes.ts';
import { createCatalog } from './catalog.service.ts';
import { createContent, type Opened, type Range, type Stored } from './content.service.ts';
import { descriptionRoutes } from './descriptions.routes.ts';
import { createDescriptions } from './descriptions.service.ts';
import { referenced } from './images.store.ts';
import { manifestRoutes } from './manifests.routes.ts';
import { createManifests } from './manifests.service.ts';
import { imageMigrations } from './migrations/images.ts';
import { createProofs } from './proofs.scheme.ts';
import { createRegistries } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { createRegistryKind, keyPurposes, protectedBy, registryType, stateOf } from './registry.kind.ts';
import { requireRegistryScope, requireScope } from './scopes.rules.ts';
import { createOciSurface } from './surface.ts';
import { tokenRoutes } from './token.routes.ts';
import { createRegistryTokens, type Principals, pullTokenSecondsMax, type Tokens } from './tokens.service.ts';
import { sweepLoose } from './upkeep.service.ts';
import { createUploads } from './uploads.service.ts';

export type { Range, Stored } from './content.service.ts';
export { mediaTypes, type ReadManifest, readManifest } from './manifest.rules.ts';
export { ociWireOf } from './operations.rules.ts';
export { registryType } from './registry.kind.ts';
export { repositoryScope } from './scopes.rules.ts';

import type { Acts } from '#kernel/authority/perform';
import { registryDuties } from './duties.ts';

/**
 * Images in process. `registryId` is the resource id of a registry, `repository` the name below it (`team/image`), which the
 * world calls `{registry name in lower case}/{repository}`. Digests are `sha256:` and 64 hexadecimal digits. Every function
 * refuses (403) what the grant's scope does not cover: the registry, or `repositoryScope` of the repository.
 */
export type Registry = {
  /** Seals a layer or a config. A source is read to its end or destroyed. Throws `invalid` DIGEST_INVALID. */
  pushBlob(
    grant: Grant,
    registryId: string,
    repository: string,
    source: Readable | Uint8Array,
    expectedDigest?: string,
  ): Promise<Stored>;
  hasBlob(grant: Grant, registryId: string, repository: string, digest: string): Promise<boolean>;
  /** Lets `to` reach what `from` holds. False when it holds no such blob. */
  mountBlob(
    grants: { readonly pull: Grant; readonly push: Grant },
    registryId: string,
    from: string,
    to: string,
    digest: string,
  ): Promise<boolean>;
  /** The caller reads the stream to its end, or destroys it. `size` is that of the whole blob. Throws `notFound` BLOB_UNKNOWN. */
  openBlob(
    grant: Grant,
    registryId: string,
    repository: string,
    digest: string,
    range?: Range,
  ): Promise<Stored & { readonly stream: Readable }>;
  /** Refused while a manifest of the repository needs it. Throws `notFound` BLOB_UNKNOWN. */
  removeBlob(grant: Grant, registryId: string, repository: string, digest: string): Promise<void>;
  /** What it names must have been pushed. `reference` is a tag or the digest of the bytes. */
  putManifest(
    grant: Grant,
    registryId: string,
    repository: string,
    reference: string,
    mediaType: string,
    bytes: Uint8Array,
  ): Promise<{ readonly digest: string }>;
  /** Throws `notFound` MANIFEST_UNKNOWN. */
  getManifest(
    grant: Grant,
    registryId: string,
    repository: string,
    reference: string,
  ): Promise<{ readonly digest: string; readonly mediaType: string; readonly bytes: Uint8Array }>;
  /** At most 1000, in order, behind `after`. Throws `notFound` NAME_UNKNOWN. */
  listTags(grant: Grant, registryId: string, repository: string, after?: string): Promise<readonly string[]>;
  /** By digest, the manifest with its tags; by tag, the tag alone. Throws `notFound` MANIFEST_UNKNOWN. */
  removeManifest(grant: Grant, registryId: string, repository: string, reference: string): Promise<void>;
  /** For repositories of the caller's own, whose manifests need no others: takes every one away but `digest`, or all. */
  keepOnly(grant: Grant, registryId: string, repository: string, digest: string | undefined): Promise<void>;
  /** A bearer token that pulls this repository and does nothing else. The manifest must exist. At most a day. */
  pullToken(
    grant: Grant,
    pull: {
      readonly registryId: string;
      readonly repository: string;
      readonly digest: string;
      readonly ttlSeconds: number;
    },
  ): Promise<string>;
};

export type RegistryModule = Module<ResourceKind> & {
  readonly registry: Registry;
  readonly kinds: readonly ResourceKind[];
  /** Bytes that a registry holds. Throws `notFound`, and the vault's Failure while its key is refused. */
  used(grant: Grant, registryId: string): Promise<number>;
  /** Puts a registry under a customer's key as the given identity, or back under the root key. */
  readonly protect: Protect;
  /** Ends uploads that were left for an hour. For a periodic task; every few minutes. */
  sweepUploads(): Promise<void>;
  /** Removes blobs that no manifest mentions and nobody asked for in a day. For a periodic task; a few times a day. */
  sweepBlobs(signal: AbortSignal): Promise<void>;
};

const tagsAtOnce = 1000;
/** Opens every registry once, so not more often than it is of use. */
const sweepEveryMs = 6 * 3_600_000;

export function createRegistry(deps: {
  readonly databases: Databases;
  readonly byteStores: ByteStores;
  readonly dataKeys: DataKeys;
  readonly anchors?: Anchors;
  /** An index found no room: see `Opening`. */
  readonly onFull?: () => void;
  readonly quotas?: Quotas;
  readonly resources: Resources;
  readonly grants: Grants;
  readonly acts: Pick<Acts, 'duty'>;
  readonly clock: Clock;
  readonly log: Log;
  /** `localhost:8443`: the login server; repositories are below `{domain}/{registry name in lower case}/`. */
  readonly domain: string;
  /** How callers prove who they are besides registry tokens: access tokens, tokens of runs. */
  readonly schemes: readonly Scheme[];
  readonly tokens: Tokens;
  /** The directory: what a registry token stands for, and client secrets. */
  readonly principals: Principals;
  readonly tenantId: string;
  /** For tests. */
  readonly faults?: Faults;
  readonly openMax?: number;
}): RegistryModule {
  const { resources, grants, clock, log } = deps;
  const registries = createRegistries();
  const stores = createSealedStores({
    ...deps,
    purposes: keyPurposes,
    migrations: [imageMigrations],
    repair: (index, sealed) => sealed.sweep((files) => referenced(index.read, files)),
    title: 'registry',
    kind: 'registry',
  });
  const content = createContent({ registries, stores, clock });
  const manifests = createManifests({ content, clock });
  const uploads = createUploads({ registries, content, clock });
  const descriptions = createDescriptions({ content });
  const catalog = createCatalog({ registries, stores });
  const tokens = createRegistryTokens({ ...deps, registries });
  const proofs = createProofs({ ...deps, tokens });

  const registry: Registry = {
    pushBlob: (grant, registryId, repository, source, expectedDigest) =>
      content.push(grant, { registry: registryId, repository }, source, expectedDigest),
    hasBlob: async (grant, registryId, repository, digest) =>
      (await content.find(grant, { registry: registryId, repository }, digest)) !== undefined,
    mountBlob: (grants, registryId, from, to, digest) =>
      content.mount(
        grants,
        { registry: registryId, repository: from },
        { registry: registryId, repository: to },
        digest,
      ),
    openBlob: (grant, registryId, repository, digest, range): Promise<Opened> =>
      content.open(grant, { registry: registryId, repository }, digest, range),
    removeBlob: (grant, registryId, repository, digest) =>
      content.remove(grant, { registry: registryId, repository }, digest),
    putManifest: (grant, registryId, repository, reference, mediaType, bytes) =>
      manifests.put(grant, { registry: registryId, repository }, reference, mediaType, bytes),
    getManifest: (grant, registryId, repository, reference) =>
      manifests.get(grant, { registry: registryId, repository }, reference),
    listTags: async (grant, registryId, repository, after = '') =>
      (await manifests.listTags(grant, { registry: registryId, repository }, { after, limit: tagsAtOnce })).items,
    removeManifest: (grant, registryId, repository, reference) =>
      manifests.remove(grant, { registry: registryId, repository }, reference),
    keepOnly: (grant, registryId, repository, digest) =>
      manifests.keepOnly(grant, { registry: registryId, repository }, digest),
    async pullToken(grant, { registryId, repository, digest, ttlSeconds }) {
      if (!(ttlSeconds > 0 && ttlSeconds <= pullTokenSecondsMax))
        throw registryFailures.InvalidLifetime(pullTokenSecondsMax);
      const ref = { registry: registryId, repository };
      requireScope(grant, ref);
      await manifests.get(grant, ref, digest);
      return await tokens.issuePull(grant.actor, registries.byId(registryId), repository, digest, ttlSeconds);
    },
  };

  async function sweepBlobs(signal: AbortSignal): Promise<void> {
    for (const entry of registries.all()) {
      if (signal.aborted) return;
      try {
        const count = await stores.use(entry, (opened) =>
          sweepLoose(opened, { registryId: entry.id, acts: deps.acts, nowMs: clock.epochMs(), stopping: signal }),
        );
        const fields = { module: 'registry', subject: entry.uniqueId, count };
        if (count > 0) log.info(fields, 'blobs that no manifest mentions were removed');
      } catch (error) {
        // A registry whose customer refuses his key: looked at again the next time.
        log.debug({ module: 'registry', subject: entry.uniqueId, error }, 'a registry was not swept');
      }
    }
  }

  return {
    name: 'registry',
    duties: Object.values(registryDuties),
    failures: [tableOf(registryFailures)],
    surfaces: [createOciSurface({ ...deps, tokens, proofs })],
    routes: [
      ...tokenRoutes({ ...deps, tokens, proofs, registries }),
      ...blobRoutes({ registries, content, uploads, grants }),
      ...manifestRoutes({ registries, manifests, catalog }),
      ...descriptionRoutes({ ...deps, registries, descriptions, catalog }),
    ],
    kinds: [createRegistryKind({ ...deps, registries, stores })],
    registry,
    async used(grant, registryId) {
      requireRegistryScope(grant, registryId);
      return await stores.used(registries.byId(registryId));
    },
    protect: createProtection({
      ...deps,
      find(grant, id) {
        requireRegistryScope(grant, id);
        return registries.byId(id);
      },
      tell: protectedBy,
    }),
    periodic: [
      { name: 'registry-uploads', everyMs: 300_000, run: uploads.sweep },
      { name: 'registry-blobs', everyMs: sweepEveryMs, atStart: true, run: sweepBlobs },
    ],
    sweepUploads: uploads.sweep,
    sweepBlobs,
    async start() {
      const grant = grants.duty(registryDuties.findRegistries, '/');
      for await (const resource of resources.each(grant, { type: registryType, under: '/' })) {
        const { id, name, uniqueId } = resource;
        if (stateOf(resource).creationDate !== undefined) registries.add({ id, name, uniqueId });
      }
    },
    stop: () => stores.closeAll(),
  };
}
