// Runs what users bring: starts the runner inside a bubblewrap sandbox, relays what it reports, and ends it.
//
// Promises: tokens go to the runner's standard input and nowhere else, so neither an argument nor an environment of any host process
// holds one; when the agent dies, everything inside dies; a hard stop ends every process, whatever it does. Must not run anything
// outside a sandbox: there is no switch for it.
import { spawn } from 'node:child_process';
import { chownSync, statSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { createFrameReader, type RunnerEvent } from './frames.ts';
import { findBubblewrap, runnerFiles, sandboxIdentity, stepsDown } from './host.ts';
import { type MountedImage, planSandbox } from './plan.ts';
import type { Interpreter } from './pythons.ts';
import { isFilteredArch, seccompProgram } from './seccomp.ts';

export type { RunnerEvent } from './frames.ts';
export { createSandboxFolder, sandboxIdentity } from './host.ts';
export type { MountedImage } from './plan.ts';
export { type Probe, probeSandbox } from './probe.ts';
export type { Interpreter, Pythons } from './pythons.ts';
export { connectToService, SERVICE_SOCKET } from './service.ts';

/** Bounds of one sandbox. Memory is the sum over its processes; the others are what one process, or the user inside, may have. */
export interface SandboxLimits {
  readonly memoryBytes: number;
  readonly processes: number;
  readonly openFiles: number;
  readonly fileBytes: number;
  readonly cpuSeconds?: number;
}

/** The document of the runner's README: `port` is Strongroom's; the rest is between the server and the runner. */
export interface RunnerDocument {
  readonly port: number;
  /** Which version of Python it runs on, `3.11`; absent: the node's own. */
  readonly python?: string;
  /** What that must be compatible with: of the interpreter that an environment was built with. */
  readonly abi?: string;
  /** Of what is mounted. */
  readonly image?: { readonly as: MountedImage['as']; readonly environment?: Readonly<Record<string, string>> };
  /** Names below / that lead into the image at /job/image. */
  readonly links?: readonly string[];
  /** What runs can write to its root, which is made of the image where there is one. */
  readonly writableRoot?: true;
  readonly job?: object;
  readonly score?: object;
}

/** What to run. `document` is described in the runner's README; it may hold tokens. */
export interface SandboxSpec {
  /** Names the sandbox in messages: letters, digits, dot, dash, underscore. */
  readonly label: string;
  readonly command: 'job' | 'score';
  readonly limits: SandboxLimits;
  /** Size of /job, in memory; /tmp and, unless it is said, /dev/shm have a quarter of it each, in addition. */
  readonly scratchBytes: number;
  readonly sharedBytes?: number;
  readonly document: RunnerDocument;
  /** A Unix socket that the agent listens on and connects to Strongroom; reachable for `sandboxIdentity()`. */
  readonly serverSocket: string;
  readonly caPem: string;
  /** The node's own interpreter, which the management code runs on, and user code unless another one is given. */
  readonly own: Interpreter;
  readonly python?: Interpreter;
  /** A folder of `createSandboxFolder`, where a scoring server opens `SERVICE_SOCKET`. */
  readonly socketFolder?: string;
  /** Names, besides localhost, that lead to Strongroom from inside. */
  readonly hostNames?: readonly string[];
  /** What runs has it for its root, or beside its folder; `document.image` tells the runner. */
  readonly image?: MountedImage;
  /** Folders of inputs by name, which `document.job` does not have. */
  readonly inputs?: ReadonlyMap<string, string>;
  /** Must not throw. Text as it comes: `user` is what the user's processes print, `runner` is diagnostics of the sandbox itself. */
  readonly onOutput: (chunk: string, stream: 'user' | 'runner') => void;
  readonly onEvent?: (event: RunnerEvent) => void;
}

/**
 * How it ended: `exited` and `signal` are the user's own doing; `timeout`, `memory`, `stopped`, `policy` are ours;
 * `setup_failed`, `upload_failed`, `output_missing`, `init_failed` come with a message; `crashed` is a runner that ended without saying why.
 */
export type EndReason =
  | 'exited'
  | 'signal'
  | 'timeout'
  | 'memory'
  | 'stopped'
  | 'policy'
  | 'setup_failed'
  | 'upload_failed'
  | 'output_missing'
  | 'init_failed'
  | 'crashed';

export interface SandboxEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly reason: EndReason;
  readonly message?: string;
}

export interface Sandbox {
  /** Host pid of the outermost process; undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Settles once no process is left; never rejects. */
  readonly done: Promise<SandboxEnd>;
  /** SIGTERM to the user's processes, `graceSeconds` later SIGKILL, then what a job wrote is uploaded. Zero kills at once. */
  stop(graceSeconds: number): Promise<void>;
  /** Replaces the token that the runner itself uses; the user's processes keep the one they started with. */
  renewToken(token: string): void;
  /** While held nothing is read of what it reports: processes that print more than the pipes take have to wait. */
  holdOutput(held: boolean): void;
}

/** What uploading may take after a stop, before everything is killed. */
const UPLOAD_AFTER_STOP_MS = 30_000;
const KEPT_DIAGNOSTICS = 4_000;
const REASONS: ReadonlySet<string> = new Set<EndReason>([
  'exited',
  'signal',
  'timeout',
  'memory',
  'stopped',
  'policy',
  'setup_failed',
  'upload_failed',
  'output_missing',
  'init_failed',
]);
const HOST_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i;

function check(spec: SandboxSpec): void {
  const whole = (name: string, value: number, least: number): void => {
    if (!Number.isSafeInteger(value) || value < least)
      throw new Error(`${name} must be a whole number of at least ${least}.`);
  };
  if (!/^[A-Za-z0-9._-]{1,255}$/.test(spec.label))
    throw new Error('label must be 1-255 letters, digits, dots, dashes.');
  whole('limits.memoryBytes', spec.limits.memoryBytes, 16 * 1024 * 1024);
  whole('limits.processes', spec.limits.processes, 1);
  whole('limits.openFiles', spec.limits.openFiles, 16);
  whole('limits.fileBytes', spec.limits.fileBytes, 1);
  if (spec.limits.cpuSeconds !== undefined) whole('limits.cpuSeconds', spec.limits.cpuSeconds, 1);
  whole('document.port', spec.document.port, 1);
  whole('scratchBytes', spec.scratchBytes, 1024 * 1024);
  if (spec.sharedBytes !== undefined) whole('sharedBytes', spec.sharedBytes, 1024 * 1024);
  for (const name of spec.hostNames ?? []) {
    if (!HOST_NAME.test(name)) throw new Error('hostNames must be plain host names.');
  }
  if (!statSync(spec.serverSocket).isSocket()) throw new Error('serverSocket must be a listening Unix socket.');
}

function reasonOf(value: unknown): EndReason {
  // The cast follows the check: the set holds the members of the union and nothing else.
  return typeof value === 'string' && REASONS.has(value) ? (value as EndReason) : 'crashed';
}

function endOf(event: RunnerEvent): SandboxEnd {
  const { exitCode, signal, message } = event;
  return {
    exitCode: typeof exitCode === 'number' ? exitCode : null,
    signal: typeof signal === 'string' ? signal : null,
    reason: reasonOf(event.reason),
    ...(typeof message === 'string' ? { message } : {}),
  };
}

/** Starts a sandbox. Throws only on a spec that makes no sense, or when `probeSandbox` would say no; the rest is in `done`. */
export function startSandbox(spec: SandboxSpec): Sandbox {
  check(spec);
  const bubblewrap = findBubblewrap();
  const interpreter = spec.own.program;
  if (bubblewrap === undefined || !isFilteredArch(process.arch)) {
    throw new Error('This machine cannot make a sandbox; probeSandbox() says why and what to do.');
  }
  const { uid, gid } = sandboxIdentity();
  if (stepsDown()) chownSync(spec.serverSocket, uid, gid);

  const argsFd = 3;
  const seccompFd = 4;
  const plan = planSandbox(
    {
      python: spec.python ?? spec.own,
      scratchBytes: spec.scratchBytes,
      ...(spec.sharedBytes === undefined ? {} : { sharedBytes: spec.sharedBytes }),
      hostNames: spec.hostNames ?? [],
      port: spec.document.port,
      caPem: spec.caPem,
      serverSocket: spec.serverSocket,
      ...(spec.socketFolder === undefined ? {} : { socketFolder: spec.socketFolder }),
      runner: runnerFiles(),
      ...(spec.image === undefined ? {} : { image: spec.image }),
      ...(spec.inputs === undefined ? {} : { inputs: spec.inputs }),
      ...(spec.document.links === undefined ? {} : { links: spec.document.links }),
      ...(spec.document.writableRoot === undefined ? {} : { writableRoot: spec.document.writableRoot }),
    },
    seccompFd + 1,
    seccompFd,
  );
  const descriptors = [
    Buffer.from(plan.options.map((option) => `${option}\0`).join('')),
    seccompProgram(process.arch, spec.image?.as === 'root' || spec.document.writableRoot === true),
    ...plan.files.map((file) => file.content),
  ];
  const child = spawn(bubblewrap, ['--args', String(argsFd), '--', interpreter, '-I', '-B', '/runner/run.py'], {
    cwd: '/',
    env: {},
    ...(stepsDown() ? { uid, gid } : {}),
    stdio: ['pipe', 'pipe', 'pipe', ...descriptors.map(() => 'pipe' as const)],
  });

  let finished: SandboxEnd | undefined;
  let diagnostics = '';
  let stopping = false;
  let killTimer: NodeJS.Timeout | undefined;

  const kill = (end: SandboxEnd): void => {
    finished ??= end;
    // The outer process is the parent of process 1 inside, whose death signal ends the whole pid namespace.
    child.kill('SIGKILL');
    // What is held back would keep the end from being seen.
    child.stdout?.resume();
  };
  const diagnose = (text: string): void => {
    diagnostics = (diagnostics + text).slice(-KEPT_DIAGNOSTICS);
    spec.onOutput(text, 'runner');
  };

  const done = new Promise<SandboxEnd>((resolve) => {
    child.once('error', (error) => {
      finished ??= { exitCode: null, signal: null, reason: 'setup_failed', message: error.message };
      if (child.pid === undefined) resolve(finished);
    });
    child.once('close', (exitCode, signal) => {
      clearTimeout(killTimer);
      const reason = stopping ? 'stopped' : 'crashed';
      const message = diagnostics.trim();
      resolve(finished ?? { exitCode, signal, reason, ...(message === '' ? {} : { message }) });
    });
  });

  const read = createFrameReader((frame) => {
    if (frame.kind === 'output') return spec.onOutput(frame.text, 'user');
    if (frame.event.event === 'finished') finished ??= endOf(frame.event);
    spec.onEvent?.(frame.event);
  });
  child.stdout?.on('data', (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      diagnose(`${spec.label}: ${error instanceof Error ? error.message : 'unreadable output'}\n`);
      kill({ exitCode: null, signal: null, reason: 'crashed', message: 'The runner broke its protocol.' });
    }
  });
  child.stderr?.setEncoding('utf8').on('data', diagnose);
  for (const stream of child.stdio) {
    // A sandbox that ends early closes its side first; `done` tells, so the broken pipe need not.
    if (stream instanceof Readable || stream instanceof Writable) stream.on('error', () => undefined);
  }
  descriptors.forEach((content, index) => {
    const stream = child.stdio[argsFd + index];
    if (stream instanceof Writable) stream.end(content);
  });
  const say = (message: object): void => {
    if (child.stdin?.writable === true) child.stdin.write(`${JSON.stringify(message)}\n`);
  };
  say({ ...spec.document, label: spec.label, command: spec.command, limits: spec.limits });

  return {
    pid: child.pid,
    done,
    async stop(graceSeconds) {
      const stopped: SandboxEnd = { exitCode: null, signal: 'SIGKILL', reason: 'stopped' };
      if (graceSeconds <= 0) kill(stopped);
      else if (!stopping) {
        say({ stop: { graceSeconds } });
        killTimer = setTimeout(() => kill(stopped), graceSeconds * 1000 + UPLOAD_AFTER_STOP_MS);
      }
      stopping = true;
      await done;
    },
    renewToken: (token) => say({ token }),
    holdOutput(held) {
      if (held && finished === undefined) child.stdout?.pause();
      else child.stdout?.resume();
    },
  };
}
