// For tests: a server that can be killed. It runs as a process of its own on a folder and a port that outlive it, so that
// the next one finds what the last one left.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '#kernel/http/server';
import { type FailingSyncs, failingSyncs } from '#kernel/testing/syncs';
import type { Config } from '../src/settings.ts';
import { type FirstStart, type World, worldOf } from './server.fixture.ts';

export type Ended = { readonly code: number | null; readonly signal: string | null; readonly output: string };

/** A server process that is ready. */
export type Child = World & {
  readonly pid: number;
  /** Sets its clock so many milliseconds off the real one. */
  setClock(shiftMs: number): Promise<void>;
  /** kill -9: nothing of it runs on. */
  kill(): Promise<void>;
  /** SIGTERM, and how it ended. */
  terminate(): Promise<Ended & { readonly milliseconds: number }>;
};

type Settings = {
  readonly agent?: Partial<Config['agent']>;
  readonly environments?: Partial<Config['environments']>;
  readonly jobs?: Partial<Config['jobs']>;
};

/** What servers come and go on. */
export type Place = {
  readonly folder: string;
  readonly dataDir: string;
  /** Temporary folder of the server and of what it starts. */
  readonly temporary: string;
  /** For who makes syncs of the server fail; in use where `failing` was asked for. */
  readonly syncs: FailingSyncs;
  /** For who wants to mount something there before the first start. */
  makeDataDir(): Promise<void>;
  /** What the next start finds in its configuration besides, in place of what it was told before. */
  configure(settings: Settings): Promise<void>;
  start(): Promise<Child>;
  /** A start that does not become ready. */
  fails(): Promise<Ended>;
  /** A start that is sent SIGTERM as soon as it prints `words`. */
  interrupted(words: string): Promise<Ended>;
  remove(): Promise<void>;
};

const script = fileURLToPath(new URL('server.child.ts', import.meta.url));
const readyMs = 60_000;

export async function openPlace(
  options: {
    readonly embedded?: boolean;
    readonly failing?: boolean;
    /** Settings of the server, by section. */
    readonly settings?: Readonly<Record<string, object>>;
  } = {},
): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-place-'));
  const dataDir = join(folder, 'data');
  const temporary = join(folder, 'tmp');
  const configFile = join(folder, 'config.yml');
  const bootstrapFile = join(folder, 'first-start.json');
  await mkdir(temporary, { mode: 0o700 });
  const config = {
    dataDir,
    http: { port: await freePort('127.0.0.1') },
    log: { level: 'debug' },
    agent: { embedded: options.embedded ?? false, maxNodes: 2 },
    ...options.settings,
  };
  const configure = ({ agent = {}, ...more }: Settings) =>
    writeFile(configFile, JSON.stringify({ ...config, ...more, agent: { ...config.agent, ...agent } }));
  await configure({});
  const syncs = failingSyncs(folder);
  const running = new Set<ChildProcess>();

  function launch(words = ' is ready at '): {
    readonly child: ChildProcess;
    readonly ended: Promise<Ended>;
    readonly said: Promise<void>;
  } {
    const [program = '', ...given] = [
      ...(options.failing === true ? syncs.command : []),
      ...[process.execPath, '--disable-warning=ExperimentalWarning', script, configFile, bootstrapFile],
    ];
    const child = spawn(program, given, {
      env: { PATH: process.env['PATH'], TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    running.add(child);
    let output = '';
    const said = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-100_000);
        if (output.includes(words)) said.resolve();
      });
    const ended = new Promise<Ended>((resolve) =>
      child.once('close', (code, signal) => {
        running.delete(child);
        resolve({ code, signal, output });
      }),
    );
    return { child, ended, said: said.promise };
  }

  return {
    folder,
    dataDir,
    temporary,
    syncs,
    configure,
    makeDataDir: async () => void (await mkdir(dataDir, { mode: 0o700 })),
    async start() {
      const { child, ended, said } = launch();
      const slow = new AbortController();
      const outcome = await Promise.race([
        said.then(() => 'ready' as const),
        ended,
        pause(readyMs, 'slow' as const, { signal: slow.signal, ref: false }),
      ]);
      slow.abort();
      if (outcome !== 'ready') throw new Error(`the server did not become ready: ${JSON.stringify(outcome)}`);
      const world = await worldOf(JSON.parse(await readFile(bootstrapFile, 'utf8')) as FirstStart);
      return {
        ...world,
        pid: child.pid ?? 0,
        async setClock(shiftMs) {
          const heard = once(child, 'message');
          child.send({ shiftMs });
          await heard;
        },
        async kill() {
          child.kill('SIGKILL');
          await ended;
          world.close();
        },
        async terminate() {
          const begun = performance.now();
          child.kill('SIGTERM');
          const how = await ended;
          world.close();
          return { ...how, milliseconds: performance.now() - begun };
        },
      };
    },
    async fails() {
      const { child, ended, said } = launch();
      const outcome = await Promise.race([ended, said.then(() => 'ready' as const)]);
      if (outcome === 'ready') {
        child.kill('SIGKILL');
        throw new Error('the server started');
      }
      return outcome;
    },
    async interrupted(words) {
      const { child, ended, said } = launch(words);
      await Promise.race([said, ended]);
      child.kill('SIGTERM');
      return await ended;
    },
    async remove() {
      for (const child of running) child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
