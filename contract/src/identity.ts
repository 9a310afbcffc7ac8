// Wire shapes of sign-in: OpenID discovery, the token and device endpoints, and the error envelope that Microsoft's
// authentication libraries read. Forms are open objects: the libraries send telemetry fields that nobody needs to know.
// Sources: RFC 6749, RFC 8628, OpenID Connect Discovery 1.0.

import { type Static, Type } from './schema.ts';

/** The tenant's domain name: it may stand in a path where the tenant's id may stand. */
export const tenantDomain = 'strongroom.local';

export const OAuthForm = Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: 16_384 }));

export const OpenIdConfiguration = Type.Object({
  issuer: Type.String(),
  authorization_endpoint: Type.String(),
  token_endpoint: Type.String(),
  device_authorization_endpoint: Type.String(),
  end_session_endpoint: Type.String(),
  jwks_uri: Type.String(),
  response_types_supported: Type.Array(Type.String()),
  response_modes_supported: Type.Array(Type.String()),
  grant_types_supported: Type.Array(Type.String()),
  subject_types_supported: Type.Array(Type.String()),
  scopes_supported: Type.Array(Type.String()),
  id_token_signing_alg_values_supported: Type.Array(Type.String()),
  token_endpoint_auth_methods_supported: Type.Array(Type.String()),
  code_challenge_methods_supported: Type.Array(Type.String()),
  claims_supported: Type.Array(Type.String()),
});
export type OpenIdConfiguration = Static<typeof OpenIdConfiguration>;

export const KeySet = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.Literal('RSA'),
      use: Type.Literal('sig'),
      alg: Type.Literal('RS256'),
      kid: Type.String(),
      n: Type.String(),
      e: Type.String(),
    }),
  ),
});
export type KeySet = Static<typeof KeySet>;

export const TokenResponse = Type.Object({
  token_type: Type.Literal('Bearer'),
  /** Seconds. */
  expires_in: Type.Number(),
  ext_expires_in: Type.Number(),
  access_token: Type.String(),
  scope: Type.Optional(Type.String()),
  refresh_token: Type.Optional(Type.String()),
  id_token: Type.Optional(Type.String()),
  /** Base64url of `{uid, utid}`, where the client asked for it. */
  client_info: Type.Optional(Type.String()),
  /** The older token endpoint adds these three, as text. */
  expires_on: Type.Optional(Type.String()),
  not_before: Type.Optional(Type.String()),
  resource: Type.Optional(Type.String()),
});
export type TokenResponse = Static<typeof TokenResponse>;

export const DeviceCodeResponse = Type.Object({
  device_code: Type.String(),
  user_code: Type.String(),
  verification_uri: Type.String(),
  verification_uri_complete: Type.String(),
  expires_in: Type.Number(),
  /** Seconds between polls. */
  interval: Type.Number(),
  message: Type.String(),
});
export type DeviceCodeResponse = Static<typeof DeviceCodeResponse>;

export const OAuthError = Type.Object({
  error: Type.String(),
  error_description: Type.String(),
  error_codes: Type.Array(Type.Number()),
  timestamp: Type.String(),
  trace_id: Type.String(),
  correlation_id: Type.String(),
});
export type OAuthError = Static<typeof OAuthError>;

export const SignInForm = Type.Object(
  {
    csrf: Type.String({ maxLength: 128 }),
    // What is typed here is recorded, so that it must look like a user name: a password in the wrong box is refused first.
    userName: Type.Optional(Type.String({ maxLength: 254, pattern: '^[^\\s@]{1,64}@[^\\s@]{1,189}$' })),
    password: Type.Optional(Type.String({ maxLength: 1024 })),
    cancel: Type.Optional(Type.String({ maxLength: 8 })),
    /** Recorded: which of the two pages this is. */
    act: Type.Optional(Type.Literal('changePassword')),
    /** From the page that asks for another password: that the present one was said. */
    ticket: Type.Optional(Type.String({ maxLength: 256 })),
    newPassword: Type.Optional(Type.String({ maxLength: 1024 })),
    newPasswordAgain: Type.Optional(Type.String({ maxLength: 1024 })),
  },
  { additionalProperties: false },
);
export type SignInForm = Static<typeof SignInForm>;
