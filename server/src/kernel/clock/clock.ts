// Time as an argument. Everything that asks what time it is, how long ago something was, or waits, takes a Clock, so that a test can
// drive it; nothing else in the server reads the time of day. What is told or stored is of the time of day, which can jump; what one
// process compares with itself (was an agent heard of, how long has a node been idle) is of the time that has passed.

export type Clock = {
  now(): Date;
  /** Milliseconds since 1970, UTC. */
  epochMs(): number;
  /** Milliseconds since some moment of this process: it only grows, whatever becomes of the time of day. */
  elapsedMs(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

/** setTimeout fires at once when it is asked for more than this. */
const timeoutMillisecondsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  epochMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  async sleep(ms, signal) {
    for (let left = ms; left > 0; left -= timeoutMillisecondsMax) {
      await timeout(Math.min(left, timeoutMillisecondsMax), signal);
    }
    signal?.throwIfAborted();
  },
};

function timeout(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return void reject(signal.reason);
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }, ms);
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
