// For tests: byte stores in memory, of a kind that shares nothing with a folder: no paths, no descriptors, objects appear by
// one assignment. They announce the steps that durability rests on to the fault seam, as a disk would.

import type { ByteReader, ByteStore, ByteStores } from '#kernel/bytes/byte-store';
import { byteFailures } from '#kernel/bytes/bytes.errors';
import { requireName } from '#kernel/bytes/names';
import { type Faults, noFaults } from '#kernel/files/faults';

/** What outlives a process: objects, and writes that began. */
type Kept = { readonly objects: Map<string, Buffer>; readonly unfinished: Map<number, readonly Uint8Array[]> };

export type MemoryByteStores = ByteStores & {
  /** Leaves what a process does that is killed in the middle of a write. */
  leaveUnfinished(owner: string, bytes: Uint8Array): void;
  /** What is still open, half written, or there. */
  leftovers(): readonly string[];
};

export function createMemoryByteStores({ faults = noFaults }: { readonly faults?: Faults } = {}): MemoryByteStores {
  const owners = new Map<string, Kept>();
  const readers = new Set<string>();
  let count = 0;

  function keptOf(owner: string): Kept {
    if (!/^[a-z][a-z-]{0,31}\/[A-Za-z0-9-]{1,64}$/.test(owner)) throw byteFailures.ObjectOwner();
    const kept = owners.get(owner) ?? { objects: new Map(), unfinished: new Map() };
    owners.set(owner, kept);
    return kept;
  }

  function storeOf(owner: string, { objects, unfinished }: Kept): ByteStore {
    const writing = new Set<string>();
    const live = new Set<number>();
    const pathOf = (name: string) => `${owner}/${name}`;

    function readerOf(name: string, bytes: Buffer): ByteReader {
      const mark = `reader ${++count} of ${pathOf(name)}`;
      readers.add(mark);
      return {
        size: bytes.length,
        read: async (offset, into) => bytes.copy(into, 0, Math.min(offset, bytes.length)),
        close: async () => void readers.delete(mark),
      };
    }

    return {
      async put(name) {
        requireName(name);
        if (objects.has(name) || writing.has(name)) throw byteFailures.ObjectExists();
        writing.add(name);
        const mine = ++count;
        live.add(mine);
        unfinished.set(mine, []);
        let isOver = false;
        let isBroken = false;
        const end = () => {
          isOver = true;
          writing.delete(name);
          live.delete(mine);
          unfinished.delete(mine);
        };
        return {
          async write(chunk) {
            if (isOver || isBroken) throw byteFailures.WriterMisuse();
            isBroken = true;
            faults({ step: 'write', path: pathOf(name) });
            const before = unfinished.get(mine) ?? [];
            unfinished.set(mine, [...before, Buffer.from(chunk)]);
            isBroken = false;
          },
          async commit() {
            if (isOver || isBroken) throw byteFailures.WriterMisuse();
            try {
              faults({ step: 'commit', path: pathOf(name) });
              objects.set(name, Buffer.concat(unfinished.get(mine) ?? []));
            } finally {
              end();
            }
          },
          async abort() {
            if (!isOver) end();
          },
        };
      },
      async get(name) {
        requireName(name);
        const bytes = objects.get(name);
        if (bytes === undefined) throw byteFailures.ObjectMissing();
        return readerOf(name, bytes);
      },
      async size(name) {
        requireName(name);
        return objects.get(name)?.length;
      },
      async *list() {
        yield* [...objects.keys()];
      },
      async remove(name) {
        requireName(name);
        faults({ step: 'remove', path: pathOf(name) });
        objects.delete(name);
      },
      async sweep() {
        const dead = [...unfinished.keys()].filter((one) => !live.has(one));
        for (const one of dead) unfinished.delete(one);
        return dead.length;
      },
    };
  }

  return {
    open: async (owner) => storeOf(owner, keptOf(owner)),
    async remove(owner) {
      keptOf(owner);
      owners.delete(owner);
    },
    leaveUnfinished(owner, bytes) {
      keptOf(owner).unfinished.set(++count, [Buffer.from(bytes)]);
    },
    leftovers: () => [
      ...readers,
      ...[...owners].flatMap(([owner, { objects, unfinished }]) => [
        ...[...objects.keys()].map((name) => `${owner}/${name}`),
        ...[...unfinished.keys()].map((one) => `write ${one} to ${owner}`),
      ]),
    ],
  };
}

/** Byte stores over others that tell of every read, before it: which object, and how many bytes are asked for. */
export const watchedByteStores = (
  stores: ByteStores,
  reads: (object: string, bytes: number) => Promise<void> | void,
): ByteStores => ({
  ...stores,
  async open(owner) {
    const store = await stores.open(owner);
    return {
      ...store,
      async get(name) {
        const reader = await store.get(name);
        return {
          ...reader,
          async read(offset, into) {
            await reads(name, into.length);
            return await reader.read(offset, into);
          },
        };
      },
    };
  },
});
