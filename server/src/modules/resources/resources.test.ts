// The procedure of every resource, over the door and on the real database: create, read, replace, patch, remove, list, and
// what an answer looks like.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { groupId, houseId, openWorld, subscription } from './resources.fixture.ts';

after(() => closeScanPool());

test('a group is made with 201, replaced with 200, found by HEAD, and removed with all that it holds', async (t) => {
  const server = await (await openWorld(t)).start();
  assert.equal((await server.call('HEAD', groupId)).status, 404);
  const made = await server.call('PUT', groupId.replace('resourceGroups', 'resourcegroups'), {
    location: 'West Europe',
    tags: { a: 'b' },
  });
  assert.equal(made.status, 201);
  assert.equal(made.body.id, groupId);
  assert.equal(made.body.location, 'westeurope');
  assert.equal(made.body.properties.provisioningState, 'Succeeded');
  assert.equal(made.body.type, 'Microsoft.Resources/resourceGroups');
  assert.equal((await server.call('HEAD', groupId)).status, 204);
  const again = await server.call('PUT', groupId.replace('Rooms', 'rOOMS'), { location: 'westeurope' });
  assert.equal(again.status, 200);
  assert.equal(again.body.id, groupId);
  assert.deepEqual(again.body.tags, {});
  await server.call('PUT', houseId, { location: 'local' });
  await server.tasks.drain();
  await server.call('PUT', `${houseId}/chairs/one`, { properties: { legs: 4 } });
  const listed = await server.call('GET', `/subscriptions/${subscription.id}/resourceGroups`);
  assert.deepEqual(
    listed.body.value.map((group: { name: string }) => group.name),
    ['Rooms'],
  );

  const removed = await server.call('DELETE', groupId);
  assert.equal(removed.status, 202);
  const location = removed.headers.get('location') ?? '';
  const status = removed.headers.get('azure-asyncoperation') ?? '';
  assert.ok(location.startsWith('https://') && status.startsWith('https://'));
  assert.equal((await server.call('GET', location)).status, 202);
  assert.equal((await server.call('GET', status)).body.status, 'InProgress');
  assert.equal((await server.call('DELETE', groupId)).headers.get('azure-asyncoperation'), status);
  await server.tasks.drain();
  assert.equal((await server.call('GET', location)).status, 200);
  assert.equal((await server.call('GET', status)).body.status, 'Succeeded');
  assert.equal((await server.call('HEAD', groupId)).status, 404);
  assert.equal((await server.call('DELETE', groupId)).status, 204);
  assert.deepEqual(server.unassigned, [`${houseId}/chairs/one`, houseId, groupId]);
});

test('a long-running resource is Creating with links that lead to its end', async (t) => {
  const server = await (await openWorld(t)).start();
  await server.call('PUT', groupId, { location: 'local' });
  const made = await server.call('PUT', houseId, {
    location: 'local',
    identity: { type: 'SystemAssigned' },
    properties: { colour: 'red' },
  });
  assert.equal(made.status, 201);
  assert.equal(made.body.properties.provisioningState, 'Creating');
  assert.equal(made.headers.get('retry-after'), '1');
  const poll = made.headers.get('azure-asyncoperation') ?? '';
  assert.match(
    poll,
    /\/providers\/Test\.Houses\/locations\/local\/operationsStatus\/[0-9a-f-]{36}\?api-version=2024-01-01$/,
  );
  const running = await server.call('GET', poll);
  assert.equal(running.body.status, 'InProgress');
  assert.equal(running.headers.get('retry-after'), '1');
  await server.tasks.drain();
  assert.equal((await server.call('GET', poll)).body.status, 'Succeeded');
  const read = await server.call('GET', houseId);
  assert.equal(read.body.properties.provisioningState, 'Succeeded');
  assert.equal(read.body.identity.principalId, 'identity-object');
  assert.equal(read.body.systemData.createdBy, 'tester@strongroom.local');
  assert.equal(read.body.systemData.createdByType, 'User');
  assert.equal(read.body.properties.secret, undefined);
  assert.deepEqual((await server.call('POST', `${houseId}/listKeys`)).body, { key: 's-Villa' });
  const result = poll.replace('operationsStatus', 'operationResults');
  assert.equal((await server.call('GET', result)).body.id, houseId);
});
