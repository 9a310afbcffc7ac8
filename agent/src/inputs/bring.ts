// Brings inputs from the server, by a process of its own (runner/bring.py), so that nothing of them passes the agent: it hears one line
// for each. First the server decides whether the token of the job may read them at all. No secret is in an argument or an environment.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RUNNER_FOLDER } from '../sandbox/host.ts';

/** A file of an input, as the server tells it. */
export interface InputFile {
  readonly path: string;
  readonly url: string;
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/** What the server is asked before anything of an input is used; it must answer with this digest. */
export interface Decision {
  readonly url: string;
  readonly digest: string;
}

export interface Bringing {
  /** Resolves when the server has said yes to all of it. */
  readonly decided: Promise<void>;
  /** Once, after that. Each lies in its folder, whole, when it is told of by its key; resolves when all do. */
  bring(inputs: readonly InputToBring[], brought: (key: string) => void): Promise<void>;
  /** Ends it, wherever it is, and resolves when no process is left. */
  end(): Promise<void>;
}

export interface InputToBring {
  readonly key: string;
  /** Not there yet, in one of the agent's own. */
  readonly folder: string;
  readonly files: readonly InputFile[];
}

export type StartBringing = (of: { readonly token: string; readonly decisions: readonly Decision[] }) => Bringing;

/** The inputs cannot be had, in words for who submitted the work. */
export class InputsRefused extends Error {}

const SAID_MAX = 2_000;

/** Of the server that the agent serves, whose authority is the only one that is trusted. */
export function bringFrom(options: {
  readonly url: string;
  readonly caPem: string;
  readonly interpreter: () => string | undefined;
}): StartBringing {
  const { hostname, port } = new URL(options.url);
  const hostPort = Number(port === '' ? '443' : port);
  const host = hostname.replace(/^\[|\]$/g, '');
  return ({ token, decisions }) => {
    const interpreter = options.interpreter();
    if (interpreter === undefined) throw new InputsRefused('This node has no Python to bring inputs with.');
    const child = spawn(interpreter, ['-I', '-B', join(RUNNER_FOLDER, 'bring.py')], {
      cwd: '/',
      env: {},
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let diagnostics = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      diagnostics = (diagnostics + text).slice(-SAID_MAX);
    });
    child.stdin.on('error', () => undefined); // its end tells
    const decided = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    // Whoever leaves waits for neither.
    for (const { promise } of [decided, done]) promise.catch(() => undefined);
    let brought: (key: string) => void = () => undefined;
    const fail = (error: Error) => {
      decided.reject(error);
      done.reject(error);
    };
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = toldIn(line);
      if (told === undefined) return;
      if (told['decided'] === true) decided.resolve();
      else if (typeof told['brought'] === 'string') brought(told['brought']);
      else if (told['done'] === true) done.resolve();
      else fail(new InputsRefused(String(told['refused']).slice(0, 1_000)));
    });
    child.once('error', (error) => {
      fail(error);
      if (child.pid === undefined) ended.resolve();
    });
    child.once('close', () => {
      const last = diagnostics.trim().split('\n').at(-1) ?? '';
      fail(new InputsRefused(`What brings the inputs of a job to this node ended early. ${last}`.trim()));
      ended.resolve();
    });
    const say = (line: object) => void child.stdin.write(`${JSON.stringify(line)}\n`);
    say({ port: hostPort, host, hostPort, caPem: options.caPem, token, decisions });
    return {
      decided: decided.promise,
      bring(inputs, each) {
        brought = each;
        say({ inputs });
        return done.promise;
      },
      async end() {
        child.kill('SIGKILL');
        await ended.promise;
      },
    };
  };
}

/** Undefined for a line that was cut off when the program was ended: its end tells. */
function toldIn(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>; // the program is ours; each is checked
  } catch {
    return undefined;
  }
}
