// Clients as the OpenID provider knows them. Public clients prove themselves by PKCE and a registered redirect: any port
// of the loopback interface for command lines (RFC 8252 §7.3), the portal's own pages for the portal. Applications of the
// directory use client credentials alone.

import { publicClients } from '@strongroom/contract/public-clients';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { randomToken } from '#kernel/crypto/random';
import type { Directory, Principal } from './directory.service.ts';

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const loopback = ['http://localhost', 'http://127.0.0.1', 'http://[::1]'];

const native = (clientId: string, name: string): AdapterPayload => ({
  client_id: clientId,
  client_name: name,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token', deviceGrant],
  response_types: ['code'],
  // A path is compared exactly, so the usual ones are listed; ports are not compared for native clients.
  redirect_uris: loopback.flatMap((host) => [host, `${host}/`, `${host}/callback`, `${host}/auth/callback`]),
});

const portal = (origins: readonly string[]): AdapterPayload => ({
  client_id: publicClients.portal,
  client_name: 'Strongroom portal',
  application_type: 'web',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  redirect_uris: origins.flatMap((origin) => [`${origin}/portal/`, `${origin}/portal/signed-in`]),
  post_logout_redirect_uris: origins.map((origin) => `${origin}/portal/`),
});

/** The library insists on a secret in the metadata. Nobody knows this one, and `isSecret` is asked in its place. */
const placeholder = randomToken();

const confidential = (application: Principal, clientId: string): AdapterPayload => ({
  client_id: clientId,
  client_name: application.name,
  client_secret: placeholder,
  token_endpoint_auth_method: 'client_secret_post',
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
});

/** Undefined for a client that does not exist, is disabled, or is a managed identity, which never signs in this way. */
function clientMetadata(
  clientId: string,
  application: Principal | undefined,
  origins: readonly string[],
): AdapterPayload | undefined {
  if (clientId === publicClients.azureCli) return native(clientId, 'Azure command line or developer library');
  if (clientId === publicClients.strongroomCli) return native(clientId, 'Strongroom command line');
  if (clientId === publicClients.portal) return portal(origins);
  return application?.kind === 'application' && application.enabled ? confidential(application, clientId) : undefined;
}

/** Clients are the directory's applications and the few public ones; the library only ever reads them. */
export const createOpenIdClients = (directory: Directory, origins: readonly string[]): Adapter => ({
  async find(clientId) {
    const application = await directory.findByClientId(clientId);
    return clientMetadata(clientId, application, origins);
  },
  upsert: refuseWrite,
  consume: refuseWrite,
  destroy: refuseWrite,
  revokeByGrantId: refuseWrite,
  findByUid: async () => undefined,
  findByUserCode: async () => undefined,
});

async function refuseWrite(): Promise<never> {
  throw new Error('applications are written through the directory alone');
}
