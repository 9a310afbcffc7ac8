// For tests: programs whose syncs fail in the kernel, where a test says so (see syncs.py). What fails is the very call of the program
// under test, whoever makes it: Node, or SQLite inside of it.

import { spawnSync } from 'node:child_process';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('syncs.py', import.meta.url));

export type FailingSyncs = {
  /** Before the program and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** From now on: the syncs of paths that match fail, after `skip` that go through (0), `times` of them (all). */
  fail(
    match: RegExp,
    error: 'EIO' | 'ENOSPC',
    bounds?: { readonly skip?: number; readonly times?: number },
  ): Promise<void>;
  /** From now on they succeed. */
  heal(): Promise<void>;
  /** How many failed since the last `fail`. */
  failed(): Promise<number>;
};

/** Why it cannot be done here. Under CI it has to be possible: the tests run, and say what is missing. */
export const withoutFailingSyncs: string | false = (() => {
  if (process.env['CI'] === 'true') return false;
  const tried = spawnSync('python3', [script, '/dev/null', '/dev/null', 'true'], { encoding: 'utf8' });
  return tried.status === 0 ? false : 'needs python3, and a kernel that lets a program watch the calls of another';
})();

/** @param folder of the test's own */
export function failingSyncs(folder: string): FailingSyncs {
  const rules = join(folder, 'syncs.json');
  const seen = join(folder, 'syncs.seen');
  let asked = 0;
  async function set(rule: string): Promise<void> {
    await rm(seen, { force: true });
    await writeFile(`${rules}.new`, rule);
    await rename(`${rules}.new`, rules);
  }
  return {
    command: ['python3', script, rules, seen],
    fail(match, error, { skip = 0, times = 1_000_000 } = {}) {
      asked += 1;
      return set(JSON.stringify({ match: match.source, error, skip, times, asked }));
    },
    heal: () => set(''),
    async failed() {
      const lines = await readFile(seen, 'utf8').catch(() => '');
      return lines.split('\n').filter((line) => line !== '' && !line.startsWith('passed ')).length;
    },
  };
}
