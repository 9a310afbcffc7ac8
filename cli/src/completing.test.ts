// Completion as the shells themselves do it: each script is loaded by its shell, and asked what may follow.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ensureProgram } from '../../scripts/setup.ts';
import { createTestShell } from './testing.ts';

// Where everything is to be tested, what is missing is installed or is a failure. Before a test is declared: what is missing then is
// skipped.
if (process.env['CI'] === 'true')
  for (const shell of ['zsh', 'fish']) ensureProgram(shell, 'Completion is tried in the shells themselves');

let folder: string;
const scripts = new Map<string, string>();
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-completing-'));
  writeFileSync(join(folder, 'job.yml'), '');
  const cli = createTestShell();
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out, err } = await cli.run('completion', shell);
    assert.equal(code, 0, err);
    scripts.set(shell, join(folder, `script.${shell}`));
    writeFileSync(join(folder, `script.${shell}`), out);
  }
  const unknown = await cli.run('completion', 'tcsh');
  assert.equal(unknown.code, 2);
  cli.close();
});
after(() => rmSync(folder, { recursive: true, force: true }));

const has = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0;
/** What a shell says that may follow a line. */
type Asking = (line: string) => readonly string[];

const bash: Asking = (line) => {
  const script = `source "$1"; COMP_WORDS=(${line
    .split(' ')
    .map((word) => `'${word}'`)
    .join(' ')}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _strongroom; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return ran('bash', ['--norc', '-c', script, 'bash', scripts.get('bash') ?? '']);
};
const fish: Asking = (line) =>
  ran('fish', ['--no-config', '-c', `source ${scripts.get('fish')}; complete -C '${line}'`]).map(
    (each) => each.split('\t')[0] ?? '',
  );
/** The functions that zsh's completion hands its findings to, which need a terminal, are stood in for. */
const zsh: Asking = (line) => {
  const script = `compdef() { : }; _describe() { print -l -- \${found%%:*} }; compadd() { shift; print -l -- $@ }; _files() { print -l -- * }
source ${scripts.get('zsh')}; words=(${line
    .split(' ')
    .map((word) => `'${word}'`)
    .join(' ')}); CURRENT=\${#words}; _strongroom`;
  const current = line.split(' ').at(-1) ?? '';
  return ran('zsh', ['-f', '-c', script]).filter((each) => each.startsWith(current));
};

function ran(shell: string, words: readonly string[]): readonly string[] {
  const { status, stdout, stderr } = spawnSync(shell, words, {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: folder },
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  return stdout.split('\n').filter((each) => each !== '');
}

for (const [shell, ask] of [
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
] as const)
  test(`${shell} completes commands, options, choices and files`, {
    skip: shell !== 'bash' && !has(shell) && `${shell} is not on this machine`,
  }, () => {
    assert.deepEqual([...ask('strongroom onl')].sort(), ['online-deployment', 'online-endpoint']);
    assert.deepEqual(ask('strongroom role assignment cre'), ['create']);
    assert.ok(ask('strongroom job create --allow').includes('--allow-credentials'));
    assert.ok(ask('strongroom job list --work').includes('--workspace'));
    assert.deepEqual(ask('strongroom group list --work'), [], 'what a command does not take is not offered');
    assert.deepEqual([...ask('strongroom job list -g team --output t')].sort(), ['table', 'tsv']);
    assert.ok(ask('strongroom job create --file jo').includes('job.yml'));
    assert.ok(!ask('strongroom job list --workspace jo').includes('job.yml'), 'a name is no file');
  });
