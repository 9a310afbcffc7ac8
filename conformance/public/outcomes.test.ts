import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { compare, type Kept, keep, type Report, readJunit, readMocha, readPytest } from './outcomes.ts';

const folder = mkdtempSync(join(tmpdir(), 'outcomes-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const written = (text: string) => {
  const file = join(folder, 'report');
  writeFileSync(file, text);
  return file;
};

describe('the report of a suite', () => {
  it('of pytest is a line for each test', () => {
    const lines = [
      { test: 'a.py::one', outcome: 'passed', said: '' },
      { test: 'a.py::two', outcome: 'failed', said: 'why' },
      { test: 'a.py::three', outcome: 'skipped', said: '' },
    ];
    const { outcomes, counts } = readPytest(written(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
    assert.deepEqual(outcomes, lines);
    assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 1 });
  });

  it('of mocha names the file, and numbers what is called twice by one name', () => {
    const test = { fullTitle: 'Blobs delete', file: '/somewhere/blob.test.ts', err: {} };
    const report = { passes: [test], failures: [{ ...test, err: { message: 'no' } }], pending: [] };
    const { outcomes, counts } = readMocha(written(JSON.stringify(report)));
    assert.deepEqual(outcomes, [
      { test: 'blob.test.ts > Blobs delete', outcome: 'passed', said: '' },
      { test: 'blob.test.ts > Blobs delete (2)', outcome: 'failed', said: 'no' },
    ]);
    assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 0 });
  });

  it('of mocha names no port, which is another one in each run', () => {
    const test = { fullTitle: 'reads https://localhost:40293/account', file: 'a.test.ts', err: {} };
    const { outcomes } = readMocha(written(JSON.stringify({ passes: [test], failures: [], pending: [] })));
    assert.deepEqual(outcomes, [
      { test: 'a.test.ts > reads https://localhost:PORT/account', outcome: 'passed', said: '' },
    ]);
  });

  it('of JUnit has its counts at its head, and escapes in its names', () => {
    const { outcomes, counts } = readJunit(
      written(`<testsuites time="1" tests="10" errors="1" failures="2" skipped="3" disabled="1"><testsuite>
        <testcase name="a/b &lt;c&gt; &#34;d&#34;" classname="" status="passed"><system-out></system-out></testcase>
        <testcase name="e" classname="" status="failure"><system-out>status &amp; body</system-out></testcase>
        <testcase name="f" classname="" status="error"></testcase>
        <testcase name="g" classname="" status="skipped"></testcase></testsuite></testsuites>`),
    );
    assert.deepEqual(outcomes, [
      { test: 'a/b <c> "d"', outcome: 'passed', said: '' },
      { test: 'e', outcome: 'failed', said: 'status & body' },
      { test: 'f', outcome: 'failed', said: '' },
      { test: 'g', outcome: 'skipped', said: '' },
    ]);
    assert.deepEqual(counts, { passed: 3, failed: 3, skipped: 4 });
  });
});

describe('a run beside what is kept', () => {
  const report = (outcomes: Readonly<Record<string, 'passed' | 'failed' | 'skipped'>>): Report => {
    const list = Object.entries(outcomes).map(([test, outcome]) => ({ test, outcome, said: '' }));
    const of = (wanted: string) => list.filter(({ outcome }) => outcome === wanted).length;
    return { outcomes: list, counts: { passed: of('passed'), failed: of('failed'), skipped: of('skipped') } };
  };
  const kept: Kept = {
    version: '1',
    counts: { passed: 1, failed: 2, skipped: 0 },
    failures: [{ reason: 'on purpose', tests: ['b', 'c'] }],
  };

  it('is as kept when the same tests fail and as many pass', () => {
    assert.equal(compare(report({ a: 'passed', b: 'failed', c: 'failed' }), kept).isAsKept, true);
  });

  it('differs by a new failure, even where another one was mended and the counts are the same', () => {
    const difference = compare(report({ a: 'failed', b: 'passed', c: 'failed' }), kept);
    assert.equal(difference.isAsKept, false);
    assert.deepEqual(
      difference.newFailures.map(({ test }) => test),
      ['a'],
    );
    assert.deepEqual(difference.mended, ['b']);
  });

  it('differs where a known failure did not run, and where fewer tests passed', () => {
    assert.deepEqual(compare(report({ a: 'passed', b: 'failed' }), kept).gone, ['c']);
    assert.equal(compare(report({ b: 'failed', c: 'failed' }), kept).isAsKept, false);
  });

  it('is kept with the reasons that were given, and a new failure fails until it has one', () => {
    const run = report({ a: 'failed', b: 'failed', c: 'passed' });
    const after = keep(run, kept);
    assert.deepEqual(after.failures, [
      { reason: 'on purpose', tests: ['b'] },
      { reason: '', tests: ['a'] },
    ]);
    assert.equal(compare(run, after).isAsKept, false);
    const explained = { ...after, failures: [{ reason: 'known', tests: ['a', 'b'] }] };
    assert.equal(compare(run, explained).isAsKept, true);
  });
});
