// The words of a Dockerfile: quotes, escapes and variables, as its instructions but RUN, CMD and ENTRYPOINT read them. An expansion is
// linear in what it reads and writes, and what it writes is bounded: a value that doubles itself ends at once. Pure.

import { refuse } from './dockerfile.rules.ts';

/** Of one value. */
const valueMax = 32 * 1024;
/** `${a:-${b:-…}}` */
const depthMax = 10;

export type Variables = ReadonlyMap<string, string>;

/** Words between blanks, quotes and escapes left in them: what `ENV`, `ARG` and `LABEL` are made of. */
export function wordsOf(line: number, text: string): readonly string[] {
  const words: string[] = [];
  let quote = '';
  let from = -1;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    const isBlank = quote === '' && (character === ' ' || character === '\t');
    if (isBlank) {
      if (from >= 0) words.push(text.slice(from, at));
      from = -1;
      continue;
    }
    if (from < 0) from = at;
    if (character === '\\' && quote !== "'") at += 1;
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = '';
  }
  if (quote !== '') throw refuse(line, text.slice(0, 60), `has a quote ${quote} that is not closed.`);
  if (from >= 0) words.push(text.slice(from));
  return words;
}

/** Takes quotes and escapes off, and puts values of variables in. What is not set is empty. */
export function expand(line: number, text: string, variables: Variables): string {
  const reader = { text, at: 0, written: 0, line, variables };
  return read(reader, '', 0);
}

type Reader = {
  readonly text: string;
  at: number;
  written: number;
  readonly line: number;
  readonly variables: Variables;
};

function read(reader: Reader, until: string, depth: number): string {
  if (depth > depthMax) throw refuse(reader.line, '${', `has variables in variables more than ${depthMax} deep.`);
  const parts: string[] = [];
  const write = (part: string) => {
    reader.written += part.length;
    if (reader.written > valueMax)
      throw refuse(reader.line, reader.text.slice(0, 60), `comes to more than ${valueMax / 1024} KiB.`);
    parts.push(part);
  };
  let isQuoted = false;
  for (;;) {
    const character = reader.text.charAt(reader.at);
    if (character === '') {
      if (isQuoted || until !== '') throw refuse(reader.line, reader.text.slice(0, 60), 'is not closed.');
      return parts.join('');
    }
    reader.at += 1;
    if (character === until && !isQuoted) return parts.join('');
    if (character === '"') isQuoted = !isQuoted;
    else if (character === "'" && !isQuoted) write(single(reader));
    else if (character === '\\') write(escaped(reader, isQuoted));
    else if (character === '$') write(variable(reader, depth));
    else write(character);
  }
}

function single(reader: Reader): string {
  const end = reader.text.indexOf("'", reader.at);
  if (end < 0) throw refuse(reader.line, reader.text.slice(0, 60), "has a quote ' that is not closed.");
  const text = reader.text.slice(reader.at, end);
  reader.at = end + 1;
  return text;
}

/** Within quotes a backslash is one, but before what it could hide. */
function escaped(reader: Reader, isQuoted: boolean): string {
  const next = reader.text.charAt(reader.at);
  reader.at += 1;
  return isQuoted && next !== '"' && next !== '$' && next !== '\\' ? `\\${next}` : next;
}

const nameAt = /[A-Za-z_][A-Za-z0-9_]*/y;

function variable(reader: Reader, depth: number): string {
  const isBraced = reader.text.charAt(reader.at) === '{';
  if (isBraced) reader.at += 1;
  nameAt.lastIndex = reader.at;
  const name = nameAt.exec(reader.text)?.[0];
  const begun = reader.text.slice(reader.at - 1, reader.at + 40);
  if (name === undefined) {
    if (!isBraced) return '$';
    throw refuse(reader.line, `$${begun}`, 'names no variable.');
  }
  reader.at += name.length;
  const value = reader.variables.get(name);
  if (!isBraced) return value ?? '';
  const sign = reader.text.slice(reader.at, reader.at + 2);
  if (sign.startsWith('}')) {
    reader.at += 1;
    return value ?? '';
  }
  if (sign !== ':-' && sign !== ':+')
    throw refuse(reader.line, `$${begun}`, `is not served: a variable is \${NAME}, \${NAME:-word} or \${NAME:+word}.`);
  reader.at += 2;
  // What the word writes is counted where it is written; the outer reader counts what it keeps of it once more.
  const word = read(reader, '}', depth + 1);
  const isSet = value !== undefined && value !== '';
  return sign === ':-' ? (isSet ? value : word) : isSet ? word : '';
}
