// The directory as Azure's command line reads and writes it: a small part of Microsoft Graph v1.0. Requests are open
// objects, because Graph's clients send what other directories need; what is given and not served is refused by name.

import { type Static, Type } from './schema.ts';

const Name = Type.String({ minLength: 1, maxLength: 256 });
const force = { forceChangePasswordNextSignIn: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])) };
const Password = Type.String({ maxLength: 1024 });
const PasswordProfile = Type.Object({ password: Password, ...force });
const ChangedPasswordProfile = Type.Object({ password: Type.Optional(Password), ...force });

export const GraphUser = Type.Object({
  '@odata.type': Type.Optional(Type.String()),
  id: Type.String(),
  displayName: Type.String(),
  userPrincipalName: Type.String(),
  accountEnabled: Type.Boolean(),
});
export type GraphUser = Static<typeof GraphUser>;

/** What is told of a client secret after it was made: never the secret. */
const SecretName = Type.Union([Type.String(), Type.Null()]);
export const GraphSecret = Type.Object({
  keyId: Type.String(),
  displayName: SecretName,
  startDateTime: Type.String(),
  endDateTime: Type.String(),
});
export type GraphSecret = Static<typeof GraphSecret>;

/** An application and its service principal are one object here, with one id. */
export const GraphServicePrincipal = Type.Object({
  '@odata.type': Type.Optional(Type.String()),
  id: Type.String(),
  appId: Type.String(),
  displayName: Type.String(),
  accountEnabled: Type.Boolean(),
  servicePrincipalType: Type.Union([Type.Literal('Application'), Type.Literal('ManagedIdentity')]),
  servicePrincipalNames: Type.Array(Type.String()),
  alternativeNames: Type.Array(Type.String()),
  /** Of one application that is read or made; lists leave them out. */
  passwordCredentials: Type.Optional(Type.Array(GraphSecret)),
  /** Empty: certificates and permissions of other services are not served. Clients read both. */
  keyCredentials: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
  requiredResourceAccess: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
});
export type GraphServicePrincipal = Static<typeof GraphServicePrincipal>;

export const GraphObject = Type.Union([GraphUser, GraphServicePrincipal]);
export type GraphObject = Static<typeof GraphObject>;
export const GraphList = Type.Object({
  '@odata.nextLink': Type.Optional(Type.String()),
  value: Type.Array(GraphObject),
});

export const NewUser = Type.Object({
  userPrincipalName: Type.String({ maxLength: 254 }),
  displayName: Name,
  accountEnabled: Type.Optional(Type.Boolean()),
  passwordProfile: PasswordProfile,
});
export type NewUser = Static<typeof NewUser>;
export const ChangedUser = Type.Object({
  displayName: Type.Optional(Name),
  accountEnabled: Type.Optional(Type.Boolean()),
  passwordProfile: Type.Optional(ChangedPasswordProfile),
});
export type ChangedUser = Static<typeof ChangedUser>;

export const ChangedPassword = Type.Object({
  currentPassword: Type.String({ maxLength: 1024 }),
  newPassword: Type.String({ maxLength: 1024 }),
});

export const NewApplication = Type.Object({ displayName: Name });
export const NewServicePrincipal = Type.Object({ appId: Type.String({ maxLength: 64 }) });
export const ChangedServicePrincipal = Type.Object({
  displayName: Type.Optional(Name),
  accountEnabled: Type.Optional(Type.Boolean()),
});
export type ChangedServicePrincipal = Static<typeof ChangedServicePrincipal>;
export const ChangedApplication = Type.Object({ displayName: Type.Optional(Name) });

/** What a directory without groups, owners and federation answers to whoever asks for them. */
export const EmptyList = Type.Object({ value: Type.Array(Type.Unknown(), { maxItems: 0 }) });
/** Nothing in it decides anything: the answer is empty whatever is asked. */
export const AskedGroups = Type.Object({ securityEnabledOnly: Type.Optional(Type.Boolean()) });

export const NewSecret = Type.Object({
  passwordCredential: Type.Optional(
    Type.Object({
      displayName: Type.Optional(Type.Union([Name, Type.Null()])),
      startDateTime: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Null()])),
      endDateTime: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Null()])),
    }),
  ),
});
export type NewSecret = Static<typeof NewSecret>;
/** `secretText` is answered here and never again. */
export const MadeSecret = Type.Object({
  keyId: Type.String(),
  displayName: SecretName,
  secretText: Type.String(),
  startDateTime: Type.String(),
  endDateTime: Type.String(),
});
export type MadeSecret = Static<typeof MadeSecret>;
/** Always true: what failed is an error. */
export const EndedSignIns = Type.Object({ value: Type.Boolean() });

export const RemovedSecret = Type.Object({ keyId: Type.String({ maxLength: 64 }) });

export const ObjectIds = Type.Object({ ids: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 1000 }) });
