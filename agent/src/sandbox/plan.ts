// The sandbox, written as the arguments and files that bubblewrap is given. One screen tells what exists inside.
//
// Two shapes: what runs sees the host's /usr, or nothing but an image. With an image the management code still runs on the host's
// Python in a root of its own, and the image with what belongs to it lies in that at /image, which user code has for its root:
// an interpreter that somebody brings never holds what bounds it. What lies in both roots is one and the same, by links.
// A root that can be written to is of the second shape, too: memory at /image, which the management code fills from the image at /base,
// or which has the host's /usr and the chosen interpreter read-only in it.
//
// Promises: no host path but /usr (and what /lib, /bin and the like are), the interpreter that was chosen where it lies elsewhere, two
// entries of /etc that only name libraries, the two sockets, and an image that was unpacked for this, inputs that this node keeps; no network; no capability; nothing writable that is not in memory and bounded, except the folder of a scoring socket.
// Must not hold a secret: those travel on the standard input of the runner. Starts nothing.
import { existsSync } from 'node:fs';
import type { RunnerFile } from './host.ts';
import { NOBODY, topLevel } from './host.ts';
import type { Installation } from './installations.ts';

/** A file that exists only inside: handed over through a descriptor, never written to the host. */
export interface SyntheticFile {
  readonly path: string;
  readonly content: Buffer;
}

/** What the plan is made from; paths are absolute, sizes in bytes. */
export interface PlanInput {
  /** What user code and environments run on. */
  readonly python: Installation & { readonly prefix: string; readonly version: string };
  readonly scratchBytes: number;
  readonly sharedBytes?: number;
  readonly hostNames: readonly string[];
  /** Strongroom's port, which the runner listens on inside. */
  readonly port: number;
  readonly caPem: string;
  readonly serverSocket: string;
  readonly socketFolder?: string;
  readonly runner: readonly RunnerFile[];
  readonly image?: MountedImage;
  /** Folders of inputs that this node keeps, by their names; read-only at /job/inputs. */
  readonly inputs?: ReadonlyMap<string, string>;
  /** Names below / that lead to the same names in the image at /job/image. */
  readonly links?: readonly string[];
  /** What runs has a root of its own in memory, `scratchBytes` of it. */
  readonly writableRoot?: boolean;
}

/** An unpacked image, read-only inside: the root of what runs, or a folder that it brings (/job/image). */
export interface MountedImage {
  readonly folder: string;
  readonly as: 'root' | 'environment';
}

/** `options` are for --args; `files` must be attached to the descriptors that `options` names, in order from `firstFd`. */
export interface Plan {
  readonly options: readonly string[];
  readonly files: readonly SyntheticFile[];
}

/** One option with its values. */
type Options = readonly string[];

const MERGED_FOLDERS = ['lib', 'lib64', 'lib32', 'libx32', 'bin', 'sbin'] as const;
const SMALL_SCRATCH_SHARE = 4;
const FIRST_FREE_PORT = 1024;
/** Where the root of an image lies for the management code. */
const IMAGE_ROOT = '/image';
/** Where an image lies that a root is made of, and what is put into that root: for the management code alone. */
const BASE = '/base';
const CONTEXT = '/context';
const CONTEXT_BYTES = 400 * 1024 * 1024;
/** Of what is only mounted over and never written to. */
const MOUNT_BYTES = 1024 * 1024;
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom'] as const;
const DEVICE_LINKS = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
] as const;
/** Of both roots, where there are two. */
const SHARED_FOLDERS = ['proc', 'dev', 'tmp', 'job'] as const;
/** What /proc tells about the host and not about the sandbox: kernel keys, symbols, and the line it was started with. */
const HIDDEN_IN_PROC = [
  '/proc/keys',
  '/proc/key-users',
  '/proc/kallsyms',
  '/proc/cmdline',
  '/proc/timer_list',
] as const;

/** /lib, /bin and the like as this host has them: links into /usr, or folders of their own. */
export function mergedFolders(root = ''): readonly Options[] {
  return MERGED_FOLDERS.map((name): Options => {
    const entry = topLevel(name);
    if (entry === undefined) return [];
    const path = `${root}/${name}`;
    return 'link' in entry ? ['--symlink', entry.link, path] : ['--ro-bind', entry.folder, path];
  });
}

/** What an interpreter needs beside /usr; all of it read-only, and of its installation nothing else. */
export function installationOptions({ program, folders, links }: Installation, root = ''): readonly Options[] {
  if (folders.length === 0) return [];
  return [
    ['--ro-bind', program, `${root}${program}`],
    ...folders.map((folder): Options => ['--ro-bind', folder, `${root}${folder}`]),
    ...links.map(({ path, target }): Options => ['--symlink', target, `${root}${path}`]),
  ];
}

/** The host's system, and the interpreter by names that stay when the installation of the same version is another one. */
function systemOptions({ python }: PlanInput, root: string): readonly Options[] {
  return [
    ['--ro-bind', '/usr', `${root}/usr`],
    ...mergedFolders(root),
    // Where shared libraries are; distributions keep the links of libblas and its like in alternatives.
    ['--ro-bind-try', '/etc/ld.so.cache', `${root}/etc/ld.so.cache`],
    ['--ro-bind-try', '/etc/alternatives', `${root}/etc/alternatives`],
    ...installationOptions(python, root),
    // Environments lead here, and PATH begins here.
    ...['python', 'python3', `python${python.version}`].map(
      (name): Options => ['--symlink', python.program, `${root}/runner/bin/${name}`],
    ),
    ['--symlink', python.prefix, `${root}/runner/python`],
  ];
}

/** What lies in an image beside its environment. Throws where this node has something of its own there. */
function linkOptions({ links = [], python }: PlanInput): readonly Options[] {
  const own = [python.program, ...python.folders, ...python.links.map(({ path }) => path)].map(
    (path) => path.split('/')[1],
  );
  const taken = links.find((name) => own.includes(name));
  if (taken !== undefined)
    throw new Error(
      `The environment has the folder /${taken}, where this node has its Python. Let the Dockerfile put its files elsewhere.`,
    );
  return links.map((name): Options => ['--symlink', `/job/image/${name}`, `/${name}`]);
}

function inputOptions({ inputs = new Map() }: PlanInput, root: string): readonly Options[] {
  return [...inputs].map(([name, folder]): Options => {
    if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,254}$/.test(name)) throw new Error('The name of an input must be a plain word.');
    return ['--ro-bind', folder, `${root}/job/inputs/${name}`];
  });
}

/** In every root: what names and trust are decided by. */
function sharedFiles(input: PlanInput, root: string): readonly SyntheticFile[] {
  const text = (path: string, lines: readonly string[]): SyntheticFile => ({
    path: `${root}${path}`,
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
    { path: `${root}/run/strongroom/ca.pem`, content: Buffer.from(input.caPem) },
  ];
}

/** What runs has another root than the management code. */
const hasOwnRoot = ({ image, writableRoot = false }: PlanInput): boolean => image?.as === 'root' || writableRoot;

function syntheticFiles(input: PlanInput): readonly SyntheticFile[] {
  return [
    ...sharedFiles(input, ''),
    ...(hasOwnRoot(input) ? sharedFiles(input, IMAGE_ROOT) : []),
    ...input.runner.map(({ path, content }) => ({ path: `/runner/${path}`, content })),
  ];
}

/** Turns the input into bubblewrap's options. `firstFd` is the descriptor of the first file; the rest follow it. */
export function planSandbox(input: PlanInput, firstFd: number, seccompFd: number): Plan {
  const files = syntheticFiles(input);
  const small = Math.max(1, Math.floor(input.scratchBytes / SMALL_SCRATCH_SHARE));
  /** What user code has for its root, as the management code sees it. */
  const root = hasOwnRoot(input) ? IMAGE_ROOT : '';
  const isWritable = input.writableRoot === true;
  const memoryAt = (path: string, bytes: number, mode: string): Options =>
    `--perms ${mode} --size ${bytes} --tmpfs ${path}`.split(' ');
  const memory = (path: string, bytes: number, mode = '0700') => memoryAt(`${root}${path}`, bytes, mode);
  const onlyWithRoot = (...list: readonly Options[]): readonly Options[] => (root === '' ? [] : list);
  const options: readonly Options[] = [
    ['--unshare-all'],
    ['--die-with-parent'],
    ['--new-session'],
    // The runner is process 1: no process of bubblewrap, whose descriptors user code could open, remains inside.
    ['--as-pid-1'],
    ['--cap-drop', 'ALL'],
    // To listen on Strongroom's own port inside, where that is below 1024. Process 1 gives it up before it starts anything.
    input.port < FIRST_FREE_PORT ? ['--cap-add', 'CAP_NET_BIND_SERVICE'] : [],
    ...onlyWithRoot(['--cap-add', 'CAP_SYS_CHROOT']),
    ['--clearenv'],
    ['--uid', String(NOBODY), '--gid', String(NOBODY)],
    ['--hostname', 'node'],
    ['--seccomp', String(seccompFd)],

    // order matters: everything below that lies in an image is mounted over it. The image has the places for it.
    ...(input.image?.as === 'root' ? [['--ro-bind', input.image.folder, isWritable ? BASE : IMAGE_ROOT]] : []),
    ...(isWritable ? [memoryAt(IMAGE_ROOT, input.scratchBytes, '0755'), memoryAt(CONTEXT, CONTEXT_BYTES, '0700')] : []),
    ...onlyWithRoot(
      ...SHARED_FOLDERS.map((name): Options => ['--symlink', `${IMAGE_ROOT.slice(1)}/${name}`, `/${name}`]),
    ),
    ['--proc', `${root}/proc`],
    ...HIDDEN_IN_PROC.filter(existsSync).map((path): Options => ['--ro-bind', '/dev/null', `${root}${path}`]),
    ...onlyWithRoot(memory('/dev', MOUNT_BYTES, '0755'), memory('/run', MOUNT_BYTES, '0755')),
    // Not --dev, which brings terminals: those need a second user namespace, and nobody sits at one here.
    ...DEVICES.map((name): Options => ['--dev-bind', `/dev/${name}`, `${root}/dev/${name}`]),
    ...DEVICE_LINKS.map(([name, target]): Options => ['--symlink', target, `${root}/dev/${name}`]),
    memory('/dev/shm', input.sharedBytes ?? small),

    ...systemOptions(input, ''),
    ...(isWritable && input.image === undefined ? systemOptions(input, IMAGE_ROOT) : []),
    ...files.map((file, index): Options => ['--perms', '0444', '--ro-bind-data', String(firstFd + index), file.path]),
    // An image keeps its application here, and scripts are known to spell the path out.
    ['--symlink', '/job/image/var/azureml-app', '/var/azureml-app'],
    // An environment names its own place in what it installed.
    ['--symlink', '/job/image/env', '/env'],
    ...linkOptions(input),

    ['--ro-bind', input.serverSocket, '/run/strongroom/server.sock'],
    input.socketFolder === undefined ? [] : ['--bind', input.socketFolder, '/run/service'],
    // What is made in a root of its own lies there, and the rest is what is left over on the way.
    memory('/tmp', isWritable ? Math.floor(input.scratchBytes / 2) : small),
    memory('/job', isWritable ? small : input.scratchBytes),
    input.image?.as === 'environment' ? ['--ro-bind', input.image.folder, '/job/image'] : [],
    ...inputOptions(input, root),
    ...onlyWithRoot(['--remount-ro', `${root}/dev`], ['--remount-ro', `${root}/run`]),
    // order matters: last, because the folders above are made in it. Without it, / would be unbounded memory to write to.
    ['--remount-ro', '/'],

    ['--chdir', '/job'],
    // order matters: the interpreter that was chosen comes before any other of the host that has one of its names.
    ['--setenv', 'PATH', '/runner/bin:/usr/local/bin:/usr/bin:/bin'],
    ['--setenv', 'LANG', 'C.UTF-8'],
    ['--setenv', 'TZ', 'UTC'],
  ];
  return { options: options.flat(), files };
}
