// What nodes say of the inputs that they keep: work that needs them waits for a node that has them, and holds up nobody.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agentLimits } from '@strongroom/contract/agent';
import { createPlayedAgent, grant, openFolder, openWorld, specOf } from './testing/world.ts';

const available = { available: true, version: '1' };

describe('inputs that nodes keep', () => {
  it('work that needs them goes to a node that keeps as many bytes, and others do not wait behind it', async (t) => {
    const { compute, agent } = await openWorld(t);
    const small = await agent('small');
    const spec = specOf('needs', { keptBytes: 1000 });
    const [before, after] = [specOf('before'), specOf('after')];
    for (const each of [before, spec, after]) await compute.work.submit(grant, each);
    const taken = (await small.poll()).body.start.map(({ id }) => id);
    assert.deepEqual(taken, [before.id, after.id]);
    assert.equal(await compute.work.state(spec.id), 'queued');
    const large = await agent('large');
    await large.begin(available, { inputs: { bytes: 999 } });
    const asked = large.poll([], { inputs: { bytes: 1000 } });
    assert.deepEqual(
      (await asked).body.start.map(({ id }) => id),
      [spec.id],
    );
  });

  it('the most of a target is told, as each node said last, and waited for while one starts', async (t) => {
    const { compute, agent, clock, door } = await openWorld(t);
    const most = () => compute.work.keptBytes(undefined);
    assert.equal(await most(), 0);
    const { token } = await compute.enrol('late');
    const waits = most();
    await createPlayedAgent(door.url, 'late', token).begin(available, { inputs: { bytes: 7 } });
    assert.equal(await waits, 7);
    const one = await agent('one');
    await one.begin(available, { inputs: { bytes: 50 } });
    await (await agent('far', 'pool')).begin(available, { inputs: { bytes: 5000 } });
    assert.equal(await most(), 50);
    const told = async (inputs: object) => {
      const polled = one.poll([], { inputs });
      await clock.asleep(2);
      await clock.advance(agentLimits.pollSeconds * 1000);
      return (await polled).status;
    };
    assert.equal(await told({ reason: 'gocryptfs has ended.' }), 200);
    assert.equal(await most(), 7);
    assert.equal(await told({ bytes: 60 }), 200);
    assert.equal(await most(), 60);
    for (const wrong of [{ bytes: -1 }, { bytes: 1.5 }, { bytes: 1, more: 1 }, { reason: 'x'.repeat(1001) }, {}, 5])
      assert.equal((await one.poll([], { inputs: wrong })).status, 400, JSON.stringify(wrong).slice(0, 60));
    assert.equal(await most(), 60);
  });

  it('work waits for such a node through a restart of the server', async (t) => {
    const folder = await openFolder(t);
    const spec = specOf('needs', { keptBytes: 2 ** 40 });
    const first = await openWorld(t, { folder });
    await first.agent('one');
    await first.compute.work.submit(grant, spec);
    await first.close();
    const second = await openWorld(t, { folder });
    const one = await second.agent('one');
    const free = specOf('free');
    await second.compute.work.submit(grant, free);
    assert.deepEqual(
      (await one.poll()).body.start.map(({ id }) => id),
      [free.id],
    );
    await one.begin(available, { inputs: { bytes: 2 ** 40 } });
    assert.deepEqual(
      (await one.poll()).body.start.map(({ id }) => id),
      [spec.id],
    );
  });
});
