// MLflow's search language: comparisons joined by AND, and lists of fields to order by. Read by hand, one character after
// the other, so that no text can make it slow; every bound is a constant here. It knows words and types, no SQL.
// Source: MLflow 3, "Search Runs" and "Search Experiments" (mlflow.org/docs/latest).

import { runsFailures } from '../runs.errors.ts';

export type Operator =
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'LIKE'
  | 'ILIKE'
  | 'IN'
  | 'NOT IN'
  | 'IS NULL'
  | 'IS NOT NULL';
export type Value = string | number | readonly string[] | undefined;
/** `Entity` is `attribute`, or what else the searched things have: `metric`, `param`, `tag`, `dataset`. */
export type Field = { readonly entity: string; readonly key: string };
export type Comparison = Field & { readonly operator: Operator; readonly value: Value };
export type Ordering = Field & { readonly ascending: boolean };

/** How a field compares: a number, a text, a text that also takes IN, or a text that may be missing. */
export type FieldKind = 'number' | 'text' | 'id' | 'optionalText';
const operators: Readonly<Record<FieldKind, readonly Operator[]>> = {
  number: ['=', '!=', '<', '<=', '>', '>='],
  text: ['=', '!=', 'LIKE', 'ILIKE'],
  id: ['=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN'],
  optionalText: ['=', '!=', 'LIKE', 'ILIKE', 'IS NULL', 'IS NOT NULL'],
};

/** What can be searched by: words for entities, and the fields of each that has a fixed list. */
export type Grammar = {
  /** Prefix as written, in lower case, to entity. */
  readonly prefixes: Readonly<Record<string, string>>;
  /** Kind of every field of an entity whose keys are free. */
  readonly free: Readonly<Record<string, FieldKind>>;
  /** Fields of an entity whose keys are fixed, by every name that they have: to their own name and kind. */
  readonly fixed: Readonly<
    Record<string, Readonly<Record<string, { readonly name: string; readonly kind: FieldKind }>>>
  >;
};

const filterCharactersMax = 32_768;
const comparisonsMax = 50;
const listMax = 1000;
/** The engine refuses patterns beyond 50,000 bytes, and what it would read as its own wildcards takes three. */
const patternBytesMax = 10_000;
const orderingsMax = 10;

type Token =
  | { readonly kind: 'name' | 'quoted'; readonly text: string; readonly quote: string }
  | { readonly kind: 'number' | 'symbol'; readonly text: string };

const wrong = runsFailures.filter;

const isSpace = (character: string) =>
  character === ' ' || character === '\t' || character === '\n' || character === '\r';
const isDigit = (character: string) => character >= '0' && character <= '9';
const nameCharacter = /[\p{L}\p{N}_]/u;
// Inside a name also what keys hold: dots lead to the key, and dashes and slashes are common in keys.
const isNameStart = (character: string) => nameCharacter.test(character);
const isNameRest = (character: string) => nameCharacter.test(character) || '.-/'.includes(character);

/** The tokens of a filter. A quote ends at the next quote of its kind: the language has no escapes. */
function tokenize(text: string): readonly Token[] {
  if (text.length > filterCharactersMax) throw wrong(`it is longer than ${filterCharactersMax} characters`);
  const tokens: Token[] = [];
  let at = 0;
  const take = (accepts: (character: string) => boolean) => {
    const from = at;
    while (at < text.length && accepts(text[at] ?? '')) at++;
    return text.slice(from, at);
  };
  while (at < text.length) {
    const character = text[at] ?? '';
    if (isSpace(character)) at++;
    else if (character === "'" || character === '"' || character === '`') {
      const end = text.indexOf(character, at + 1);
      if (end < 0) throw wrong(`a quote (${character}) is not closed`);
      tokens.push({ kind: 'quoted', text: text.slice(at + 1, end), quote: character });
      at = end + 1;
    } else if (isDigit(character) || ((character === '-' || character === '.') && /[\d.]/.test(text[at + 1] ?? ''))) {
      tokens.push({
        kind: 'number',
        text: takeNumber(
          take,
          () => text[at] ?? '',
          () => at++,
        ),
      });
    } else if (isNameStart(character)) tokens.push({ kind: 'name', text: take(isNameRest), quote: '' });
    else {
      const two = text.slice(at, at + 2);
      const symbol = ['!=', '<=', '>='].includes(two) ? two : character;
      if (!['!=', '<=', '>=', '=', '<', '>', '(', ')', ','].includes(symbol))
        throw wrong(`the character ${JSON.stringify(character)} has no meaning outside of quotes`);
      tokens.push({ kind: 'symbol', text: symbol });
      at += symbol.length;
    }
  }
  return tokens;
}

/** A sign, digits with one dot, an exponent with its own sign. Whether it is a number, Number() says. */
function takeNumber(
  take: (accepts: (character: string) => boolean) => string,
  peek: () => string,
  skip: () => void,
): string {
  let text = '';
  if (peek() === '-') {
    text = '-';
    skip();
  }
  text += take((character) => isDigit(character) || character === '.');
  if (peek() === 'e' || peek() === 'E') {
    text += 'e';
    skip();
    if (peek() === '-' || peek() === '+') {
      text += peek();
      skip();
    }
    text += take(isDigit);
  }
  text += take(isNameStart);
  return text;
}

/** A cursor over tokens: what the two parsers below share. */
function createReader(text: string) {
  const tokens = tokenize(text);
  let at = 0;
  const peek = () => tokens[at];
  const word = () => {
    const token = peek();
    return token?.kind === 'name' ? token.text.toUpperCase() : undefined;
  };
  return {
    done: () => at >= tokens.length,
    peek,
    next: () => tokens[at++],
    word,
    /** Goes on if the next word, in any case, is this one. */
    takeWord(expected: string): boolean {
      if (word() !== expected) return false;
      at++;
      return true;
    },
    takeSymbol(expected: string): boolean {
      const token = peek();
      if (token?.kind !== 'symbol' || token.text !== expected) return false;
      at++;
      return true;
    },
  };
}
type Reader = ReturnType<typeof createReader>;

/** `entity.key`, where the key may be quoted, or an attribute alone. */
function readField(reader: Reader, grammar: Grammar): Field & { readonly kind: FieldKind } {
  const token = reader.next();
  if (token === undefined) throw wrong('a field is missing');
  if (token.kind === 'quoted' && token.quote !== "'") return resolve(grammar, undefined, token.text);
  if (token.kind !== 'name') throw wrong(`a field was expected, not ${JSON.stringify(token.text)}`);
  const dot = token.text.indexOf('.');
  if (dot < 0) return resolve(grammar, undefined, token.text);
  const prefix = token.text.slice(0, dot);
  const rest = token.text.slice(dot + 1);
  if (rest !== '') return resolve(grammar, prefix, rest);
  const key = reader.next();
  if (key?.kind !== 'quoted' || key.quote === "'") throw wrong(`a key was expected behind '${prefix}.'`);
  return resolve(grammar, prefix, key.text);
}

function resolve(grammar: Grammar, prefix: string | undefined, key: string): Field & { readonly kind: FieldKind } {
  const entity = prefix === undefined ? 'attribute' : ownValue(grammar.prefixes, prefix.toLowerCase());
  if (entity === undefined) {
    const known = Object.keys(grammar.prefixes).join(', ');
    throw wrong(`'${prefix}' is not one of the entities ${known}; put a key that holds a dot into quotes`);
  }
  const free = ownValue(grammar.free, entity);
  if (free !== undefined) return { entity, key, kind: free };
  const fields = ownValue(grammar.fixed, entity) ?? {};
  const field = ownValue(fields, key);
  if (field === undefined) {
    const known = [...new Set(Object.values(fields).map(({ name }) => name))].join(', ');
    throw wrong(`${entity} has no key '${key}'; it has ${known}`);
  }
  return { entity, key: field.name, kind: field.kind };
}

/** Names come from outside: `constructor` must not be found in a table. */
const ownValue = <V>(table: Readonly<Record<string, V>>, name: string): V | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** @throws Failure `invalid` with what is wrong. An empty filter holds no comparison. */
export function parseFilter(text: string, grammar: Grammar): readonly Comparison[] {
  const reader = createReader(text);
  const comparisons: Comparison[] = [];
  if (reader.done()) return comparisons;
  do {
    if (comparisons.length >= comparisonsMax) throw wrong(`it holds more than ${comparisonsMax} comparisons`);
    const { kind, ...field } = readField(reader, grammar);
    const operator = readOperator(reader);
    if (!operators[kind].includes(operator)) {
      throw wrong(`'${field.entity}.${field.key}' takes one of ${operators[kind].join(', ')}, not ${operator}`);
    }
    comparisons.push({ ...field, operator, value: readValue(reader, kind, operator) });
  } while (reader.takeWord('AND'));
  const left = reader.peek();
  if (left !== undefined)
    throw wrong(`AND or the end was expected, not ${JSON.stringify(left.text)}; there is no OR, NOT or grouping`);
  return comparisons;
}

function readOperator(reader: Reader): Operator {
  for (const word of ['LIKE', 'ILIKE', 'IN'] as const) if (reader.takeWord(word)) return word;
  if (reader.takeWord('NOT')) {
    if (reader.takeWord('IN')) return 'NOT IN';
    throw wrong('NOT goes only before IN, and between IS and NULL');
  }
  if (reader.takeWord('IS')) {
    const negated = reader.takeWord('NOT');
    if (!reader.takeWord('NULL')) throw wrong('IS is followed by NULL or NOT NULL');
    return negated ? 'IS NOT NULL' : 'IS NULL';
  }
  for (const symbol of ['=', '!=', '<', '<=', '>', '>='] as const) if (reader.takeSymbol(symbol)) return symbol;
  throw wrong(`a comparison operator was expected, not ${JSON.stringify(reader.peek()?.text ?? 'the end')}`);
}

function readValue(reader: Reader, kind: FieldKind, operator: Operator): Value {
  if (operator === 'IS NULL' || operator === 'IS NOT NULL') return undefined;
  if (operator === 'IN' || operator === 'NOT IN') return readList(reader);
  const token = reader.next();
  if (kind === 'number') {
    const number = token?.kind === 'number' ? Number(token.text) : Number.NaN;
    if (Number.isNaN(number))
      throw wrong(`a number without quotes was expected, not ${JSON.stringify(token?.text ?? 'the end')}`);
    return number;
  }
  const text = requireString(token);
  if ((operator === 'LIKE' || operator === 'ILIKE') && Buffer.byteLength(text) > patternBytesMax)
    throw wrong(`a pattern is longer than ${patternBytesMax} bytes`);
  return text;
}

function requireString(token: Token | undefined): string {
  if (token?.kind !== 'quoted' || token.quote === '`')
    throw wrong(`a text in quotes was expected, not ${JSON.stringify(token?.text ?? 'the end')}`);
  if (!token.text.isWellFormed() || token.text.includes('\0'))
    throw wrong('a text holds a NUL or half of a surrogate pair');
  return token.text;
}

function readList(reader: Reader): readonly string[] {
  if (!reader.takeSymbol('(')) throw wrong('IN is followed by a list in parentheses');
  const values: string[] = [];
  do {
    if (values.length >= listMax) throw wrong(`a list holds more than ${listMax} values`);
    values.push(requireString(reader.next()));
  } while (reader.takeSymbol(','));
  if (!reader.takeSymbol(')')) throw wrong('a list of IN is not closed');
  return values;
}

/** Each item: a field, then ASC or DESC or neither, which is ASC. A field may be named once. */
export function parseOrderings(
  items: readonly string[],
  grammar: Grammar,
): readonly (Ordering & { kind: FieldKind })[] {
  if (items.length > orderingsMax) throw wrong(`it orders by more than ${orderingsMax} fields`);
  const seen = new Set<string>();
  return items.map((item) => {
    const reader = createReader(item);
    const { kind, ...field } = readField(reader, grammar);
    const ascending = !reader.takeWord('DESC');
    if (ascending) reader.takeWord('ASC');
    if (!reader.done())
      throw wrong(`an order_by item is a field with ASC or DESC, not ${JSON.stringify(item.slice(0, 200))}`);
    const name = JSON.stringify([field.entity, field.key]);
    if (seen.has(name)) throw wrong(`order_by names ${field.entity}.${field.key} twice`);
    seen.add(name);
    return { ...field, kind, ascending };
  });
}
