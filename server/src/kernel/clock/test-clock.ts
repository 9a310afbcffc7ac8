// A clock that stands still until a test moves it. Sleepers wake in the order of their time, and what a woken one does runs
// before the next wakes: the same test takes the same course every time. For tests only.

import { syncsUnderWay } from '#kernel/database/sqlite/log-sync';
import type { Clock } from './clock.ts';

export type TestClock = Clock & {
  /** Moves the time on, waking every sleeper on the way at exactly its time, including those that fall asleep again. */
  advance(ms: number): Promise<void>;
  /** The time of day jumps (an administrator, a time server): nobody wakes for it, nobody sleeps longer. */
  jump(ms: number): void;
  /** Resolves when at least `count` sleepers wait: the event to wait for before advancing. */
  asleep(count: number): Promise<void>;
};

type Sleeper = { readonly at: number; readonly wake: () => void };

/** Starts at `start`, by default 2026-01-01T00:00:00Z. */
export function createTestClock(start: Date | string = '2026-01-01T00:00:00Z'): TestClock {
  // `elapsed` only grows, and sleepers wait on it; `origin` is what a jump moves.
  let origin = new Date(start).getTime();
  let elapsed = 0;
  const sleepers: Sleeper[] = [];
  const watchers: { readonly count: number; readonly seen: () => void }[] = [];

  function tellWatchers(): void {
    for (const watcher of watchers.filter(({ count }) => sleepers.length >= count)) {
      watchers.splice(watchers.indexOf(watcher), 1);
      watcher.seen();
    }
  }

  return {
    now: () => new Date(origin + elapsed),
    epochMs: () => origin + elapsed,
    elapsedMs: () => elapsed,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted === true) return void reject(signal.reason);
        if (ms <= 0) return void resolve();
        const aborted = () => {
          sleepers.splice(sleepers.indexOf(sleeper), 1);
          reject(signal?.reason);
        };
        const sleeper: Sleeper = {
          at: elapsed + ms,
          wake() {
            signal?.removeEventListener('abort', aborted);
            resolve();
          },
        };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', aborted, { once: true });
        tellWatchers();
      });
    },
    async advance(ms) {
      const until = elapsed + ms;
      for (;;) {
        await turns();
        const next = sleepers.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)[0];
        if (next === undefined) break;
        sleepers.splice(sleepers.indexOf(next), 1);
        elapsed = Math.max(elapsed, next.at);
        next.wake();
      }
      elapsed = until;
      await turns();
    },
    jump(ms) {
      origin += ms;
    },
    asleep(count) {
      if (sleepers.length >= count) return Promise.resolve();
      return new Promise((seen) => watchers.push({ count, seen }));
    },
  };
}

/** Turns of the event loop until a few in a row have passed in which no database made a commit durable: whoever woke has written and sleeps. */
async function turns(): Promise<void> {
  for (let quiet = 0; quiet < 8; quiet++) {
    await new Promise(setImmediate);
    if (syncsUnderWay() > 0) quiet = 0;
  }
}
