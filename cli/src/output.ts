// Results as a person or a program reads them: aligned tables, or the service's own JSON. Text from the service is printed
// without control characters, so that no name can repaint a terminal.

import { widthOf } from './width.ts';

export type Columns = Readonly<Record<string, (row: Readonly<Record<string, unknown>>) => unknown>>;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being removed.
const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
export const plain = (text: string): string => text.replace(control, '\ufffd');

const cellWidthMax = 80;

const letters = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The beginning of a text that fits, with `…` where something was cut. */
function fitted(text: string): string {
  // No character takes more than two columns: what is short needs no measuring.
  if (text.length <= cellWidthMax / 2 || widthOf(text) <= cellWidthMax) return text;
  let kept = '';
  let width = 1;
  for (const { segment } of letters.segment(text)) {
    width += widthOf(segment);
    if (width > cellWidthMax) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** The whole of a value on one line. */
export function line(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return plain(text).replace(/[\n\t]/g, ' ');
}

export const cell = (value: unknown): string => fitted(line(value));

/** @param whole columns that are not cut, however long they are */
export function table(rows: readonly unknown[], columns: Columns, whole: readonly string[] = []): string {
  const header = Object.keys(columns);
  const body = rows.map((row) =>
    Object.entries(columns).map(([name, read]) => {
      const value = read(row as Record<string, unknown>);
      return whole.includes(name) ? line(value) : cell(value);
    }),
  );
  const widths = header.map((title, index) =>
    body.reduce((widest, cells) => Math.max(widest, widthOf(cells[index] ?? '')), title.length),
  );
  return [header, ...body]
    .map(
      (cells) =>
        `${cells
          .map((text, index) => text + ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(text))))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/**
 * One thing, a line for each of its parts that says something; nested parts by their path. A resource is read as a person
 * reads it: what it is like without the word `properties`, who made it in one line, no etag. JSON leaves out nothing.
 */
export function sheet(value: unknown): string {
  const lines: [string, string][] = [];
  const walk = (each: unknown, path: string) => {
    if (isEmpty(each)) return;
    if (isTree(each))
      for (const [name, inner] of Object.entries(each)) walk(inner, path === '' ? name : `${path}.${name}`);
    else lines.push([path, plain(Array.isArray(each) ? JSON.stringify(each) : String(each))]);
  };
  walk(forPerson(value), '');
  const width = Math.max(0, ...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${`${name.padEnd(width)}  ${text}`.trimEnd()}\n`).join('');
}

type Tree = Readonly<Record<string, unknown>>;
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);
const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (typeof value === 'object' && Object.keys(value).length === 0);

function forPerson(value: unknown): unknown {
  if (!isTree(value) || !isTree(value['properties']) || typeof value['id'] !== 'string') return value;
  const { properties, systemData, etag: _etag, ...own } = value;
  const { createdAt, createdBy, lastModifiedAt, lastModifiedBy } = isTree(systemData) ? systemData : {};
  return {
    ...own,
    ...Object.fromEntries(
      Object.entries(properties as Tree).map(([name, inner]) => [name in own ? `properties.${name}` : name, inner]),
    ),
    ...(createdAt === undefined ? {} : { created: `${createdAt} by ${createdBy}` }),
    ...(lastModifiedAt === createdAt ? {} : { changed: `${lastModifiedAt} by ${lastModifiedBy}` }),
  };
}

/** The columns of a table without its head, whole and with tabs between them. */
export const tabbed = (rows: readonly unknown[], columns: Columns): string =>
  rows
    .map(
      (row) =>
        `${Object.values(columns)
          .map((read) => line(read(row as Record<string, unknown>)))
          .join('\t')}\n`,
    )
    .join('');

/** Values alone: each thing of a list on a line of its own, its parts with tabs between them. */
export function valueLines(value: unknown): string {
  if (value === undefined || value === null) return '';
  const parts = (each: unknown) =>
    Array.isArray(each) ? each.map(line) : isTree(each) ? Object.values(each).map(line) : [line(each)];
  return (Array.isArray(value) ? value : [value]).map((each) => `${parts(each).join('\t')}\n`).join('');
}

export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Reads `properties.a.b` of an answer. */
export function at(path: string): (row: object) => unknown {
  const steps = path.split('.');
  return (row) =>
    steps.reduce<unknown>(
      (value, step) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined,
      row,
    );
}
