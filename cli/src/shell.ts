// What a command knows of the world around it: where it may write, whether somebody watches, how to ask. One value, so that
// tests run commands without a process of their own.

import { createInterface } from 'node:readline/promises';
import { UsageError } from './exit.ts';
import type { HttpsTransport, TransportOptions } from './transport.ts';

export type Shell = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Results only. */
  out(text: string): void;
  /** Everything else: progress, prompts, errors. */
  err(text: string): void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  sleep(milliseconds: number): Promise<void>;
  now(): number;
  /** Reads one line without echo. Throws UsageError where nobody can type. */
  askSecret(prompt: string): Promise<string>;
  ask(prompt: string): Promise<string>;
  connect(options: TransportOptions): HttpsTransport;
};

const unattended = (what: string) =>
  new UsageError(
    `${what} must be typed, and this is no terminal. Give it in a file, or with the option that --help names.`,
  );

export function systemShell(): Shell {
  // A reader that goes away (`| head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  // Nobody reads what is said beside it: the command goes on, and ends as it ends.
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    environment: process.env,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
    sleep: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
    now: () => Date.now(),
    connect,
    askSecret: readHidden,
    async ask(prompt) {
      if (process.stdin.isTTY !== true) throw unattended(prompt.trim());
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return await lines.question(prompt);
      } finally {
        lines.close();
      }
    },
  };
}

/** Opened with the first request: what speaks TLS is not loaded by a command that asks nobody. */
function connect(options: TransportOptions): HttpsTransport {
  let opened: Promise<HttpsTransport> | undefined;
  return {
    async send(request) {
      opened ??= import('./transport.ts').then(({ createTransport }) => createTransport(options));
      return await (await opened).send(request);
    },
    close: () => void opened?.then((transport) => transport.close()),
  };
}

async function readHidden(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  if (stdin.isTTY !== true) throw unattended(prompt.trim().replace(/:$/, ''));
  stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.resume();
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed = '';
      const take = (text: string) => {
        for (const char of text) {
          if (char === '\r' || char === '\n') {
            stdin.off('data', take);
            return resolve(typed);
          }
          if (char === '\u0003') {
            stdin.off('data', take);
            return reject(new UsageError('Nothing was typed.'));
          }
          typed = char === '\u007f' || char === '\b' ? typed.slice(0, -1) : typed + char;
        }
      };
      stdin.on('data', take);
    });
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}
