// The job that a step is: a command, a sweep of one, or a pipeline of its own; and what makes it the same as one that was done
// before. Pure.

import type { CommandJob, JobInput } from '@strongroom/contract/jobs';
import type { PipelineJob } from '@strongroom/contract/pipelines';
import { collectionAndName, fillPlaceholders } from '@strongroom/contract/placeholders';
import type { SweepJob } from '@strongroom/contract/sweeps';
import { type CommandComponent, type Component, commandWith, modeNamed, type ParallelComponent } from '#assets';
import { isPlaced } from '#jobs';
import { flowsFailures } from './flows.errors.ts';
import { parallelRun } from './parallel-step.rules.ts';
import type { Part } from './parts.types.ts';
import { everything, type Pipeline, type PipelineFlow, type Places, placeAsked } from './pipeline.rules.ts';
import { type Binding, computeIn, isGiven, isSearched, type Step } from './steps.rules.ts';

export type StepJob = CommandJob | SweepJob | PipelineJob;

/** What each step of a pipeline runs. */
export type Running = Readonly<Record<string, Pick<Part, 'component' | 'codeUri'>>>;
/** What of a pipeline's state its steps are made with. */
export type Fixed = { readonly running: Running; readonly inputs: PipelineFlow['inputs'] };

const partOf = (running: Running, step: Step): Running[string] => {
  const part = running[step.name];
  if (part === undefined)
    throw flowsFailures.FlowValidationError(`jobs.${step.name}`, `The step '${step.name}' has nothing to run.`);
  return part;
};

export function stepOf(pipeline: Pipeline, step: Step, fixed: Fixed, placeOf: Places): StepJob {
  const { name, job, settings } = pipeline;
  const { component } = partOf(fixed.running, step);
  const inputs: [string, JobInput][] = [];
  for (const [input, { default: usual, mode }] of Object.entries(component.inputs)) {
    const binding = step.inputs[input];
    if (binding !== undefined)
      inputs.push([input, inputOf({ binding, mode }, `${step.name}.${input}`, pipeline, fixed, placeOf)]);
    else if (usual !== undefined && !isSearched(step, input))
      inputs.push([input, { jobInputType: 'literal', value: usual }]);
  }
  const outputs = Object.entries(component.outputs)
    .filter(([output]) => !everything.includes(output))
    .map(([output, { type, mode: own }]) => {
      const { to, mode: asked, type: said = type, asset } = step.outputs[output] ?? {};
      const mode = asked ?? (to === undefined ? undefined : job.outputs?.[to]?.mode) ?? own;
      const uri = placeAsked(pipeline, step, output);
      const place = uri === undefined ? {} : { uri };
      return [
        output,
        { jobOutputType: said, ...place, ...asset, ...(mode === undefined ? {} : { mode: modeNamed(mode) }) },
      ] as const;
    });
  const common = {
    displayName: step.displayName ?? step.name,
    ...(job.experimentName === undefined ? {} : { experimentName: job.experimentName }),
    parentJobName: name,
    inputs: Object.fromEntries(inputs),
    outputs: Object.fromEntries(outputs),
    tags: step.tags,
    ...(step.description === undefined ? {} : { description: step.description }),
    ...(Object.keys(step.properties).length === 0 ? {} : { properties: step.properties }),
  };
  if (component.type === 'pipeline')
    return {
      jobType: 'Pipeline',
      ...common,
      ...(step.componentId === undefined ? {} : { componentId: step.componentId }),
      // As in Azure, only the settings of the outermost one count.
      settings: {
        ...(settings.defaultComputeId === undefined ? {} : { default_compute: settings.defaultComputeId }),
        ...(settings.outputDatastore === undefined ? {} : { default_datastore: settings.outputDatastore }),
        continue_on_step_failure: settings.continueOnStepFailure,
        force_rerun: settings.forceRerun,
      },
    };
  const computeId = computeOf(pipeline, step);
  const whole = { ...common, ...(computeId === undefined ? {} : { computeId }) };
  return component.type === 'parallel' ? parallelOf(step, component, whole) : commandOf(step, component, whole);
}

/** The name that an input gives is of a compute of the workspace. */
function computeOf({ given, workspaceId, settings }: Pipeline, { computeId, computeInput }: Step): string | undefined {
  if (computeInput === undefined) return computeId ?? settings.defaultComputeId;
  const named = computeIn(String(given[computeInput]?.value ?? ''));
  return named === undefined || named === 'serverless' || named.includes('/')
    ? named
    : `${workspaceId}/computes/${named}`;
}

type Common = Pick<
  CommandJob,
  | 'displayName'
  | 'experimentName'
  | 'parentJobName'
  | 'inputs'
  | 'outputs'
  | 'tags'
  | 'description'
  | 'properties'
  | 'computeId'
>;

function commandOf(step: Step, component: CommandComponent, common: Common): CommandJob | SweepJob {
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

/** A command that runs the function: see parallel-step.rules.ts. */
function parallelOf(step: Step, component: ParallelComponent, common: Common): CommandJob {
  const { codeId, environmentId, shmSize } = component;
  const resources = { ...(shmSize === undefined ? {} : { shmSize }), ...step.resources };
  return {
    jobType: 'Command',
    ...common,
    ...parallelRun(step, component, common.inputs ?? {}),
    ...(codeId === undefined ? {} : { codeId }),
    ...(environmentId === undefined ? {} : { environmentId }),
    environmentVariables: step.environmentVariables,
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    ...(step.timeout === undefined ? {} : { limits: { jobLimitsType: 'Command', timeout: step.timeout } }),
  };
}

/** Data are what is given: the command of a component that takes a folder gets a file where it is given one, as in Azure. */
function inputOf(
  { binding, mode: own }: { readonly binding: Binding; readonly mode: string | undefined },
  key: string,
  { given }: Pipeline,
  { running, inputs: snapshots }: Fixed,
  placeOf: Places,
): JobInput {
  if (binding.from === 'literal') return { jobInputType: 'literal', value: binding.value };
  if (binding.from === 'step') {
    const type = typeOfOutput(running[binding.step]?.component, binding.output);
    return dataInput(type, placeOf(binding.step, binding.output), binding.mode ?? own);
  }
  if (binding.from === 'data') {
    const { jobInputType, uri = '', mode } = binding.input;
    return dataInput(jobInputType, snapshots[key] ?? uri, mode ?? own);
  }
  const input = given[binding.name];
  if (input === undefined || input.jobInputType === 'literal')
    return { jobInputType: 'literal', value: input?.value ?? '' };
  return dataInput(input.jobInputType, snapshots[binding.name] ?? input.uri ?? '', binding.mode ?? input.mode ?? own);
}

const typeOfOutput = (component: Component | undefined, output: string): string =>
  (everything.includes(output) ? undefined : component?.outputs[output]?.type) ?? 'uri_folder';

const dataInput = (type: string, uri: string, mode: string | undefined): JobInput =>
  ({ jobInputType: type, uri, ...(mode === undefined ? {} : { mode: modeNamed(mode) }) }) as JobInput; // a type of the component's, held to the schema when the job is made

/**
 * What makes a step the same as one that was done before, as text to take a digest of: what it runs, and what it is given. Outputs of
 * other steps are the same when they lie in the same job. Undefined where that cannot be told, or is not so by its component; of a
 * pipeline each step is asked for itself.
 */
export function contentOf(pipeline: Pipeline, step: Step, fixed: Fixed, placeOf: Places): string | undefined {
  const { component, codeUri } = partOf(fixed.running, step);
  if (pipeline.settings.forceRerun || step.searched !== undefined) return undefined;
  if (component.type === 'pipeline' || !component.isDeterministic) return undefined;
  const isFixed = Object.entries(step.inputs).every(([name, binding]) => {
    if (binding.from === 'data') return fixed.inputs[`${step.name}.${name}`] !== undefined;
    if (binding.from !== 'input') return true;
    return pipeline.given[binding.name]?.jobInputType === 'literal' || fixed.inputs[binding.name] !== undefined;
  });
  if (!isFixed) return undefined;
  // Who asks for an asset gets one of this pipeline.
  if (Object.values(step.outputs).some(({ asset }) => asset.assetName !== undefined)) return undefined;
  const job = stepOf(pipeline, step, fixed, placeOf);
  if (job.jobType !== 'Command') return undefined;
  const { command, environmentId, environmentVariables, inputs = {}, outputs = {}, distribution } = job;
  // What lies at a place of its own others write too: what was read or left there before is not known to be there still.
  const [reads, leaves] = [inputs, outputs].map((all) => Object.values(all).map(({ uri = '' }) => uri));
  if (reads?.some(isPlaced) || leaves?.some((uri) => uri !== '')) return undefined;
  const sorted = (fields: object | undefined) => Object.entries(fields ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    command,
    codeUri ?? null,
    environmentId ?? null,
    sorted(environmentVariables),
    distribution ?? null,
    sorted(inputs),
    sorted(outputs),
  ]);
}
