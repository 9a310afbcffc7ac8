// One at a time for each name: what is asked for a name waits for what was asked for it before, other names do not wait. In the
// order of arrival, within this process. What fails does not stop those behind it, and a name that nobody waits for is forgotten.

export type Turns = <R>(name: string, act: () => Promise<R>) => Promise<R>;

export type TurnsOptions = {
  /** Two names with one key take turns; the name itself when left out. */
  readonly keyOf?: (name: string) => string;
  /** How many may be at it and wait, for one key; whoever comes then is refused at once. Unbounded when left out. */
  readonly bound?: { readonly max: number; readonly refuse: (name: string) => Error };
};

export function createTurns({ keyOf = (name) => name, bound }: TurnsOptions = {}): Turns {
  const queues = new Map<string, { tail: Promise<unknown>; length: number }>();
  return async (name, act) => {
    const key = keyOf(name);
    const queue = queues.get(key) ?? { tail: Promise.resolve(), length: 0 };
    if (bound !== undefined && queue.length >= bound.max) throw bound.refuse(name);
    queues.set(key, queue);
    queue.length += 1;
    const mine = queue.tail.then(act);
    queue.tail = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      queue.length -= 1;
      if (queue.length === 0) queues.delete(key);
    }
  };
}

/** Turns of one kind, where all take them together. */
export type Turn = <R>(act: () => Promise<R>) => Promise<R>;

export function createTurn(bound?: { readonly max: number; readonly refuse: () => Error }): Turn {
  const turns = createTurns(bound === undefined ? {} : { bound });
  return (act) => turns('', act);
}
