// What clients read before they sign in: where everything is, in the spelling of the tenant that they used, and the keys.
// Every address lies on the origin of the request; clients refuse an issuer that does not.

import type { KeySet, OpenIdConfiguration } from '@strongroom/contract/identity';
import { issuerOf } from './access-claims.rules.ts';
import { openidScopes } from './openid.types.ts';
import type { SigningKeys } from './signing-keys.service.ts';

/** @param tenant as in the request: an alias stays an alias @param version `` for the endpoints without `/v2.0` */
export function openIdConfiguration(input: {
  readonly origin: string;
  readonly tenant: string;
  readonly tenantId: string;
  readonly version: 'v2.0' | '';
}): OpenIdConfiguration {
  const { origin, tenant, tenantId, version } = input;
  const base = `${origin}/${tenant}`;
  const oauth = version === '' ? `${base}/oauth2` : `${base}/oauth2/${version}`;
  return {
    issuer: issuerOf(origin, tenantId),
    authorization_endpoint: `${oauth}/authorize`,
    token_endpoint: `${oauth}/token`,
    device_authorization_endpoint: `${oauth}/devicecode`,
    end_session_endpoint: `${oauth}/logout`,
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'fragment', 'form_post'],
    grant_types_supported: [
      'authorization_code',
      'client_credentials',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
    subject_types_supported: ['public'],
    scopes_supported: [...openidScopes],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic', 'none'],
    code_challenge_methods_supported: ['S256'],
    claims_supported: ['sub', 'oid', 'tid', 'iss', 'aud', 'exp', 'iat', 'name', 'preferred_username', 'upn', 'nonce'],
  };
}

export const keySet = async (signingKeys: SigningKeys): Promise<KeySet> => ({ keys: [...(await signingKeys.all())] });
