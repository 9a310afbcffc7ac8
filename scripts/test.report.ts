// What `npm test` says: what it does, one line for each file that is done (on a terminal one line that changes), every
// failure as it comes, and at the end what failed, what was slow, and the counts on a line of their own.

import { stripVTControlCharacters, styleText } from 'node:util';
import type { TestEvent } from './test.events.ts';

export type TestReport = {
  take(event: TestEvent): void;
  /** @param cutOff why the run ended early, or undefined. Answers the exit code. */
  end(cutOff: string | undefined): number;
};

/** What a file printed is shown when something in it fails; more than this of it helps nobody. */
const printedMax = 64 * 1024;
const slowestShown = 5;

type Output = Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number };
type Style = Parameters<typeof styleText>[0];
type FileState = {
  begun: boolean;
  done: boolean;
  tests: number;
  failures: number;
  milliseconds: number;
  printed: string;
};

export function createTestReport(files: readonly string[], output: Output, now = () => performance.now()): TestReport {
  const begun = now();
  const paint = (style: Style, text: string) => (output.isTTY === true ? styleText(style, text) : text);
  const states = new Map<string, FileState>(
    files.map((file) => [file, { begun: false, done: false, tests: 0, failures: 0, milliseconds: 0, printed: '' }]),
  );
  const failed: string[] = [];
  const skippedOnes: string[] = [];
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let finished = 0;

  const say = (text: string) => void output.write(`${output.isTTY === true ? '\r\u001b[2K' : ''}${text}\n`);
  const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`;
  function showProgress(): void {
    if (output.isTTY !== true) return;
    const running = [...states].filter(([, state]) => state.begun && !state.done).map(([file]) => file);
    const line = `[${finished}/${files.length}] ${counts.passed} passed, ${counts.failed} failed  ${running.join('  ')}`;
    output.write(`\r\u001b[2K${line.slice(0, (output.columns ?? 80) - 1)}`);
  }
  function fail(file: string, name: string, state: FileState, text: string): void {
    counts.failed++;
    state.failures++;
    failed.push(name === '' ? file : `${file}: ${name}`);
    say(`${paint('red', 'FAIL')} ${failed.at(-1)}`);
    if (text !== '') say(indented(text));
  }
  function finishFile(event: TestEvent, state: FileState): void {
    state.done = true;
    state.milliseconds = event.milliseconds;
    finished++;
    // A file whose tests all passed and whose process did not: it threw while it loaded, or left something open.
    if (event.outcome === 'failed' && state.failures === 0) fail(event.file, '', state, event.text);
    if (state.failures > 0 && state.printed !== '') say(indented(`It printed:\n${state.printed.trimEnd()}`));
    const mark = state.failures > 0 ? paint('red', 'FAIL') : 'ok  ';
    if (output.isTTY !== true || state.failures > 0)
      say(`${mark} ${event.file} (${state.tests} tests, ${seconds(event.milliseconds)})`);
  }

  say(`${files.length} files of tests`);
  return {
    take(event) {
      const state = states.get(event.file);
      if (!state) return;
      if (event.type === 'started') state.begun = true;
      else if (event.type === 'printed') {
        // The runner waits for the end of a process and of its stdout, not for its stderr: a line may come after the end.
        if (state.done && state.failures > 0) say(indented(`${event.file} printed: ${event.text.trimEnd()}`));
        else state.printed = `${state.printed}${event.text}`.slice(-printedMax);
      } else if (event.isFile) finishFile(event, state);
      else if (!event.isSuite || event.text !== '') {
        state.tests++;
        if (event.outcome === 'failed') fail(event.file, event.name, state, event.text);
        else counts[event.outcome]++;
        if (event.outcome === 'skipped') skippedOnes.push(`${event.file}: ${event.name}`);
      }
      showProgress();
    },
    end(cutOff) {
      const left = [...states].filter(([, state]) => !state.done);
      if (cutOff !== undefined) say(`${paint('red', 'CUT OFF')} ${cutOff}`);
      // A run that says nothing about a file has not found it good.
      for (const [file, state] of left) fail(file, state.begun ? 'was not finished' : 'was not begun', state, '');
      say('');
      if (failed.length > 0) {
        say('What failed:');
        for (const name of failed) say(`  ${name}`);
        say('');
      }
      if (skippedOnes.length > 0) {
        say('What was skipped:');
        for (const name of skippedOnes) say(`  ${name}`);
        say('');
      }
      say('The slowest files:');
      const slowest = [...states].sort(([, a], [, b]) => b.milliseconds - a.milliseconds).slice(0, slowestShown);
      for (const [file, { milliseconds }] of slowest) say(`  ${seconds(milliseconds).padStart(8)}  ${file}`);
      say('');
      say(`${files.length} files in ${seconds(now() - begun)}`);
      const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
      // Last, alone on its line and without colour: programs read it.
      say(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
      return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
    },
  };
}

const indented = (text: string): string => stripVTControlCharacters(text).replace(/^(?=.)/gm, '     ');
