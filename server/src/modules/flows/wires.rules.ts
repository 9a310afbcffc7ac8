// What is wired in a pipeline fits: names, types and bounds, through every level. Of a component of the type pipeline it is held to the
// types that its inputs are said to have, of a pipeline that runs to what they were given. Pure.

import {
  type Component,
  type ComponentInput,
  checkValue,
  commandWith,
  isValueType,
  type PipelineComponent,
} from '#assets';
import { flowsFailures } from './flows.errors.ts';
import { checkParallel } from './parallel-step.rules.ts';
import { everything, type Pipeline, stepsIn } from './pipeline.rules.ts';
import { type Binding, isGiven, type Step } from './steps.rules.ts';

const refuse = flowsFailures.FlowValidationError;

/** An input of a pipeline, as its steps see it. */
export type Source = {
  readonly type: string;
  /** Of a value that is known. */
  readonly value?: string;
  /** It may be that nothing is given. */
  readonly isOptional?: true;
  /** It was given, and holds nothing. */
  readonly isMissing?: true;
};

export type Wired = {
  readonly steps: readonly Step[];
  readonly sources: Readonly<Record<string, Source>>;
  /** Their types by name, where they are known. */
  readonly outputs: Readonly<Record<string, string | undefined>>;
};

/** What a pipeline is that runs. */
export const wiredOf = ({ steps, given, outputs, job }: Pipeline): Wired => ({
  steps,
  outputs: Object.fromEntries(outputs.map((name) => [name, job.outputs?.[name]?.jobOutputType])),
  sources: Object.fromEntries(
    Object.entries(given).map(([name, { jobInputType, value, uri }]): [string, Source] => [
      name,
      jobInputType === 'literal'
        ? { type: 'string', ...(value === undefined ? { isMissing: true } : { value: String(value) }) }
        : { type: jobInputType, ...(uri === undefined ? { isMissing: true } : {}) },
    ]),
  ),
});

/** What it is whoever runs it. */
export const wiredIn = ({ jobs, inputs, outputs }: PipelineComponent): Wired => ({
  steps: stepsIn(jobs),
  outputs: Object.fromEntries(Object.entries(outputs).map(([name, { type }]) => [name, type])),
  sources: Object.fromEntries(
    Object.entries(inputs).map(([name, { type, isOptional, default: usual }]): [string, Source] => [
      name,
      { type, ...(isOptional && usual === undefined ? { isOptional } : {}) },
    ]),
  ),
});

const at = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

/** A command that stands in a step, as a component: its inputs are those that it is given, its outputs those that it names. */
export function inlineSpec(step: Step, { sources, outputs }: Wired): Readonly<Record<string, unknown>> {
  const typeOf = (binding: Binding): string => {
    if (binding.from === 'data') return binding.input.jobInputType;
    if (binding.from === 'step') return 'uri_folder';
    return (binding.from === 'input' ? at(sources, binding.name)?.type : undefined) ?? 'string';
  };
  return {
    ...step.inline,
    inputs: Object.fromEntries(Object.entries(step.inputs).map(([name, binding]) => [name, { type: typeOf(binding) }])),
    outputs: Object.fromEntries(
      Object.entries(step.outputs).map(([name, { type, to }]) => [
        name,
        { type: type ?? (to === undefined ? undefined : at(outputs, to)) ?? 'uri_folder' },
      ]),
    ),
  };
}

/** What a pipeline is given fits the component that it is. */
export function checkGiven({ job, given }: Pipeline, component: PipelineComponent): void {
  const names = Object.keys(component.inputs);
  for (const [name, input] of Object.entries(given)) {
    const wanted = at(component.inputs, name);
    if (wanted === undefined)
      throw refuse(`inputs.${name}`, `The component does not take '${name}'. It takes ${listed(names)}.`);
    if ((input.jobInputType === 'literal') !== isValueType(wanted.type))
      throw refuse(`inputs.${name}`, `The input '${name}' of the component is of the type ${wanted.type}.`);
    if (input.jobInputType === 'literal') checkValue(wanted, String(input.value ?? ''), `inputs.${name}`);
  }
  for (const [name, { isOptional }] of Object.entries(component.inputs))
    if (!isOptional && at(given, name) === undefined)
      throw refuse('inputs', `The component needs the input '${name}'.`);
  const stray = Object.keys(job.outputs ?? {}).find((name) => !Object.hasOwn(component.outputs, name));
  if (stray !== undefined) throw refuse(`outputs.${stray}`, `The component has no output '${stray}'.`);
}

/** Everything that can be wrong with the wires, before a step is made. */
export function checkWires(wired: Wired, components: Readonly<Record<string, Component>>): void {
  const { steps, outputs } = wired;
  const wiredOutputs = new Map<string, string>();
  for (const step of steps) {
    const component = components[step.name];
    if (component === undefined) continue;
    checkType(step, component);
    const where = `jobs.${step.name}`;
    for (const [name, binding] of Object.entries(step.inputs)) {
      const input = at(component.inputs, name);
      if (input === undefined)
        throw refuse(
          `${where}.inputs.${name}`,
          `The step '${step.name}' is given '${name}', which its component does not take. It takes ${listed(Object.keys(component.inputs))}.`,
        );
      checkBinding(binding, input, `${where}.inputs.${name}`, wired.sources, components);
    }
    for (const [name, input] of Object.entries(component.inputs))
      if (!isGiven(step, component, name) && !input.isOptional)
        throw refuse(`${where}.inputs`, `The step '${step.name}' needs the input '${name}'.`);
    if (component.type === 'command') commandWith(component, (name) => isGiven(step, component, name));
    if (component.type === 'parallel') checkParallel(step, component);
    checkCompute(step, wired.sources);
    checkSearched(step, component);
    for (const [name, { to, type, uri, asset }] of Object.entries(step.outputs)) {
      if (!Object.hasOwn(component.outputs, name) && !(component.type !== 'pipeline' && everything.includes(name)))
        throw refuse(
          `${where}.outputs.${name}`,
          `The step '${step.name}' has the output '${name}', which its component has not. It has ${listed(Object.keys(component.outputs))}.`,
        );
      if (!Object.hasOwn(component.outputs, name) && (uri ?? asset.assetName ?? asset.assetVersion) !== undefined)
        throw refuse(
          `${where}.outputs.${name}`,
          `'${name}' is all that the step '${step.name}' leaves, which has no place of its own and becomes no asset. Name one of its outputs.`,
        );
      const own = at(component.outputs, name)?.type;
      // Folders differ by what they are called; a file is another path that the command writes to.
      if (own !== undefined && type !== undefined && (own === 'uri_file') !== (type === 'uri_file'))
        throw refuse(
          `${where}.outputs.${name}`,
          `The step '${step.name}' says that its output '${name}' is of the type ${type}, and its component that it is of the type ${own}. Leave the type out, or register a component with the other one.`,
        );
      if (to === undefined) continue;
      if (!Object.hasOwn(outputs, to))
        throw refuse(
          `${where}.outputs.${name}`,
          `The output '${name}' of the step '${step.name}' is wired to '${to}', and the pipeline has no such output.`,
        );
      const other = wiredOutputs.get(to);
      if (other !== undefined)
        throw refuse(
          `outputs.${to}`,
          `The output '${to}' of the pipeline is wired to both '${other}' and '${step.name}'.`,
        );
      wiredOutputs.set(to, step.name);
    }
  }
  const loose = Object.keys(outputs).find((name) => !wiredOutputs.has(name));
  if (loose !== undefined)
    throw refuse(`outputs.${loose}`, `The output '${loose}' of the pipeline is wired to no step.`);
}

/** A sweep is one of a command. */
function checkType({ name, type }: Step, component: Component): void {
  const wanted = type === 'sweep' ? 'command' : type;
  if (wanted === undefined || wanted === component.type) return;
  const what = type === 'sweep' ? 'a sweep tries a component of the type command' : `the step says the type ${type}`;
  throw refuse(
    `jobs.${name}.type`,
    `The component of the step '${name}' is of the type ${component.type}, and ${what}.`,
  );
}

function checkCompute({ name, computeInput }: Step, sources: Wired['sources']): void {
  if (computeInput === undefined) return;
  const source = at(sources, computeInput);
  if (source !== undefined && isValueType(source.type) && source.isOptional !== true) return;
  throw refuse(
    `jobs.${name}.compute_id`,
    `The step '${name}' takes its compute from the input '${computeInput}' of the pipeline, which ${source === undefined ? `has ${listed(Object.keys(sources))}` : 'may be no name of one'}.`,
  );
}

/** What is searched is an input that takes a value, and is given by nothing else. */
function checkSearched(step: Step, component: Component): void {
  for (const name of Object.keys(step.searched?.searchSpace ?? {})) {
    const where = `jobs.${step.name}.search_space.${name}`;
    const input = at(component.inputs, name);
    if (input === undefined || !isValueType(input.type))
      throw refuse(where, `The step '${step.name}' searches '${name}', which is no value that its component takes.`);
    if (Object.hasOwn(step.inputs, name))
      throw refuse(where, `The step '${step.name}' both searches '${name}' and is given it. Leave one out.`);
  }
}

function checkBinding(
  binding: Binding,
  wanted: ComponentInput,
  where: string,
  sources: Wired['sources'],
  components: Readonly<Record<string, Component>>,
): void {
  const { type: given, value, isOptional } = sourceOf(binding, where, sources, components);
  const { type } = wanted;
  if (isValueType(given) !== isValueType(type))
    throw refuse(where, `${where} is of the type ${type}, and is given ${isValueType(given) ? 'a value' : 'files'}.`);
  if (isOptional === true && !wanted.isOptional && wanted.default === undefined)
    throw refuse(
      where,
      `${where} needs a value, and the input of the pipeline that it takes is optional. Give that a default, or leave its optional out.`,
    );
  if (value !== undefined) checkValue(wanted, value, where);
}

/** What an input of a step is wired to. */
function sourceOf(
  binding: Binding,
  where: string,
  sources: Wired['sources'],
  components: Readonly<Record<string, Component>>,
): Source {
  if (binding.from === 'literal') return { type: 'string', value: binding.value };
  if (binding.from === 'data') return { type: binding.input.jobInputType };
  if (binding.from === 'input') {
    const source = at(sources, binding.name);
    if (source?.isMissing === true)
      throw refuse(
        `inputs.${binding.name}`,
        `The input '${binding.name}' of the pipeline has no ${isValueType(source.type) ? 'value' : 'uri'}, and ${where} takes it.`,
      );
    if (source !== undefined) return source;
    throw refuse(
      where,
      `${where} takes the input '${binding.name}' of the pipeline, which has ${listed(Object.keys(sources))}.`,
    );
  }
  const other = components[binding.step];
  const outputs = other?.outputs ?? {};
  if (Object.hasOwn(outputs, binding.output)) return { type: 'uri_folder' };
  if (other?.type !== 'pipeline' && everything.includes(binding.output)) return { type: 'uri_folder' };
  throw refuse(
    where,
    `${where} takes the output '${binding.output}' of the step '${binding.step}', which has ${listed(Object.keys(outputs))}.`,
  );
}
