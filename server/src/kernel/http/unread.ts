// Parameters of the query that an operation does not read. Of a list: a filter that nobody applies shows too much, and a count or an
// order that nobody keeps, the wrong things. Of a change: what its sender adds is how he wants it, or what he wants kept. Passed over,
// it would promise what does not happen.

import type { Exchange } from '#kernel/http/exchange';
import type { Route } from '#kernel/http/route';
import { httpFailures } from './http.errors.ts';

/** Surfaces with dated versions check it themselves. */
const always = 'api-version';
const asking: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

export const isChange = (method: string): boolean => !asking.includes(method);

/**
 * The first that is not read, and those that are: of a change, and of what else says what it reads. One that is given empty asks
 * for nothing.
 */
export function unreadParameter(
  exchange: Exchange,
  { reads, query }: Pick<Route, 'reads' | 'query'>,
): { readonly name: string; readonly read: readonly string[] } | undefined {
  const said = typeof reads === 'function' ? reads(exchange) : reads;
  const change = isChange(exchange.method);
  if (said === 'anything' || (said === undefined && !change)) return undefined;
  const inSchema = (query as { readonly properties?: object } | undefined)?.properties ?? {};
  const read = [
    ...(said ?? []).filter((each) => each.startsWith('?')).map((each) => each.slice(1)),
    ...(change ? Object.keys(inSchema) : []),
  ];
  for (const [name, value] of Object.entries(exchange.target.query.values))
    if (value !== '' && name !== always && !read.includes(name)) return { name, read };
  return undefined;
}

/** For surfaces whose protocol has no word of its own for it. @throws Failure `invalid` */
export function refuseUnreadParameter(exchange: Exchange, route: Pick<Route, 'reads' | 'query'>): void {
  const unread = unreadParameter(exchange, route);
  if (unread !== undefined) throw httpFailures.ParameterNotServed(unread.name, unread.read);
}
