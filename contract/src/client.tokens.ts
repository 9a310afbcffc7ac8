// Signing in, as a client does it: by an application's secret, by a device code, by a refresh token. Answers tokens and keeps
// none. Source: RFC 6749, RFC 8628, and Azure's token endpoint (`/{tenant}/oauth2/v2.0/…`).

import { ServiceError, type Transport } from './client.ts';
import { publicClients } from './public-clients.ts';

export type Tokens = {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  readonly refreshToken: string | undefined;
};
export type DeviceCode = {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string;
  readonly expiresInSeconds: number;
  readonly intervalSeconds: number;
  /** What to tell the person. */
  readonly message: string;
};

export type TokenEndpoint = {
  withSecret(clientId: string, clientSecret: string, audience: string): Promise<Tokens>;
  beginDevice(audience: string): Promise<DeviceCode>;
  /** Undefined while the person has not finished. Throws when the code expired or the sign-in was refused. */
  pollDevice(deviceCode: string): Promise<Tokens | 'pending' | 'slower'>;
  refresh(refreshToken: string, audience: string): Promise<Tokens>;
};

const scopeOf = (audience: string) => `${audience}/.default openid profile offline_access`;

export function createTokenEndpoint(options: {
  readonly origin: string;
  /** A tenant's id or domain, or `common` for the one of the installation. */
  readonly tenant: string;
  readonly transport: Transport;
  /** Shown to whoever is asked to confirm a code. */
  readonly userAgent?: string;
}): TokenEndpoint {
  const base = `${options.origin.replace(/\/+$/, '')}/${encodeURIComponent(options.tenant)}/oauth2/v2.0`;
  const clientId = publicClients.strongroomCli;

  async function post(
    path: string,
    form: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, unknown>>> {
    const answer = await options.transport({
      method: 'POST',
      url: `${base}/${path}`,
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': options.userAgent ?? 'strongroom-client',
      },
      body: new URLSearchParams(form).toString(),
    });
    let body: Readonly<Record<string, unknown>> = {};
    try {
      body = JSON.parse(await answer.text()) as Readonly<Record<string, unknown>>; // codec: read member by member below
    } catch {
      throw new ServiceError({
        status: answer.status,
        code: 'NotJson',
        message: 'The sign-in endpoint answered something that is not JSON. Is the address right?',
      });
    }
    if (answer.status < 400) return body;
    throw new ServiceError({
      status: answer.status,
      code: String(body['error'] ?? `HTTP ${answer.status}`),
      message: String(body['error_description'] ?? 'The sign-in was refused.'),
      requestId: answer.header('x-ms-request-id'),
    });
  }

  function tokens(body: Readonly<Record<string, unknown>>): Tokens {
    const { access_token: accessToken, refresh_token: refreshToken, expires_in: expires } = body;
    if (typeof accessToken !== 'string')
      throw new ServiceError({ status: 502, code: 'NoToken', message: 'The sign-in endpoint answered no token.' });
    return {
      accessToken,
      refreshToken: typeof refreshToken === 'string' ? refreshToken : undefined,
      expiresInSeconds: Number(expires ?? 0),
    };
  }

  return {
    withSecret: async (id, secret, audience) =>
      tokens(
        await post('token', {
          grant_type: 'client_credentials',
          client_id: id,
          client_secret: secret,
          scope: `${audience}/.default`,
        }),
      ),

    async beginDevice(audience) {
      const body = await post('devicecode', { client_id: clientId, scope: scopeOf(audience) });
      return {
        deviceCode: String(body['device_code']),
        userCode: String(body['user_code']),
        verificationUri: String(body['verification_uri']),
        verificationUriComplete: String(body['verification_uri_complete'] ?? body['verification_uri']),
        expiresInSeconds: Number(body['expires_in'] ?? 900),
        intervalSeconds: Number(body['interval'] ?? 5),
        message: String(body['message']),
      };
    },

    async pollDevice(deviceCode) {
      try {
        return tokens(
          await post('token', {
            grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
            client_id: clientId,
            device_code: deviceCode,
          }),
        );
      } catch (thrown) {
        if (thrown instanceof ServiceError && thrown.code === 'authorization_pending') return 'pending';
        if (thrown instanceof ServiceError && thrown.code === 'slow_down') return 'slower';
        throw thrown;
      }
    },

    refresh: async (refreshToken, audience) =>
      tokens(
        await post('token', {
          grant_type: 'refresh_token',
          client_id: clientId,
          refresh_token: refreshToken,
          scope: scopeOf(audience),
        }),
      ),
  };
}
