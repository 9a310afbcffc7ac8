import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTestClock } from '#kernel/clock/test-clock';
import { createBuckets } from './buckets.ts';

const rates = { near: { burst: 3, perMinute: 6 }, wide: { burst: 6, perMinute: 12 } };
const taken = (buckets: ReturnType<typeof createBuckets>, address: string, times = 50) =>
  Array.from({ length: times }, () => buckets.take(address)).filter(Boolean).length;

test('a bucket is emptied once and fills by the minute', async () => {
  const clock = createTestClock();
  const buckets = createBuckets({ clock, ...rates });
  assert.equal(taken(buckets, '192.0.2.1'), 3);
  await clock.advance(20_000);
  assert.equal(taken(buckets, '192.0.2.1'), 2);
  await clock.advance(3_600_000);
  assert.equal(taken(buckets, '192.0.2.1'), 3);
});

test('a clock that jumps back neither fills nor locks', async () => {
  const clock = createTestClock();
  const buckets = createBuckets({ clock, ...rates });
  assert.equal(taken(buckets, '192.0.2.1'), 3);
  clock.jump(-7_200_000);
  assert.equal(taken(buckets, '192.0.2.1'), 0);
  await clock.advance(60_000);
  assert.equal(taken(buckets, '192.0.2.1'), 3);
});

test('the networks of one site share the wider bucket, and an empty one makes no entries', () => {
  const buckets = createBuckets({ clock: createTestClock(), ...rates, networksMax: 4 });
  let all = 0;
  for (let net = 0; net < 1_000; net++) all += taken(buckets, `2001:db8:1:${net.toString(16)}::1`, 5);
  assert.equal(all, 6);
  assert.equal(taken(buckets, '192.0.2.1'), 3, 'there is still room for another');
});

test('an emptied bucket cannot be pushed out by any number of others', () => {
  const buckets = createBuckets({ clock: createTestClock(), ...rates, networksMax: 100 });
  assert.equal(taken(buckets, '192.0.2.1'), 3);
  for (let host = 0; host < 5_000; host++) buckets.take(`198.51.${host >> 8}.${host & 255}`);
  assert.equal(taken(buckets, '192.0.2.1'), 0);
});

test('whatever is asked in whatever order, no more is given than burst and rate allow', () => {
  const step = fc.record({ host: fc.integer({ min: 1, max: 5 }), waitMs: fc.integer({ min: 0, max: 30_000 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let nowMs = 1_000_000;
      const clock = { ...createTestClock(), epochMs: () => nowMs };
      const buckets = createBuckets({ clock, ...rates, networksMax: 3 });
      const given = new Map<number, number>();
      for (const { host, waitMs } of steps) {
        nowMs += waitMs;
        if (buckets.take(`192.0.2.${host}`)) given.set(host, (given.get(host) ?? 0) + 1);
      }
      for (const count of given.values()) assert.ok(count <= 3 + ((nowMs - 1_000_000) * 6) / 60_000 + 1e-6);
    }),
  );
});
