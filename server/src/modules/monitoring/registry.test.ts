// The contract of telemetry for what /metrics prints, and the text of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '#kernel/log/log';
import { counter, gauge } from '#kernel/telemetry/meter';
import { telemetryContract } from '#kernel/telemetry/telemetry.contract';
import { createMetricsRegistry } from './registry.service.ts';

/** As Prometheus reads the text: what is printed is what counts. */
function read(text: string) {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [
        label,
        text,
      ]);
      return { name, labels: Object.fromEntries(pairs) as Readonly<Record<string, string>>, value: Number(value) };
    })
    .filter(({ name }) => !name.endsWith('_bucket'));
}

telemetryContract('/metrics', () => {
  const registry = createMetricsRegistry({ log: silentLog });
  return { telemetry: registry.telemetry, samples: async () => read((await registry.print()).body) };
});

const things = counter({
  name: 'strongroom_things_total',
  help: 'Things',
  labels: { who: { open: 'named by a test' } },
});

test('a name that somebody chose is a value of a label and nothing more', async () => {
  const { telemetry, print } = createMetricsRegistry({ log: silentLog });
  telemetry.counter(things).add({ who: 'a"} 1\nstrongroom_forged_total 99\n# HELP x "\\' });
  const { body } = await print();
  assert.doesNotMatch(body, /^strongroom_forged/m);
  assert.equal(body.split('\n').filter((line) => line.startsWith('strongroom_')).length, 1);
});

test('a meter that nobody lists, or that comes later, is refused at start', () => {
  const { telemetry, admit } = createMetricsRegistry({ log: silentLog });
  telemetry.counter(things);
  assert.throws(() => admit([]), /strongroom_things_total is fed, and no module lists it/);
  admit([things]);
  telemetry.counter(things).add({ who: 'one' });
  const late = gauge({ name: 'strongroom_late', help: 'Late' });
  assert.throws(() => telemetry.gauge(late, () => 1), /strongroom_late is fed for the first time after/);
});

test('a gauge that fails is told to the log by its name', async () => {
  const told: unknown[] = [];
  const log = { ...silentLog, warn: (fields: object, message: string) => void told.push([fields, message]) };
  const { telemetry, print } = createMetricsRegistry({ log });
  const error = new Error('closed');
  telemetry.gauge(gauge({ name: 'strongroom_size_bytes', help: 'Size' }), () => Promise.reject(error));
  assert.doesNotMatch((await print()).body, /^strongroom_size_bytes /m);
  assert.deepEqual(told, [
    [{ module: 'monitoring', subject: 'strongroom_size_bytes', error }, 'a gauge could not be read'],
  ]);
});
