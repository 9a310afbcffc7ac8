// One procedure at a time for each resource, within this process (one server process works on a database). A crash drops
// the locks; what it left half-way is recognised by its state and its holder, not by a lock.

import { idKey } from '#kernel/ids/ids';
import { errors } from './errors.ts';

const waitingMax = 64;

export type Locks = <R>(id: string, act: () => Promise<R>) => Promise<R>;

/** Runs acts on the same id one after the other, in order of arrival. More than 64 waiting are refused as busy. */
export function createLocks(): Locks {
  const queues = new Map<string, { tail: Promise<unknown>; length: number }>();
  return async (id, act) => {
    const key = idKey(id);
    const queue = queues.get(key) ?? { tail: Promise.resolve(), length: 0 };
    if (queue.length >= waitingMax) throw errors.throttled(id);
    queues.set(key, queue);
    queue.length += 1;
    const mine = queue.tail.then(act, act);
    queue.tail = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      queue.length -= 1;
      if (queue.length === 0) queues.delete(key);
    }
  };
}
