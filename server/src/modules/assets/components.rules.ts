// What a component is: something to run with named inputs and outputs, described once. A command runs itself, a function is run in
// parallel over an input, a pipeline is made of steps. Its specification is that of azure-ai-ml, read part by part: what is not known is refused where it stands, and what
// is not served by its name. Pure.

import { collectionAndName, placeholdersIn } from '@strongroom/contract/placeholders';
import { assetsFailures } from './assets.errors.ts';
import {
  type Face,
  type Fields,
  idOf,
  isObject,
  namesOf,
  only,
  partIn,
  readInput,
  readOutput,
  textOf,
  wrong,
  yesOrNo,
} from './component-parts.rules.ts';
import { type ParallelComponent, parallelSettings, readParallel } from './parallel-component.rules.ts';

export type CommandComponent = Face & {
  readonly type: 'command';
  readonly command: string;
  /** Ids of versions, as they were written, without the word in front that clients write. */
  readonly codeId: string | undefined;
  readonly environmentId: string | undefined;
  /** The same inputs give the same outputs. */
  readonly isDeterministic: boolean;
  readonly instanceCount: number | undefined;
  /** As a job says it: how large the shared memory of the command is. */
  readonly shmSize?: string;
  /** As a job says it: how the command is several processes. */
  readonly distribution: Readonly<Record<string, unknown>> | undefined;
};

export type PipelineComponent = Face & {
  readonly type: 'pipeline';
  /** Its steps as they were written. What they say is for who makes pipelines. */
  readonly jobs: Readonly<Record<string, Fields>>;
};

export type Component = CommandComponent | PipelineComponent | ParallelComponent;

/** Told by clients, and of no effect. */
const told = ['$schema', 'name', 'version', 'display_name', 'description', 'tags', '_source', 'properties'];
const ofAll = ['type', 'inputs', 'outputs', 'is_deterministic'];
const served: Readonly<Record<Component['type'], readonly string[]>> = {
  command: [...ofAll, 'command', 'code', 'environment', 'resources', 'distribution'],
  pipeline: [...ofAll, 'jobs'],
  parallel: [...ofAll, 'task', 'input_data', 'code', 'environment', 'resources', ...parallelSettings],
};
const unserved: Readonly<Record<string, string>> = {
  additional_includes: 'clients put these into the code before they send it, and this component has no code',
  successful_return_code: 'a command has succeeded when it ends with 0',
  intellectual_property: 'whoever may read a component reads all of it',
  intellectualProperty: 'whoever may read a component reads all of it',
  sourceJobId: 'a component is what it says, and is not made of a job that ran',
};

/** @throws Failure `invalid` with the part that is wrong */
export function readComponent(spec: Fields): Component {
  const { type } = spec;
  if (type !== 'command' && type !== 'pipeline' && type !== 'parallel')
    throw assetsFailures.ComponentTypeNotServed(String(type));
  for (const [name, value] of Object.entries(spec)) {
    if (value === null || told.includes(name) || served[type].includes(name)) continue;
    if (isObject(value) && Object.keys(value).length === 0) continue;
    // azure-ai-ml has put the files into the code that it uploaded, and says from where; the code is what runs.
    if (name === 'additional_includes' && spec['code'] !== undefined && spec['code'] !== null) continue;
    const because = Object.hasOwn(unserved, name) ? unserved[name] : undefined;
    throw wrong(
      name,
      because === undefined ? `is not a part of a ${type} component` : `is not served: ${because}. Leave it out`,
    );
  }
  const face = {
    inputs: namesOf(spec['inputs'], 'inputs', readInput),
    outputs: namesOf(spec['outputs'], 'outputs', readOutput),
  };
  if (type === 'parallel') return readParallel(spec, face);
  return type === 'command' ? readCommand(spec, face) : readPipeline(spec, face);
}

function readCommand(spec: Fields, face: Face): CommandComponent {
  const command = textOf(spec['command'], 'command', 32_768);
  if (command === undefined || command.trim() === '') throw wrong('command', 'is what a component runs: it needs one');
  const component: CommandComponent = {
    type: 'command',
    ...face,
    command,
    codeId: idOf(spec['code'], 'code'),
    environmentId: idOf(spec['environment'], 'environment'),
    isDeterministic: yesOrNo(spec['is_deterministic'], 'is_deterministic') ?? true,
    ...resourcesIn(spec['resources']),
    distribution: distributionIn(spec['distribution']),
  };
  for (const inner of placeholdersIn(command)) known(component, inner);
  return component;
}

/** Whether its steps are run anew is for each of them to say. */
function readPipeline(spec: Fields, face: Face): PipelineComponent {
  if (yesOrNo(spec['is_deterministic'], 'is_deterministic') === false)
    throw wrong('is_deterministic', 'is for components that run themselves: say it in those that the steps name');
  const { jobs } = spec;
  if (!isObject(jobs)) throw wrong('jobs', 'has the steps, by name');
  const entries = Object.entries(jobs).map(([name, step]): [string, Fields] => {
    if (!isObject(step)) throw wrong(`jobs.${name.slice(0, 100)}`, 'says what the step runs');
    return [name, step];
  });
  return { type: 'pipeline', ...face, jobs: Object.fromEntries(entries) };
}

function known(component: Face, inner: string): { readonly collection: string; readonly name: string } {
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

/** The command with what is given: see `textWith`. */
export const commandWith = (component: CommandComponent, isGiven: (input: string) => boolean): string =>
  textWith(component, component.command, isGiven);

/**
 * A text with what is given: a part in `$[[ … ]]` stays when every optional input in it is given, and goes otherwise.
 * @throws Failure `invalid` where an input that is not given stands outside of one
 */
export function textWith(component: Face, text: string, isGiven: (input: string) => boolean): string {
  const missing = (part: string) =>
    placeholdersIn(part)
      .map((inner) => known(component, inner))
      .filter(({ collection, name }) => collection === 'inputs' && !isGiven(name))
      .map(({ name }) => name);
  const command = text.replace(/\$\[\[((?:(?!\]\]).)*)\]\]/gs, (_, part: string) =>
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

/** Whether that many and that much can be had, jobs say. */
function resourcesIn(value: unknown): Pick<CommandComponent, 'instanceCount' | 'shmSize'> {
  const { instance_count: count, ...fields } = partIn(value, 'resources');
  only(fields, 'resources', ['instance_type', 'properties', 'shm_size']);
  if (count != null && !/^\d{1,6}$/.test(String(count))) throw wrong('resources.instance_count', 'is a whole number');
  const shmSize = textOf(fields['shm_size'], 'resources.shm_size', 32);
  return {
    instanceCount: count == null ? undefined : Number(count),
    ...(shmSize === undefined ? {} : { shmSize }),
  };
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
