// How many at once: of all, and of each name, so that one who asks for much, or for what is slow, leaves room for others. The others
// wait in the order in which they came, some of them; whoever comes then is turned away. Holds nothing but who is at it.

export type Slots = {
  /** Undefined: there is no room, not even to wait. Rejects when `signal` is aborted before its turn. */
  take<R>(name: string, signal: AbortSignal, act: () => Promise<R>): Promise<{ readonly done: R } | undefined>;
};

export function createSlots(bounds: {
  readonly most: number;
  readonly each: number;
  /** That wait, of one name. */
  readonly waiting: number;
  /** Of all names together. */
  readonly waitingOfAll: number;
}): Slots {
  const { most, each, waiting: waitingMax, waitingOfAll } = bounds;
  const busy = new Map<string, number>();
  const queue: { readonly name: string; readonly begin: () => void }[] = [];
  let total = 0;

  const isFree = (name: string) => total < most && (busy.get(name) ?? 0) < each;
  const enter = (name: string) => {
    total += 1;
    busy.set(name, (busy.get(name) ?? 0) + 1);
  };
  function leave(name: string): void {
    total -= 1;
    const left = (busy.get(name) ?? 1) - 1;
    if (left === 0) busy.delete(name);
    else busy.set(name, left);
    const at = queue.findIndex((waiter) => isFree(waiter.name));
    const [next] = at < 0 ? [] : queue.splice(at, 1);
    if (next === undefined) return;
    enter(next.name);
    next.begin();
  }

  /** False: there is no room to wait. */
  async function waited(name: string, signal: AbortSignal): Promise<boolean> {
    if (queue.length >= waitingOfAll || queue.filter((waiter) => waiter.name === name).length >= waitingMax)
      return false;
    const mine = Promise.withResolvers<void>();
    const waiter = { name, begin: mine.resolve };
    queue.push(waiter);
    const giveUp = () => {
      const at = queue.indexOf(waiter);
      if (at < 0) return;
      queue.splice(at, 1);
      mine.reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await mine.promise;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
    return true;
  }

  return {
    async take(name, signal, act) {
      signal.throwIfAborted();
      // Whoever waits already comes first, unless it is his own bound that he waits for.
      if (isFree(name) && !queue.some((waiter) => isFree(waiter.name))) enter(name);
      else if (!(await waited(name, signal))) return undefined;
      try {
        return { done: await act() };
      } finally {
        leave(name);
      }
    },
  };
}
