// The certificate is renewed in time, once, and after trouble again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { silentLog } from '#kernel/log/log';
import { type Leaf, leafDays } from './certificates.ts';
import { keepRenewed } from './renewal.ts';

const dayMs = 86_400_000;

test('a certificate is renewed at two thirds of its life, tried again after a failure, and also after the clock jumped', async () => {
  const clock = createTestClock();
  const issued: number[] = [];
  const begun = clock.epochMs();
  const days = () => Math.floor((clock.epochMs() - begun) / dayMs);
  let isBroken = false;
  const make = (): Leaf => ({
    certificatePem: '',
    privateKeyPem: '',
    notAfter: new Date(clock.epochMs() + leafDays * dayMs),
  });
  const stop = new AbortController();
  const running = keepRenewed({
    leaf: make(),
    async issue() {
      if (isBroken) throw new Error('no');
      return make();
    },
    use: () => void issued.push(days()),
    clock,
    log: silentLog,
    signal: stop.signal,
  });
  await clock.advance(19 * dayMs);
  assert.deepEqual(issued, []);
  await clock.advance(2 * dayMs);
  assert.deepEqual(issued, [20]);
  isBroken = true;
  await clock.advance(25 * dayMs);
  assert.deepEqual(issued, [20], 'the old one still holds');
  isBroken = false;
  await clock.advance(dayMs);
  assert.deepEqual(issued, [20, 46]);
  clock.jump(25 * dayMs);
  await clock.advance(dayMs / 24);
  assert.equal(issued.length, 3);
  stop.abort();
  await running;
});
