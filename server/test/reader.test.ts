// A Reader sees that things are there and never what they protect: every route is called with the role Reader and with every
// role that only reads, and no answer holds a secret's value, an endpoint's key, an application's secret or a blob.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { findInBytes } from './canary.fixture.ts';
import { type Bench, openServer, type Principal } from './server.fixture.ts';
import { addressesOf, createAsker, furnish, type Values } from './sweep.fixture.ts';

let bench: Bench;
let values: Values;
let ask: ReturnType<typeof createAsker>;
const keys = { primaryKey: randomBytes(32).toString('hex'), secondaryKey: randomBytes(32).toString('hex') };
const value = `secret-${randomBytes(16).toString('hex')}`;
const content = `blob-${randomBytes(16).toString('hex')}`;
let clientSecret: string;

before(async () => {
  bench = await openServer();
  ask = createAsker(bench);
  const { present } = await furnish(bench);
  const token = await bench.ownerToken();
  const group = `/subscriptions/${bench.subscriptionId}/resourceGroups/Rooms`;
  const endpoint = `${group}/providers/Microsoft.MachineLearningServices/workspaces/Rooms/onlineEndpoints/rooms`;
  const made = await bench.armDone(token, 'PUT', endpoint, {
    location: bench.location,
    properties: { authMode: 'Key', keys },
  });
  assert.ok(made.status < 300 && made.body?.status !== 'Failed', made.text);
  const mighty = await bench.principal(['Owner', 'Key Vault Administrator', 'Storage Blob Data Owner']);
  clientSecret = mighty.secret;
  const set = await bench.send('/secrets/rooms?api-version=7.4', {
    host: 'rooms-vault.vault.localhost',
    method: 'PUT',
    token: await bench.token(mighty, bench.audience('keyvault')),
    body: { value },
  });
  assert.equal(set.status, 200, set.text);
  const put = await bench.send('/rooms/rooms', {
    host: 'roomsaccount.blob.storage.localhost',
    method: 'PUT',
    token: await bench.token(mighty, bench.audience('blob')),
    headers: { 'x-ms-blob-type': 'BlockBlob' },
    body: content,
  });
  assert.equal(put.status, 201, put.text);
  const listed = await bench.arm(token, 'POST', `${endpoint}/listKeys`, {});
  assert.deepEqual(listed.body, keys, 'whoever may list keys is told them');
  values = {
    ...present,
    onlineEndpointName: 'rooms',
    endpointName: 'rooms',
    endpoint: 'rooms',
    name: 'rooms',
    blob: 'rooms',
  };
});
after(() => bench.close());

async function harvest(who: Principal): Promise<readonly string[]> {
  const found: string[] = [];
  for (const route of bench.server.composed.door.routes) {
    // What is taken away now could not be read by the next.
    if (route.method === 'DELETE' || route.access.kind === 'open') continue;
    const token = await bench.token(who, bench.audience(route.surface));
    for (const at of addressesOf(route, values, 'localhost')) {
      const { reply } = await ask(route, at, { token, ...(route.body?.kind === 'json' ? { body: '{}' } : {}) });
      const headers = JSON.stringify(reply.headers);
      for (const secret of [keys.primaryKey, keys.secondaryKey, value, content, clientSecret])
        found.push(
          ...findInBytes(reply.bytes, secret, route.operation).map(({ where }) => where),
          ...findInBytes(Buffer.from(headers), secret, `headers of ${route.operation}`).map(({ where }) => where),
        );
    }
  }
  return [...new Set(found)];
}

for (const roles of [
  ['Reader'],
  ['Reader', 'Monitoring Reader', 'Key Vault Reader', 'AcrPull', 'User Access Administrator'],
])
  test(`with ${roles.join(', ')} no route answers a secret`, async () => {
    assert.deepEqual(await harvest(await bench.principal(roles)), []);
  });

test('the record of a secret is nothing to try guesses against', async () => {
  const token = await bench.token(await bench.principal(['Reader']), bench.audience('arm'));
  const records = await bench.arm(
    token,
    'GET',
    `/subscriptions/${bench.subscriptionId}/providers/Strongroom.Audit/records?operation=Secrets_Set`,
  );
  assert.match(records.text, /"kind":"intent"/);
  const digest = createHash('sha256').update(JSON.stringify({ value })).digest('hex');
  assert.ok(!records.text.includes(digest));
});

test('with the roles that read them, exactly the routes for it do', async () => {
  const found = await harvest(
    await bench.principal(['Contributor', 'Key Vault Secrets User', 'Storage Blob Data Reader']),
  );
  assert.deepEqual([...found].sort(), [
    'Blob_Get',
    'MachineLearningServices_Workspaces_OnlineEndpoints_ListKeys',
    'Secrets_Get',
  ]);
});
