// `npm test` itself: what it says of tests that pass, fail, skip, crash or never end, and how it ends.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { slowTests } from './test.quick.ts';
import { createTestReport } from './test.report.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs the tests of these sources as `npm test` would. */
function ran(
  t: TestContext,
  sources: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
) {
  const folder = mkdtempSync(join(root, 'scripts/.tests-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, source] of Object.entries(sources))
    writeFileSync(join(folder, `${name}.test.ts`), `import { test } from 'node:test';\n${source}\n`);
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts/test.ts'), relative(root, folder)], {
    encoding: 'utf8',
    env: { ...inherited, ...environment },
    timeout: 120_000,
  });
  return {
    status,
    lines: stdout
      .replaceAll(`${relative(root, folder)}/`, '')
      .trimEnd()
      .split('\n'),
  };
}

test('what passes: a line for each file, the slowest, and the counts alone on the last line', (t) => {
  const { status, lines } = ran(t, {
    one: "test('a', () => {}); test('b', { skip: true }, () => {});",
    two: "test('c', async (t) => { await t.test('d', () => {}); });",
  });
  assert.equal(status, 0, lines.join('\n'));
  assert.equal(lines[0], '2 files of tests');
  assert.ok(
    lines.some((line) => /^ok {3}one\.test\.ts \(2 tests, \d+\.\d s\)$/.test(line)),
    lines.join('\n'),
  );
  assert.ok(lines.includes('The slowest files:'));
  assert.match(lines.at(-2) ?? '', /^2 files in \d+\.\d s$/);
  assert.equal(lines.at(-1), '3 passed, 0 failed, 1 skipped');
  assert.match(lines.join('\n'), /What was skipped:\n {2}\S*one\S*: b\n/);
});

test('tests that another file declares are counted with the file that runs them', (t) => {
  const { status, lines } = ran(t, {
    own: "test('a', () => {});",
    shared: "await import('./own.test.ts'); test('b', () => {});",
  });
  assert.equal(status, 0, lines.join('\n'));
  for (const [file, tests] of [
    ['own', 1],
    ['shared', 2],
  ])
    assert.ok(
      lines.some((line) => line.startsWith(`ok   ${file}.test.ts (${tests} tests, `)),
      lines.join('\n'),
    );
  assert.equal(lines.at(-1), '3 passed, 0 failed');
});

test('what fails is told with its reason and what its file printed, and named again at the end', (t) => {
  const { status, lines } = ran(t, {
    bad: "console.error('said before'); test('good', () => {}); test('wrong', () => { throw new Error('because'); });",
    exits: "test('leaves', () => process.exit(3));",
    loads: "throw new Error('at load');",
  });
  const said = lines.join('\n');
  assert.equal(status, 1);
  for (const part of [
    'FAIL bad.test.ts: wrong',
    'Error: because',
    'said before',
    'Its process ended with code 3.',
    'Error: at load',
  ])
    assert.ok(said.includes(part), `${part} is missing in:\n${said}`);
  const end = lines.slice(lines.indexOf('What failed:'));
  for (const name of ['  bad.test.ts: wrong', '  exits.test.ts', '  loads.test.ts'])
    assert.ok(end.includes(name), end.join('\n'));
  assert.equal(lines.at(-1), '1 passed, 3 failed');
});

test('what a failed file printed is told also when it comes after its end', () => {
  let written = '';
  const write = (text: string): boolean => {
    written += text;
    return true;
  };
  const report = createTestReport(['bad.test.ts', 'good.test.ts'], { write });
  const about = { name: '', isSuite: false, milliseconds: 5, text: '', outcome: 'passed' } as const;
  for (const file of ['bad.test.ts', 'good.test.ts'])
    report.take({
      ...about,
      type: 'finished',
      file,
      isFile: true,
      outcome: file === 'bad.test.ts' ? 'failed' : 'passed',
    });
  for (const file of ['bad.test.ts', 'good.test.ts'])
    report.take({ ...about, type: 'printed', file, isFile: false, text: `late word of ${file}\n` });
  assert.match(written, /bad\.test\.ts printed: late word of bad\.test\.ts\n/);
  assert.doesNotMatch(written, /late word of good/);
});

test('a run that reaches its limit says so, names what it did not finish, and leaves nothing running', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-stuck-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const pidFile = join(folder, 'pid');
  // Deaf to SIGTERM, and in no mood to look at it either: only SIGKILL ends this.
  const stays = `process.getBuiltinModule('node:fs').writeFileSync('${pidFile}', String(process.pid)); process.on('SIGTERM', () => {}); for (;;);`;
  const { status, lines } = ran(
    t,
    { stuck: `test('stays', () => { ${stays} });`, works: "test('a', () => {});" },
    { TEST_LIMIT_MINUTES: '0.1', TEST_GRACE_SECONDS: '1' },
  );
  // In a container its parent is whatever runs first there, which may never ask how it ended: then it stays as a zombie.
  const pid = Number(readFileSync(pidFile, 'utf8'));
  const isGone = () => {
    try {
      process.kill(pid, 0);
      return existsSync('/proc/self') && /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch (error) {
      return ['ESRCH', 'ENOENT'].includes(String((error as NodeJS.ErrnoException).code));
    }
  };
  for (let turn = 0; turn < 500 && !isGone(); turn++) await pause(20);
  assert.ok(isGone(), 'the stuck test is gone');
  const said = lines.join('\n');
  assert.equal(status, 1, said);
  assert.match(said, /CUT OFF The limit of 0\.1 minutes was reached\./);
  assert.ok(lines.includes('FAIL stuck.test.ts: was not finished'), said);
  assert.match(lines.at(-1) ?? '', /^\d passed, [12] failed$/);
});

test('on a terminal one line follows what is running, and a run of nothing is no success', () => {
  let written = '';
  const write = (text: string): boolean => {
    written += text;
    return true;
  };
  const output = { write, isTTY: true, columns: 60 };
  const report = createTestReport(['a/one.test.ts', 'b/two.test.ts'], output, () => 0);
  const about = { name: '', isFile: true, isSuite: false, milliseconds: 5, text: '', outcome: 'passed' } as const;
  report.take({ ...about, type: 'started', file: 'a/one.test.ts' });
  assert.ok(written.endsWith('\r\u001b[2K[0/2] 0 passed, 0 failed  a/one.test.ts'));
  report.take({ ...about, type: 'finished', file: 'a/one.test.ts', isFile: false, name: 'x' });
  report.take({ ...about, type: 'finished', file: 'a/one.test.ts' });
  assert.ok(written.endsWith('\r\u001b[2K[1/2] 1 passed, 0 failed  '));
  assert.equal(report.end(undefined), 1);
  assert.match(written, /b\/two\.test\.ts: was not begun/);
  assert.ok(written.endsWith('1 passed, 1 failed\n'));
  assert.equal(createTestReport([], { write: () => true }, () => 0).end(undefined), 1);
});

test('what the quick run leaves out exists', () => {
  for (const file of slowTests) assert.ok(existsSync(join(root, file)), file);
});
