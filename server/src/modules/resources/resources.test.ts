// The procedure of every resource, over the door and on the real database: create, read, replace, patch, remove, list, and
// what an answer looks like.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { byTheHouse, furnish, groupId, houseId, openWorld, subscription } from './resources.fixture.ts';

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

test('a child is made, replaced, patched and removed within its request, and a name in other casing is the same one', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const made = await server.call('PUT', `${houseId}/chairs/Stool`, { properties: { legs: 3 } });
  assert.equal(made.status, 201);
  assert.equal(made.body.id, `${houseId}/chairs/Stool`);
  assert.equal(made.body.properties.provisioningState, 'Succeeded');
  assert.equal(made.headers.get('etag'), made.body.etag);
  const replaced = await server.call('PUT', `${houseId.toUpperCase()}/CHAIRS/sTOOL`, { properties: { legs: 4 } });
  assert.equal(replaced.status, 200);
  assert.equal(replaced.body.id, `${houseId}/chairs/Stool`);
  assert.equal(replaced.body.properties.legs, 4);
  assert.equal(replaced.body.systemData.createdAt, made.body.systemData.createdAt);
  assert.notEqual(replaced.body.etag, made.body.etag);
  const patched = await server.call('PATCH', `${houseId}/chairs/Stool`, { tags: { a: '1', b: '2' } });
  assert.equal(patched.status, 200);
  assert.equal(patched.body.properties.legs, 4);
  const again = await server.call('PATCH', `${houseId}/chairs/Stool`, {
    tags: { a: null, c: '3' },
    properties: { legs: 5 },
  });
  assert.deepEqual(again.body.tags, { b: '2', c: '3' });
  assert.equal(again.body.properties.legs, 5);
  assert.equal((await server.call('DELETE', `${houseId}/chairs/stool`)).status, 200);
  assert.equal((await server.call('DELETE', `${houseId}/chairs/stool`)).status, 204);
  assert.equal((await server.call('PATCH', `${houseId}/chairs/stool`, {})).status, 404);
  assert.equal((await server.call('GET', `${houseId}/chairs/stool`)).body.error.code, 'ResourceNotFound');
});

test('a resource needs its group and its parent, and a parent that is ready', async (t) => {
  const server = await (await openWorld(t)).start();
  const early = await server.call('PUT', houseId, { location: 'local' });
  assert.deepEqual([early.status, early.body.error.code], [404, 'ResourceGroupNotFound']);
  for (const method of ['GET', 'PATCH'])
    assert.equal(
      (await server.call(method, groupId, method === 'GET' ? undefined : {})).body.error.code,
      'ResourceGroupNotFound',
    );
  const elsewhere = await server.call('PUT', '/subscriptions/44444444-3333-4333-8333-333333333333/resourceGroups/g', {
    location: 'local',
  });
  assert.deepEqual([elsewhere.status, elsewhere.body.error.code], [404, 'SubscriptionNotFound']);
  await server.call('PUT', groupId, { location: 'local' });
  const orphan = await server.call('PUT', `${houseId}/chairs/a`, { properties: { legs: 1 } });
  assert.deepEqual([orphan.status, orphan.body.error.code], [404, 'ParentResourceNotFound']);
  await server.call('PUT', houseId, { location: 'local' });
  const hasty = await server.call('PUT', `${houseId}/chairs/a`, { properties: { legs: 1 } });
  assert.deepEqual([hasty.status, hasty.body.error.code], [409, 'ParentResourceNotReady']);
});

test('what nobody knows is refused behind any number of absent ones, and never kept', async (t) => {
  const server = await (await openWorld(t)).start();
  await server.call('PUT', groupId, { location: 'local' });
  const absent = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`unknown${at}`, null]));
  const put = await server.call('PUT', houseId, { location: 'local', properties: { ...absent, smuggled: true } });
  assert.deepEqual([put.status, put.body.error?.target], [400, 'properties.smuggled']);
  assert.equal((await server.call('GET', houseId)).status, 404);
});

test('what nobody knows is refused with its path and what was meant', async (t) => {
  const server = await (await openWorld(t)).start();
  await server.call('PUT', groupId, { location: 'local' });
  const wrong = await server.call('PUT', houseId, {
    location: 'local',
    tgas: {},
    properties: { color: 'red', garden: { size: 1, pnod: true } },
  });
  assert.equal(wrong.status, 400);
  assert.deepEqual(wrong.body.error.details.map((detail: { target: string }) => detail.target).sort(), [
    'properties.color',
    'properties.garden.pnod',
    'tgas',
  ]);
  assert.match(wrong.body.error.message, /did you mean tags\?/);
  assert.match(wrong.body.error.message, /did you mean colour\?/);
  assert.match(wrong.body.error.message, /did you mean pond\?/);
  assert.equal((await server.call('GET', houseId)).status, 404);
  // To clients, null is another word for absent.
  assert.equal(
    (await server.call('PUT', houseId, { location: 'local', properties: { garden: null, colur: null } })).status,
    201,
  );
});

test('an answer can be sent back as it is, and read-only values cannot be changed by it', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const read = await server.call('GET', houseId);
  const echoed = await server.call('PUT', houseId, read.body);
  assert.equal(echoed.status, 200);
  const forged = await server.call('PUT', houseId, {
    ...read.body,
    properties: { ...read.body.properties, shownOnly: 'no' },
  });
  assert.deepEqual([forged.status, forged.body.error.target], [400, 'properties.shownOnly']);
  const otherId = await server.call('PUT', houseId, { ...read.body, id: groupId });
  assert.deepEqual([otherId.status, otherId.body.error.target], [400, 'id']);
  // What the kind keeps beside it survives a replacement.
  assert.deepEqual((await server.call('POST', `${houseId}/listKeys`)).body, { key: 's-Villa' });
});

test('preconditions hold or the request does not', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const chair = `${houseId}/chairs/a`;
  const body = { properties: { legs: 4 } };
  assert.equal((await server.call('PUT', chair, body, { 'if-match': '*' })).status, 412);
  const made = await server.call('PUT', chair, body, { 'if-none-match': '*' });
  assert.equal(made.status, 201);
  assert.equal((await server.call('PUT', chair, body, { 'if-none-match': '*' })).body.error.code, 'PreconditionFailed');
  assert.equal((await server.call('GET', chair, undefined, { 'if-none-match': made.body.etag })).status, 304);
  const next = await server.call('PUT', chair, body, { 'if-match': made.body.etag });
  assert.equal(next.status, 200);
  assert.equal((await server.call('PATCH', chair, {}, { 'if-match': made.body.etag })).status, 412);
  assert.equal((await server.call('DELETE', chair, undefined, { 'if-match': made.body.etag })).status, 412);
  assert.equal((await server.call('DELETE', chair, undefined, { 'if-match': next.body.etag })).status, 200);
});

test('what is immutable is made once, and a location stays', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const note = `${houseId}/notes/n1`;
  assert.equal((await server.call('PUT', note, { properties: { text: 'a' } })).status, 201);
  const again = await server.call('PUT', note, { properties: { text: 'b' } });
  assert.deepEqual([again.status, again.body.error.code], [409, 'Conflict']);
  assert.equal((await server.call('GET', note)).body.properties.text, 'a');
  const moved = await server.call('PUT', houseId, { location: 'elsewhere' });
  assert.deepEqual([moved.status, moved.body.error.code], [409, 'InvalidResourceLocation']);
  const nowhere = await server.call('PUT', `${groupId}/providers/Test.Houses/houses/second`, {});
  assert.deepEqual([nowhere.status, nowhere.body.error.target], [400, 'location']);
});

test('an identity comes and goes with what is asked for, and goes with its resource', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  assert.equal(server.identities.size, 0);
  const given = await server.call('PATCH', houseId, { identity: { type: 'SystemAssigned' } });
  assert.equal(given.body.identity.principalId, 'identity-object');
  assert.equal(server.identities.size, 1);
  const kept = await server.call('PUT', houseId, { location: 'local' });
  assert.equal(kept.body.identity.principalId, 'identity-object');
  const taken = await server.call('PATCH', houseId, { identity: { type: 'None' } });
  assert.equal(taken.body.identity.principalId, undefined);
  assert.equal(server.identities.size, 0);
  await server.call('PATCH', houseId, { identity: { type: 'SystemAssigned' } });
  await server.call('DELETE', houseId);
  await server.tasks.drain();
  assert.equal(server.identities.size, 0);
});

test('a reused name is another resource', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const grant = byTheHouse();
  const first = await server.resources.get(grant, houseId);
  await server.call('PUT', `${houseId}/chairs/a`, { properties: { legs: 4 } });
  await server.call('DELETE', houseId);
  await server.tasks.drain();
  await server.call('PUT', houseId, { location: 'local' });
  await server.tasks.drain();
  const second = await server.resources.get(grant, houseId);
  assert.notEqual(first.uniqueId, second.uniqueId);
  assert.equal((await server.call('GET', `${houseId}/chairs/a`)).status, 404);
});

test('a version makes the container that it needs, if it is itself acceptable and the caller may', async (t) => {
  const world = await openWorld(t, { ownHome: true });
  const server = await world.start();
  await furnish(server);
  const album = `${houseId}/albums/Summer`;
  assert.deepEqual((await server.call('GET', `${album}/pictures`)).body, { value: [] });
  for (const properties of [{}, { of: 'nothing' }, { of: 'sea', fo: 1 }])
    assert.equal((await server.call('PUT', `${album}/pictures/p1`, { properties })).status, 400);
  assert.equal((await server.call('GET', album)).status, 404);
  world.caller.allows = (action) => !action.endsWith('albums/write');
  assert.equal((await server.call('PUT', `${album}/pictures/p1`, { properties: { of: 'sea' } })).status, 403);
  world.caller.allows = () => true;
  const made = await Promise.all(
    Array.from({ length: 5 }, (_, index) =>
      server.call('PUT', `${album}/pictures/p${index}`, { properties: { of: 'sea' } }),
    ),
  );
  assert.deepEqual(
    made.map(({ status }) => status),
    [201, 201, 201, 201, 201],
  );
  assert.equal((await server.call('GET', album)).status, 200);
  assert.equal((await server.call('GET', `${album}/pictures`)).body.value.length, 5);
  const nowhere = await server.call('PUT', `${houseId}x/albums/a/pictures/p`, { properties: { of: 'sea' } });
  assert.equal(nowhere.body.error.code, 'ParentResourceNotFound');
});
