// Wire shapes of role assignments, role definitions, permissions, the catalogue of operations, and explanations.
// Source: Microsoft.Authorization REST API, api-version 2022-04-01. Requests and answers are different shapes.

import { type Static, Type } from './schema.ts';

const Text = (maxLength: number) => Type.String({ maxLength });
const Nullable = (maxLength: number) => Type.Union([Type.String({ maxLength }), Type.Null()]);

export const PrincipalTypeSchema = Type.Union([
  Type.Literal('User'),
  Type.Literal('Group'),
  Type.Literal('ServicePrincipal'),
  Type.Literal('ForeignGroup'),
  Type.Literal('Device'),
]);

/** What the server sets: clients send back what they read, so these are taken and ignored. Anything unknown is refused. */
const Echoed = {
  id: Type.Optional(Type.Unknown()),
  name: Type.Optional(Type.Unknown()),
  type: Type.Optional(Type.Unknown()),
};
const EchoedProperties = {
  createdOn: Type.Optional(Type.Unknown()),
  updatedOn: Type.Optional(Type.Unknown()),
  createdBy: Type.Optional(Type.Unknown()),
  updatedBy: Type.Optional(Type.Unknown()),
};

/**
 * PUT of a role assignment.
 * `expiresOn`, `requireMfa` and `allowedAddresses` are ours: they only ever narrow what the assignment grants.
 */
export const RoleAssignmentRequest = Type.Object(
  {
    ...Echoed,
    properties: Type.Object(
      {
        ...EchoedProperties,
        scope: Type.Optional(Type.Unknown()),
        delegatedManagedIdentityResourceId: Type.Optional(Type.Null()),
        roleDefinitionId: Text(2_048),
        principalId: Text(128),
        principalType: Type.Optional(Type.Union([PrincipalTypeSchema, Type.Null()])),
        description: Type.Optional(Nullable(2_048)),
        condition: Type.Optional(Nullable(8_192)),
        conditionVersion: Type.Optional(Nullable(16)),
        expiresOn: Type.Optional(Nullable(64)),
        requireMfa: Type.Optional(Type.Boolean()),
        allowedAddresses: Type.Optional(Type.Array(Text(64), { maxItems: 64 })),
      },
      { additionalProperties: false },
    ),
  },
  { $id: 'RoleAssignmentRequest', additionalProperties: false },
);
export type RoleAssignmentRequest = Static<typeof RoleAssignmentRequest>;

export const RoleAssignment = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    type: Type.Literal('Microsoft.Authorization/roleAssignments'),
    properties: Type.Object({
      roleDefinitionId: Type.String(),
      principalId: Type.String(),
      principalType: PrincipalTypeSchema,
      scope: Type.String(),
      description: Type.Union([Type.String(), Type.Null()]),
      condition: Type.Null(),
      conditionVersion: Type.Null(),
      createdOn: Type.String(),
      updatedOn: Type.String(),
      createdBy: Type.String(),
      updatedBy: Type.String(),
      delegatedManagedIdentityResourceId: Type.Null(),
      expiresOn: Type.Optional(Type.String()),
      requireMfa: Type.Optional(Type.Boolean()),
      allowedAddresses: Type.Optional(Type.Array(Type.String())),
    }),
  },
  { $id: 'RoleAssignment' },
);
export type RoleAssignment = Static<typeof RoleAssignment>;

export const RoleAssignmentList = Type.Object(
  { value: Type.Array(RoleAssignment), nextLink: Type.Optional(Type.String()) },
  { $id: 'RoleAssignmentList' },
);

const Patterns = Type.Optional(Type.Array(Text(512), { maxItems: 1_000 }));

export const RoleDefinitionRequest = Type.Object(
  {
    ...Echoed,
    properties: Type.Object(
      {
        ...EchoedProperties,
        roleName: Type.String({ minLength: 1, maxLength: 512 }),
        description: Type.Optional(Nullable(2_048)),
        type: Type.Optional(Nullable(32)),
        permissions: Type.Array(
          Type.Object(
            {
              actions: Patterns,
              notActions: Patterns,
              dataActions: Patterns,
              notDataActions: Patterns,
              condition: Type.Optional(Type.Null()),
              conditionVersion: Type.Optional(Type.Null()),
            },
            { additionalProperties: false },
          ),
          { minItems: 1, maxItems: 10 },
        ),
        assignableScopes: Type.Array(Text(2_048), { minItems: 1, maxItems: 2_000 }),
      },
      { additionalProperties: false },
    ),
  },
  { $id: 'RoleDefinitionRequest', additionalProperties: false },
);
export type RoleDefinitionRequest = Static<typeof RoleDefinitionRequest>;

export const PermissionSchema = Type.Object({
  actions: Type.Array(Type.String()),
  notActions: Type.Array(Type.String()),
  dataActions: Type.Array(Type.String()),
  notDataActions: Type.Array(Type.String()),
});

export const RoleDefinitionSchema = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    type: Type.Literal('Microsoft.Authorization/roleDefinitions'),
    properties: Type.Object({
      roleName: Type.String(),
      description: Type.String(),
      type: Type.Union([Type.Literal('BuiltInRole'), Type.Literal('CustomRole')]),
      permissions: Type.Array(PermissionSchema),
      assignableScopes: Type.Array(Type.String()),
      createdOn: Type.String(),
      updatedOn: Type.String(),
      createdBy: Type.Union([Type.String(), Type.Null()]),
      updatedBy: Type.Union([Type.String(), Type.Null()]),
    }),
  },
  { $id: 'RoleDefinition' },
);
export type RoleDefinitionView = Static<typeof RoleDefinitionSchema>;

export const RoleDefinitionList = Type.Object(
  { value: Type.Array(RoleDefinitionSchema) },
  { $id: 'RoleDefinitionList' },
);

export const PermissionList = Type.Object({ value: Type.Array(PermissionSchema) }, { $id: 'PermissionList' });

const Operation = Type.Object({
  name: Type.String(),
  displayName: Type.String(),
  description: Type.String(),
  isDataAction: Type.Boolean(),
});

export const ProviderOperations = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    type: Type.Literal('Microsoft.Authorization/providerOperations'),
    displayName: Type.String(),
    resourceTypes: Type.Array(
      Type.Object({ name: Type.String(), displayName: Type.String(), operations: Type.Array(Operation) }),
    ),
    operations: Type.Array(Operation),
  },
  { $id: 'ProviderOperations' },
);
export type ProviderOperations = Static<typeof ProviderOperations>;

export const ProviderOperationsList = Type.Object(
  { value: Type.Array(ProviderOperations) },
  { $id: 'ProviderOperationsList' },
);

/** Ours: why a principal may or may not do an action at a scope. */
export const AccessExplanation = Type.Object(
  {
    principalId: Type.String(),
    action: Type.String(),
    plane: Type.Union([Type.Literal('control'), Type.Literal('data')]),
    scope: Type.String(),
    allowed: Type.Boolean(),
    explanation: Type.String(),
    /** Assignments that apply at the scope, each with what it does for this action. */
    considered: Type.Array(
      Type.Object({
        roleAssignmentId: Type.String(),
        roleName: Type.String(),
        scope: Type.String(),
        assignedTo: Type.String(),
        effect: Type.String(),
      }),
    ),
  },
  { $id: 'AccessExplanation' },
);
export type AccessExplanation = Static<typeof AccessExplanation>;
