// What a public suite's run came to, and how it differs from what was kept of it. Reads the three reports that the suites
// write: lines of our pytest plugin, mocha's JSON, and the JUnit file of the OCI suite.

import { readFileSync } from 'node:fs';

export type Outcome = {
  readonly test: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly said: string;
};

/** What is checked in beside a suite: its counts, and each test that fails under the reason why. */
export type Kept = {
  readonly version: string;
  readonly counts: Counts;
  readonly failures: readonly { readonly reason: string; readonly tests: readonly string[] }[];
};
export type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };

export type Report = { readonly outcomes: readonly Outcome[]; readonly counts: Counts };

export const readPytest = (file: string): Report =>
  counted(
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Outcome),
  );

type MochaTest = { readonly fullTitle: string; readonly file: string; readonly err: { readonly message?: string } };
type Mocha = Readonly<Record<'passes' | 'failures' | 'pending', readonly MochaTest[]>>;

export function readMocha(file: string): Report {
  const report = JSON.parse(readFileSync(file, 'utf8')) as Mocha;
  const of = (tests: readonly MochaTest[], outcome: Outcome['outcome']) =>
    tests.map((test) => ({
      // A title may hold the server's address, whose port is another one each time.
      test: `${(test.file ?? '').split('/').at(-1)} > ${test.fullTitle}`.replaceAll(
        /\blocalhost:\d+/g,
        'localhost:PORT',
      ),
      outcome,
      said: test.err.message ?? '',
    }));
  const { passes, failures, pending } = report;
  return counted([...of(passes, 'passed'), ...of(failures, 'failed'), ...of(pending, 'skipped')]);
}

const unescaped = (text: string) =>
  text.replaceAll(/&(lt|gt|amp|quot|apos|#\d+|#x[\da-fA-F]+);/g, (whole, name: string) => {
    const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
    if (!name.startsWith('#')) return named[name] ?? whole;
    return String.fromCodePoint(name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1)));
  });

/**
 * One `testcase` is a step, and the suite's own counts, at its head, hold the tests around the steps too: those are what is told.
 * Disabled by the settings counts as skipped.
 */
export function readJunit(file: string): Report {
  const text = readFileSync(file, 'utf8');
  const attribute = (element: string, name: string) =>
    unescaped(new RegExp(`\\b${name}="([^"]*)"`).exec(element)?.[1] ?? '');
  const head = /<testsuites\b[^>]*>/.exec(text)?.[0] ?? '';
  const [tests, failures, errors, skipped, disabled] = ['tests', 'failures', 'errors', 'skipped', 'disabled'].map(
    (name) => Number(attribute(head, name)),
  ) as [number, number, number, number, number];
  const cases = text.matchAll(/(<testcase\b[^>]*>)([\s\S]*?)<\/testcase>/g);
  const outcomes = Array.from(cases, ([, element = '', inside = '']) => {
    const status = attribute(element, 'status');
    const outcome = status === 'passed' || status === 'skipped' ? status : 'failed';
    const said = unescaped(/<system-out>([\s\S]*?)<\/system-out>/.exec(inside)?.[1] ?? '');
    return { test: attribute(element, 'name'), outcome, said } as const;
  });
  const failed = failures + errors;
  const counts = { passed: tests - failed - skipped - disabled, failed, skipped: skipped + disabled };
  return { outcomes: numbered(outcomes), counts };
}

/** What a suite calls twice by one name gets a number. */
function numbered(outcomes: readonly Outcome[]): Outcome[] {
  const seen = new Map<string, number>();
  return outcomes.map((outcome) => {
    const count = (seen.get(outcome.test) ?? 0) + 1;
    seen.set(outcome.test, count);
    return count === 1 ? outcome : { ...outcome, test: `${outcome.test} (${count})` };
  });
}

function counted(outcomes: readonly Outcome[]): Report {
  const of = (wanted: Outcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted).length;
  return {
    outcomes: numbered(outcomes),
    counts: { passed: of('passed'), failed: of('failed'), skipped: of('skipped') },
  };
}

export type Difference = {
  /** Failed and nobody said why: what the run is made for. */
  readonly newFailures: readonly Outcome[];
  /** Kept as failing, and passed or was skipped. */
  readonly mended: readonly string[];
  /** Kept as failing, and did not run: another version of the suite, or one that ended early. */
  readonly gone: readonly string[];
  readonly counts: Counts;
  readonly isAsKept: boolean;
};

export function compare({ outcomes, counts }: Report, kept: Kept): Difference {
  const known = new Set(kept.failures.filter(({ reason }) => reason !== '').flatMap(({ tests }) => tests));
  const ran = new Map(outcomes.map((outcome) => [outcome.test, outcome.outcome]));
  const newFailures = outcomes.filter(({ test, outcome }) => outcome === 'failed' && !known.has(test));
  const mended = [...known].filter((test) => ran.has(test) && ran.get(test) !== 'failed');
  const gone = [...known].filter((test) => !ran.has(test));
  const sameCounts = (['passed', 'failed', 'skipped'] as const).every((name) => counts[name] === kept.counts[name]);
  const isAsKept = newFailures.length + mended.length + gone.length === 0 && sameCounts;
  return { newFailures, mended, gone, counts, isAsKept };
}

/** The kept list after a run: reasons stay, and a new failure waits below an empty one for whoever looks at it. */
export function keep({ outcomes, counts }: Report, kept: Kept): Kept {
  const failed = new Set(outcomes.filter(({ outcome }) => outcome === 'failed').map(({ test }) => test));
  const known = kept.failures
    .filter(({ reason }) => reason !== '')
    .map(({ reason, tests }) => ({ reason, tests: tests.filter((test) => failed.delete(test)).sort() }))
    .filter(({ tests }) => tests.length > 0);
  const unknown = failed.size > 0 ? [{ reason: '', tests: [...failed].sort() }] : [];
  return { version: kept.version, counts, failures: [...known, ...unknown] };
}
