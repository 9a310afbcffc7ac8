// A YAML file, read into fields that a body is made of one by one. It says where a mistake stands, and refuses whatever nobody
// asked for, at every depth: a field that is silently ignored (`limits: { timout: 60 }`) is a job that does something else
// than it says.

import { resolve } from 'node:path';
import type { JsonObject } from '@strongroom/contract/client';
import { isMap, isScalar, LineCounter, type Node, type Document as ParsedYaml, parse, parseDocument } from 'yaml';
import { UsageError } from './exit.ts';
import { readGiven } from './files.ts';

export type Document = {
  readonly file: string;
  readonly fields: JsonObject;
  /** Where a field stands, as `FILE` or `FILE:LINE`. */
  placeOf(path: readonly string[]): string;
};

const fileBytesMax = 1024 * 1024;

/** @param set `path.to.field=value`, applied over the file; values are read as YAML scalars. */
export function readDocument(file: string, set: readonly string[] = []): Document {
  const bytes = readGiven(file);
  if (bytes.length > fileBytesMax) throw new UsageError(`${file} is longer than 1 MB.`);
  const lines = new LineCounter();
  const parsed = parseDocument(bytes.toString('utf8'), { lineCounter: lines, prettyErrors: false });
  const [mistake] = [...parsed.errors, ...parsed.warnings];
  if (mistake !== undefined)
    throw new UsageError(`${file}:${lines.linePos(mistake.pos[0]).line}: this is no YAML: ${mistake.message}`);
  const fields = plainOf(parsed, file);
  if (!isObject(fields)) throw new UsageError(`${file} does not hold a mapping of fields to values.`);
  const changed = set.map(assignmentOf);
  return {
    file: resolve(file),
    fields: changed.reduce((before, { path, value }) => put(before, path, value), fields),
    placeOf(path) {
      // What --set has changed does not stand in the file.
      const offset = changed.some(({ path: [first] }) => first === path[0])
        ? undefined
        : offsetOf(parsed.contents, path);
      return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
    },
  };
}

function plainOf(parsed: ParsedYaml, file: string): unknown {
  try {
    return parsed.toJS({ maxAliasCount: 100 });
  } catch (thrown) {
    throw new UsageError(`${file} cannot be read: ${thrown instanceof Error ? thrown.message : 'unknown reason'}.`);
  }
}

function offsetOf(node: Node | null, [step, ...rest]: readonly string[]): number | undefined {
  if (!isMap<unknown, Node | null>(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
  if (rest.length > 0) return offsetOf(pair?.value ?? null, rest);
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
}

function assignmentOf(assignment: string): { readonly path: readonly string[]; readonly value: unknown } {
  const at = assignment.indexOf('=');
  if (at < 1) throw new UsageError(`--set takes path.to.field=value, not '${assignment}'.`);
  const path = assignment.slice(0, at).split('.');
  if (path.some((step) => step === '' || step === '__proto__'))
    throw new UsageError(`'${assignment.slice(0, at)}' is no path of a field.`);
  try {
    return { path, value: parse(assignment.slice(at + 1), { maxAliasCount: 0 }) as unknown };
  } catch {
    throw new UsageError(
      `--set ${assignment}: the value is no YAML. Quote it, as in --set '${path.join('.')}="text"'.`,
    );
  }
}

function put(into: JsonObject, [first = '', ...rest]: readonly string[], value: unknown): JsonObject {
  const present = into[first];
  return { ...into, [first]: rest.length === 0 ? value : put(isObject(present) ? present : {}, rest, value) };
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export type Reader = {
  text(name: string): string | undefined;
  needed(name: string): string;
  map(name: string): JsonObject | undefined;
  texts(name: string): Readonly<Record<string, string>> | undefined;
  flag(name: string): boolean | undefined;
  whole(name: string): number | undefined;
  positive(name: string, unit: string): number | undefined;
  /** What stands under a field, read in the same way and finished with it. */
  within(name: string): Reader | undefined;
  /** Its fields, where the names are the user's own. */
  entries(): readonly (readonly [string, unknown])[];
  /** What is wrong with a field, and where it stands. */
  wrong(name: string, what: string): UsageError;
  /** Refuses every field that was not read. Call last. */
  finish(): void;
};

/** @param path the fields above, where it reads what stands under one */
export function readerOf(
  document: Document,
  fields: JsonObject = document.fields,
  path: readonly string[] = [],
): Reader {
  const known = new Set<string>(path.length === 0 ? ['$schema'] : []);
  const inner: Reader[] = [];
  const wrong = (name: string, what: string) =>
    new UsageError(`${document.placeOf([...path, name])}: '${[...path, name].join('.')}' ${what}.`);
  const take = (name: string): unknown => {
    known.add(name);
    return fields[name] ?? undefined;
  };
  const text = (name: string): string | undefined => {
    const value = take(name);
    if (value === undefined) return undefined;
    if (isObject(value) || Array.isArray(value)) throw wrong(name, 'must be a single value');
    return String(value);
  };
  const map = (name: string): JsonObject | undefined => {
    const value = take(name);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw wrong(name, 'must be a mapping');
    return value;
  };
  return {
    text,
    map,
    wrong,
    entries: () => Object.entries(fields),
    needed(name) {
      const value = text(name);
      if (value === undefined || value === '') throw wrong(name, 'is missing');
      return value;
    },
    texts(name) {
      const value = map(name);
      return (
        value &&
        Object.fromEntries(Object.entries(value).map(([key, each]) => [key, each === null ? '' : String(each)]))
      );
    },
    flag(name) {
      const value = take(name);
      if (value !== undefined && typeof value !== 'boolean') throw wrong(name, 'must be true or false');
      return value;
    },
    whole(name) {
      const value = take(name);
      if (value !== undefined && !Number.isInteger(value)) throw wrong(name, 'must be a whole number');
      return value as number | undefined; // codec: Number.isInteger does not narrow
    },
    positive(name, unit) {
      const value = take(name);
      if (value !== undefined && !(typeof value === 'number' && Number.isFinite(value) && value > 0))
        throw wrong(name, `is a number of ${unit}`);
      return value;
    },
    within(name) {
      const value = map(name);
      if (value === undefined) return undefined;
      const reader = readerOf(document, value, [...path, name]);
      inner.push(reader);
      return reader;
    },
    finish() {
      for (const name of Object.keys(fields)) {
        if (known.has(name)) continue;
        const near = nearest(name, [...known]);
        throw wrong(
          name,
          `is not known here. ${near === undefined ? '' : `Did you mean '${near}'? `}Known: ${[...known].sort().join(', ')}`,
        );
      }
      for (const reader of inner) reader.finish();
    },
  };
}

/** The known word that is at most two typing mistakes away. */
function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((each) => ({ each, mistakes: distance(word.slice(0, 64), each) }))
    .filter(({ mistakes }) => mistakes <= 2)
    .sort((a, b) => a.mistakes - b.mistakes);
  return best?.each;
}

/** Levenshtein's: how many letters are added, lost or changed. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...b].entries())
      next.push(
        Math.min((row[column] ?? 0) + (letter === other ? 0 : 1), (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1),
      );
    row = next;
  }
  return row.at(-1) ?? 0;
}
