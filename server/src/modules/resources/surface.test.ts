// The ARM surface over the door: versions, error envelope, headers, challenge, discovery, and who may follow an operation.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { testActor } from '#kernel/testing/authority';
import { furnish, groupId, houseId, openWorld, subscription } from './resources.fixture.ts';

after(() => closeScanPool());

test('every request needs a dated api-version', async (t) => {
  const server = await (await openWorld(t)).start();
  for (const path of ['/subscriptions', '/tenants', '/metadata/endpoints', '/providers', groupId]) {
    const missing = await server.call('GET', `${path}?api-version=`);
    assert.deepEqual([missing.status, missing.body.error.code], [400, 'MissingApiVersionParameter'], path);
    for (const version of ['2022', '2022-1-1', '2022-10-01-', '2022-10-01-Preview!', 'latest', '2022-10-01%20'])
      assert.equal(
        (await server.call('GET', `${path}?api-version=${version}`)).body.error.code,
        'InvalidApiVersionParameter',
        version,
      );
  }
  for (const version of ['2022-10-01', '2020-09-01-dataplanepreview', '1999-01-01-preview'])
    assert.equal((await server.call('GET', `/subscriptions?api-version=${version}`)).status, 200, version);
  assert.equal(
    (await server.call('GET', '/subscriptions?api%2Dversion=2022-10-01&api-version=2022-10-01')).status,
    200,
  );
});

test('a stranger is told where to sign in, and learns nothing else', async (t) => {
  const world = await openWorld(t);
  const server = await world.start();
  world.caller.actor = undefined;
  const refused = await server.call('GET', houseId);
  assert.equal(refused.status, 401);
  assert.match(
    refused.headers.get('www-authenticate') ?? '',
    /^Bearer authorization_uri="https:\/\/localhost:\d+\/22222222-[^"]+", error="invalid_token", error_description="[^"]+"$/,
  );
  for (const path of ['/subscriptions', '/tenants', '/providers', `${groupId}/resources`])
    assert.equal((await server.call('GET', path)).status, 401, path);
  assert.equal((await server.call('GET', '/metadata/endpoints')).status, 200);
});

test('answers and refusals carry the ids of the request, and the client’s own when it asks', async (t) => {
  const server = await (await openWorld(t)).start();
  const headers = { 'x-ms-client-request-id': 'mine-1', 'x-ms-correlation-request-id': 'trail-1' };
  const plain = await server.call('GET', groupId, undefined, headers);
  assert.match(plain.headers.get('x-ms-request-id') ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(plain.headers.get('x-ms-correlation-request-id'), 'trail-1');
  assert.equal(plain.headers.get('x-ms-routing-request-id'), plain.headers.get('x-ms-request-id'));
  assert.equal(plain.headers.get('x-ms-client-request-id'), null);
  const echoed = await server.call('GET', groupId, undefined, { ...headers, 'x-ms-return-client-request-id': 'true' });
  assert.equal(echoed.headers.get('x-ms-client-request-id'), 'mine-1');
  assert.deepEqual(Object.keys(plain.body), ['error']);
});

test('a role is asked for on the path, before existence and body', async (t) => {
  const world = await openWorld(t, { allows: () => false });
  const server = await world.start();
  for (const [method, path, body] of [
    ['GET', houseId, undefined],
    ['PUT', houseId, '{not json'],
    ['PATCH', houseId, '{not json'],
    ['DELETE', houseId, undefined],
    ['POST', `${houseId}/listKeys`, undefined],
    ['HEAD', groupId, undefined],
    ['GET', `/subscriptions/${subscription.id}`, undefined],
  ] as const)
    assert.equal((await server.call(method, path, body)).status, 403, `${method} ${path}`);
  const actions: string[] = [];
  world.caller.allows = (action) => {
    actions.push(action);
    return false;
  };
  await server.call('POST', `${houseId}/listkeys`);
  await server.call('DELETE', `${houseId}/chairs/x`);
  await server.call('PUT', groupId, {});
  assert.deepEqual(actions, [
    'Test.Houses/houses/listKeys/action',
    'Test.Houses/houses/chairs/delete',
    'Microsoft.Resources/subscriptions/resourceGroups/write',
  ]);
});

test('an operation is followed by whoever began it, by readers of its resource, and by nobody else', async (t) => {
  const world = await openWorld(t);
  const server = await world.start();
  await server.call('PUT', groupId, { location: 'local' });
  const poll = (await server.call('PUT', houseId, { location: 'local' })).headers.get('azure-asyncoperation') ?? '';
  const result = poll.replace('operationsStatus', 'operationResults');
  await server.tasks.drain();
  world.caller.allows = () => false;
  assert.equal((await server.call('GET', poll)).body.status, 'Succeeded');
  // Following is not reading.
  assert.deepEqual((await server.call('GET', result)).body, undefined);
  world.caller.actor = { ...testActor, objectId: '99999999-1111-4111-8111-111111111111' };
  for (const path of [poll, result])
    assert.equal((await server.call('GET', path)).body.error.code, 'OperationNotFound');
  world.caller.allows = (action) => action === 'Test.Houses/houses/read';
  assert.equal((await server.call('GET', poll)).status, 200);
  assert.equal((await server.call('GET', result)).body.id, houseId);
  assert.equal((await server.call('GET', poll.replace(/[0-9a-f-]{36}\?/, `${subscription.id}?`))).status, 404);
});

test('the cloud describes itself in the three shapes that clients ask for', async (t) => {
  const server = await (await openWorld(t)).start();
  const at = async (version: string) => (await server.call('GET', `/metadata/endpoints?api-version=${version}`)).body;
  const origin = server.door.url.replace('http:', 'https:');
  const old = await at('2015-01-01');
  assert.deepEqual(old.authentication, { loginEndpoint: `${origin}/`, audiences: [origin] });
  assert.equal(old.portalEndpoint, `${origin}/portal/`);
  const middle = await at('2019-05-01');
  assert.equal(middle[0].resourceManager, `${origin}/`);
  const now = await at('2022-09-01');
  assert.deepEqual(now, middle[0]);
  assert.deepEqual(
    [now.suffixes.keyVaultDns, now.suffixes.storage],
    ['vault.localhost:8443', 'storage.localhost:8443'],
  );
});

test('subscription, tenant, locations and providers answer what sign-in needs', async (t) => {
  const world = await openWorld(t);
  const server = await world.start();
  const { value } = (await server.call('GET', '/subscriptions')).body;
  assert.deepEqual(
    [value[0].subscriptionId, value[0].state, value[0].tenantId],
    [subscription.id, 'Enabled', subscription.tenantId],
  );
  assert.equal((await server.call('GET', `/subscriptions/${subscription.id}`)).body.displayName, 'Test');
  assert.equal((await server.call('GET', '/tenants')).body.value[0].tenantId, subscription.tenantId);
  assert.equal((await server.call('GET', `/subscriptions/${subscription.id}/locations`)).body.value[0].name, 'local');
  const other = await server.call('GET', `/subscriptions/${subscription.tenantId}/locations`);
  assert.equal(other.body.error.code, 'SubscriptionNotFound');
  const provider = (await server.call('GET', `/subscriptions/${subscription.id}/providers/test.houses`)).body;
  assert.equal(provider.registrationState, 'Registered');
  assert.deepEqual(
    provider.resourceTypes.map((type: { resourceType: string }) => type.resourceType),
    ['houses', 'houses/albums', 'houses/albums/pictures', 'houses/chairs', 'houses/notes'],
  );
  assert.equal((await server.call('GET', `/subscriptions/${subscription.id}/providers/No.Such`)).status, 404);
  const operations = (await server.call('GET', '/providers/Test.Houses/operations')).body.value;
  assert.ok(operations.some((each: { name: string }) => each.name === 'Test.Houses/houses/listKeys/action'));
});

test('hostile paths and bodies are refused with a reason, and make nothing', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const chairs = `${houseId}/chairs`;
  const good = { properties: { legs: 1 } };
  for (const [name, statuses] of [
    ['a%2Fb', [404]],
    ['a%5Cb', [404]],
    ['%2e%2e', [400]],
    ['..%2F..', [404]],
    ['a%00b', [400]],
    ['a%25b', [400]],
    ['a%ZZ', [400]],
    ['a%3Fb', [400]],
    ['-a', [400]],
    ['a b', [400]],
    ['x'.repeat(300), [400]],
    ['a/chairs/b', [404]],
    ['a;b', [400]],
    ['%D0%B0', [400]],
    ['providers', [400]],
  ] as const)
    assert.ok(
      (statuses as readonly number[]).includes((await server.call('PUT', `${chairs}/${name}`, good)).status),
      `${name} ${(await server.call('PUT', `${chairs}/${name}`, good)).status}`,
    );
  for (const [body, why] of [
    ['', 'nothing'],
    ['[]', 'an array'],
    ['null', 'null'],
    ['"x"', 'a string'],
    ['{"properties":[]}', 'an array for properties'],
    ['{"properties":{"legs":"four"}}', 'a wrong type'],
    ['{"properties":{"legs":-1}}', 'out of range'],
    ['{"properties":{"legs":1,"__proto__":{"a":1}}}', 'a prototype'],
    ['{"properties":{"legs":1},"constructor":{}}', 'a constructor'],
    ['{"properties":{"legs":1,"toString":1}}', 'an inherited name'],
    ['{"properties":{"legs":1,"hasOwnProperty":1}}', 'an inherited name'],
    [`{"properties":{"legs":1},"tags":{"${'t'.repeat(600)}":"v"}}`, 'a long tag'],
    [`{"properties":{"legs":1},"tags":{"t":"${'v'.repeat(300)}"}}`, 'a long value'],
    ['{"properties":{"legs":1},"tags":{"a":1}}', 'a number for a tag'],
    ['{"properties":{"legs":1},"tags":{"a":"1","A":"2"}}', 'a tag twice'],
    [
      JSON.stringify({ ...good, tags: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`t${i}`, 'v'])) }),
      'too many tags',
    ],
    ['{"properties":{"legs":1},"identity":{"type":"Root"}}', 'an identity of no type'],
    ['{'.repeat(100), 'no JSON'],
    [`{"properties":${'{"a":'.repeat(80)}1${'}'.repeat(80)}}`, 'depth'],
  ] as const)
    assert.equal((await server.call('PUT', `${chairs}/a`, body)).status, 400, why);
  assert.equal((await server.call('PUT', `${chairs}/a`, `{"x":"${'y'.repeat(1_100_000)}"}`)).status, 413);
  assert.deepEqual((await server.call('GET', chairs)).body.value, []);
  // What is there already counts with what a PATCH adds.
  const many = (from: number, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`t${from + at}`, 'v']));
  const body = (tags: object) => JSON.stringify({ tags });
  assert.ok(
    (await server.call('PUT', `${chairs}/tagged`, JSON.stringify({ ...good, tags: many(0, 49) }))).status < 300,
  );
  const patch = (tags: object) => server.call('PATCH', `${chairs}/tagged`, body(tags));
  const over = await patch(many(49, 2));
  assert.equal(over.status, 400);
  assert.match(JSON.stringify(over.body), /tags holds more than 50 tags/);
  for (const tags of [{ ['t'.repeat(513)]: 'v' }, { t: 'v'.repeat(257) }, { T0: 'v' }])
    assert.equal((await patch(tags)).status, 400, JSON.stringify(tags).slice(0, 20));
  assert.ok((await patch({ t49: 'v' })).status < 300);
  assert.ok((await patch({ t0: null, t50: 'v' })).status < 300);
  assert.equal((await server.call('POST', houseId)).status, 405);
  assert.equal((await server.call('GET', `${groupId}/providers/No.Such/things/a`)).status, 404);
  assert.equal((await server.call('PUT', `${groupId.replace('Rooms', 'a.')}`, { location: 'local' })).status, 400);
  assert.equal((await server.call('PUT', groupId.replace('Rooms', 'providers'), { location: 'local' })).status, 201);
});

test('a path that nothing serves says what is not served, and where what is is listed', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const subscription = groupId.split('/').slice(0, 3).join('/');
  const said = async (method: string, path: string) => {
    const { status, body } = await server.call(method, path, method === 'GET' ? undefined : {});
    assert.equal(status, 404, path);
    return [body.error.code, body.error.message];
  };
  for (const [method, path, code, says] of [
    ['GET', `${groupId}/providers/Test.Houses/sheds`, 'InvalidResourceType', /'Test.Houses\/sheds' is not served/],
    ['PUT', `${houseId}/data/d/versions/1`, 'InvalidResourceType', /'Test.Houses\/houses\/data' is not served/],
    [
      'GET',
      `${subscription}/providers/Microsoft.Compute/virtualMachines`,
      'InvalidResourceNamespace',
      /GET \/providers/,
    ],
    ['POST', `${houseId}/diagnose`, 'OperationNotServed', /'diagnose' is not served here .*has: listKeys/],
    [
      'GET',
      `${houseId}/providers/Microsoft.Authorization/locks`,
      'InvalidResourceType',
      /Microsoft.Authorization\/locks/,
    ],
    ['GET', `${subscription}/tagNames`, 'OperationNotServed', /'tagNames' is not served here/],
    ['POST', `${groupId}/exportTemplate`, 'OperationNotServed', /'resourceGroups\/exportTemplate' is not served here/],
  ] as const) {
    const [given, message] = await said(method, path);
    assert.equal(given, code, path);
    assert.match(message, says);
  }
});

test('nothing below another subscription is served to anybody who is signed in', async (t) => {
  const server = await (await openWorld(t, { allows: () => false })).start();
  for (const path of ['', '/resourceGroups', '/resources', '/resourceGroups/g', '/providers', '/locations']) {
    const { status, body } = await server.call('GET', `/subscriptions/11111111-3333-4333-8333-333333333333${path}`);
    assert.deepEqual([status, body.error.code], [404, 'SubscriptionNotFound'], path);
  }
});

test('HEAD of a resource says whether it is there; a namespace is registered already', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  assert.equal((await server.call('HEAD', houseId)).status, 204);
  assert.equal((await server.call('HEAD', `${houseId}x`)).status, 404);
  const register = (namespace: string, verb: string) =>
    server.call('POST', `${groupId.split('/').slice(0, 3).join('/')}/providers/${namespace}/${verb}`);
  const registered = await register('test.houses', 'register');
  assert.deepEqual([registered.status, registered.body.registrationState], [200, 'Registered']);
  assert.equal((await register('Microsoft.Nope', 'register')).body.error.code, 'InvalidResourceNamespace');
  assert.deepEqual([(await register('Test.Houses', 'unregister')).status], [409]);
});
