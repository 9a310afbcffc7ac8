// Both clocks: the system's keeps its promises about abort, the test's wakes sleepers in order and nobody twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';
import { createTestClock } from './test-clock.ts';

test('a sleep that is aborted rejects with the reason, before and while it sleeps', async () => {
  for (const clock of [systemClock, createTestClock()]) {
    const reason = new Error('enough');
    await assert.rejects(clock.sleep(1_000_000, AbortSignal.abort(reason)), reason);
    const controller = new AbortController();
    const sleeping = clock.sleep(2 ** 40, controller.signal);
    controller.abort(reason);
    await assert.rejects(sleeping, reason);
  }
});

test('sleeping for nothing ends at once', async () => {
  for (const clock of [systemClock, createTestClock()]) await clock.sleep(0);
});

test('sleepers wake in the order of their time, those that fall asleep again included', async () => {
  const clock = createTestClock('2026-01-01T00:00:00Z');
  const log: string[] = [];
  const repeat = async () => {
    for (let round = 0; round < 3; round++) {
      await clock.sleep(10);
      log.push(`ten at ${clock.epochMs() % 1_000}`);
    }
  };
  const once = clock.sleep(15).then(() => log.push(`fifteen at ${clock.epochMs() % 1_000}`));
  const all = Promise.all([repeat(), once]);
  await clock.advance(9);
  assert.deepEqual(log, []);
  await clock.advance(21);
  await all;
  assert.deepEqual(log, ['ten at 10', 'fifteen at 15', 'ten at 20', 'ten at 30']);
  assert.equal(clock.now().toISOString(), '2026-01-01T00:00:00.030Z');
});

test('a jump of the time of day wakes nobody and delays nobody', async () => {
  const clock = createTestClock();
  let awake = false;
  const sleeping = clock.sleep(100).then(() => {
    awake = true;
  });
  await clock.asleep(1);
  clock.jump(-3_600_000);
  await clock.advance(99);
  assert.equal(awake, false);
  clock.jump(7_200_000);
  assert.equal(awake, false);
  await clock.advance(1);
  await sleeping;
});
