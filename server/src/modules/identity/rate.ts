// How often one address may begin a sign-in. Each beginning leaves rows behind until it expires, and nobody has proved
// anything yet, so it is bounded before it costs anything. In memory: a restart forgives.

import type { Clock } from '#kernel/clock/clock';
import { Failure } from '#kernel/errors/failure';

export type Rate = {
  /** @throws Failure `throttled` when this address began too often within the window */
  take(address: string | undefined): void;
};

const addressesMax = 20_000;

export function createRate(options: {
  readonly clock: Clock;
  readonly limit: number;
  readonly windowMs: number;
}): Rate {
  const { clock, limit, windowMs } = options;
  const counts = new Map<string, number>();
  let windowEndsMs = 0;
  return {
    take(address = '') {
      const now = clock.epochMs();
      if (now >= windowEndsMs || windowEndsMs - now > windowMs) {
        counts.clear();
        windowEndsMs = now + windowMs;
      }
      // Past this many addresses everybody shares what is left: the bound holds whatever an attacker owns.
      const key = counts.has(address) || counts.size < addressesMax ? address : 'others';
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      if (count <= limit) return;
      throw new Failure({
        kind: 'throttled',
        code: 'TooManyRequests',
        message: 'Too many sign-ins were begun from this address. Try again in a minute.',
        retryAfterSeconds: Math.ceil((windowEndsMs - now) / 1000),
      });
    },
  };
}
