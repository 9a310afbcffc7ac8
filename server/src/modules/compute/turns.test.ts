// Submitters take turns at the nodes of a cluster, as an agent sees it, and over a start of the server.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterId, grant, openWorld, specOf } from './testing/world.ts';

const one = { minNodeCount: 0, maxNodeCount: 1, nodeIdleTimeBeforeScaleDown: 'PT120S' };
const computeId = clusterId('cpu');
const exited = { type: 'finished', reason: 'exited', exitCode: 0 } as const;

async function openTurns(...args: Parameters<typeof openWorld>) {
  const world = await openWorld(...args);
  const played = await world.agent();
  return {
    world,
    async submit(submitter: string, label: string, to = computeId): Promise<string> {
      const spec = specOf(label, { computeId: to, submitter });
      await world.compute.work.submit(grant, spec);
      world.clock.jump(10);
      return spec.id;
    },
    /** Runs what is handed out to its end, one after the other; answers their names. */
    async run(count: number): Promise<readonly string[]> {
      const ran: string[] = [];
      while (ran.length < count) {
        for (const item of (await played.poll()).body.start) {
          ran.push(item.label);
          world.clock.jump(10);
          await played.report(item, 1, { type: 'running' }, exited);
        }
      }
      return ran;
    },
  };
}

test('a job of one runs behind the next of another who queued hundreds, and that goes on over a start', async (t) => {
  const { world, submit, run } = await openTurns(t);
  await world.furnish();
  await world.cluster('cpu', one);
  for (let i = 1; i <= 300; i += 1) await submit('ada', `ada-${i}`);
  for (let i = 1; i <= 3; i += 1) await submit('bob', `bob-${i}`);
  assert.deepEqual(await run(3), ['ada-1', 'bob-1', 'ada-2']);
  await world.close();
  const later = await openTurns(t, { folder: world.folder, clock: world.clock });
  assert.deepEqual(await later.run(4), ['bob-2', 'ada-3', 'bob-3', 'ada-4']);
  await later.submit('eve', 'eve-1');
  assert.deepEqual(await later.run(3), ['ada-5', 'eve-1', 'ada-6']);
});

test('what was canceled while it waited takes no turn', async (t) => {
  const { world, submit, run } = await openTurns(t);
  await world.furnish();
  await world.cluster('cpu', one);
  const ids = [];
  for (let i = 1; i <= 4; i += 1) ids.push(await submit('ada', `ada-${i}`));
  await submit('bob', 'bob-1');
  for (const id of ids.slice(0, 3)) await world.compute.work.cancel(grant, id, 0);
  assert.deepEqual(await run(2), ['ada-4', 'bob-1']);
});
