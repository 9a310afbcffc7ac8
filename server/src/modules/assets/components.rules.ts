// What a component is: a command with named inputs and outputs, described once. Its specification is that of azure-ai-ml, read
// part by part: what is not known is refused where it stands, and what is not served by its name. Pure.

import { collectionAndName, placeholdersIn } from '@strongroom/contract/placeholders';
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

export type Component = {
  readonly command: string;
  /** Ids of versions, as they were written, without the word in front that clients write. */
  readonly codeId: string | undefined;
  readonly environmentId: string | undefined;
  readonly inputs: Readonly<Record<string, ComponentInput>>;
  readonly outputs: Readonly<Record<string, ComponentOutput>>;
  /** The same inputs give the same outputs. */
  readonly isDeterministic: boolean;
  readonly instanceCount: number | undefined;
  /** As a job says it: how large the shared memory of the command is. */
  readonly shmSize?: string;
  /** As a job says it: how the command is several processes. */
  readonly distribution: Readonly<Record<string, unknown>> | undefined;
};

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const namedMax = 100;
const textMax = 8_192;
const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;

/** Told by clients, and of no effect. */
const told = ['$schema', 'name', 'version', 'display_name', 'description', 'tags', '_source', 'properties'];
const served = [
  'type',
  'command',
  'code',
  'environment',
  'inputs',
  'outputs',
  'is_deterministic',
  'resources',
  'distribution',
];
const unserved: Readonly<Record<string, string>> = {
  additional_includes: 'clients put these into the code before they send it, and this component has no code',
  successful_return_code: 'a command has succeeded when it ends with 0',
  intellectual_property: 'whoever may read a component reads all of it',
};

const wrong = assetsFailures.InvalidComponent;

/** @throws Failure `invalid` with the part that is wrong */
export function readComponent(spec: Fields): Component {
  const { type } = spec;
  if (type !== 'command') throw assetsFailures.ComponentTypeNotServed(String(type));
  for (const [name, value] of Object.entries(spec)) {
    if (value === null || told.includes(name) || served.includes(name)) continue;
    if (isObject(value) && Object.keys(value).length === 0) continue;
    // azure-ai-ml has put the files into the code that it uploaded, and says from where; the code is what runs.
    if (name === 'additional_includes' && spec['code'] !== undefined && spec['code'] !== null) continue;
    const because = Object.hasOwn(unserved, name) ? unserved[name] : undefined;
    throw wrong(
      name,
      because === undefined ? 'is not a part of a command component' : `is not served: ${because}. Leave it out`,
    );
  }
  const command = textOf(spec['command'], 'command', 32_768);
  if (command === undefined || command.trim() === '') throw wrong('command', 'is what a component runs: it needs one');
  const inputs = namesOf(spec['inputs'], 'inputs', readInput);
  const outputs = namesOf(spec['outputs'], 'outputs', readOutput);
  const component: Component = {
    command,
    codeId: idOf(spec['code'], 'code'),
    environmentId: idOf(spec['environment'], 'environment'),
    inputs,
    outputs,
    isDeterministic: yesOrNo(spec['is_deterministic'], 'is_deterministic') ?? true,
    ...resourcesIn(spec['resources']),
    distribution: distributionIn(spec['distribution']),
  };
  for (const inner of placeholdersIn(command)) known(component, inner);
  return component;
}

function known(component: Component, inner: string): { readonly collection: string; readonly name: string } {
  const { collection, name } = collectionAndName(inner);
  const all = collection === 'inputs' ? component.inputs : collection === 'outputs' ? component.outputs : {};
  if (Object.hasOwn(all, name)) return { collection, name };
  const there = [
    ...Object.keys(component.inputs).map((each) => `inputs.${each}`),
    ...Object.keys(component.outputs).map((each) => `outputs.${each}`),
  ];
  throw wrong(
    'command',
    `holds \${{${inner.slice(0, 100)}}}, and the component has ${there.length === 0 ? 'neither inputs nor outputs' : there.join(', ')}`,
  );
}

/**
 * The command with what is given: a part in `$[[ … ]]` stays when every optional input in it is given, and goes otherwise.
 * @throws Failure `invalid` where an input that is not given stands outside of one
 */
export function commandWith(component: Component, isGiven: (input: string) => boolean): string {
  const missing = (part: string) =>
    placeholdersIn(part)
      .map((inner) => known(component, inner))
      .filter(({ collection, name }) => collection === 'inputs' && !isGiven(name))
      .map(({ name }) => name);
  const command = component.command.replace(/\$\[\[((?:(?!\]\]).)*)\]\]/gs, (_, part: string) =>
    missing(part).length === 0 ? part : '',
  );
  const [left] = missing(command);
  if (left !== undefined)
    throw wrong(
      `inputs.${left}`,
      `is not given, and the command needs it. Give it, or write $[[ … ]] around what it stands in`,
    );
  return command;
}

function namesOf<R>(value: unknown, at: string, read: (value: Fields, at: string) => R): Readonly<Record<string, R>> {
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

function readInput(value: Fields, at: string): ComponentInput {
  only(value, at, ['type', 'default', 'optional', 'description', 'mode', 'min', 'max', 'enum']);
  const type = typeOf(value['type'], at, [...dataTypes, ...valueTypes]);
  const isValue = (valueTypes as readonly string[]).includes(type);
  if (!isValue && value['default'] !== undefined && value['default'] !== null)
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

const isData = (type: string): boolean => (dataTypes as readonly string[]).includes(type);

function yesOrNo(value: unknown, at: string): boolean | undefined {
  if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined;
  if (!/^(true|false)$/i.test(String(value))) throw wrong(at, 'is true or false');
  return String(value).toLowerCase() === 'true';
}

function readOutput(value: Fields, at: string): ComponentOutput {
  only(value, at, ['type', 'description', 'mode', 'early_available']);
  if (yesOrNo(value['early_available'], `${at}.early_available`) === true)
    throw wrong(
      `${at}.early_available`,
      'is not served: what a step leaves is there when it has completed. Leave it out',
    );
  return { type: typeOf(value['type'], at, dataTypes), mode: textOf(value['mode'], `${at}.mode`, 32) };
}

function only(value: Fields, at: string, names: readonly string[]): void {
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

function textOf(value: unknown, at: string, max: number): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw wrong(at, 'is text');
  if (value.length > max || value.includes('\0')) throw wrong(at, `is text of at most ${max} characters, without NUL`);
  return value;
}

const idOf = (value: unknown, at: string): string | undefined =>
  textOf(value, at, 2_048)?.replace(/^azureml:(?=\/subscriptions\/)/i, '');

/** Whether that many and that much can be had, jobs say. */
function resourcesIn(value: unknown): Pick<Component, 'instanceCount' | 'shmSize'> {
  const { instance_count: count, ...fields } = partIn(value, 'resources');
  only(fields, 'resources', ['instance_type', 'properties', 'shm_size']);
  if (count != null && !/^\d{1,6}$/.test(String(count))) throw wrong('resources.instance_count', 'is a whole number');
  const shmSize = textOf(fields['shm_size'], 'resources.shm_size', 32);
  return {
    instanceCount: count == null ? undefined : Number(count),
    ...(shmSize === undefined ? {} : { shmSize }),
  };
}

/** Of a part that has fields of its own; none where it is left out. */
function partIn(value: unknown, at: string): Fields {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrong(at, 'has fields of its own');
  return value;
}

const kinds: Readonly<Record<string, string>> = { pytorch: 'PyTorch', mpi: 'Mpi', tensorflow: 'TensorFlow' };
const counts: Readonly<Record<string, string>> = {
  process_count_per_instance: 'processCountPerInstance',
  worker_count: 'workerCount',
  parameter_server_count: 'parameterServerCount',
};

/** With the names of YAML, as clients write it in components. What of it one node can do, jobs say. */
export function distributionIn(said: unknown): Readonly<Record<string, unknown>> | undefined {
  const value = partIn(said, 'distribution');
  if (Object.keys(value).length === 0) return undefined;
  only(value, 'distribution', ['type', 'distribution_type', ...Object.keys(counts)]);
  const kind = String(value['type'] ?? value['distribution_type']).toLowerCase();
  if (!Object.hasOwn(kinds, kind)) throw wrong('distribution.type', `must be one of ${Object.keys(kinds).join(', ')}`);
  const given = Object.entries(counts).filter(([name]) => value[name] !== undefined && value[name] !== null);
  for (const [name] of given)
    if (!/^\d{1,6}$/.test(String(value[name]))) throw wrong(`distribution.${name}`, 'is a whole number');
  return {
    distributionType: kinds[kind],
    ...Object.fromEntries(given.map(([name, told]) => [told, Number(value[name])])),
  };
}

const modes: Readonly<Record<string, string>> = {
  ro_mount: 'ReadOnlyMount',
  rw_mount: 'ReadWriteMount',
  download: 'Download',
  upload: 'Upload',
  direct: 'Direct',
};
/** A mode as YAML writes it, by its name on the wire. */
export const modeNamed = (mode: string): string => modes[mode] ?? mode;
