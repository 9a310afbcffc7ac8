// Room on the disk of the data folder. Below a mark nothing is taken any more that grows (blobs, artifacts, images, snapshots,
// metrics); what is needed to make room again (sign-in, reads, the audit log, deletion) goes on with what is left below it. A
// reserve, written in full so that it is really there, is given up when even that is used up, and before a start that finds
// nothing. The mark is the kernel's: a setting can raise it and cannot switch it off.

import { statfsSync, statSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from '#kernel/crypto/random';
import { filesFailures } from './files.errors.ts';

export type DiskSpace = { readonly freeBytes: number; readonly totalBytes: number };

export type Room = {
  /** Throws Failure `full` StorageLow below the mark. Cheap: the disk is asked some twenty times a second at most. */
  require(): void;
  space(): DiskSpace & { readonly markBytes: number };
  /** `low`: below the mark. `full`: not even the audit log can be relied on. */
  state(): 'enough' | 'low' | 'full';
  /** Gives the reserve up, for what must still be written. Never throws: whoever finds the disk full has enough to tell. */
  release(): Promise<void>;
  /** Before the databases are opened: gives the reserve up if there is no room to open them. */
  makeWay(): Promise<void>;
  /** Makes the reserve, if there is room for it. */
  reserve(): Promise<void>;
};

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;
export const reserveName = 'reserve';
export const reserveBytes = 32 * mebibyte;
const chunkBytes = 65_536;
const fullBytes = 16 * mebibyte;
/** A fast disk takes gigabytes in a second: what is written between two looks must stay small beside the mark. */
const askedEveryMs = 50;

/** 1 GiB, or 5 % where that is more, but not tens of gigabytes of a large disk; or what was configured, if that is more. */
export const markOf = (totalBytes: number, configuredBytes: number): number =>
  Math.max(gibibyte, Math.min(totalBytes / 20, 10 * gibibyte), configuredBytes);

export function createRoom(options: {
  readonly folder: string;
  /** Of free space that is kept; raises the mark, never lowers it. */
  readonly keepFreeBytes?: number;
  /** For tests. */
  readonly ask?: () => DiskSpace;
  readonly nowMs?: () => number;
}): Room {
  const { folder, keepFreeBytes = 0, nowMs = () => performance.now() } = options;
  const ask =
    options.ask ??
    (() => {
      const { bavail, blocks, bsize } = statfsSync(folder);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    });
  const file = join(folder, reserveName);
  let known: DiskSpace | undefined;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let releasing: Promise<void> | undefined;

  function now(): DiskSpace {
    if (known === undefined || nowMs() - askedAtMs >= askedEveryMs) {
      known = ask();
      askedAtMs = nowMs();
    }
    return known;
  }

  function state(): 'enough' | 'low' | 'full' {
    const { freeBytes, totalBytes } = now();
    if (freeBytes < fullBytes) {
      // Whoever notices gives it up; the next look sees what came of it.
      void release();
      return 'full';
    }
    return freeBytes < markOf(totalBytes, keepFreeBytes) ? 'low' : 'enough';
  }

  function release(): Promise<void> {
    releasing ??= rm(file, { force: true })
      .catch(() => {}) // a disk that fails takes no deletion either; the next one who asks tries again
      .finally(() => {
        releasing = undefined;
        known = undefined;
      });
    return releasing;
  }

  async function makeWay(): Promise<void> {
    known = undefined;
    if (now().freeBytes < reserveBytes) await release();
  }

  async function reserve(): Promise<void> {
    known = undefined;
    const { freeBytes, totalBytes } = now();
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size === reserveBytes || freeBytes < markOf(totalBytes, keepFreeBytes) + reserveBytes) return;
    const handle = await open(file, 'w', 0o600);
    try {
      // Random, because zeros take no room on a file system that compresses.
      for (let at = 0; at < reserveBytes; at += chunkBytes) await handle.write(randomBytes(chunkBytes));
    } finally {
      await handle.close();
    }
    known = undefined;
  }

  return {
    require() {
      if (state() === 'enough') return;
      throw filesFailures.StorageLow();
    },
    space: () => ({ ...now(), markBytes: markOf(now().totalBytes, keepFreeBytes) }),
    state,
    release,
    makeWay,
    reserve,
  };
}
