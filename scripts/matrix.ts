// `npm run matrix`: what a newcomer does, over the releases of npm and Node that newcomers have. Each cell is a fresh clone of
// the last commit with that Node and that npm first in PATH: `npm ci` without a warning, `bin/strongroom`, the checks of the
// launcher, the demo. The releases come from the npm registry, as packages. Arguments run fewer: `npm run matrix -- 9/20`.
// By hand before a release: a cell takes one to three minutes, and CI runs everything without npm's link instead.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const npms = ['9', '10', '11'];
const nodes = ['20', '22', '24'];
const cells = npms.flatMap((npm) => nodes.map((node) => ({ npm, node, name: `${npm}/${node}` })));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !cells.some((cell) => cell.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `The matrix has ${cells.map(({ name }) => name).join(' ')} (npm/Node), not ${unknown.join(' ')}.\n`,
  );
  process.exit(2);
}

/** What npm tells the scripts that it runs would steer the npm that is tried. Where its registry and its cache are may stay. */
const ownOfNpm =
  /^npm_(lifecycle|package|node|exec|command|config_(user_agent|prefix|.*_prefix|npm_version|node_gyp|globalconfig|loglevel))/;
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ownOfNpm.test(name)));

const folder = mkdtempSync(join(tmpdir(), 'strongroom-matrix-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

function run(cwd: string, path: string, words: readonly string[], minutes: number) {
  const [command = '', ...rest] = words;
  const { status, stdout, stderr, error } = spawnSync(command, rest, {
    cwd,
    encoding: 'utf8',
    env: { ...environment, PATH: path },
    timeout: minutes * 60_000,
    maxBuffer: 64 << 20,
  });
  return { ok: status === 0, stdout: stdout ?? '', said: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` };
}

function installTools(): string {
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  writeFileSync(join(tools, 'package.json'), '{ "private": true }\n');
  const packages = [
    ...npms.map((major) => `npm${major}@npm:npm@${major}`),
    ...nodes.map((major) => `node${major}@npm:node-linux-${process.arch}@${major}`),
  ];
  const flags = ['--no-bin-links', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { ok, said } = run(tools, environment['PATH'] ?? '', ['npm', 'install', ...flags, ...packages], 10);
  if (!ok) throw new Error(`The releases could not be installed:\n${said}`);
  return join(tools, 'node_modules');
}

/** A folder with `node` and `npm` of these releases, to stand first in PATH. */
function pathOf(tools: string, { npm, node }: (typeof cells)[number]): string {
  const bin = join(folder, `bin-${npm}-${node}`);
  mkdirSync(bin);
  symlinkSync(join(tools, `node${node}/bin/node`), join(bin, 'node'));
  writeFileSync(join(bin, 'npm'), `#!/bin/sh\nexec "${bin}/node" "${tools}/npm${npm}/bin/npm-cli.js" "$@"\n`);
  chmodSync(join(bin, 'npm'), 0o755);
  return `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
}

/** The first thing that is not as it should be, or undefined. */
function tried(tools: string, cell: (typeof cells)[number]): string | undefined {
  const clone = join(folder, `clone-${cell.npm}-${cell.node}`);
  const path = pathOf(tools, cell);
  const step = (words: readonly string[], expected: RegExp, minutes = 5) => {
    const { ok, said } = run(clone, path, words, minutes);
    return ok && expected.test(said) ? undefined : `${words.join(' ')}:\n${said.slice(-3000)}`;
  };
  const cloned = run(folder, path, ['git', 'clone', '--quiet', '--depth=1', `file://${root}`, clone], 5);
  if (!cloned.ok) return cloned.said;
  try {
    return (
      step(['node', '--version'], new RegExp(`^v${cell.node}\\.`)) ??
      step(['npm', '--version'], new RegExp(`^${cell.npm}\\.`)) ??
      step(['npm', 'ci', '--prefer-offline'], /^(?![\s\S]*(?:warn|EBADENGINE))[\s\S]*added \d+ packages/i, 15) ??
      step(['bin/strongroom', '--help'], /^Usage: strongroom/) ??
      step(['npm', 'test', '--', 'scripts/launch.test.ts'], /0 failed/) ??
      step(['npm', 'run', 'demo', '--', '--json'], /All as promised/, 10)
    );
  } finally {
    rmSync(clone, { recursive: true, force: true });
  }
}

const tools = installTools();
for (const cell of cells.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const begun = performance.now();
  const wrong = tried(tools, cell);
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  process.stdout.write(
    `${wrong === undefined ? 'ok  ' : 'FAIL'} npm ${cell.npm}, Node ${cell.node} (${seconds} s)\n${wrong ?? ''}`,
  );
  if (wrong !== undefined) process.exitCode = 1;
}
