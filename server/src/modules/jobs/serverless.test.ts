// Jobs that name no cluster.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openBench } from '../../../test/lab/jobs.fixture.ts';
import { createServerless } from './serverless.service.ts';

after(() => closeScanPool());

test('a job without a compute runs on the cluster called serverless, which is made for the first one and recorded', async (t) => {
  const { lab, put, of, job, workspaceId } = await openBench(t);
  const id = `${workspaceId}/computes/serverless`;
  assert.equal((await lab.call(lab.owner, 'GET', id)).status, 404);
  const scientist = await lab.person(['AzureML Data Scientist'], workspaceId);
  const [first, second] = await Promise.all([
    put('first', { computeId: undefined }, scientist),
    put('second', { computeId: 'Serverless' }, scientist),
  ]);
  assert.deepEqual([first.status, second.status], [201, 201], first.bytes.toString() + second.bytes.toString());
  for (const name of ['first', 'second']) {
    assert.equal((await job(name)).computeId, 'serverless');
    assert.equal(of(name).spec.computeId, id);
  }
  const { properties } = (await lab.must(lab.owner, 'GET', id)).body;
  assert.deepEqual(properties.properties.scaleSettings, {
    minNodeCount: 0,
    maxNodeCount: 2,
    nodeIdleTimeBeforeScaleDown: properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown,
  });
  const made = lab.now().audit.entries.filter(({ intent }) => intent.operation === 'Computes_MakeServerless');
  assert.ok(made.length >= 1);
  assert.deepEqual([made[0]?.level, made[0]?.intent.parameters], ['activity', { nodes: 2 }]);
  assert.match(made[0]?.intent.reason ?? '', /jobs.make-serverless/);
  // Sent again as it was read.
  assert.equal((await put('first', { computeId: 'serverless' }, scientist)).status, 200);
  assert.equal((await put('first', { computeId: `${workspaceId}/computes/cpu` }, scientist)).status, 409);
});

test('a cluster of that name that is there is used as it is', async (t) => {
  const { lab, cluster, put, of, workspaceId } = await openBench(t);
  const id = await cluster(workspaceId, 'serverless');
  const before = (await lab.must(lab.owner, 'GET', id)).body.properties;
  assert.equal((await put('plain', { computeId: undefined })).status, 201);
  assert.equal(of('plain').spec.computeId, id);
  assert.deepEqual((await lab.must(lab.owner, 'GET', id)).body.properties, before);
  assert.ok(!lab.now().audit.entries.some(({ intent }) => intent.operation === 'Computes_MakeServerless'));
});

test('a job that is refused for something else makes no cluster, and so does who may not submit', async (t) => {
  const { lab, put, workspaceId } = await openBench(t);
  const reader = await lab.person(['Reader'], workspaceId);
  assert.equal((await put('never', { computeId: undefined }, reader)).status, 403);
  assert.equal((await put('never', { computeId: undefined, command: '' })).status, 400);
  const codeId = `${workspaceId}/codes/none/versions/1`;
  assert.equal((await put('never', { computeId: undefined, codeId })).status, 404);
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/computes/serverless`)).status, 404);
});

test('an installation that makes none says which cluster to make', async (t) => {
  const { lab, workspaceId } = await openBench(t);
  const { resources, system } = lab.now();
  const none = createServerless({
    resources,
    grants: { duty: () => system },
    acts: { duty: () => assert.fail('nothing is made') },
    nodes: 0,
  });
  await assert.rejects(none.ensure(workspaceId), { code: 'NoServerlessCompute', message: /called 'serverless'/ });
});
