// What a pipeline is: steps in an order that their wires give, and how the whole ended. Pure.

import type { JobEnd, JobInput } from '@strongroom/contract/jobs';
import type { PipelineJob } from '@strongroom/contract/pipelines';
import type { PipelineComponent } from '#assets';
import {
  type FlowState,
  nameToBe,
  type OutputPlace,
  outputUri,
  overlap,
  placeOf,
  placeUri,
  withDatastore,
} from '#jobs';
import type { Closing } from './closing.types.ts';
import { flowsFailures } from './flows.errors.ts';
import { type Fields, readSettings, readSteps, type Settings, type Step, stepsMax } from './steps.rules.ts';

const refuse = flowsFailures.FlowValidationError;

export type StepState = {
  readonly end?: JobEnd | 'Gone';
  readonly error?: string;
  /** Of a pipeline that failed by its own steps: those. */
  readonly lost?: readonly Lost[];
  /** The job that holds the outputs of the step, where it is not the step's own: the best trial of a sweep. */
  readonly holder?: string;
  /** Where its outputs are, by name, where they lie in several jobs: of a pipeline. */
  readonly uris?: Readonly<Record<string, string>>;
  /** Nothing was run: the outputs are those of the holder. */
  readonly isReused?: true;
  /** What of a step makes it the same as another. */
  readonly digest?: string;
};

/** A step that failed, was canceled or removed. */
export type Lost = {
  /** With the steps that it stands in: `prepare.train`. */
  readonly path: string;
  readonly job: string;
  readonly end: JobEnd | 'Gone';
  readonly error?: string;
};

export type PipelineFlow = FlowState & {
  /** The name of the outermost pipeline: with it is kept what all of them run. */
  readonly root: string;
  /** Where what it is stands in a component: that, by its digest among the parts of the root. */
  readonly self?: string;
  /** What each step runs, as it was when the root was accepted: by its digest. */
  readonly parts: Readonly<Record<string, string>>;
  /** Snapshot URIs of what comes from outside: by `input`, and by `step.input`. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Those that were begun: stored before their job is made. */
  readonly steps: Readonly<Record<string, StepState>>;
  readonly closing?: Closing;
};

export type Pipeline = {
  readonly name: string;
  readonly workspaceId: string;
  readonly job: PipelineJob;
  readonly settings: Settings;
  /** By the names of its inputs: what was given, or what its component says where nothing was. */
  readonly given: Readonly<Record<string, JobInput>>;
  /** The names of its outputs. */
  readonly outputs: readonly string[];
  /** Every step behind those that it needs. What is wired to an input that was not given is given nothing. */
  readonly steps: readonly Step[];
};

export const stepJobName = (pipelineName: string, step: string): string => `${pipelineName}_${step}`;

/** Of one step, all that a job leaves. Azure's names for it, whatever other outputs the step has. */
export const everything: readonly string[] = ['artifacts', 'default'];

/** @param component what it is, where the job does not say it itself */
export function readPipeline(
  name: string,
  workspaceId: string,
  job: PipelineJob,
  component: PipelineComponent | undefined,
): Pipeline {
  const given = { ...defaultsOf(component), ...job.inputs };
  const isAbsent = (input: string) =>
    component !== undefined && Object.hasOwn(component.inputs, input) && !Object.hasOwn(given, input);
  return {
    name,
    workspaceId,
    job,
    settings: readSettings(job),
    given,
    outputs: Object.keys(component?.outputs ?? job.outputs ?? {}),
    steps: stepsIn(component?.jobs ?? job.jobs ?? {}).map((step) => ({
      ...step,
      inputs: Object.fromEntries(
        Object.entries(step.inputs).filter(([, binding]) => binding.from !== 'input' || !isAbsent(binding.name)),
      ),
    })),
  };
}

const defaultsOf = (component: PipelineComponent | undefined): Readonly<Record<string, JobInput>> =>
  Object.fromEntries(
    Object.entries(component?.inputs ?? {}).flatMap(([name, { default: value }]) =>
      value === undefined ? [] : [[name, { jobInputType: 'literal' as const, value }]],
    ),
  );

/** Every step behind those that it needs. */
export const stepsIn = (jobs: Readonly<Record<string, Fields>>): readonly Step[] => inOrder(readSteps(jobs));

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

/** The place that an output of a step is to have; undefined: it is among the artifacts of the step's job. */
export function placeAsked(
  { job, settings }: Pick<Pipeline, 'job' | 'settings'>,
  step: Step,
  output: string,
): string | undefined {
  const { to, uri = to === undefined ? undefined : job.outputs?.[to]?.uri } = step.outputs[output] ?? {};
  const { outputDatastore } = settings;
  if (outputDatastore === undefined) return uri;
  // As Azure lays out the default datastore.
  return withDatastore(
    uri ?? `azureml://datastores/\${{default_datastore}}/paths/azureml/\${{name}}/\${{output_name}}`,
    outputDatastore,
  );
}

/** Where steps of all levels write that say a place. @param below the steps of the levels that stand in it */
export function writtenBy(pipeline: Pipeline, below: readonly Step[]): readonly OutputPlace[] {
  const places = (step: Step, jobName: string, uriOf: (output: string) => string | undefined) =>
    Object.keys(step.outputs).flatMap((output) => {
      const uri = uriOf(output);
      const place = uri === undefined ? undefined : placeOf({ uri, jobOutputType: 'uri_folder' }, jobName, output);
      return place === undefined ? [] : [place];
    });
  return [
    ...pipeline.steps.flatMap((step) =>
      places(step, stepJobName(pipeline.name, step.name), (output) => placeAsked(pipeline, step, output)),
    ),
    ...below.flatMap((step) => places(step, nameToBe, (output) => step.outputs[output]?.uri)),
  ];
}

/** Those of them that are fixed when the pipeline is accepted: what lies where a step writes is read when its own step begins. */
export const fixedInputs = (
  inputs: Readonly<Record<string, JobInput>>,
  written: readonly OutputPlace[],
): Readonly<Record<string, JobInput>> =>
  Object.fromEntries(
    Object.entries(inputs).filter(([, { uri }]) => {
      const place = placeOf({ ...(uri === undefined ? {} : { uri }), jobOutputType: 'uri_folder' }, '', '');
      return place === undefined || !written.some((other) => overlap(place, other));
    }),
  );

/** What comes from outside of the pipeline, by the keys of `PipelineFlow.inputs`. */
export const outsideInputs = ({
  given,
  steps,
}: Pick<Pipeline, 'given' | 'steps'>): Readonly<Record<string, JobInput>> => ({
  ...Object.fromEntries(Object.entries(given).filter(([, { jobInputType }]) => jobInputType !== 'literal')),
  ...dataOf(steps),
});

/** The data that stand in the steps themselves, by `step.input`. */
export const dataOf = (steps: readonly Step[]): Readonly<Record<string, JobInput>> =>
  Object.fromEntries(
    steps.flatMap((step) =>
      Object.entries(step.inputs).flatMap(([name, binding]) =>
        binding.from === 'data' ? [[`${step.name}.${name}`, binding.input] as const] : [],
      ),
    ),
  );

const isDone = (state: StepState | undefined): boolean => state?.end === 'Completed';
const isLost = (state: StepState | undefined): boolean => state?.end !== undefined && !isDone(state);

/** Steps that may begin now: what they need has completed, and nothing that has failed stops the pipeline. */
export function ready({ steps, settings }: Pipeline, states: PipelineFlow['steps']): readonly Step[] {
  if (!settings.continueOnStepFailure && Object.values(states).some(isLost)) return [];
  return steps.filter((step) => states[step.name] === undefined && needsOf(step).every((need) => isDone(states[need])));
}

/** So many are told of at most. */
const lostTold = 20;

/** What the steps of a pipeline have lost, down to those that are no pipelines. */
export const lostIn = (pipelineName: string, states: PipelineFlow['steps']): readonly Lost[] =>
  Object.entries(states)
    .flatMap(([name, state]): readonly Lost[] => {
      const { end, error, lost } = state;
      if (end === undefined || !isLost(state)) return [];
      if (lost !== undefined) return lost.map((below) => ({ ...below, path: `${name}.${below.path}` }));
      return [{ path: name, job: stepJobName(pipelineName, name), end, ...(error === undefined ? {} : { error }) }];
    })
    .slice(0, lostTold);

export const stepFailed = 'StepFailed';

/** How the pipeline ended, once nothing runs and nothing may begin. */
export function endOf(pipeline: Pick<Pipeline, 'name' | 'steps'>, states: PipelineFlow['steps']): Closing {
  const lost = lostIn(pipeline.name, states);
  if (lost.length === 0) return { status: 'Completed' };
  const left = pipeline.steps.filter(({ name }) => states[name] === undefined).map(({ name }) => name);
  const words = lost.map(({ path, job, end, error }) => {
    const what = end === 'Failed' ? 'failed' : end === 'Gone' ? 'was removed' : 'was canceled';
    return `The step '${path}' (job ${job}) ${what}${error === undefined ? '.' : `: ${error}`}`;
  });
  return {
    status: 'Failed',
    error: {
      code: stepFailed,
      message: `${words.join(' ')}${left.length === 0 ? '' : ` Not begun: ${left.join(', ')}.`}`.slice(0, 4_000),
    },
  };
}

/** Where an output of a step is. */
export type Places = (step: string, output: string) => string;

/** @param states what is known of steps; of others an output is where their own job will leave it */
export const placesIn =
  (pipeline: Pipeline, states: PipelineFlow['steps']): Places =>
  (step, output) => {
    const { uris, holder = stepJobName(pipeline.name, step) } = states[step] ?? {};
    if (everything.includes(output)) return `azureml://jobs/${holder}/outputs/artifacts/paths/`;
    const of = pipeline.steps.find(({ name }) => name === step);
    const asked = of === undefined ? undefined : placeAsked(pipeline, of, output);
    return uris?.[output] ?? placeUri(asked, holder, output) ?? outputUri(holder, output);
  };

/** Where the outputs of the pipeline are: in the jobs of the steps that they are wired to. */
export const outputUris = ({ outputs, steps }: Pipeline, placeOf: Places): Readonly<Record<string, string>> =>
  Object.fromEntries(
    steps.flatMap((step) =>
      Object.entries(step.outputs).flatMap(([output, { to }]) =>
        to !== undefined && outputs.includes(to) ? [[to, placeOf(step.name, output)]] : [],
      ),
    ),
  );
