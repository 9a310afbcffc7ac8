// Deployments through the management API: rules, what becomes of one whose process fails, and what is there again after a crash.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import { answering } from '../../../test/lab/endpoint-work.fixture.ts';
import {
  deploymentBody,
  endpointId,
  furnish,
  registryId,
  setUp,
  type World,
  workspaceId,
} from '../../../test/lab/endpoints.fixture.ts';

const blue = `${endpointId}/deployments/blue`;
const codeId = `${workspaceId}/codes/score/versions/1`;

test('of the images of a deployment there is the one that runs, and none when it does not', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  await world.register('models', 'better', { 'model.json': '{"weights":[3]}' });
  const grant = testGrant({ scope: registryId });
  const imageOf = async () => {
    const [path = '', digest = ''] = String(
      (await world.arm('GET', blue)).json.properties.properties['strongroom.image'],
    ).split('@');
    return { repository: path.slice('crlab/'.length), digest };
  };
  const has = ({ repository, digest }: { repository: string; digest: string }) =>
    world.registry.getManifest(grant, registryId, repository, digest).then(
      () => true,
      () => false,
    );
  const first = await imageOf();
  assert.equal(await has(first), true);
  const rolled = await world.arm('PUT', blue, deploymentBody({ model: 'azureml:better:1' }));
  assert.equal(rolled.status, 200, rolled.text);
  const second = await imageOf();
  assert.deepEqual([await has(first), await has(second)], [false, true]);
  world.fake.onSubmit = async ({ id }) =>
    world.fake.tell(id, { type: 'finished', reason: 'init_failed', exitCode: 3, message: 'init() raised X.' });
  assert.equal((await world.arm('PUT', blue, deploymentBody())).status, 424);
  assert.deepEqual([await has(first), await has(second)], [false, true]);
  await world.arm('PATCH', endpointId, { properties: { traffic: { blue: 0 } } });
  await world.arm('DELETE', blue);
  await world.tasks.drain();
  assert.equal(await has(second), false);
});

test('a deployment is an image that was built, and a process that was ready', async (t) => {
  const world = await setUp(t);
  await furnish(world, { environmentVariables: { GREETING: 'hello' }, description: 'scores of 2026' });
  const { json } = await world.arm('GET', blue);
  assert.equal(json.properties.description, 'scores of 2026');
  assert.equal(json.properties.provisioningState, 'Succeeded');
  assert.deepEqual(json.properties.scaleSettings, { scaleType: 'Default' });
  assert.match(
    json.properties.properties['strongroom.image'],
    /^crlab\/deployments\/[0-9a-f-]{36}@sha256:[0-9a-f]{64}$/,
  );
  assert.equal(json.properties.properties['strongroom.health'], 'Healthy');
  const [work] = world.fake.running();
  assert.equal(work?.kind, 'score');
  assert.equal(work?.computeId, undefined);
  const { document } = await world.fake.documentOf(work?.id ?? '');
  const score = document.score as Record<string, unknown>;
  assert.match(String(score['token']), /^pull-token:.*deployments/);
  assert.equal(score['entryScript'], 'score.py');
  assert.equal(score['appRoot'], '/var/azureml-app');
  assert.equal(score['modelDir'], '/var/azureml-app/azureml-models/credit/1');
  assert.deepEqual(score['environment'], { GREETING: 'hello' });
  // An answer can be sent back as it was given.
  const again = await world.arm('PUT', blue, json);
  assert.equal(again.status, 200, again.text);
  assert.equal(world.fake.running().length, 1);
});

test('what a deployment may not be is said before anything is made', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  const refused = async (more: Readonly<Record<string, unknown>>, what: RegExp, capacity = 1) => {
    const { put } = await world.make(`${endpointId}/deployments/green`, deploymentBody(more, capacity));
    assert.ok(put.status === 400 || put.status === 404, `${put.status} ${put.text}`);
    assert.match(put.text, what);
  };
  const code = (more: object) => ({ codeConfiguration: { codeId, scoringScript: 'score.py', ...more } });
  await refused({ endpointComputeType: 'Kubernetes' }, /Use 'Managed'/);
  await refused({ codeConfiguration: null }, /codeConfiguration/);
  await refused(code({ scoringScript: 'nope.py' }), /has no file/);
  await refused(code({ scoringScript: 'score.sh' }), /\.py/);
  await refused(code({ codeId: '/subscriptions/x' }), /must name a version/);
  await refused({ model: 'azureml:nothing:1' }, /nothing/);
  await refused({ model: '/etc/passwd' }, /must name a version/);
  await refused({ requestSettings: { requestTimeout: 'PT181S' } }, /180 seconds/);
  await refused({ requestSettings: { requestTimeout: 'soon' } }, /ISO 8601/);
  await refused({ requestSettings: { maxConcurrentRequestsPerInstance: 0 } }, /maxConcurrent/);
  await refused({ environmentVariables: { KEY: `ghp_${'a'.repeat(36)}` } }, /looks like a GitHub token/);
  await refused({ environmentVariables: { AZUREML_MODEL_DIR: '/' } }, /set by the service/);
  for (const secret of [
    'keyvault:https://crvision.vault.localhost/secrets/key',
    'azureml://connections/x/credentials/key',
  ])
    await refused(
      { environmentVariables: { KEY: `\${{${secret}}}` } },
      /KEY refers to a secret, and what scores gets none/,
    );
  await refused({ scaleSettings: { scaleType: 'TargetUtilization' } }, /capacity/);
  await refused({}, /capacity/, 0);
  await refused({}, /capacity/, 11);
  assert.equal((await world.arm('GET', `${endpointId}/deployments/green`)).status, 404);
});

test('a script whose init() fails makes a failed deployment that says why, in the words of the script', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  world.fake.onSubmit = async ({ id }) => {
    await world.fake.tell(id, { type: 'output', text: 'Traceback (most recent call last):\n  File "score.py"\n' });
    await world.fake.tell(id, { type: 'output', text: 'FileNotFoundError: weights.bin is not there\n' });
    await world.fake.tell(id, {
      type: 'finished',
      reason: 'init_failed',
      exitCode: 3,
      message: 'init() of the scoring script raised FileNotFoundError. The log has the details.',
    });
  };
  const green = `${endpointId}/deployments/green`;
  const { put, got } = await world.make(green, deploymentBody());
  assert.equal(got.json.properties.provisioningState, 'Failed');
  const operation = await world.arm('GET', new URL(String(put.headers['azure-asyncoperation'])).pathname);
  assert.equal(operation.json.status, 'Failed');
  assert.match(operation.json.error.message, /init\(\).*FileNotFoundError: weights\.bin is not there/);
  const logs = await world.arm('POST', `${green}/getLogs`, { containerType: 'InferenceServer', tail: 1 });
  assert.equal(logs.json.content, 'FileNotFoundError: weights.bin is not there\n');
  assert.equal(
    (await world.arm('PATCH', endpointId, { properties: { traffic: { blue: 0, green: 100 } } })).status,
    400,
  );
  // Corrected and sent again, it is made again.
  world.fake.onSubmit = async ({ id }) => world.fake.tell(id, { type: 'ready' });
  assert.equal((await world.make(green, deploymentBody())).got.json.properties.provisioningState, 'Succeeded');
});

test('a deployment that does not get ready in time fails, and its process is ended', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  const before = world.fake.running().length;
  world.fake.onSubmit = async () => {};
  await world.arm('PUT', `${endpointId}/deployments/green`, deploymentBody());
  const drained = world.tasks.drain();
  await world.fake.until(() => world.fake.running().length > before);
  await world.storage.clock.asleep(1);
  await world.storage.clock.advance(121_000);
  await drained;
  const { json } = await world.arm('GET', `${endpointId}/deployments/green`);
  assert.equal(json.properties.provisioningState, 'Failed');
  assert.equal(world.fake.running().length, before);
});

test('of a workspace of high business impact nothing that its code prints is kept', async (t) => {
  const world = await setUp(t, { hbi: true });
  await furnish(world);
  const [work] = world.fake.running();
  await world.fake.tell(work?.id ?? '', { type: 'output', text: 'a patient record\n' });
  assert.equal((await world.arm('POST', `${blue}/getLogs`, {})).json.content, '');
});

test('capacity is a number of processes, and changes while requests are answered', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, {}, 2);
  assert.equal(world.fake.running().length, 2);
  const scale = async (capacity: number) => world.arm('PATCH', blue, { sku: { name: 'Default', capacity } });
  assert.equal((await scale(3)).json.sku.capacity, 3);
  await world.fake.until(() => world.fake.running().length === 3);
  assert.equal((await scale(1)).json.sku.capacity, 1);
  await world.fake.until(() => world.fake.running().length === 1);
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
});

test('another model is rolled out beside what runs, and takes over only when it is ready', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const [old] = world.fake.running();
  await world.register('models', 'better', { 'model.json': '{"weights":[3]}' });
  world.fake.onSubmit = async ({ id }) =>
    world.fake.tell(id, { type: 'finished', reason: 'init_failed', exitCode: 3, message: 'init() raised X.' });
  const failed = await world.arm('PUT', blue, deploymentBody({ model: 'azureml:better:1' }));
  assert.equal(failed.status, 424);
  assert.deepEqual(
    world.fake.running().map(({ id }) => id),
    [old?.id],
  );
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
  world.fake.onSubmit = async ({ id }) => world.fake.tell(id, { type: 'ready' });
  const rolled = await world.arm('PUT', blue, deploymentBody({ model: 'azureml:better:1' }));
  assert.equal(rolled.status, 200, rolled.text);
  assert.equal(world.fake.running().length, 1);
  assert.notEqual(world.fake.running()[0]?.id, old?.id);
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
});

/** A model that answers only when it is told to. */
function holdModel(world: World, count = 1) {
  const held: (() => void)[] = [];
  const arrived = Promise.withResolvers<void>();
  world.agent.model = (request, body, response) => {
    held.push(() => answering(200, {})(request, body, response));
    if (held.length === count) arrived.resolve();
  };
  return { arrived: arrived.promise, release: () => held.forEach((answer) => void answer()) };
}

test('what is replaced answers the requests that it has before it ends, and who waits is served by what replaces it', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, { requestSettings: { requestTimeout: 'PT30S', maxQueueWait: 'PT30S' } });
  await world.register('models', 'better', { 'model.json': '{"weights":[3]}' });
  const [old] = world.fake.running();
  const { arrived, release } = holdModel(world);
  const running = world.score('{}', { headers: bearer });
  await arrived;
  const waiting = world.score('{}', { headers: bearer });
  await world.storage.clock.asleep(1);
  const requestSettings = { requestTimeout: 'PT30S', maxQueueWait: 'PT30S' };
  const rolled = await world.arm('PUT', blue, deploymentBody({ model: 'azureml:better:1', requestSettings }));
  assert.equal(rolled.status, 200, rolled.text);
  assert.ok(world.fake.running().some(({ id }) => id === old?.id));
  world.agent.model = answering(200, {});
  release();
  assert.deepEqual([(await running).status, (await waiting).status], [200, 200]);
  await world.fake.until(() => world.fake.running().every(({ id }) => id !== old?.id));
  assert.equal(world.fake.running().length, 1);
});

test('scaled down while it answers, a process ends after its answer, or when the longest request is over', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, { requestSettings: { requestTimeout: 'PT30S' } }, 2);
  const both = world.fake.running().map(({ id }) => id);
  const { arrived, release } = holdModel(world, 2);
  const replies = [world.score('{}', { headers: bearer }), world.score('{}', { headers: bearer })];
  await arrived;
  const down = await world.arm('PATCH', blue, { sku: { name: 'Default', capacity: 1 } });
  assert.equal(down.status, 200, down.text);
  await world.storage.clock.asleep(1);
  assert.deepEqual(
    world.fake.running().map(({ id }) => id),
    both,
  );
  await world.storage.clock.advance(30_000);
  await world.fake.until(() => world.fake.running().length === 1);
  release();
  await Promise.all(replies);
});

test('a process that ends is started again, with growing pauses, and the deployment says that it is unhealthy', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const health = async () => (await world.arm('GET', blue)).json.properties.properties['strongroom.health'];
  const end = { type: 'finished', reason: 'memory', exitCode: null, message: undefined } as const;
  world.fake.onSubmit = async () => {};
  for (const pauseMs of [1_000, 2_000, 4_000]) {
    const [work] = world.fake.running();
    await world.fake.tell(work?.id ?? '', end);
    assert.equal(await health(), 'Unhealthy');
    assert.equal((await world.score('{}', { headers: bearer })).status, 424);
    await world.storage.clock.advance(pauseMs - 1);
    assert.equal(world.fake.running().length, 0);
    await world.storage.clock.advance(1);
    assert.equal(world.fake.running().length, 1);
  }
  const [work] = world.fake.running();
  await world.fake.tell(work?.id ?? '', { type: 'ready' });
  assert.equal(await health(), 'Healthy');
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
});

test('after a crash of the server everything that was deployed is served again, with the same keys', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, {}, 2);
  const again = await world.restart();
  assert.equal((await again.score('{}', { headers: bearer })).status, 401);
  await again.start();
  await again.fake.until(() => again.fake.running().length === 2);
  assert.equal((await again.score('{}', { headers: bearer })).status, 200);
  // Work of the life before is nobody's.
  await assert.rejects(world.fake.documentOf('unknown'));
});

test('what a workspace ran ends with it, also when nobody could read what there was', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world, {}, 2);
  assert.equal(world.fake.running().length, 2);
  await world.endpoints.removed(testGrant(), `${workspaceId}2`);
  assert.equal((await world.score('{}', { headers: bearer })).status, 200, 'another workspace');
  await world.endpoints.removed(testGrant(), workspaceId.toUpperCase());
  assert.equal(world.fake.running().length, 0);
  assert.equal((await world.score('{}', { headers: bearer })).status, 401);
});

test('a lost agent loses no deployment', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const [work] = world.fake.running();
  await world.fake.tell(work?.id ?? '', { type: 'lost' });
  await world.storage.clock.advance(1_000);
  assert.equal(world.fake.running().length, 1);
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
});

test('what is still coming up ends with its workspace, and does not come up for nobody', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  const begun = Promise.withResolvers<string>();
  world.fake.onSubmit = async ({ id }) => begun.resolve(id);
  const made = world.make(`${endpointId}/deployments/green`, deploymentBody());
  const green = await begun.promise;
  await world.endpoints.removed(testGrant(), workspaceId);
  assert.equal((await made).got.json.properties.provisioningState, 'Failed');
  assert.equal(world.fake.items.has(green), false);
  assert.deepEqual(world.fake.running(), []);
});

test('a deployment that is being removed gets no traffic, whatever was checked before', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  const green = `${endpointId}/deployments/green`;
  await world.make(green, deploymentBody());
  const traffic = { blue: 0, green: 100 };
  const [cancelling, cancelled] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { cancel } = world.work;
  Object.assign(world.work, {
    cancel: async (...args: Parameters<typeof cancel>) => {
      cancelling.resolve();
      await cancelled.promise;
      return cancel(...args);
    },
  });
  await world.arm('DELETE', green);
  const late = await world.arm('PATCH', endpointId, { properties: { traffic } });
  assert.deepEqual([late.status, late.json.error.code], [400, 'DeploymentNotFound']);
  const drained = world.tasks.drain();
  await cancelling.promise;
  // As if the check had been before the removal began.
  const kind = world.endpoints.kinds.find(({ title }) => title === 'online endpoint');
  const endpoint = await world.resources.get(testGrant(), endpointId);
  const asked = { ...endpoint, properties: { ...endpoint.properties, traffic } };
  await assert.rejects(
    async () => kind?.update?.(testGrant(), asked, endpoint),
    (error) => error instanceof Failure && error.code === 'DeploymentNotFound',
  );
  cancelled.resolve();
  await drained;
  assert.equal((await world.arm('GET', green)).status, 404);
  assert.deepEqual((await world.arm('GET', endpointId)).json.properties.traffic, { blue: 100 });
  assert.equal((await world.score('{}', { headers: bearer })).status, 200);
});

test('probes are kept, as newer clients send them, and the answer says that they have no effect', async (t) => {
  const world = await setUp(t);
  await furnish(world);
  const livenessProbe = { initialDelay: 'PT10S', period: 'PT10S', timeout: 'PT2S', failureThreshold: 30 };
  const { put, got } = await world.make(`${endpointId}/deployments/green`, deploymentBody({ livenessProbe }));
  assert.deepEqual(put.json.properties.livenessProbe, livenessProbe);
  assert.match(got.json.strongroom.withoutEffect['properties.livenessProbe'], /ready when init\(\) has returned/);
  assert.equal(got.json.properties.provisioningState, 'Succeeded');
});
