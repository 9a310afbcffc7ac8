// The protocol of agents against those who mean harm, or come from an earlier life: other agents' paths and items, old tokens
// and fences, and more than there is room for.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agentLimits } from '@strongroom/contract/agent';
import { agentAudience } from './agents.service.ts';
import { createPlayedAgent, grant, offer, openWorld, specOf } from './testing/world.ts';

const session = { sandbox: { available: true, version: '1' }, reach: offer };

describe('the protocol of agents', () => {
  it('lets nobody in without the token of an agent that is enrolled', async (t) => {
    const { compute, identity, door } = await openWorld(t);
    const { token } = await compute.enrol('local');
    const call = (bearer: string) => createPlayedAgent(door.url, 'local', bearer).post('session', session);
    assert.equal((await call(token)).status, 200);
    const signed = (purpose: string, audience: string, enrolment?: string) =>
      identity.tokens
        .issueToken({ purpose, audience, subject: 'local', claims: { enrolment }, ttlSeconds: 60 })
        .then((issued) => issued.token);
    const strangers = [
      '',
      'x',
      `${token.slice(0, -4)}AAAA`,
      await signed('run', agentAudience),
      await signed('agent', 'urn:strongroom:other'),
      await signed('agent', agentAudience),
      await signed('agent', agentAudience, 'made-up'),
    ];
    for (const stranger of strangers) assert.equal((await call(stranger)).status, 401);
    await compute.enrol('local');
    assert.equal((await call(token)).status, 401);
    const { token: second } = await compute.enrol('local');
    await compute.dismiss('local');
    assert.equal((await call(second)).status, 401);
  });

  it('gives an agent nothing at the path of another, and no item of another', async (t) => {
    const { compute, door, owner, agent, audit } = await openWorld(t);
    const one = await agent('one');
    const spec = specOf('mine');
    await compute.work.submit(grant, spec);
    const [item] = (await one.poll()).body.start;
    assert.ok(item);
    const { token } = await compute.enrol('two');
    const two = createPlayedAgent(door.url, 'two', token);
    await two.begin();
    for (const path of ['session', 'poll', 'token', `items/${spec.id}/events`]) {
      const refused = await two.post(path, {}, 'one');
      assert.equal(refused.status, 403);
      assert.equal(refused.body.error.code, 'AuthorizationFailed');
    }
    const stolen = await two.report(item, 1, { type: 'finished', reason: 'exited', exitCode: 0 });
    assert.equal(stolen.body.error.code, 'LeaseLost');
    const { stop } = (await two.poll([{ id: item.id, fence: item.fence }])).body;
    assert.deepEqual(stop, [{ id: item.id, fence: item.fence, graceSeconds: 0 }]);
    const under = await two.post('poll', { session: one.session(), held: [] });
    assert.equal(under.body.error.code, 'SessionEnded');
    assert.deepEqual(owner.typesOf(spec.id), []);
    assert.ok(audit.entries.some(({ intent }) => intent.decision === 'refused' && intent.scope === '/agents/one'));
  });

  it('refuses reports under an earlier fence or session', async (t) => {
    const { compute, owner, agent } = await openWorld(t);
    const played = await agent();
    const spec = specOf('fenced');
    await compute.work.submit(grant, spec);
    const [item] = (await played.poll()).body.start;
    assert.ok(item);
    const wrong = await played.report({ id: item.id, fence: item.fence + 1 }, 1, { type: 'running' });
    assert.equal(wrong.body.error.code, 'LeaseLost');
    const before = played.session();
    await played.begin();
    await owner.heard(spec.id, 'lost');
    const late = await played.post(`items/${item.id}/events`, {
      session: before,
      fence: item.fence,
      events: [{ seq: 1, event: { type: 'running' } }],
    });
    assert.equal(late.body.error.code, 'SessionEnded');
    assert.deepEqual(owner.typesOf(spec.id), ['lost']);
  });

  it('bounds what it takes', async (t) => {
    const { compute, agent, owner } = await openWorld(t);
    const played = await agent();
    const spec = specOf('big');
    await compute.work.submit(grant, spec);
    const [item] = (await played.poll()).body.start;
    assert.ok(item);
    const output = (text: string) => ({ type: 'output', text }) as const;
    const status = async (...events: Parameters<typeof played.report>[2][]) =>
      (await played.report(item, 1, ...events)).status;
    assert.equal(await status(output('x'.repeat(agentLimits.outputBytes + 1))), 400);
    // As many characters as are allowed, and three times as many bytes.
    assert.equal(await status(output('€'.repeat(agentLimits.outputBytes))), 400);
    assert.equal(await status(...Array.from({ length: agentLimits.eventsOfBatch + 1 }, () => output('x'))), 400);
    const huge = Array.from({ length: 70 }, () => output('x'.repeat(agentLimits.outputBytes)));
    assert.equal(await status(...huge), 413);
    const odd = [
      { type: 'lost' },
      { type: 'output' },
      { type: 'finished', reason: 'because', exitCode: 0 },
      { seq: 1 },
    ];
    for (const event of odd) {
      const request: object = { session: played.session(), fence: item.fence, events: [{ seq: 1, event }] };
      assert.equal((await played.post(`items/${item.id}/events`, request)).status, 400);
    }
    const held = Array.from({ length: agentLimits.held + 1 }, (_, at) => ({ id: `i${at}`, fence: 1 }));
    assert.equal((await played.post('poll', { session: played.session(), held })).status, 400);
    assert.equal(
      (await played.post('session', { ...session, reach: { ...offer, socketPath: 'relative.sock' } })).status,
      400,
    );
    assert.equal((await played.post('session', { ...session, reach: { ...offer, key: 'short' } })).status, 400);
    assert.deepEqual(owner.typesOf(spec.id), []);
    assert.equal(await status(output('x'.repeat(agentLimits.outputBytes))), 200);
  });

  it('renews a token, and answers a poll when its time is over', async (t) => {
    const { agent, clock, door } = await openWorld(t);
    const played = await agent();
    const renewed = await played.post('token', {});
    assert.equal(renewed.status, 200);
    assert.equal((await createPlayedAgent(door.url, 'local', renewed.body.token).begin()).status, 200);
    await played.begin();
    const polling = played.poll();
    await clock.asleep(2);
    await clock.advance(agentLimits.pollSeconds * 1000);
    assert.deepEqual((await polling).body, { start: [], stop: [], tokens: [] });
  });

  it('hands nothing out to an agent that went away while it waited', async (t) => {
    const { compute, door, clock } = await openWorld(t);
    const { token } = await compute.enrol('local');
    const played = createPlayedAgent(door.url, 'local', token);
    await played.begin();
    const gone = new AbortController();
    const polling = fetch(`${door.url}/agent/local/poll`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ session: played.session(), held: [] }),
      signal: gone.signal,
    });
    await clock.asleep(2);
    gone.abort();
    await assert.rejects(polling);
    const spec = specOf('next');
    await compute.work.submit(grant, spec);
    const { start } = (await played.poll()).body;
    assert.equal(start[0]?.id, spec.id);
    assert.equal(start[0]?.fence, 1);
  });
});
