// One server at a time on a data folder: tasks, caches and the audit log assume it. The lock names the process and when
// it began, so that a lock left by a crash is told from a live one although process ids come again.

import { readFileSync } from 'node:fs';
import { open, readFile, unlink } from 'node:fs/promises';
import { Failure } from '#kernel/errors/failure';

export type FolderLock = { release(): Promise<void> };

/** When the process began, in ticks since boot, with the boot it belongs to; undefined when there is no such process. */
function birthOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  try {
    // Field 22 of stat, counted after the command's closing parenthesis, which may itself hold spaces.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${start}`;
  } catch {
    // No /proc on this system: the process id is all there is.
    return 'alive';
  }
}

/** Takes the lock or throws `conflict` DataFolderInUse. */
export async function lockFolder(path: string): Promise<FolderLock> {
  const mine = JSON.stringify({ pid: process.pid, birth: birthOf(process.pid) });
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const handle = await open(path, 'wx', 0o600);
      await handle.writeFile(mine);
      await handle.close();
      return {
        async release() {
          await unlink(path).catch(() => undefined);
        },
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const held = await readFile(path, 'utf8')
      .then((text) => JSON.parse(text) as { pid: number; birth: string })
      .catch(() => undefined);
    if (held !== undefined && birthOf(held.pid) === held.birth) {
      throw new Failure({
        kind: 'conflict',
        code: 'DataFolderInUse',
        message: `Another server (process ${held.pid}) works on this data folder. Stop it first, or name another folder with --data-dir.`,
      });
    }
    await unlink(path).catch(() => undefined);
  }
  throw new Failure({
    kind: 'conflict',
    code: 'DataFolderInUse',
    message: 'Another server took this data folder at the same moment.',
  });
}
