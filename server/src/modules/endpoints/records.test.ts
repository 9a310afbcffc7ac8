// What a scoring request leaves behind: its record, for as long as the workspace says, and what is counted and measured.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering } from '../../../test/lab/endpoint-work.fixture.ts';
import {
  deploymentBody,
  endpointId,
  furnish,
  insightsId,
  setUp,
  workspaceUid,
} from '../../../test/lab/endpoints.fixture.ts';
import { monitoringMeters } from '../monitoring/meters.ts';
import { endpointsMeters } from './meters.ts';

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
  assert.equal((await world.telemetry.read(monitoringMeters.scoringRequests))[`${workspaceUid} credit  401`], 130);
});

test('where the time of a request goes is measured, and what is gone leaves the page of metrics', async (t) => {
  const world = await setUp(t);
  const { bearer } = await furnish(world);
  await world.make(`${endpointId}/deployments/green`, deploymentBody());
  const parts = async () =>
    (await world.telemetry.samples())
      .filter(({ name }) => name === `${endpointsMeters.parts.name}_count`)
      .map(({ labels, value }) => [labels['part'], value]);
  const counted = async () => {
    const series = Object.keys(await world.telemetry.read(monitoringMeters.scoringRequests)).sort();
    assert.ok(series.every((each) => each.startsWith(`${workspaceUid} `)));
    return series.map((each) => each.slice(workspaceUid.length + 1));
  };
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
