// Targets against sessions that want what is not theirs: work that is placed on one target is handed to no agent of another, and
// nothing that such an agent says or asks changes or shows any of it.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { computeMeters } from './meters.ts';
import { clusterId, createPlayedAgent, grant, offer, openWorld, specOf } from './testing/world.ts';

const exited = { type: 'finished', reason: 'exited', exitCode: 0 } as const;
const elsewhere = { name: 'far', target: 'pool', maxNodes: 2 };

async function openTwo(t: TestContext) {
  const world = await openWorld(t, { clusters: [elsewhere] });
  const [here, there] = [await world.agent('here'), await world.agent('there', 'pool')];
  const submit = async (label: string, computeId?: string) => {
    const spec = specOf(label, { computeId });
    await world.compute.work.submit(grant, spec);
    return spec;
  };
  const far = (label: string) => submit(label, clusterId('far'));
  return { ...world, here, there, submit, far };
}

describe('a session', () => {
  it('takes what is placed on its target, and leaves the rest where it is', async (t) => {
    const { compute, here, there, submit, far } = await openTwo(t);
    const [mine, theirs] = [await submit('mine'), await far('theirs')];
    const taken = async (played: typeof here) => (await played.poll()).body.start.map(({ id }) => id);
    assert.deepEqual(await taken(there), [theirs.id]);
    assert.equal(await compute.work.state(mine.id), 'queued');
    assert.deepEqual(await taken(here), [mine.id]);
  });

  it('is refused when it asks for, reports on, ends or reads what another target has, and nothing changes', async (t) => {
    const { compute, owner, here, there, far, clock } = await openTwo(t);
    const waiting = await far('waiting');
    // Nothing to hand out: the poll waits until its time is over.
    const polling = here.poll();
    await clock.asleep(2);
    await clock.advance(25_000);
    assert.deepEqual((await polling).body, { start: [], stop: [], tokens: [] });
    for (const fence of [1, 2]) {
      const refused = await here.report({ id: waiting.id, fence }, 1, exited);
      assert.deepEqual([refused.status, refused.body.error.code], [409, 'LeaseLost']);
    }
    assert.equal(await compute.work.state(waiting.id), 'queued');

    const [item] = (await there.poll()).body.start;
    assert.equal(item?.id, waiting.id);
    assert.ok(item);
    await there.report(item, 1, { type: 'running' });
    // It knows everything of it but its holder's token: id, fence, the number of the next event.
    for (const event of [{ type: 'output', text: 'forged' }, { type: 'ready' }, exited] as const) {
      const refused = await here.report(item, 2, event);
      assert.deepEqual([refused.status, refused.body.error.code], [409, 'LeaseLost']);
    }
    // Holding it in vain is answered with the order to stop, and without its document or its token.
    const held = { id: item.id, fence: item.fence };
    assert.deepEqual((await here.poll([held])).body, { start: [], stop: [{ ...held, graceSeconds: 0 }], tokens: [] });
    for (const path of ['poll', `items/${item.id}/events`]) {
      const body: object = path === 'poll' ? { held: [] } : { fence: item.fence, events: [{ seq: 2, event: exited }] };
      const stolen = await here.post(path, { session: there.session(), ...body });
      assert.deepEqual([stolen.status, stolen.body.error.code], [409, 'SessionEnded']);
      assert.equal((await here.post(path, { session: there.session(), ...body }, 'there')).status, 403);
    }
    assert.deepEqual(owner.typesOf(item.id), ['running']);
    assert.equal(await compute.work.state(item.id), 'running');
    // Its holder was not disturbed.
    assert.equal((await there.report(item, 2, exited)).status, 200);
    assert.deepEqual(owner.typesOf(item.id), ['running', 'finished']);
  });

  it('cannot say of which target it is', async (t) => {
    const { compute, door, far } = await openTwo(t);
    const { token } = await compute.enrol('here');
    const played = createPlayedAgent(door.url, 'here', token);
    const asked = await played.post('session', {
      sandbox: { available: true, version: '1' },
      reach: offer,
      target: 'pool',
    });
    assert.equal(asked.status, 400);
    await played.begin();
    const spec = await far('theirs');
    assert.deepEqual((await played.post('session', { target: 'pool' })).status, 400);
    assert.equal(await compute.work.state(spec.id), 'queued');
  });
});

describe('a target', () => {
  it('is ready by its own agents, and refuses by itself', async (t) => {
    const { compute, agent } = await openWorld(t, { clusters: [elsewhere] });
    const far = () => compute.work.submit(grant, specOf('far', { computeId: clusterId('far') }));
    const here = () => compute.work.submit(grant, specOf('here'));
    await agent('here');
    assert.deepEqual([compute.readiness().state, compute.readiness('pool').state], ['ready', 'none']);
    await here();
    await assert.rejects(far(), { code: 'NoComputeAgent' });
    const there = await agent('there', 'pool');
    await there.begin({ available: false, reason: 'bubblewrap is missing.', remedy: 'install it' });
    await assert.rejects(far(), { code: 'SandboxUnavailable' });
    assert.equal(compute.readiness().state, 'ready');
    await there.begin();
    await far();
    assert.equal(compute.readiness('pool').state, 'ready');
  });

  it('has its own nodes: idle ones of another make no room on it', async (t) => {
    const world = await openWorld(t, { clusters: [elsewhere], maxNodes: 1 });
    await world.furnish();
    const [here, there] = [await world.agent('here'), await world.agent('there', 'pool')];
    await world.cluster('near', { maxNodeCount: 1, minNodeCount: 1 });
    const submit = (label: string, name: string) =>
      world.compute.work.submit(grant, specOf(label, { computeId: clusterId(name) }));
    await submit('a', 'far');
    await submit('b', 'near');
    assert.deepEqual(
      (await there.poll()).body.start.map(({ label }) => label),
      ['a'],
    );
    assert.deepEqual(
      (await here.poll()).body.start.map(({ label }) => label),
      ['b'],
    );
    assert.deepEqual(await world.telemetry.read(computeMeters.nodes), { idle: 0, busy: 2 });
  });

  it('keeps what was placed on it over a start', async (t) => {
    const first = await openTwo(t);
    const spec = await first.far('patient');
    await first.close();
    const again = await openWorld(t, { folder: first.folder, clock: first.clock });
    const [here, there] = [await again.agent('here'), await again.agent('there', 'pool')];
    await again.compute.work.submit(grant, specOf('near'));
    assert.deepEqual(
      (await here.poll()).body.start.map(({ label }) => label),
      ['near'],
    );
    assert.equal((await there.poll()).body.start[0]?.id, spec.id);
  });
});
