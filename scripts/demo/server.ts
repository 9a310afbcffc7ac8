// A server of the demo's own: a child process on a free port with a data folder of its own. What it prints goes to a file, so
// that it can outlive the demo, and so that the search for leaked data can look there too.

import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export type Bootstrap = {
  readonly url: string;
  readonly caFile: string;
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly location: string;
  readonly administrator: { readonly userName: string; readonly password: string };
  readonly application: { readonly clientId: string; readonly clientSecret: string; readonly objectId: string };
};
export type DemoServer = {
  readonly bootstrap: Bootstrap;
  readonly pid: number;
  readonly exited: () => boolean;
  stop(): Promise<void>;
  release(): void;
};

export const commandPath = fileURLToPath(new URL('../../bin/strongroom', import.meta.url));
const readySeconds = 60;
const stopSeconds = 15;

/** @param spawned is given `stop` as soon as there is a process, ready or not. */
export async function startDemoServer(
  places: { readonly dataDir: string; readonly logFile: string; readonly bootstrapFile: string },
  spawned: (stop: () => Promise<void>) => void = () => undefined,
): Promise<DemoServer> {
  const log = openSync(places.logFile, 'a', 0o600);
  // In a group of its own: Ctrl-C is for the demo, which then stops the server in order.
  const child = spawn(
    commandPath,
    ['server', 'start', '--data-dir', places.dataDir, '--port', '0', '--bootstrap-file', places.bootstrapFile],
    {
      stdio: ['ignore', log, log],
      detached: true,
    },
  );
  closeSync(log);
  let ended: string | undefined;
  const exit = new Promise<void>((done) => {
    child.once('error', (error) => {
      ended = error.message;
      done();
    });
    child.once('exit', (code, signal) => {
      ended = signal ?? `code ${code}`;
      done();
    });
  });
  const printed = () => (existsSync(places.logFile) ? readFileSync(places.logFile, 'utf8') : '');
  const stop = async () => {
    if (ended === undefined) child.kill('SIGTERM');
    const late = setTimeoutOf(stopSeconds, () => child.kill('SIGKILL'));
    await exit;
    clearTimeout(late);
  };
  spawned(stop);
  const deadline = performance.now() + readySeconds * 1000;
  while (!/ is ready at https:/.test(printed())) {
    if (ended !== undefined)
      throw new Error(`The server ended (${ended}) before it was ready. It said:\n${printed().slice(-4000)}`);
    if (performance.now() > deadline) {
      await stop();
      throw new Error(`The server was not ready within ${readySeconds} seconds. It said:\n${printed().slice(-4000)}`);
    }
    await sleep(25);
  }
  const bootstrap = JSON.parse(readFileSync(places.bootstrapFile, 'utf8')) as Bootstrap; // codec: written by the server a moment ago
  return { bootstrap, pid: child.pid ?? 0, exited: () => ended !== undefined, stop, release: () => child.unref() };
}

function setTimeoutOf(seconds: number, act: () => void): NodeJS.Timeout {
  const timer = setTimeout(act, seconds * 1000);
  timer.unref();
  return timer;
}
