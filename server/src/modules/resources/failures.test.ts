// What happens when what stands behind a resource fails, when the server dies half-way, and when two want the same.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { createScript, furnish, groupId, houseId, openWorld, refusal } from './resources.fixture.ts';

after(() => closeScanPool());

const forever = () => new Promise<void>(() => {});
const chair = `${houseId}/chairs/a`;
const legs = { properties: { legs: 4 } };

test('a creation that fails within its request leaves nothing, and the caller its reason', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await furnish(server);
  script.onCreate = async () => {
    throw refusal('dependency', 'NoWood');
  };
  const failed = await server.call('PUT', chair, legs);
  assert.deepEqual([failed.status, failed.body.error.code], [424, 'NoWood']);
  assert.equal((await server.call('GET', chair)).status, 404);
  assert.equal(script.done.at(-1), 'remove a');
  script.onCreate = async () => {};
  assert.equal((await server.call('PUT', chair, legs)).status, 201);
});

test('what cannot be taken back stays visible as Failed, and can be made again', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await furnish(server);
  script.onCreate = async () => {
    throw refusal('dependency', 'NoWood');
  };
  script.onRemove = script.onCreate;
  assert.equal((await server.call('PUT', chair, legs)).status, 424);
  assert.equal((await server.call('GET', chair)).body.properties.provisioningState, 'Failed');
  script.onCreate = async () => {};
  script.onRemove = async () => {};
  assert.equal((await server.call('PUT', chair, legs)).body.properties.provisioningState, 'Succeeded');
});

test('a long creation that fails ends its operation with the reason, and a new PUT makes it', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await server.call('PUT', groupId, { location: 'local' });
  script.onCreate = async () => {
    throw refusal('conflict', 'NoGround');
  };
  const poll = (await server.call('PUT', houseId, { location: 'local' })).headers.get('azure-asyncoperation') ?? '';
  await server.tasks.drain();
  const ended = await server.call('GET', poll);
  assert.deepEqual([ended.status, ended.body.status, ended.body.error.code], [200, 'Failed', 'NoGround']);
  const result = await server.call('GET', poll.replace('operationsStatus', 'operationResults'));
  assert.deepEqual([result.status, result.body.error.code], [409, 'NoGround']);
  assert.equal((await server.call('GET', houseId)).body.properties.provisioningState, 'Failed');
  assert.equal((await server.call('PUT', chair, legs)).status, 409);
  script.onCreate = async () => {};
  assert.equal((await server.call('PUT', houseId, { location: 'local' })).status, 201);
  await server.tasks.drain();
  assert.equal((await server.call('GET', houseId)).body.properties.provisioningState, 'Succeeded');
});

test('a passing trouble is tried again', async (t) => {
  const script = createScript();
  const world = await openWorld(t);
  const server = await world.start(script);
  await server.call('PUT', groupId, { location: 'local' });
  let troubles = 2;
  script.onCreate = async () => {
    if (troubles-- > 0) throw refusal('unavailable', 'ComeBack');
  };
  const poll = (await server.call('PUT', houseId, { location: 'local' })).headers.get('azure-asyncoperation') ?? '';
  await server.tasks.drain();
  assert.equal((await server.call('GET', poll)).body.status, 'InProgress');
  for (let again = 0; again < 2; again++) {
    await world.clock.advance(60_000);
    await server.tasks.drain();
  }
  assert.equal((await server.call('GET', poll)).body.status, 'Succeeded');
});

test('an update that fails changes nothing', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await furnish(server);
  const before = await server.call('PUT', chair, legs);
  script.onUpdate = async () => {
    throw refusal('conflict', 'Glued');
  };
  assert.equal((await server.call('PUT', chair, { properties: { legs: 9 } })).status, 409);
  assert.deepEqual((await server.call('GET', chair)).body, before.body);
});

test('an identity that an update made goes again when the update fails', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await furnish(server);
  script.onUpdate = async () => {
    throw refusal('conflict', 'Glued');
  };
  assert.equal((await server.call('PATCH', houseId, { identity: { type: 'SystemAssigned' } })).status, 409);
  assert.equal(server.identities.size, 0);
  assert.equal((await server.call('GET', houseId)).body.identity, undefined);
});

test('a long removal that a kind refuses leaves the resource as it was, one that breaks leaves it Failed, and a second one removes it', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await furnish(server);
  await server.call('PUT', chair, legs);
  script.onRemove = async (name) => {
    if (name === 'Villa') throw refusal('conflict', 'Listed');
  };
  const poll = (await server.call('DELETE', houseId)).headers.get('azure-asyncoperation') ?? '';
  await server.tasks.drain();
  assert.equal((await server.call('GET', poll)).body.error.code, 'Listed');
  assert.equal((await server.call('GET', houseId)).body.properties.provisioningState, 'Succeeded');
  script.onRemove = async (name) => {
    if (name === 'Villa') throw refusal('integrity', 'Broken');
  };
  await server.call('DELETE', houseId);
  await server.tasks.drain();
  assert.equal((await server.call('GET', houseId)).body.properties.provisioningState, 'Failed');
  script.onRemove = async (name) => {
    if (name === 'Villa') throw refusal('conflict', 'Listed');
  };
  await server.call('DELETE', houseId);
  await server.tasks.drain();
  assert.equal((await server.call('GET', houseId)).body.properties.provisioningState, 'Failed', 'as it was');
  script.onRemove = async () => {};
  await server.call('DELETE', houseId);
  await server.tasks.drain();
  assert.equal((await server.call('GET', houseId)).status, 404);
});

test('a removal that a kind refuses leaves the resource as it was, one that breaks leaves it Failed', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await furnish(server);
  await server.call('PUT', chair, legs);
  script.onRemove = async () => {
    throw refusal('conflict', 'SomebodySitsOnIt');
  };
  assert.equal((await server.call('DELETE', chair)).body.error.code, 'SomebodySitsOnIt');
  assert.equal((await server.call('GET', chair)).body.properties.provisioningState, 'Succeeded');
  script.onRemove = async () => {
    throw new Error('it broke');
  };
  const broken = await server.call('DELETE', chair);
  assert.deepEqual([broken.status, broken.body.error.code], [500, 'InternalError']);
  assert.doesNotMatch(broken.body.error.message, /it broke/);
  assert.equal((await server.call('GET', chair)).body.properties.provisioningState, 'Failed');
  script.onRemove = async () => {};
  assert.equal((await server.call('DELETE', chair)).status, 200);
});

test('a creation within its request that the server did not survive is taken back at the next start', async (t) => {
  const world = await openWorld(t);
  const script = createScript();
  const first = await world.start(script);
  await furnish(first);
  const reached = Promise.withResolvers<void>();
  script.onCreate = () => {
    reached.resolve();
    return forever();
  };
  first.call('PUT', chair, legs).catch(() => {});
  await reached.promise;
  assert.equal((await first.call('GET', chair)).body.properties.provisioningState, 'Creating');
  const later = createScript();
  const second = await world.start(later);
  // Until somebody has taken it back it has failed, and says so.
  assert.equal((await second.call('GET', chair)).body.properties.provisioningState, 'Failed');
  await second.tasks.drain();
  assert.deepEqual(later.done, ['remove a']);
  assert.equal((await second.call('GET', chair)).status, 404);
});

test('what an earlier server left half-way can be made again before anybody has taken it back', async (t) => {
  const world = await openWorld(t);
  const script = createScript();
  const first = await world.start(script);
  await furnish(first);
  const reached = Promise.withResolvers<void>();
  script.onCreate = () => {
    reached.resolve();
    return forever();
  };
  first.call('PUT', chair, legs).catch(() => {});
  await reached.promise;
  const second = await world.start();
  assert.equal((await second.call('PUT', chair, { properties: { legs: 6 } })).status, 201);
  await second.tasks.drain();
  assert.equal((await second.call('GET', chair)).body.properties.legs, 6);
});

test('a long creation that the server did not survive is finished by the next one', async (t) => {
  const world = await openWorld(t);
  const script = createScript();
  const first = await world.start(script);
  await first.call('PUT', groupId, { location: 'local' });
  const reached = Promise.withResolvers<void>();
  script.onCreate = () => {
    reached.resolve();
    return forever();
  };
  const poll = (await first.call('PUT', houseId, { location: 'local' })).headers.get('azure-asyncoperation') ?? '';
  void first.tasks.drain();
  await reached.promise;
  const later = createScript();
  const second = await world.start(later);
  const finished = Promise.withResolvers<void>();
  later.onCreate = async () => finished.resolve();
  await second.tasks.start();
  await finished.promise;
  const { pathname, search } = new URL(poll);
  // What was made is written down after it: a client that asks meanwhile is told so.
  while ((await second.call('GET', pathname + search)).body.status === 'InProgress');
  const stopping = second.tasks.stop();
  await world.clock.advance(10_000);
  await stopping;
  assert.equal((await second.call('GET', pathname + search)).body.status, 'Succeeded');
  assert.equal((await second.call('GET', houseId)).body.properties.provisioningState, 'Succeeded');
  assert.deepEqual(later.done, ['create Villa']);
});

test('a removal that the server did not survive is finished, in the request or long', async (t) => {
  const world = await openWorld(t);
  const script = createScript();
  const first = await world.start(script);
  await furnish(first);
  await first.call('PUT', chair, legs);
  const reached = Promise.withResolvers<void>();
  script.onRemove = () => {
    reached.resolve();
    return forever();
  };
  first.call('DELETE', chair).catch(() => {});
  await reached.promise;
  const later = createScript();
  const second = await world.start(later);
  await second.tasks.drain();
  assert.deepEqual(later.done, ['remove a']);
  await second.call('DELETE', houseId);
  const third = await world.start(later);
  await third.tasks.drain();
  assert.equal((await third.call('GET', houseId)).status, 404);
});

test('a half-made child in a home of its own is taken back when the home is first used', async (t) => {
  const world = await openWorld(t, { ownHome: true });
  const script = createScript();
  const first = await world.start(script);
  await furnish(first);
  const reached = Promise.withResolvers<void>();
  script.onCreate = () => {
    reached.resolve();
    return forever();
  };
  first.call('PUT', chair, legs).catch(() => {});
  await reached.promise;
  const second = await world.start();
  const seen = (await second.call('GET', chair)).body;
  assert.ok(seen.error?.code === 'ResourceNotFound' || seen.properties.provisioningState === 'Failed');
  await second.stop?.();
  assert.equal((await second.call('GET', chair)).status, 404);
});

test('two PUTs at once make one resource: one creates it, the other replaces it', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      server.call('PUT', index % 2 === 0 ? chair : chair.toUpperCase(), { properties: { legs: index } }),
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 200, 200, 201]);
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
});

test('while a resource is being created, nobody replaces it, removes it or furnishes it', async (t) => {
  const server = await (await openWorld(t)).start();
  await server.call('PUT', groupId, { location: 'local' });
  await server.call('PUT', houseId, { location: 'local' });
  for (const [method, body] of [
    ['PUT', { location: 'local' }],
    ['PATCH', {}],
    ['DELETE', undefined],
  ] as const) {
    const refused = await server.call(method, houseId, body);
    assert.deepEqual([refused.status, refused.body.error.code], [409, 'AnotherOperationInProgress'], method);
  }
  await server.tasks.drain();
  assert.equal((await server.call('DELETE', houseId)).status, 202);
  const refused = await server.call('PUT', houseId, { location: 'local' });
  assert.equal(refused.status, 409);
});

test('a group that is removed waits for what is being created in it, and removes that too', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await server.call('PUT', groupId, { location: 'local' });
  await server.call('PUT', houseId, { location: 'local' });
  await server.call('DELETE', groupId);
  await server.tasks.drain();
  assert.equal((await server.call('HEAD', groupId)).status, 404);
  assert.deepEqual(script.done, ['create Villa', 'remove Villa']);
});

test('a child that arrives while its parent is removed is refused or removed, never orphaned', async (t) => {
  const script = createScript();
  const world = await openWorld(t);
  const server = await world.start(script);
  await furnish(server);
  const arrivals = Array.from({ length: 20 }, (_, index) => server.call('PUT', `${houseId}/chairs/c${index}`, legs));
  await server.call('DELETE', houseId);
  const statuses = (await Promise.all(arrivals)).map(({ status }) => status);
  await server.tasks.drain();
  assert.ok(
    statuses.every((status) => [201, 404, 409].includes(status)),
    statuses.join(),
  );
  await server.call('PUT', houseId, { location: 'local' });
  await server.tasks.drain();
  assert.deepEqual((await server.call('GET', `${houseId}/chairs`)).body.value, []);
});
