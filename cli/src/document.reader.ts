// A YAML file, read into fields that a body is made of one by one. It says where a mistake stands, and refuses whatever nobody
// asked for, at every depth: a field that is silently ignored (`limits: { timout: 60 }`) is a job that does something else
// than it says.

import { resolve } from 'node:path';
import type { JsonObject } from '@strongroom/contract/client';
import type { Node, Document as ParsedYaml } from 'yaml';
import { UsageError } from './exit.ts';
import { readGiven } from './files.ts';
import { meant } from './nearest.ts';
import { line } from './output.ts';

export type Document = {
  readonly file: string;
  readonly fields: JsonObject;
  /** Where a field stands, as `FILE` or `FILE:LINE`. */
  placeOf(path: readonly string[]): string;
};

const fileBytesMax = 1024 * 1024;

/** @param set `path.to.field=value`, applied over the file; values are read as YAML scalars. */
export async function readDocument(file: string, set: readonly string[] = []): Promise<Document> {
  const bytes = readGiven(file);
  if (bytes.length > fileBytesMax) throw new UsageError(`${file} is longer than 1 MB.`);
  // Loaded here and not above: most commands read no file, and should not wait for the reader of them.
  const yaml = await import('yaml');
  const { LineCounter, parseDocument } = yaml;
  const lines = new LineCounter();
  const parsed = parseDocument(bytes.toString('utf8'), { lineCounter: lines, prettyErrors: false });
  const [mistake] = [...parsed.errors, ...parsed.warnings];
  if (mistake !== undefined)
    throw new UsageError(`${file}:${lines.linePos(mistake.pos[0]).line}: this is no YAML: ${mistake.message}`);
  const fields = plainOf(parsed, file);
  if (!isObject(fields)) throw new UsageError(`${file} does not hold a mapping of fields to values.`);
  const changed = set.map((assignment) => assignmentOf(assignment, yaml));
  return {
    file: resolve(file),
    fields: changed.reduce((before, { path, value }) => put(before, path, value), fields),
    placeOf(path) {
      // What --set has changed does not stand in the file.
      const offset = changed.some(({ path: [first] }) => first === path[0])
        ? undefined
        : offsetOf(parsed.contents, path, yaml);
      return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
    },
  };
}

/** For commands that take a file or options alone. */
export async function documentIfGiven(file: string | undefined, set: readonly string[]): Promise<Document | undefined> {
  if (file !== undefined) return await readDocument(file, set);
  if (set.length > 0) throw new UsageError('--set changes a file: give -f FILE, too.');
  return undefined;
}

function plainOf(parsed: ParsedYaml, file: string): unknown {
  try {
    return parsed.toJS({ maxAliasCount: 100 });
  } catch (thrown) {
    throw new UsageError(`${file} cannot be read: ${thrown instanceof Error ? thrown.message : 'unknown reason'}.`);
  }
}

type Yaml = Pick<typeof import('yaml'), 'isMap' | 'isScalar' | 'parse'>;

function offsetOf(node: Node | null, [step, ...rest]: readonly string[], yaml: Yaml): number | undefined {
  const { isMap, isScalar } = yaml;
  if (!isMap<unknown, Node | null>(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
  if (rest.length > 0) return offsetOf(pair?.value ?? null, rest, yaml);
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
}

function assignmentOf(
  assignment: string,
  { parse }: Yaml,
): { readonly path: readonly string[]; readonly value: unknown } {
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
  /** Empty where it is missing; `finish` says so, after it has named what was written in its place. */
  needed(name: string): string;
  /** A single value, or what stands under the field. */
  textOrWithin(name: string): string | Reader | undefined;
  map(name: string): JsonObject | undefined;
  /** A single value, or fields whose names are another program's. */
  textOrMap(name: string): string | JsonObject | undefined;
  texts(name: string): Readonly<Record<string, string>> | undefined;
  list(name: string): readonly string[] | undefined;
  /** Whether it is there at all; it counts as read. */
  has(name: string): boolean;
  flag(name: string): boolean | undefined;
  whole(name: string): number | undefined;
  positive(name: string, unit: string): number | undefined;
  /** What stands under a field, read in the same way and finished with it. */
  within(name: string): Reader | undefined;
  /** Its fields, where the names are the user's own. */
  entries(): readonly (readonly [string, unknown])[];
  /** What is wrong with a field, and where it stands. */
  wrong(name: string, what: string): UsageError;
  /** Refuses every field that was not read, then what is missing. Call once everything is read, before anything is used. */
  finish(): void;
  /** The two halves of `finish`, for what is read in one reader and stands under another. */
  refuseUnknown(): void;
  refuseMissing(): void;
};

/** @param path the fields above, where it reads what stands under one */
export function readerOf(
  document: Document,
  fields: JsonObject = document.fields,
  path: readonly string[] = [],
): Reader {
  const known = new Set<string>(path.length === 0 ? ['$schema'] : []);
  const inner: Reader[] = [];
  const missing: string[] = [];
  const wrong = (name: string, what: string) =>
    new UsageError(`${document.placeOf([...path, name])}: '${[...path, name].join('.')}' ${what}.`);
  const take = (name: string): unknown => {
    known.add(name);
    return fields[name] ?? undefined;
  };
  const text = (name: string): string | undefined => {
    const value = take(name);
    if (value === undefined) return undefined;
    if (isObject(value)) throw wrong(name, `is a single value, not the fields ${Object.keys(value).join(', ')}`);
    if (Array.isArray(value)) throw wrong(name, 'is a single value, not a list');
    return String(value);
  };
  const map = (name: string): JsonObject | undefined => {
    const value = take(name);
    if (value === undefined) return undefined;
    if (!isObject(value))
      throw wrong(name, `has fields of its own, as in '${name}: { … }'; '${line(value)}' is a single value`);
    return value;
  };
  const reader: Reader = {
    text,
    map,
    wrong,
    textOrMap: (name) => (isObject(fields[name]) ? map(name) : text(name)),
    entries: () => Object.entries(fields),
    needed(name) {
      const value = text(name) ?? '';
      if (value === '') missing.push(name);
      return value;
    },
    textOrWithin(name) {
      return isObject(fields[name]) ? reader.within(name) : text(name);
    },
    texts(name) {
      const value = map(name);
      return (
        value &&
        Object.fromEntries(
          Object.entries(value).map(([key, each]) => {
            if (typeof each === 'object' && each !== null) throw wrong(name, `holds text, and '${key}' is none`);
            return [key, each === null ? '' : String(each)];
          }),
        )
      );
    },
    list(name) {
      const value = take(name);
      if (value === undefined) return undefined;
      if (!Array.isArray(value) || value.some((each) => typeof each === 'object'))
        throw wrong(name, 'is a list of text');
      return value.map(String);
    },
    has: (name) => take(name) !== undefined,
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
      const below = readerOf(document, value, [...path, name]);
      inner.push(below);
      return below;
    },
    finish() {
      reader.refuseUnknown();
      reader.refuseMissing();
    },
    refuseUnknown() {
      for (const name of Object.keys(fields)) {
        if (known.has(name)) continue;
        throw wrong(name, `is not known here. ${meant(name, [...known])}Known: ${[...known].sort().join(', ')}`);
      }
      for (const below of inner) below.refuseUnknown();
    },
    refuseMissing() {
      const [name] = missing;
      if (name !== undefined) throw wrong(name, 'is missing');
      for (const below of inner) below.refuseMissing();
    },
  };
  return reader;
}
