// Clusters as resources, and their nodes: what is accepted and what is refused, growing with work, shrinking with idle time,
// the bound over all of them, and deletion under way.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { testGrant } from '#kernel/testing/authority';
import { clusterId, createOwner, grant, openFolder, openWorld, specOf, workspaceId } from './testing/world.ts';

const exited = { type: 'finished', reason: 'exited', exitCode: 0 } as const;

async function openLab(t: TestContext, options: Parameters<typeof openWorld>[1] = {}) {
  const world = await openWorld(t, options);
  await world.furnish();
  const played = await world.agent();
  const submit = async (label: string, cluster: string) => {
    const spec = specOf(label, { computeId: clusterId(cluster) });
    await world.compute.work.submit(grant, spec);
    return spec;
  };
  const read = async (name: string) => (await world.arm('GET', clusterId(name))).body.properties;
  const counts = async (name: string) => {
    const { nodeStateCounts, currentNodeCount, targetNodeCount, allocationState } = (await read(name)).properties;
    const { idleNodeCount: idle, runningNodeCount: running, preparingNodeCount: preparing } = nodeStateCounts;
    return { idle, running, preparing, current: currentNodeCount, target: targetNodeCount, allocationState };
  };
  return { ...world, played, submit, read, counts };
}

describe('a compute cluster', () => {
  it('is made as a long-running operation, and shows what it is', async (t) => {
    const { arm, cluster, read } = await openLab(t);
    const answer = await cluster('cpu', { maxNodeCount: 4, minNodeCount: 1, nodeIdleTimeBeforeScaleDown: 'PT5M' });
    assert.equal(answer.status, 201);
    assert.match(answer.headers.get('azure-asyncoperation') ?? '', /operationsStatus/);
    const properties = await read('cpu');
    assert.equal(properties.provisioningState, 'Succeeded');
    assert.equal(properties.computeType, 'AmlCompute');
    assert.equal(properties.computeLocation, 'local');
    assert.equal(properties.isAttachedCompute, false);
    assert.equal(properties.provisioningErrors, null);
    assert.deepEqual(properties.properties.scaleSettings, {
      minNodeCount: 1,
      maxNodeCount: 4,
      nodeIdleTimeBeforeScaleDown: 'PT5M',
    });
    assert.equal(properties.properties.vmSize, 'Standard_DS3_v2');
    const { nodes } = (await arm('POST', `${clusterId('cpu')}/listNodes`)).body;
    assert.equal(nodes.length, 1);
    assert.equal(nodes[0].nodeState, 'idle');
    assert.equal((await arm('GET', `${workspaceId}/computes`)).body.value.length, 1);
  });

  it('is refused by name when it is of another type, and by its place when something is wrong', async (t) => {
    const { arm } = await openLab(t);
    const put = async (properties: unknown, name = 'cpu') => {
      const { status, body } = await arm('PUT', clusterId(name), { properties });
      return { status, message: String(body.error?.message) };
    };
    const aml = (properties: object) => put({ computeType: 'AmlCompute', properties });
    const scale = (scaleSettings: object) => aml({ scaleSettings });
    const refused = async (asked: Promise<{ status: number; message: string }>, message: RegExp) => {
      const { status, message: said } = await asked;
      assert.match(said, message);
      assert.equal(status, 400);
    };
    await refused(put({ computeType: 'VirtualMachine', properties: { address: '10.0.0.1' } }), /Use 'AmlCompute'/);
    await refused(
      put({ computeType: 'Toaster', description: 5 }),
      /^Compute of type 'Toaster' is not served here\. Use 'AmlCompute'/,
    );
    await refused(put({ properties: {} }), /needs 'computeType'/);
    await refused(aml({}), /scaleSettings is required/);
    await refused(
      scale({ maxNodeCount: -1 }),
      /^The body is not valid: properties.properties.scaleSettings.maxNodeCount must be >= 0\.$/,
    );
    await refused(scale({ maxNodeCount: 2, minNodeCount: 3 }), /minNodeCount 3 is more than maxNodeCount 2/);
    await refused(scale({ maxNodeCount: 9 }), /at most 8/);
    await refused(scale({ maxNodeCount: 2, nodeIdleTimeBeforeScaleDown: '5 minutes' }), /ISO 8601/);
    await refused(scale({ maxNodeCount: 2, nodeIdleTimeBeforeScaleDown: 'P8D' }), /7 days/);
    await refused(aml({ osType: 'Windows', scaleSettings: { maxNodeCount: 1 } }), /Linux/);
    await refused(aml({ scaleSetings: { maxNodeCount: 1 } }), /did you mean/);
    for (const name of ['ab', '1abc', 'cluster-12', 'a'.repeat(25), 'under_score'])
      await refused(
        put({ computeType: 'AmlCompute', properties: { scaleSettings: { maxNodeCount: 1 } } }, name),
        /name/,
      );
  });

  it('refuses what would open or close a node otherwise than all are, and keeps no password', async (t) => {
    const { arm } = await openLab(t);
    const put = (inner: object, outer: object = {}) =>
      arm('PUT', clusterId('cpu'), {
        location: 'local',
        ...outer,
        properties: { computeType: 'amlcompute', properties: { scaleSettings: { maxNodeCount: 1 }, ...inner } },
      });
    for (const inner of [
      { remoteLoginPortPublicAccess: 'Enabled' },
      { userAccountCredentials: { adminUserName: 'root', adminUserPassword: 'canary-password' } },
      { subnet: { id: '/subscriptions/s/subnets/x' } },
      { isolatedNetwork: true },
    ]) {
      const { status, body } = await put(inner);
      assert.deepEqual(
        [status, body.error.code, body.error.target],
        [400, 'PropertyNotServed', `properties.properties.${Object.keys(inner)[0]}`],
      );
      assert.ok(!JSON.stringify(body).includes('canary-password'));
    }
    const identity = { type: 'UserAssigned', userAssignedIdentities: { no_id_at_all: {} } };
    for (const asked of [identity, { type: 'SystemAssigned' }])
      assert.equal((await put({}, { identity: asked })).body.error.target, 'identity');
    assert.equal((await arm('GET', clusterId('cpu'))).status, 404);
  });

  it('takes what Python’s client always sends, and shows what is so', async (t) => {
    const { arm, tasks } = await openLab(t);
    const answer = await arm('PUT', clusterId('cpu'), {
      location: 'local',
      properties: {
        computeType: 'AmlCompute',
        disableLocalAuth: true,
        properties: {
          osType: 'Linux',
          vmSize: 'Standard_DS3_v2',
          vmPriority: 'dedicated',
          scaleSettings: { maxNodeCount: 1, minNodeCount: 0 },
          remoteLoginPortPublicAccess: 'NotSpecified',
          enableNodePublicIp: true,
        },
      },
    });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    await tasks.drain();
    const shown = await arm('GET', clusterId('cpu'));
    const { disableLocalAuth, properties } = shown.body.properties;
    assert.deepEqual(
      [disableLocalAuth, properties.enableNodePublicIp, properties.subnet, properties.vmPriority],
      [true, false, null, 'Dedicated'],
    );
    assert.equal((await arm('PUT', clusterId('cpu'), shown.body)).status, 200);
  });

  it('grows with waiting work up to its bound, and shrinks after its idle time', async (t) => {
    const { cluster, submit, counts, played, clock, compute, arm } = await openLab(t);
    await cluster('cpu', { maxNodeCount: 2, nodeIdleTimeBeforeScaleDown: 'PT2M' });
    assert.deepEqual(await counts('cpu'), {
      idle: 0,
      running: 0,
      preparing: 0,
      current: 0,
      target: 0,
      allocationState: 'Steady',
    });
    for (const label of ['a', 'b', 'c']) await submit(label, 'cpu');
    assert.equal((await counts('cpu')).target, 2);
    assert.equal((await counts('cpu')).allocationState, 'Resizing');
    const { start } = (await played.poll()).body;
    assert.deepEqual(
      start.map(({ label }) => label),
      ['a', 'b'],
    );
    const [a, b] = start;
    assert.ok(a && b);
    assert.equal((await counts('cpu')).preparing, 2);
    await played.report(a, 1, { type: 'running' });
    assert.deepEqual(await counts('cpu'), {
      idle: 0,
      running: 1,
      preparing: 1,
      current: 2,
      target: 2,
      allocationState: 'Steady',
    });
    const { nodes } = (await arm('POST', `${clusterId('cpu')}/listNodes`)).body;
    assert.deepEqual(nodes.map(({ runId }: { runId: string }) => runId).sort(), ['a', 'b']);
    // The node that becomes free takes the next at once.
    const polling = played.poll([a, b].map(({ id, fence }) => ({ id, fence })));
    await played.report(a, 2, exited);
    const c = (await polling).body.start[0];
    assert.equal(c?.label, 'c');
    await played.report(b, 1, exited);
    await played.report(c, 1, exited);
    assert.deepEqual((await counts('cpu')).idle, 2);
    await clock.advance(60_000 - 20_000);
    assert.equal((await counts('cpu')).current, 2);
    await played.begin();
    await clock.advance(40_000);
    await played.begin();
    await clock.advance(45_000);
    assert.equal((await counts('cpu')).current, 0);
    assert.equal(compute.readiness().state, 'ready');
  });

  it('keeps its least nodes, and changes with its scale settings', async (t) => {
    const { cluster, arm, counts } = await openLab(t);
    await cluster('cpu', { maxNodeCount: 4, minNodeCount: 3 });
    assert.equal((await counts('cpu')).idle, 3);
    const patched = await arm('PATCH', clusterId('cpu'), {
      properties: { properties: { scaleSettings: { minNodeCount: 1, maxNodeCount: 2 } } },
    });
    assert.equal(patched.status, 200);
    assert.equal((await counts('cpu')).current, 2);
    const resized = await arm('PATCH', clusterId('cpu'), { properties: { properties: { vmSize: 'Standard_NC6' } } });
    assert.equal(resized.status, 400);
    assert.match(resized.body.error.message, /cannot change/);
  });

  it('shares the nodes of the installation with the others: idle ones go where work waits', async (t) => {
    const { cluster, submit, counts, played } = await openLab(t, { maxNodes: 2 });
    await cluster('one', { maxNodeCount: 2, nodeIdleTimeBeforeScaleDown: 'PT1H' });
    await cluster('two', { maxNodeCount: 2 });
    await submit('a', 'one');
    await submit('b', 'one');
    const [a, b] = (await played.poll()).body.start;
    assert.ok(a && b);
    await submit('c', 'two');
    const polling = played.poll([a, b].map(({ id, fence }) => ({ id, fence })));
    await played.report(a, 1, exited);
    assert.equal((await polling).body.start[0]?.label, 'c');
    assert.equal((await counts('one')).current, 1);
    assert.equal((await counts('two')).current, 1);
    const third = await cluster('three', { maxNodeCount: 2, minNodeCount: 2 });
    assert.equal(third.status, 201);
    const fourth = await cluster('four', { maxNodeCount: 2, minNodeCount: 1 });
    assert.equal(fourth.status, 400);
    assert.equal(fourth.body.error.code, 'QuotaExceeded');
  });

  it('stops what it runs and what waits for it when it is deleted', async (t) => {
    const { cluster, submit, played, arm, owner, tasks, compute } = await openLab(t);
    await cluster('cpu', { maxNodeCount: 1 });
    const running = await submit('running', 'cpu');
    const [item] = (await played.poll()).body.start;
    assert.ok(item);
    await played.report(item, 1, { type: 'running' });
    const waiting = await submit('waiting', 'cpu');
    const detached = await arm('DELETE', `${clusterId('cpu')}?underlyingResourceAction=Detach`);
    assert.equal(detached.status, 400);
    assert.equal(detached.body.error.code, 'InvalidQueryParameterValue');
    assert.match(detached.body.error.message, /underlyingResourceAction.*Delete/);
    const removed = await arm('DELETE', `${clusterId('cpu')}?underlyingResourceAction=Delete`);
    assert.equal(removed.status, 202);
    const draining = tasks.drain();
    await owner.heard(waiting.id, 'finished');
    assert.match(JSON.stringify(owner.endOf(waiting.id)), /was deleted/);
    const held = { id: item.id, fence: item.fence };
    assert.deepEqual((await played.poll([held])).body.stop, [{ ...held, graceSeconds: 0 }]);
    await assert.rejects(submit('late', 'cpu'), { code: 'ComputeNotReady' });
    await played.report(item, 2, { type: 'finished', reason: 'stopped', exitCode: null });
    await draining;
    assert.equal((await arm('GET', clusterId('cpu'))).status, 404);
    assert.equal(await compute.work.state(running.id), 'finished');
    await assert.rejects(submit('later', 'cpu'), { code: 'ComputeNotFound' });
  });

  it('goes with its workspace, and what it runs ends, when nobody could remove it by itself', async (t) => {
    const { cluster, submit, played, compute, owner, arm } = await openLab(t, { maxNodes: 2 });
    await cluster('cpu', { maxNodeCount: 2, minNodeCount: 2 });
    await submit('runs', 'cpu');
    const [item] = (await played.poll()).body.start;
    assert.ok(item);
    await compute.removed(testGrant(), `${workspaceId}er`);
    const gone = compute.removed(testGrant(), workspaceId);
    const held = { id: item.id, fence: item.fence };
    assert.deepEqual((await played.poll([held])).body.stop, [{ ...held, graceSeconds: 0 }]);
    await played.report(item, 1, { type: 'finished', reason: 'stopped', exitCode: null });
    await gone;
    assert.deepEqual(owner.typesOf(item.id), ['finished']);
    // Its nodes are free for others.
    const other = await cluster('other', { maxNodeCount: 2, minNodeCount: 2 });
    assert.equal(other.status, 201);
    assert.equal((await arm('GET', clusterId('other'))).body.properties.properties.currentNodeCount, 2);
  });

  it('is there again, with its queue, after the server started again', async (t) => {
    const folder = await openFolder(t);
    const clock = createTestClock();
    const before = await openLab(t, { folder, clock });
    await before.cluster('cpu', { maxNodeCount: 1 });
    const spec = await before.submit('patient', 'cpu');
    await before.close();
    const owner = createOwner();
    const after = await openWorld(t, { folder, clock, owner });
    const played = await after.agent();
    assert.equal((await played.poll()).body.start[0]?.id, spec.id);
    assert.equal((await after.arm('GET', clusterId('cpu'))).body.properties.properties.currentNodeCount, 1);
  });

  it('says what to install when the machine cannot make a sandbox', async (t) => {
    const { cluster, played, read } = await openLab(t);
    await played.begin({
      available: false,
      reason: 'bubblewrap is not installed.',
      remedy: 'sudo apt-get install bubblewrap',
    });
    await cluster('cpu', { maxNodeCount: 2, minNodeCount: 1 });
    const properties = await read('cpu');
    assert.match(JSON.stringify(properties.provisioningErrors), /sudo apt-get install bubblewrap/);
    assert.equal(properties.properties.nodeStateCounts.unusableNodeCount, 1);
  });
});
