// Whose turn it is among what waits for the nodes of one target: the clusters in turn, the submitters of a cluster in turn, and
// what one of them submitted in its order. So a thousand jobs of one do not stand before one job of another. Whoever has nothing
// that waits has no turn, and comes behind those who wait: he cannot keep others waiting by coming again and again. In memory;
// `inOrder` says what it was before a start, from what is stored. Pure.

export type Waiting = {
  /** The cluster. */
  readonly place: string;
  readonly submitter: string;
  /** Grows with every submission. */
  readonly number: number;
};

export type FairLine<T extends Waiting> = {
  /** Behind what its submitter has waiting there. */
  add(item: T): void;
  /** It had its turn in vain, and its submitter and its cluster are next again. */
  putBack(item: T): void;
  remove(item: T): void;
  count(place: string): number;
  /**
   * Offers what is next, until `accepts` has taken `most` or everything was refused that could be. `full`: nothing of this cluster
   * can be taken; `passed`: not this one, perhaps another.
   */
  take(most: number, accepts: (item: T) => 'taken' | 'passed' | 'full'): void;
};

export function createFairLine<T extends Waiting>(): FairLine<T> {
  /** By cluster and submitter, both in the order of their turns. */
  const places = new Map<string, Map<string, Set<T>>>();

  function remove(item: T): void {
    const { place, submitter } = item;
    const submitters = places.get(place);
    const items = submitters?.get(submitter);
    if (submitters === undefined || items === undefined) return;
    items.delete(item);
    if (items.size === 0) submitters.delete(submitter);
    if (submitters.size === 0) places.delete(place);
  }

  /** The first that is accepted there; undefined: none is. */
  function offer(submitters: ReadonlyMap<string, ReadonlySet<T>>, accepts: (item: T) => 'taken' | 'passed' | 'full') {
    for (const items of submitters.values())
      for (const item of items) {
        const answer = accepts(item);
        if (answer === 'full') return undefined;
        if (answer === 'taken') return item;
      }
    return undefined;
  }

  return {
    add(item) {
      const submitters = places.get(item.place) ?? new Map<string, Set<T>>();
      const items = submitters.get(item.submitter) ?? new Set<T>();
      items.add(item);
      submitters.set(item.submitter, items);
      places.set(item.place, submitters);
    },
    putBack(item) {
      const submitters = places.get(item.place) ?? new Map<string, Set<T>>();
      const items = [...(submitters.get(item.submitter) ?? []), item].sort((a, b) => a.number - b.number);
      toFront(submitters, item.submitter, new Set(items));
      toFront(places, item.place, submitters);
    },
    remove,
    count: (place) => [...(places.get(place)?.values() ?? [])].reduce((sum, { size }) => sum + size, 0),
    take(most, accepts) {
      const exhausted = new Set<string>();
      for (let taken = 0; taken < most; taken += 1) {
        let item: T | undefined;
        for (const [place, submitters] of places) {
          if (exhausted.has(place)) continue;
          item = offer(submitters, accepts);
          if (item !== undefined) break;
          exhausted.add(place);
        }
        if (item === undefined) return;
        remove(item);
        const submitters = places.get(item.place);
        if (submitters === undefined) continue;
        toEnd(submitters, item.submitter);
        toEnd(places, item.place);
      }
    },
  };
}

function toEnd<V>(map: Map<string, V>, key: string): void {
  const value = map.get(key);
  if (value === undefined) return;
  map.delete(key);
  map.set(key, value);
}

function toFront<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  const others = [...map];
  map.clear();
  map.set(key, value);
  for (const [other, kept] of others) map.set(other, kept);
}

/** When a submitter last had a turn at a cluster. */
export type Turn = { readonly place: string; readonly submitter: string; readonly atMs: number };

/**
 * In the order in which they are added to a line that is to go on where another ended. Each has waited for his turn since his
 * last one, or since the first of what he has waiting came, whichever was later; what he took back is not known any more.
 */
export function inOrder<T extends Waiting & { readonly sinceMs: number }>(
  waiting: readonly T[],
  turns: readonly Turn[],
): readonly T[] {
  type Since = { readonly atMs: number; readonly number: number };
  const sinceOf = (keyOf: (one: Pick<Waiting, 'place' | 'submitter'>) => string): ((item: T) => Since) => {
    const first = new Map<string, T>();
    for (const item of waiting) {
      const before = first.get(keyOf(item));
      if (before === undefined || item.number < before.number) first.set(keyOf(item), item);
    }
    const last = new Map<string, number>();
    for (const turn of turns) last.set(keyOf(turn), Math.max(last.get(keyOf(turn)) ?? 0, turn.atMs));
    return (item) => {
      const { sinceMs, number } = first.get(keyOf(item)) ?? item;
      return { atMs: Math.max(sinceMs, last.get(keyOf(item)) ?? 0), number };
    };
  };
  const compare = (one: Since, other: Since) => one.atMs - other.atMs || one.number - other.number;
  const placeSince = sinceOf(({ place }) => place);
  const submitterSince = sinceOf(({ place, submitter }) => `${place} ${submitter}`);
  return [...waiting].sort(
    (a, b) =>
      compare(placeSince(a), placeSince(b)) || compare(submitterSince(a), submitterSince(b)) || a.number - b.number,
  );
}
