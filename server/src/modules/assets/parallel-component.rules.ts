// A component of the type parallel: a function of a script that is run over an input in mini-batches, several at a time. Its
// settings may be said again by the step that runs it. Pure.

import { collectionAndName, placeholdersIn } from '@strongroom/contract/placeholders';
import {
  type ComponentInput,
  type Face,
  type Fields,
  idOf,
  isValueType,
  only,
  partIn,
  textOf,
  wrong,
  yesOrNo,
} from './component-parts.rules.ts';

export type ParallelSettings = {
  readonly instanceCount?: number;
  /** Processes at once for each instance. */
  readonly maxConcurrency?: number;
  /** Files, or bytes of a table. */
  readonly miniBatchSize?: number;
  readonly partitionKeys?: readonly string[];
  readonly maxRetries?: number;
  /** Of one call of `run`. */
  readonly timeoutSeconds?: number;
  /** How many items may fail; -1: any number. */
  readonly errorThreshold?: number;
  /** The same of mini-batches. */
  readonly miniBatchErrorThreshold?: number;
  readonly loggingLevel?: 'DEBUG' | 'INFO' | 'WARNING';
};

export type ParallelComponent = Face & {
  readonly type: 'parallel';
  readonly codeId: string | undefined;
  readonly environmentId: string | undefined;
  readonly isDeterministic: boolean;
  readonly shmSize?: string;
  readonly task: ParallelTask;
  readonly settings: ParallelSettings;
};
export type ParallelTask = {
  readonly entryScript: string;
  /** Words of the script's command line, with placeholders. */
  readonly programArguments: string;
  /** The input that is split. */
  readonly inputData: string;
  /** Where what `run` returns goes: an output, and a place in it. */
  readonly appendRowTo: { readonly output: string; readonly file: string } | undefined;
};

/** The fields of a component, and of a step, that are settings. */
export const parallelSettings: readonly string[] = [
  ...['mini_batch_size', 'partition_keys', 'max_concurrency_per_instance', 'retry_settings'],
  ...['error_threshold', 'mini_batch_error_threshold', 'logging_level'],
];

/** @throws Failure `invalid` */
export function readParallel(spec: Fields, face: Face): ParallelComponent {
  const { instance_count: instances, ...resources } = partIn(spec['resources'], 'resources');
  only(resources, 'resources', ['instance_type', 'properties', 'shm_size']);
  const shmSize = textOf(resources['shm_size'], 'resources.shm_size', 32);
  const task = partIn(spec['task'], 'task');
  return {
    type: 'parallel',
    ...face,
    codeId: idOf(task['code'] ?? spec['code'], 'task.code'),
    environmentId: idOf(task['environment'] ?? spec['environment'], 'task.environment'),
    isDeterministic: yesOrNo(spec['is_deterministic'], 'is_deterministic') ?? true,
    ...(shmSize === undefined ? {} : { shmSize }),
    task: taskIn(task, spec['input_data'], face),
    settings: parallelSettingsIn({ ...spec, instance_count: instances }),
  };
}

export function taskIn(task: Fields, inputData: unknown, face: Face): ParallelTask {
  only(task, 'task', ['type', 'code', 'entry_script', 'program_arguments', 'append_row_to', 'environment']);
  if (task['type'] !== 'run_function')
    throw wrong('task.type', "is not served: 'run_function' is, a script that has the function run(mini_batch)");
  const entryScript = textOf(task['entry_script'], 'task.entry_script', 512) ?? '';
  if (!/^(?:\.\/)?(?:[\w.-]+\/)*[\w.-]+\.py$/.test(entryScript) || entryScript.split('/').includes('..'))
    throw wrong('task.entry_script', 'is a file of Python in the code: a path of letters, digits, dots and hyphens');
  const programArguments = textOf(task['program_arguments'], 'task.program_arguments', 8_192) ?? '';
  for (const inner of placeholdersIn(programArguments)) checkKnown(face, inner, 'task.program_arguments');
  const [, name] = /^\$\{\{\s*inputs\.([\w.-]{1,255})\s*\}\}$/.exec(textOf(inputData, 'input_data', 512) ?? '') ?? [];
  const input: ComponentInput | undefined =
    name !== undefined && Object.hasOwn(face.inputs, name) ? face.inputs[name] : undefined;
  if (name === undefined || input === undefined || isValueType(input.type) || input.isOptional)
    throw wrong('input_data', `is the input of files that is split: \${{inputs.NAME}} of one that is always given`);
  return { entryScript, programArguments, inputData: name, appendRowTo: appendIn(task['append_row_to'], face) };
}

function appendIn(said: unknown, face: Face): ParallelTask['appendRowTo'] {
  const text = textOf(said, 'task.append_row_to', 512);
  if (text === undefined || text === '') return undefined;
  const [, output, file = ''] = /^\$\{\{\s*outputs\.([\w.-]{1,255})\s*\}\}((?:\/[\w-][\w.-]*)*)$/.exec(text) ?? [];
  if (output === undefined || !Object.hasOwn(face.outputs, output))
    throw wrong('task.append_row_to', `is an output, and perhaps a file in it: \${{outputs.NAME}}/rows.csv`);
  if (face.outputs[output]?.type === 'uri_file' && file !== '')
    throw wrong('task.append_row_to', `is a file in the output '${output}', which is a file itself`);
  return { output, file };
}

function checkKnown({ inputs, outputs }: Face, inner: string, at: string): void {
  const { collection, name } = collectionAndName(inner);
  const all: object = collection === 'inputs' ? inputs : collection === 'outputs' ? outputs : {};
  if (!Object.hasOwn(all, name)) throw wrong(at, `holds \${{${inner.slice(0, 100)}}}, which the component has not`);
}

/** As they stand in a component or a step, in the words of YAML; numbers may be text. What is absent is not said. */
export function parallelSettingsIn(fields: Fields): ParallelSettings {
  const retries = partIn(fields['retry_settings'], 'retry_settings');
  only(retries, 'retry_settings', ['timeout', 'max_retries']);
  // Clients send 0 for a size that was not said.
  const size = sizeIn(fields['mini_batch_size']) || undefined;
  const level = textOf(fields['logging_level'], 'logging_level', 16)
    ?.toUpperCase()
    .replace(/^WARN$/, 'WARNING');
  if (level !== undefined && level !== 'DEBUG' && level !== 'INFO' && level !== 'WARNING')
    throw wrong('logging_level', 'is one of DEBUG, INFO, WARNING');
  const said = {
    instanceCount: wholeIn(fields['instance_count'], 'resources.instance_count', 1, 64),
    maxConcurrency: wholeIn(fields['max_concurrency_per_instance'], 'max_concurrency_per_instance', 1, 64),
    miniBatchSize: size,
    partitionKeys: keysIn(fields['partition_keys']),
    maxRetries: wholeIn(retries['max_retries'], 'retry_settings.max_retries', 0, 100),
    timeoutSeconds: wholeIn(retries['timeout'], 'retry_settings.timeout', 1, 259_200),
    errorThreshold: wholeIn(fields['error_threshold'], 'error_threshold', -1, 2 ** 31),
    miniBatchErrorThreshold: wholeIn(fields['mini_batch_error_threshold'], 'mini_batch_error_threshold', -1, 2 ** 31),
    loggingLevel: level,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

function wholeIn(value: unknown, at: string, least: number, most: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  const number = /^-?\d{1,10}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (!(number >= least && number <= most)) throw wrong(at, `is a whole number from ${least} to ${most}`);
  return number;
}

const units: Readonly<Record<string, number>> = { '': 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

function sizeIn(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const [, count, unit = ''] = /^(\d{1,10})(kb|mb|gb)?$/i.exec(String(value)) ?? [];
  if (count === undefined) throw wrong('mini_batch_size', 'is a number of files, or a size of a table such as 10kb');
  return Number(count) * (units[unit.toLowerCase()] ?? 1);
}

/** A list, or the text of one, as clients send it. */
function keysIn(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const list = typeof value === 'string' ? listIn(value) : value;
  const isRight =
    Array.isArray(list) &&
    list.length > 0 &&
    list.length <= 20 &&
    list.every((key) => typeof key === 'string' && key !== '' && key.length <= 256 && !key.includes('${{'));
  if (!isRight) throw wrong('partition_keys', 'is a list of 1 to 20 names of columns');
  return list;
}

function listIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
