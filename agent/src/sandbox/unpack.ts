// Unpacks an image in a sandbox that has the layers to read, one folder to write, and nothing else: no way to the server, no token,
// no scratch. What a layer does to its reader stays there; what the reader answers is a few numbers, or words for the submitter.

import { spawn } from 'node:child_process';
import { Writable } from 'node:stream';
import { findBubblewrap, interpreterCandidates, NOBODY, runnerFiles, sandboxIdentity, stepsDown } from './host.ts';
import { mergedFolders } from './plan.ts';
import { isFilteredArch, seccompProgram } from './seccomp.ts';

export interface UnpackSpec {
  /** Files on this machine, the lowest layer first. */
  readonly layers: readonly { readonly path: string; readonly gzip: boolean }[];
  /** Empty, and writable for `sandboxIdentity()`. */
  readonly folder: string;
  readonly isRoot: boolean;
  readonly mostBytes: number;
  readonly interpreter?: string;
  readonly signal: AbortSignal;
}

export type Unpacked =
  | { readonly bytes: number; readonly entries: number }
  | { readonly refused: string; readonly isTooLarge: boolean };

const ANSWER_BYTES_MAX = 64 * 1024;
const LONGEST_MS = 900_000;

function options(spec: UnpackSpec, interpreter: string, files: readonly { path: string }[], firstFd: number) {
  return [
    ['--unshare-all', '--die-with-parent', '--new-session', '--as-pid-1', '--cap-drop', 'ALL', '--clearenv'],
    ['--uid', String(NOBODY), '--gid', String(NOBODY), '--hostname', 'node', '--seccomp', '4'],
    ['--proc', '/proc', '--dev-bind', '/dev/null', '/dev/null', '--dev-bind', '/dev/urandom', '/dev/urandom'],
    ['--ro-bind', '/usr', '/usr', ...mergedFolders().flat(), '--ro-bind-try', '/etc/ld.so.cache', '/etc/ld.so.cache'],
    files.flatMap(({ path }, index) => [
      '--perms',
      '0444',
      '--ro-bind-data',
      String(firstFd + index),
      `/runner/${path}`,
    ]),
    spec.layers.flatMap(({ path }, index) => ['--ro-bind', path, `/layers/${index}`]),
    ['--bind', spec.folder, '/image', '--remount-ro', '/', '--chdir', '/', '--setenv', 'LANG', 'C.UTF-8'],
    ['--', interpreter, '-I', '-B', '/runner/unpack.py'],
  ].flat();
}

/** Rejects when no reader can be started, or it ends without an answer. */
export async function unpackImage(spec: UnpackSpec): Promise<Unpacked> {
  const bubblewrap = findBubblewrap();
  const interpreter = spec.interpreter ?? interpreterCandidates()[0];
  if (bubblewrap === undefined || interpreter === undefined || !isFilteredArch(process.arch))
    throw new Error('This machine cannot make a sandbox.');
  const firstFd = 5;
  const files = runnerFiles();
  const program = options(spec, interpreter, files, firstFd);
  const end = program.indexOf('--');
  const descriptors = [
    Buffer.from(
      program
        .slice(0, end)
        .map((option) => `${option}\0`)
        .join(''),
    ),
    seccompProgram(process.arch),
    ...files.map(({ content }) => content),
  ];
  const child = spawn(bubblewrap, ['--args', '3', ...program.slice(end)], {
    cwd: '/',
    env: {},
    ...(stepsDown() ? sandboxIdentity() : {}),
    stdio: ['pipe', 'pipe', 'pipe', ...descriptors.map(() => 'pipe' as const)],
  });
  const kill = () => void child.kill('SIGKILL');
  const late = setTimeout(kill, LONGEST_MS);
  spec.signal.addEventListener('abort', kill);
  for (const stream of child.stdio) stream?.on('error', () => undefined); // its end tells
  const said = { answer: '', diagnostics: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.answer += text;
    if (said.answer.length > ANSWER_BYTES_MAX) kill();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.diagnostics = (said.diagnostics + text).slice(-2_000);
  });
  descriptors.forEach((content, index) => {
    const stream = child.stdio[3 + index];
    if (stream instanceof Writable) stream.end(content);
  });
  child.stdin?.end(
    `${JSON.stringify({
      layers: spec.layers.map(({ gzip }, index) => ({ path: `/layers/${index}`, gzip })),
      isRoot: spec.isRoot,
      mostBytes: spec.mostBytes,
    })}\n`,
  );
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject).once('close', () => resolve());
      if (spec.signal.aborted) kill();
    });
  } finally {
    clearTimeout(late);
    spec.signal.removeEventListener('abort', kill);
  }
  spec.signal.throwIfAborted();
  return readAnswer(said.answer, said.diagnostics);
}

function readAnswer(answer: string, diagnostics: string): Unpacked {
  let value: unknown;
  try {
    value = JSON.parse(answer);
  } catch {
    const last = diagnostics.trim().split('\n').at(-1) ?? '';
    throw new Error(`The image could not be unpacked in time, or its reader ended. ${last}`.trim().slice(0, 500));
  }
  const { bytes, entries, refused, isTooLarge } = Object(value) as Readonly<Record<string, unknown>>; // each is checked
  if (typeof refused === 'string') return { refused: refused.slice(0, 1_000), isTooLarge: isTooLarge === true };
  if (Number.isSafeInteger(bytes) && Number.isSafeInteger(entries))
    return { bytes: bytes as number, entries: entries as number }; // whole numbers, just checked
  throw new Error('The reader of the image did not answer as it does.');
}
