// Endpoints through the management API: rules, traffic and keys, and what goes with an endpoint.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import { deploymentBody, endpointId, furnish, setUp, workspaceId } from '../../../test/lab/endpoints.fixture.ts';
import { everythingIn } from '../storage/testing.ts';
import { keysOf } from './keys.store.ts';

const blue = `${endpointId}/deployments/blue`;

test('an endpoint answers as Azure clients expect it, and never shows its keys', async (t) => {
  const world = await setUp(t);
  const keys = { primaryKey: 'p'.repeat(40), secondaryKey: 's'.repeat(40) };
  const properties = { authMode: 'key', keys, description: 'credit scores' };
  const { put, got } = await world.make(endpointId, { location: 'local', properties });
  assert.equal(put.status, 201);
  assert.equal(got.json.properties.description, 'credit scores');
  assert.ok(put.headers['azure-asyncoperation']);
  assert.equal(put.json.properties.keys, null);
  assert.equal(got.json.properties.provisioningState, 'Succeeded');
  assert.equal(got.json.properties.keys, null);
  assert.equal(got.json.properties.authMode, 'Key');
  const base = `https://localhost:8443/endpoints/${world.workspace.uniqueId}/credit`;
  assert.equal(got.json.properties.scoringUri, `${base}/score`);
  assert.equal(got.json.properties.swaggerUri, `${base}/swagger.json`);
  assert.deepEqual((await world.arm('POST', `${endpointId}/listKeys`)).json, keys);
});

test('an endpoint and a deployment name the operation that made them, in their header and in their body', async (t) => {
  const world = await setUp(t);
  const labels = { team: 'credit', AzureAsyncOperationUri: 'https://elsewhere.example/' };
  const { put, got } = await world.make(endpointId, {
    location: 'local',
    properties: { authMode: 'key', properties: labels },
  });
  const uri = String(put.headers['azure-asyncoperation']);
  assert.equal(put.json.properties.properties.AzureAsyncOperationUri, uri);
  assert.deepEqual(got.json.properties.properties, { team: 'credit', AzureAsyncOperationUri: uri });
  const { pathname } = new URL(uri);
  assert.equal((await world.arm('GET', pathname)).json.status, 'Succeeded');
  // Whatever is changed afterwards, a script that polls there goes on.
  await world.arm('PATCH', endpointId, { tags: { stage: 'test' } });
  assert.equal((await world.arm('GET', endpointId)).json.properties.properties.AzureAsyncOperationUri, uri);
  await furnish(world);
  const deployment = (await world.arm('GET', blue)).json.properties.properties.AzureAsyncOperationUri;
  assert.match(deployment, /^https:\/\/.*\/locations\/.*\/operationsStatus\/[0-9a-f-]{36}\?api-version=/);
});

test('what is not served is refused with what to use instead', async (t) => {
  const world = await setUp(t);
  for (const authMode of ['AMLToken', 'AADToken', 'Nothing']) {
    const { put } = await world.make(endpointId, { location: 'local', properties: { authMode } });
    assert.equal(put.status, 400);
    assert.match(put.text, /Use 'Key'/);
  }
  await furnish(world);
  const token = await world.arm('POST', `${endpointId}/token`);
  assert.equal(token.status, 400);
  assert.match(token.text, /listKeys/);
});

test('traffic adds up to nothing or to a hundred, and goes to deployments that are there', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  const patch = async (traffic: unknown) => {
    const reply = await world.arm('PATCH', endpointId, { properties: { traffic } });
    return [reply.status, reply.json?.error?.code ?? reply.json?.properties?.traffic];
  };
  assert.deepEqual(await patch({ blue: 50 }), [400, 'ValidationError']);
  assert.equal((await patch({ blue: -1 }))[0], 400);
  assert.equal((await patch({ blue: 101 }))[0], 400);
  assert.equal((await patch({ blue: 0.5 }))[0], 400);
  assert.deepEqual(await patch({ blue: 0, green: 100 }), [400, 'DeploymentNotFound']);
  assert.deepEqual(await patch({ blue: 50, BLUE: 50 }), [400, 'ValidationError']);
  assert.deepEqual(await patch({ blue: 0 }), [200, { blue: 0 }]);
  assert.deepEqual(await patch({ blue: 100 }), [200, { blue: 100 }]);
});

test('keys are drawn, replaced one at a time, and an old one is refused at once', async (t) => {
  const world = await setUp(t);
  const { primary, secondary } = await furnish(world);
  const scored = async (key: string) =>
    (await world.score('{}', { headers: { authorization: `Bearer ${key}` } })).status;
  assert.match(primary, /^[\w-]{43}$/);
  assert.notEqual(primary, secondary);
  assert.deepEqual([await scored(primary), await scored(secondary)], [200, 200]);
  assert.equal((await world.arm('POST', `${endpointId}/regenerateKeys`, { keyType: 'Primary' })).status, 200);
  assert.deepEqual([await scored(primary), await scored(secondary)], [401, 200]);
  const own = 'o'.repeat(48);
  await world.arm('POST', `${endpointId}/regenerateKeys`, { keyType: 'Secondary', keyValue: own });
  assert.deepEqual([await scored(secondary), await scored(own)], [401, 200]);
  for (const keyValue of [own, 'short', 'with space '.repeat(4), 'x'.repeat(200)]) {
    const refused = await world.arm('POST', `${endpointId}/regenerateKeys`, { keyType: 'Primary', keyValue });
    assert.equal(refused.status, 400);
  }
  assert.equal((await world.arm('POST', `${endpointId}/regenerateKeys`, { keyType: 'Third' })).status, 400);
});

test('a client that sends the present key along, as azure-ai-ml always does, gets a new one', async (t) => {
  const world = await setUp(t);
  const { primary, secondary } = await furnish(world);
  const scored = async (key: string) =>
    (await world.score('{}', { headers: { authorization: `Bearer ${key}` } })).status;
  for (const [keyType, before] of [
    ['Primary', primary],
    ['Secondary', secondary],
  ] as const) {
    const reply = await world.arm('POST', `${endpointId}/regenerateKeys`, { keyType, keyValue: before });
    assert.equal(reply.status, 200);
    assert.equal(await scored(before), 401, keyType);
  }
  const { primaryKey, secondaryKey } = (await world.arm('POST', `${endpointId}/listKeys`)).json;
  assert.deepEqual([await scored(primaryKey), await scored(secondaryKey)], [200, 200]);
});

test('keys lie nowhere in the clear, and are gone with their endpoint', async (t) => {
  const world = await setUp(t);
  const { primary, secondary, bearer } = await furnish(world);
  for (const { path, bytes } of await everythingIn(world.storage.folder))
    for (const key of [primary, secondary]) assert.ok(!bytes.includes(key), path);
  const rows = await keysOf((await world.home()).read, (await world.resources.get(testGrant(), endpointId)).uniqueId);
  assert.equal(rows.length, 2);
  for (const { envelope } of rows) assert.ok(!Buffer.from(envelope).includes(primary));
  await world.arm('DELETE', endpointId);
  await world.tasks.drain();
  assert.equal((await world.score('{}', { headers: bearer })).status, 401);
  // The same name again finds no old key.
  await world.make(endpointId, { location: 'local', properties: { authMode: 'Key' } });
  assert.equal((await world.score('{}', { headers: bearer })).status, 401);
});

test('while the workspace is closed by its customer nobody is let in, and afterwards again', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
  world.held.refusal = new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key is disabled.' });
  await world.storage.dataKeys.rewrap(world.workspace.uniqueId, { kind: 'root' });
  const closed = await world.score('{}', { headers: bearer });
  assert.deepEqual([closed.status, JSON.parse(closed.text).error.code], [403, 'KeyDisabled']);
  // Whoever shows another key learns no more than of an endpoint that there is not.
  const wrong = { authorization: `Bearer ${'w'.repeat(43)}` };
  const [stranger, nowhere] = [
    await world.score('{}', { headers: wrong }),
    await world.score('{}', { headers: wrong, endpoint: 'nowhere' }),
  ];
  assert.deepEqual([stranger.status, stranger.text], [401, nowhere.text]);
  world.held.refusal = undefined;
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
});

test('an endpoint that was just made lets nobody in while the key of its workspace is refused', async (t) => {
  const world = await setUp(t);
  await world.make(endpointId, { location: 'local', properties: { authMode: 'Key' } });
  const { primaryKey } = (await world.arm('POST', `${endpointId}/listKeys`)).json;
  const score = async () => (await world.score('{}', { headers: { authorization: `Bearer ${primaryKey}` } })).status;
  world.held.refusal = new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key is disabled.' });
  // Nothing is known here that a key could be compared with.
  assert.equal(await score(), 401);
  world.held.refusal = undefined;
  assert.equal(await score(), 404, 'let in, and told that there is no deployment');
});

test('of deployments that are asked for at once an endpoint takes as many as it may', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  const ids = Array.from({ length: 21 }, (_, at) => `${endpointId}/deployments/d-${at}`);
  const asked = await Promise.all(ids.map((id) => world.arm('PUT', id, deploymentBody())));
  await world.tasks.drain();
  const states = await Promise.all(ids.map(async (id) => (await world.arm('GET', id)).json));
  const count = (state: string) => states.filter((each) => each.properties?.provisioningState === state).length;
  // With the one that was there.
  assert.equal(count('Succeeded'), 19);
  assert.equal(count('Failed') + asked.filter(({ status }) => status === 400).length, 2);
});

test('a deployment with traffic is not deleted; an endpoint is, with its deployments', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const refused = await world.arm('DELETE', blue);
  await world.tasks.drain();
  const operation = await world.arm('GET', new URL(String(refused.headers['azure-asyncoperation'])).pathname);
  assert.equal(operation.json.error.code, 'DeploymentHasTraffic');
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
  await world.make(`${endpointId}/deployments/green`, deploymentBody());
  await world.arm('DELETE', `${endpointId}/deployments/green`);
  await world.tasks.drain();
  assert.equal((await world.arm('GET', `${endpointId}/deployments/green`)).status, 404);
  await world.arm('DELETE', endpointId);
  await world.tasks.drain();
  assert.equal((await world.arm('GET', blue)).status, 404);
  assert.equal((await world.arm('GET', endpointId)).status, 404);
  assert.equal(world.fake.running().length, 0);
});

test('deleting the workspace takes endpoints along that have traffic', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  const reply = await world.arm('DELETE', workspaceId);
  assert.equal(reply.status, 200, reply.text);
  assert.equal(world.fake.running().length, 0);
});

test('who may not list keys does not see them', async (t) => {
  const world = await setUp(t, { allows: (action) => !/listKeys|regenerateKeys/i.test(action) });
  await world.make(endpointId, { location: 'local', properties: { authMode: 'Key' } });
  assert.equal((await world.arm('POST', `${endpointId}/listKeys`)).status, 403);
  assert.equal((await world.arm('POST', `${endpointId}/regenerateKeys`, { keyType: 'Primary' })).status, 403);
});
