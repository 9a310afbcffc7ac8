// The steps of a pipeline as they were written, read part by part: what each runs, and where its inputs come from. What is not
// known is refused where it stands, and what is not served by its name. Pure.

import { assetLabel, type CommandJob, type JobInput } from '@strongroom/contract/jobs';
import type { PipelineJob } from '@strongroom/contract/pipelines';
import {
  type Component,
  type DataType,
  dataTypes,
  distributionIn,
  type ParallelSettings,
  parallelSettings,
  parallelSettingsIn,
} from '#assets';
import { flowsFailures } from './flows.errors.ts';
import { type Searched, searchedIn } from './sweep-step.rules.ts';

export type Binding =
  | { readonly from: 'literal'; readonly value: string }
  | { readonly from: 'data'; readonly input: JobInput }
  | { readonly from: 'input'; readonly name: string; readonly mode: string | undefined }
  | { readonly from: 'step'; readonly step: string; readonly output: string; readonly mode: string | undefined };

export type StepOutput = {
  /** Of which type the step says that it is. */
  readonly type: DataType | undefined;
  /** The output of the pipeline that it is. */
  readonly to: string | undefined;
  /** A place of its own, as it is written. */
  readonly uri: string | undefined;
  readonly mode: string | undefined;
  /** The data asset or model that it becomes. */
  readonly asset: { readonly assetName?: string; readonly assetVersion?: string };
};

/** What a step is; undefined: what its component is. */
export type StepType = 'command' | 'sweep' | 'pipeline' | 'parallel';

export type Step = {
  readonly name: string;
  readonly type: StepType | undefined;
  readonly componentId: string | undefined;
  /** A command that stands in the step itself, as a component would say it. */
  readonly inline: Readonly<Record<string, unknown>> | undefined;
  readonly displayName: string | undefined;
  readonly description: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly computeId: string | undefined;
  /** The input of the pipeline that says the compute instead. */
  readonly computeInput: string | undefined;
  readonly inputs: Readonly<Record<string, Binding>>;
  readonly outputs: Readonly<Record<string, StepOutput>>;
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly timeout: string | undefined;
  readonly resources: Resources;
  /** Where the step says another than its component. */
  readonly distribution: ReturnType<typeof distributionIn>;
  /** Of a step that is parallel: where it says another than its component. */
  readonly parallel: ParallelSettings;
  /** What its component says of its task, as clients say it again beside the component. */
  readonly task: Fields | undefined;
  /** Of a step that is a sweep: what it searches, by the names of inputs of its component. */
  readonly searched: Searched | undefined;
};

export type Settings = {
  readonly defaultComputeId: string | undefined;
  readonly continueOnStepFailure: boolean;
  readonly forceRerun: boolean;
  /** Where outputs go that say no other place; undefined: among the artifacts of their jobs. */
  readonly outputDatastore: string | undefined;
};

export const stepsMax = 200;

export type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isNothing = (value: unknown): boolean =>
  value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
/** Nothing, or an object of nothings. An empty object below a name is something: `{"board": {}}`. */
const asksNothing = (value: unknown): boolean =>
  isNothing(value) || (isObject(value) && Object.values(value).every(isNothing));

const refuse = flowsFailures.FlowValidationError;

/** Clients write some names of a step in camel case and others with underscores. */
const spelled = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );

const ofParallel = ['task', 'input_data', ...parallelSettings];
const ofSweeps = ['trial', 'search_space', 'sampling_algorithm', 'objective', 'early_termination'];
const stepTypes: readonly string[] = ['command', 'sweep', 'pipeline', 'parallel'] satisfies StepType[];
const stepTypesElsewhere: Readonly<Record<string, string>> = {
  automl: 'What trains models by itself is not served: a sweep tries a command of your own',
  spark: 'There is no Spark here',
  import: 'Jobs read from this workspace only: bring the data into it first',
  data_transfer: 'Jobs read from this workspace only: bring the data into it first',
  if_else: 'A pipeline has no branches: every step is run once what it needs is done',
  do_while: 'A pipeline has no loops: a step may be a sweep',
  parallel_for: 'A pipeline has no loops: a step may be a sweep, or parallel over an input',
};
const described = ['name', 'display_name', 'description', 'tags', 'properties', 'comment', '_source', 'type'];
const served = [
  ...['component_id', 'compute_id', 'inputs', 'outputs', 'environment_variables', 'resources', 'limits', 'identity'],
  ...['command', 'code', 'code_id', 'environment', 'environment_id', 'is_deterministic', 'distribution'],
];
/** A pipeline only passes on what it is given: the rest its steps say. */
const ofPipelines = ['component_id', 'inputs', 'outputs'];
const ofComponents = ['code', 'code_id', 'environment', 'environment_id', 'is_deterministic'];
/** Told by every job that is sent with them, and without effect. */
const keptResources = { instance_type: 'instanceType', shm_size: 'shmSize', properties: 'properties' } as const;
type Resources = NonNullable<CommandJob['resources']>;

export function readSteps(jobs: Readonly<Record<string, Fields>>): readonly Step[] {
  const entries = Object.entries(jobs);
  if (entries.length === 0) throw refuse('jobs', 'A pipeline needs a step: name one under jobs.');
  if (entries.length > stepsMax)
    throw refuse(
      'jobs',
      `A pipeline has at most ${stepsMax} steps, and this one has ${entries.length}. Put what belongs together into one command, or into pipelines of their own.`,
    );
  return entries.map(([name, fields]) => readStep(name, spelled(fields)));
}

function readStep(name: string, fields: Fields): Step {
  const at = `jobs.${name}`;
  if (!/^[A-Za-z][A-Za-z0-9_]{0,99}$/.test(name))
    throw refuse(
      'jobs',
      `'${name.slice(0, 100)}' is no name of a step: it begins with a letter and has at most 100 letters, digits and underscores.`,
    );
  const type = typeIn(textIn(fields, 'type', at), name, at);
  for (const [field, value] of Object.entries(fields)) {
    if (described.includes(field) || asksNothing(value)) continue;
    if ((type === 'pipeline' ? ofPipelines : served).includes(field)) continue;
    if (type === 'sweep' && ofSweeps.includes(field)) continue;
    if (type === 'parallel' && ofParallel.includes(field)) continue;
    if (type === 'pipeline' && served.includes(field))
      throw refuse(
        `${at}.${field}`,
        `The step '${name}' is a pipeline, and what runs are its steps: say ${field} in them, or leave it out.`,
      );
    throw refuse(`${at}.${field}`, `The step '${name}' has '${field}', which steps have not here. Leave it out.`);
  }
  const identity = fields['identity'];
  const actsAs = isObject(identity) ? (spelled(identity)['identity_type'] ?? identity['type']) : identity;
  if (!asksNothing(identity) && !/^aml_?token$/i.test(String(actsAs)))
    throw refuse(`${at}.identity`, `The step '${name}' can only act as the run that it is. Leave identity out.`);
  const trial = type === 'sweep' ? componentIdIn(fields['trial'], `${at}.trial`) : undefined;
  const componentId = trial ?? textIn(fields, 'component_id', at)?.replace(/^azureml:(?=\/)/, '');
  const command = textIn(fields, 'command', at);
  const task = type === 'parallel' ? objectIn(fields, 'task', at) : undefined;
  if ((componentId === undefined) === (command === undefined) && task === undefined)
    throw refuse(at, `The step '${name}' needs one of componentId and command.`);
  const beside = componentId === undefined ? undefined : ofComponents.find((field) => !asksNothing(fields[field]));
  if (beside !== undefined)
    throw refuse(
      `${at}.${beside}`,
      `The step '${name}' names a component, which says its ${beside} itself. Leave ${beside} out, or register a component with the other one.`,
    );
  const limits = objectIn(fields, 'limits', at);
  const compute = computeIn(textIn(fields, 'compute_id', at));
  const [, computeInput] = inputWord.exec(compute ?? '') ?? [];
  if (type !== 'sweep') only(limits ?? {}, `${at}.limits`, ['timeout', 'job_limits_type']);
  return {
    name,
    type,
    componentId,
    inline:
      command === undefined
        ? componentId === undefined && task !== undefined
          ? parallelInline(fields, task)
          : undefined
        : {
            type: 'command',
            command,
            code: textIn(fields, 'code_id', at) ?? textIn(fields, 'code', at),
            environment: textIn(fields, 'environment_id', at) ?? textIn(fields, 'environment', at),
            is_deterministic: fields['is_deterministic'],
          },
    displayName: textIn(fields, 'display_name', at),
    description: textIn(fields, 'description', at),
    properties: mapIn(fields, 'properties', at, (value) => String(value)),
    computeId: computeInput === undefined ? compute : undefined,
    computeInput,
    inputs: mapIn(fields, 'inputs', at, readBinding),
    outputs: mapIn(fields, 'outputs', at, readOutput),
    environmentVariables: mapIn(fields, 'environment_variables', at, (value) => String(value)),
    tags: mapIn(fields, 'tags', at, (value) => String(value)),
    timeout: limits === undefined || type === 'sweep' ? undefined : textIn(limits, 'timeout', `${at}.limits`),
    ...resourcesOf(fields, type, at),
    task,
    distribution: distributionIn(objectIn(fields, 'distribution', at)),
    searched: type === 'sweep' ? searchedIn(fields, at) : undefined,
  };
}

function typeIn(written: string | undefined, name: string, at: string): StepType | undefined {
  if (written === undefined || stepTypes.includes(written)) return written as StepType | undefined; // of the list
  throw refuse(
    `${at}.type`,
    `The step '${name}' is of the type '${written.slice(0, 32)}'. ${Object.hasOwn(stepTypesElsewhere, written) ? stepTypesElsewhere[written] : `Steps of the types ${stepTypes.join(', ')} are served: put what it does into a command`}.`,
  );
}

/** A function in mini-batches that stands in the step itself, as a component would say it. */
const parallelInline = (fields: Fields, task: Fields): Fields => ({
  type: 'parallel',
  task,
  ...Object.fromEntries(['input_data', 'is_deterministic'].map((name) => [name, fields[name]])),
});

/** Of a parallel step the instances are how many processes there are, and not on how many nodes. */
function resourcesOf(fields: Fields, type: StepType | undefined, at: string): Pick<Step, 'resources' | 'parallel'> {
  const said = resourcesIn(objectIn(fields, 'resources', at) ?? {}, `${at}.resources`);
  if (type !== 'parallel') return { resources: said, parallel: {} };
  const { instanceCount, ...resources } = said;
  return { resources, parallel: parallelSettingsIn({ ...fields, instance_count: instanceCount }) };
}

function resourcesIn(fields: Fields, at: string): Resources {
  for (const [field, value] of Object.entries(fields))
    if (field !== 'instance_count' && !Object.hasOwn(keptResources, field) && !asksNothing(value))
      throw refuse(
        `${at}.${field}`,
        `${at}.${field} is not served: a step runs in a sandbox of one node of its cluster, and in no container of Docker. Leave ${field} out.`,
      );
  const count = fields['instance_count'] ?? undefined;
  const kept = Object.entries(keptResources).filter(([field]) => !asksNothing(fields[field]));
  return {
    ...(count === undefined ? {} : { instanceCount: Number(count) }),
    ...Object.fromEntries(kept.map(([field, told]) => [told, fields[field]])),
  };
}

/** Of a trial: the id of a component, by itself or under its name. */
function componentIdIn(trial: unknown, at: string): string | undefined {
  const fields: Fields = isObject(trial) ? spelled(trial) : { component_id: trial };
  const stray = Object.keys(fields).find((name) => name !== 'component_id' && !asksNothing(fields[name]));
  if (stray !== undefined)
    throw refuse(`${at}.${stray}`, `The trial at ${at} has '${stray}', and names a component by componentId alone.`);
  return textIn(fields, 'component_id', at)?.replace(/^azureml:(?=\/)/, '');
}

const inputWord = /^\$\{\{\s*parent\.inputs\.([A-Za-z_][\w-]{0,254})\s*\}\}$/;
const stepWord = /^\$\{\{\s*parent\.jobs\.([A-Za-z]\w{0,99})\.outputs\.([A-Za-z_][\w-]{0,254})\s*\}\}$/;
const outputWord = /^\$\{\{\s*parent\.outputs\.([A-Za-z_][\w-]{0,254})\s*\}\}$/;

function readBinding(given: unknown, at: string): Binding {
  const fields: Fields = isObject(given) ? spelled(given) : { job_input_type: 'literal', value: given };
  only(fields, at, ['job_input_type', 'type', 'value', 'uri', 'mode', 'description']);
  const type = fields['job_input_type'] ?? 'literal';
  const mode = textIn(fields, 'mode', at);
  if (type !== 'literal') {
    const uri = textIn(fields, 'uri', at);
    if (uri === undefined) throw refuse(at, `The input at ${at} has no uri.`);
    const input = { jobInputType: type, uri, ...(mode === undefined ? {} : { mode }) } as JobInput; // held to the schema of jobs when the step is made
    return { from: 'data', input };
  }
  const { value } = fields;
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    throw refuse(at, `The input at ${at} has no value.`);
  const text = String(value);
  const [, input] = inputWord.exec(text) ?? [];
  if (input !== undefined) return { from: 'input', name: input, mode };
  const [, step, output] = stepWord.exec(text) ?? [];
  if (step !== undefined && output !== undefined) return { from: 'step', step, output, mode };
  if (text.includes('${{'))
    throw refuse(
      at,
      `The input at ${at} is '${text.slice(0, 200)}'. What is wired stands alone: \${{parent.inputs.NAME}} or \${{parent.jobs.STEP.outputs.NAME}}; everything else is a value.`,
    );
  return { from: 'literal', value: text };
}

function readOutput(given: unknown, at: string): StepOutput {
  const fields: Fields = isObject(given) ? spelled(given) : { value: given };
  only(fields, at, [
    ...['job_output_type', 'type', 'value', 'uri', 'mode', 'description'],
    ...['name', 'version', 'asset_name', 'asset_version'],
  ]);
  const mode = textIn(fields, 'mode', at);
  const asset = assetOf(fields, at);
  const value = textIn(fields, 'value', at);
  const uri = textIn(fields, 'uri', at);
  const type = typeOfOutput(fields, at);
  if (value === undefined) return { type, to: undefined, uri, mode, asset };
  if (uri !== undefined)
    throw refuse(
      at,
      `The output at ${at} is wired to one of the pipeline and has a place of its own. Leave one out: the output of the pipeline may have the place.`,
    );
  const [, to] = outputWord.exec(value) ?? [];
  if (to === undefined)
    throw refuse(
      at,
      `The output at ${at} is '${value.slice(0, 200)}'. An output of a step is wired to one of the pipeline: \${{parent.outputs.NAME}}.`,
    );
  return { type, to, uri: undefined, mode, asset };
}

const label = new RegExp(assetLabel);

/** Clients of Azure shorten the names of these two in a step, and in no job. */
function assetOf(fields: Fields, at: string): StepOutput['asset'] {
  const [assetName, assetVersion] = ['name', 'version'].map((name) => {
    const said = textIn(fields, name, at) ?? textIn(fields, `asset_${name}`, at);
    if (said !== undefined && !label.test(said))
      throw refuse(
        `${at}.${name}`,
        `The output at ${at} has the ${name} '${said.slice(0, 100)}'. It begins with a letter or digit and has letters, digits, hyphens, underscores and periods.`,
      );
    return said;
  });
  return {
    ...(assetName === undefined ? {} : { assetName }),
    ...(assetVersion === undefined ? {} : { assetVersion }),
  };
}

/** Clients write 'literal' where an output is only wired. */
function typeOfOutput(fields: Fields, at: string): DataType | undefined {
  const said = fields['job_output_type'] ?? fields['type'] ?? 'literal';
  const type = dataTypes.find((each) => each === said);
  if (type === undefined && said !== 'literal')
    throw refuse(
      at,
      `The output at ${at} is of the type '${String(said).slice(0, 32)}'. There are ${dataTypes.join(', ')}.`,
    );
  return type;
}

function only(fields: Fields, at: string, names: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !names.includes(name) && !asksNothing(fields[name]));
  if (unknown !== undefined)
    throw refuse(
      `${at}.${unknown}`,
      `What is wired at ${at} has '${unknown}', which is not served there. Leave it out.`,
    );
}

function textIn(fields: Fields, name: string, at: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || value.length > 32_768) throw refuse(`${at}.${name}`, `${at}.${name} is text.`);
  return value;
}

function objectIn(fields: Fields, name: string, at: string): Fields | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw refuse(`${at}.${name}`, `${at}.${name} has fields of its own.`);
  return spelled(value);
}

/** Names are the caller's own, and stay as they are. */
function mapIn<R>(
  fields: Fields,
  name: string,
  at: string,
  read: (value: unknown, at: string) => R,
): Record<string, R> {
  const value = fields[name];
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw refuse(`${at}.${name}`, `${at}.${name} has names of its own.`);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null || name === 'outputs')
      .map(([key, each]) => [key, read(each ?? {}, `${at}.${name}.${key}`)]),
  );
}

/** Azure's word for a compute that is not named, which clients write as the id of one. */
export function computeIn(written: string | undefined): string | undefined {
  const id = written?.replace(/^azureml:/, '');
  return id?.split('/').at(-1)?.toLowerCase() === 'serverless' ? 'serverless' : id;
}

/** `default_datestore`: as a public example has it. */
const datastores = ['default_datastore', 'default_datestore'];
const settingsServed = ['default_compute', ...datastores, 'continue_on_step_failure', 'force_rerun'];
/** What says nothing more than what is so: a step begins when all that it takes is there, optional or not. */
const settingsHarmless: Readonly<Record<string, (value: unknown) => boolean>> = {
  _source: () => true,
  continue_run_on_failed_optional_input: (value) => value === false,
};
/** Who names these means what is so without: outputs are kept with their jobs. */
const storesOfOutputs = ['workspaceblobstore', 'workspaceartifactstore'];

export function readSettings({ settings = {}, computeId }: Pick<PipelineJob, 'settings' | 'computeId'>): Settings {
  const fields = spelled(settings);
  for (const [name, value] of Object.entries(fields)) {
    if (settingsServed.includes(name) || asksNothing(value) || settingsHarmless[name]?.(value) === true) continue;
    throw refuse(`settings.${name}`, `settings.${name} is not served. Leave it out.`);
  }
  const [store] = datastores.flatMap((name) => textIn(fields, name, 'settings')?.split(/[/:]/).at(-1) ?? []);
  return {
    defaultComputeId: computeIn(textIn(fields, 'default_compute', 'settings')) ?? computeId,
    continueOnStepFailure: isAsked(fields, 'continue_on_step_failure'),
    forceRerun: isAsked(fields, 'force_rerun'),
    outputDatastore: store === undefined || storesOfOutputs.includes(store) ? undefined : store,
  };
}

function isAsked(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value !== 'boolean') throw refuse(`settings.${name}`, `settings.${name} is true or false.`);
  return value;
}

export const isSearched = ({ searched }: Step, name: string): boolean =>
  searched !== undefined && Object.hasOwn(searched.searchSpace, name);

/** Whether an input of the component of a step has a value, wherever it comes from. */
export const isGiven = (step: Step, { inputs }: Pick<Component, 'inputs'>, name: string): boolean =>
  Object.hasOwn(step.inputs, name) || isSearched(step, name) || inputs[name]?.default !== undefined;
