// How many requests a deployment serves at once, and how many wait: first come, first served, bounded in number and time. A
// place is given back exactly once.

import type { Clock } from '#kernel/clock/clock';
import { endpointsFailures } from './endpoints.errors.ts';

export type Bounds = {
  readonly running: number;
  readonly waiting: number;
  readonly waitMs: number;
};

export type Queue = {
  /** Resolves when the caller may go on, with what gives its place back. Throws `throttled`. */
  enter(bounds: Bounds, signal: AbortSignal): Promise<() => void>;
};

export function createQueue(clock: Clock): Queue {
  type Waiting = { readonly admit: () => void };
  let running = 0;
  let limit = 1;
  const line: Waiting[] = [];

  /** Given back twice does nothing, so that an aborted stream and its end do not free two places. */
  function place(): () => void {
    running += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      running -= 1;
      while (running < limit && line.length > 0) line.shift()?.admit();
    };
  }

  return {
    async enter(bounds, signal) {
      limit = bounds.running;
      if (running < bounds.running && line.length === 0) return place();
      if (line.length >= bounds.waiting) throw endpointsFailures.queueFull();
      return new Promise((resolve, reject) => {
        const done = new AbortController();
        const leave = () => {
          const at = line.indexOf(waiting);
          if (at >= 0) line.splice(at, 1);
        };
        const waiting: Waiting = {
          admit() {
            done.abort();
            resolve(place());
          },
        };
        line.push(waiting);
        clock.sleep(bounds.waitMs, AbortSignal.any([done.signal, signal])).then(
          () => {
            leave();
            reject(endpointsFailures.waitedTooLong());
          },
          () => {
            // Admitted, or the caller went away.
            leave();
            if (!done.signal.aborted) reject(endpointsFailures.callerWentAway());
          },
        );
      });
    },
  };
}
