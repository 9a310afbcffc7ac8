// What is open only while its key may be used: databases of workspaces, and stores that hold one beside other files. Every call asks
// for the key first, which is cheap while it is kept, so that a key that is refused refuses here at once; what was open is closed,
// and calls under way are told by their signal. Bounded: beyond `openMax` the least recently used are closed, never one that is at
// work. Whoever calls notices nothing of files that come and go between two calls.

import { isStopped } from '#kernel/database/database';
import { databaseFailures } from '#kernel/database/database.errors';
import type { Failure } from '#kernel/errors/failure';

export type Held = {
  /** Aborted when it is closed under the call: the key may no longer be used, or its owner is removed. */
  readonly signal: AbortSignal;
  /** Keeps it open beyond the call, until the answer is called: for streams. */
  hold(): () => void;
};

export type Keyed<Opened> = {
  /** Runs `act` on what belongs to `id`, open. Throws what asking for the key throws, and `ServerBusy` where it was closed meanwhile. */
  use<R>(id: string, act: (opened: Opened, held: Held) => Promise<R>): Promise<R>;
  /** Closes it and waits until nothing of it is open. The next call opens it again, if the key allows. */
  close(id: string): Promise<void>;
  closeAll(): Promise<void>;
};

type Entry<Opened> = {
  readonly opening: Promise<Opened>;
  readonly aborter: AbortController;
  readonly held: Held;
  users: number;
};

const openMaxWhereUnsaid = 64;

/** Whoever makes it calls `close` of an id whose key may no longer be used. */
export function createKeyed<Opened>(options: {
  /** What it is for messages: `storage account`. */
  readonly title: string;
  readonly openMax?: number | undefined;
  /** Asked at every call, and again right before opening. */
  readonly key: (id: string) => Promise<Uint8Array>;
  /** One at a time for an id: what was open before is closed by then. */
  readonly open: (id: string, key: Uint8Array) => Promise<Opened>;
  readonly close: (opened: Opened) => Promise<void>;
  /** It is closed because its disk failed under it, and the next call opens it as after a crash. */
  readonly onLost?: (id: string) => void;
}): Keyed<Opened> {
  const { title, openMax = openMaxWhereUnsaid, key } = options;
  /** In the order of use, the least recent first. */
  const entries = new Map<string, Entry<Opened>>();
  const closings = new Map<string, Promise<void>>();

  async function open(id: string, signal: AbortSignal): Promise<Opened> {
    // order matters: the one before is gone before another one comes, and its key is still good by then.
    await closings.get(id);
    const opened = await options.open(id, await key(id));
    if (!signal.aborted) return opened;
    await options.close(opened);
    throw closedNow(title);
  }

  function entryOf(id: string): Entry<Opened> {
    const present = entries.get(id);
    if (present !== undefined) {
      // Least recently used goes first: a Map iterates in the order of insertion.
      entries.delete(id);
      entries.set(id, present);
      return present;
    }
    const aborter = new AbortController();
    const { signal } = aborter;
    const entry: Entry<Opened> = { opening: open(id, signal), aborter, users: 0, held: { signal, hold } };
    function hold(): () => void {
      entry.users += 1;
      let isHeld = true;
      return () => {
        if (isHeld) entry.users -= 1;
        isHeld = false;
        closeIdle();
      };
    }
    entry.opening.catch(() => {
      if (entries.get(id) === entry) entries.delete(id);
    });
    entries.set(id, entry);
    return entry;
  }

  function closeIdle(): void {
    for (const [id, { users }] of entries) {
      if (entries.size <= openMax) return;
      if (users === 0) void close(id);
    }
  }

  function close(id: string): Promise<void> {
    const entry = entries.get(id);
    if (entry !== undefined) {
      entries.delete(id);
      entry.aborter.abort(closedNow(title));
      const closing = Promise.allSettled([closings.get(id), finish(entry)]).then(() => {
        if (closings.get(id) === closing) closings.delete(id);
      });
      closings.set(id, closing);
    }
    return closings.get(id) ?? Promise.resolve();
  }

  async function finish(entry: Entry<Opened>): Promise<void> {
    let opened: Opened;
    try {
      opened = await entry.opening;
    } catch {
      return; // It never opened, or was closed by whoever opened it.
    }
    await options.close(opened);
  }

  return {
    async use(id, act) {
      await key(id);
      const entry = entryOf(id);
      entry.users += 1;
      closeIdle();
      try {
        return await act(await entry.opening, entry.held);
      } catch (thrown) {
        if (!entry.aborter.signal.aborted) {
          if (isStopped(thrown) && entries.get(id) === entry) {
            options.onLost?.(id);
            void close(id);
          }
          throw thrown;
        }
        // Closed under our feet: if the key is refused its own words say why, otherwise it was rewrapped or removed.
        await key(id);
        throw closedNow(title, thrown);
      } finally {
        entry.users -= 1;
        closeIdle();
      }
    },
    close,
    async closeAll() {
      await Promise.all([...new Set([...entries.keys(), ...closings.keys()])].map(close));
    },
  };
}

function closedNow(title: string, cause?: unknown): Failure {
  return databaseFailures.ServerBusy({
    message: `The ${title} was closed while this request ran, because its key changed. Try again.`,
    retryAfterSeconds: 1,
    cause,
  });
}
