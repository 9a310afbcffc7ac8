// One change of access at a time: stored durably, then put in memory, before the next begins. So memory can never take an
// older state after a newer one, and every rule that looks at several assignments sees them all.

export type Serially = <R>(change: () => Promise<R>) => Promise<R>;

export function createSerially(): Serially {
  let last: Promise<unknown> = Promise.resolve();
  return (change) => {
    const mine = last.then(change);
    last = mine.catch(() => undefined);
    return mine;
  };
}
