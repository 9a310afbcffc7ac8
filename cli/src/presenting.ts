// Where results go: through the query that was asked for, in the format that was asked for, to standard output. What a format
// needs is loaded before a command acts, so that a wrong query is refused while nothing has happened yet.

import { UsageError } from './exit.ts';
import { type Columns, json, sheet, tabbed, table, valueLines } from './output.ts';
import type { Shell } from './shell.ts';

export const formats = ['table', 'json', 'yaml', 'tsv', 'none'] as const;
export type Format = (typeof formats)[number];
export const isFormat = (text: string): text is Format => (formats as readonly string[]).includes(text);

export type Presenter = {
  /** Whether a program reads the result: then nothing is said beside it. */
  readonly forProgram: boolean;
  /** Whether the columns of a list are printed, and what only they need is worth asking for. */
  readonly printsColumns: boolean;
  /** `more`: columns that `--wide` adds; `whole`: columns that are never cut. */
  list(rows: readonly unknown[], columns: Columns, layout?: Layout): void;
  show(value: unknown): void;
  /** One sentence for a person; for a program the whole. */
  say(sentence: string, value: unknown): void;
};

type Layout = { readonly more?: Columns; readonly whole?: readonly string[] };
type Query = (value: unknown) => unknown;

export async function createPresenter(options: {
  readonly shell: Shell;
  readonly format: Format;
  readonly query: string | undefined;
  /** Print only what differs from what was printed before. */
  readonly watches: boolean;
  readonly wide: boolean;
  /** Told that something was printed, or would have been. */
  readonly used: () => void;
}): Promise<Presenter> {
  const { shell, format, watches, wide, used } = options;
  const query = options.query === undefined ? undefined : await compile(options.query);
  const yaml = format === 'yaml' ? await import('yaml') : undefined;
  let before: string | undefined;

  function print(text: string): void {
    if (!watches) shell.out(text);
    else if (text !== before) {
      const gap = format === 'table' && before !== undefined ? '\n' : '';
      before = text;
      // On a terminal the new state takes the place of the old one; elsewhere one follows the other.
      shell.out(shell.outIsTerminal ? `\u001b[H\u001b[2J${text}` : `${gap}${text}`);
    }
  }

  /** @param person how it is printed where no program reads it and nothing was cut out of it */
  function textOf(value: unknown, person: () => string, rows: () => string): string {
    const part = query === undefined ? value : query(value);
    if (format === 'json') return watches ? `${JSON.stringify(part ?? null)}\n` : json(part ?? null);
    if (yaml !== undefined) return `${watches ? '---\n' : ''}${yaml.stringify(part ?? null)}`;
    if (query === undefined) return format === 'tsv' ? rows() : person();
    return format === 'tsv' ? valueLines(part) : tableOf(part);
  }

  function present(value: unknown, person: () => string, rows: () => string = () => valueLines(value)): void {
    used();
    if (format !== 'none') print(textOf(value, person, rows));
  }

  return {
    printsColumns: query === undefined && (format === 'table' || format === 'tsv'),
    forProgram: format !== 'table' || query !== undefined,
    list(rows, columns, { more = {}, whole = [] } = {}) {
      const shown = wide ? { ...columns, ...more } : columns;
      present(
        rows,
        () => table(rows, shown, wide ? Object.keys(shown) : whole),
        () => tabbed(rows, shown),
      );
    },
    show: (value) => present(value, () => sheet(value)),
    say: (sentence, value) => present(value, () => `${sentence}\n`),
  };
}

/** What a query found, as a table where it is one. */
function tableOf(part: unknown): string {
  if (part === null || part === undefined) return '';
  if (!Array.isArray(part)) return typeof part === 'object' ? sheet(part) : valueLines(part);
  const isRow = (row: unknown): row is object => typeof row === 'object' && row !== null && !Array.isArray(row);
  if (!part.every(isRow)) return valueLines(part);
  const names = [...new Set(part.flatMap((row) => Object.keys(row)))];
  return table(part, Object.fromEntries(names.map((name) => [name, (row) => row[name]])));
}

async function compile(expression: string): Promise<Query> {
  const { compile: parsed, TreeInterpreter } = await import('@jmespath-community/jmespath');
  try {
    const tree = parsed(expression);
    return (value) => {
      try {
        return TreeInterpreter.search(tree, value as never); // codec: what came as JSON
      } catch (thrown) {
        throw wrongQuery(expression, thrown);
      }
    };
  } catch (thrown) {
    throw wrongQuery(expression, thrown);
  }
}

const wrongQuery = (expression: string, thrown: unknown) =>
  new UsageError(
    `--query '${expression}' is no JMESPath: ${thrown instanceof Error ? thrown.message : String(thrown)}. It looks like '[].name' or 'properties.status'.`,
  );
