// What /metrics prints: the port of telemetry over the library that knows Prometheus' format, beside what the library tells of the
// process itself. Made before every module, because each is given the port.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Log } from '#kernel/log/log';
import { boundedSeries, everySeries, isCountable, type LabelValues, type Meter } from '#kernel/telemetry/meter';
import { checkMeters, type Telemetry } from '#kernel/telemetry/telemetry';

export type MetricsRegistry = {
  readonly telemetry: Telemetry;
  print(): Promise<{ readonly body: string; readonly contentType: string }>;
  /**
   * The lists of every module, once all are made: what is fed and what is listed are the same, and nothing is added later.
   * @throws Error that names every mistake
   */
  admit(listed: readonly Meter[]): void;
};

/** Gauges of the library whose names end like those of counters: `promtool check metrics` refuses them. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

type Handle = { note(given: object, value: number): void; forget(some: object): void };

export function createMetricsRegistry({ log }: { readonly log: Log }): MetricsRegistry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  const handles = new Map<Meter, Handle | 'gauge'>();
  let isClosed = false;

  const common = ({ name, help, labels }: Meter) => ({
    name,
    help,
    labelNames: Object.keys(labels),
    registers: [registry],
  });

  function open(meter: Meter): void {
    if (isClosed) throw new Error(`${meter.name} is fed for the first time after the server was composed`);
  }

  function handle(meter: Meter): Handle {
    const present = handles.get(meter);
    if (present !== undefined && present !== 'gauge') return present;
    open(meter);
    const bounded = boundedSeries(meter);
    const metric =
      meter.kind === 'duration' ? new Histogram({ ...common(meter), buckets }) : new Counter({ ...common(meter) });
    const add = (series: LabelValues, value: number) =>
      metric instanceof Histogram ? metric.observe(series, value) : metric.inc(series, value);
    const made: Handle = {
      // A label of a declaration is a text; whatever else is given, `seriesOf` makes one of it.
      note: (given, value) => (isCountable(value) ? add(bounded.seriesOf(given as LabelValues), value) : undefined),
      forget(some) {
        for (const series of bounded.forget(some as LabelValues)) metric.remove(series);
      },
    };
    if (meter.kind === 'counter') for (const series of everySeries(meter)) made.note(series, 0);
    handles.set(meter, made);
    return made;
  }

  return {
    telemetry: {
      counter(meter) {
        const { note, forget } = handle(meter);
        return { add: (labels, by = 1) => note(labels, by), forget };
      },
      duration(meter) {
        const { note, forget } = handle(meter);
        return { observe: note, forget };
      },
      gauge(meter, read) {
        if (handles.has(meter)) throw new Error(`${meter.name} is read already`);
        open(meter);
        handles.set(meter, 'gauge');
        const [label] = Object.keys(meter.labels);
        const { seriesOf } = boundedSeries(meter);
        new Gauge({
          ...common(meter),
          async collect() {
            try {
              const value = await read();
              this.reset();
              if (label === undefined) return this.set(Number(value));
              for (const [at, number] of Object.entries(Object(value)))
                this.set(seriesOf({ [label]: at }), Number(number));
            } catch (error) {
              this.reset();
              // Without a label the library would say 0, which is a number that nobody read.
              if (label === undefined) this.remove({});
              log.warn({ module: 'monitoring', subject: meter.name, error }, 'a gauge could not be read');
            }
          },
        });
      },
    },
    async print() {
      return { body: await registry.metrics(), contentType: registry.contentType };
    },
    admit(listed) {
      checkMeters(listed, [...handles.keys()]);
      isClosed = true;
    },
  };
}
