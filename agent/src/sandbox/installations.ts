// Where interpreters may lie, and which part of this machine each needs: found by looking at names and files, before anything runs.
//
// Promises: nothing becomes an interpreter that somebody else than root and this agent's user can change, that is a script, or that
// lies in a place which a sandbox has for itself; all loops are bounded. What an interpreter says of itself is the probe's affair.
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { isExecutable, sandboxIdentity, stepsDown } from './host.ts';
import { type Accounts, faultOf, faultOfPath } from './trust.ts';

/** Of one interpreter, what exists inside a sandbox that runs it. Below /usr it needs nothing. */
export interface Installation {
  /** Its real path. */
  readonly program: string;
  /** `PREFIX/bin/python3.10` is its program; undefined below /usr, where the interpreter says it. */
  readonly prefix: string | undefined;
  readonly folders: readonly string[];
  /** Names below the prefix that are links to one of its folders. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
}

/** Something that is no interpreter for sandboxes, and why: one sentence's end. */
export class Unfit extends Error {}
/** One that gave no answer in time: it may, another time. */
export class Unanswered extends Unfit {}

/** A path, and whether the operator has named it. */
export interface Candidate {
  readonly path: string;
  readonly isNamed: boolean;
}

export const candidatesMax = 64;
const entriesMax = 250_000;
const versionsFoldersMax = 256;
const busyMs = 4;
const NAME = /^python3\.\d{1,3}$/;
/** Libraries, modules and headers: of a prefix nothing else is shown to a sandbox. */
const PARTS = ['lib', 'lib64', 'include'] as const;
/** Places that a sandbox has for itself (plan.ts), and where no installation is. */
const OWN_PLACES = [
  ...['bin', 'boot', 'dev', 'env', 'etc', 'image', 'job', 'lib', 'lib32', 'lib64', 'libx32', 'proc', 'run', 'runner'],
  ...['sbin', 'sys', 'tmp', 'usr', 'var/azureml-app'],
] as const;

const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
export const isOfSystem = (path: string): boolean => path.startsWith('/usr/');

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

const programsIn = (folder: string): readonly string[] =>
  namesIn(folder)
    .filter((name) => NAME.test(name))
    .map((name) => join(folder, name));

/** Versions side by side, as installers lay them out: /opt/python3.10, /opt/python/3.10.14. */
function versionsBelow(folder: string): readonly string[] {
  const children = namesIn(folder)
    .slice(0, versionsFoldersMax)
    .map((name) => join(folder, name));
  return [...children, ...children.flatMap((child) => namesIn(child).map((name) => join(child, name)))]
    .slice(0, versionsFoldersMax * 4)
    .flatMap((version) => programsIn(join(version, 'bin')));
}

/** What the operator has named: a program, or a folder that one is in by the name bin/python3.X. */
function namedAt(path: string): readonly string[] {
  try {
    if (!isAbsolute(path) || !statSync(path).isDirectory()) return [path];
  } catch {
    return [path];
  }
  const programs = programsIn(join(path, 'bin'));
  return programs.length === 0 ? [join(path, 'bin', 'python3')] : programs;
}

/** Where interpreters may be, those that are named first; each at most once. */
export function candidates(
  named: readonly string[],
  searchPath: readonly string[],
  optional = '/opt',
): readonly Candidate[] {
  const found = [
    ...named.flatMap(namedAt).map((path) => ({ path, isNamed: true })),
    ...[...new Set(['/usr/bin', '/usr/local/bin', ...searchPath])]
      .flatMap(programsIn)
      .concat(versionsBelow(optional))
      .map((path) => ({ path, isNamed: false })),
  ];
  const seen = new Set<string>();
  return found.filter(({ path, isNamed }) => {
    let real = path;
    try {
      real = realpathSync(path);
    } catch {
      if (!isNamed) return false;
    }
    // What nobody has named is looked for where only an administrator installs.
    if (seen.has(real) || (!isNamed && !isOfSystem(real) && !isBelow(real, optional))) return false;
    seen.add(real);
    return true;
  });
}

/** Of the ELF header: a program of this machine's architecture, and no script that could run whatever it likes. */
function isProgram(path: string): boolean {
  const head = Buffer.alloc(20);
  const descriptor = openSync(path, 'r');
  try {
    if (readSync(descriptor, head, 0, head.length, 0) < head.length) return false;
  } finally {
    closeSync(descriptor);
  }
  const machine = process.arch === 'arm64' ? 183 : 62;
  return head.subarray(0, 6).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1])) && head.readUInt16LE(18) === machine;
}

/** What a path leads to, as far as it can be told without running it. Throws `Unfit`. */
export async function installationAt(path: string, accounts: Accounts): Promise<Installation> {
  if (!isAbsolute(path)) throw new Unfit('is not a whole path');
  let program: string;
  try {
    program = realpathSync(path);
  } catch {
    throw new Unfit('is not there, or this agent may not look at it');
  }
  if (!isExecutable(program)) throw new Unfit('is no file that can be run');
  checkPath(program, accounts);
  if (!isProgram(program))
    throw new Unfit('is a script, or a program for another kind of machine: name the interpreter itself');
  if (isOfSystem(program)) return { program, prefix: undefined, folders: [], links: [] };
  return { program, ...(await partsOf(program, accounts)) };
}

function checkPath(path: string, accounts: Accounts): void {
  const fault = faultOfPath(path, accounts);
  if (fault !== undefined)
    throw new Unfit(
      `is not taken, because ${fault}: it and every folder above it must be changed by root, or by the agent's own user, alone`,
    );
}

async function partsOf(program: string, accounts: Accounts): Promise<Omit<Installation, 'program'>> {
  const prefix = dirname(dirname(program));
  if (basename(dirname(program)) !== 'bin') throw new Unfit('does not lie in the folder bin of its installation');
  const place = OWN_PLACES.find((name) => isBelow(prefix, `/${name}`));
  if (place !== undefined) throw new Unfit(`lies below /${place}, which every sandbox has for itself`);
  if (prefix.split('/').length < 3 || accounts.homes.has(prefix))
    throw new Unfit(
      `has ${prefix} for the folder of its installation, which holds other things: give it a folder of its own`,
    );
  checkReach(prefix);
  const folders: string[] = [];
  const links: { path: string; target: string }[] = [];
  for (const name of PARTS) {
    const path = join(prefix, name);
    const entry = lookAt(path);
    if (entry === undefined) continue;
    if (entry.isDirectory()) folders.push(path);
    else if (entry.isSymbolicLink() && PARTS.some((part) => part === readlinkSync(path)))
      links.push({ path, target: readlinkSync(path) });
    else throw new Unfit(`has no folder at ${path}`);
  }
  await checkTrees(folders);
  return { prefix, folders, links };
}

/** An agent that is root runs sandboxes as nobody, who sees what everybody may. */
function checkReach(prefix: string): void {
  if (!stepsDown()) return;
  for (let at = prefix; at !== '/'; at = dirname(at))
    if (((lookAt(at)?.mode ?? 0) & 0o001) === 0)
      throw new Unfit(
        `cannot be reached by the user that sandboxes run as (${sandboxIdentity().uid}), to whom ${at} is closed: install it where everybody may look, for example below /opt`,
      );
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** Each entry of an installation is looked at once: who could change a module could change what everybody runs. */
async function checkTrees(roots: readonly string[]): Promise<void> {
  const waiting = [...roots];
  let seen = 0;
  let since = performance.now();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const { entry, names } = entryAt(path);
    const fault = faultOf(path, entry);
    if (fault !== undefined)
      throw new Unfit(
        `is not taken, because ${fault}: all of its installation must be changed by root, or by the agent's own user, alone`,
      );
    seen += 1;
    if (seen + waiting.length + names.length > entriesMax)
      throw new Unfit(`has more than ${entriesMax} files in its installation`);
    for (const name of names) waiting.push(join(path, name));
    // Between any two: one folder may hold all of them.
    if (performance.now() - since > busyMs) {
      await new Promise(setImmediate);
      since = performance.now();
    }
  }
}

function entryAt(path: string): { readonly entry: Stats; readonly names: readonly string[] } {
  try {
    const entry = lstatSync(path);
    return { entry, names: entry.isDirectory() ? readdirSync(path) : [] };
  } catch {
    throw new Unfit(`holds ${path}, which this agent cannot look at`);
  }
}
