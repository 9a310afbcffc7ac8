// Waiting for what others do as well: whoever waits can leave, and what he waited for goes on.

/** Rejects with the signal's reason as soon as it is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) return leave();
    signal.addEventListener('abort', leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

/** Acts on all of them, a few at a time. After a failure no further one begins, and the first failure is thrown when all have ended. */
export async function together<T>(all: readonly T[], most: number, act: (one: T) => Promise<void>): Promise<void> {
  const left = all.values();
  const failures: unknown[] = [];
  const work = async () => {
    for (const one of left) {
      if (failures.length > 0) return;
      await act(one).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, all.length) }, work));
  if (failures.length > 0) throw failures[0];
}
