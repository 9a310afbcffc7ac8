// The resource manager in the hands of other modules: what a grant covers, what needs another decision, and that code gets
// the same checks as a request.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { testActor, testGrant } from '#kernel/testing/authority';
import { byTheHouse, createScript, furnish, groupId, houseId, openWorld, refusal } from './resources.fixture.ts';

after(() => closeScanPool());

const chair = `${houseId}/chairs/a`;
const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

test('put waits until a long-running resource is done, and throws what it failed with', async (t) => {
  const script = createScript();
  const world = await openWorld(t);
  const server = await world.start(script);
  const grant = byTheHouse();
  await server.resources.put(grant, groupId, { location: 'local' });
  script.onCreate = async () => {
    throw refusal('dependency', 'NoGround');
  };
  await assert.rejects(server.resources.put(grant, houseId, { location: 'local' }), code('NoGround'));
  script.onCreate = async () => {};
  const house = await server.resources.put(grant, houseId.replace('houses', 'HOUSES'), { location: 'local' });
  assert.equal(house.provisioningState, 'Succeeded');
  assert.equal(house.id, houseId);
  assert.equal(house.properties['secret'], 's-Villa');
  assert.equal(house.creator?.kind, 'system');
  await server.resources.remove(grant, houseId);
  assert.equal(await server.resources.find(grant, houseId), undefined);
  await assert.rejects(server.resources.get(grant, houseId), code('ResourceNotFound'));
  await server.tasks.drain();
  assert.deepEqual(script.done.at(-1), 'remove Villa');
});

test('a kind may furnish its resource while it is being created; nobody else may', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await server.call('PUT', groupId, { location: 'local' });
  script.onCreate = async (name) => {
    if (name === 'Villa') await server.resources.put(byTheHouse(), chair, { properties: { legs: 4 } });
  };
  await server.call('PUT', houseId, { location: 'local' });
  await server.tasks.drain();
  assert.equal((await server.call('GET', chair)).status, 200);
});

test('content from code is checked like content from a request', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const grant = byTheHouse();
  const bad = { properties: { legs: 'four' } };
  await assert.rejects(server.resources.put(grant, chair, bad), code('InvalidRequestContent'));
  await assert.rejects(server.resources.put(grant, `${houseId}/chairs/ `, {}), code('InvalidResourceName'));
  await assert.rejects(server.resources.put(grant, `${houseId}/tables/a`, {}), code('InvalidResourceType'));
  await assert.rejects(server.resources.get(grant, 'not an id'), code('InvalidResourceId'));
  await assert.rejects(server.resources.get(grant, groupId.slice(0, 51)), code('InvalidResourceId'));
});

test('a grant covers what it was decided on; further away needs another decision', async (t) => {
  const asked: string[] = [];
  const world = await openWorld(t);
  const server = await world.start();
  await furnish(server);
  await server.call('PUT', chair, { properties: { legs: 4 } });
  world.caller.allows = (action, scope) => {
    asked.push(`${action} ${scope}`);
    return false;
  };
  const { resources } = server;
  const onChair = testGrant({ action: 'Test.Houses/houses/chairs/write', scope: chair });
  await resources.get(onChair, chair);
  await resources.get(onChair, houseId); // what it stands in
  await resources.change(onChair, chair, (properties) => ({ ...properties, worn: true }));
  assert.deepEqual(asked, []);
  await assert.rejects(resources.get(onChair, `${houseId}/chairs/b`), code('AuthorizationFailed'));
  await assert.rejects(resources.remove(onChair, houseId), code('AuthorizationFailed'));
  const reading = testGrant({ action: 'Test.Houses/houses/read', scope: houseId });
  await resources.get(reading, chair);
  await assert.rejects(resources.put(reading, chair, { properties: { legs: 1 } }), code('AuthorizationFailed'));
  await assert.rejects(
    resources.change(reading, chair, (properties) => properties),
    code('AuthorizationFailed'),
  );
  assert.deepEqual(asked.at(-1), `Test.Houses/houses/chairs/write ${chair}`);
  // A grant that decided nothing covers nothing.
  const signedIn = testGrant({ action: '', scope: '/' });
  await assert.rejects(resources.get(signedIn, chair), code('AuthorizationFailed'));
  await assert.rejects(
    resources.list(signedIn, { type: 'Test.Houses/houses', under: '/' }),
    code('AuthorizationFailed'),
  );
  // A listing covers what it may show, one by one.
  const lists = testGrant({
    action: 'Test.Houses/houses/chairs/read',
    scope: houseId,
    visibility: { all: false, sees: (id) => id.endsWith('/b') },
  });
  await assert.rejects(resources.get(lists, chair), code('AuthorizationFailed'));
  assert.deepEqual(await resources.list(lists, { type: 'Test.Houses/houses/chairs', under: houseId }), []);
});

test('each passes over none, however many there are, in one database and across those of several', async (t) => {
  const world = await openWorld(t);
  const server = await world.start();
  await furnish(server);
  const { resources } = server;
  const chairs = Array.from({ length: 520 }, (_, at) => `${houseId}/chairs/c${String(at).padStart(4, '0')}`);
  for (const id of chairs) await resources.put(byTheHouse(), id, { properties: { legs: 4 } });
  const type = 'Test.Houses/houses/chairs';
  for (const under of [houseId, '/']) {
    const found: string[] = [];
    for await (const { id } of resources.each(byTheHouse(), { type, under })) found.push(id);
    assert.deepEqual(found, chairs, under);
  }
  world.caller.allows = () => false;
  assert.throws(
    () => resources.each(testGrant({ action: '', scope: '/' }), { type, under: '/' }),
    code('AuthorizationFailed'),
  );
});

test('a run token reaches what it was decided on, and is asked about everything else', async (t) => {
  const world = await openWorld(t);
  const server = await world.start();
  await furnish(server);
  await server.call('PUT', chair, { properties: { legs: 4 } });
  world.caller.allows = () => false;
  const bounds = { roles: 'ignored', rules: [{ scope: houseId, actions: [], reason: 'test' }] } as const;
  const actor = { ...testActor, kind: 'run' as const, bounds };
  const grant = testGrant({ actor, action: 'Test.Houses/houses/read', scope: houseId });
  await server.resources.get(grant, houseId);
  await assert.rejects(server.resources.get(grant, chair), code('AuthorizationFailed'));
});

test('changes are atomic: none of many at once is lost, nor one made while the resource is replaced', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await furnish(server);
  await server.call('PUT', chair, { properties: { legs: 0 } });
  const grant = byTheHouse();
  const count = () =>
    server.resources.change(grant, chair, (properties) => ({ ...properties, sat: Number(properties['sat'] ?? 0) + 1 }));
  await Promise.all(Array.from({ length: 50 }, count));
  script.onUpdate = async () => void (await count());
  await server.call('PUT', chair, { properties: { legs: 7 } });
  const { properties } = await server.resources.get(grant, chair);
  assert.deepEqual([properties['sat'], properties['legs'], properties['secret']], [51, 7, 's-a']);
  await assert.rejects(
    server.resources.change(grant, `${houseId}/chairs/none`, (same) => same),
    code('ResourceNotFound'),
  );
});

test('a resource whose home does not open can still be removed; its children cannot be read', async (t) => {
  const world = await openWorld(t, { ownHome: true });
  const server = await world.start();
  await furnish(server);
  await server.call('PUT', chair, { properties: { legs: 4 } });
  world.refusals.home = refusal('forbidden', 'KeyDisabled');
  const read = await server.call('GET', chair);
  assert.deepEqual([read.status, read.body.error.code], [403, 'KeyDisabled']);
  assert.equal((await server.call('GET', houseId)).status, 200);
  await server.call('DELETE', houseId);
  await server.tasks.drain();
  assert.equal((await server.call('GET', houseId)).status, 404);
});
