// A whole server and a workspace under a customer's key: what is left of an endpoint while the customer says no.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { silentLog } from '#kernel/log/log';
import { type Client, createClient } from '../../../test/client.fixture.ts';
import { openServer } from '../../../test/server.fixture.ts';
import { startServer } from '../../main.ts';
import { readConfig } from '../../settings.ts';

test('the keys of an endpoint stand under the key of the customer: without it nobody is let in', async (t) => {
  const bench = await openServer();
  t.after(() => bench.close());
  const token = await bench.ownerToken();
  const group = await bench.group('sealed');
  const must = async (method: string, path: string, body?: unknown) => {
    const reply = await bench.armDone(token, method, path, body);
    assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${method} ${path}: ${reply.text}`);
    return reply;
  };
  const vaultId = `${group}/providers/Microsoft.KeyVault/vaults/owners`;
  await must('PUT', vaultId, {
    location: bench.location,
    properties: {
      tenantId: bench.tenantId,
      sku: { family: 'A', name: 'standard' },
      enableRbacAuthorization: true,
      enablePurgeProtection: true,
    },
  });
  await bench.grant(bench.owner.objectId, 'Key Vault Administrator', vaultId);
  const host = `owners.vault.${new URL(bench.url).hostname}`;
  const vaultToken = await bench.token(bench.owner, 'https://vault.azure.net');
  const vault = async (method: string, path: string, body: unknown) => {
    const reply = await bench.send(`${path}?api-version=7.4`, { method, host, token: vaultToken, body });
    assert.ok(reply.status < 300, reply.text);
    return reply.body;
  };
  const { kid } = (await vault('POST', '/keys/owner/create', { kty: 'RSA', key_size: 2048 })).key;
  const setEnabled = (enabled: boolean) => vault('PATCH', new URL(String(kid)).pathname, { attributes: { enabled } });

  const workspaceId = `${group}/providers/Microsoft.MachineLearningServices/workspaces/sealed`;
  await must('PUT', workspaceId, {
    location: bench.location,
    properties: {
      encryption: { status: 'Enabled', keyVaultProperties: { keyVaultArmId: vaultId, keyIdentifier: kid } },
    },
  });
  const endpointId = `${workspaceId}/onlineEndpoints/credit`;
  await must('PUT', endpointId, { location: bench.location, properties: { authMode: 'Key' } });
  const { scoringUri } = (await must('GET', endpointId)).body.properties;
  const { primaryKey } = (await must('POST', `${endpointId}/listKeys`)).body;
  const scored = async (client: Client) =>
    (await client.send(new URL(scoringUri).pathname, { method: 'POST', token: primaryKey, body: {} })).status;
  // Let in, and told that there is no deployment.
  assert.equal(await scored(bench), 404);

  await setEnabled(false);
  await bench.server.stop();
  const config = readConfig({
    flags: { dataDir: bench.dataDir, http: { port: 0 }, log: { level: 'silent' }, agent: { embedded: false } },
    environment: {},
  });
  const again = await startServer({ config, log: silentLog, print: () => {} });
  t.after(() => again.stop());
  const client = createClient({
    url: again.url,
    caPem: await readFile(again.caFile, 'utf8'),
    tenantId: bench.tenantId,
  });
  t.after(() => client.close());
  assert.equal(await scored(client), 401);
  const asked = await client.arm(await client.token(bench.owner, again.url), 'POST', `${endpointId}/listKeys`);
  assert.equal(asked.status, 403, asked.text);
});
