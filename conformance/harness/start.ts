// Starts a fresh server as a process in a temporary folder, and stops it. For the suites of `npm run conformance` and the
// public ones of `npm run suites`.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const quiet = '--disable-warning=ExperimentalWarning';

/** What keeps a run from being one: said in one line, with what to do. */
export class Unable extends Error {}

export type Started = { readonly bootstrapFile: string; readonly caFile: string; stop(): Promise<void> };

export async function startServer(environment: NodeJS.ProcessEnv): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-conformance-'));
  const file = fileURLToPath(new URL('server.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [quiet, file, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const ready = new Promise<void>((resolve) => {
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-4096);
      if (said.includes(' is ready at ')) resolve();
    });
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const failed = await Promise.race([ready.then(() => false), ended.then(() => true)]);
  if (failed) {
    await stop();
    throw new Unable('The server did not start; what it said is above.');
  }
  return { bootstrapFile: join(folder, 'bootstrap.json'), caFile: join(folder, 'data', 'ca.pem'), stop };
}
