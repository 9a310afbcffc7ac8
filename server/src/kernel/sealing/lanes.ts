// One thing at a time for each name: what is asked for one owner waits for what was asked before, other owners do not.
// A lane that fails does not stop those behind it, and an idle lane is forgotten.

export type Lanes = { run<R>(name: string, act: () => Promise<R>): Promise<R> };

export function createLanes(): Lanes {
  const tails = new Map<string, Promise<unknown>>();
  return {
    async run(name, act) {
      const before = tails.get(name);
      const mine = (async () => {
        await before?.catch(() => {});
        return await act();
      })();
      tails.set(name, mine);
      try {
        return await mine;
      } finally {
        if (tails.get(name) === mine) tails.delete(name);
      }
    },
  };
}
