// For tests: interpreters of this machine beside the node's own, wherever developers have them: on PATH, of pyenv, or named in
// STRONGROOM_TEST_PYTHONS (paths, with colons between). One that sandboxes cannot reach is laid out anew where they can, by links.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { searchPath } from './host.ts';
import { candidates, installationAt } from './installations.ts';
import { readAccounts } from './trust.ts';

/** In no folder that sandboxes have for themselves, and one that an agent of any user can make folders in. */
const ELSEWHERE = '/var/tmp';
const LEFT_OUT = new Set(['site-packages', 'test', 'idlelib', 'tkinter', 'turtledemo', '__pycache__']);

export interface OtherPython {
  /** `3.10` */
  readonly version: string;
  readonly program: string;
}

function programsOfPyenv(): readonly string[] {
  try {
    const root = execFileSync('pyenv', ['root'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return readdirSync(join(root, 'versions')).map((name) => join(root, 'versions', name));
  } catch {
    return [];
  }
}

/** Hard links, which take a moment and no room; copies where the file systems differ. */
function layOut(from: string, to: string): void {
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (LEFT_OUT.has(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) layOut(source, target);
    else if (entry.isSymbolicLink()) cpSync(source, target, { verbatimSymlinks: true });
    else
      try {
        linkSync(source, target);
      } catch {
        cpSync(source, target);
      }
  }
}

/** The same installation at another place: its program looks for its shared library beside itself. */
function movedTo(folder: string, program: string): string {
  const prefix = dirname(dirname(program));
  const name = basename(program);
  const moved = join(folder, basename(prefix));
  for (const part of ['', 'bin', 'lib']) mkdirSync(join(moved, part));
  for (const entry of readdirSync(join(prefix, 'lib')))
    if (/^libpython3\..*\.so/.test(entry))
      cpSync(join(prefix, 'lib', entry), join(moved, 'lib', entry), { verbatimSymlinks: true });
  layOut(join(prefix, 'lib', name), join(moved, 'lib', name));
  layOut(join(prefix, 'include'), join(moved, 'include'));
  const code = readFileSync(program);
  const known = Buffer.from(`${prefix}/lib\0`);
  const at = code.indexOf(known);
  if (at >= 0) {
    code.fill(0, at, at + known.length);
    code.write('$ORIGIN/../lib', at);
  }
  writeFileSync(join(moved, 'bin', name), code, { mode: 0o755 });
  return join(moved, 'bin', name);
}

/** One of each version but `ownVersion`, the newest first; `close` removes what was laid out. */
export async function otherPythons(
  ownVersion: string,
): Promise<{ readonly all: readonly OtherPython[]; readonly close: () => void }> {
  const named = [...(process.env['STRONGROOM_TEST_PYTHONS'] ?? '').split(':').filter(Boolean), ...programsOfPyenv()];
  const found = new Map<string, string>();
  for (const { path } of candidates(named, searchPath())) {
    const version = /^python(3\.\d+)$/.exec(basename(realpathOf(path)))?.[1];
    if (version !== undefined && version !== ownVersion && Number(version.slice(2)) >= 8 && !found.has(version))
      found.set(version, realpathOf(path));
  }
  let folder: string | undefined;
  const all: OtherPython[] = [];
  for (const [version, program] of found) {
    try {
      await installationAt(program, readAccounts());
      all.push({ version, program });
    } catch {
      folder ??= mkdtempSync(join(ELSEWHERE, 'strongroom-pythons-'));
      chmodSync(folder, 0o755);
      all.push({ version, program: movedTo(folder, program) });
    }
  }
  const made = folder;
  return {
    all: all.sort((one, other) => Number(other.version.slice(2)) - Number(one.version.slice(2))),
    close: () => made && rmSync(made, { recursive: true, force: true }),
  };
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
