// How often one network may begin a sign-in. Each beginning leaves rows behind until it expires, and nobody has proved
// anything yet, so it is bounded before it costs anything: by IPv4 address, by /64, and a site's whole /48 may begin four times
// as often as one of its networks. In memory: a restart forgives.

import { addressKeys } from '#kernel/addresses/addresses';
import type { Clock } from '#kernel/clock/clock';
import { identityFailures } from './identity.errors.ts';

export type Rate = {
  /** @throws Failure `throttled` when this address began too often within the window */
  take(address: string | undefined): void;
};

const keysMax = 20_000;
const wideFactor = 4;

export function createRate(options: {
  readonly clock: Clock;
  readonly limit: number;
  readonly windowMs: number;
}): Rate {
  const { clock, limit, windowMs } = options;
  const counts = new Map<string, number>();
  let windowEndsMs = 0;
  /** Counts one more, and says whether that is too many. */
  function isOver(wanted: string, most: number): boolean {
    // Past this many networks everybody shares what is left: the bound holds whatever an attacker owns.
    const key = counts.has(wanted) || counts.size < keysMax ? wanted : 'others';
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count > most;
  }

  return {
    take(address) {
      const now = clock.epochMs();
      if (now >= windowEndsMs || windowEndsMs - now > windowMs) {
        counts.clear();
        windowEndsMs = now + windowMs;
      }
      const { near, wide } = addressKeys(address);
      const isNearOver = isOver(near, limit);
      const isWideOver = wide !== undefined && isOver(wide, limit * wideFactor);
      if (!isNearOver && !isWideOver) return;
      throw identityFailures.TooManyRequests(Math.ceil((windowEndsMs - now) / 1000));
    },
  };
}
