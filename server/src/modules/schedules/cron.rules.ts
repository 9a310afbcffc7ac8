// A cron expression of five fields: minutes, hours, days, months, days of the week. All five must hold, as in NCrontab, whose
// rules Azure names; a plain cron would take either kind of day. Pure.

import { schedulesFailures } from './schedules.errors.ts';

export type Cron = {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly dates: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** From 0 for Sunday. */
  readonly weekdays: ReadonlySet<number>;
};

type Field = {
  readonly name: keyof Cron;
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
};

const fields: readonly [Field, Field, Field, Field, Field] = [
  { name: 'minutes', title: 'minutes', min: 0, max: 59 },
  { name: 'hours', title: 'hours', min: 0, max: 23 },
  { name: 'dates', title: 'days', min: 1, max: 31 },
  {
    name: 'months',
    title: 'months',
    min: 1,
    max: 12,
    names: [
      ...['january', 'february', 'march', 'april', 'may', 'june'],
      ...['july', 'august', 'september', 'october', 'november', 'december'],
    ],
  },
  {
    name: 'weekdays',
    title: 'days of the week',
    min: 0,
    max: 6,
    names: ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'],
  },
];

export const expressionMax = 256;

/** @throws Failure `invalid` with the field that is wrong, and what it may be */
export function readCron(expression: string): Cron {
  const parts = expression.trim().split(/\s+/);
  if (parts.length === 6) throw schedulesFailures.CronWithSeconds();
  if (parts.length !== fields.length || expression.length > expressionMax) throw schedulesFailures.CronFields();
  const sets = fields.map((field, index) => [field.name, readField(field, parts[index] ?? '')] as const);
  return Object.fromEntries(sets) as Cron; // one for each field, and `fields` has them all
}

function readField(field: Field, text: string): ReadonlySet<number> {
  const values = new Set<number>();
  for (const part of text.split(',')) for (const value of readPart(field, part)) values.add(value);
  return values;
}

/** `*`, `5`, `1-5`, and each of them with a step: `*` followed by `/15`. */
function readPart(field: Field, part: string): readonly number[] {
  const wrong = () => schedulesFailures.CronField(field.title, part, field.min, field.max);
  const [range = '', step, ...more] = part.split('/');
  if (more.length > 0 || (step !== undefined && !/^[1-9][0-9]?$/.test(step))) throw wrong();
  const [low, high] = rangeOf(field, range, step !== undefined) ?? [];
  if (low === undefined || high === undefined || low > high) throw wrong();
  const every = Number(step ?? 1);
  const values = [];
  for (let value = low; value <= high; value += every) values.push(value);
  return values;
}

function rangeOf(field: Field, range: string, hasStep: boolean): readonly [number, number] | undefined {
  if (range === '*') return [field.min, field.max];
  const [from = '', to, ...more] = range.split('-');
  const low = valueIn(field, from);
  const high = to === undefined ? low : valueIn(field, to);
  if (low === undefined || high === undefined || more.length > 0) return undefined;
  return [low, to === undefined && hasStep ? field.max : high];
}

function valueIn({ min, max, names = [] }: Field, text: string): number | undefined {
  // By three letters or more: `mon` is `monday`.
  const named = text.length < 3 ? -1 : names.findIndex((name) => name.startsWith(text.toLowerCase()));
  if (named >= 0) return min + named;
  const value = /^[0-9]{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}
