// What can be measured, as data: a room declares its meters in one table, hands the table over with its module, and is printed
// from it (docs/operations/metrics.md). The names are those that Prometheus wants, held here, so that whoever scrapes never finds one
// that is not; what a label may say is part of the declaration, so that no series is made of what a caller sends.

export type MeterKind = 'counter' | 'gauge' | 'duration';

/** Words of a fixed list; or names that appear while the server runs, with the reason why whoever makes them may. */
export type Label = readonly string[] | { readonly open: string };
export type Labels = Readonly<Record<string, Label>>;

export type Meter<K extends MeterKind = MeterKind, L extends Labels = Labels> = {
  readonly kind: K;
  /** As it is printed, unit included. */
  readonly name: string;
  /** For whoever operates the server; begins with a capital, without a full stop. */
  readonly help: string;
  readonly labels: L;
  /** Beyond so many series a further one is counted in the one whose labels all say `other`. */
  readonly seriesMax: number;
};

export type ValuesOf<L extends Labels> = {
  readonly [N in keyof L]: L[N] extends readonly (infer V)[] ? V : string;
};
export type LabelValues = Readonly<Record<string, string>>;

/** What undeclared values and series beyond the bound are counted as. */
export const otherValue = 'other';
const valueLengthMax = 128;
const seriesMaxUsual = 1_000;

type Declared<L extends Labels> = {
  readonly name: string;
  readonly help: string;
  readonly labels?: L;
  readonly seriesMax?: number;
};
/** No labels at all. */
type None = Readonly<Record<never, never>>;

/** Counts what happened, from 0 with each start of the process. */
export const counter = <const L extends Labels = None>(declared: Declared<L>): Meter<'counter', L> =>
  meter('counter', declared);
/** How long things took, in seconds. */
export const duration = <const L extends Labels = None>(declared: Declared<L>): Meter<'duration', L> =>
  meter('duration', declared);
/** How much there is when somebody asks; of one label at most. */
export const gauge = <const L extends Labels = None>(declared: Declared<L>): Meter<'gauge', L> =>
  meter('gauge', declared);

const namePattern = /^strongroom(_[a-z][a-z0-9]*)+$/;
const labelPattern = /^[a-z][a-z0-9_]*$/;
/** Units that are no base units, and kinds: neither stands in a name. */
const misnamed = /_(milliseconds|ms|minutes|hours|kilobytes|megabytes|percent|gauge|counter|histogram|summary)(_|$)/;
/** What a histogram is printed as besides. */
const taken = /_(count|sum|bucket|info|created)$/;

/** @throws Error that names every mistake of the declaration */
function meter<K extends MeterKind, L extends Labels>(kind: K, declared: Declared<L>): Meter<K, L> {
  const { name, help, seriesMax = seriesMaxUsual } = declared;
  // Left out, there is none: L is the empty object then.
  const labels = declared.labels ?? ({} as L);
  const names = Object.keys(labels);
  const listed = listedSeries(labels);
  const mistakes = [
    ...(namePattern.test(name) && !misnamed.test(name) && !taken.test(name) ? [] : ['is no name of a metric']),
    ...(name.endsWith('_total') === (kind === 'counter') ? [] : ['a counter ends in _total, and nothing else does']),
    ...(kind === 'duration' && !name.endsWith('_seconds') ? ['a duration is in seconds'] : []),
    ...(kind === 'gauge' && names.length > 1 ? ['a gauge has one label at most'] : []),
    ...(help.length >= 4 && !help.endsWith('.') ? [] : ['needs help without a full stop']),
    ...names.filter((one) => !labelPattern.test(one) || one === 'le').map((one) => `'${one}' is no label`),
    ...Object.entries(labels).flatMap(([one, rule]) => (isJudged(rule) ? [] : [`'${one}' does not say its values`])),
    ...(listed > seriesMax ? [`its lists alone make ${listed} series, of ${seriesMax} that it may have`] : []),
  ];
  if (mistakes.length > 0) throw new Error(`the meter ${name}: ${mistakes.join('; ')}`);
  return Object.freeze({ kind, name, help, labels, seriesMax });
}

const isList = (rule: Label): rule is readonly string[] => Array.isArray(rule);
const isJudged = (rule: Label): boolean => (isList(rule) ? rule.length > 0 : rule.open.length >= 8);

const listedSeries = (labels: Labels): number =>
  Object.values(labels).reduce((product, rule) => product * (isList(rule) ? rule.length : 1), 1);

/** Every combination of a meter whose labels are all lists: what begins at 0. Empty where a label is open. */
export function everySeries({ labels }: Meter): readonly LabelValues[] {
  return Object.entries(labels).reduce<readonly LabelValues[]>(
    (all, [name, rule]) => (isList(rule) ? all.flatMap((one) => rule.map((value) => ({ ...one, [name]: value }))) : []),
    [{}],
  );
}

export type Bounded = {
  /** The series that is meant, within the declaration: its labels, no others, and values that may be. */
  seriesOf(given: LabelValues): LabelValues;
  /** Those that say all of `some` are forgotten, and answered. */
  forget(some: LabelValues): readonly LabelValues[];
};

type Rule = { readonly name: string /** Undefined: any name. */; readonly known: ReadonlySet<string> | undefined };

function withinRule({ name, known }: Rule, given: LabelValues): string {
  const value = Object.hasOwn(given, name) ? String(given[name]) : otherValue;
  if (known === undefined) return value.length > valueLengthMax ? value.slice(0, valueLengthMax) : value;
  return known.has(value) ? value : otherValue;
}

/** Holds a meter to what it declares. Every implementation of the port goes through it. */
export function boundedSeries({ labels, seriesMax }: Meter): Bounded {
  const rules: readonly Rule[] = Object.entries(labels).map(([name, rule]) => ({
    name,
    known: isList(rule) ? new Set(rule) : undefined,
  }));
  const present = new Map<string, LabelValues>();
  const others = Object.fromEntries(rules.map(({ name }) => [name, otherValue]));
  return {
    seriesOf(given) {
      // Asked with every request: what is known is found by its key alone. A length before each value: two series are never one key.
      let key = '';
      for (const rule of rules) {
        const kept = withinRule(rule, given);
        key += `${kept.length}:${kept}`;
      }
      const found = present.get(key);
      if (found !== undefined) return found;
      if (present.size >= seriesMax) return others;
      const series = Object.fromEntries(rules.map((rule) => [rule.name, withinRule(rule, given)]));
      present.set(key, series);
      return series;
    },
    forget(some) {
      const wanted = Object.entries(some);
      const gone = [...present].filter(([, series]) => wanted.every(([name, value]) => series[name] === value));
      for (const [key] of gone) present.delete(key);
      return gone.map(([, series]) => series);
    },
  };
}

/** A number that can be counted: an act never fails because what is counted of it is none. */
export const isCountable = (value: number): boolean => Number.isFinite(value) && value >= 0;
