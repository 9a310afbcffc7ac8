// Wire shapes of Azure Resource Manager: the envelope around every resource, lists, long-running operations, errors, and
// what discovery answers. A kind supplies its own `properties`; what surrounds them is written once, here.

import { type Static, type TSchema, Type } from './schema.ts';

export const resourceLimits = {
  bodyBytes: 1_048_576,
  tags: 50,
  tagNameLength: 512,
  tagValueLength: 256,
  nameLength: 260,
  pageSize: 200,
  pageSizeMax: 1000,
} as const;

export const Tags = Type.Record(Type.String(), Type.String());

export const IdentityInput = Type.Object({
  type: Type.Union([
    Type.Literal('None'),
    Type.Literal('SystemAssigned'),
    Type.Literal('UserAssigned'),
    Type.Literal('SystemAssigned,UserAssigned'),
    // Some clients write it so; stored without the space.
    Type.Literal('SystemAssigned, UserAssigned'),
  ]),
});

/** The body of a PUT. Unknown members are refused by the resource manager, which can say what was meant. */
export const resourceBody = (properties: TSchema, sku: TSchema | undefined) =>
  Type.Object({
    location: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    tags: Type.Optional(Type.Union([Tags, Type.Null()])),
    kind: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Null()])),
    sku: Type.Optional(sku === undefined ? Type.Unknown() : Type.Union([sku, Type.Null()])),
    identity: Type.Optional(Type.Union([IdentityInput, Type.Null()])),
    properties: Type.Optional(properties),
  });

/** The body of a PATCH: a JSON merge patch (RFC 7396) over what the caller may set. */
export const ResourcePatch = Type.Object({
  tags: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]))),
  identity: Type.Optional(IdentityInput),
  sku: Type.Optional(Type.Unknown()),
  kind: Type.Optional(Type.String({ maxLength: 64 })),
  properties: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});

const Party = Type.Union([
  Type.Literal('User'),
  Type.Literal('Application'),
  Type.Literal('ManagedIdentity'),
  Type.Literal('Key'),
]);

export const SystemDataWire = Type.Object({
  createdAt: Type.String(),
  createdBy: Type.String(),
  createdByType: Party,
  lastModifiedAt: Type.String(),
  lastModifiedBy: Type.String(),
  lastModifiedByType: Party,
});

export const ResourceWire = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    type: Type.String(),
    location: Type.Optional(Type.String()),
    tags: Type.Optional(Tags),
    kind: Type.Optional(Type.String()),
    sku: Type.Optional(Type.Unknown()),
    identity: Type.Optional(
      Type.Object({
        type: Type.String(),
        principalId: Type.Optional(Type.String()),
        tenantId: Type.Optional(Type.String()),
      }),
    ),
    etag: Type.Optional(Type.String()),
    systemData: Type.Optional(SystemDataWire),
    properties: Type.Record(Type.String(), Type.Unknown()),
    strongroom: Type.Optional(
      Type.Object({
        withoutEffect: Type.Record(Type.String(), Type.String(), {
          description: 'What is kept and shown as it was sent and has no effect here, by its path, with the reason.',
        }),
      }),
    ),
  },
  { $id: 'Resource' },
);
export type ResourceWire = Static<typeof ResourceWire>;

export const ResourceListWire = Type.Object(
  {
    value: Type.Array(ResourceWire),
    nextLink: Type.Optional(Type.String()),
  },
  { $id: 'ResourceList' },
);

/** What every list takes beside a kind's own filters. */
export const ListQuery = Type.Object({
  $skip: Type.Optional(Type.String({ maxLength: 4096 })),
  $skipToken: Type.Optional(Type.String({ maxLength: 4096 })),
  $top: Type.Optional(Type.String({ pattern: '^[0-9]{1,6}$' })),
});

/** Of lists that can be had in another order. */
export const OrderQuery = Type.Object({ $orderBy: Type.Optional(Type.String({ maxLength: 256 })) });

export const ErrorWire = Type.Object(
  {
    error: Type.Object({
      code: Type.String(),
      message: Type.String(),
      target: Type.Optional(Type.String()),
      details: Type.Optional(
        Type.Array(Type.Object({ code: Type.String(), message: Type.String(), target: Type.Optional(Type.String()) })),
      ),
    }),
  },
  { $id: 'Error' },
);

export const OperationStatusWire = Type.Object({
  id: Type.String(),
  name: Type.String(),
  status: Type.Union([Type.Literal('InProgress'), Type.Literal('Succeeded'), Type.Literal('Failed')]),
  startTime: Type.String(),
  endTime: Type.Optional(Type.String()),
  error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
});
export type OperationStatusWire = Static<typeof OperationStatusWire>;

export const SubscriptionWire = Type.Object({
  id: Type.String(),
  subscriptionId: Type.String(),
  tenantId: Type.String(),
  displayName: Type.String(),
  state: Type.Literal('Enabled'),
  authorizationSource: Type.Literal('RoleBased'),
  managedByTenants: Type.Array(Type.Unknown()),
  subscriptionPolicies: Type.Object({
    locationPlacementId: Type.String(),
    quotaId: Type.String(),
    spendingLimit: Type.String(),
  }),
});
export type SubscriptionWire = Static<typeof SubscriptionWire>;

export const listWire = (item: TSchema) => Type.Object({ value: Type.Array(item) });
