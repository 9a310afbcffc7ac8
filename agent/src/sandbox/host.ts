// What the sandbox needs to find on this machine: bubblewrap, an interpreter, an identity, the management code.
//
// Promises: everything is found by looking, nothing by trusting the environment of the caller; the node's own interpreter lies below
// /usr, which every sandbox has (others: installations.ts). Must not start anything.
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The user and group that sandboxed processes have on the host. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** The uid and gid that a sandbox shows inside, whoever started it; also what root steps down to outside. */
export const NOBODY = 65534;

/**
 * Whom the sandbox runs as on the host: an ordinary user stays himself, root steps down to nobody. Mapping root to another
 * uid *inside* would not do: the kernel would still see root, own root's files and be exempt from the process limit.
 */
export function sandboxIdentity(): Identity {
  const uid = process.getuid?.() ?? NOBODY;
  const gid = process.getgid?.() ?? NOBODY;
  return uid === 0 ? { uid: NOBODY, gid: NOBODY } : { uid, gid };
}

/** True when the agent is root and must step down before it starts a sandbox. */
export function stepsDown(): boolean {
  return process.getuid?.() === 0;
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The folders of PATH; one that is not a whole path would be another one elsewhere. */
export function searchPath(): readonly string[] {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
}

const onSearchPath = (name: string): readonly string[] => searchPath().map((folder) => join(folder, name));

/** The path of a program of the system, or undefined. */
export function findProgram(name: string): string | undefined {
  return [`/usr/bin/${name}`, `/usr/local/bin/${name}`, ...onSearchPath(name)].find(isExecutable);
}

/** The path of bubblewrap, or undefined. */
export const findBubblewrap = (): string | undefined => findProgram('bwrap');

/** The management code, as it is installed on this machine. */
export const RUNNER_FOLDER = fileURLToPath(new URL('../../../runner/', import.meta.url));

/** Interpreters that lie beside the one that `python3` means, newest first. */
function versioned(): readonly string[] {
  const minor = (path: string) => Number(path.slice(path.lastIndexOf('.') + 1));
  return ['/usr/bin', '/usr/local/bin']
    .flatMap((folder) => {
      try {
        return readdirSync(folder).flatMap((name) => (/^python3\.\d{1,3}$/.test(name) ? [join(folder, name)] : []));
      } catch {
        return [];
      }
    })
    .sort((one, other) => minor(other) - minor(one));
}

/** Real paths of the interpreters that exist below /usr, the best for the node's own first; one from a home folder does not exist inside. */
export function interpreterCandidates(): readonly string[] {
  const found = ['/usr/bin/python3', '/usr/local/bin/python3', ...onSearchPath('python3'), ...versioned()]
    .filter(isExecutable)
    .map((path) => realpathSync(path))
    .filter((path) => path.startsWith('/usr/'));
  return [...new Set(found)];
}

/** How a top-level folder such as /lib looks on this host: merged into /usr by a link, a folder of its own, or absent. */
export function topLevel(name: string): { readonly link: string } | { readonly folder: string } | undefined {
  const path = `/${name}`;
  try {
    const entry = lstatSync(path);
    if (entry.isSymbolicLink()) return { link: readlinkSync(path) };
    return entry.isDirectory() ? { folder: path } : undefined;
  } catch {
    return undefined;
  }
}

/** A file of the management code: where it appears below /runner, and what is in it. */
export interface RunnerFile {
  readonly path: string;
  readonly content: Buffer;
}

const NOT_SHIPPED = new Set(['tests', '__pycache__']);

/** The management code, read from the installation; its tests stay behind. Sorted, so that a start is reproducible. */
export function runnerFiles(folder: string = RUNNER_FOLDER): readonly RunnerFile[] {
  const collect = (at: string): readonly RunnerFile[] =>
    readdirSync(at, { withFileTypes: true })
      .filter((entry) => !NOT_SHIPPED.has(entry.name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry): readonly RunnerFile[] => {
        const path = join(at, entry.name);
        if (entry.isDirectory()) return collect(path);
        if (!entry.isFile() || !entry.name.endsWith('.py')) return [];
        return [{ path: relative(folder, path), content: readFileSync(path) }];
      });
  return collect(folder);
}

/**
 * A new private folder that sandboxes of this agent can reach, for the sockets that are shared with them. In memory where the
 * host has /dev/shm, so that nothing a sandbox leaves there touches a disk. The caller removes it.
 */
export function createSandboxFolder(prefix: string): string {
  const parent = topLevel('dev/shm') === undefined ? tmpdir() : '/dev/shm';
  const folder = mkdtempSync(join(parent, prefix));
  chmodSync(folder, 0o700);
  const { uid, gid } = sandboxIdentity();
  if (stepsDown()) chownSync(folder, uid, gid);
  return folder;
}
