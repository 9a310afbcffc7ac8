// The last lasting Owner of the subscription, against everything that the directory's administrators can do to a principal.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openServer } from './server.fixture.ts';

test('whoever manages the directory cannot disable or remove the last Owner, and roles go with whoever is removed', async (t) => {
  const bench = await openServer();
  t.after(() => bench.close());
  const manager = await bench.principal(['User Access Administrator']);
  const token = await bench.token(manager, bench.audience('graph'));
  const graph = (method: string, path: string, body?: unknown) =>
    bench.send(`/msgraph/v1.0/${path}`, { method, token, ...(body === undefined ? {} : { body }) });
  const users = await graph('GET', 'users');
  const administrator = users.body.value[0].id;
  const automation = `servicePrincipals/${bench.owner.objectId}`;

  assert.equal((await graph('PATCH', `users/${administrator}`, { accountEnabled: false })).status, 204);
  for (const reply of [
    await graph('PATCH', automation, { accountEnabled: false }),
    await graph('DELETE', automation),
    await graph('DELETE', `applications/${bench.owner.objectId}`),
  ]) {
    assert.equal(reply.status, 409, reply.text);
    assert.match(reply.text, /last lasting Owner/);
  }
  assert.ok(await bench.ownerToken(), 'the Owner still signs in');

  assert.equal((await graph('DELETE', `users/${administrator}`)).status, 204);
  const assigned = await bench.arm(
    await bench.ownerToken(),
    'GET',
    `/subscriptions/${bench.subscriptionId}/providers/Microsoft.Authorization/roleAssignments`,
  );
  assert.ok(!assigned.text.includes(administrator), assigned.text);
});
