// Wire shapes of key vaults: the vault as a resource, and its secrets and keys as the Key Vault data plane speaks of them.
// Times are seconds since 1970; bytes are base64url without padding. Properties that nobody here knows are ignored, as the
// protocol does; those that ask for more than is served (an exportable key, another key type) are refused by name.

import { type Static, Type } from './schema.ts';

export const vaultLimits = {
  nameLength: 127,
  tags: 15,
  tagLength: 256,
  contentTypeLength: 255,
  /** Of a secret's value, in bytes of UTF-8. */
  secretBytes: 25 * 1024,
  /** Of a request: a value of which every character is escaped, and its tags. */
  bodyBytes: 256 * 1024,
  pageSize: 25,
  /** Of one vault and collection. */
  objects: 25_000,
  /** Of one secret or key. */
  versions: 2_000,
} as const;

// ---- the resource ---------------------------------------------------------------------------------------------------

const optionalBoolean = Type.Optional(Type.Boolean());

export const VaultProperties = Type.Object({
  tenantId: Type.Optional(Type.String({ maxLength: 64 })),
  sku: Type.Optional(Type.Object({ family: Type.Optional(Type.String()), name: Type.String({ maxLength: 32 }) })),
  enableRbacAuthorization: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  enableSoftDelete: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  softDeleteRetentionInDays: Type.Optional(Type.Integer({ minimum: 7, maximum: 90 })),
  enablePurgeProtection: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  networkAcls: Type.Optional(
    Type.Object({
      bypass: Type.Optional(Type.String({ maxLength: 64 })),
      defaultAction: Type.Optional(Type.String({ maxLength: 16 })),
      ipRules: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 1000 })),
      virtualNetworkRules: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 1000 })),
    }),
  ),
  publicNetworkAccess: Type.Optional(Type.String({ maxLength: 16 })),
  createMode: Type.Optional(Type.String({ maxLength: 16 })),
  // Sent back by clients that write what they read.
  vaultUri: Type.Optional(Type.String({ maxLength: 256 })),
  provisioningState: Type.Optional(Type.String({ maxLength: 32 })),
});

export const CheckVaultName = Type.Object({
  name: Type.String({ maxLength: 256 }),
  type: Type.String({ maxLength: 64 }),
});
export const VaultNameAvailability = Type.Object({
  nameAvailable: Type.Boolean(),
  reason: Type.Optional(Type.Union([Type.Literal('AccountNameInvalid'), Type.Literal('AlreadyExists')])),
  message: Type.Optional(Type.String()),
});

export const DeletedVaultWire = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.Literal('Microsoft.KeyVault/deletedVaults'),
  properties: Type.Object({
    vaultId: Type.String(),
    location: Type.String(),
    tags: Type.Record(Type.String(), Type.String()),
    deletionDate: Type.String(),
    scheduledPurgeDate: Type.String(),
    purgeProtectionEnabled: Type.Optional(Type.Boolean()),
  }),
});
export type DeletedVaultWire = Static<typeof DeletedVaultWire>;
export const DeletedVaultList = Type.Object({
  value: Type.Array(DeletedVaultWire),
  nextLink: Type.Optional(Type.String()),
});
export const DeletedVaultListQuery = Type.Object({ $skiptoken: Type.Optional(Type.String({ maxLength: 64 })) });

// ---- what a vault holds ---------------------------------------------------------------------------------------------

/** The year 9999, in seconds. */
const Seconds = Type.Integer({ minimum: 0, maximum: 253_402_300_799 });

export const AttributesInput = Type.Object({
  enabled: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  nbf: Type.Optional(Type.Union([Seconds, Type.Null()])),
  exp: Type.Optional(Type.Union([Seconds, Type.Null()])),
  exportable: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
});
export type AttributesInput = Static<typeof AttributesInput>;

const Attributes = Type.Object({
  enabled: Type.Boolean(),
  nbf: Type.Optional(Seconds),
  exp: Type.Optional(Seconds),
  created: Seconds,
  updated: Seconds,
  recoveryLevel: Type.String(),
  recoverableDays: Type.Integer(),
  exportable: optionalBoolean,
});

const TagsInput = Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()]);
const Tags = Type.Record(Type.String(), Type.String());
const ContentType = Type.Union([Type.String(), Type.Null()]);
const optionalAttributes = Type.Optional(Type.Union([AttributesInput, Type.Null()]));

/** Every call; `maxresults` and the token are of lists. */
export const VaultQuery = Type.Object({
  'api-version': Type.Optional(Type.String({ maxLength: 32 })),
  maxresults: Type.Optional(Type.String({ pattern: '^[0-9]{1,3}$' })),
  $skiptoken: Type.Optional(Type.String({ maxLength: 256 })),
});

export const SetSecret = Type.Object({
  value: Type.String(),
  contentType: Type.Optional(ContentType),
  attributes: optionalAttributes,
  tags: Type.Optional(TagsInput),
});
export const UpdateSecret = Type.Object({
  contentType: Type.Optional(ContentType),
  attributes: optionalAttributes,
  tags: Type.Optional(TagsInput),
});
export const SecretBundle = Type.Object({
  value: Type.Optional(Type.String()),
  id: Type.String(),
  contentType: Type.Optional(Type.String()),
  attributes: Attributes,
  tags: Type.Optional(Tags),
});

const KeyOperations = Type.Union([Type.Array(Type.String({ maxLength: 32 }), { maxItems: 16 }), Type.Null()]);

export const CreateKey = Type.Object({
  kty: Type.String({ maxLength: 16 }),
  key_size: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
  public_exponent: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
  key_ops: Type.Optional(KeyOperations),
  attributes: optionalAttributes,
  tags: Type.Optional(TagsInput),
  release_policy: Type.Optional(Type.Unknown()),
});

/** Base64url; the client sends padding in places. */
const Bytes = Type.String({ minLength: 1, maxLength: 2048, pattern: '^[A-Za-z0-9_-]+={0,2}$' });

export const ImportKey = Type.Object({
  key: Type.Object({
    kty: Type.String({ maxLength: 16 }),
    key_ops: Type.Optional(KeyOperations),
    n: Type.Optional(Bytes),
    e: Type.Optional(Bytes),
    d: Type.Optional(Bytes),
    p: Type.Optional(Bytes),
    q: Type.Optional(Bytes),
    dp: Type.Optional(Bytes),
    dq: Type.Optional(Bytes),
    qi: Type.Optional(Bytes),
  }),
  Hsm: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  attributes: optionalAttributes,
  tags: Type.Optional(TagsInput),
  release_policy: Type.Optional(Type.Unknown()),
});

export const UpdateKey = Type.Object({
  key_ops: Type.Optional(KeyOperations),
  attributes: optionalAttributes,
  tags: Type.Optional(TagsInput),
  release_policy: Type.Optional(Type.Unknown()),
});

export const KeyBundle = Type.Object({
  key: Type.Object({
    kid: Type.String(),
    kty: Type.Literal('RSA'),
    key_ops: Type.Array(Type.String()),
    n: Type.String(),
    e: Type.String(),
  }),
  attributes: Attributes,
  tags: Type.Optional(Tags),
});

export const KeyOperation = Type.Object({ alg: Type.String({ maxLength: 32 }), value: Bytes });
export const KeyOperationResult = Type.Object({ kid: Type.String(), value: Type.String() });
export const VerifySignature = Type.Object({ alg: Type.String({ maxLength: 32 }), digest: Bytes, value: Bytes });
export const VerifyResult = Type.Object({ value: Type.Boolean() });

const Item = { attributes: Attributes, tags: Type.Optional(Tags) };
export const SecretItem = Type.Object({ id: Type.String(), contentType: Type.Optional(Type.String()), ...Item });
export const KeyItem = Type.Object({ kid: Type.String(), ...Item });
export const SecretList = Type.Object({
  value: Type.Array(SecretItem),
  nextLink: Type.Union([Type.String(), Type.Null()]),
});
export const KeyList = Type.Object({ value: Type.Array(KeyItem), nextLink: Type.Union([Type.String(), Type.Null()]) });

const Deleted = { recoveryId: Type.String(), deletedDate: Seconds, scheduledPurgeDate: Seconds };
export const DeletedSecret = Type.Object({ ...SecretBundle.properties, ...Deleted });
export const DeletedKey = Type.Object({ ...KeyBundle.properties, ...Deleted });
export const DeletedSecretList = Type.Object({
  value: Type.Array(Type.Object({ ...SecretItem.properties, ...Deleted })),
  nextLink: Type.Union([Type.String(), Type.Null()]),
});
export const DeletedKeyList = Type.Object({
  value: Type.Array(Type.Object({ ...KeyItem.properties, ...Deleted })),
  nextLink: Type.Union([Type.String(), Type.Null()]),
});
