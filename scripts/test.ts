// `npm test`: makes sure that what the tests need is on the machine, then runs the tests of the repository with node:test.
// Arguments name files or folders to run fewer; `--quick` (`npm run test:quick`) leaves out what takes long or needs a sandbox.

import { spawn } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findPostgres, startPostgres, type TestServer } from '../server/src/kernel/testing/postgres.server.ts';
import { ensurePip, ensurePostgres, ensureSandbox, ensureSealing } from './setup.ts';
import type { TestEvent } from './test.events.ts';
import { slowTests } from './test.quick.ts';
import { createTestReport } from './test.report.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The suite takes minutes; a test that leaves something open must not keep a machine for an hour. */
const limitMinutes = Number(process.env['TEST_LIMIT_MINUTES'] ?? 40);
/** How long what was cut off may take to say what it knows. */
const graceMs = Number(process.env['TEST_GRACE_SECONDS'] ?? 10) * 1000;
const everything = ['contract', 'server', 'agent', 'runner', 'cli', 'scripts', 'conformance'];
/**
 * Commands of their own, which CI calls too: minutes of killed servers, full disks, failing syncs and builds that fill a memory or run for
 * ever (`npm run test:faults`), and what needs several Pythons, which few machines have (`npm run test:pythons`).
 */
const apart = ['server/test/faults/', '/hostile-build.sandbox.test.ts', '/pythons.sandbox.test.ts'];
const quickPlaces = ['contract', 'server/src/kernel', 'server/src/modules'];

process.chdir(root);
const flags = process.argv.slice(2).filter((word) => word.startsWith('-'));
const named = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const isQuick = flags.includes('--quick');
if (flags.some((flag) => flag !== '--quick')) {
  process.stderr.write(`The tests take files, folders and --quick, not ${flags.join(' ')}.\n`);
  process.exit(2);
}
const folders = named.length > 0 ? named : isQuick ? quickPlaces : everything;
const files = folders
  .flatMap((place) =>
    statSync(place, { throwIfNoEntry: false })?.isFile()
      ? [place]
      : globSync(`${place}/**/*.test.ts`, { exclude: (path) => String(path).includes('node_modules') }),
  )
  .filter((file) => named.length > 0 || !apart.some((part) => file.includes(part)))
  .filter((file) => !isQuick || !(/[./](fuzz|sandbox)\.test\.ts$/.test(file) || slowTests.has(file)))
  .sort();
if (files.length === 0) {
  process.stderr.write(`no tests below ${folders.join(', ')}\n`);
  process.exit(1);
}

/** Tests whose names say so run on PostgreSQL: one server for all of them. */
const onPostgres = files.some((file) => file.includes('postgres'));

async function run(postgres: TestServer | undefined): Promise<number> {
  const report = createTestReport(files, process.stdout);
  const runner = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--test',
      // One more than there are cores: some wait for a clock or a process for seconds.
      `--test-concurrency=${availableParallelism() + 1}`,
      '--test-timeout=300000',
      '--test-reporter=./scripts/test.events.ts',
      '--test-reporter-destination=stdout',
      ...files,
    ],
    // In a group of its own, so that what the tests started can be ended with them.
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        // Each file is a process, and most of them load the same modules: they are compiled once. The folder is that of bin/strongroom.
        NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'),
        ...process.env,
        NODE_ENV: 'test',
        ...(postgres ? { TEST_POSTGRES: postgres.folder } : {}),
      },
      detached: true,
    },
  );
  let cutOff: string | undefined;
  const tell = (signal: NodeJS.Signals) => {
    try {
      process.kill(-(runner.pid ?? 0), signal);
    } catch {
      // It ended by itself a moment ago.
    }
  };
  let late: NodeJS.Timeout | undefined;
  const cut = (why: string) => {
    cutOff ??= why;
    tell('SIGTERM');
    late ??= setTimeout(() => tell('SIGKILL'), graceMs);
  };
  const limit = setTimeout(() => cut(`The limit of ${limitMinutes} minutes was reached.`), limitMinutes * 60_000);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => cut(`${signal} came.`));
  const ended = new Promise<void>((resolve) => runner.once('close', () => resolve()));
  for await (const line of createInterface({ input: runner.stdout, crlfDelay: Number.POSITIVE_INFINITY })) {
    // Whatever else a runner prints there is shown as it is.
    if (line.startsWith('{"type":') || line.startsWith('{"file":')) report.take(JSON.parse(line) as TestEvent);
    else process.stdout.write(`${line}\n`);
  }
  await ended;
  clearTimeout(limit);
  clearTimeout(late);
  // The runner goes at once; a test of its that is deaf to SIGTERM would run on for ever.
  if (cutOff !== undefined) tell('SIGKILL');
  return report.end(cutOff);
}

if (!isQuick) {
  await ensureSandbox();
  if (files.some((file) => file.includes('environments/'))) ensurePip();
  if (files.some((file) => /inputs\/|kept-inputs/.test(file))) ensureSealing();
  if (onPostgres) ensurePostgres();
}
const postgres = onPostgres && findPostgres() !== undefined ? await startPostgres() : undefined;
try {
  process.exitCode = await run(postgres);
} finally {
  await postgres?.stop();
}
