// Byte stores as folders of this machine: one a store, one file an object. A write is a temporary file, synced, renamed, and
// the folder synced (kernel/files). One server holds the folder, so names being written are known in memory.

import { constants, type FileHandle, open, opendir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Faults, noFaults } from '#kernel/files/faults';
import { asStorageFailure, type Files, isTemporaryName } from '#kernel/files/files';
import type { ByteReader, ByteStore, ByteStores } from './byte-store.ts';
import { byteFailures } from './bytes.errors.ts';
import { requireName } from './names.ts';

/** Below the folder, where the objects of each kind of owner lie. */
export type ByteLayout = Readonly<Record<string, (id: string) => readonly string[]>>;

/** A kind and an id. Both become names of folders, so they are what we made and nothing else. */
const ownerPattern = /^(?<kind>[a-z][a-z-]{0,31})\/(?<id>[A-Za-z0-9-]{1,64})$/;

/** @param layout `{folder}/{kind}/{id}` where it is absent */
export function createFolderByteStores(options: {
  readonly folder: string;
  readonly files: Files;
  readonly layout?: ByteLayout;
  readonly faults?: Faults;
}): ByteStores {
  const { files, layout, faults } = options;
  const root = resolve(options.folder);

  function placeOf(owner: string): { readonly folder: string; readonly ofKind: string } {
    const { kind = '', id = '' } = ownerPattern.exec(owner)?.groups ?? {};
    const place = layout === undefined ? [kind, id] : layout[kind]?.(id);
    if (kind === '' || place === undefined) throw byteFailures.ObjectOwner();
    return { folder: join(root, ...place), ofKind: join(root, place[0] ?? '') };
  }

  return {
    async open(owner) {
      const { folder } = placeOf(owner);
      await files.ensureFolder(folder);
      return createFolderByteStore({ folder, files, ...(faults === undefined ? {} : { faults }) });
    },
    async remove(owner) {
      const { folder, ofKind } = placeOf(owner);
      await rm(folder, { recursive: true, force: true });
      // And what stands empty without it, if nobody else keeps anything there.
      for (let above = dirname(folder); above.length > ofKind.length; above = dirname(above))
        await rmdir(above).catch(() => {});
    },
  };
}

export function createFolderByteStore(options: {
  readonly folder: string;
  readonly files: Files;
  readonly faults?: Faults;
}): ByteStore {
  const { folder, files, faults = noFaults } = options;
  const writing = new Set<string>();

  function pathOf(name: string): string {
    requireName(name);
    return join(folder, name);
  }

  async function sizeOf(path: string): Promise<number | undefined> {
    try {
      return (await stat(path)).size;
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return undefined;
      throw asStorageFailure(thrown);
    }
  }

  async function begin(path: string) {
    if ((await sizeOf(path)) !== undefined) throw byteFailures.ObjectExists();
    return await files.createDurable(path);
  }

  return {
    async put(name) {
      const path = pathOf(name);
      if (writing.has(name)) throw byteFailures.ObjectExists();
      writing.add(name);
      const file = await begin(path).catch((thrown) => {
        writing.delete(name);
        throw thrown;
      });
      let isOver = false;
      async function abort() {
        if (isOver) return;
        isOver = true;
        await file.abort();
        writing.delete(name);
      }
      return {
        async write(chunk) {
          if (isOver) throw byteFailures.WriterMisuse();
          await file.write(chunk);
        },
        async commit() {
          if (isOver) throw byteFailures.WriterMisuse();
          try {
            await file.commit();
          } catch (thrown) {
            // One that failed late has left the file in place, but nobody was told that it will stay.
            await unlink(path).catch(() => {});
            await abort();
            throw thrown;
          }
          isOver = true;
          writing.delete(name);
        },
        abort,
      };
    },

    async get(name) {
      const path = pathOf(name);
      // No link is followed, and a pipe does not block the open.
      const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
        (thrown) => {
          throw ['ENOENT', 'ELOOP'].includes(codeOf(thrown)) ? byteFailures.ObjectMissing() : asStorageFailure(thrown);
        },
      );
      try {
        const about = await handle.stat();
        if (!about.isFile()) throw byteFailures.ObjectMissing();
        return readerOf(handle, about.size);
      } catch (thrown) {
        await handle.close();
        throw thrown;
      }
    },

    size: async (name) => await sizeOf(pathOf(name)),

    async *list() {
      for await (const entry of await opendir(folder))
        if (entry.isFile() && !isTemporaryName(entry.name)) yield entry.name;
    },

    async remove(name) {
      const path = pathOf(name);
      faults({ step: 'remove', path });
      try {
        await unlink(path);
      } catch (thrown) {
        if (codeOf(thrown) !== 'ENOENT') throw asStorageFailure(thrown);
      }
    },

    sweep: () => files.sweepTemporary(folder),
  };
}

function readerOf(handle: FileHandle, size: number): ByteReader {
  return {
    size,
    async read(offset, into) {
      let at = 0;
      while (at < into.length) {
        const { bytesRead } = await handle.read(into, at, into.length - at, offset + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return at;
    },
    close: () => handle.close(),
  };
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}
