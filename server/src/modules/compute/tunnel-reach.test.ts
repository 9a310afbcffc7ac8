// The tunnel against agents that mean harm or break, played over real HTTP: calls of other sessions and targets, answers that
// are no answers, lengths that are not so, and more than there is room for.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { agentLimits, type CallHead, callHeader } from '@strongroom/contract/agent';
import type { ReachAnswer, ReachCall } from './reach.types.ts';
import { clusterId, createPlayedAgent, grant, openWorld, specOf } from './testing/world.ts';

async function openTunnel(t: TestContext) {
  const clusters = [
    { name: 'far', target: 'pool', maxNodes: 4 },
    { name: 'other', target: 'elsewhere', maxNodes: 4 },
  ];
  const world = await openWorld(t, { clusters });
  const [mine, thief] = [await world.agent('mine', 'pool'), await world.agent('thief', 'elsewhere')];
  const spec = specOf('scoring', { kind: 'score', computeId: clusterId('far') });
  await world.compute.work.submit(grant, spec);
  const [item] = (await mine.poll()).body.start;
  assert.ok(item);
  await mine.report(item, 1, { type: 'ready' });
  const call = (signal = new AbortController().signal): ReachCall => {
    const made = world.compute.work.call(spec.id, {
      method: 'POST',
      path: '/score',
      headers: {},
      body: Buffer.from('secret'),
      signal,
    });
    assert.ok(made);
    made.answer.catch(() => undefined);
    return made;
  };
  type Played = typeof mine;
  const send = (as: Played, name: string, session: string, rest: string, body?: string) =>
    fetch(`${world.door.url}/agent/${name}/sessions/${session}/calls${rest}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${as.token}` },
      ...(body === undefined ? {} : { body }),
    });
  const take = async () => {
    const response = await send(mine, 'mine', mine.session(), '');
    const head = JSON.parse(Buffer.from(response.headers.get(callHeader) ?? '', 'base64url').toString()) as CallHead;
    assert.equal(await response.text(), 'secret');
    return head.call;
  };
  const answer = (id: string, body: string) => send(mine, 'mine', mine.session(), `/${id}`, body);
  return { ...world, mine, thief, item, call, send, take, answer };
}

const head = (headers: object = {}, status = 200) => `${JSON.stringify({ status, headers })}\n`;
const text = async (answer: ReachAnswer) => {
  let read = '';
  for await (const part of answer.body) read += String(part);
  return read;
};

describe('a request in the tunnel', () => {
  it('is with the session that took it: one of another target neither gets nor answers it', async (t) => {
    const { mine, thief, call, send, take, answer, clock } = await openTunnel(t);
    const asked = call();
    const polling = send(thief, 'thief', thief.session(), '');
    await clock.asleep(2);
    await clock.advance(agentLimits.pollSeconds * 1000);
    assert.equal((await polling).status, 204);
    for (const before of [true, false]) {
      const id = before ? 'guessed' : await take();
      const forged = `${head()}forged`;
      assert.equal((await send(thief, 'thief', thief.session(), `/${id}`, forged)).status, 409);
      assert.equal((await send(thief, 'thief', mine.session(), `/${id}`, forged)).status, 409);
      assert.equal((await send(thief, 'mine', mine.session(), `/${id}`, forged)).status, 403);
      if (before) continue;
      assert.equal((await answer(id, `${head({ 'x-model': 'a' }, 201)}done`)).status, 204);
      const got = await asked.answer;
      assert.deepEqual([got.status, got.headers['x-model'], await text(got)], [201, 'a', 'done']);
      assert.equal((await answer(id, forged)).status, 409);
    }
  });

  it('is not answered by what is no answer, and its caller is told that nobody was there', async (t) => {
    const { call, take, answer } = await openTunnel(t);
    const bad = [
      '',
      'no json\n',
      '{"status":200}\n',
      head({}, 99),
      head({ 'x-a': 'b\r\nset-cookie: c' }),
      head({ 'a b': 'c' }),
      'x'.repeat(agentLimits.answerHeadBytes + 1),
    ];
    for (const body of bad) {
      const asked = call();
      const { status } = await answer(await take(), body);
      assert.ok(status === 400 || status === 409, `${status}`);
      await assert.rejects(asked.answer, { code: 'NodeUnreachable' });
    }
  });

  it('has no more and no less of an answer than its length says: the next one would begin in it', async (t) => {
    const { call, take, answer } = await openTunnel(t);
    for (const body of ['HTTP/1.1 200 OK', 'four', '']) {
      const asked = call();
      const sent = answer(await take(), head({ 'content-length': '5' }) + body);
      let read = '';
      await assert.rejects(async () => {
        for await (const part of (await asked.answer).body) read += String(part);
      });
      assert.ok(read.length <= 5, read);
      assert.ok((await sent).status >= 400);
    }
  });

  it('is given up where the agent takes it and says nothing', async (t) => {
    const { call, take, clock } = await openTunnel(t);
    const asked = call();
    await take();
    await clock.advance(10_000);
    await assert.rejects(asked.answer, { code: 'NodeUnreachable' });
  });

  it('is refused beyond as many as may be open, and waits for an agent below that', async (t) => {
    const { call, take, answer } = await openTunnel(t);
    const cut = new AbortController();
    const first = call();
    for (let open = 1; open < agentLimits.calls; open++) call(cut.signal);
    await assert.rejects(call().answer, { code: 'NodeBusy' });
    cut.abort();
    const id = await take();
    await answer(id, `${head()}ok`);
    assert.equal(await text(await first.answer), 'ok');
  });

  it('goes by no socket that an agent elsewhere names', async (t) => {
    const { compute, door } = await openTunnel(t);
    const { token } = await compute.enrol('mine', 'pool');
    const offer = { kind: 'unix', socketPath: '/run/docker.sock', key: 'k'.repeat(43) } as const;
    const refused = await createPlayedAgent(door.url, 'mine', token, offer).post('session', {
      sandbox: { available: true, version: '1' },
      reach: offer,
    });
    assert.deepEqual([refused.status, refused.body.error.code], [403, 'ReachRefused']);
  });
});
