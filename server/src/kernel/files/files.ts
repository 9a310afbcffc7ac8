// Files that survive a power cut. What these functions acknowledged is on disk under its name, whole: bytes go to a
// temporary file in the same folder, are synced, renamed, and the folder is synced. A reader never sees half a file. Must
// not decide what is stored where, nor follow a path that a user wrote.

import { constants, type FileHandle, lstat, mkdir, open, opendir, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Failure } from '#kernel/errors/failure';
import { type Faults, noFaults } from './faults.ts';
import { filesFailures } from './files.errors.ts';
import type { Room } from './room.ts';

export type DurableFile = {
  /** Appends. Await each before the next. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes everything written durable under the path, replacing what was there. Refused after a failed write. */
  commit(): Promise<void>;
  /** Removes what was written. Does nothing after a commit, so that it can stand in `finally`. */
  abort(): Promise<void>;
};

export type Files = {
  /** Writes the whole file durably, replacing what was there; mode is 0600 unless given. */
  writeDurably(path: string, bytes: Uint8Array, options?: { readonly mode?: number }): Promise<void>;
  /** Starts a file that appears under `path` at commit and never before. Throws Failure `full` while the disk has no room for what grows. */
  createDurable(path: string, options?: { readonly mode?: number }): Promise<DurableFile>;
  /** The file's bytes. Throws Failure `FileMissing`, `FileTooLarge`, or `FileNotRegular` for a link, folder or device. */
  readFileBounded(path: string, maxBytes: number): Promise<Buffer>;
  /** Removes a file durably; says whether it was there. */
  removeDurably(path: string): Promise<boolean>;
  /** The file, written and put there by somebody else, is durable under its name. */
  syncEntry(path: string): Promise<void>;
  /** Makes the folder and those above it as far as they are missing, durably, with mode 0700 unless given. */
  ensureFolder(path: string, mode?: number): Promise<void>;
  /** Removes temporary files that a crash left in the folder and below, and says how many. Never one that is being written. */
  sweepTemporary(folder: string): Promise<number>;
};

const temporaryName = /^\.tmp-\d+-[0-9a-z]+-\d+$/;
/** Of a write that has not ended, or never will: no data, for whoever lists a folder. */
export const isTemporaryName = (name: string): boolean => temporaryName.test(name);
const processMark = `${process.pid}-${process.hrtime.bigint().toString(36)}`;
/** Temporary files being written by this process, over all instances, so that a sweep leaves them alone. */
const live = new Set<string>();
let temporaries = 0;

/** `faults` lets a test fail a step; see faults.ts. */
export function createFiles({
  faults = noFaults,
  room,
}: {
  readonly faults?: Faults;
  readonly room?: Pick<Room, 'require'>;
} = {}): Files {
  let ensuring: Promise<void> = Promise.resolve();

  async function syncFolder(folder: string): Promise<void> {
    faults({ step: 'fsync', path: folder });
    const handle = await open(folder, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async function createDurable(path: string, { mode = 0o600 }: { readonly mode?: number } = {}): Promise<DurableFile> {
    temporaries += 1;
    const temporary = join(dirname(path), `.tmp-${processMark}-${temporaries}`);
    live.add(temporary);
    const handle = await guarded(() => open(temporary, 'wx', mode)).catch((error: unknown) => {
      live.delete(temporary);
      throw error;
    });
    return durableFile({ handle, temporary, path });
  }

  function durableFile(parts: {
    readonly handle: FileHandle;
    readonly temporary: string;
    readonly path: string;
  }): DurableFile {
    const { handle, temporary, path } = parts;
    let state: 'open' | 'writing' | 'broken' | 'over' = 'open';

    /** One step at a time; a step that fails breaks the file, because what the disk then holds is not known. */
    async function step<R>(act: () => Promise<R>): Promise<R> {
      if (state !== 'open') {
        throw filesFailures.FileMisuse(state);
      }
      state = 'writing';
      try {
        const result = await guarded(act);
        state = 'open';
        return result;
      } catch (error) {
        state = 'broken';
        throw error;
      }
    }

    async function abort(): Promise<void> {
      if (state === 'over') return;
      state = 'over';
      await handle.close().catch(() => {});
      // What cannot be removed now is swept at the next start.
      await unlink(temporary).catch(() => {});
      live.delete(temporary);
    }

    return {
      write: (chunk) =>
        step(async () => {
          for (let at = 0; at < chunk.length; ) {
            faults({ step: 'write', path });
            at += (await handle.write(chunk, at)).bytesWritten;
          }
        }),
      async commit() {
        try {
          await step(async () => {
            faults({ step: 'fsync', path });
            await handle.sync();
            faults({ step: 'rename', path });
            await rename(temporary, path);
          });
          state = 'over';
          live.delete(temporary);
          await handle.close();
        } catch (error) {
          await abort();
          throw error;
        }
        // Should this fail, the file is in place but may not outlive a power cut: the caller must take it as not written.
        await guarded(() => syncFolder(dirname(path)));
      },
      abort,
    };
  }

  async function makeFolders(path: string, mode: number): Promise<void> {
    const first = await mkdir(path, { recursive: true, mode });
    if (first === undefined) return;
    const made: string[] = [];
    for (let at = path; at.length >= first.length; at = dirname(at)) made.push(at);
    try {
      // Each new folder is an entry of the one above it.
      for (const folder of made) await syncFolder(dirname(folder));
    } catch (error) {
      // Left there, the next call would find them and ask nobody whether they stay.
      for (const folder of made) await rmdir(folder).catch(() => {});
      throw error;
    }
  }

  return {
    async createDurable(path, options) {
      room?.require();
      return await createDurable(path, options);
    },
    // Not held to the mark: these are the few small files of the house itself, its keyring first.
    async writeDurably(path, bytes, options) {
      const file = await createDurable(path, options);
      try {
        await file.write(bytes);
        await file.commit();
      } finally {
        await file.abort();
      }
    },
    readFileBounded: (path, maxBytes) => guarded(() => readBounded(path, maxBytes)),
    removeDurably: (path) =>
      guarded(async () => {
        faults({ step: 'remove', path });
        try {
          await unlink(path);
        } catch (error) {
          if (codeOf(error) === 'ENOENT') return false;
          throw error;
        }
        await syncFolder(dirname(path));
        return true;
      }),
    syncEntry: (path) =>
      guarded(async () => {
        faults({ step: 'fsync', path });
        const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
        try {
          await handle.sync();
        } finally {
          await handle.close();
        }
        await syncFolder(dirname(path));
      }),
    ensureFolder(path, mode = 0o700) {
      // One at a time: whoever finds a folder there may rely on it, so it is durable by then.
      const ensured = ensuring.then(() => guarded(() => makeFolders(path, mode)));
      ensuring = ensured.catch(() => {});
      return ensured;
    },
    sweepTemporary: (folder) => guarded(() => sweep(folder)),
  };
}

async function readBounded(path: string, maxBytes: number): Promise<Buffer> {
  // No link is followed, and a pipe does not block the open.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      if (codeOf(error) === 'ELOOP') throw filesFailures.FileNotRegular();
      throw error;
    },
  );
  try {
    const about = await handle.stat();
    if (!about.isFile()) throw filesFailures.FileNotRegular();
    if (about.size > maxBytes) throw filesFailures.FileTooLarge(maxBytes);
    const bytes = Buffer.alloc(about.size);
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.subarray(0, at);
  } finally {
    await handle.close();
  }
}

async function sweep(folder: string): Promise<number> {
  let removed = 0;
  for await (const entry of await opendir(folder, { recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!temporaryName.test(entry.name) || live.has(path)) continue;
    if (!(await lstat(path)).isFile()) continue;
    await unlink(path);
    removed += 1;
  }
  return removed;
}

/** What the disk is to blame for becomes a Failure; anything else passes as it is. */
async function guarded<R>(act: () => Promise<R>): Promise<R> {
  try {
    return await act();
  } catch (error) {
    throw asStorageFailure(error);
  }
}

/** As a Failure, where the disk is to blame; anything else as it is. */
export const asStorageFailure = (thrown: unknown): unknown => storageFailure(thrown) ?? thrown;

function storageFailure(cause: unknown): Failure | undefined {
  switch (codeOf(cause)) {
    case 'ENOENT':
      return filesFailures.FileMissing({ cause });
    case 'ENOSPC':
    case 'EDQUOT':
      return filesFailures.StorageFull(cause);
    case 'EIO':
    case 'EROFS':
    case 'EMFILE':
    case 'ENFILE':
      return filesFailures.StorageUnavailable(cause);
    default:
      return undefined;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
