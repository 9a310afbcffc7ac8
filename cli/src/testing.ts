// For tests: a shell that remembers what was printed, with a home of its own.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from './exit.ts';
import { runCommand } from './program.ts';
import type { Shell } from './shell.ts';
import { createTransport } from './transport.ts';

export type Ran = { readonly code: number; readonly out: string; readonly err: string };
export type TestShell = {
  readonly home: string;
  readonly shell: Shell;
  run(...words: readonly string[]): Promise<Ran>;
  /** With `--output json`; throws what was said if it failed. */
  json<T = Record<string, unknown>>(...words: readonly string[]): Promise<T>;
  close(): void;
};

export function createTestShell(over: Partial<Shell> = {}): TestShell {
  const home = mkdtempSync(join(tmpdir(), 'strongroom-cli-'));
  let out = '';
  let err = '';
  const nobody = async (prompt: string): Promise<string> => {
    throw new UsageError(`${prompt} must be typed, and this is no terminal.`);
  };
  const shell: Shell = {
    environment: { STRONGROOM_HOME: join(home, 'home') },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    outIsTerminal: false,
    errIsTerminal: false,
    sleep: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
    now: () => Date.now(),
    connect: createTransport,
    askSecret: nobody,
    ask: nobody,
    ...over,
  };
  const run = async (...words: readonly string[]) => {
    out = '';
    err = '';
    const code = await runCommand(words, shell);
    return { code, out, err };
  };
  return {
    home,
    shell,
    run,
    async json<T>(...words: readonly string[]) {
      const ran = await run(...words, '--output', 'json');
      if (ran.code !== 0) throw new Error(`strongroom ${words.join(' ')} ended with ${ran.code}: ${ran.err}`);
      return JSON.parse(ran.out) as T;
    },
    close: () => rmSync(home, { recursive: true, force: true }),
  };
}
