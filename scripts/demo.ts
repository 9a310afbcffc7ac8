// `npm run demo`: the whole promise in one go, on this machine, with nothing prepared. Starts a server in a temporary folder,
// puts a workspace under a key of its own, trains, registers, deploys, asks, is refused, reads the record of it all, and then
// searches the disk for what it planted. `-- --keep` leaves the server running; `-- --json` ends with one line for programs;
// `-- --without-training` leaves out what needs a sandbox, for whoever may not have one.
// Whatever is not as promised makes it fail.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditVerification } from '@strongroom/contract/audit';
import { ServiceError } from '@strongroom/contract/client';
import { createNarrator } from './demo/narrator.ts';
import { commandPath } from './demo/server.ts';
import { names, type Places, promise, tellStory } from './demo/story.ts';
import { ensureSandbox } from './setup.ts';

const keep = process.argv.includes('--keep');
const wantsJson = process.argv.includes('--json');
const trains = !process.argv.includes('--without-training');
const unknown = process.argv.slice(2).filter((flag) => !['--keep', '--json', '--without-training'].includes(flag));
if (unknown.length > 0) {
  process.stderr.write(`The demo takes --keep, --json and --without-training, not ${unknown.join(' ')}.\n`);
  process.exit(2);
}

const tell = createNarrator();
// Before anything is made: where no sandbox can be, nothing is left behind.
if (trains)
  await ensureSandbox('Or see what needs no sandbox (no training, no model): npm run demo -- --without-training\n\n');
const begun = performance.now();
const root = mkdtempSync(join(tmpdir(), 'strongroom-demo-'));
const places: Places = {
  dataDir: join(root, 'data'),
  logFile: join(root, 'server.log'),
  bootstrapFile: join(root, 'bootstrap.json'),
  project: join(root, 'project'),
};

async function run() {
  const spawned = (stop: () => Promise<void>) => {
    stopServer = stop;
  };
  const { summary, server } = await tellStory(tell, places, spawned, { trains });
  if (keep) {
    server.release();
    tellHowToGoOn({ url: summary.url, pid: server.pid });
  } else
    await tell.step('Stop the server, and verify the record once more from its files alone', () =>
      verifyOffline(server.stop),
    );
  const seconds = Number(((performance.now() - begun) / 1000).toFixed(1));
  tell.title(
    trains
      ? `All as promised, in ${seconds} seconds.`
      : `As promised so far, in ${seconds} seconds. Left out, because it needs a sandbox: training, the model, its deployment, scoring.`,
  );
  return { ...summary, seconds };
}

async function verifyOffline(stop: () => Promise<void>): Promise<void> {
  await stop();
  const words = ['audit', 'verify', '--data-dir', places.dataDir, '--output', 'json'];
  const { status, stdout, stderr } = spawnSync(commandPath, words, { encoding: 'utf8' });
  // 7: it fits, and nothing that was kept elsewhere proves its end. A demo keeps nothing elsewhere.
  const verified = status === 7 && (JSON.parse(stdout) as AuditVerification).verified; // codec: the command's own output
  promise(verified, `The record does not verify offline: ${stdout}${stderr}`);
  tell.good('No server needed: whoever holds the folder and the root key can check it.');
}

function tellHowToGoOn({ url, pid }: { readonly url: string; readonly pid: number }): void {
  tell.blank();
  tell.say('The server goes on. To look around:');
  tell.blank();
  const cli = 'bin/strongroom';
  for (const line of [
    `${cli} login --bootstrap-file ${places.bootstrapFile}`,
    `${cli} config set resource-group ${names.group}`,
    `${cli} config set workspace ${names.workspace}`,
    `${cli} job list`,
    `${cli} vault key disable --vault ${names.vault} --name ${names.key}     # and see what still opens`,
    `${cli} audit list`,
  ])
    tell.say(`  ${line}`);
  tell.blank();
  tell.fact('address', url);
  tell.fact('trust', `${places.dataDir}/ca.pem`);
  tell.fact('sign-in', `${places.bootstrapFile} (administrator's name and password, application's id and secret)`);
  tell.fact('stop', `kill ${pid} && rm -rf ${root}`);
}

let stopServer: (() => Promise<void>) | undefined;
let isInterrupted = false;

/** Leaves nothing behind: no process, no folder. */
async function cleanUp(): Promise<void> {
  await stopServer?.();
  rmSync(root, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    isInterrupted = true;
    tell.failed('Interrupted. The server is stopped and what it made removed.');
    void cleanUp().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  });

/** What the server complained of, for whoever has to find out why the demo failed. */
function complaints(): readonly string[] {
  try {
    return readFileSync(places.logFile, 'utf8')
      .split('\n')
      .filter((line) => /^\{"level":[4-6]0,/.test(line))
      .slice(-5);
  } catch {
    return []; // there was no server yet
  }
}

/** Nothing that the demo does takes minutes: whoever waits that long should be told. */
async function withinMinutes<T>(minutes: number, act: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = sleep(minutes * 60_000, undefined, { signal: late.signal }).then(() => {
    throw new Error(`It did not end within ${minutes} minutes.`);
  });
  timer.catch(() => undefined);
  try {
    return await Promise.race([act, timer]);
  } finally {
    late.abort();
  }
}

try {
  const summary = await withinMinutes(5, run());
  if (!keep) await cleanUp();
  if (wantsJson) process.stdout.write(`${JSON.stringify(summary)}\n`);
} catch (thrown) {
  // Whoever interrupted it knows why the server is gone; the signal's handler ends the process.
  if (isInterrupted) await new Promise<never>(() => undefined);
  tell.failed(thrown instanceof Error ? thrown.message : String(thrown));
  if (thrown instanceof ServiceError)
    tell.say(`code ${thrown.code}, status ${thrown.status}, request ${thrown.requestId ?? 'unknown'}`);
  for (const line of complaints()) tell.quiet(`server: ${line.slice(0, 500)}`);
  await cleanUp();
  // What still waits (a log that is followed) must not keep the demo.
  process.exit(1);
}
