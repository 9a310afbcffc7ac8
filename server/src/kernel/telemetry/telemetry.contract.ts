// The port as tests: what every telemetry keeps, whoever reads it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counter, duration, gauge, type LabelValues } from './meter.ts';
import type { Telemetry } from './telemetry.ts';

export type TelemetryUnderTest = {
  readonly telemetry: Telemetry;
  /** What can be read now; a duration as `…_sum` and `…_count`. */
  samples(): Promise<readonly { readonly name: string; readonly labels: LabelValues; readonly value: number }[]>;
};

const named = (name: string) => `strongroom_contract_${name}`;
const plain = counter({ name: named('plain_total'), help: 'Without a label' });
const listed = counter({ name: named('listed_total'), help: 'With a list', labels: { color: ['red', 'blue'] } });
const open = counter({
  name: named('open_total'),
  help: 'With names',
  labels: { who: { open: 'named by the test' }, color: ['red', 'blue'] },
  seriesMax: 3,
});
const times = duration({ name: named('times_seconds'), help: 'How long', labels: { part: ['a', 'b'] } });
const size = gauge({ name: named('size_bytes'), help: 'How much' });
const bySort = gauge({ name: named('things'), help: 'How many', labels: { sort: ['one', 'two'] } });

export function telemetryContract(what: string, make: () => TelemetryUnderTest): void {
  const contract = (
    says: string,
    act: (under: Telemetry, read: () => Promise<Readonly<Record<string, number>>>) => Promise<void>,
  ) =>
    test(`telemetry of ${what}: ${says}`, async () => {
      const { telemetry, samples } = make();
      await act(telemetry, async () =>
        Object.fromEntries(
          (await samples())
            .filter(({ name }) => name.startsWith(named('')))
            .map(({ name, labels, value }) => [
              [
                name.slice(named('').length),
                ...Object.keys(labels)
                  .sort()
                  .map((label) => labels[label]),
              ].join(' '),
              value,
            ]),
        ),
      );
    });

  contract('a counter begins at 0 for each word of its lists, and adds up', async (telemetry, read) => {
    const [one, two] = [telemetry.counter(plain), telemetry.counter(listed)];
    assert.deepEqual(await read(), { plain_total: 0, 'listed_total red': 0, 'listed_total blue': 0 });
    one.add({});
    one.add({}, 4);
    two.add({ color: 'red' });
    assert.deepEqual(await read(), { plain_total: 5, 'listed_total red': 1, 'listed_total blue': 0 });
  });

  contract('a meter that is asked for twice is one', async (telemetry, read) => {
    telemetry.counter(plain).add({});
    telemetry.counter(plain).add({});
    assert.deepEqual(await read(), { plain_total: 2 });
  });

  contract('what is not declared makes no series of its own', async (telemetry, read) => {
    const colors = telemetry.counter(listed);
    for (const color of ['green', '', '__proto__', 'constructor', 'red"} 1\nforged 2'])
      colors.add({ color } as unknown as { color: 'red' });
    colors.add({} as unknown as { color: 'red' });
    colors.add({ color: 'red', password: 'secret' } as unknown as { color: 'red' });
    assert.deepEqual(await read(), { 'listed_total red': 1, 'listed_total blue': 0, 'listed_total other': 6 });
  });

  contract('beyond its bound a name is counted with the others, and nothing is lost', async (telemetry, read) => {
    const names = telemetry.counter(open);
    for (let i = 0; i < 1_000; i++) names.add({ who: `name-${i}`, color: 'red' });
    names.add({ who: 'name-1', color: 'red' });
    assert.deepEqual(await read(), {
      'open_total red name-0': 1,
      'open_total red name-1': 2,
      'open_total red name-2': 1,
      'open_total other other': 997,
    });
  });

  contract('what is gone is forgotten and makes room', async (telemetry, read) => {
    const names = telemetry.counter(open);
    for (const who of ['a', 'b']) for (const color of ['red', 'blue'] as const) names.add({ who, color });
    names.forget({ who: 'a' });
    names.forget({ who: 'nobody' });
    names.add({ who: 'c', color: 'red' });
    assert.deepEqual(await read(), { 'open_total red b': 1, 'open_total red c': 1, 'open_total other other': 1 });
  });

  contract('two series are never taken for one', async (telemetry, read) => {
    const names = telemetry.counter(open);
    for (const who of ['a', 'a3:red', 'a\u0000']) names.add({ who, color: 'red' });
    assert.equal(Object.values(await read()).length, 3);
  });

  contract('a name of any length costs a bounded one', async (telemetry, read) => {
    telemetry.counter(open).add({ who: 'x'.repeat(1_000_000), color: 'red' });
    for (const key of Object.keys(await read())) assert.ok(key.length < 200);
  });

  contract('durations are counted and summed', async (telemetry, read) => {
    const took = telemetry.duration(times);
    took.observe({ part: 'a' }, 0.25);
    took.observe({ part: 'a' }, 0.5);
    took.observe({ part: 'b' }, 2);
    const found = await read();
    assert.deepEqual(
      [found['times_seconds_count a'], found['times_seconds_sum a'], found['times_seconds_sum b']],
      [2, 0.75, 2],
    );
    took.forget({ part: 'a' });
    assert.equal((await read())['times_seconds_count a'] ?? 0, 0);
  });

  contract('what is no number is left out, and whoever says it goes on', async (telemetry, read) => {
    const [count, took] = [telemetry.counter(plain), telemetry.duration(times)];
    for (const wrong of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      count.add({}, wrong);
      took.observe({ part: 'a' }, wrong);
    }
    const found = await read();
    assert.deepEqual([found['plain_total'], found['times_seconds_count a'] ?? 0], [0, 0]);
  });

  contract('a gauge is asked each time, says what it has, and nothing that it had', async (telemetry, read) => {
    let bytes = 1;
    let sorts: { one?: number; two?: number } = { one: 1, two: 2 };
    telemetry.gauge(size, () => bytes);
    telemetry.gauge(bySort, async () => sorts);
    assert.deepEqual(await read(), { size_bytes: 1, 'things one': 1, 'things two': 2 });
    bytes = 7;
    sorts = { two: 0 };
    assert.deepEqual(await read(), { size_bytes: 7, 'things two': 0 });
    assert.throws(() => telemetry.gauge(size, () => 3), /strongroom_contract_size_bytes is read already/);
  });

  contract('a gauge that fails is absent and takes nothing with it', async (telemetry, read) => {
    telemetry.counter(plain).add({});
    telemetry.gauge(size, () => {
      throw new Error('no disk');
    });
    telemetry.gauge(bySort, async () => Promise.reject(new Error('closed')));
    assert.deepEqual(await read(), { plain_total: 1 });
  });
}
