// The sandbox, written as the arguments and files that bubblewrap is given. One screen tells what exists inside.
//
// Promises: no host path but /usr (and what /lib, /bin and the like are), two entries of /etc that only name libraries, and the two
// sockets; no network; no capability; nothing writable that is not in memory and bounded, except the folder of a scoring socket.
// Must not hold a secret: those travel on the standard input of the runner. Starts nothing.
import type { RunnerFile } from './host.ts';
import { NOBODY, topLevel } from './host.ts';

/** A file that exists only inside: handed over through a descriptor, never written to the host. */
export interface SyntheticFile {
  readonly path: string;
  readonly content: Buffer;
}

/** What the plan is made from; paths are absolute, sizes in bytes. */
export interface PlanInput {
  readonly interpreter: string;
  readonly scratchBytes: number;
  readonly hostNames: readonly string[];
  readonly caPem: string;
  readonly serverSocket: string;
  readonly socketFolder?: string;
  readonly runner: readonly RunnerFile[];
}

/** `options` are for --args; `files` must be attached to the descriptors that `options` names, in order from `firstFd`. */
export interface Plan {
  readonly options: readonly string[];
  readonly files: readonly SyntheticFile[];
}

const MERGED_FOLDERS = ['lib', 'lib64', 'lib32', 'libx32', 'bin', 'sbin'] as const;
const SMALL_SCRATCH_SHARE = 4;

function syntheticFiles(input: PlanInput): readonly SyntheticFile[] {
  const text = (path: string, lines: readonly string[]): SyntheticFile => ({
    path,
    content: Buffer.from(`${lines.join('\n')}\n`),
  });
  const names = [...new Set(['localhost', ...input.hostNames])];
  return [
    text('/etc/passwd', [`user:x:${NOBODY}:${NOBODY}:user:/job:/bin/sh`]),
    text('/etc/group', [`user:x:${NOBODY}:`]),
    text('/etc/hosts', [`127.0.0.1 ${names.join(' ')}`, '127.0.0.1 node']),
    // Names come from the file above alone; asking a resolver could only wait for an answer that cannot come.
    text('/etc/nsswitch.conf', ['passwd: files', 'group: files', 'hosts: files']),
    text('/etc/resolv.conf', ['options timeout:1 attempts:1']),
    { path: '/run/strongroom/ca.pem', content: Buffer.from(input.caPem) },
    ...input.runner.map(({ path, content }) => ({ path: `/runner/${path}`, content })),
  ];
}

/** Turns the input into bubblewrap's options. `firstFd` is the descriptor of the first file; the rest follow it. */
export function planSandbox(input: PlanInput, firstFd: number, seccompFd: number): Plan {
  const files = syntheticFiles(input);
  const small = Math.max(1, Math.floor(input.scratchBytes / SMALL_SCRATCH_SHARE));
  const memory = (path: string, bytes: number): readonly string[] => [
    '--perms',
    '0700',
    '--size',
    String(bytes),
    '--tmpfs',
    path,
  ];
  const options = [
    '--unshare-all',
    '--die-with-parent',
    '--new-session',
    // The runner is process 1: no process of bubblewrap, whose descriptors user code could open, remains inside.
    '--as-pid-1',
    '--cap-drop',
    'ALL',
    '--clearenv',
    '--uid',
    String(NOBODY),
    '--gid',
    String(NOBODY),
    '--hostname',
    'node',
    '--seccomp',
    String(seccompFd),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    ...memory('/dev/shm', small),
    '--remount-ro',
    '/dev',
    '--ro-bind',
    '/usr',
    '/usr',
    ...MERGED_FOLDERS.flatMap((name): readonly string[] => {
      const entry = topLevel(name);
      if (entry === undefined) return [];
      return 'link' in entry ? ['--symlink', entry.link, `/${name}`] : ['--ro-bind', entry.folder, `/${name}`];
    }),
    // Where shared libraries are; distributions keep the links of libblas and its like in alternatives.
    '--ro-bind-try',
    '/etc/ld.so.cache',
    '/etc/ld.so.cache',
    '--ro-bind-try',
    '/etc/alternatives',
    '/etc/alternatives',
    ...files.flatMap((file, index) => ['--perms', '0444', '--ro-bind-data', String(firstFd + index), file.path]),
    '--symlink',
    input.interpreter,
    '/runner/bin/python',
    '--symlink',
    input.interpreter,
    '/runner/bin/python3',
    // An image keeps its application here, and scripts are known to spell the path out.
    '--symlink',
    '/job/image/var/azureml-app',
    '/var/azureml-app',
    '--ro-bind',
    input.serverSocket,
    '/run/strongroom/server.sock',
    ...(input.socketFolder === undefined ? [] : ['--bind', input.socketFolder, '/run/service']),
    ...memory('/tmp', small),
    ...memory('/job', input.scratchBytes),
    // order matters: last, because the folders above are made in it. Without it, / would be unbounded memory to write to.
    '--remount-ro',
    '/',
    '--chdir',
    '/job',
    '--setenv',
    'PATH',
    '/usr/local/bin:/usr/bin:/bin:/runner/bin',
    '--setenv',
    'LANG',
    'C.UTF-8',
    '--setenv',
    'TZ',
    'UTC',
  ];
  return { options, files };
}
