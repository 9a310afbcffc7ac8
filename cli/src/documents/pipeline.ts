// The steps of a pipeline in Azure ML's v2 YAML schema, as the service takes them. A component that is named by its file is
// registered by what it holds; a command that stands in a step goes with it.

import type { JsonObject } from '@strongroom/contract/client';
import { isObject, type Reader, readDocument } from '../document.reader.ts';
import { commandIn, computeId, inputOf, modeOf, type Place, settled, unserved } from './command.ts';
import { componentIn, parallelIn, parallelSettingsIn } from './component.ts';
import { defined, isReference, type Later, placeOf, reference, refuse, secondsOf } from './references.ts';

const wired = /^\$\{\{.*\}\}$/;

export async function stepsIn(read: Reader, place: Place): Promise<Later<JsonObject>> {
  const jobs = read.within('jobs');
  if (jobs === undefined) throw read.wrong('jobs', 'is missing: the steps, by name');
  const steps: [string, Later<JsonObject>][] = [];
  for (const [name, value] of jobs.entries()) {
    const step = isObject(value) ? jobs.within(name) : undefined;
    if (step === undefined) throw jobs.wrong(name, 'must be { component: … } or { command: … }');
    steps.push([name, await stepIn(step, place)]);
  }
  return (sources) => settled(steps, sources);
}

/** A component that a file is, with what lies beside it. */
export function componentOfFile(place: Place): Promise<Later<JsonObject>> {
  const inner = { ...place, within: [place.document.file], read: new Map<string, Later<string>>() };
  return componentIn(inner.document, inner.paths, (steps) => stepsIn(steps, inner));
}

async function stepIn(read: Reader, place: Place): Promise<Later<JsonObject>> {
  const type = read.text('type') ?? 'command';
  if (!['command', 'sweep', 'pipeline', 'parallel'].includes(type))
    throw read.wrong(
      'type',
      `is '${type}': such steps are not served, 'command', 'parallel', 'sweep' and 'pipeline' are`,
    );
  refuse(read, unserved);
  const compute = read.text('compute');
  const timeout = type === 'command' ? read.within('limits')?.positive('timeout', 'seconds') : undefined;
  const common = {
    type,
    display_name: read.text('display_name'),
    description: read.text('description'),
    tags: read.texts('tags'),
    // Of an input of the pipeline: its value is the name of one.
    computeId: compute === undefined ? undefined : wired.test(compute) ? compute : computeId(compute, place.paths),
    limits: timeout === undefined ? undefined : { timeout: secondsOf(timeout) },
    outputs: stepOutputs(read.within('outputs')),
  };
  const inputs = stepInputs(read.within('inputs'), place);
  const runs =
    type === 'sweep'
      ? await sweepOf(read, place)
      : type === 'parallel'
        ? await parallelOf(read, place)
        : await whatRuns(read, place);
  return async (sources) => defined({ ...common, ...(await runs(sources)), inputs: await inputs(sources) });
}

async function whatRuns(read: Reader, place: Place): Promise<Later<JsonObject>> {
  if (!read.has('component')) return commandIn(read, place);
  const id = await componentOf('component', read, place);
  const environment_variables = read.texts('environment_variables');
  const resources = read.map('resources');
  return async (sources) => ({ ...defined({ environment_variables, resources }), componentId: await id(sources) });
}

/** A function of a script over an input, in the step or in a component. */
async function parallelOf(read: Reader, place: Place): Promise<Later<JsonObject>> {
  const environment_variables = read.texts('environment_variables');
  if (!read.has('component')) {
    const own = parallelIn(read, place.document, place.paths);
    return async (sources) => ({ environment_variables, ...(await own(sources)) });
  }
  const fields = { ...parallelSettingsIn(read), environment_variables, resources: read.map('resources') };
  const id = await componentOf('component', read, place);
  return async (sources) => ({ ...defined(fields), componentId: await id(sources) });
}

/** As it is written: the service reads the names of YAML in a step. */
async function sweepOf(read: Reader, place: Place): Promise<Later<JsonObject>> {
  const id = await componentOf('trial', read, place);
  const fields = {
    search_space: read.map('search_space'),
    objective: read.map('objective'),
    limits: read.map('limits'),
    early_termination: read.map('early_termination'),
    sampling_algorithm: read.textOrMap('sampling_algorithm'),
  };
  return async (sources) => ({ ...defined(fields), trial: { componentId: await id(sources) } });
}

/** By its file, or registered. */
async function componentOf(field: string, read: Reader, place: Place): Promise<Later<string>> {
  const { document, paths, within = [document.file], read: before = new Map<string, Later<string>>() } = place;
  const given = read.needed(field);
  if (isReference(given)) return reference(given, 'components', paths, (what) => read.wrong(field, what));
  const file = placeOf(document, given);
  if (within.includes(file)) throw read.wrong(field, `is ${given}, and that stands in itself`);
  const known = before.get(file);
  if (known !== undefined) return known;
  const inner = { ...place, document: await readDocument(file), within: [...within, file], read: before };
  const component = await componentIn(inner.document, paths, (steps) => stepsIn(steps, inner));
  let id: Promise<string> | undefined;
  const registered: Later<string> = (sources) => {
    id ??= component(sources).then((spec) => sources.component(spec));
    return id;
  };
  before.set(file, registered);
  return registered;
}

/** A pipeline says its steps, or is a component. */
export async function whatPipelineRuns(read: Reader, place: Place): Promise<Later<JsonObject>> {
  if (!read.has('component')) {
    const jobs = await stepsIn(read, place);
    return async (sources) => ({ jobs: await jobs(sources) });
  }
  const id = await componentOf('component', read, place);
  return async (sources) => ({ componentId: await id(sources), jobs: {} });
}

function stepInputs(read: Reader | undefined, { document, paths }: Place): Later<JsonObject | undefined> {
  const bodies = read?.entries().map(([key, value]): readonly [string, Later<JsonObject>] => {
    // A wire with a mode beside it.
    const path = isObject(value) ? value['path'] : undefined;
    const inner = typeof path === 'string' && wired.test(path) ? read.within(key) : undefined;
    if (inner === undefined) return [key, inputOf(key, value, read, document, paths)];
    const [wire, , mode] = [inner.text('path'), inner.text('type'), inner.text('mode')];
    return [key, async () => defined({ jobInputType: 'literal', value: wire, mode: modeOf(mode) })];
  });
  return async (sources) => bodies && (await settled(bodies, sources));
}

function stepOutputs(read: Reader | undefined): JsonObject | undefined {
  if (read === undefined) return undefined;
  return Object.fromEntries(
    read.entries().map(([key, value]) => {
      if (!isObject(value)) return [key, defined({ value: read.text(key) })];
      const inner = read.within(key);
      const [type, mode, path] = [inner?.text('type') ?? 'uri_folder', inner?.text('mode'), inner?.text('path')];
      const isWired = path !== undefined && wired.test(path);
      const place = isWired ? { value: path } : { uri: path };
      // The asset that it becomes when the step has completed.
      const asset = { name: inner?.text('name'), version: inner?.text('version') };
      return [key, defined({ job_output_type: type, mode: modeOf(mode), ...place, ...asset })];
    }),
  );
}

export function settingsIn(read: Reader | undefined, { paths }: Place): JsonObject | undefined {
  if (read === undefined) return undefined;
  const compute = read.text('default_compute');
  return defined({
    default_compute: compute === undefined ? undefined : computeId(compute, paths),
    default_datastore: read.text('default_datastore') ?? read.text('default_datestore'),
    continue_on_step_failure: read.flag('continue_on_step_failure'),
    force_rerun: read.flag('force_rerun'),
  });
}
