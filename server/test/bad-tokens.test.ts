// Credentials that do not hold: another audience, another tenant, expired, signed by nobody or by somebody else, altered.
// Each is a 401 of the protocol, with the role that its principal has left out of the question.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  decodeJwt,
  decodeProtectedHeader,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { createFiles } from '#kernel/files/files';
import { openKeyring } from '#kernel/sealing/keyring';
import { openRootKeyFile } from '#kernel/sealing/root-key-file';
import { type Bench, openServer } from './server.fixture.ts';

type Header = { alg: string; kid?: string; typ?: string };

let bench: Bench;
let header: Header;
let claims: JWTPayload;
/** The server's own signing key: what it would sign itself at another time, or for another tenant. */
let ownKey: Awaited<ReturnType<typeof importJWK>>;

before(async () => {
  bench = await openServer();
  const token = await bench.ownerToken();
  header = decodeProtectedHeader(token) as Header;
  claims = decodeJwt(token);
  const files = createFiles();
  const rootKey = await openRootKeyFile({
    file: join(bench.dataDir, 'keys', 'root.key'),
    dataFolder: bench.dataDir,
    files,
    besides: [],
  });
  const keyring = await openKeyring({ file: join(bench.dataDir, 'keyring.json'), rootKey, files });
  const bytes = await keyring.get('identity/token-signing-keys');
  const stored = JSON.parse(Buffer.from(bytes ?? []).toString('utf8')) as { kid: string; privateJwk: JWK }[];
  ownKey = await importJWK(stored.find(({ kid }) => kid === header.kid)?.privateJwk ?? {}, 'RS256');
  keyring.close();
  rootKey.close();
});
after(() => bench.close());

const places = () =>
  [
    ['arm', `/subscriptions/${bench.subscriptionId}?api-version=2022-12-01`, {}],
    [
      'mlflow',
      `/mlflow/v1.0/subscriptions/${bench.subscriptionId}/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/api/2.0/mlflow/experiments/get`,
      {},
    ],
    [
      'history',
      `/history/v1.0/subscriptions/${bench.subscriptionId}/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/runs/r/details`,
      {},
    ],
    ['graph', '/msgraph/v1.0/me', {}],
    ['keyvault', '/secrets?api-version=7.4', { host: 'any.vault.localhost' }],
    ['blob', '/?comp=list', { host: 'anyaccount.blob.storage.localhost' }],
    ['operator', '/metrics', {}],
  ] as const;

async function refusedEverywhere(token: string): Promise<void> {
  for (const [surface, path, at] of places()) {
    const reply = await bench.send(path, { ...at, token });
    assert.equal(reply.status, 401, `${surface}: ${reply.status} ${reply.text}`);
    assert.ok(reply.headers['www-authenticate'], surface);
    const [signature = ''] = token.split('.').slice(-1);
    assert.ok(signature.length < 40 || !reply.text.includes(signature), 'the token is not repeated');
  }
}

const signed = (payload: JWTPayload, key = ownKey, head: Header = header) =>
  new SignJWT(payload).setProtectedHeader(head).sign(key);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a token that the server’s own key signs just as it does itself is taken: what follows differs in one thing each', async () => {
  const [, path] = places()[0];
  assert.equal((await bench.send(path, { token: await signed(claims) })).status, 200);
});

describe('refused on every surface:', () => {
  test('a token that has expired', async () => {
    const now = Math.floor(Date.now() / 1000);
    await refusedEverywhere(await signed({ ...claims, iat: now - 8_000, nbf: now - 8_000, exp: now - 4_000 }));
  });
  test('a token that is not valid yet', async () => {
    const now = Math.floor(Date.now() / 1000);
    await refusedEverywhere(await signed({ ...claims, nbf: now + 4_000, exp: now + 8_000 }));
  });
  test('a token of another tenant', async () => {
    await refusedEverywhere(await signed({ ...claims, tid: '99999999-9999-4999-8999-999999999999' }));
  });
  test('a token of another issuer', async () => {
    await refusedEverywhere(
      await signed({ ...claims, iss: 'https://sts.windows.net/99999999-9999-4999-8999-999999999999/' }),
    );
  });
  test('a token of an audience that is not ours', async () => {
    await refusedEverywhere(await signed({ ...claims, aud: 'https://database.windows.net' }));
  });
  test('a token without an expiry, an audience or an object', async () => {
    for (const name of ['exp', 'aud', 'oid']) await refusedEverywhere(await signed({ ...claims, [name]: undefined }));
  });
  test('a token for somebody who does not exist', async () => {
    await refusedEverywhere(await signed({ ...claims, oid: '99999999-9999-4999-8999-999999999999' }));
  });
  test('a token of another purpose', async () => {
    await refusedEverywhere(await signed(claims, ownKey, { ...header, typ: 'run+jwt' }));
    await refusedEverywhere(await signed(claims, ownKey, { ...header, typ: 'JWT' }));
  });
  test('a token that this server made for a run, an agent or a registry, with the claims of a person', async () => {
    const { tokens } = bench.server.composed.identity;
    for (const purpose of ['run', 'agent', 'registry', 'access'])
      for (const audience of [bench.url, 'https://management.azure.com']) {
        const made = { purpose, audience, subject: bench.owner.objectId, claims, ttlSeconds: 600 };
        await refusedEverywhere((await tokens.issueToken(made)).token);
      }
  });
  test('a token that nobody signed', async () => {
    for (const alg of ['none', 'None', 'NONE', ''])
      await refusedEverywhere(`${encode({ ...header, alg })}.${encode(claims)}.`);
  });
  test('a token that another server signed', async () => {
    const other = await openServer();
    try {
      await refusedEverywhere(await other.ownerToken());
    } finally {
      await other.close();
    }
  });
  test('a token under our key’s name signed by another key, by RSA or by the public half as a secret', async () => {
    const { privateKey } = await generateKeyPair('RS256');
    await refusedEverywhere(await signed(claims, privateKey));
    const answer = await bench.send(`/${bench.tenantId}/discovery/v2.0/keys`);
    const published = (answer.body.keys as JWK[]).find(({ kid }) => kid === header.kid);
    assert.ok(published);
    const pem = await exportSPKI(
      (await importJWK(published, 'RS256', { extractable: true })) as Parameters<typeof exportSPKI>[0],
    );
    await refusedEverywhere(await signed(claims, new TextEncoder().encode(pem), { ...header, alg: 'HS256' }));
  });
  test('a token of which one claim was altered', async () => {
    const [head, , signature] = (await bench.ownerToken()).split('.');
    await refusedEverywhere(
      `${head}.${encode({ ...claims, oid: '11111111-1111-4111-8111-111111111111' })}.${signature}`,
    );
  });
  test('a header that points to a key elsewhere', async () => {
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    const payload = new SignJWT(claims).setProtectedHeader({ ...header, jku: 'https://localhost/keys', kid: 'mine' });
    await refusedEverywhere(await payload.sign(privateKey));
  });
  test('words that are no token', async () => {
    for (const token of ['x', 'a.b.c', `${'a'.repeat(20_000)}.b.c`, '..', 'null']) await refusedEverywhere(token);
  });
});

test('a token opens the surfaces of its audience and no other, wherever they are served', async () => {
  const id = `${await bench.group('g')}/providers/Microsoft.KeyVault/vaults/default`;
  const properties = {
    tenantId: bench.tenantId,
    sku: { family: 'A', name: 'standard' },
    enableRbacAuthorization: true,
  };
  const vault = await bench.arm(await bench.ownerToken(), 'PUT', id, { location: bench.location, properties });
  assert.ok(vault.status < 300, vault.text);
  // The vault that is served beside the resource manager, at the same host: an audience is no matter of addresses.
  const all = [...places(), ['keyvault', '/secrets?api-version=7.4', {}]] as const;
  const opened = {
    [bench.url]: ['arm', 'mlflow', 'history', 'operator'],
    'https://management.azure.com': ['arm', 'mlflow', 'history', 'operator'],
    [`${bench.url}/msgraph/`]: ['graph'],
    'https://vault.azure.net': ['keyvault'],
    [`https://vault.${bench.domain}`]: ['keyvault'],
    'https://storage.azure.com': ['blob'],
  };
  for (const [audience, surfaces] of Object.entries(opened)) {
    const token = await bench.token(bench.owner, audience);
    for (const [surface, path, at] of all) {
      const { status, text } = await bench.send(path, { ...at, token });
      assert.equal(status !== 401, surfaces.includes(surface), `${audience} at ${surface} ${path}: ${status} ${text}`);
    }
  }
});

test('the wrong secret, the wrong application and the wrong tenant get no token', async () => {
  const form = (tenant: string, fields: Record<string, string>) =>
    bench.send(`/${tenant}/oauth2/v2.0/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(
        new URLSearchParams({ grant_type: 'client_credentials', scope: `${bench.url}/.default`, ...fields }),
      ),
    });
  const { clientId, secret } = bench.owner;
  const asked = [
    [bench.tenantId, { client_id: clientId, client_secret: 'wrong' }, 401, 'invalid_client'],
    [bench.tenantId, { client_id: crypto.randomUUID(), client_secret: secret }, 401, 'invalid_client'],
    [bench.tenantId, { client_id: clientId }, 401, 'invalid_client'],
    [crypto.randomUUID(), { client_id: clientId, client_secret: secret }, 400, 'invalid_request'],
    [
      bench.tenantId,
      { client_id: clientId, client_secret: secret, grant_type: 'password' },
      400,
      'unsupported_grant_type',
    ],
    [
      bench.tenantId,
      { client_id: clientId, client_secret: secret, scope: 'https://database.windows.net/.default' },
      400,
      'invalid_scope',
    ],
  ] as const;
  for (const [tenant, fields, status, error] of asked) {
    const reply = await form(tenant, fields);
    assert.deepEqual({ status: reply.status, error: reply.body?.error }, { status, error }, reply.text);
    assert.doesNotMatch(reply.text, new RegExp(secret));
  }
});
