// What node's test runner tells, as lines of JSON for scripts/test.ts: a reporter in the runner's own process, which may be
// killed, while the one that reads the lines lives on and can say what was left.

import { inspect } from 'node:util';

export type TestEvent = {
  readonly type: 'started' | 'finished' | 'printed';
  /** As it was given to the runner, from the root of the repository on. */
  readonly file: string;
  readonly name: string;
  /** The file as a whole, as the runner sees it: a process that ended well or not. */
  readonly isFile: boolean;
  readonly isSuite: boolean;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly milliseconds: number;
  /** Why it failed, or what was printed; empty: nothing of its own (a test inside it failed). */
  readonly text: string;
};

type Told = {
  readonly name?: string;
  readonly file?: string;
  /** The file that the runner was given, where another one declares the test. */
  readonly entryFile?: string;
  readonly nesting?: number;
  readonly message?: string;
  readonly skip?: boolean | string;
  readonly todo?: boolean | string;
  readonly details?: {
    readonly passed?: boolean;
    readonly duration_ms?: number;
    readonly type?: string;
    readonly error?: Error & {
      readonly failureType?: string;
      readonly exitCode?: number | null;
      readonly signal?: string | null;
    };
  };
};

const base = `${process.cwd()}/`;
const shortOf = (file: string) => (file.startsWith(base) ? file.slice(base.length) : file);

function textOf({ details }: Told): string {
  const { error } = details ?? {};
  if (error === undefined || error.failureType === 'subtestsFailed') return '';
  const { cause, exitCode, signal } = error;
  if (typeof signal === 'string') return `Its process was ended by ${signal}.`;
  if (typeof exitCode === 'number') return `Its process ended with code ${exitCode}.`;
  return typeof cause === 'string' ? cause : inspect(cause ?? error, { breakLength: 120, depth: 6 });
}

function eventOf(type: string, data: Told): TestEvent | undefined {
  const file = shortOf(data.entryFile ?? data.file ?? data.name ?? '');
  const name = data.name ?? '';
  const about = {
    file,
    name,
    isFile: (data.nesting ?? 0) === 0 && shortOf(name) === file,
    isSuite: data.details?.type === 'suite',
  };
  const outcome =
    data.skip === undefined || data.skip === false ? (data.details?.passed === false ? 'failed' : 'passed') : 'skipped';
  if (type === 'test:complete')
    return { ...about, type: 'finished', outcome, milliseconds: data.details?.duration_ms ?? 0, text: textOf(data) };
  if (type === 'test:dequeue' && about.isFile) return { ...about, type: 'started', outcome, milliseconds: 0, text: '' };
  if (type === 'test:stderr') return { ...about, type: 'printed', outcome, milliseconds: 0, text: data.message ?? '' };
  return undefined;
}

export default async function* events(
  source: AsyncIterable<{ readonly type: string; readonly data: Told }>,
): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    const event = eventOf(type, data);
    if (event !== undefined) yield `${JSON.stringify(event)}\n`;
  }
}
