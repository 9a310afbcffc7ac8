// Whatever is asked and told in whatever order, by agents that die, fall silent, lose answers or speak late and of what is not
// theirs, with restarts of the server in between: a piece of work runs once at most, is never forgotten, and ends once. The
// first property knows after each step where every item stands; the second lets steps overlap and the disk refuse, and knows
// what may never be. A failure names its seed: COMPUTE_FUZZ_SEED repeats it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { createTestClock } from '#kernel/clock/test-clock';
import { idKey } from '#kernel/ids/ids';
import { putCluster } from './clusters.store.ts';
import { createDriven, type Driven } from './testing/driver.ts';
import {
  build,
  clusterId,
  createOwner,
  grant,
  leaseMs,
  openControl,
  openFolder,
  specOf,
  workspaceId,
} from './testing/world.ts';
import type { WorkSpec, WorkState } from './work.types.ts';

const seed = Number(process.env['COMPUTE_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const exited = { type: 'finished', reason: 'exited', exitCode: 0 } as const;
const places = ['here', 'far', 'here', 'alone'] as const;
const targets = { here: 'local', alone: 'local', far: 'pool' } as const;

type Place = (typeof places)[number];
type Step =
  | { readonly do: 'submit'; readonly place: Place }
  | { readonly do: 'again' | 'cancel'; readonly item: number }
  | { readonly do: 'poll' | 'pollLost' | 'begin' | 'die'; readonly agent: number }
  | { readonly do: 'running' | 'output' | 'finish' | 'letGo'; readonly agent: number; readonly item: number }
  | { readonly do: 'late' | 'forge'; readonly agent: number; readonly item: number }
  | { readonly do: 'silence' | 'restart' | 'sweep' };

const at = fc.nat(1_000);
const stepOf = (weights: Readonly<Record<Step['do'], number>>): fc.Arbitrary<Step> => {
  const shapes: Readonly<Record<Step['do'], fc.Arbitrary<object>>> = {
    submit: fc.record({ place: fc.constantFrom(...places) }),
    again: fc.record({ item: at }),
    cancel: fc.record({ item: at }),
    poll: fc.record({ agent: at }),
    pollLost: fc.record({ agent: at }),
    begin: fc.record({ agent: at }),
    die: fc.record({ agent: at }),
    running: fc.record({ agent: at, item: at }),
    output: fc.record({ agent: at, item: at }),
    finish: fc.record({ agent: at, item: at }),
    letGo: fc.record({ agent: at, item: at }),
    late: fc.record({ agent: at, item: at }),
    forge: fc.record({ agent: at, item: at }),
    silence: fc.record({}),
    restart: fc.record({}),
    sweep: fc.record({}),
  };
  return fc.oneof(
    ...(Object.keys(shapes) as Step['do'][]).map((name) => ({
      weight: weights[name],
      arbitrary: shapes[name].map((shape) => ({ do: name, ...shape }) as Step), // the shape is the step's
    })),
  );
};
const weights = {
  ...{ submit: 5, again: 1, cancel: 2, poll: 6, pollLost: 1, begin: 1, die: 1, running: 3, output: 3, finish: 3 },
  ...{ letGo: 1, late: 3, forge: 3, silence: 1, restart: 1, sweep: 1 },
};

const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(list.length, 1)];

/** A server that can be started again, its agents, and everything that was ever said to whom. */
async function openPlay(t: TestContext) {
  const folder = await openFolder(t);
  const clock = createTestClock();
  const fault: { left: number } = { left: 0 };
  const owner = createOwner();
  const submitted: WorkSpec[] = [];
  const starts: { readonly id: string; readonly session: string; readonly target: string; readonly fence: number }[] =
    [];

  async function start() {
    const database = await openControl(folder, ({ step }) => {
      if (step !== 'commit' || fault.left === 0) return;
      fault.left -= 1;
      throw Object.assign(new Error('the disk refuses'), { code: 'ENOSPC' });
    });
    for (const name of ['here', 'far'] as const) {
      const bounds = { minNodes: 0, maxNodes: 64, idleSeconds: 60 };
      const id = clusterId(name);
      await database.write((tx) => putCluster(tx, { key: idKey(id), id, target: targets[name], ...bounds }));
    }
    const built = await build({ database, clock, owners: { job: owner.owner, score: owner.owner }, maxNodes: 64 });
    await built.compute.start?.();
    return { database, compute: built.compute };
  }
  let server = await start();
  const compute = () => server.compute;
  const agents: readonly Driven[] = [
    createDriven(compute, 'one', 'local'),
    createDriven(compute, 'two', 'local'),
    createDriven(compute, 'three', 'pool'),
  ];
  for (const agent of agents) {
    await agent.enrol();
    await agent.begin();
  }

  async function stop(): Promise<void> {
    await server.compute.stop?.();
    await server.database.close();
  }

  return {
    owner,
    clock,
    fault,
    agents,
    submitted,
    starts,
    work: () => server.compute.work,
    state: (id: string): Promise<WorkState | undefined> => server.compute.work.state(id),
    stop,
    async restart(): Promise<void> {
      await stop();
      server = await start();
      for (const agent of agents) await agent.enrol();
    },
    specFor(place: Place): WorkSpec {
      const computeId = place === 'alone' ? undefined : clusterId(place);
      const spec = specOf(`n${submitted.length}`, { computeId, kind: place === 'alone' ? 'score' : 'job' });
      submitted.push(spec);
      return spec;
    },
    async poll(agent: Driven, how: Parameters<Driven['poll']>[0] = {}): Promise<void> {
      for (const { id, fence } of await agent.poll(how))
        starts.push({ id, fence, session: agent.session(), target: agent.target });
    },
    /** What may never be, whatever was asked for. */
    check(): void {
      const targetOf = new Map(
        submitted.map(({ id, computeId }) => [id, computeId === clusterId('far') ? 'pool' : 'local']),
      );
      const first = new Map<string, string>();
      for (const { id, session, target } of starts) {
        assert.equal(target, targetOf.get(id), 'it was handed to a session of another target');
        assert.equal(first.get(id) ?? session, session, 'two sessions were told to run it');
        first.set(id, session);
      }
      for (const { id } of submitted) {
        const types = owner.typesOf(id);
        const end = types.findIndex((type) => type === 'lost' || type === 'finished');
        // Told again it may be, and nothing else follows.
        if (end >= 0) assert.deepEqual([...new Set(types.slice(end))], [types[end]]);
        assert.ok(!owner.outputOf(id).includes('forged'), 'somebody was heard who does not hold it');
        assert.ok(!types.includes('ready'), 'a forged word was heard');
      }
    },
  };
}

/** Its last enrolment may be what the disk refused. */
async function revived(agent: Driven): Promise<void> {
  if (agent.session() === '') await agent.enrol();
  await agent.begin();
}

type Play = Awaited<ReturnType<typeof openPlay>>;

/** Everybody who is not its holder, or is it no more, about one item: refused, each of them. */
async function speakOutOfTurn(
  play: Play,
  agent: Driven,
  spec: WorkSpec,
  of: { readonly kind: 'late' | 'forge'; readonly holder: Driven | undefined },
): Promise<void> {
  const known = play.starts.filter(({ id }) => id === spec.id);
  const sessions = of.kind === 'late' ? [...known.map(({ session }) => session), agent.session()] : [agent.session()];
  for (const session of new Set(sessions)) {
    // Its present holder may say what it likes.
    if (of.holder?.session() === session) continue;
    for (const fence of [1, 2, ...known.map((one) => one.fence)])
      for (const event of [{ type: 'output', text: 'forged' }, { type: 'ready' }, exited] as const)
        await assert.rejects(agent.say({ session, id: spec.id, fence, seq: 1 }, event), {
          code: /^(LeaseLost|SessionEnded)$/,
        });
  }
}

test('work is where a model of it says, after every step', async (t) => {
  t.diagnostic(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(fc.array(stepOf(weights), { minLength: 5, maxLength: 45 }), async (steps) => {
      const play = await openPlay(t);
      type Modelled = { state: WorkState; holder: Driven | undefined; begun: boolean };
      const model = new Map<string, Modelled>();
      const loseOf = (agent: Driven) => {
        for (const one of model.values())
          if (one.holder === agent) Object.assign(one, { state: 'lost', holder: undefined });
      };
      const take = (agent: Driven) => {
        for (const { id, computeId } of play.submitted) {
          const one = model.get(id);
          const target = computeId === clusterId('far') ? 'pool' : 'local';
          if (one?.state === 'queued' && target === agent.target)
            Object.assign(one, { state: 'leased', holder: agent });
        }
      };
      for (const step of steps) {
        const agent = 'agent' in step ? pick(play.agents, step.agent) : undefined;
        const spec = 'item' in step ? pick(play.submitted, step.item) : undefined;
        const mine = agent && 'item' in step ? pick([...agent.held.keys()], step.item) : undefined;
        const one = model.get(mine ?? '');
        if (step.do === 'submit') {
          const fresh = play.specFor(step.place);
          await play.work().submit(grant, fresh);
          model.set(fresh.id, { state: 'queued', holder: undefined, begun: false });
        } else if (step.do === 'again' && spec) {
          await play.work().submit(grant, spec);
          await assert.rejects(play.work().submit(grant, { ...spec, subject: `${workspaceId}/jobs/other` }), {
            code: 'WorkExists',
          });
        } else if (step.do === 'cancel' && spec) {
          await play.work().cancel(grant, spec.id, 10);
          const asked = model.get(spec.id);
          if (asked?.state === 'queued') asked.state = 'finished';
        } else if (step.do === 'begin' && agent) {
          loseOf(agent);
          await agent.begin();
        } else if (step.do === 'die' && agent) {
          loseOf(agent);
          await agent.enrol();
        } else if ((step.do === 'poll' || step.do === 'pollLost') && agent && agent.session() !== '') {
          await play.poll(agent, { drops: step.do === 'pollLost' });
          take(agent);
        } else if (step.do === 'letGo' && agent && mine && one?.begun) {
          Object.assign(one, { state: 'lost', holder: undefined });
          await play.poll(agent, { without: mine });
          take(agent);
        } else if ((step.do === 'running' || step.do === 'output') && agent && mine && one) {
          await agent.report(mine, step.do === 'running' ? { type: 'running' } : { type: 'output', text: 'o' });
          one.begun = true;
          if (step.do === 'running') one.state = 'running';
        } else if (step.do === 'finish' && agent && mine && one) {
          await agent.report(mine, exited);
          Object.assign(one, { state: 'finished', holder: undefined });
        } else if ((step.do === 'late' || step.do === 'forge') && agent && spec)
          await speakOutOfTurn(play, agent, spec, { kind: step.do, holder: model.get(spec.id)?.holder });
        else if (step.do === 'sweep') await play.clock.advance(5_000);
        else if (step.do === 'silence' || step.do === 'restart') {
          for (const each of play.agents) loseOf(each);
          if (step.do === 'restart') await play.restart();
          else await play.clock.advance(leaseMs + 10_000);
          for (const each of play.agents) await each.begin();
          await play.clock.advance(5_000);
        }
        for (const { id } of play.submitted) assert.equal(await play.state(id), model.get(id)?.state, step.do);
        play.check();
      }
      for (const each of play.agents) if (each.session() === '') await each.begin();
      for (const each of play.agents) await play.poll(each);
      for (const { id } of play.submitted) assert.notEqual(await play.state(id), 'queued', 'nobody took it');
      await play.stop();
    }),
    { numRuns: 30, seed },
  );
});

test('work runs once at most, is not forgotten and ends once, when steps overlap and the disk refuses', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const wild = fc.record({
    /** They begin together. */
    steps: fc.array(stepOf({ ...weights, silence: 0, restart: 0 }), { minLength: 1, maxLength: 4 }),
    refused: fc.oneof(
      { weight: 1, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) },
    ),
    deaf: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    afterwards: fc.oneof(
      { weight: 7, arbitrary: fc.constant('nothing') },
      { weight: 1, arbitrary: fc.constant('silence') },
      { weight: 2, arbitrary: fc.constant('restart') },
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(wild, { minLength: 3, maxLength: 20 }), async (rounds) => {
      const play = await openPlay(t);
      let deaths = 0;
      const canceled = new Set<string>();
      const act = async (step: Step): Promise<void> => {
        const agent = 'agent' in step ? pick(play.agents, step.agent) : undefined;
        const spec = 'item' in step ? pick(play.submitted, step.item) : undefined;
        const mine = agent && 'item' in step ? pick([...agent.held.keys()], step.item) : undefined;
        if (step.do === 'submit') await play.work().submit(grant, play.specFor(step.place));
        else if (step.do === 'again' && spec) await play.work().submit(grant, spec);
        else if (step.do === 'cancel' && spec) {
          canceled.add(spec.id);
          await play.work().cancel(grant, spec.id, 0);
        } else if ((step.do === 'begin' || step.do === 'die') && agent) {
          deaths += 1;
          await (step.do === 'begin' ? agent.begin() : agent.enrol());
        } else if ((step.do === 'poll' || step.do === 'pollLost') && agent && agent.session() !== '')
          await play.poll(agent, { drops: step.do === 'pollLost' });
        else if (step.do === 'running' && agent && mine) await agent.report(mine, { type: 'running' });
        else if (step.do === 'output' && agent && mine) await agent.report(mine, { type: 'output', text: 'o' });
        else if (step.do === 'finish' && agent && mine) await agent.report(mine, exited);
        else if (step.do === 'letGo' && agent && mine && (agent.held.get(mine)?.seq ?? 0) > 0) {
          deaths += 1;
          await play.poll(agent, { without: mine });
        } else if (step.do === 'forge' && agent && spec && !agent.held.has(spec.id) && agent.session() !== '') {
          // A poll of the same round may hand it over: with a number that is never next, nothing of it can be taken.
          const of = { session: agent.session(), id: spec.id, fence: 1, seq: 99 };
          await assert.rejects(agent.say(of, { type: 'output', text: 'forged' }));
        } else if (step.do === 'sweep') await play.clock.advance(5_000);
      };
      const refusals = async (steps: readonly Step[]) => {
        for (const outcome of await Promise.allSettled(steps.map(act)))
          if (outcome.status === 'rejected' && outcome.reason instanceof assert.AssertionError) throw outcome.reason;
      };
      for (const { steps, refused, deaf, afterwards } of rounds) {
        play.fault.left = refused;
        play.owner.script.refuse = deaf ? (event) => event.type === 'finished' || event.type === 'lost' : undefined;
        await refusals(steps);
        play.fault.left = 0;
        play.owner.script.refuse = undefined;
        if (afterwards !== 'nothing') {
          deaths += 1;
          if (afterwards === 'restart') await play.restart();
          else await play.clock.advance(leaseMs + 10_000);
          for (const each of play.agents) await revived(each);
        }
        play.check();
      }
      // Everything works again: whatever waits is taken, and whatever is held comes to an end.
      for (const spec of play.submitted) await play.work().submit(grant, spec);
      const live = async () => {
        const states = await Promise.all(play.submitted.map(({ id }) => play.state(id)));
        return states.filter((state) => state !== 'finished' && state !== 'lost').length;
      };
      for (const each of play.agents) if (each.session() === '') await revived(each);
      for (let round = 0; round < 6 && (await live()) > 0; round++) {
        await play.clock.advance(5_000);
        for (const each of play.agents) {
          await play.poll(each);
          for (const id of [...each.held.keys()]) await each.report(id, exited);
        }
      }
      assert.equal(await live(), 0, 'some of it was forgotten');
      await play.clock.advance(5_000);
      play.check();
      for (const { id } of play.submitted) {
        const end = play.owner.endOf(id);
        assert.equal(end?.type, await play.state(id), 'its owner was told otherwise');
        if (deaths === 0) assert.equal(end?.type, 'finished', 'it was lost although nobody died');
        if (!canceled.has(id) && end?.type === 'finished')
          assert.ok(
            play.starts.some((one) => one.id === id),
            'it ended by itself, and nobody ran it',
          );
      }
      await play.stop();
    }),
    { numRuns: 40, seed },
  );
});
