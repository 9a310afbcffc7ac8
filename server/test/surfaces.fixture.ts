// For the sweeps: how each protocol says no. One entry for each surface; a surface that is missing here fails the sweep, so
// that a new protocol cannot be mounted without saying how its refusals look.

import assert from 'node:assert/strict';
import type { Reply } from './client.fixture.ts';

export type Manner = {
  /** Fails unless the answer is an error in the protocol's own envelope. */
  envelope(reply: Reply): void;
  /** The word for "sign in first". */
  readonly unauthenticated: string;
  /** Of the WWW-Authenticate header of a 401. */
  readonly challenge: RegExp;
  /** The word for "you may not". */
  readonly forbidden: string;
  /** The word in an envelope. */
  codeOf(reply: Reply): string;
};

const isText = (value: unknown, name: string) =>
  assert.ok(typeof value === 'string' && value.length > 0, `${name} is a text`);

const errorObject = (unauthenticated: string, challenge: RegExp, forbidden: string): Manner => ({
  envelope({ body, text }) {
    assert.ok(body?.error, `not an error object: ${text.slice(0, 200)}`);
    isText(body.error.code, 'error.code');
    isText(body.error.message, 'error.message');
  },
  unauthenticated,
  challenge,
  forbidden,
  codeOf: ({ body }) => String(body?.error?.code),
});

export const manners: Readonly<Record<string, Manner>> = {
  arm: errorObject(
    'AuthenticationFailed',
    /^Bearer authorization_uri="https:\/\/localhost:\d+\/[0-9a-f-]{36}"/,
    'AuthorizationFailed',
  ),
  history: errorObject('AuthenticationFailed', /^Bearer$/, 'AuthorizationFailed'),
  packages: errorObject('AuthenticationFailed', /^Bearer realm="packages"$/, 'AuthorizationFailed'),
  graph: errorObject('AuthenticationFailed', /^Bearer realm="", authorization_uri="https:/, 'AuthorizationFailed'),
  agent: errorObject('AuthenticationFailed', /^Bearer$/, 'AuthorizationFailed'),
  landing: {
    ...errorObject('AuthenticationFailed', /^Bearer$/, 'AuthorizationFailed'),
    // What lies below the root of a tracking address is MLflow's.
    envelope: ({ body, text }) => isText(body?.error?.code ?? body?.error_code, `code of ${text.slice(0, 200)}`),
  },
  scoring: errorObject('key_auth_access_denied', /^Bearer$/, 'AuthorizationFailed'),
  keyvault: errorObject(
    'Unauthorized',
    /^Bearer authorization="https:\/\/localhost:\d+\/[0-9a-f-]{36}", resource="https:\/\/[^"]+"$/,
    'Forbidden',
  ),
  oauth: {
    envelope(reply) {
      // People see a page, programs an object.
      if (String(reply.headers['content-type']).startsWith('text/html')) {
        assert.match(reply.text, /<title>/);
        return;
      }
      isText(reply.body?.error, 'error');
      isText(reply.body?.error_description, 'error_description');
    },
    unauthenticated: 'invalid_client',
    challenge: /./,
    forbidden: 'access_denied',
    codeOf: ({ body }) => String(body?.error),
  },
  blob: {
    envelope({ text, headers }) {
      isText(headers['x-ms-error-code'], 'x-ms-error-code');
      // A HEAD has no body; its header says it all.
      if (text !== '') assert.match(text, /<Error><Code>[A-Za-z0-9]+<\/Code><Message>[^<]+<\/Message><\/Error>$/);
    },
    unauthenticated: 'NoAuthenticationInformation',
    challenge: /^Bearer authorization_uri=https:\/\/localhost:\d+\/\S+ resource_id=https:\/\/storage\.azure\.com$/,
    forbidden: 'AuthorizationFailed',
    codeOf: ({ headers }) => String(headers['x-ms-error-code']),
  },
  mlflow: {
    envelope({ body, text }) {
      isText(body?.error_code, `error_code of ${text.slice(0, 200)}`);
      isText(body?.message, 'message');
    },
    unauthenticated: 'UNAUTHENTICATED',
    challenge: /^Bearer$/,
    forbidden: 'PERMISSION_DENIED',
    codeOf: ({ body }) => String(body?.error_code),
  },
  operator: {
    envelope: ({ text }) => assert.match(text, /^[A-Za-z]+: .+\n$/s),
    unauthenticated: 'AuthenticationFailed',
    challenge: /^Bearer$/,
    forbidden: 'AuthorizationFailed',
    codeOf: ({ text }) => text.split(':', 1)[0] ?? '',
  },
  oci: {
    envelope({ body, text, headers }) {
      // A HEAD has no body.
      if (text === '') return void assert.ok(headers);
      const [error] = (body?.errors ?? []) as { code?: string; message?: string }[];
      isText(error?.code, `errors[0].code of ${text.slice(0, 200)}`);
      isText(error?.message, 'errors[0].message');
    },
    unauthenticated: 'UNAUTHORIZED',
    challenge: /^Bearer realm="https:\/\/localhost:\d+\/v2\/token",service="[^"]+"/,
    forbidden: 'DENIED',
    codeOf: ({ body }) => String(body?.errors?.[0]?.code),
  },
};

export function mannerOf(surface: string): Manner {
  const manner = manners[surface];
  if (!manner) throw new Error(`surface ${surface} has no entry in surfaces.fixture.ts: say how it refuses`);
  return manner;
}
