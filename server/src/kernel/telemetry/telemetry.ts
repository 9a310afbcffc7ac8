// The port of what is measured: a module gets it when it is made, feeds the meters that it declares, and never learns who reads.
// Nothing here throws into an act or waits for anybody: what cannot be counted is left out.

import type { Labels, Meter, ValuesOf } from '#kernel/telemetry/meter';

export type Counter<L extends Labels> = {
  /** A value that the meter does not declare counts as `other`. */
  add(labels: ValuesOf<L>, by?: number): void;
  /** Series with these values end, because what they are about is gone. */
  forget(labels: Partial<ValuesOf<L>>): void;
};

export type Duration<L extends Labels> = {
  observe(labels: ValuesOf<L>, seconds: number): void;
  forget(labels: Partial<ValuesOf<L>>): void;
};

/** One number; or one for each value of the only label, those left out being absent. */
export type Reading<L extends Labels> = [keyof L] extends [never]
  ? number
  : Readonly<Partial<Record<ValuesOf<L>[keyof L] & string, number>>>;

export type Telemetry = {
  counter<L extends Labels>(meter: Meter<'counter', L>): Counter<L>;
  duration<L extends Labels>(meter: Meter<'duration', L>): Duration<L>;
  /**
   * Asked whenever somebody looks, so it answers from memory or by an index. One that fails is absent, and takes nothing else with it.
   * @throws Error when it is read already
   */
  gauge<L extends Labels>(meter: Meter<'gauge', L>, read: () => Reading<L> | Promise<Reading<L>>): void;
};

/** For what is built without anybody to read: counts nothing. */
export const silentTelemetry: Telemetry = {
  counter: () => ({ add() {}, forget() {} }),
  duration: () => ({ observe() {}, forget() {} }),
  gauge() {},
};

/**
 * Whether what is fed is what the lists name: said at start, with every mistake at once.
 * @throws Error
 */
export function checkMeters(listed: readonly Meter[], fed: readonly Meter[]): void {
  const names = listed.map(({ name }) => name);
  const mistakes = [
    ...names.filter((name, at) => names.indexOf(name) !== at).map((name) => `${name} is declared twice`),
    ...fed.filter((meter) => !listed.includes(meter)).map(({ name }) => `${name} is fed, and no module lists it`),
    ...listed.filter((meter) => !fed.includes(meter)).map(({ name }) => `${name} is listed, and nobody feeds it`),
  ];
  if (mistakes.length > 0) throw new Error(`meters are not as declared:\n${mistakes.join('\n')}`);
}
