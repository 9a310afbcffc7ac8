// Wire shapes of storage accounts and containers in the management API. Source: Azure Resource Manager,
// Microsoft.Storage 2023-05-01. What would weaken an account is in the shape, so that it is refused with a reason rather
// than called unknown.

import { type Static, Type } from './schema.ts';

export const StorageEncryption = Type.Object({
  keySource: Type.Union([Type.Literal('Microsoft.Storage'), Type.Literal('Microsoft.Keyvault')]),
  keyvaultproperties: Type.Optional(
    Type.Object({
      keyname: Type.String({ minLength: 1, maxLength: 127 }),
      keyversion: Type.String({ minLength: 1, maxLength: 64 }),
      keyvaulturi: Type.String({ minLength: 8, maxLength: 512 }),
    }),
  ),
  identity: Type.Optional(
    Type.Object({
      userAssignedIdentity: Type.Optional(Type.String({ maxLength: 2048 })),
    }),
  ),
  requireInfrastructureEncryption: Type.Optional(Type.Boolean()),
});

export const StorageAccountProperties = Type.Object({
  minimumTlsVersion: Type.Optional(Type.Union([Type.Literal('TLS1_2'), Type.Literal('TLS1_3')])),
  allowBlobPublicAccess: Type.Optional(Type.Boolean()),
  supportsHttpsTrafficOnly: Type.Optional(Type.Boolean()),
  allowSharedKeyAccess: Type.Optional(Type.Boolean()),
  isHnsEnabled: Type.Optional(Type.Boolean()),
  publicNetworkAccess: Type.Optional(Type.Union([Type.Literal('Enabled'), Type.Literal('Disabled')])),
  networkAcls: Type.Optional(
    Type.Object({
      defaultAction: Type.Union([Type.Literal('Allow'), Type.Literal('Deny')]),
      bypass: Type.Optional(Type.String({ maxLength: 64 })),
      ipRules: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
      virtualNetworkRules: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
      resourceAccessRules: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
    }),
  ),
  encryption: Type.Optional(StorageEncryption),
});

export const StorageSku = Type.Object({
  name: Type.Union([
    Type.Literal('Standard_LRS'),
    Type.Literal('Standard_GRS'),
    Type.Literal('Standard_RAGRS'),
    Type.Literal('Standard_ZRS'),
    Type.Literal('Premium_LRS'),
  ]),
  tier: Type.Optional(Type.String({ maxLength: 32 })),
});

/** Body of a PUT of a container. */
export const ContainerBody = Type.Object(
  {
    properties: Type.Optional(
      Type.Object(
        {
          publicAccess: Type.Optional(Type.Literal('None')),
          metadata: Type.Optional(Type.Record(Type.String(), Type.String({ maxLength: 8192 }))),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

export const ContainerResource = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  etag: Type.String(),
  properties: Type.Object({
    publicAccess: Type.Literal('None'),
    lastModifiedTime: Type.String(),
    leaseStatus: Type.String(),
    leaseState: Type.String(),
    hasImmutabilityPolicy: Type.Boolean(),
    hasLegalHold: Type.Boolean(),
    metadata: Type.Record(Type.String(), Type.String()),
  }),
});

export const ContainerListQuery = Type.Object({
  $maxpagesize: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  $skipToken: Type.Optional(Type.String({ maxLength: 64 })),
  $filter: Type.Optional(Type.String({ maxLength: 64 })),
});

export type StorageAccountProperties = Static<typeof StorageAccountProperties>;
export type StorageEncryption = Static<typeof StorageEncryption>;
export type ContainerBody = Static<typeof ContainerBody>;
export type ContainerResource = Static<typeof ContainerResource>;

export const NameQuestion = Type.Object({
  name: Type.String({ maxLength: 256 }),
  type: Type.Literal('Microsoft.Storage/storageAccounts'),
});
export const NameAvailability = Type.Object({
  nameAvailable: Type.Boolean(),
  reason: Type.Optional(Type.Union([Type.Literal('AccountNameInvalid'), Type.Literal('AlreadyExists')])),
  message: Type.Optional(Type.String()),
});
