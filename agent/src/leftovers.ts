// Folders that agents share with sandboxes carry the agent's PID namespace and process id in their name. One that was killed could
// not remove its own; the next one of the same namespace does. Removes nothing of a process that lives, nothing of another namespace
// (containers may share /dev/shm, /tmp or the folder for images, and who lives in one is not seen from the other), and nothing that
// another user owns.

import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { USUAL_FOLDER } from './inputs/inputs.ts';
import { mountsBelow } from './inputs/place.ts';
import { findProgram } from './sandbox/host.ts';
import { sandboxIdentity } from './sandbox/sandbox.ts';

const CLOSES_MS = 10_000;
const NAME = /^strongroom-agent-(\d{1,20})-(\d{1,10})-[A-Za-z0-9]{6}$/;

/** The inode of this process's PID namespace; 0 where it cannot be told, and then nothing is known to be of the same one. */
export const pidNamespace: number = statSync('/proc/self/ns/pid', { throwIfNoEntry: false })?.ino ?? 0;

/** What folders of this process begin with. */
export const folderPrefix = `strongroom-agent-${pidNamespace}-${process.pid}-`;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

/** Where they are. @param named folders that the operator names for what a node keeps */
export const placesOfLeftovers = (named: readonly (string | undefined)[] = []): readonly string[] => [
  ...new Set(
    ['/dev/shm', process.env['XDG_RUNTIME_DIR'], tmpdir(), USUAL_FOLDER, ...named].flatMap((place) =>
      place?.startsWith('/') === true ? [place] : [],
    ),
  ),
];

/** A folder that is sealed may still be open, or its program may be gone and the mount not; nothing of that kind can be removed. */
function unmountBelow(folder: string): void {
  for (const mount of mountsBelow(folder)) {
    const program = findProgram('fusermount3') ?? findProgram('fusermount');
    if (program !== undefined)
      spawnSync(program, ['-u', '-z', mount], { cwd: '/', stdio: 'ignore', timeout: CLOSES_MS });
  }
}

export function removeLeftovers(
  parents: readonly string[] = placesOfLeftovers(),
  ownNamespace: number = pidNamespace,
): void {
  if (ownNamespace === 0) return;
  const ours = new Set([process.getuid?.(), sandboxIdentity().uid]);
  for (const parent of parents) {
    let names: readonly string[] = [];
    try {
      names = readdirSync(parent);
    } catch {
      // A host without it has nothing there.
    }
    for (const name of names) {
      const [, namespace, pid] = (NAME.exec(name) ?? []).map(Number);
      if (pid === undefined || namespace !== ownNamespace || pid === process.pid || isAlive(pid)) continue;
      try {
        const entry = lstatSync(join(parent, name));
        if (!entry.isDirectory() || !ours.has(entry.uid)) continue;
        unmountBelow(join(parent, name));
        rmSync(join(parent, name), { recursive: true, force: true });
      } catch {
        // Gone meanwhile, or not ours to remove.
      }
    }
  }
}
