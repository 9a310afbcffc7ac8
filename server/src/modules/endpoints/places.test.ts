// The places of a deployment: how many requests it answers at once, who waits, and when a place is free again.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { answering } from '../../../test/lab/endpoint-work.fixture.ts';
import { endpointId, furnish, type Reply, send, setUp } from '../../../test/lab/endpoints.fixture.ts';

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
