// What a pipeline is: steps in an order that their wires give, the job that each step is, and how the whole ended. Pure.

import type { CommandJob, JobEnd, JobInput } from '@strongroom/contract/jobs';
import type { PipelineJob } from '@strongroom/contract/pipelines';
import { collectionAndName, fillPlaceholders } from '@strongroom/contract/placeholders';
import type { SweepJob } from '@strongroom/contract/sweeps';
import { type Component, checkValue, commandWith, modeNamed } from '#assets';
import { type FlowState, outputUri, overlap, placeOf, placeUri, withDatastore } from '#jobs';
import type { Closing } from './closing.types.ts';
import { flowsFailures } from './flows.errors.ts';
import {
  type Binding,
  readSettings,
  readSteps,
  type Settings,
  type Step,
  type StepOutput,
  stepsMax,
} from './steps.rules.ts';

const refuse = flowsFailures.FlowValidationError;

export type StepState = {
  readonly end?: JobEnd | 'Gone';
  readonly error?: string;
  /** The job that holds the outputs of the step, where it is not the step's own: the best trial of a sweep. */
  readonly holder?: string;
  /** Nothing was run: the outputs are those of the holder. */
  readonly isReused?: true;
  /** What of a step makes it the same as another. */
  readonly digest?: string;
};

export type PipelineFlow = FlowState & {
  /** What each step runs, as it was when the pipeline was accepted. */
  readonly components: Readonly<Record<string, Component>>;
  /** Snapshot URIs of the code of each step. */
  readonly codes: Readonly<Record<string, string>>;
  /** Snapshot URIs of what comes from outside: by `input`, and by `step.input`. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Those that were begun: stored before their job is made. */
  readonly steps: Readonly<Record<string, StepState>>;
  readonly closing?: Closing;
};

export type Pipeline = {
  readonly name: string;
  readonly job: PipelineJob;
  readonly settings: Settings;
  /** Every step behind those that it needs. */
  readonly steps: readonly Step[];
};

export const stepJobName = (pipelineName: string, step: string): string => `${pipelineName}_${step}`;
export const pipelineNameMax = 150;

/** Of one step, all that a job leaves. Azure's names for it, whatever other outputs the step has. */
const everything: readonly string[] = ['artifacts', 'default'];

export function readPipeline(name: string, job: PipelineJob): Pipeline {
  const steps = readSteps(job);
  return { name, job, settings: readSettings(job), steps: inOrder(steps) };
}

export const needsOf = (step: Step): readonly string[] =>
  Object.values(step.inputs).flatMap((binding) => (binding.from === 'step' ? [binding.step] : []));

/** @throws Failure `invalid` with the names of steps that wait for each other */
function inOrder(steps: readonly Step[]): readonly Step[] {
  const known = new Map(steps.map((step) => [step.name, step]));
  for (const step of steps)
    for (const need of needsOf(step))
      if (!known.has(need))
        throw refuse(
          `jobs.${step.name}.inputs`,
          `The step '${step.name}' takes an output of '${need}', and there is no such step. There are ${[...known.keys()].join(', ')}.`,
        );
  const ordered: Step[] = [];
  const placed = new Set<string>();
  while (ordered.length < steps.length) {
    const ready = steps.filter((step) => !placed.has(step.name) && needsOf(step).every((need) => placed.has(need)));
    if (ready.length === 0)
      throw refuse(
        'jobs',
        `These steps wait for each other: ${circleIn(steps, placed).join(' → ')}. A pipeline has no circle.`,
      );
    for (const step of ready) placed.add(step.name);
    ordered.push(...ready);
  }
  return ordered;
}

/** One circle among the steps that could not be placed, from a step back to itself. */
function circleIn(steps: readonly Step[], placed: ReadonlySet<string>): readonly string[] {
  const left = new Map(steps.filter(({ name }) => !placed.has(name)).map((step) => [step.name, step]));
  const path: string[] = [];
  let [at] = left.keys();
  for (let taken = 0; at !== undefined && taken <= stepsMax; taken++) {
    const begins = path.indexOf(at);
    if (begins >= 0) return [...path.slice(begins), at];
    path.push(at);
    const step: Step | undefined = left.get(at);
    at = step === undefined ? undefined : needsOf(step).find((need) => left.has(need));
  }
  return path;
}

/** A command that stands in a step, as a component: its inputs are those that it is given, its outputs those that it names. */
export function inlineSpec(step: Step, job: PipelineJob): Readonly<Record<string, unknown>> {
  const typeOf = (binding: Binding): string => {
    if (binding.from === 'data') return binding.input.jobInputType;
    if (binding.from === 'step') return 'uri_folder';
    const input = binding.from === 'input' ? job.inputs?.[binding.name] : undefined;
    return input === undefined || input.jobInputType === 'literal' ? 'string' : input.jobInputType;
  };
  const typeLeft = ({ type, to }: StepOutput): string =>
    type ?? (to === undefined ? undefined : job.outputs?.[to]?.jobOutputType) ?? 'uri_folder';
  return {
    type: 'command',
    ...step.inline,
    inputs: Object.fromEntries(Object.entries(step.inputs).map(([name, binding]) => [name, { type: typeOf(binding) }])),
    outputs: Object.fromEntries(
      Object.entries(step.outputs).map(([name, output]) => [name, { type: typeLeft(output) }]),
    ),
  };
}

const isValueType = (type: string): boolean => ['string', 'integer', 'number', 'boolean'].includes(type);

/** Everything that can be wrong with the wires, before a step is made. */
export function checkWires({ job, steps }: Pipeline, components: Readonly<Record<string, Component>>): void {
  const wiredOutputs = new Map<string, string>();
  for (const step of steps) {
    const component = components[step.name];
    if (component === undefined) continue;
    const at = `jobs.${step.name}`;
    for (const [name, binding] of Object.entries(step.inputs)) {
      const input = Object.hasOwn(component.inputs, name) ? component.inputs[name] : undefined;
      if (input === undefined)
        throw refuse(
          `${at}.inputs.${name}`,
          `The step '${step.name}' is given '${name}', which its component does not take. It takes ${listed(Object.keys(component.inputs))}.`,
        );
      checkBinding(binding, input, `${at}.inputs.${name}`, job, components);
    }
    for (const [name, input] of Object.entries(component.inputs))
      if (!isGiven(step, component, name) && !input.isOptional)
        throw refuse(`${at}.inputs`, `The step '${step.name}' needs the input '${name}'.`);
    commandWith(component, (name) => isGiven(step, component, name));
    checkSearched(step, component);
    for (const [name, { to, type }] of Object.entries(step.outputs)) {
      if (!Object.hasOwn(component.outputs, name) && !everything.includes(name))
        throw refuse(
          `${at}.outputs.${name}`,
          `The step '${step.name}' has the output '${name}', which its component has not. It has ${listed(Object.keys(component.outputs))}.`,
        );
      const own = component.outputs[name]?.type;
      // Folders differ by what they are called; a file is another path that the command writes to.
      if (own !== undefined && type !== undefined && (own === 'uri_file') !== (type === 'uri_file'))
        throw refuse(
          `${at}.outputs.${name}`,
          `The step '${step.name}' says that its output '${name}' is of the type ${type}, and its component that it is of the type ${own}. Leave the type out, or register a component with the other one.`,
        );
      if (to === undefined) continue;
      if (!Object.hasOwn(job.outputs ?? {}, to))
        throw refuse(
          `${at}.outputs.${name}`,
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
  for (const name of Object.keys(job.outputs ?? {}))
    if (!wiredOutputs.has(name))
      throw refuse(`outputs.${name}`, `The output '${name}' of the pipeline is wired to no step.`);
}

/** What is searched is an input that takes a value, and is given by nothing else. */
function checkSearched(step: Step, component: Component): void {
  for (const name of Object.keys(step.searched?.searchSpace ?? {})) {
    const at = `jobs.${step.name}.search_space.${name}`;
    const input = Object.hasOwn(component.inputs, name) ? component.inputs[name] : undefined;
    if (input === undefined || !isValueType(input.type))
      throw refuse(at, `The step '${step.name}' searches '${name}', which is no value that its component takes.`);
    if (Object.hasOwn(step.inputs, name))
      throw refuse(at, `The step '${step.name}' both searches '${name}' and is given it. Leave one out.`);
  }
}

const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

const isSearched = ({ searched }: Step, name: string): boolean =>
  searched !== undefined && Object.hasOwn(searched.searchSpace, name);
const isGiven = (step: Step, component: Component, name: string): boolean =>
  Object.hasOwn(step.inputs, name) || isSearched(step, name) || component.inputs[name]?.default !== undefined;

function checkBinding(
  binding: Binding,
  wanted: Component['inputs'][string],
  at: string,
  job: PipelineJob,
  components: Readonly<Record<string, Component>>,
): void {
  const { type } = wanted;
  const needsData = (what: string) => refuse(at, `${at} is of the type ${type}, and is given ${what}.`);
  if (binding.from === 'literal') {
    if (!isValueType(type)) throw needsData('a value');
    checkValue(wanted, binding.value, at);
    return;
  }
  if (binding.from === 'data') {
    if (isValueType(type)) throw needsData('files');
    return;
  }
  if (binding.from === 'input') {
    const input = Object.hasOwn(job.inputs ?? {}, binding.name) ? job.inputs?.[binding.name] : undefined;
    if (input === undefined)
      throw refuse(
        at,
        `${at} takes the input '${binding.name}' of the pipeline, which has ${listed(Object.keys(job.inputs ?? {}))}.`,
      );
    const isValue = input.jobInputType === 'literal';
    if ((isValue ? input.value : input.uri) === undefined)
      throw refuse(
        `inputs.${binding.name}`,
        `The input '${binding.name}' of the pipeline has no ${isValue ? 'value' : 'uri'}, and ${at} takes it.`,
      );
    if (isValue !== isValueType(type)) throw needsData(isValue ? 'a value' : 'files');
    if (isValue) checkValue(wanted, String(input.value), at);
    return;
  }
  const outputs = components[binding.step]?.outputs ?? {};
  const output = Object.hasOwn(outputs, binding.output) ? outputs[binding.output] : undefined;
  if (output === undefined && !everything.includes(binding.output))
    throw refuse(
      at,
      `${at} takes the output '${binding.output}' of the step '${binding.step}', which has ${listed(Object.keys(outputs))}.`,
    );
  if (isValueType(type)) throw needsData('files');
}

/**
 * The job that a step is: a command, or a sweep of one.
 * @param outputsIn the job that holds the outputs of another step
 */
export function stepOf(
  pipeline: Pipeline,
  step: Step,
  flow: Pick<PipelineFlow, 'components' | 'inputs'>,
  outputsIn: (step: string) => string,
): CommandJob | SweepJob {
  const { name, job, settings } = pipeline;
  const component = flow.components[step.name];
  if (component === undefined) throw refuse(`jobs.${step.name}`, `The step '${step.name}' has nothing to run.`);
  const inputs: [string, JobInput][] = [];
  for (const [input, { default: usual, mode }] of Object.entries(component.inputs)) {
    const binding = step.inputs[input];
    if (binding !== undefined)
      inputs.push([input, inputOf({ binding, mode }, `${step.name}.${input}`, flow, pipeline, outputsIn)]);
    else if (usual !== undefined && !isSearched(step, input))
      inputs.push([input, { jobInputType: 'literal', value: usual }]);
  }
  const outputs = Object.entries(component.outputs)
    .filter(([output]) => !everything.includes(output))
    .map(([output, { type, mode: own }]) => {
      const { to, mode: asked, type: said = type } = step.outputs[output] ?? {};
      const mode = asked ?? (to === undefined ? undefined : job.outputs?.[to]?.mode) ?? own;
      const uri = placeAsked({ job, settings }, step, output);
      const place = uri === undefined ? {} : { uri };
      return [
        output,
        { jobOutputType: said, ...place, ...(mode === undefined ? {} : { mode: modeNamed(mode) }) },
      ] as const;
    });
  const computeId = step.computeId ?? settings.defaultComputeId;
  const { codeId, environmentId } = component;
  const distribution = step.distribution ?? component.distribution;
  const resources = {
    ...(component.instanceCount === undefined ? {} : { instanceCount: component.instanceCount }),
    ...(component.shmSize === undefined ? {} : { shmSize: component.shmSize }),
    ...step.resources,
  };
  const { searched } = step;
  const ofTrial = {
    ...(codeId === undefined ? {} : { codeId }),
    ...(environmentId === undefined ? {} : { environmentId }),
    command: commandWith(component, (input) => isGiven(step, component, input)),
    environmentVariables: step.environmentVariables,
    ...(distribution === undefined ? {} : { distribution: distribution as CommandJob['distribution'] & object }), // held to the schema when the job is made
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
  };
  const common = {
    displayName: step.displayName ?? step.name,
    ...(job.experimentName === undefined ? {} : { experimentName: job.experimentName }),
    parentJobName: name,
    ...(computeId === undefined ? {} : { computeId }),
    inputs: Object.fromEntries(inputs),
    outputs: Object.fromEntries(outputs),
    tags: step.tags,
    ...(step.description === undefined ? {} : { description: step.description }),
    ...(Object.keys(step.properties).length === 0 ? {} : { properties: step.properties }),
  };
  if (searched === undefined)
    return {
      jobType: 'Command',
      ...common,
      ...ofTrial,
      ...(step.timeout === undefined ? {} : { limits: { jobLimitsType: 'Command', timeout: step.timeout } }),
    };
  const command = fillPlaceholders(ofTrial.command, (inner) => {
    const { collection, name } = collectionAndName(inner);
    return collection === 'inputs' && isSearched(step, name) ? `\${{search_space.${name}}}` : undefined;
  });
  return { jobType: 'Sweep', ...common, ...searched, trial: { ...ofTrial, command } };
}

/** Data are what is given: the command of a component that takes a folder gets a file where it is given one, as in Azure. */
function inputOf(
  { binding, mode: own }: { readonly binding: Binding; readonly mode: string | undefined },
  key: string,
  { components, inputs: snapshots }: Pick<PipelineFlow, 'components' | 'inputs'>,
  pipeline: Pipeline,
  outputsIn: (step: string) => string,
): JobInput {
  if (binding.from === 'literal') return { jobInputType: 'literal', value: binding.value };
  if (binding.from === 'step') {
    const holder = outputsIn(binding.step);
    if (everything.includes(binding.output))
      return dataInput('uri_folder', `azureml://jobs/${holder}/outputs/artifacts/paths/`, binding.mode ?? own);
    const type = components[binding.step]?.outputs[binding.output]?.type ?? 'uri_folder';
    return dataInput(type, outputOf(pipeline, binding, holder), binding.mode ?? own);
  }
  if (binding.from === 'data') {
    const { jobInputType, uri = '', mode } = binding.input;
    return dataInput(jobInputType, snapshots[key] ?? uri, mode ?? own);
  }
  const input = pipeline.job.inputs?.[binding.name];
  if (input === undefined || input.jobInputType === 'literal')
    return { jobInputType: 'literal', value: input?.value ?? '' };
  return dataInput(input.jobInputType, snapshots[binding.name] ?? input.uri ?? '', binding.mode ?? input.mode ?? own);
}

/** The place that an output of a step is to have; undefined: it is among the artifacts of the step's job. */
function placeAsked({ job, settings }: Pick<Pipeline, 'job' | 'settings'>, step: Step, output: string) {
  const { to, uri = to === undefined ? undefined : job.outputs?.[to]?.uri } = step.outputs[output] ?? {};
  const { outputDatastore } = settings;
  if (outputDatastore === undefined) return uri;
  // As Azure lays out the default datastore.
  return withDatastore(
    uri ?? `azureml://datastores/\${{default_datastore}}/paths/azureml/\${{name}}/\${{output_name}}`,
    outputDatastore,
  );
}

/** Where the output of a step lies. @param holder the job that has left it */
function outputOf(pipeline: Pipeline, of: { readonly step: string; readonly output: string }, holder: string): string {
  const step = pipeline.steps.find(({ name }) => name === of.step);
  const asked = step === undefined ? undefined : placeAsked(pipeline, step, of.output);
  return placeUri(asked, holder, of.output) ?? outputUri(holder, of.output);
}

const dataInput = (type: string, uri: string, mode: string | undefined): JobInput =>
  ({ jobInputType: type, uri, ...(mode === undefined ? {} : { mode: modeNamed(mode) }) }) as JobInput; // a type of the component's, held to the schema when the job is made

/**
 * What makes a step the same as one that was done before, as text to take a digest of: what it runs, and what it is given. Outputs of
 * other steps are the same when they lie in the same job. Undefined where that cannot be told, or is not so by its component.
 */
export function contentOf(
  pipeline: Pipeline,
  step: Step,
  flow: Pick<PipelineFlow, 'components' | 'inputs' | 'codes'>,
  outputsIn: (step: string) => string,
): string | undefined {
  const component = flow.components[step.name];
  if (pipeline.settings.forceRerun || step.searched !== undefined || component?.isDeterministic !== true)
    return undefined;
  // What lies at a place of its own others write too: what was read or left there before is not known to be there still.
  const readsPlaced = Object.values(step.inputs).some((binding) => {
    const from = binding.from === 'step' ? pipeline.steps.find(({ name }) => name === binding.step) : undefined;
    return from !== undefined && binding.from === 'step' && placeAsked(pipeline, from, binding.output) !== undefined;
  });
  const isPlaced = Object.keys(component.outputs).some((output) => placeAsked(pipeline, step, output) !== undefined);
  if (readsPlaced || isPlaced) return undefined;
  const isFixed = Object.entries(step.inputs).every(([name, binding]) => {
    if (binding.from === 'data') return flow.inputs[`${step.name}.${name}`] !== undefined;
    if (binding.from !== 'input') return true;
    return pipeline.job.inputs?.[binding.name]?.jobInputType === 'literal' || flow.inputs[binding.name] !== undefined;
  });
  if (!isFixed) return undefined;
  const { command, environmentId, environmentVariables, inputs, outputs, distribution } = stepOf(
    pipeline,
    step,
    flow,
    outputsIn,
  ) as CommandJob; // none that is searched
  const sorted = (fields: object | undefined) => Object.entries(fields ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    command,
    flow.codes[step.name] ?? null,
    environmentId ?? null,
    sorted(environmentVariables),
    distribution ?? null,
    sorted(inputs),
    sorted(outputs),
  ]);
}

/**
 * What comes from outside of the pipeline, by the keys of `PipelineFlow.inputs`, and is fixed when it is accepted. Left out is what lies where a
 * step writes: that is read when its own step begins, as it is then.
 */
export function outsideInputs(pipeline: Pipeline): Readonly<Record<string, JobInput>> {
  const { job, steps } = pipeline;
  const written = steps.flatMap((step) =>
    Object.keys(step.outputs).flatMap((output) => {
      const uri = placeAsked(pipeline, step, output);
      const place =
        uri === undefined
          ? undefined
          : placeOf({ uri, jobOutputType: 'uri_folder' }, stepJobName(pipeline.name, step.name), output);
      return place === undefined ? [] : [place];
    }),
  );
  const isFixed = ({ uri }: JobInput): boolean => {
    const place = placeOf({ ...(uri === undefined ? {} : { uri }), jobOutputType: 'uri_folder' }, '', '');
    return place === undefined || !written.some((other) => overlap(place, other));
  };
  const own = Object.entries(job.inputs ?? {}).filter(([, { jobInputType }]) => jobInputType !== 'literal');
  const ofSteps = steps.flatMap((step) =>
    Object.entries(step.inputs).flatMap(([name, binding]) =>
      binding.from === 'data' ? [[`${step.name}.${name}`, binding.input] as const] : [],
    ),
  );
  return Object.fromEntries([...own, ...ofSteps].filter(([, input]) => isFixed(input)));
}

const isDone = (state: StepState | undefined): boolean => state?.end === 'Completed';
const isLost = (state: StepState | undefined): boolean => state?.end !== undefined && !isDone(state);

/** Steps that may begin now: what they need has completed, and nothing that has failed stops the pipeline. */
export function ready({ steps, settings }: Pipeline, states: PipelineFlow['steps']): readonly Step[] {
  if (!settings.continueOnStepFailure && Object.values(states).some(isLost)) return [];
  return steps.filter((step) => states[step.name] === undefined && needsOf(step).every((need) => isDone(states[need])));
}

/** How the pipeline ended, once nothing runs and nothing may begin. */
export function endOf({ steps }: Pick<Pipeline, 'steps'>, states: PipelineFlow['steps']): Closing {
  const lost = steps.filter(({ name }) => isLost(states[name]));
  if (lost.length === 0) return { status: 'Completed' };
  const left = steps.filter(({ name }) => states[name] === undefined).map(({ name }) => name);
  const words = lost.map(({ name }) => {
    const { end, error } = states[name] ?? {};
    const what = end === 'Failed' ? 'failed' : end === 'Gone' ? 'was removed' : 'was canceled';
    return `The step '${name}' ${what}${error === undefined ? '.' : `: ${error}`}`;
  });
  return {
    status: 'Failed',
    error: {
      code: 'StepFailed',
      message: `${words.join(' ')}${left.length === 0 ? '' : ` Not begun: ${left.join(', ')}.`}`.slice(0, 4_000),
    },
  };
}

/** Where the outputs of the pipeline are: in the jobs of the steps that they are wired to. */
export function outputUris(pipeline: Pipeline, holderOf: (step: string) => string): Readonly<Record<string, string>> {
  const { job, steps } = pipeline;
  return Object.fromEntries(
    steps.flatMap((step) =>
      Object.entries(step.outputs).flatMap(([output, { to }]) =>
        to !== undefined && Object.hasOwn(job.outputs ?? {}, to)
          ? [[to, outputOf(pipeline, { step: step.name, output }, holderOf(step.name))]]
          : [],
      ),
    ),
  );
}
