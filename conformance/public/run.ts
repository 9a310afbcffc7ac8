// `npm run suites -- NAME …`: measures suites that nobody here wrote against one fresh server, prints their counts, and compares
// them with what is kept (conformance/public/known): a failure that nobody has given a reason for is an exit code of 1, and so
// is a count that the documents no longer tell rightly. By hand before a release; the sources are not ours to bring along.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startServer, Unable } from '../harness/start.ts';
import { createGround, type Ground } from './ground.ts';
import { compare, type Difference, type Kept, keep } from './outcomes.ts';
import { type Needs, type PublicSuite, publicSuites, type Source } from './suites.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const aim = join(here, '../aim');
const environment = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` };
const folderOptions = [
  ...new Set(publicSuites.flatMap(({ source }) => (source.kind === 'folder' ? [source.option] : []))),
];

const usage = `npm run suites -- [NAME …] ${folderOptions.map((option) => `[--${option} FOLDER]`).join(' ')} [--cache FOLDER] [--write]

${publicSuites.map(({ name, title, source }) => `  ${name.padEnd(17)} ${title}${source.kind === 'folder' ? ` (--${source.option} or ${source.variable}: a checkout of ${source.from})` : ''}`).join('\n')}

Without names all run. --write keeps what came out; a new failure is kept without a reason, which still fails.
--cache is where packages, programs and the last reports stay (default: ${join(tmpdir(), 'strongroom-suites')}).
`;

function must(title: string, command: string, args: readonly string[], cwd: string, remedy: string): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2], env: environment });
  if (error !== undefined || status !== 0) throw new Unable(`${title} failed. ${remedy}`);
}

type Options = { readonly cache: string; readonly folders: Readonly<Record<string, string | undefined>> };

function sourceOf(source: Source, options: Options): string {
  if (source.kind === 'folder') {
    const folder = options.folders[source.option] ?? process.env[source.variable];
    if (folder === undefined)
      throw new Unable(`It needs a checkout of ${source.from}: name it with --${source.option} or ${source.variable}.`);
    if (!existsSync(folder)) throw new Unable(`There is no folder ${folder}.`);
    return resolve(folder);
  }
  const place = join(options.cache, 'sdist');
  const found = () => globSync(`${source.name.replaceAll('-', '_')}-${source.version}/PKG-INFO`, { cwd: place })[0];
  if (found() === undefined) {
    mkdirSync(place, { recursive: true });
    const wanted = `${source.name}==${source.version}`;
    const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', ':all:', '--dest', place, wanted];
    must(`pip download of ${wanted}`, 'python3', pip, place, 'It needs a package index that pip can reach.');
    const archive = `${source.name.replaceAll('-', '_')}-${source.version}.tar.gz`;
    must(`unpacking ${archive}`, 'tar', ['-xzf', archive], place, 'The package has another form than it had.');
  }
  return join(place, dirname(found() ?? ''));
}

function programOf(needs: Needs, suite: PublicSuite, source: string, cache: string): string {
  if (needs.kind === 'npm') {
    const npm = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
    if (!existsSync(join(source, 'node_modules')))
      must(`npm ci in ${source}`, 'npm', npm, source, 'It needs npm and its registry.');
    return process.execPath;
  }
  if (needs.kind === 'go') {
    const program = join(cache, suite.source.kind === 'folder' ? suite.source.option : suite.name);
    mkdirSync(cache, { recursive: true });
    must(`go build in ${source}`, 'go', ['build', '-o', program, '.'], join(source, needs.folder), 'It needs Go.');
    return program;
  }
  const file = join(aim, needs.requirements);
  const words = ['-r', file, ...(needs.also ?? [])];
  const stamp = createHash('sha256')
    .update(readFileSync(file))
    .update(words.slice(2).join())
    .digest('hex')
    .slice(0, 16);
  const folder = join(cache, `python-${stamp}`);
  const python = join(folder, 'bin/python');
  if (!existsSync(join(folder, '.installed'))) {
    const debian = 'On Debian and Ubuntu: apt-get install -y python3 python3-venv';
    mkdirSync(cache, { recursive: true });
    must(`python3 -m venv ${folder}`, 'python3', ['-m', 'venv', '--clear', folder], cache, debian);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...words];
    must(`pip install of ${file}`, python, pip, cache, 'It needs a package index that pip can reach.');
    writeFileSync(join(folder, '.installed'), '');
  }
  return python;
}

const keptFile = (suite: PublicSuite) => join(here, 'known', `${suite.name}.json`);
const nothingKept: Kept = { version: '', counts: { passed: 0, failed: 0, skipped: 0 }, failures: [] };
const keptOf = (suite: PublicSuite): Kept =>
  existsSync(keptFile(suite)) ? (JSON.parse(readFileSync(keptFile(suite), 'utf8')) as Kept) : nothingKept;

const ended = (command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv) =>
  new Promise<void>((done, fail) =>
    // What a suite says goes beside the table: the table alone is this program's answer. It may well fail.
    spawn(command, args, { cwd, stdio: ['ignore', 2, 2], env })
      .once('error', fail)
      .once('exit', () => done()),
  );

type Measured = { readonly suite: PublicSuite; readonly difference: Difference; readonly kept: Kept };

async function measure(suite: PublicSuite, ground: Ground, options: Options, isWriting: boolean): Promise<Measured> {
  const source = sourceOf(suite.source, options);
  const program = programOf(suite.needs, suite, source, options.cache);
  // Stays, so that a failure can be looked into.
  const out = join(options.cache, 'reports', suite.name);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const run = await suite.aim(ground, { source, program, aim, out });
  await ended(run.command, run.args, run.cwd, { ...environment, ...run.env });
  if (!existsSync(run.report)) throw new Unable(`${suite.name} ended without its report; what it said is above.`);
  const report = run.read(run.report);
  const kept = keptOf(suite);
  if (isWriting) writeFileSync(keptFile(suite), `${JSON.stringify(keep(report, kept), undefined, 2)}\n`);
  return { suite, kept, difference: compare(report, kept) };
}

function tell({ suite, difference, kept }: Measured): void {
  const { counts, newFailures, mended, gone } = difference;
  const numbers = ({ passed, failed, skipped }: Kept['counts']) =>
    `${passed} passed, ${failed} failed, ${skipped} skipped`;
  process.stdout.write(`\n${suite.name}: ${suite.title} (${suite.counted})\n  ${numbers(counts)}\n`);
  if (difference.isAsKept) {
    process.stdout.write(`  as kept; ${suite.told} tells the same.\n`);
    return;
  }
  process.stdout.write(`  kept, of ${kept.version}: ${numbers(kept.counts)}; told in ${suite.told}.\n`);
  for (const { test, said } of newFailures)
    process.stdout.write(`  NEW FAILURE  ${test}\n      ${said.trim().slice(0, 400).replaceAll('\n', '\n      ')}\n`);
  for (const test of mended) process.stdout.write(`  no longer fails: ${test}\n`);
  for (const test of gone) process.stdout.write(`  did not run: ${test}\n`);
}

async function run(): Promise<boolean> {
  const strings = ['cache', ...folderOptions].map((name) => [name, { type: 'string' }] as const);
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { ...Object.fromEntries(strings), write: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  const unknown = positionals.filter((name) => !publicSuites.some((suite) => suite.name === name));
  if (values['help'] === true || unknown.length > 0) {
    process.stderr.write(unknown.length > 0 ? `There is no suite ${unknown.join(', ')}.\n\n${usage}` : usage);
    return unknown.length === 0;
  }
  const wanted = publicSuites.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const folders = values as Record<string, string | undefined>;
  const options = { cache: resolve(folders['cache'] ?? join(tmpdir(), 'strongroom-suites')), folders };
  // Before the server starts: a missing source is known at once.
  for (const suite of wanted) sourceOf(suite.source, options);

  const server = await startServer(environment);
  const measured: Measured[] = [];
  try {
    const ground = createGround(server.bootstrapFile);
    for (const suite of wanted) {
      const result = await measure(suite, ground, options, values['write'] === true);
      tell(result);
      measured.push(result);
    }
  } finally {
    await server.stop();
  }
  process.stdout.write('\n| suite | run | passed | failed | skipped | |\n|---|---|---|---|---|---|\n');
  for (const { suite, difference } of measured) {
    const { passed, failed, skipped } = difference.counts;
    const cells = [suite.name, passed + failed + skipped, passed, failed, skipped];
    process.stdout.write(`| ${cells.join(' | ')} | ${difference.isAsKept ? 'as kept' : 'DIFFERS'} |\n`);
  }
  return measured.every(({ difference }) => difference.isAsKept);
}

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (thrown) {
  if (!(thrown instanceof Unable)) throw thrown;
  process.stderr.write(`suites: ${thrown.message}\n`);
  process.exitCode = 1;
}
