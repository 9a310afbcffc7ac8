// The contract of telemetry for the one that tests read, and what a declaration and a trace keep. /metrics runs the contract in its room.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordTelemetry } from '#kernel/testing/telemetry';
import { counter, duration, gauge } from './meter.ts';
import { telemetryContract } from './telemetry.contract.ts';
import { checkMeters } from './telemetry.ts';
import { createTracer } from './trace.ts';

telemetryContract('tests', () => {
  const telemetry = recordTelemetry();
  return { telemetry, samples: telemetry.samples };
});

test('a declaration that Prometheus or a reviewer would refuse is no meter', () => {
  const help = 'Things that happened';
  for (const [declare, about] of [
    [() => counter({ name: 'strongroom_things', help }), /_total/],
    [() => gauge({ name: 'strongroom_things_total', help }), /_total/],
    [() => duration({ name: 'strongroom_things', help }), /in seconds/],
    [() => duration({ name: 'strongroom_things_milliseconds', help }), /no name/],
    [() => counter({ name: 'things_total', help }), /no name/],
    [() => counter({ name: 'strongroom_Things_total', help }), /no name/],
    [() => gauge({ name: 'strongroom_things_count', help }), /no name/],
    [() => gauge({ name: 'strongroom_things_gauge', help }), /no name/],
    [() => counter({ name: 'strongroom_things_total', help: '' }), /help/],
    [() => counter({ name: 'strongroom_things_total', help, labels: { le: ['a'] } }), /'le' is no label/],
    [() => counter({ name: 'strongroom_things_total', help, labels: { Who: ['a'] } }), /'Who' is no label/],
    [() => counter({ name: 'strongroom_things_total', help, labels: { who: [] } }), /does not say its values/],
    [() => counter({ name: 'strongroom_things_total', help, labels: { who: { open: '' } } }), /does not say/],
    [() => gauge({ name: 'strongroom_things', help, labels: { a: ['x'], b: ['x'] } }), /one label at most/],
    [
      () => counter({ name: 'strongroom_things_total', help, labels: { a: ['x', 'y'] }, seriesMax: 1 }),
      /2 series, of 1/,
    ],
  ] as const)
    assert.throws(declare, about);
});

test('what is fed and what is listed are the same, or the server does not start', () => {
  const [one, two] = ['one', 'two'].map((name) => counter({ name: `strongroom_${name}_total`, help: 'Things' }));
  assert.ok(one && two);
  checkMeters([one, two], [two, one]);
  assert.throws(() => checkMeters([one], [one, two]), /strongroom_two_total is fed, and no module lists it/);
  assert.throws(() => checkMeters([one, two], [one]), /strongroom_two_total is listed, and nobody feeds it/);
  const again = counter({ name: 'strongroom_one_total', help: 'Other things' });
  assert.throws(() => checkMeters([one, again], [one, again]), /strongroom_one_total is declared twice/);
});

test('a trace ends once, with its open parts; each part is counted once', async () => {
  const parts = duration({ name: 'strongroom_work_part_seconds', help: 'Parts', labels: { part: ['wait', 'act'] } });
  const telemetry = recordTelemetry();
  let nowMs = 1_000;
  const trace = createTracer(telemetry, parts, () => nowMs).begin();
  const waited = trace.part('wait');
  nowMs += 500;
  waited();
  trace.part('act');
  nowMs += 250;
  waited();
  assert.equal(trace.end(), 750);
  assert.equal(trace.end(), undefined);
  trace.part('wait')();
  waited();
  const found = (await telemetry.samples()).map(({ name, labels, value }) => [
    name.split('_').at(-1),
    labels['part'],
    value,
  ]);
  assert.deepEqual(found, [
    ['sum', 'wait', 0.5],
    ['count', 'wait', 1],
    ['sum', 'act', 0.25],
    ['count', 'act', 1],
  ]);
});
