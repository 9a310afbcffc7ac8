// The parts that components of every type have: inputs and outputs with their types, what bounds a value, and text. What is not
// known is refused where it stands. Pure.

import { assetsFailures } from './assets.errors.ts';

export const dataTypes = ['uri_file', 'uri_folder', 'mltable', 'custom_model', 'mlflow_model', 'triton_model'] as const;
const valueTypes = ['string', 'integer', 'number', 'boolean'] as const;
export type DataType = (typeof dataTypes)[number];
export type ValueType = (typeof valueTypes)[number];

export type ComponentInput = {
  readonly type: DataType | ValueType;
  readonly isOptional: boolean;
  /** Of a value; data have none. */
  readonly default: string | undefined;
  readonly mode: string | undefined;
  /** Of a value: what it may be. */
  readonly bounds?: Bounds;
};
type Bounds = {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly among: readonly string[] | undefined;
};
export type ComponentOutput = { readonly type: DataType; readonly mode: string | undefined };

/** What whoever wires it sees. */
export type Face = {
  readonly inputs: Readonly<Record<string, ComponentInput>>;
  readonly outputs: Readonly<Record<string, ComponentOutput>>;
};

export type Fields = Readonly<Record<string, unknown>>;
export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const namedMax = 100;
const textMax = 8_192;
const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;

export const wrong = assetsFailures.InvalidComponent;

export function namesOf<R>(
  value: unknown,
  at: string,
  read: (value: Fields, at: string) => R,
): Readonly<Record<string, R>> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrong(at, 'has names, and under each its type');
  const entries = Object.entries(value);
  if (entries.length > namedMax) throw wrong(at, `has at most ${namedMax} names`);
  return Object.fromEntries(
    entries.map(([name, each]) => {
      if (!namePattern.test(name))
        throw wrong(at, `'${name.slice(0, 100)}' is no name: letters, digits and underscores`);
      if (!isObject(each)) throw wrong(`${at}.${name}`, 'needs a type');
      return [name, read(each, `${at}.${name}`)];
    }),
  );
}

export function readInput(value: Fields, at: string): ComponentInput {
  only(value, at, ['type', 'default', 'optional', 'description', 'mode', 'min', 'max', 'enum']);
  const type = typeOf(value['type'], at, [...dataTypes, ...valueTypes]);
  if (!isValueType(type) && value['default'] !== undefined && value['default'] !== null)
    throw wrong(`${at}.default`, 'is for values: data have no default');
  const input: ComponentInput = {
    type,
    isOptional: yesOrNo(value['optional'], `${at}.optional`) ?? false,
    default: literalOf(value['default'], `${at}.default`),
    mode: textOf(value['mode'], `${at}.mode`, 32),
    ...boundsIn(value, type, at),
  };
  if (input.default !== undefined) checkValue(input, input.default, `${at}.default`);
  return input;
}

/** Clients send numbers as text. */
function boundsIn(value: Fields, type: string, at: string): { readonly bounds?: Bounds } {
  const numberIn = (name: 'min' | 'max'): number | undefined => {
    const text = literalOf(value[name], `${at}.${name}`);
    if (text === undefined) return undefined;
    if (type !== 'integer' && type !== 'number') throw wrong(`${at}.${name}`, 'is for integers and numbers');
    checkValue({ type }, text, `${at}.${name}`);
    return Number(text);
  };
  const [min, max, listed] = [numberIn('min'), numberIn('max'), value['enum'] ?? undefined];
  if (listed === undefined)
    return min === undefined && max === undefined ? {} : { bounds: { min, max, among: undefined } };
  if (!Array.isArray(listed) || listed.length === 0 || listed.length > namedMax || type === 'boolean' || isData(type))
    throw wrong(`${at}.enum`, `is a list of 1 to ${namedMax} texts or numbers, for inputs of such a type`);
  const among = listed.map((each) => literalOf(each, `${at}.enum`) ?? '');
  for (const each of among) checkValue({ type }, each, `${at}.enum`);
  return { bounds: { min, max, among } };
}

export const isValueType = (type: string): boolean => (valueTypes as readonly string[]).includes(type);
const isData = (type: string): boolean => (dataTypes as readonly string[]).includes(type);

export function yesOrNo(value: unknown, at: string): boolean | undefined {
  if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined;
  if (!/^(true|false)$/i.test(String(value))) throw wrong(at, 'is true or false');
  return String(value).toLowerCase() === 'true';
}

export function readOutput(value: Fields, at: string): ComponentOutput {
  only(value, at, ['type', 'description', 'mode', 'early_available']);
  if (yesOrNo(value['early_available'], `${at}.early_available`) === true)
    throw wrong(
      `${at}.early_available`,
      'is not served: what a step leaves is there when it has completed. Leave it out',
    );
  return { type: typeOf(value['type'], at, dataTypes), mode: textOf(value['mode'], `${at}.mode`, 32) };
}

export function only(value: Fields, at: string, names: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !names.includes(name) && value[name] !== null);
  if (unknown !== undefined) throw wrong(`${at}.${unknown}`, `is not known; there are ${names.join(', ')}`);
}

function typeOf<T extends string>(value: unknown, at: string, types: readonly T[]): T {
  const found = types.find((type) => type === value);
  if (found === undefined) throw wrong(`${at}.type`, `must be one of ${types.join(', ')}`);
  return found;
}

/** A value is text of the type that was said, however it was sent, and within what its component takes. */
export function checkValue(
  { type, bounds }: { readonly type: string; readonly bounds?: Bounds },
  value: string,
  at: string,
): void {
  const isRight =
    type === 'integer'
      ? /^[+-]?\d{1,18}$/.test(value)
      : type === 'number'
        ? value.trim() !== '' && Number.isFinite(Number(value))
        : type === 'boolean'
          ? /^(true|false)$/i.test(value)
          : true;
  if (!isRight) throw wrong(at, `is not of the type ${type}`);
  if (bounds === undefined) return;
  const { min, max, among } = bounds;
  if (min !== undefined && Number(value) < min) throw wrong(at, `is ${value}, and must be at least ${min}`);
  if (max !== undefined && Number(value) > max) throw wrong(at, `is ${value}, and must be at most ${max}`);
  const isSame = (each: string) => (type === 'string' ? each === value : Number(each) === Number(value));
  if (among !== undefined && !among.some(isSame)) throw wrong(at, `must be one of ${among.join(', ').slice(0, 500)}`);
}

function literalOf(value: unknown, at: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    throw wrong(at, 'is a single value');
  return textOf(String(value), at, textMax);
}

export function textOf(value: unknown, at: string, max: number): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw wrong(at, 'is text');
  if (value.length > max || value.includes('\0')) throw wrong(at, `is text of at most ${max} characters, without NUL`);
  return value;
}

/** Of a part that has fields of its own; none where it is left out. */
export function partIn(value: unknown, at: string): Fields {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrong(at, 'has fields of its own');
  return value;
}

export const idOf = (value: unknown, at: string): string | undefined =>
  textOf(value, at, 2_048)?.replace(/^azureml:(?=\/subscriptions\/)/i, '');

const modes: Readonly<Record<string, string>> = {
  ro_mount: 'ReadOnlyMount',
  rw_mount: 'ReadWriteMount',
  download: 'Download',
  upload: 'Upload',
  direct: 'Direct',
};
/** A mode as YAML writes it, by its name on the wire. */
export const modeNamed = (mode: string): string => modes[mode] ?? mode;
