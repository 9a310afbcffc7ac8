// @azure/identity: what a program signs in with.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ClientAssertionCredential,
  ClientSecretCredential,
  DefaultAzureCredential,
  EnvironmentCredential,
} from '@azure/identity';
import { authority, bootstrap, credential } from '../harness/bootstrap.ts';

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;

function withEnvironment<T>(values: Readonly<Record<string, string>>, act: () => Promise<T>): Promise<T> {
  Object.assign(process.env, values);
  return act().finally(() => {
    for (const name of Object.keys(values)) delete process.env[name];
  });
}

describe('@azure/identity', () => {
  it('ClientSecretCredential gets a token for Resource Manager, the vault and storage, each with its own audience', async () => {
    for (const [scope, audience] of [
      [`${bootstrap.url}/.default`, bootstrap.url],
      ['https://management.azure.com/.default', 'https://management.azure.com'],
      ['https://vault.azure.net/.default', 'https://vault.azure.net'],
      ['https://storage.azure.com/.default', 'https://storage.azure.com'],
    ] as const) {
      const token = await credential.getToken(scope);
      const claims = claimsOf(token.token);
      assert.equal(claims['aud'], audience);
      assert.equal(claims['tid'], bootstrap.tenantId);
      assert.equal(claims['oid'], bootstrap.application.objectId);
      assert.ok(token.expiresOnTimestamp > Date.now() + 60_000);
    }
  });

  it('EnvironmentCredential and DefaultAzureCredential work without options through the tenant adfs', async () => {
    await withEnvironment(
      {
        AZURE_TENANT_ID: 'adfs',
        AZURE_AUTHORITY_HOST: bootstrap.url,
        AZURE_CLIENT_ID: bootstrap.application.clientId,
        AZURE_CLIENT_SECRET: bootstrap.application.clientSecret,
      },
      async () => {
        for (const fromEnvironment of [new EnvironmentCredential(), new DefaultAzureCredential()]) {
          const { token } = await fromEnvironment.getToken(`${bootstrap.url}/.default`);
          assert.equal(claimsOf(token)['oid'], bootstrap.application.objectId);
        }
      },
    );
  });

  it('a wrong secret is refused with 7000215, without the secret in the message', async () => {
    const wrong = new ClientSecretCredential(
      bootstrap.tenantId,
      bootstrap.application.clientId,
      'not-the-secret',
      authority,
    );
    await assert.rejects(wrong.getToken(`${bootstrap.url}/.default`), (error: Error) => {
      assert.match(error.message, /invalid_client/);
      assert.match(error.message, /7000215/);
      assert.doesNotMatch(error.message, /not-the-secret/);
      return true;
    });
  });

  it('an application that nobody registered is refused', async () => {
    const unknown = new ClientSecretCredential(
      bootstrap.tenantId,
      '11111111-1111-4111-8111-111111111111',
      'x',
      authority,
    );
    await assert.rejects(unknown.getToken(`${bootstrap.url}/.default`), /unauthorized_client|invalid_client/);
  });

  it('a tenant that is not this installation is refused', async () => {
    const { clientId, clientSecret } = bootstrap.application;
    const other = new ClientSecretCredential('11111111-1111-4111-8111-111111111111', clientId, clientSecret, authority);
    await assert.rejects(other.getToken(`${bootstrap.url}/.default`));
  });

  it('an assertion that no registered certificate signed is refused', async () => {
    const assertion = async () => 'eyJhbGciOiJub25lIn0.e30.';
    const forged = new ClientAssertionCredential(
      bootstrap.tenantId,
      bootstrap.application.clientId,
      assertion,
      authority,
    );
    await assert.rejects(forged.getToken(`${bootstrap.url}/.default`), /invalid_client/);
  });
});
