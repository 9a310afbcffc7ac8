// Wire shapes of registries in the management API, and of manifests in the registry protocol. Sources: Azure Resource
// Manager, Microsoft.ContainerRegistry 2023-07-01; OCI image specification 1.1, image-manifest.md, image-index.md and
// descriptor.md. What would weaken a registry is in the shape, so that it is refused with a reason.

import { type Static, Type } from './schema.ts';

export const registryLimits = {
  /** Bytes of a manifest. */
  manifestBytes: 4 * 1024 * 1024,
  /** Bytes of a layer or a config: 10 GiB. */
  blobBytes: 10 * 1024 ** 3,
  /** Layers of an image, manifests of an index. */
  descriptors: 1000,
  /** Entries of a page of tags or repositories. */
  pageSize: 1000,
  /** Entries of a page of manifests that tells of each: its tags are in the answer. */
  describedPageSize: 100,
  /** Tags of one manifest, and of a page of them, that a list tells. */
  describedTags: 10_000,
} as const;

export const RegistrySku = Type.Object({
  name: Type.Union([Type.Literal('Basic'), Type.Literal('Standard'), Type.Literal('Premium')]),
  tier: Type.Optional(Type.String({ maxLength: 32 })),
});

export const RegistryEncryption = Type.Object({
  status: Type.Optional(Type.Union([Type.Literal('enabled'), Type.Literal('disabled')])),
  keyVaultProperties: Type.Optional(
    Type.Object({
      keyIdentifier: Type.Optional(Type.String({ minLength: 8, maxLength: 1024 })),
      identity: Type.Optional(Type.String({ maxLength: 2048 })),
    }),
  ),
});

export const RegistryProperties = Type.Object({
  adminUserEnabled: Type.Optional(Type.Boolean()),
  anonymousPullEnabled: Type.Optional(Type.Boolean()),
  publicNetworkAccess: Type.Optional(Type.Union([Type.Literal('Enabled'), Type.Literal('Disabled')])),
  networkRuleSet: Type.Optional(
    Type.Object({
      defaultAction: Type.Union([Type.Literal('Allow'), Type.Literal('Deny')]),
      ipRules: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
    }),
  ),
  encryption: Type.Optional(RegistryEncryption),
});

const sha256Digest = Type.String({ pattern: '^sha256:[0-9a-f]{64}$' });
const mediaType = Type.String({ minLength: 3, maxLength: 255, pattern: '^[!-~]+/[!-~]+$' });
const annotations = Type.Record(Type.String(), Type.String());

export const Descriptor = Type.Object({
  mediaType,
  digest: sha256Digest,
  size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
});

/** OCI image manifest, and Docker's version 2 schema 2, which has the same shape. */
export const ImageManifest = Type.Object({
  schemaVersion: Type.Literal(2),
  mediaType: Type.Optional(mediaType),
  artifactType: Type.Optional(mediaType),
  config: Descriptor,
  layers: Type.Array(Descriptor, { maxItems: registryLimits.descriptors }),
  subject: Type.Optional(Descriptor),
  annotations: Type.Optional(annotations),
});

/** OCI image index, and Docker's manifest list. */
export const ImageIndex = Type.Object({
  schemaVersion: Type.Literal(2),
  mediaType: Type.Optional(mediaType),
  artifactType: Type.Optional(mediaType),
  manifests: Type.Array(Descriptor, { maxItems: registryLimits.descriptors }),
  subject: Type.Optional(Descriptor),
  annotations: Type.Optional(annotations),
});

export type RegistryProperties = Static<typeof RegistryProperties>;
export type RegistryEncryption = Static<typeof RegistryEncryption>;
export type Descriptor = Static<typeof Descriptor>;
export type ImageManifest = Static<typeof ImageManifest>;
export type ImageIndex = Static<typeof ImageIndex>;

/** Answer of the token endpoint. */
export const RegistryToken = Type.Object({
  token: Type.String(),
  access_token: Type.String(),
  expires_in: Type.Integer(),
  issued_at: Type.String(),
});

/** Azure's way to a token of the registry: what was proved elsewhere, for what is worth a token here. Fields that nobody reads pass. */
export const RegistryForm = Type.Object({
  grant_type: Type.String({ maxLength: 64 }),
  service: Type.String({ minLength: 1, maxLength: 512 }),
  scope: Type.Optional(Type.String({ maxLength: 16_384 })),
  tenant: Type.Optional(Type.String({ maxLength: 256 })),
  access_token: Type.Optional(Type.String({ maxLength: 16_384 })),
  refresh_token: Type.Optional(Type.String({ maxLength: 16_384 })),
  username: Type.Optional(Type.String({ maxLength: 256 })),
  password: Type.Optional(Type.String({ maxLength: 16_384 })),
});
export type RegistryForm = Static<typeof RegistryForm>;
export const RegistryRefreshToken = Type.Object({ refresh_token: Type.String() });

// What Azure's registries tell of their images beyond the protocol of OCI: `/acr/v1`, api-version 2021-07-01.
const time = Type.String({ format: 'date-time' });
const attributes = Type.Object({
  deleteEnabled: Type.Boolean(),
  writeEnabled: Type.Boolean(),
  readEnabled: Type.Boolean(),
  listEnabled: Type.Boolean(),
});
const named = { registry: Type.String(), imageName: Type.String() };

export const RepositoryDescription = Type.Object({
  ...named,
  createdTime: time,
  lastUpdateTime: time,
  manifestCount: Type.Integer(),
  tagCount: Type.Integer(),
  changeableAttributes: attributes,
});
const tagDescription = Type.Object({
  name: Type.String(),
  digest: Type.String(),
  createdTime: time,
  lastUpdateTime: time,
  signed: Type.Boolean(),
  changeableAttributes: attributes,
});
const manifestDescription = Type.Object({
  digest: Type.String(),
  imageSize: Type.Integer(),
  createdTime: time,
  lastUpdateTime: time,
  mediaType: Type.String(),
  tags: Type.Array(Type.String()),
  changeableAttributes: attributes,
});
export const TagDescriptions = Type.Object({ ...named, tags: Type.Array(tagDescription) });
export const TagDescription = Type.Object({ ...named, tag: tagDescription });
export const ManifestDescriptions = Type.Object({ ...named, manifests: Type.Array(manifestDescription) });
export const ManifestDescription = Type.Object({ ...named, manifest: manifestDescription });
export const DeletedRepository = Type.Object({
  manifestsDeleted: Type.Array(Type.String()),
  tagsDeleted: Type.Array(Type.String()),
});

export const TagList = Type.Object({ name: Type.String(), tags: Type.Array(Type.String()) });
export const Catalog = Type.Object({ repositories: Type.Array(Type.String()) });
