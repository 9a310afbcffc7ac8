// What a role can be assigned at: what exists, or lies below a resource that does. Never a name that is free.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { createScript, furnish, groupId, houseId, openWorld, subscription } from './resources.fixture.ts';

after(() => closeScanPool());

const subscriptionId = `/subscriptions/${subscription.id}`;
const elsewhere = '/subscriptions/99999999-9999-4999-8999-999999999999';

test('a scope is the root, the subscription, a group, a resource, or a name below a resource', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  await server.call('PUT', `${houseId}/chairs/a`, { properties: { legs: 4 } });
  for (const scope of [
    '/',
    subscriptionId,
    subscriptionId.toUpperCase(),
    groupId,
    groupId.toUpperCase(),
    houseId,
    houseId.toUpperCase(),
    `${houseId}/chairs/a`,
    // Names that only a data plane knows.
    `${houseId}/drawers/d`,
    `${houseId}/drawers/d/spoons/s`,
    `${houseId}/chairs/a/cushions/c`,
    `${houseId}/providers/Test.Notes/papers/p`,
  ]) {
    await server.scopes.require(scope);
    assert.equal(await server.scopes.isGone(scope), false, scope);
  }
  for (const [scope, code] of [
    [elsewhere, 'SubscriptionNotFound'],
    [`${elsewhere}/resourceGroups/Rooms`, 'SubscriptionNotFound'],
    [`${subscriptionId}/resourceGroups/Nope`, 'ResourceGroupNotFound'],
    [houseId.replace('Rooms', 'Nope'), 'ResourceGroupNotFound'],
    [`${houseId.replace('Rooms', 'Nope')}/chairs/a`, 'ResourceGroupNotFound'],
    [`${houseId}2`, 'ResourceNotFound'],
    [`${houseId}2/chairs/a`, 'ResourceNotFound'],
    [`${houseId}2/drawers/d`, 'ResourceNotFound'],
    [`${houseId}/chairs/b`, 'ResourceNotFound'],
    [`${houseId}/chairs/b/cushions/c`, 'ResourceNotFound'],
    // Types that are not served have no resources.
    [`${groupId}/providers/Test.Houses/sheds/Villa`, 'ResourceNotFound'],
    [`${groupId}/providers/Nope.Nope/things/x`, 'ResourceNotFound'],
    [`${groupId}/providers/Nope.Nope/things/x/parts/y`, 'ResourceNotFound'],
    [`${subscriptionId}/providers/Nope.Nope/things/x`, 'ResourceNotFound'],
    [`${groupId}/providers/Nope.Nope/things/x/providers/Test.Houses/houses/Villa`, 'ResourceNotFound'],
    ['/providers/Microsoft.Management/managementGroups/m', 'ResourceNotFound'],
  ] as const) {
    await assert.rejects(server.scopes.require(scope), { code, kind: 'notFound' }, scope);
    assert.equal(await server.scopes.isGone(scope), true, scope);
  }
});

test('what is being removed is no scope any more, and what is being made is one', async (t) => {
  const script = createScript();
  const server = await (await openWorld(t)).start(script);
  await server.call('PUT', groupId, { location: 'local' });
  const seen: string[] = [];
  const look = async () => {
    seen.push(
      await server.scopes.require(houseId).then(
        () => 'there',
        ({ code }: { code: string }) => code,
      ),
    );
  };
  script.onCreate = look;
  script.onRemove = look;
  await server.call('PUT', houseId, { location: 'local' });
  await server.tasks.drain();
  await server.call('DELETE', houseId);
  await server.tasks.drain();
  await look();
  assert.deepEqual(seen, ['there', 'ResourceNotFound', 'ResourceNotFound']);
});
