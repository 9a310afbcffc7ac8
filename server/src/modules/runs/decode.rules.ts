// Reads a protobuf message in JSON, or in a query, by its schema of the contract. As lenient as MLflow where its clients
// need it (unknown fields, nulls, integers as strings, enums as numbers) and strict where MLflow is not: a value of a wrong
// type is refused rather than dropped, and an integer that a double does not hold exactly is refused rather than rounded.

import type { Static, TSchema } from '@strongroom/contract/schema';
import { parseJson } from '#kernel/input/json';
import { invalid, invalidParameter, missingParameter } from './runs.errors.ts';

/** What this reader knows of a schema: the few keywords that the contract's messages use. */
type Node = {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly enum?: readonly string[];
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
};

const listMax = 100_000;
const special: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

/** The message in a JSON body. A body that is a string holds the message once more, as old clients send it. */
export function decodeBody<S extends TSchema>(schema: S, body: unknown): Static<S> {
  const value = typeof body === 'string' ? parseJson(Buffer.from(body)) : body;
  if (value !== undefined && !isObject(value)) throw invalid('The body must be a JSON object.');
  return decodeMessage(schema, value ?? {}, false);
}

/** The message in a query: a list is a name that is repeated. */
export function decodeQuery<S extends TSchema>(
  schema: S,
  values: Readonly<Record<string, string | readonly string[]>>,
): Static<S> {
  return decodeMessage(schema, values, true);
}

function decodeMessage<S extends TSchema>(schema: S, value: unknown, textual: boolean): Static<S> {
  // TypeBox schemas are JSON Schema objects; everything below checks what it reads, so the result is what S says.
  return decode(schema as unknown as Node, value, [], textual) as Static<S>;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where in the message is read: names of members and places in lists. A text is made of it only for a refusal. */
type Path = (string | number)[];

/** `metrics[3].value`. */
const nameOf = (at: Path): string =>
  at.reduce<string>((name, step) => {
    if (typeof step === 'number') return `${name}[${step}]`;
    return name === '' ? step : `${name}.${step}`;
  }, '');

function decode(node: Node, value: unknown, at: Path, textual: boolean): unknown {
  if (node.properties) return decodeObject(node, node.properties, value, at, textual);
  if (node.items) return decodeList(node.items, value, at, textual);
  if (node.enum) return decodeChoice(node.enum, value, at);
  switch (node.type) {
    case 'string':
      if (typeof value !== 'string') throw invalidParameter(nameOf(at), value, 'it must be a string');
      if (node.minLength === 1 && value === '') throw missingParameter(nameOf(at));
      return value;
    case 'integer':
      return decodeInteger(node, value, at);
    case 'number':
      return decodeNumber(value, at);
    case 'boolean':
      if (typeof value === 'boolean') return value;
      if (textual && (value === 'true' || value === 'false')) return value === 'true';
      throw invalidParameter(nameOf(at), value, 'it must be true or false');
    default:
      throw new Error(`the message schema of '${nameOf(at)}' holds a kind that is not read here`);
  }
}

function decodeObject(
  node: Node,
  properties: Readonly<Record<string, Node>>,
  value: unknown,
  at: Path,
  textual: boolean,
): unknown {
  if (!isObject(value)) throw invalidParameter(nameOf(at), value, 'it must be an object');
  const decoded: Record<string, unknown> = {};
  for (const key in properties) {
    const property = properties[key];
    if (property === undefined) continue;
    const given = Object.hasOwn(value, key) ? value[key] : undefined;
    if (given !== undefined && given !== null) {
      at.push(key);
      decoded[key] = decode(property, given, at, textual);
      at.pop();
    } else if (node.required?.includes(key)) throw missingParameter(nameOf([...at, key]));
  }
  return decoded;
}

function decodeList(items: Node, value: unknown, at: Path, textual: boolean): unknown {
  const list: readonly unknown[] | undefined = Array.isArray(value) ? value : textual ? [value] : undefined;
  if (list === undefined) throw invalidParameter(nameOf(at), value, 'it must be a list');
  if (list.length > listMax) throw invalid(`Parameter '${nameOf(at)}' holds more than ${listMax} items.`, nameOf(at));
  return list.map((item, index) => {
    at.push(index);
    const decoded = decode(items, item, at, textual);
    at.pop();
    return decoded;
  });
}

function decodeChoice(names: readonly string[], value: unknown, at: Path): string {
  const chosen = typeof value === 'number' ? names[value - 1] : names.find((one) => one === value);
  const counted = typeof value === 'string' && /^\d{1,3}$/.test(value) ? names[Number(value) - 1] : undefined;
  const found = chosen ?? counted;
  if (found === undefined) throw invalidParameter(nameOf(at), value, `it must be one of ${names.join(', ')}`);
  return found;
}

function decodeInteger(node: Node, value: unknown, at: Path): number {
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && /^-?\d{1,20}$/.test(value)
        ? Number(value)
        : undefined;
  if (number === undefined || !Number.isInteger(number))
    throw invalidParameter(nameOf(at), value, 'it must be an integer');
  if (!Number.isSafeInteger(number))
    throw invalidParameter(nameOf(at), value, 'integers beyond 2^53 - 1 are not kept exactly, so send a smaller one');
  if (node.minimum !== undefined && number < node.minimum)
    throw invalidParameter(nameOf(at), value, `it must be at least ${node.minimum}`);
  if (node.maximum !== undefined && number > node.maximum)
    throw invalidParameter(nameOf(at), value, `it must be at most ${node.maximum}`);
  return number;
}

function decodeNumber(value: unknown, at: Path): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') {
    const named = special[value];
    if (named !== undefined) return named;
    if (value.length <= 64 && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return Number(value);
  }
  throw invalidParameter(nameOf(at), value, 'it must be a number, or one of the strings NaN, Infinity and -Infinity');
}
