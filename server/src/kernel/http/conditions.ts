// Conditions of a change (RFC 9110, 13.1) that its operation does not read. Whoever sends one says that the change is to be made
// only if nobody made another in between, or if nothing is there: passed over, it would be made all the same, with success.

import type { Exchange } from '#kernel/http/exchange';
import type { Route } from '#kernel/http/route';
import { isChange } from '#kernel/http/unread';
import { httpFailures } from './http.errors.ts';

const conditions = ['if-match', 'if-none-match', 'if-unmodified-since'] as const;

/** What an operation reads that keeps to a condition on what is stored: for `Route.reads`. */
export const etagConditions = ['if-match', 'if-none-match'] as const;

/** @throws Failure `invalid` */
export function refuseUnreadConditions(exchange: Exchange, { reads, method }: Pick<Route, 'reads' | 'method'>): void {
  // Conditions of what asks save a copy, and protect nothing.
  if (!isChange(method)) return;
  const read = typeof reads === 'function' ? reads(exchange) : (reads ?? []);
  // A route that does nothing but refuse says why in its own words.
  if (read === 'anything') return;
  const unread = conditions.find((name) => (exchange.header(name) ?? '') !== '' && !read.includes(name));
  if (unread !== undefined) throw httpFailures.ConditionNotServed(unread);
}
