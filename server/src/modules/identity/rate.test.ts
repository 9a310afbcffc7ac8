import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { createRate } from './rate.service.ts';

const throttled = { kind: 'throttled', code: 'TooManyRequests' };

test('beginnings are counted by network: many addresses of one /64 are one', () => {
  const clock = createTestClock();
  const rate = createRate({ clock, limit: 3, windowMs: 60_000 });
  for (const last of ['1', '2', 'ffff']) rate.take(`2001:db8:1:2::${last}`);
  assert.throws(() => rate.take('2001:db8:1:2::9'), throttled);
  rate.take('2001:db8:1:3::1');
  rate.take('192.0.2.1');
  clock.jump(60_000);
  rate.take('2001:db8:1:2::9');
});

test('many networks of one site are bounded too, and leave the neighbours alone', () => {
  const rate = createRate({ clock: createTestClock(), limit: 3, windowMs: 60_000 });
  for (let at = 0; at < 12; at++) rate.take(`2001:db8:1:${at.toString(16)}::1`);
  assert.throws(() => rate.take('2001:db8:1:ff::1'), throttled);
  rate.take('2001:db8:2::1');
});

test('an address of IPv4 is one, mapped or not', () => {
  const rate = createRate({ clock: createTestClock(), limit: 2, windowMs: 60_000 });
  rate.take('192.0.2.1');
  rate.take('::ffff:192.0.2.1');
  assert.throws(() => rate.take('192.0.2.1'), throttled);
});
