// Folders that agents share with sandboxes carry the agent's process id in their name. One that was killed could not remove
// its own; the next one does. Removes nothing of a process that lives, and nothing that another user owns.

import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sandboxIdentity } from './sandbox/sandbox.ts';

const NAME = /^strongroom-agent-(\d{1,10})-[A-Za-z0-9]{6}$/;

/** What folders of this process begin with. */
export const folderPrefix = `strongroom-agent-${process.pid}-`;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

/** Where they are. @param images the operator's folder for images */
export const placesOfLeftovers = (images?: string): readonly string[] =>
  ['/dev/shm', process.env['XDG_RUNTIME_DIR'], tmpdir(), images].flatMap((place) =>
    place?.startsWith('/') === true ? [place] : [],
  );

export function removeLeftovers(parents: readonly string[] = placesOfLeftovers()): void {
  const ours = new Set([process.getuid?.(), sandboxIdentity().uid]);
  for (const parent of parents) {
    let names: readonly string[] = [];
    try {
      names = readdirSync(parent);
    } catch {
      // A host without it has nothing there.
    }
    for (const name of names) {
      const pid = Number(NAME.exec(name)?.[1] ?? '0');
      if (pid === 0 || pid === process.pid || isAlive(pid)) continue;
      try {
        const entry = lstatSync(join(parent, name));
        if (entry.isDirectory() && ours.has(entry.uid)) rmSync(join(parent, name), { recursive: true, force: true });
      } catch {
        // Gone meanwhile, or not ours to remove.
      }
    }
  }
}
