// The little of OData's $filter that Microsoft.Authorization takes: functions and equalities joined by `and`. Whatever else
// is refused: a filter that is ignored would answer more than was asked for.

import { accessFailures } from './access.errors.ts';

export type Clause =
  | { readonly kind: 'call'; readonly name: string; readonly argument: string | undefined }
  | { readonly kind: 'equals'; readonly name: string; readonly value: string };

const filterLengthMax = 1_024;
const clause = /\s*(?:(\w+)\(\s*(?:'((?:[^']|'')*)')?\s*\)|(\w+)\s+eq\s+'((?:[^']|'')*)')\s*/y;
const conjunction = /and\b/iy;

const unquoted = (text: string | undefined) => text?.replaceAll("''", "'");

/** Clauses with names in lower case, in the order written; none for an absent or empty filter. Throws `invalid`. */
export function parseFilter(text: string | undefined): readonly Clause[] {
  if (text === undefined || text.trim() === '') return [];
  if (text.length > filterLengthMax) throw accessFailures.filterTooLong(filterLengthMax);
  const clauses: Clause[] = [];
  let at = 0;
  for (;;) {
    clause.lastIndex = at;
    const found = clause.exec(text);
    if (!found) throw notUnderstood(text);
    const [whole, call, argument, field, value] = found;
    if (call !== undefined) clauses.push({ kind: 'call', name: call.toLowerCase(), argument: unquoted(argument) });
    else clauses.push({ kind: 'equals', name: (field ?? '').toLowerCase(), value: unquoted(value) ?? '' });
    at += whole.length;
    if (at === text.length) return clauses;
    conjunction.lastIndex = at;
    if (!conjunction.test(text)) throw notUnderstood(text);
    at = conjunction.lastIndex;
  }
}

export const notUnderstood = (text: string) => accessFailures.filterNotServed(text);
