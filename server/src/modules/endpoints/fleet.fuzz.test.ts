// Whatever is rolled out, scaled, removed, asked and told in whatever order: a request that a process has is not taken from it, nobody
// gets a place in a process that does not serve, nothing is left behind, and when all is quiet there runs what was asked for last. A
// failure names its seed: FLEET_FUZZ_SEED repeats it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Work, WorkEvent, WorkSpec } from '#compute';
import { createTestClock } from '#kernel/clock/test-clock';
import { silentLog } from '#kernel/log/log';
import { testAuthority } from '#kernel/testing/authority';
import { createFleet, type Place } from './fleet.service.ts';
import type { Plan } from './plan.rules.ts';

const seed = Number(process.env['FLEET_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const workspaceId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w';
const deploymentId = `${workspaceId}/onlineEndpoints/e/deployments/blue`;
const timeoutMs = 5_000;

const planOf = (generation: number, capacity: number, maxConcurrent: number): Plan => ({
  deploymentId,
  uniqueId: 'u',
  endpointId: `${workspaceId}/onlineEndpoints/e`,
  workspaceId,
  name: 'blue',
  hbi: false,
  image: { registryId: 'r', repository: 'd', digest: String(generation), modelDir: '/m', scoringScript: 'score.py' },
  environment: {},
  maxConcurrent,
  capacity,
  timeoutMs,
  queueWaitMs: 500,
});

type Step =
  | { readonly do: 'roll'; readonly capacity: number; readonly calls: number }
  | { readonly do: 'adjust'; readonly capacity: number }
  | { readonly do: 'preparing' | 'ready' | 'finish' | 'lose agent' | 'leave' | 'hang'; readonly which: number }
  | { readonly do: 'take' | 'forget' }
  | { readonly do: 'wait'; readonly ms: number };

const which = fc.nat(100);
const few = fc.integer({ min: 1, max: 3 });
const of = (name: Step['do'], weight: number, shape: Readonly<Record<string, fc.Arbitrary<number>>> = {}) => ({
  weight,
  arbitrary: fc.record(shape).map((fields) => ({ do: name, ...fields }) as Step), // the shape is the step's
});
const steps = fc.oneof(
  of('roll', 2, { capacity: few, calls: few }),
  of('adjust', 2, { capacity: few }),
  of('preparing', 2, { which }),
  of('ready', 8, { which }),
  of('finish', 2, { which }),
  of('lose agent', 1, { which }),
  of('take', 8),
  of('leave', 3, { which }),
  of('hang', 3, { which }),
  of('forget', 1),
  of('wait', 3, { ms: fc.constantFrom(1, 1_000, 4_999, 5_000, 60_000, 130_000) }),
);

type Process = { readonly spec: WorkSpec; readonly generation: number; isReady: boolean };
type Held = { readonly place: Place; readonly takenMs: number; isLost: boolean };

function openPlay() {
  const clock = createTestClock();
  const { grants } = testAuthority(() => true);
  const processes = new Map<string, Process>();
  const held: Held[] = [];
  /** Requests that a process had, and might still have answered, when it was ended. */
  const cut: Held[] = [];
  let isForgetting = false;
  const busy = (id: string) => held.filter(({ place, isLost }) => place.workId === id && !isLost);
  const work = {
    async submit(_grant: unknown, spec: WorkSpec) {
      const { document } = await fleet.documentOf(spec, 1);
      processes.set(spec.id, {
        spec,
        generation: (document as unknown as { readonly generation: number }).generation,
        isReady: false,
      });
    },
    async cancel(_grant: unknown, id: string) {
      processes.delete(id);
      // What is thrown here is the fleet's to log, so that it is looked at afterwards.
      if (!isForgetting) cut.push(...busy(id).filter(({ takenMs }) => clock.epochMs() - takenMs < timeoutMs));
    },
  };
  const fleet = createFleet({
    work: () => work as unknown as Work, // what the fleet uses of it
    grants,
    clock,
    log: silentLog,
    documentFor: async (plan) => ({ document: { generation: Number(plan.image.digest) } }) as never, // read above and nowhere else
    onReplaced: () => {},
  });
  const settle = () => clock.advance(0);
  const tell = async (id: string, event: WorkEvent) => {
    const process = processes.get(id);
    if (process === undefined) return;
    if (event.type === 'ready') process.isReady = true;
    if (event.type === 'finished' || event.type === 'lost') processes.delete(id);
    await fleet.onEvent(process.spec, event);
    await settle();
  };
  return {
    clock,
    fleet,
    processes,
    held,
    cut,
    busy,
    settle,
    tell,
    async forget() {
      isForgetting = true;
      await fleet.forget(deploymentId);
      await settle();
      isForgetting = false;
    },
  };
}

const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(list.length, 1)];
const ended = { type: 'finished', reason: 'memory', exitCode: null, message: undefined } as const;

/** What went wrong once, and stands first in every run. */
const once: readonly (readonly [why: string, steps: readonly Step[]])[] = [
  [
    'scaled down, what was starting in place of a process that hangs went, and that process stayed for good',
    [
      { do: 'roll', capacity: 1, calls: 2 },
      { do: 'ready', which: 0 },
      { do: 'take' },
      { do: 'adjust', capacity: 2 },
      { do: 'hang', which: 0 },
      { do: 'ready', which: 1 },
      { do: 'adjust', capacity: 1 },
    ],
  ],
  [
    'scaled down, what served went and what was starting stayed',
    [
      { do: 'roll', capacity: 2, calls: 1 },
      { do: 'ready', which: 0 },
      { do: 'ready', which: 1 },
      { do: 'finish', which: 0 },
      { do: 'adjust', capacity: 1 },
    ],
  ],
  [
    'removed, what was still answering ran on',
    [
      { do: 'roll', capacity: 2, calls: 1 },
      { do: 'ready', which: 0 },
      { do: 'ready', which: 1 },
      { do: 'take' },
      { do: 'take' },
      { do: 'adjust', capacity: 1 },
      { do: 'forget' },
    ],
  ],
  [
    'replaced, removed, what was still answering ran on',
    [
      { do: 'roll', capacity: 1, calls: 1 },
      { do: 'ready', which: 0 },
      { do: 'take' },
      { do: 'roll', capacity: 1, calls: 1 },
      { do: 'ready', which: 1 },
      { do: 'forget' },
    ],
  ],
  [
    'one request that hung ended a process that was giving way, and the others in it',
    [
      { do: 'roll', capacity: 1, calls: 2 },
      { do: 'ready', which: 0 },
      { do: 'take' },
      { do: 'take' },
      { do: 'roll', capacity: 1, calls: 2 },
      { do: 'ready', which: 1 },
      { do: 'hang', which: 0 },
    ],
  ],
];

test('a fleet runs what was asked for last, and takes no request from a process that may answer it', async (t) => {
  t.diagnostic(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (asked) => {
      const play = openPlay();
      const { fleet, clock, processes, held } = play;
      /** What runs by the model: undefined before the first roll that succeeded, and after a removal. */
      let current: Plan | undefined;
      let rolling: { readonly plan: Plan; isOver: boolean } | undefined;
      let generation = 0;
      const isOf = (plan: Plan | undefined, process: Process) => process.generation === Number(plan?.image.digest);

      for (const step of asked) {
        const ids = [...processes.keys()];
        switch (step.do) {
          case 'roll': {
            // The resource manager does one thing at a time with a deployment.
            if (rolling !== undefined) break;
            generation += 1;
            const begun = { plan: planOf(generation, step.capacity, step.calls), isOver: false };
            rolling = begun;
            fleet.roll(begun.plan).then(
              () => {
                current = begun.plan;
                begun.isOver = true;
              },
              () => {
                begun.isOver = true;
              },
            );
            break;
          }
          case 'adjust': {
            if (current === undefined || rolling !== undefined) break;
            const before = fleet.find(deploymentId)?.ready ?? 0;
            current = { ...current, capacity: step.capacity };
            fleet.adjust(current);
            const ready = fleet.find(deploymentId)?.ready ?? 0;
            assert.ok(ready >= Math.min(before, step.capacity), 'what serves was given up for what does not');
            break;
          }
          case 'forget':
            await play.forget();
            current = undefined;
            assert.equal(fleet.health(deploymentId), 'Stopped');
            assert.deepEqual([...processes.values()], [], 'something of it runs on');
            break;
          case 'take': {
            // The queue before it lets no more in.
            const served = fleet.find(deploymentId);
            if (held.length >= (served?.plan.maxConcurrent ?? 1) * Math.max(served?.ready ?? 0, 1)) break;
            const place = fleet.take(deploymentId);
            const serves = [...processes.entries()].filter(([, process]) => process.isReady && isOf(current, process));
            if (place === undefined) {
              const idle = serves.filter(([id]) => play.busy(id).length === 0);
              assert.deepEqual(idle, [], 'nobody got a place although a process serves');
              break;
            }
            assert.ok(
              serves.some(([id]) => id === place.workId),
              'a place in what does not serve',
            );
            assert.equal(place.gone.aborted, false);
            held.push({ place, takenMs: clock.epochMs(), isLost: false });
            break;
          }
          case 'leave': {
            const one = pick(held, step.which);
            if (one === undefined) break;
            held.splice(held.indexOf(one), 1);
            one.place.leave();
            one.place.leave();
            break;
          }
          case 'hang': {
            const one = pick(held, step.which);
            if (one === undefined) break;
            one.isLost = true;
            one.place.lose();
            one.place.lose();
            break;
          }
          case 'wait':
            await clock.advance(step.ms);
            break;
          default: {
            const id = pick(ids, step.which);
            if (id === undefined) break;
            const event = { preparing: { type: 'preparing' }, ready: { type: 'ready' }, finish: ended } as const;
            await play.tell(id, step.do === 'lose agent' ? { type: 'lost' } : event[step.do]);
          }
        }
        await play.settle();
        assert.deepEqual(play.cut, [], 'a process was ended while it had a request that it may still answer');
        if (rolling?.isOver) {
          const failed = rolling.plan !== current ? rolling.plan : undefined;
          for (const process of processes.values())
            assert.ok(failed === undefined || !isOf(failed, process), 'what did not come up runs on');
          rolling = undefined;
        }
        for (const { place } of held)
          assert.equal(
            place.gone.aborted,
            !processes.has(place.workId),
            'whether a process is gone is told to who asked it',
          );
      }

      // All is answered, everything that is started comes up, and nothing happens any more.
      for (const { place } of held.splice(0)) place.leave();
      for (let round = 0; round < 12; round++) {
        for (const id of [...processes.keys()]) await play.tell(id, { type: 'ready' });
        await clock.advance(70_000);
        if (rolling?.isOver) rolling = undefined;
      }
      const running = [...processes.values()];
      assert.equal(running.length, current?.capacity ?? 0, 'as many run as were asked for');
      assert.ok(
        running.every((process) => isOf(current, process)),
        'and of what was asked for last',
      );
      assert.equal(fleet.find(deploymentId)?.ready, current?.capacity);
      assert.equal(fleet.health(deploymentId), current === undefined ? 'Stopped' : 'Healthy');
      await play.forget();
      assert.equal(processes.size, 0);
      fleet.close();
    }),
    { numRuns: 400, seed, examples: once.map(([, asked]) => [[...asked]]) },
  );
});
