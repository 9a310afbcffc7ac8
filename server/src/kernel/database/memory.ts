// What a database answers again and again while nothing is written to it: kept until the next write, whatever that changes, so that
// nobody has to think of what to drop. An answer that was read while a write went on is given and not kept.

export type Memory = {
  /** What `read` answers, or what it answered under this key since the last write. One that throws leaves nothing. */
  remembered<R>(key: string, read: () => Promise<R>): Promise<R>;
  /** Before whoever wrote is told, also when nobody knows what was kept. */
  forget(): void;
};

const answersMax = 5_000;

export function createMemory(): Memory {
  /** As promises that are kept already: who asks again is handed the same one. */
  const kept = new Map<string, Promise<unknown>>();
  let writes = 0;

  async function readNow<R>(key: string, read: () => Promise<R>): Promise<R> {
    const before = writes;
    const answer = await read();
    if (before !== writes) return answer;
    kept.set(key, Promise.resolve(answer));
    const [oldest] = kept.keys();
    if (kept.size > answersMax && oldest !== undefined) kept.delete(oldest);
    return answer;
  }

  return {
    // Only what `read` of the same key answered is under it, and each key is read in one place.
    remembered: <R>(key: string, read: () => Promise<R>) =>
      (kept.get(key) as Promise<R> | undefined) ?? readNow(key, read),
    forget() {
      writes += 1;
      kept.clear();
    },
  };
}
