// `npm test`: makes sure that what the tests need is on the machine, then runs every test of the repository with node:test.
// Arguments name files or folders to run fewer.

import { spawnSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ensureSandbox } from './setup.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The suite takes minutes; a test that leaves something open must not keep a machine for an hour. */
const wholeRunMs = 40 * 60_000;
process.chdir(root);
await ensureSandbox();

const places = process.argv.slice(2);
const folders =
  places.length > 0 ? places : ['contract', 'server', 'agent', 'runner', 'cli', 'scripts', 'conformance', 'e2e'];
const files = folders.flatMap((place) =>
  statSync(place, { throwIfNoEntry: false })?.isFile()
    ? [place]
    : globSync(`${place}/**/*.test.ts`, { exclude: (path) => String(path).includes('node_modules') }),
);
if (files.length === 0) {
  process.stderr.write(`no tests below ${folders.join(', ')}\n`);
  process.exit(1);
}
const { status } = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-concurrency=${Math.max(2, availableParallelism())}`,
    '--test-timeout=300000',
    `--test-reporter=${process.env['CI'] === 'true' ? 'spec' : 'dot'}`,
    '--test-reporter-destination=stdout',
    ...files.sort(),
  ],
  { stdio: 'inherit', env: { ...process.env, NODE_ENV: 'test' }, timeout: wholeRunMs, killSignal: 'SIGKILL' },
);
process.exitCode = status ?? 1;
