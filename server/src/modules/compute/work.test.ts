// Work from its submission to its end, with agents that a test plays: leases, fences, order, what is lost and what is told.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { Failure } from '#kernel/errors/failure';
import { failNth } from '#kernel/files/faults';
import { testGrant } from '#kernel/testing/authority';
import { computeMeters } from './meters.ts';
import {
  clusterId,
  createOwner,
  grant,
  leaseMs,
  limits,
  openFolder,
  openWorld,
  specOf,
  workspaceId,
} from './testing/world.ts';

const output = (text: string) => ({ type: 'output', text }) as const;
const exited = { type: 'finished', reason: 'exited', exitCode: 0 } as const;
const only = <T>(list: readonly T[]): T => {
  assert.equal(list.length, 1);
  return list[0] as T;
};

describe('work', () => {
  it('reaches a waiting agent at once, and its events reach its owner in order', async (t) => {
    const { compute, owner, agent } = await openWorld(t);
    const played = await agent();
    const polling = played.poll();
    const spec = specOf('one');
    await compute.work.submit(grant, spec);
    const item = only((await polling).body.start);
    assert.equal(item.id, spec.id);
    assert.deepEqual(item.document, { port: 8443, job: { token: 'run-token', command: 'echo hello' } });
    assert.equal(await compute.work.state(spec.id), 'leased');
    await played.report(item, 1, { type: 'preparing' }, { type: 'running' }, output('a'), output('b'));
    assert.equal(await compute.work.state(spec.id), 'running');
    const last = await played.report(item, 5, exited);
    assert.deepEqual(last.body, { lastSeq: 5 });
    assert.deepEqual(owner.typesOf(spec.id), ['preparing', 'running', 'output', 'output', 'finished']);
    assert.equal(owner.outputOf(spec.id), 'ab');
    assert.equal(await compute.work.state(spec.id), 'finished');
    assert.equal((await played.report(item, 5, exited)).body.error.code, 'LeaseLost');
    assert.equal(owner.typesOf(spec.id).length, 5);
  });

  it('is counted by its state, with its nodes and how long the oldest job has waited, over a start too', async (t) => {
    const world = await openWorld(t);
    await world.furnish();
    await world.cluster('cpu', { minNodeCount: 0, maxNodeCount: 1, nodeIdleTimeBeforeScaleDown: 'PT120S' });
    const played = await world.agent();
    const none = { queued: 0, starting: 0, running: 0 };
    const loadOf = async ({ telemetry }: typeof world) => ({
      job: await telemetry.read(computeMeters.jobs),
      score: await telemetry.read(computeMeters.scoring),
      oldest: (await telemetry.read(computeMeters.oldestJob))[''],
      nodes: await telemetry.read(computeMeters.nodes),
    });
    const nothing = { job: none, score: none, oldest: 0, nodes: { idle: 0, busy: 0 } };
    assert.deepEqual(await loadOf(world), nothing);
    const computeId = clusterId('cpu');
    // Waits longer than any job, and is none.
    await world.compute.work.submit(grant, specOf('score', { kind: 'score', computeId: undefined }));
    world.clock.jump(1000);
    for (const label of ['one', 'two']) {
      await world.compute.work.submit(grant, specOf(label, { computeId }));
      world.clock.jump(2000);
    }
    assert.deepEqual(await loadOf(world), {
      ...nothing,
      job: { ...none, queued: 2 },
      score: { ...none, queued: 1 },
      oldest: 4,
    });
    const { start } = (await played.poll()).body;
    const item = only(start.filter(({ label }) => label === 'one'));
    assert.deepEqual(await loadOf(world), {
      job: { queued: 1, starting: 1, running: 0 },
      score: { ...none, starting: 1 },
      oldest: 2,
      nodes: { idle: 0, busy: 1 },
    });
    await played.report(item, 1, { type: 'running' });
    assert.deepEqual((await loadOf(world)).job, { queued: 1, starting: 0, running: 1 });
    await played.report(item, 2, exited);
    assert.deepEqual((await loadOf(world)).job, { ...none, queued: 1 });
    assert.deepEqual((await loadOf(world)).nodes, { idle: 1, busy: 0 });
    await world.close();
    world.clock.jump(5000);
    const later = await openWorld(t, { folder: world.folder, clock: world.clock });
    assert.deepEqual(await loadOf(later), { ...nothing, job: { ...none, queued: 1 }, oldest: 7 });
  });

  it('is the same work when it is submitted again, and refused when its id names something else', async (t) => {
    const { compute, agent } = await openWorld(t);
    const played = await agent();
    const spec = specOf('twice');
    await Promise.all([compute.work.submit(grant, spec), compute.work.submit(grant, spec)]);
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    await played.report(item, 1, exited);
    await compute.work.submit(grant, spec);
    assert.equal(await compute.work.state(spec.id), 'finished');
    await assert.rejects(compute.work.submit(grant, { ...spec, subject: `${workspaceId}/jobs/other` }), {
      code: 'WorkExists',
    });
  });

  it('takes events once, whatever is sent again, and asks for those that are missing', async (t) => {
    const { compute, owner, agent } = await openWorld(t);
    const played = await agent();
    const spec = specOf('again');
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    await played.report(item, 1, output('a'), output('b'));
    assert.deepEqual((await played.report(item, 1, output('a'), output('b'), output('c'))).body, { lastSeq: 3 });
    const gap = await played.report(item, 5, output('e'));
    assert.equal(gap.status, 409);
    assert.equal(gap.body.error.code, 'EventsMissing');
    assert.match(gap.body.error.message, /4 comes next/);
    assert.equal(owner.outputOf(spec.id), 'abc');
  });

  it('has an event sent again that its owner could not take, and no later one before it', async (t) => {
    const { compute, owner, agent } = await openWorld(t);
    const played = await agent();
    const spec = specOf('stubborn');
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    owner.script.refuse = (event) => event.type === 'output' && event.text === 'b';
    const refused = await played.report(item, 1, output('a'), output('b'), output('c'));
    assert.equal(refused.status, 503);
    assert.equal(refused.body.error.code, 'EventNotTaken');
    owner.script.refuse = undefined;
    await played.report(item, 1, output('a'), output('b'), output('c'));
    assert.equal(owner.outputOf(spec.id), 'abc');
  });

  it('tells an end again until its owner takes it, with its message', async (t) => {
    const { compute, owner, agent, clock } = await openWorld(t);
    const played = await agent();
    const spec = specOf('deaf');
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    owner.script.refuse = () => true;
    const answer = await played.report(item, 1, { ...exited, reason: 'setup_failed', exitCode: null, message: 'why' });
    assert.equal(answer.status, 200);
    assert.equal(owner.endOf(spec.id), undefined);
    owner.script.refuse = undefined;
    await clock.advance(5_000);
    await owner.heard(spec.id, 'finished');
    assert.deepEqual(owner.endOf(spec.id), {
      type: 'finished',
      reason: 'setup_failed',
      exitCode: null,
      message: 'why',
    });
  });

  it('is unsettled until its owner has taken its end in', async (t) => {
    const { compute, owner, agent, clock } = await openWorld(t);
    const played = await agent();
    const [waits, runs, deaf] = [specOf('waits'), specOf('runs'), specOf('deaf')];
    const unsettled = async () => (await compute.work.unsettled('job')).map(({ label }) => label);
    await compute.work.submit(grant, deaf);
    const item = only((await played.poll()).body.start);
    owner.script.refuse = () => true;
    await played.report(item, 1, exited);
    await compute.work.submit(grant, runs);
    await played.poll();
    await compute.work.submit(grant, waits);
    assert.deepEqual(
      await unsettled(),
      [deaf, runs, waits].map(({ label }) => label),
    );
    assert.deepEqual(await compute.work.unsettled('score'), []);
    owner.script.refuse = undefined;
    await clock.advance(5_000);
    await owner.heard(deaf.id, 'finished');
    await compute.work.cancel(grant, waits.id, 0);
    assert.deepEqual(await unsettled(), [runs.label]);
  });

  it('ends with the reason when its document cannot be made', async (t) => {
    const owner = createOwner(async () => {
      throw new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key of the workspace is disabled.' });
    });
    const { compute, agent } = await openWorld(t, { owner });
    const played = await agent();
    const spec = specOf('undocumented');
    await compute.work.submit(grant, spec);
    assert.deepEqual((await played.poll()).body.start, []);
    await owner.heard(spec.id, 'finished');
    assert.deepEqual(owner.endOf(spec.id), {
      type: 'finished',
      reason: 'setup_failed',
      exitCode: null,
      message: 'The key of the workspace is disabled.',
    });
  });

  it('is handed out again, under the same fence, when the answer that held it was lost', async (t) => {
    const { compute, agent } = await openWorld(t);
    const played = await agent();
    await compute.work.submit(grant, specOf('repeated'));
    const first = only((await played.poll()).body.start);
    const again = only((await played.poll()).body.start);
    assert.deepEqual({ id: again.id, fence: again.fence }, { id: first.id, fence: first.fence });
  });

  it('is lost, and never handed out a second time, when its agent has let go of what it had begun', async (t) => {
    const { compute, owner, agent } = await openWorld(t);
    const played = await agent();
    const spec = specOf('let-go');
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    await played.report(item, 1, { type: 'running' });
    assert.deepEqual((await played.poll()).body.start, []);
    assert.deepEqual(owner.typesOf(spec.id), ['running', 'lost']);
    assert.equal((await played.report(item, 2, exited)).status, 409);
    assert.equal(await compute.work.state(spec.id), 'lost');
  });

  it('is not lost by a time of day that jumps, and is by a silent agent whichever way it does', async (t) => {
    const { compute, owner, agent, clock } = await openWorld(t);
    const played = await agent();
    const spec = specOf('jump');
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    await played.report(item, 1, { type: 'running' });
    for (const ms of [1_200_000, -1_200_000]) {
      clock.jump(ms);
      await clock.advance(15_000);
      assert.equal((await played.report(item, 1, { type: 'running' })).status, 200);
    }
    assert.deepEqual(owner.typesOf(spec.id), ['running']);
    clock.jump(-3_600_000);
    await clock.advance(leaseMs + 10_000);
    await owner.heard(spec.id, 'lost');
  });

  it('is lost once when its agent is silent for longer than its lease', async (t) => {
    const { compute, owner, agent, clock } = await openWorld(t);
    const played = await agent();
    const spec = specOf('silent');
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    await played.report(item, 1, { type: 'running' });
    await clock.advance(leaseMs + 10_000);
    await owner.heard(spec.id, 'lost');
    const late = await played.report(item, 2, exited);
    assert.equal(late.status, 409);
    assert.equal(late.body.error.code, 'SessionEnded');
    await played.begin();
    assert.equal((await played.report(item, 2, exited)).body.error.code, 'LeaseLost');
    const { stop } = (await played.poll([{ id: item.id, fence: item.fence }])).body;
    assert.deepEqual(stop, [{ id: item.id, fence: item.fence, graceSeconds: 0 }]);
    await clock.advance(30_000);
    assert.deepEqual(owner.typesOf(spec.id), ['running', 'lost']);
    assert.equal(await compute.work.state(spec.id), 'lost');
  });

  it('is lost once when the server starts again, and what waited goes on waiting', async (t) => {
    const folder = await openFolder(t);
    const clock = createTestClock();
    const before = await openWorld(t, { folder, clock });
    const played = await before.agent();
    const held = specOf('held');
    await before.compute.work.submit(grant, held);
    const item = only((await played.poll()).body.start);
    await played.report(item, 1, { type: 'running' });
    await before.compute.dismiss('nobody');
    const waiting = specOf('waiting');
    await before.compute.work.submit(grant, waiting);
    await before.close();
    assert.deepEqual(before.owner.typesOf(held.id), ['running']);

    const owner = createOwner();
    const after = await openWorld(t, { folder, clock, owner });
    await owner.heard(held.id, 'lost');
    assert.equal(await after.compute.work.state(waiting.id), 'queued');
    const next = await after.agent();
    assert.equal(only((await next.poll()).body.start).id, waiting.id);
    await after.close();

    const third = createOwner();
    const last = await openWorld(t, { folder, clock, owner: third });
    await third.heard(waiting.id, 'lost');
    assert.deepEqual(third.typesOf(held.id), []);
    assert.equal(await last.compute.work.state(held.id), 'lost');
  });

  it('is stopped: at once while it waits, by its agent while it runs', async (t) => {
    const { compute, owner, agent } = await openWorld(t);
    const played = await agent();
    const waiting = specOf('waiting');
    const running = specOf('running');
    await compute.work.submit(grant, running);
    const item = only((await played.poll()).body.start);
    await compute.work.submit(grant, waiting);
    await compute.work.cancel(grant, waiting.id, 10);
    await owner.heard(waiting.id, 'finished');
    assert.deepEqual(owner.endOf(waiting.id), {
      type: 'finished',
      reason: 'stopped',
      exitCode: null,
      message: 'It was canceled before it began.',
    });
    const held = { id: item.id, fence: item.fence };
    const polling = played.poll([held]);
    await compute.work.cancel(grant, running.id, 10);
    assert.deepEqual((await polling).body.stop, [{ ...held, graceSeconds: 10 }]);
    // Sent again until the agent says that it stops; sooner when that is asked for.
    assert.deepEqual((await played.poll([held])).body.stop, [{ ...held, graceSeconds: 10 }]);
    await compute.work.cancel(grant, running.id, 0);
    const again = await played.poll([{ ...held, stopGraceSeconds: 10 }]);
    assert.deepEqual(again.body.stop, [{ ...held, graceSeconds: 0 }]);
    await played.report(item, 1, { type: 'finished', reason: 'stopped', exitCode: null });
    assert.equal(await compute.work.state(running.id), 'finished');
    await compute.work.cancel(grant, running.id, 0);
    await assert.rejects(compute.work.cancel(grant, specOf('none').id, 0), { code: 'WorkNotFound' });
  });

  it('has its token renewed at a third of its life', async (t) => {
    const { compute, agent, clock } = await openWorld(t);
    const played = await agent();
    await compute.work.submit(grant, specOf('long'));
    const { id, fence } = only((await played.poll()).body.start);
    const polls = async () => {
      for (let count = 0; count < 13; count++) {
        const polling = played.poll([{ id, fence }]);
        // The sweep of the module, and this poll.
        await clock.asleep(2);
        await clock.advance(25_000);
        const { tokens } = (await polling).body;
        if (tokens.length > 0) return tokens;
      }
      return [];
    };
    assert.deepEqual(await polls(), [{ id, fence, token: 'renewed for long' }]);
  });

  it('is reached once it is ready, by what its session offers, and no longer than it runs', async (t) => {
    const { compute, agent } = await openWorld(t);
    const played = await agent();
    const spec = specOf('scoring', { kind: 'score' });
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    const call = () =>
      compute.work.call(spec.id, { method: 'GET', path: '/', headers: {}, signal: AbortSignal.timeout(10_000) });
    await played.report(item, 1, { type: 'preparing' });
    assert.equal(call(), undefined);
    await played.report(item, 2, { type: 'ready' });
    // The played agent listens nowhere.
    await assert.rejects(call()?.answer ?? Promise.resolve(), { code: 'NodeUnreachable' });
    await played.report(item, 3, { type: 'finished', reason: 'crashed', exitCode: null });
    assert.equal(call(), undefined);
  });

  it('is refused where nothing could run it, with what to do', async (t) => {
    const { compute } = await openWorld(t);
    await assert.rejects(compute.work.submit(grant, specOf('x')), { code: 'NoComputeAgent' });
    const { token } = await compute.enrol('local');
    assert.equal(compute.readiness().state, 'starting');
    await compute.work.submit(grant, specOf('early'));
    const world = await openWorld(t);
    const played = await world.agent();
    await played.begin({ available: false, reason: 'bubblewrap is missing.', remedy: 'apt-get install bubblewrap' });
    await assert.rejects(world.compute.work.submit(grant, specOf('y')), {
      code: 'SandboxUnavailable',
      message: /bubblewrap is missing\..*apt-get install bubblewrap/,
    });
    assert.notEqual(token, '');
  });

  it('belongs to its workspace: other decisions reach neither its queue nor its end', async (t) => {
    const { compute, agent } = await openWorld(t);
    await agent();
    const elsewhere = testGrant({ action: 'test/write', scope: `${workspaceId}2` });
    await assert.rejects(compute.work.submit(elsewhere, specOf('x')), { code: 'AuthorizationFailed' });
    await assert.rejects(compute.work.submit(testGrant({ action: '' }), specOf('x')), { code: 'AuthorizationFailed' });
    const spec = specOf('mine');
    await compute.work.submit(grant, spec);
    await assert.rejects(compute.work.cancel(elsewhere, spec.id, 0), { code: 'AuthorizationFailed' });
    await assert.rejects(compute.work.submit(grant, specOf('z', { computeId: `${workspaceId}2/computes/other` })), {
      code: 'ComputeNotFound',
    });
    assert.ok(limits.processes > 0);
  });

  it('stays ended over a start when its lease was refused by the disk before, and then it was canceled', async (t) => {
    const fault = { left: 0 };
    const faults = ({ step }: { readonly step: string }) => {
      if (step === 'commit' && fault.left-- > 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    const world = await openWorld(t, { faults });
    const played = await world.agent();
    const spec = specOf('unlucky');
    await world.compute.work.submit(grant, spec);
    fault.left = 1;
    assert.ok((await played.poll()).status >= 500);
    assert.equal(await world.compute.work.state(spec.id), 'queued');
    await world.compute.work.cancel(grant, spec.id, 0);
    assert.deepEqual(world.owner.typesOf(spec.id), ['finished']);
    await world.close();
    const owner = createOwner();
    const again = await openWorld(t, { folder: world.folder, clock: world.clock, owner });
    assert.equal(await again.compute.work.state(spec.id), 'finished');
    await world.clock.advance(5_000);
    assert.deepEqual(owner.typesOf(spec.id), []);
  });

  it('is lost by the sweep when the disk refused that at the death of its agent', async (t) => {
    const fault = { left: 0 };
    const faults = ({ step }: { readonly step: string }) => {
      if (step === 'commit' && fault.left-- > 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    const { compute, owner, agent, clock } = await openWorld(t, { faults });
    const played = await agent();
    const spec = specOf('orphan');
    await compute.work.submit(grant, spec);
    const item = only((await played.poll()).body.start);
    await played.report(item, 1, { type: 'running' });
    fault.left = 1;
    await assert.rejects(compute.dismiss('local'));
    assert.equal(await compute.work.state(spec.id), 'running');
    await clock.advance(5_000);
    await owner.heard(spec.id, 'lost');
  });

  it('ends once, whichever write the disk refuses on the way', async (t) => {
    for (let nth = 1, isLast = false; !isLast; nth++) {
      const folder = await openFolder(t);
      const clock = createTestClock();
      let fault: ReturnType<typeof failNth> | undefined;
      const world = await openWorld(t, { folder, clock, faults: (point) => fault?.faults(point) });
      const played = await world.agent();
      fault = failNth(nth, ({ step }) => step === 'commit');
      const spec = specOf('faulty');
      await world.compute.work.submit(grant, spec).catch(() => world.compute.work.submit(grant, spec));
      // What an agent does: the same again, until it is answered.
      const ask = async <T extends { readonly status: number }>(send: () => Promise<T>): Promise<T> => {
        const answer = await send();
        return answer.status < 500 ? answer : ask(send);
      };
      const item = only((await ask(() => played.poll())).body.start);
      await ask(() => played.report(item, 1, { type: 'running' }, output('a')));
      await ask(() => played.report(item, 3, exited));
      await clock.advance(5_000);
      isLast = fault.seen() < nth;
      fault = undefined;
      await world.owner.heard(spec.id, 'finished');
      assert.deepEqual([...new Set(world.owner.typesOf(spec.id))], ['running', 'output', 'finished'], `write ${nth}`);
      await world.close();

      const owner = createOwner();
      const again = await openWorld(t, { folder, clock, owner });
      assert.equal(await again.compute.work.state(spec.id), 'finished');
      await clock.advance(5_000);
      assert.ok(!owner.typesOf(spec.id).includes('lost'));
      await again.close();
      assert.ok(nth < 20);
    }
  });
});
