// Ordering and continuing by key set: the rows behind a place in an order of several columns, each with its direction.
// Unlike an offset it neither skips nor repeats rows while others are inserted. Builds SQL from parts of ours alone.

import { type RawBuilder, sql } from 'kysely';
import { always } from '#kernel/database/dialect/dialect';
import type { Place } from './pages.rules.ts';

/** One column of an order. Without nulls: a rank column before it says what comes last. */
export type SortColumn = { readonly expression: RawBuilder<unknown>; readonly ascending: boolean };

/** A value with its rank before it: 0 for values, 1 for NaN, 2 for NULL, so those come last in both directions. */
export const ranked = (
  value: RawBuilder<unknown>,
  isNan: RawBuilder<unknown> | undefined,
  ascending: boolean,
): readonly SortColumn[] => [
  {
    expression: isNan
      ? sql`case when ${value} is null then 2 when ${isNan} = 1 then 1 else 0 end`
      : sql`case when ${value} is null then 2 else 0 end`,
    ascending: true,
  },
  // Rows of equal rank that are no values are equal here, and the next column decides.
  {
    expression: isNan
      ? sql`case when ${isNan} = 1 or ${value} is null then 0 else ${value} end`
      : sql`coalesce(${value}, 0)`,
    ascending,
  },
];

export const orderBy = (columns: readonly SortColumn[]): RawBuilder<unknown> =>
  sql.join(columns.map(({ expression, ascending }) => (ascending ? sql`${expression} asc` : sql`${expression} desc`)));

/** Names under which the place of a row is selected: p0, p1, … */
export const placeColumns = (columns: readonly SortColumn[]): RawBuilder<unknown> =>
  sql.join(columns.map(({ expression }, index) => sql`${expression} as ${sql.id(`p${index}`)}`));

export const placeOf = (row: Readonly<Record<string, unknown>>, columns: readonly SortColumn[]): Place =>
  columns.map((_, index) => {
    const value = row[`p${index}`];
    return typeof value === 'string' || typeof value === 'number' ? value : null;
  });

/** True of rows strictly behind the place: an earlier column decides, or is equal and a later one does. */
export function behind(columns: readonly SortColumn[], place: Place): RawBuilder<boolean> {
  const alternatives = columns.map(({ expression, ascending }, index) => {
    const equal = columns.slice(0, index).map((column, before) => sql`${column.expression} = ${place[before]}`);
    const further = ascending ? sql`${expression} > ${place[index]}` : sql`${expression} < ${place[index]}`;
    return sql`(${sql.join([...equal, further], sql` and `)})`;
  });
  const [first] = columns;
  // Follows from the alternatives; said apart because the index of the first column can use it.
  const bound =
    first === undefined
      ? always
      : first.ascending
        ? sql`${first.expression} >= ${place[0]}`
        : sql`${first.expression} <= ${place[0]}`;
  return sql<boolean>`(${bound} and (${sql.join(alternatives, sql` or `)}))`;
}
