// `npm run conformance`: holds a fresh Strongroom to the public clients, unmodified, as a user would install them. Installs
// the pinned clients, starts the server as a process in a temporary folder, runs every suite against it, and stops it.
// Arguments name suites (`node conformance/run.ts identity mlflow`); without, all run. What is missing on the machine is a
// failure with the line to run, never a skip.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureProgram } from '../scripts/setup.ts';
import { quiet, startServer, Unable } from './harness/start.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const environment = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` };
const wanted = process.argv.slice(2);
const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);

function must(title: string, command: string, args: readonly string[], remedy: string): void {
  const { status, error } = spawnSync(command, args, {
    cwd: here,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: environment,
  });
  if (error !== undefined || status !== 0) throw new Unable(`${title} failed. ${remedy}`);
}

const digestOf = (file: string) =>
  createHash('sha256')
    .update(readFileSync(join(here, file)))
    .digest('hex');

/** Runs `install` unless it has run for this very content of `from`. */
function once(from: string, stamp: string, install: () => void): void {
  const file = join(here, stamp);
  if (existsSync(file) && readFileSync(file, 'utf8') === digestOf(from)) return;
  install();
  writeFileSync(file, digestOf(from));
}

function installJavaScriptClients(): void {
  once('package-lock.json', 'node_modules/.installed', () =>
    must('npm ci in conformance/', 'npm', ['ci'], 'It needs npm and its registry; run `npm ci` there to see why.'),
  );
}

/**
 * An environment of its own for each list of clients: they pin different versions of the same libraries. A suite without a list
 * (`azure_ml`) has that of the name before its last word (`azure`).
 */
function installPythonClients(named: string): string {
  const suite = existsSync(join(here, `python/${named}.requirements.txt`)) ? named : named.replace(/_[^_]*$/, '');
  const folder = `.venv/${suite}`;
  const python = join(here, folder, 'bin/python');
  const requirements = `python/${suite}.requirements.txt`;
  once(requirements, `${folder}/.installed`, () => {
    const remedy = 'On Debian and Ubuntu: apt-get install -y python3 python3-venv';
    rmSync(join(here, folder), { recursive: true, force: true });
    must(`python3 -m venv conformance/${folder}`, 'python3', ['-m', 'venv', folder], remedy);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
    must(`pip install of conformance/${requirements}`, python, pip, 'It needs a package index that pip can reach.');
  });
  return python;
}

/** Runs to the end while this process keeps answering. @returns whether it succeeded */
const succeeds = (command: string, args: readonly string[], env: NodeJS.ProcessEnv) =>
  new Promise<boolean>((resolve) =>
    spawn(command, args, { cwd: here, stdio: ['ignore', 'inherit', 'inherit'], env })
      .once('error', () => resolve(false))
      .once('exit', (code) => resolve(code === 0)),
  );

async function run(): Promise<boolean> {
  const suites = globSync('suites/*.suite.ts', { cwd: here })
    .filter((file) => isWanted(basename(file, '.suite.ts')))
    .sort();
  const scripts = globSync('python/test_*.py', { cwd: here })
    .filter((file) => isWanted(basename(file, '.py').slice('test_'.length)))
    .sort();
  if (suites.length + scripts.length === 0) throw new Unable(`No suite is named ${wanted.join(', ')}.`);
  if (suites.includes('suites/registry.suite.ts'))
    ensureProgram('skopeo', 'The suite of the registry copies images with an unmodified client');
  if (suites.includes('suites/images.suite.ts'))
    for (const program of ['skopeo', 'docker-registry'])
      ensureProgram(program, 'The suite of images has an image in a registry that nobody here wrote');
  if (suites.length > 0) {
    installJavaScriptClients();
    // Here and not in `npm run check`: without the clients there is nothing to check against.
    const compiler = join(here, '../node_modules/typescript/bin/tsc');
    const check = [compiler, '-p', '.', '--noEmit'];
    must('the type check of the suites', process.execPath, check, 'What is wrong is above.');
  }
  const python = scripts.map((script) => ({
    script,
    interpreter: installPythonClients(basename(script, '.py').slice('test_'.length)),
  }));

  const server = await startServer(environment);
  try {
    const shared = { ...environment, CONFORMANCE_BOOTSTRAP: server.bootstrapFile };
    let isGood = true;
    if (suites.length > 0) {
      const options = [
        quiet,
        '--test',
        '--test-timeout=900000',
        '--test-concurrency=2',
        '--test-reporter=spec',
        ...suites,
      ];
      const resolver = `--import=${new URL('harness/resolve-localhost.mjs', import.meta.url).href}`;
      const env = { ...shared, NODE_EXTRA_CA_CERTS: server.caFile, NODE_OPTIONS: resolver };
      isGood = (await succeeds(process.execPath, options, env)) && isGood;
    }
    for (const { script, interpreter } of python) {
      const path = [dirname(interpreter), environment.PATH].join(delimiter);
      const env = { ...shared, PATH: path, PYTHONPATH: join(here, 'python/resolve'), PYTHONDONTWRITEBYTECODE: '1' };
      isGood = (await succeeds(interpreter, ['-W', 'ignore', '-m', 'unittest', '-v', script], env)) && isGood;
    }
    return isGood;
  } finally {
    await server.stop();
  }
}

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (thrown) {
  if (!(thrown instanceof Unable)) throw thrown;
  process.stderr.write(`conformance: ${thrown.message}\n`);
  process.exitCode = 1;
}
