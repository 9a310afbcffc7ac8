// Where a node keeps inputs: a new folder that lives as long as this agent, on a disk, and that no thief of the disk can read. Sealed by
// gocryptfs under a key that is only in memory and dies with the agent; or in a folder whose disk the operator says is encrypted.
// Promises that what a killed agent left is read by nobody, and that what is kept ends with `close`.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makePassage } from '../folders.ts';
import { findProgram } from '../sandbox/host.ts';

export interface Place {
  /** Empty; plain files for this agent and, read-only, for its sandboxes. */
  readonly folder: string;
  /** Bytes that may be kept in it. */
  readonly bytes: number;
  /** Aborted when it is not there any more. */
  readonly lost: AbortSignal;
  close(): Promise<void>;
}

/** Why a node keeps no inputs, and what to do, in words for its operator. */
export class NoPlace extends Error {}

const OPENS_MS = 30_000;
const ENDS_MS = 3_000;
const SAID_MAX = 2_000;
const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

/** Of what may be kept: as the operator says, and not more than half of what is free there now. */
function boundedBy(parent: string, bytes: number): number {
  const { bavail, bsize } = statfsSync(parent);
  return Math.min(bytes, Math.floor((bavail * bsize) / 2));
}

function makeBase(parent: string, prefix: string): string {
  const base = mkdtempSync(join(parent, prefix));
  makePassage(base);
  return base;
}

/** @param parent a folder that others cannot change, on a disk that the operator says is encrypted */
export function openDeclared(options: {
  readonly parent: string;
  readonly prefix: string;
  readonly bytes: number;
}): Place {
  const bytes = boundedBy(options.parent, options.bytes);
  const folder = makeBase(options.parent, options.prefix);
  return {
    folder,
    bytes,
    lost: new AbortController().signal,
    async close() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Programs {
  readonly gocryptfs: string;
  readonly fusermount: string;
  readonly setpriv: string;
}

/** Throws a `NoPlace` that names what to install. */
function programs(find: typeof findProgram): Programs {
  const gocryptfs = find('gocryptfs');
  const fusermount = find('fusermount3') ?? find('fusermount');
  const setpriv = find('setpriv');
  if (gocryptfs === undefined || fusermount === undefined)
    throw new NoPlace(
      'gocryptfs and fuse3 are not installed here. Install both (Debian: apt-get install gocryptfs fuse3), or name a folder on an encrypted disk in agent.inputFolder and say so in agent.inputFolderIsEncrypted.',
    );
  if (setpriv === undefined) throw new NoPlace('setpriv is not installed here. Install it (Debian: util-linux).');
  return { gocryptfs, fusermount, setpriv };
}

/** What a program says until it ends, or until `isEnough`. */
function hear(child: ChildProcess, isEnough: (said: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const late = setTimeout(() => reject(new NoPlace('gocryptfs does not answer.')), OPENS_MS);
    const done = (act: () => void) => {
      clearTimeout(late);
      act();
    };
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-SAID_MAX);
        if (isEnough(said)) done(() => resolve(said));
      });
    child.once('error', (error) => done(() => reject(error)));
    child.once('close', (code) =>
      done(() => (code === 0 ? resolve(said) : reject(new NoPlace(`gocryptfs ended. ${lastOf(said)}`.trim())))),
    );
  });
}

const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');
/** The last lines: what failed, and what it called for it. */
const lastOf = (said: string): string => said.replace(ESCAPES, '').trim().split('\n').slice(-2).join(' ').slice(0, 300);

/** Rejects with a `NoPlace`. @param parent a folder of this machine's disk, in which a new folder of our own is safe */
export async function openSealed(options: {
  readonly parent: string;
  readonly prefix: string;
  readonly bytes: number;
  readonly find?: typeof findProgram;
}): Promise<Place> {
  const { gocryptfs, fusermount, setpriv } = programs(options.find ?? findProgram);
  const bytes = boundedBy(options.parent, options.bytes);
  const base = makeBase(options.parent, options.prefix);
  const [locked, folder] = [join(base, 'sealed'), join(base, 'open')];
  const sealed = join(locked, 'files');
  mkdirSync(locked, { mode: 0o700 });
  mkdirSync(sealed, { mode: 0o700 });
  mkdirSync(folder, { mode: 0o700 });
  // Never on a disk and in no argument; whoever holds the disk alone has a sealed key without what opens it.
  const secret = `${randomBytes(32).toString('base64url')}\n`;
  const isRoot = process.getuid?.() === 0;
  const lost = new AbortController();
  let child: ChildProcess | undefined;

  const start = (program: string, args: readonly string[]): ChildProcess => {
    const started = spawn(program, args, { cwd: '/', env, stdio: ['pipe', 'pipe', 'pipe'] });
    started.stdin?.on('error', () => undefined); // its end tells
    started.stdin?.end(secret);
    return started;
  };
  const unmount = () =>
    new Promise<void>((resolve) => {
      // Lazily: a sandbox that still has it ends by itself, and nobody new gets in.
      const leaving = spawn(fusermount, ['-u', '-z', folder], { cwd: '/', env, stdio: 'ignore' });
      leaving.once('close', () => resolve()).once('error', () => resolve());
    });
  const close = async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise<void>((resolve) => void child?.once('close', () => resolve()));
      const deaf = setTimeout(() => child?.kill('SIGKILL'), ENDS_MS);
      child.kill('SIGTERM');
      await ended;
      clearTimeout(deaf);
    }
    if (mountsBelow(base).length > 0) await unmount();
    rmSync(base, { recursive: true, force: true });
  };

  try {
    // The secret has as many bits as the key: to make guessing it slow would only make the start slow.
    await hear(start(gocryptfs, ['-init', '-q', '-scryptn', '10', sealed]), () => false);
    child = start(setpriv, [
      // An agent that is killed takes it along.
      ...['--pdeathsig', 'TERM', gocryptfs, '-fg', '-nosyslog'],
      // Nothing changes behind it, so what was read once stays read. Sandboxes of root are another user's.
      ...['-kernel_cache', ...(isRoot ? ['-allow_other'] : []), sealed, folder],
    ]);
    child.once('close', () => lost.abort());
    await hear(child, (said) => said.includes('ready'));
    if (statSync(folder).dev === statSync(base).dev) throw new NoPlace('gocryptfs has mounted nothing.');
    makePassage(folder);
  } catch (error) {
    await close();
    if (error instanceof NoPlace) throw error;
    throw new NoPlace(`gocryptfs could not be started. ${error instanceof Error ? error.message : ''}`.trim());
  }
  return { folder, bytes, lost: lost.signal, close };
}

/** What is mounted at or below a folder, the deepest first. */
export function mountsBelow(folder: string): readonly string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map(mountPointOf);
  return points.filter((point) => point === folder || point.startsWith(`${folder}/`)).reverse();
}

/** proc(5): the fifth field, in which blanks and the like are octal. */
const mountPointOf = (line: string): string =>
  (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
