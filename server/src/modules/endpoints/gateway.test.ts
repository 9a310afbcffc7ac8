// The scoring gateway over the real door, with an agent on a real Unix socket whose model each test writes.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { sql } from 'kysely';
import {
  answering,
  deploymentBody,
  endpointId,
  furnish,
  insightsId,
  type Reply,
  send,
  setUp,
} from '../../../test/lab/endpoints.fixture.ts';
import { monitoringMeters } from '../monitoring/meters.ts';
import { endpointsMeters } from './meters.ts';

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

test('a model that takes longer than requestTimeout is 408, and its place is free when it has answered', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, { requestSettings: { requestTimeout: 'PT1S' } });
  const [before] = world.fake.running();
  let answer = () => {};
  world.agent.model = (request, body, response) => {
    answer = () => answering(200, {})(request, body, response);
  };
  assert.equal((await world.score('{}', { headers: bearer })).status, 408);
  world.agent.model = answering(200, {});
  const second = world.score('{}', { headers: bearer });
  // One sleeps in the queue, one is the grace of the first.
  await world.storage.clock.asleep(2);
  answer();
  assert.equal((await second).status, 200);
  assert.equal(world.fake.running()[0]?.id, before?.id, 'the same process');
});

for (const places of [1, 2])
  test(`a request that hangs loses its process, which is replaced (calls at once: ${places})`, async (t) => {
    const world = await setUp(t);
    const { bearer } = await furnish(world, {
      requestSettings: { requestTimeout: 'PT1S', maxConcurrentRequestsPerInstance: places },
    });
    const scored = async (text: string) => (await world.score(text, { headers: bearer })).status;
    const blue = async () => (await world.arm('GET', `${endpointId}/deployments/blue`)).json.properties.properties;
    const [before] = world.fake.running();
    // What is started in its place is not ready at once.
    const started = Promise.withResolvers<string>();
    world.fake.onSubmit = async ({ id }) => started.resolve(id);
    world.agent.model = (request, body, response) => {
      if (body.toString() !== '"poison"') answering(200, {})(request, body, response);
    };
    assert.equal(await scored('"poison"'), 408);
    await world.storage.clock.asleep(1);
    await world.storage.clock.advance(5_999);
    const next = await started.promise;
    assert.equal((await blue())['strongroom.health'], 'Unhealthy');
    // The other place of the process serves until then.
    assert.equal(await scored('{}'), places === 2 ? 200 : 424);
    assert.equal(world.fake.items.has(before?.id ?? ''), places === 2);
    await world.fake.tell(next, { type: 'ready' });
    assert.equal(await scored('{}'), 200);
    assert.deepEqual(
      world.fake.running().map(({ id }) => id),
      [next],
      'the one that hangs has ended',
    );
    assert.deepEqual([(await blue())['strongroom.health'], (await blue())['strongroom.replaced']], ['Healthy', '1']);
    const logs = await world.arm('POST', `${endpointId}/deployments/blue/getLogs`, {});
    assert.match(logs.json.content, /\[strongroom\] A request was not answered within 1 seconds/);
  });

test('a process whose places all hang is ended at once, whatever was begun in its place', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, {
    requestSettings: { requestTimeout: 'PT1S', maxConcurrentRequestsPerInstance: 2 },
  });
  const [before] = world.fake.running();
  let started = 0;
  world.fake.onSubmit = async () => void started++;
  world.agent.model = () => {};
  const both = await Promise.all([1, 2].map(() => world.score('{}', { headers: bearer })));
  assert.deepEqual(
    both.map(({ status }) => status),
    [408, 408],
  );
  await world.storage.clock.asleep(2);
  await world.storage.clock.advance(6_000);
  await world.fake.until(() => !world.fake.items.has(before?.id ?? ''));
  assert.equal(started, 1);
});

test('a process that hangs in its init() after a restart is ended and started again', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const begun: string[] = [];
  world.fake.onSubmit = async ({ id }) => {
    begun.push(id);
    await world.fake.tell(id, { type: begun.length === 1 ? 'preparing' : 'ready' });
  };
  const [before] = world.fake.running();
  await world.fake.tell(before?.id ?? '', { type: 'finished', reason: 'exited', exitCode: 1, message: undefined });
  await world.storage.clock.asleep(1);
  await world.storage.clock.advance(1_000);
  await world.fake.until(() => begun.length === 1);
  assert.equal((await world.score('{}', { headers: bearer })).status, 424);
  await world.storage.clock.asleep(1);
  await world.storage.clock.advance(120_000);
  await world.storage.clock.asleep(1);
  await world.storage.clock.advance(2_000);
  await world.fake.until(() => begun.length === 2);
  assert.deepEqual(
    world.fake.running().map(({ id }) => id),
    begun.slice(1),
  );
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
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

test('an answer that began in time is carried to its end, however long that takes', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, { requestSettings: { requestTimeout: 'PT1S' } });
  world.agent.model = (_request, _body, response) => {
    response.writeHead(200, { 'content-length': '4' });
    response.write('ab');
    setTimeout(() => response.end('cd'), 1_200);
  };
  const reply = await world.score('{}', { headers: bearer });
  assert.deepEqual([reply.status, reply.text], [200, 'abcd']);
});

test('requests beyond what a deployment takes wait in line, and beyond that are 429', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, {
    requestSettings: { maxConcurrentRequestsPerInstance: 1, requestTimeout: 'PT30S' },
  });
  const open: (() => void)[] = [];
  const arrived = Promise.withResolvers<void>();
  world.agent.model = (request, body, response) => {
    open.push(() => answering(200, {})(request, body, response));
    arrived.resolve();
  };
  const replies = [1, 2, 3, 4, 5].map(() => world.score('{}', { headers: bearer }));
  await arrived.promise;
  const early = await new Promise<Reply[]>((resolve) => {
    const answered: Reply[] = [];
    for (const reply of replies)
      void reply.then((each) => {
        if (answered.push(each) === 3) resolve([...answered]);
      });
  });
  for (const { status, headers } of early) {
    assert.equal(status, 429);
    assert.equal(headers['ms-azureml-model-error-reason'], 'too_many_pending_requests');
  }
  world.agent.model = answering(200, {});
  open[0]?.();
  const statuses = (await Promise.all(replies)).map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, 200, 429, 429, 429]);
});

test('who waits longer than maxQueueWait is 429', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, { requestSettings: { requestTimeout: 'PT30S', maxQueueWait: 'PT0.25S' } });
  const arrived = Promise.withResolvers<() => void>();
  world.agent.model = (request, body, response) => arrived.resolve(() => answering(200, {})(request, body, response));
  const first = world.score('{}', { headers: bearer });
  const release = await arrived.promise;
  const second = world.score('{}', { headers: bearer });
  await world.storage.clock.asleep(1);
  await world.storage.clock.advance(250);
  assert.equal((await second).status, 429);
  release();
  assert.equal((await first).status, 200);
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

test('a caller that goes away leaves a record, and its place is free when the process has answered', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, { requestSettings: { requestTimeout: 'PT60S' } });
  const arrived = Promise.withResolvers<() => void>();
  world.agent.model = (request, body, response) => arrived.resolve(() => answering(200, {})(request, body, response));
  const leaving = new AbortController();
  const gone = assert.rejects(world.score('{}', { headers: bearer, signal: leaving.signal }));
  const answer = await arrived.promise;
  leaving.abort();
  await gone;
  world.agent.model = answering(200, {});
  const second = world.score('{}', { headers: bearer });
  await world.storage.clock.asleep(2);
  answer();
  assert.equal((await second).status, 200);
  const { json } = await world.arm('GET', `${endpointId}/requests`);
  assert.deepEqual(
    json.value.map((record: { StatusCode: number }) => record.StatusCode),
    [200, 499],
  );
});

test('a caller that stops sending has its connection cut, and no process is lost by it', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, { requestSettings: { requestTimeout: 'PT1S' } });
  const [before] = world.fake.running();
  const slow = send(world.url, 'POST', `/endpoints/${world.workspace.uniqueId}/credit/score`, {
    headers: {
      ...bearer,
      'content-type': 'application/json',
      'content-length': String(2 * 1024 * 1024),
      // Its connection is no good for another request.
      connection: 'close',
    },
    body: Buffer.alloc(100_000, 0x20),
  });
  assert.equal((await slow.catch(() => ({ status: 408 }))).status, 408);
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
  assert.deepEqual(
    world.fake.running().map(({ id }) => id),
    [before?.id],
  );
});

test('a caller that sends a small body slowly has its place only as long as a request may take', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, { requestSettings: { requestTimeout: 'PT1S' } });
  const slow = send(world.url, 'POST', `/endpoints/${world.workspace.uniqueId}/credit/score`, {
    headers: { ...bearer, 'content-type': 'application/json', 'content-length': '100', connection: 'close' },
    body: Buffer.alloc(50, 0x20),
  });
  assert.equal((await slow.catch(() => ({ status: 408 }))).status, 408);
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
});

test('a process whose answer has no length is let go when its caller goes away', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const ended = Promise.withResolvers<void>();
  world.agent.model = (_request, _body, response) => {
    response.once('close', ended.resolve);
    response.writeHead(200);
    response.write('a'.repeat(1000));
  };
  const path = `${world.url}/endpoints/${world.workspace.uniqueId}/credit/score`;
  const asked = request(path, { method: 'POST', headers: bearer }, (answer) => answer.destroy());
  asked.on('error', () => undefined);
  asked.end('{}');
  await ended.promise;
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

test('a record is kept for as many days as the insights component of the workspace says', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  await world.arm('PUT', insightsId, { location: 'local', properties: { RetentionInDays: 30 } });
  await world.score('{}', { headers: bearer });
  const count = async () => (await world.arm('GET', `${endpointId}/requests`)).json.value.length;
  const sweep = () => world.endpoints.sweepRecords(new AbortController().signal);
  assert.equal(await count(), 1);
  world.storage.clock.jump(29 * 24 * 3_600_000);
  await sweep();
  assert.equal(await count(), 1);
  world.storage.clock.jump(2 * 24 * 3_600_000);
  await sweep();
  assert.equal(await count(), 0);
});

test('every request leaves a record with the fields of the article, refusals too, and no payload or key', async (t) => {
  const world = await setUp(t);
  const { bearer, primary } = await furnish(world);
  await world.score('{"canary":"PAYLOAD-CANARY"}', {
    headers: { ...bearer, 'user-agent': 'probe/1', 'x-ms-client-request-id': 'cid' },
  });
  await world.score('{}', { headers: { authorization: 'Bearer wrong' } });
  world.agent.model = answering(503, {});
  await world.score(undefined, { method: 'GET', headers: bearer }, '/score?q=QUERY-CANARY');
  const list = await world.arm('GET', `${endpointId}/requests?$top=10`);
  assert.equal(list.status, 200, list.text);
  const records = list.json.value;
  assert.deepEqual(
    records.map((each: Record<string, unknown>) => [each['HTTPMethod'], each['StatusCode'], each['ModelStatusCode']]),
    [
      ['GET', 424, 503],
      ['POST', 401, null],
      ['POST', 200, 200],
    ],
  );
  const [, , first] = records;
  assert.equal(first.UserAgent, 'probe/1');
  assert.equal(first.ComputeType, 'Managed');
  assert.match(first.RequestUrl, /\/endpoints\/[0-9a-f-]{36}\/credit\/score$/);
  assert.equal(first.ClientRequestId, 'cid');
  assert.equal(first.Deployment, 'blue');
  assert.ok(first.Duration > 0 && first.RequestBytes === 27 && first.ResponseBytes > 0);
  assert.ok(!list.text.includes('CANARY') && !list.text.includes(primary));
});

test('of tries with a wrong key the first are listed, and all are counted', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  for (let tries = 0; tries < 130; tries++) assert.equal((await world.score('{}')).status, 401);
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
  const list = await world.arm('GET', `${endpointId}/requests?$top=500`);
  const statuses = (list.json.value as { StatusCode: number }[]).map(({ StatusCode }) => StatusCode);
  assert.deepEqual([statuses[0], statuses.filter((status) => status === 401).length], [200, 100]);
  assert.equal((await world.telemetry.read(monitoringMeters.scoringRequests))['credit  401'], 130);
});

test('where the time of a request goes is measured, and what is gone leaves the page of metrics', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  await world.make(`${endpointId}/deployments/green`, deploymentBody());
  const parts = async () =>
    (await world.telemetry.samples())
      .filter(({ name }) => name === `${endpointsMeters.parts.name}_count`)
      .map(({ labels, value }) => [labels['part'], value]);
  const counted = async () => Object.keys(await world.telemetry.read(monitoringMeters.scoringRequests)).sort();
  const scored = async (deployment: string) => {
    const { status } = await world.score('{}', { headers: { ...bearer, 'azureml-model-deployment': deployment } });
    assert.equal(status, 200);
  };
  // Refused before it waits for anything, so no part of it is measured.
  assert.equal((await world.score('{}')).status, 401);
  assert.deepEqual(await parts(), []);
  await scored('blue');
  await scored('green');
  assert.deepEqual(await parts(), [
    ['queue', 2],
    ['model', 2],
  ]);
  // Reading the list hands over what is kept.
  await world.arm('GET', `${endpointId}/requests`);
  assert.deepEqual(await counted(), ['credit  401', 'credit blue 200', 'credit green 200']);
  const remove = async (id: string) => {
    assert.ok((await world.arm('DELETE', id)).status < 300);
    await world.tasks.drain();
  };
  await remove(`${endpointId}/deployments/green`);
  assert.deepEqual(await counted(), ['credit  401', 'credit blue 200']);
  await remove(endpointId);
  assert.deepEqual(await counted(), []);
});
