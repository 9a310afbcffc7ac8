// How the demo speaks: numbered steps with the time that each took, and what is said in between indented. Colours where a
// terminal reads along, plain text everywhere else.

import { styleText } from 'node:util';

export type Narrator = ReturnType<typeof createNarrator>;
type Style = Parameters<typeof styleText>[0];

export function createNarrator(output: NodeJS.WriteStream = process.stdout) {
  const paint = (style: Style, text: string) => (output.isTTY === true ? styleText(style, text) : text);
  const write = (text: string) => void output.write(text);
  let count = 0;
  const say = (text: string) => write(`   ${text}\n`);
  return {
    title: (text: string) => write(`\n${paint('bold', text)}\n\n`),
    say,
    quiet: (text: string) => say(paint('dim', text)),
    good: (text: string) => say(`${paint('green', '✓')} ${text}`),
    /** What somebody else's program prints, line by line. */
    quote: (line: string) => say(`${paint('dim', '│')} ${line}`),
    fact: (name: string, value: string) => say(`${paint('dim', name.padEnd(14))} ${value}`),
    failed: (text: string) => write(`\n${paint('red', '✗')} ${text}\n`),
    blank: () => write('\n'),
    table(header: readonly string[], rows: readonly (readonly string[])[]) {
      const widths = header.map((title, column) =>
        Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
      );
      const line = (row: readonly string[]) =>
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd();
      say(paint('dim', line(header)));
      for (const row of rows) say(line(row));
    },
    /** Says what is about to happen, does it, says how long it took. */
    async step<T>(title: string, act: () => Promise<T>): Promise<T> {
      count++;
      write(`${paint('cyan', String(count).padStart(2))} ${paint('bold', title)}\n`);
      const begun = performance.now();
      const result = await act();
      say(paint('dim', `${((performance.now() - begun) / 1000).toFixed(1)} s`));
      return result;
    },
  };
}
