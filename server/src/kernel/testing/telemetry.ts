// For tests: telemetry that keeps what it is told, and says it.

import {
  boundedSeries,
  everySeries,
  isCountable,
  type Labels,
  type LabelValues,
  type Meter,
} from '#kernel/telemetry/meter';
import type { Telemetry } from '#kernel/telemetry/telemetry';

export type Sample = { readonly name: string; readonly labels: LabelValues; readonly value: number };

export type RecordedTelemetry = Telemetry & {
  /** Everything there is to read. A duration is its count and its sum. */
  samples(): Promise<readonly Sample[]>;
  /** Of one meter: its numbers by the values of its labels, joined; `''` where it has none. */
  read(meter: Meter): Promise<Readonly<Record<string, number>>>;
  fed(): readonly Meter[];
};

export function recordTelemetry(): RecordedTelemetry {
  type Kept = { readonly labels: LabelValues; value: number; count: number };
  const kept = new Map<Meter, Map<LabelValues, Kept>>();
  const gauges = new Map<Meter, () => unknown>();

  function bookOf(meter: Meter) {
    const book = kept.get(meter) ?? new Map<LabelValues, Kept>();
    kept.set(meter, book);
    return book;
  }
  const handlesOf = new Map<Meter, ReturnType<typeof handles>>();
  function handles(meter: Meter) {
    const book = bookOf(meter);
    const bounded = boundedSeries(meter);
    const note = (given: object, value: number) => {
      if (!isCountable(value)) return;
      const labels = bounded.seriesOf(given as LabelValues); // every value of a label is a text
      const one = book.get(labels) ?? { labels, value: 0, count: 0 };
      book.set(labels, one);
      one.value += value;
      one.count += 1;
    };
    if (meter.kind === 'counter') for (const series of everySeries(meter)) note(series, 0);
    return {
      note,
      forget(some: object) {
        for (const labels of bounded.forget(some as LabelValues)) book.delete(labels);
      },
    };
  }
  const once = (meter: Meter) => {
    const found = handlesOf.get(meter) ?? handles(meter);
    handlesOf.set(meter, found);
    return found;
  };

  async function gaugeSamples(meter: Meter, read: () => unknown): Promise<readonly Sample[]> {
    try {
      const value = await read();
      const { name } = meter;
      if (typeof value === 'number') return [{ name, labels: {}, value }];
      const [label = ''] = Object.keys(meter.labels);
      const { seriesOf } = boundedSeries(meter);
      return Object.entries(Object(value)).map(([at, number]) => ({
        name,
        labels: seriesOf({ [label]: at }),
        value: Number(number),
      }));
    } catch {
      return [];
    }
  }

  async function samplesOf(meter: Meter): Promise<readonly Sample[]> {
    const read = gauges.get(meter);
    if (read) return await gaugeSamples(meter, read);
    return [...bookOf(meter).values()].flatMap(({ labels, value, count }) =>
      meter.kind === 'counter'
        ? [{ name: meter.name, labels, value }]
        : [
            { name: `${meter.name}_sum`, labels, value },
            { name: `${meter.name}_count`, labels, value: count },
          ],
    );
  }

  return {
    counter<L extends Labels>(meter: Meter<'counter', L>) {
      const { note, forget } = once(meter);
      return { add: (labels, by = 1) => note(labels, by), forget };
    },
    duration<L extends Labels>(meter: Meter<'duration', L>) {
      const { note, forget } = once(meter);
      return { observe: note, forget };
    },
    gauge(meter, read) {
      if (gauges.has(meter)) throw new Error(`${meter.name} is read already`);
      gauges.set(meter, read);
    },
    samples: async () => (await Promise.all([...kept.keys(), ...gauges.keys()].map(samplesOf))).flat(),
    async read(meter) {
      const found = await samplesOf(meter);
      return Object.fromEntries(found.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
    },
    fed: () => [...kept.keys(), ...gauges.keys()],
  };
}
