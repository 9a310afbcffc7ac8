// Durations of any text: a number for what is a duration, nothing for what is not, and never a throw.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { readDurationMs, readDurationSeconds } from './duration.ts';

it('reads what Azure writes', () => {
  assert.equal(readDurationSeconds('PT5M'), 300);
  assert.equal(readDurationSeconds('PT120S'), 120);
  assert.equal(readDurationSeconds('P1DT2H3M4.5S'), 93_785);
  assert.equal(readDurationSeconds('PT0S'), 0);
  assert.equal(readDurationMs('PT0.5S'), 500);
  assert.equal(readDurationMs('PT1M0.0001S'), 60_001);
  for (const text of ['', 'P', 'PT', 'P1DT', '5M', 'PT5', 'P1Y', 'P1M', 'PT-5M', ' PT5M', 'PT5M\n', 'pt5m', 'PT.5S'])
    assert.equal(readDurationSeconds(text), undefined, text);
});

it('adds the parts of every duration', () => {
  const part = fc.nat({ max: 999_999 });
  fc.assert(
    fc.property(part, part, part, part, (days, hours, minutes, seconds) => {
      const text = `P${days}DT${hours}H${minutes}M${seconds}S`;
      assert.equal(readDurationSeconds(text), days * 86_400 + hours * 3_600 + minutes * 60 + seconds);
    }),
  );
});

it('answers every other text with a whole number or nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^P[0-9DHMSTW.]{0,20}$/)), (text) => {
      const seconds = readDurationSeconds(text);
      assert.ok(seconds === undefined || Number.isSafeInteger(seconds));
      const ms = readDurationMs(text);
      assert.equal(ms === undefined ? undefined : Math.ceil(ms / 1000), seconds);
    }),
  );
});
