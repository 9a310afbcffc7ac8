// Comparisons as SQL. Values are always parameters. Every key of a run must exist for its comparison to hold, so `!=` does
// not match what is missing; LIKE minds the case and ILIKE does not, for ASCII letters. `search.contract.ts` holds this and
// `registry/matching.rules.ts` to the same cases.

import { type RawBuilder, sql } from 'kysely';
import { always, among, like, likeInAnyCase, notAmong } from '#kernel/database/dialect/dialect';
import { unreachable } from '#kernel/errors/failure';
import type { Operator, Value } from './filter.rules.ts';

const symbols = { '=': sql`=`, '!=': sql`<>`, '<': sql`<`, '<=': sql`<=`, '>': sql`>`, '>=': sql`>=` } as const;

/** @param column an expression of ours that is not null where the comparison is asked */
export function compare(column: RawBuilder<unknown>, operator: Operator, value: Value): RawBuilder<boolean> {
  switch (operator) {
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return sql`${column} ${symbols[operator]} ${value}`;
    case 'LIKE':
      return like(column, String(value));
    case 'ILIKE':
      return likeInAnyCase(column, String(value));
    case 'IN':
      return among(column, listOf(value));
    case 'NOT IN':
      return notAmong(column, listOf(value));
    case 'IS NULL':
      return sql`${column} is null`;
    case 'IS NOT NULL':
      return sql`${column} is not null`;
    default:
      return unreachable(operator);
  }
}

const listOf = (value: Value): readonly (string | number)[] => {
  if (!Array.isArray(value)) throw new Error('IN compares with a list');
  return value;
};

/** A number column with a NaN flag: a NaN equals nothing, and differs from every number. */
export function compareMetric(
  value: RawBuilder<unknown>,
  nan: RawBuilder<unknown>,
  operator: Operator,
  operand: Value,
): RawBuilder<boolean> {
  const compared = compare(value, operator, operand);
  return operator === '!=' ? sql`(${nan} = 1 or ${compared})` : sql`(${nan} = 0 and ${compared})`;
}

/** A comparison of a keyed row, or that there is none. `table` holds `owner`, `key` and `value`. */
export function comparePair(
  table: 'run_params' | 'run_tags' | 'experiment_tags' | 'logged_model_tags' | 'logged_model_params',
  owner: RawBuilder<unknown>,
  key: string,
  operator: Operator,
  value: Value,
): RawBuilder<boolean> {
  const column = { run_params: 'run', run_tags: 'run', experiment_tags: 'experiment' }[table as string] ?? 'model';
  const row = (condition: RawBuilder<unknown>) =>
    sql<boolean>`exists (select 1 from ${sql.table(table)} x where x.${sql.id(column)} = ${owner} and x.key = ${key} and ${condition})`;
  if (operator === 'IS NULL') return sql`not ${row(always)}`;
  if (operator === 'IS NOT NULL') return row(always);
  return row(compare(sql`x.value`, operator, value));
}
