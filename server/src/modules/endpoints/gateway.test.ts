// The scoring gateway over the real door, with an agent on a real Unix socket whose model each test writes: who is asked, what reaches the
// model and what comes back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { answering } from '../../../test/lab/endpoint-work.fixture.ts';
import { deploymentBody, endpointId, furnish, setUp } from '../../../test/lab/endpoints.fixture.ts';

test('a request with a key reaches the model, and the model never sees the key', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  world.agent.model = answering(200, { answer: 42 }, { 'x-ms-run-fn-exec-ms': '7', 'set-cookie': 'a=b' });

  const reply = await world.score('{"data":[1]}', {
    headers: { ...bearer, 'x-ms-client-request-id': 'mine-1', cookie: 'c=d', 'x-feature': 'yes' },
  });

  assert.equal(reply.status, 200, reply.text);
  assert.deepEqual(JSON.parse(reply.text), { answer: 42 });
  assert.equal(reply.headers['azureml-model-deployment'], 'blue');
  assert.equal(reply.headers['x-ms-run-fn-exec-ms'], '7');
  assert.equal(reply.headers['x-ms-client-request-id'], 'mine-1');
  assert.match(String(reply.headers['x-ms-request-id']), /^[0-9a-f-]{36}$/);
  assert.equal(reply.headers['x-request-id'], reply.headers['x-ms-request-id']);
  assert.equal(reply.headers['set-cookie'], undefined);
  const seen = world.agent.seen.at(-1);
  assert.equal(seen?.url, '/score');
  assert.equal(seen?.headers['authorization'], undefined);
  assert.equal(seen?.headers['cookie'], undefined);
  assert.equal(seen?.headers['x-feature'], 'yes');
  assert.equal(seen?.headers['content-length'], '12');
});

test('no key, a wrong key and an endpoint that is not there answer alike, with a challenge', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const without = await world.score('{}');
  const wrong = await world.score('{}', { headers: { authorization: 'Bearer nonsense' } });
  const nowhere = await world.score('{}', { endpoint: 'nothing', headers: bearer });
  for (const reply of [without, wrong, nowhere]) {
    assert.equal(reply.status, 401);
    assert.equal(reply.headers['www-authenticate'], 'Bearer');
    assert.equal(JSON.parse(reply.text).error.code, 'key_auth_access_denied');
  }
  assert.equal(wrong.text, nowhere.text);
});

test('an endpoint that never got keys answers like one that is not there', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const database = await world.home();
  await database.write((tx) => sql`delete from endpoint_keys`.execute(tx));
  const again = await world.restart();
  await again.start();
  const reply = await again.score('{}', { headers: bearer });
  assert.equal(reply.status, 401);
  assert.equal(reply.text, (await again.score('{}', { endpoint: 'nothing', headers: bearer })).text);
});

test("one endpoint's key opens no other endpoint", async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  await world.make(`${endpointId}2`, { location: 'local', properties: { authMode: 'Key' } });
  assert.equal((await world.score('{}', { endpoint: 'credit2', headers: bearer })).status, 401);
});

test('without traffic there is nobody to ask, unless a deployment is named', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  await world.arm('PATCH', endpointId, { properties: { traffic: { blue: 0 } } });
  assert.equal((await world.score('{}', { headers: bearer })).status, 404);
  const named = await world.score('{}', { headers: { ...bearer, 'azureml-model-deployment': 'blue' } });
  assert.equal(named.status, 200);
  const unknown = await world.score('{}', { headers: { ...bearer, 'azureml-model-deployment': 'red' } });
  assert.equal(unknown.status, 404);
  const hostile = await world.score('{}', { headers: { ...bearer, 'azureml-model-deployment': '../x' } });
  assert.equal(hostile.status, 404);
});

test("a model's failure is 424 with its own status beside it", async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  world.agent.model = answering(500, { message: 'run() raised ValueError' });
  const reply = await world.score('{}', { headers: bearer });
  assert.equal(reply.status, 424);
  assert.equal(reply.headers['ms-azureml-model-error-statuscode'], '500');
  assert.equal(reply.headers['ms-azureml-model-error-reason'], 'model_error');
  assert.match(reply.text, /ValueError/);
});

test('a scoring process that dies while it answers is 424, an agent that is not there is 500', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  world.agent.model = (request) => request.socket.destroy();
  const died = await world.score('{}', { headers: bearer });
  assert.equal(died.status, 424);
  assert.equal(died.headers['ms-azureml-model-error-reason'], 'model_unreachable');
  world.agent.model = answering(502, {}, { 'x-strongroom-gateway': 'ScoringServerUnreachable' });
  assert.equal((await world.score('{}', { headers: bearer })).status, 424);
  world.agent.model = answering(404, {}, { 'x-strongroom-gateway': 'WorkNotHere' });
  assert.equal((await world.score('{}', { headers: bearer })).status, 424, 'the fleet has not heard of it yet');
  world.agent.model = answering(403, {}, { 'x-strongroom-gateway': 'KeyRefused' });
  assert.equal((await world.score('{}', { headers: bearer })).status, 500);
  world.agent.model = answering(503, {}, { 'x-strongroom-gateway': 'GatewayBusy' });
  assert.equal((await world.score('{}', { headers: bearer })).status, 429);
});

test('an answer larger than is passed on is refused before a byte of it', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  world.agent.model = (_request, _body, response) => {
    response.writeHead(200, { 'content-length': String(101 * 1024 * 1024) });
    response.write('x');
  };
  const reply = await world.score('{}', { headers: bearer });
  assert.equal(reply.status, 424);
  assert.equal(reply.headers['ms-azureml-model-error-reason'], 'model_answer_too_large');
  assert.match(reply.text, /100 MiB/);
});

test('a body beyond ten mebibytes is 413, declared or not', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const large = Buffer.alloc(10 * 1024 * 1024 + 1, 0x20);
  assert.equal((await world.score(large, { headers: bearer })).status, 413);
  const chunked = await world
    .score(large, { headers: { ...bearer, 'transfer-encoding': 'chunked' } })
    .catch(() => ({ status: 413 }));
  assert.equal(chunked.status, 413);
});

test('who shows no key is refused before a byte of the body is looked at', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  const reply = await world
    .score(undefined, { headers: { 'content-length': String(2 ** 40) } })
    .catch((error: unknown) => ({ status: String(error), headers: {} }));
  assert.equal(reply.status, 401);
});

test('a chunked body reaches the model whole and with its length', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  let got = '';
  world.agent.model = (request, body, response) => {
    got = `${request.headers['content-length']}:${body.toString()}`;
    answering(200, {})(request, body, response);
  };
  await world.score('{"data":[1,2,3]}', { headers: { ...bearer, 'transfer-encoding': 'chunked' } });
  assert.equal(got, '16:{"data":[1,2,3]}');
});

test('GET scores its query, /invocations is /score, and the endpoint tells its health and schema', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const seen = async (method: string, tail: string, body?: string) => {
    const reply = await world.score(body, { method, headers: bearer }, tail);
    assert.equal(reply.status, 200, `${method} ${tail}: ${reply.text}`);
    return `${world.agent.seen.at(-1)?.method} ${world.agent.seen.at(-1)?.url}`;
  };
  assert.equal(await seen('GET', '/score?data=1&x=%2F'), 'GET /score?data=1&x=%2F');
  assert.equal(await seen('POST', '/invocations', '{}'), 'POST /score');
  assert.equal(await seen('GET', '/swagger.json'), 'GET /swagger.json');
  assert.equal(await seen('GET', ''), 'GET /');
});

test('a model cannot place a page, a cookie or ids of ours on this server', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  world.agent.model = answering(
    200,
    {},
    {
      'content-type': 'text/html',
      location: 'https://elsewhere',
      'access-control-allow-origin': '*',
      'x-request-id': 'forged',
      'strict-transport-security': 'max-age=0',
    },
  );
  const reply = await world.score('{}', { headers: bearer });
  assert.match(String(reply.headers['content-security-policy']), /sandbox/);
  assert.equal(reply.headers['location'], undefined);
  assert.equal(reply.headers['access-control-allow-origin'], undefined);
  assert.notEqual(reply.headers['x-request-id'], 'forged');
  assert.equal(reply.headers['strict-transport-security'], 'max-age=31536000');
});

test('traffic is shared as it is written', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  await world.make(`${endpointId}/deployments/green`, deploymentBody());
  await world.arm('PATCH', endpointId, { properties: { traffic: { blue: 90, green: 10 } } });
  const served: Record<string, number> = {};
  for (let at = 0; at < 20; at++) {
    const name = String((await world.score('{}', { headers: bearer })).headers['azureml-model-deployment']);
    served[name] = (served[name] ?? 0) + 1;
  }
  assert.deepEqual(served, { blue: 18, green: 2 });
});
