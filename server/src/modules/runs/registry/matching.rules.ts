// Comparisons and orders of the search language over values in memory: a workspace has thousands of models, not millions.
// The rules are those of `search/conditions.store.ts`, which `search/search.contract.ts` holds both to. Every step is linear or a product of two bounded lengths. Pure.

import { unreachable } from '#kernel/errors/failure';
import type { Comparison, Ordering } from '../search/filter.rules.ts';
import type { Place } from '../search/pages.rules.ts';

export type Cell = string | number | undefined;

/** A comparison with what is missing does not hold, except IS NULL. */
export function holds({ operator, value }: Comparison, cell: Cell): boolean {
  if (operator === 'IS NULL') return cell === undefined;
  if (cell === undefined) return false;
  switch (operator) {
    case 'IS NOT NULL':
      return true;
    case '=':
      return cell === value;
    case '!=':
      return cell !== value;
    case '<':
      return typeof value === 'number' && typeof cell === 'number' && cell < value;
    case '<=':
      return typeof value === 'number' && typeof cell === 'number' && cell <= value;
    case '>':
      return typeof value === 'number' && typeof cell === 'number' && cell > value;
    case '>=':
      return typeof value === 'number' && typeof cell === 'number' && cell >= value;
    case 'LIKE':
      return isLike(String(cell), String(value));
    case 'ILIKE':
      return isLike(lowered(String(cell)), lowered(String(value)));
    case 'IN':
      return Array.isArray(value) && value.includes(cell);
    case 'NOT IN':
      return Array.isArray(value) && !value.includes(cell);
    default:
      return unreachable(operator);
  }
}

/** As the database folds case: ASCII letters alone. */
const lowered = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** `%` is any text and `_` one character. Goes back to the last `%` only, so it never takes more than the product of lengths. */
export function isLike(text: string, pattern: string): boolean {
  const characters = [...text];
  const wanted = [...pattern];
  let at = 0;
  let next = 0;
  let lastAny = -1;
  let resumeAt = 0;
  while (at < characters.length) {
    if (wanted[next] === '%') {
      lastAny = next++;
      resumeAt = at;
    } else if (next < wanted.length && (wanted[next] === '_' || wanted[next] === characters[at])) {
      at++;
      next++;
    } else if (lastAny >= 0) {
      next = lastAny + 1;
      at = ++resumeAt;
    } else return false;
  }
  while (wanted[next] === '%') next++;
  return next === wanted.length;
}

export type Column<R> = { readonly of: (row: R) => string | number; readonly ascending: boolean };

const compared = (a: string | number, b: string | number): number =>
  typeof a === 'string' && typeof b === 'string' ? comparedTexts(a, b) : a < b ? -1 : a > b ? 1 : 0;

/** In the order of code points, as the database sorts: in that of UTF-16 what is written as a pair would come too early. */
function comparedTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [one, other] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (one !== other) return rankOf(one) - rankOf(other);
  }
  return a.length - b.length;
}

/** Halves of pairs behind all other units. */
const rankOf = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);

function behindOf<R>(row: R, place: Place, columns: readonly Column<R>[]): number {
  for (const [index, { of, ascending }] of columns.entries()) {
    const wanted = place[index];
    if (wanted === undefined || wanted === null) return 0;
    const order = compared(of(row), wanted);
    if (order !== 0) return ascending ? order : -order;
  }
  return 0;
}

/** One page in an order that the columns make total, behind a place of that order. */
export function pageAfter<R>(
  rows: readonly R[],
  columns: readonly Column<R>[],
  after: Place | undefined,
  limit: number,
  /** Of a row, and of a page, which holds one row in any case. */
  weight: { readonly of: (row: R) => number; readonly max: number },
): { readonly rows: readonly R[]; readonly next: Place | undefined } {
  const placeOf = (row: R): Place => columns.map(({ of }) => of(row));
  const left = after === undefined ? [...rows] : rows.filter((row) => behindOf(row, after, columns) > 0);
  const found = left
    .map((row) => ({ row, place: placeOf(row) }))
    .sort((a, b) => behindOf(a.row, b.place, columns))
    .map(({ row }) => row);
  const page: R[] = [];
  let weighs = 0;
  for (const row of found.slice(0, limit)) {
    weighs += weight.of(row);
    if (page.length > 0 && weighs > weight.max) break;
    page.push(row);
  }
  const last = page.at(-1);
  return { rows: page, next: found.length > page.length && last !== undefined ? placeOf(last) : undefined };
}

/** The columns of an order, then those that make it total; a field that is named again counts where it stood first. */
export function columnsOf<R>(
  order: readonly Ordering[],
  table: Readonly<Record<string, (row: R) => string | number>>,
  last: readonly Column<R>[],
): readonly Column<R>[] {
  const asked = order.map(({ key, ascending }) => {
    const of = table[key];
    if (of === undefined) throw new Error(`no column is known for ${key}`);
    return { of, ascending };
  });
  return [...asked, ...last];
}
