// Folders in which a node keeps what its sandboxes read: whom the place that an operator names must belong to, and how what is kept
// there is reached by sandboxes and by nobody else.

import { chmodSync, chownSync, lstatSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { sandboxIdentity } from './sandbox/sandbox.ts';

const OTHERS_WRITE = 0o022;
const OTHERS_PASS = 0o001;

/** Whether others than its owner can change it. */
export const isOthersTo = ({ mode }: Pick<Stats, 'mode'>): boolean => (mode & OTHERS_WRITE) !== 0;

/** What is wrong with a folder that the operator names; undefined: nothing. */
export function folderProblem(folder: string): string | undefined {
  try {
    const entry = lstatSync(folder);
    if (!entry.isDirectory()) return 'is not a folder';
    if (entry.uid !== 0 && entry.uid !== process.getuid?.()) return "is another user's";
    return isOthersTo(entry) ? 'can be changed by other users' : undefined;
  } catch {
    return 'cannot be looked at';
  }
}

/** A folder on the way that sandboxes may not pass through; undefined: none. An agent that is not root has them run as itself. */
export function impassable(folder: string): string | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (let at = folder; ; at = dirname(at)) {
    if ((lstatSync(at).mode & OTHERS_PASS) === 0) return at;
    if (at === dirname(at)) return undefined;
  }
}

/** Sandboxes may pass through it to what it holds, and neither list nor change it. */
export function makePassage(folder: string): void {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(folder, 0, sandboxIdentity().gid);
  chmodSync(folder, isRoot ? 0o710 : 0o700);
}
