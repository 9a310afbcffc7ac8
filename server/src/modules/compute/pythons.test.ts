// What nodes say of their Pythons: what of it is taken, and what of several nodes can be asked for.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agentLimits } from '@strongroom/contract/agent';
import { createPlayedAgent, offer, openWorld } from './testing/world.ts';

const python = (version: string, platform = 'x86_64-linux-gnu') => ({
  version,
  release: `${version}.7`,
  abi: `cpython-${version.replace('.', '')}-${platform}`,
});
const having = (...pythons: readonly ReturnType<typeof python>[]) =>
  ({ available: true, version: '1', pythons }) as const;

describe('the Pythons of a target', () => {
  it('are what each of its agents has, alike in version and ABI, in the order of the first', async (t) => {
    const { compute, agent } = await openWorld(t);
    const versions = async () => (await compute.pythons()).map(({ version }) => version);
    const one = await agent('one');
    await one.begin(having(python('3.11'), python('3.12'), python('3.10'), python('3.9')));
    assert.deepEqual(await versions(), ['3.11', '3.12', '3.10', '3.9']);
    const two = await agent('two');
    await two.begin(having(python('3.9'), python('3.11'), python('3.12', 'x86_64-linux-musl')));
    assert.deepEqual(await versions(), ['3.11', '3.9']);
    // One that cannot run anything takes nothing away, and one of another target has no say.
    await two.begin({ available: false, reason: 'bubblewrap is missing.', remedy: 'install it' });
    await (await agent('far', 'pool')).begin(having());
    assert.deepEqual(await versions(), ['3.11', '3.12', '3.10', '3.9']);
    await two.begin(having());
    assert.deepEqual(await versions(), []);
  });

  it('are others when a poll says so: one that went away while its agent lives is not asked for any more', async (t) => {
    const { compute, agent, clock } = await openWorld(t);
    const versions = async () => (await compute.pythons()).map(({ version }) => version);
    const one = await agent('one');
    await one.begin(having(python('3.11'), python('3.10')));
    const told = async (more: object) => {
      const polled = one.poll([], more);
      await clock.asleep(2);
      await clock.advance(agentLimits.pollSeconds * 1000);
      return (await polled).status;
    };
    assert.equal(await told({ pythons: [python('3.11')] }), 200);
    assert.deepEqual(await versions(), ['3.11']);
    // What a poll does not say stays as it was.
    assert.equal(await told({}), 200);
    assert.deepEqual(await versions(), ['3.11']);
    assert.equal(await told({ pythons: [python('3.11'), python('3.10')] }), 200);
    assert.deepEqual(await versions(), ['3.11', '3.10']);
    assert.equal((await one.poll([], { pythons: ['3.10'] })).status, 400);
    // Where nothing can run, nothing can be asked for.
    await one.begin({ available: false, reason: 'bubblewrap is missing.', remedy: 'install it' });
    assert.equal(await told({ pythons: [python('3.11')] }), 200);
    await assert.rejects(versions(), /bubblewrap is missing/);
  });

  it('are waited for while an agent of the target starts, whoever else begins meanwhile', async (t) => {
    const { compute, door, agent } = await openWorld(t);
    const { token } = await compute.enrol('local');
    const asked = compute.pythons();
    await (await agent('far', 'pool')).begin(having(python('3.12')));
    await createPlayedAgent(door.url, 'local', token).begin(having(python('3.11')));
    assert.deepEqual(
      (await asked).map(({ version }) => version),
      ['3.11'],
    );
  });

  it('are told in one form and in a number that ends', async (t) => {
    const { compute, door } = await openWorld(t);
    const { token } = await compute.enrol('local');
    const played = createPlayedAgent(door.url, 'local', token);
    const begin = async (pythons: unknown) =>
      (await played.post('session', { sandbox: { available: true, version: '1', pythons }, reach: offer })).status;
    assert.equal(await begin([python('3.10')]), 200);
    assert.equal(await begin(Array.from({ length: 32 }, (_, index) => python(`3.${index + 8}`))), 200);
    // More than a request of an agent may hold.
    assert.equal(await begin(Array.from({ length: 1000 }, (_, index) => python(`3.${index}`))), 413);
    for (const wrong of [
      Array.from({ length: 33 }, (_, index) => python(`3.${index + 8}`)),
      ['3.10'],
      [{ ...python('3.10'), version: '2.7' }],
      [{ ...python('3.10'), version: '3.10; rm -rf' }],
      [{ ...python('3.10'), release: '3.10.1\n3.11' }],
      [{ ...python('3.10'), abi: '../../etc' }],
      [{ ...python('3.10'), program: '/usr/bin/python3.10' }],
      [{ version: '3.10' }],
    ])
      assert.equal(await begin(wrong), 400, JSON.stringify(wrong).slice(0, 100));
  });
});
