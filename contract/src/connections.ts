// Wire shapes of connections. Source: Azure REST specification, WorkspaceConnectionPropertiesV2 (2024-04-01 and later). Which
// credentials go with which `authType` is a rule of the module: here is everything that any of them may hold.

import { type Static, Type } from './schema.ts';

const text = (maxLength: number) => Type.String({ maxLength });
const secret = Type.Optional(Type.Union([Type.Null(), text(8192)]));

/** Members of `credentials` that are texts. */
export const connectionCredentialNames = [
  ...['pat', 'username', 'password', 'securityToken', 'sas', 'key', 'accessKeyId', 'secretAccessKey'],
  ...['clientId', 'clientSecret', 'tenantId', 'resourceId', 'authUrl', 'developerToken', 'refreshToken'],
] as const;

const texts: Readonly<Record<string, typeof secret>> = Object.fromEntries(
  connectionCredentialNames.map((name) => [name, secret]),
);

export const connectionCredentials = Type.Object(
  {
    ...texts,
    /** Of `CustomKeys`: names of the caller's own. */
    keys: Type.Optional(Type.Union([Type.Null(), Type.Record(text(256), text(8192), { maxProperties: 50 })])),
  },
  { additionalProperties: false, description: 'Sealed, and shown by listSecrets alone.' },
);
export type ConnectionCredentials = Static<typeof connectionCredentials>;

/** Azure's says texts; its Python client sends numbers and booleans too. */
const metadataValue = Type.Union([Type.Null(), text(5000), Type.Number(), Type.Boolean()]);

export const connection = Type.Object({
  authType: Type.String({ minLength: 1, maxLength: 64 }),
  category: Type.String({ minLength: 1, maxLength: 64 }),
  target: Type.Optional(Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 2048 })])),
  credentials: Type.Optional(connectionCredentials),
  metadata: Type.Optional(Type.Union([Type.Null(), Type.Record(text(256), metadataValue, { maxProperties: 50 })])),
});
export type Connection = Static<typeof connection>;

export const connectionSecrets = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  properties: Type.Object(
    { credentials: Type.Union([Type.Null(), connectionCredentials]) },
    { description: 'As a GET shows them, with the credentials.' },
  ),
});
