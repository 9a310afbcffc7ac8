// Results as a person or a program reads them: aligned tables, or the service's own JSON. Text from the service is printed
// without control characters, so that no name can repaint a terminal.

export type Columns = Readonly<Record<string, (row: Record<string, unknown>) => unknown>>;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being removed.
const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
export const plain = (text: string): string => text.replace(control, '\ufffd');

const cellWidthMax = 80;

const letters = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** What terminals draw over two columns: the wide scripts of Unicode's East Asian Width, and emoji. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]|\ufe0f/u;

/** How many columns of a terminal a text takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const { segment } of letters.segment(text)) width += wide.test(segment) ? 2 : 1;
  return width;
}

/** The beginning of a text that fits, with `…` where something was cut. */
function fitted(text: string): string {
  if (widthOf(text) <= cellWidthMax) return text;
  let kept = '';
  let width = 1;
  for (const { segment } of letters.segment(text)) {
    width += widthOf(segment);
    if (width > cellWidthMax) break;
    kept += segment;
  }
  return `${kept}…`;
}

export function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return fitted(plain(text).replace(/[\n\t]/g, ' '));
}

export function table(rows: readonly unknown[], columns: Columns): string {
  const header = Object.keys(columns);
  const body = rows.map((row) => Object.values(columns).map((read) => cell(read(row as Record<string, unknown>))));
  const widths = header.map((title, index) =>
    body.reduce((widest, line) => Math.max(widest, widthOf(line[index] ?? '')), title.length),
  );
  return [header, ...body]
    .map(
      (line) =>
        `${line
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

export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Reads `properties.a.b` of an answer. */
export function at(path: string): (row: Record<string, unknown>) => unknown {
  const steps = path.split('.');
  return (row) =>
    steps.reduce<unknown>(
      (value, step) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined,
      row,
    );
}
