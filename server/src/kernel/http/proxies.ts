// Whose address a request came from. Anybody can write X-Forwarded-For, so it is read only on connections from proxies that
// were configured, from its right end: each of these wrote the one to the left of it. What is not an address ends the reading
// at the last proxy that is known, so that a chain which makes no sense names nobody.

import { isInRange, parseRange } from '#kernel/addresses/addresses';
import { httpFailures } from './http.errors.ts';

/** @returns the address of the client; `peer` when nothing better is known */
export type ClientOf = (peer: string | undefined, forwardedFor: string | undefined) => string | undefined;

const hopsMax = 32;

/** Throws Failure `invalid` for what is neither an address nor a range. */
export function createProxies(trusted: readonly string[]): ClientOf {
  const ranges = trusted.map((text) => {
    const range = parseRange(text);
    if (range === undefined) throw httpFailures.InvalidConfiguration(text);
    return range;
  });
  const isTrusted = (address: string) => ranges.some((range) => isInRange(address, range));

  return (peer, forwardedFor) => {
    if (peer === undefined || forwardedFor === undefined || !isTrusted(peer)) return peer;
    let client = peer;
    const hops = forwardedFor.split(',').slice(-hopsMax).reverse();
    for (const hop of hops) {
      const address = addressIn(hop.trim());
      if (address === undefined) return client;
      client = address;
      if (!isTrusted(address)) return client;
    }
    return client;
  };
}

/** Some proxies write a port, and IPv6 in brackets. */
function addressIn(hop: string): string | undefined {
  const text = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(hop)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(hop)?.[1] ?? hop;
  return text.includes('/') || parseRange(text) === undefined ? undefined : text;
}
