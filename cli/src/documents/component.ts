// A component in Azure ML's v2 YAML schema, as the service takes it: its inputs and outputs as they are written, its code and its
// environment by their ids, or its steps.

import type { JsonObject } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { type Document, type Reader, readerOf } from '../document.reader.ts';
import { codeOf, defined, environmentOf, type Later } from './references.ts';

/** How the steps of one are read: they name components themselves. */
export type ReadSteps = (read: Reader) => Promise<Later<JsonObject>>;

/** What the service reads of it, once what lies on disk is sent. */
export async function componentIn(
  document: Document,
  paths: WorkspacePaths,
  stepsOf: ReadSteps,
): Promise<Later<JsonObject>> {
  const read = readerOf(document);
  const type = read.text('type') ?? 'command';
  if (type !== 'command' && type !== 'parallel' && type !== 'pipeline')
    throw read.wrong('type', `is '${type}': such components are not served, 'command', 'parallel' and 'pipeline' are`);
  const fields = {
    type,
    name: read.text('name'),
    version: read.text('version'),
    display_name: read.text('display_name'),
    description: read.text('description'),
    tags: read.texts('tags'),
    is_deterministic: read.flag('is_deterministic'),
    inputs: read.map('inputs'),
    outputs: read.map('outputs'),
  };
  const own =
    type === 'command'
      ? commandOf(read, document, paths)
      : type === 'parallel'
        ? parallelIn(read, document, paths)
        : await pipelineOf(read, stepsOf);
  read.finish();
  return async (sources) => defined({ ...fields, ...(await own(sources)) });
}

function commandOf(read: Reader, document: Document, paths: WorkspacePaths): Later<JsonObject> {
  const code = read.text('code');
  const fields = {
    command: read.needed('command'),
    resources: read.map('resources'),
    distribution: read.map('distribution'),
  };
  const environment = environmentOf(read, document, paths);
  const codeId = code === undefined ? undefined : codeOf(code, read, document, paths);
  return async (sources) => ({ ...fields, environment: await environment?.(sources), code: await codeId?.(sources) });
}

/** A function of a script over an input: what a component says of it, and what a step says in which it stands. */
export function parallelIn(read: Reader, document: Document, paths: WorkspacePaths): Later<JsonObject> {
  const fields = {
    ...parallelSettingsIn(read),
    input_data: read.needed('input_data'),
    resources: read.map('resources'),
  };
  const task = read.within('task');
  if (task === undefined)
    throw read.wrong('task', 'is missing: { type: run_function, code, entry_script, environment }');
  const code = task.text('code');
  const said = {
    type: task.needed('type'),
    entry_script: task.needed('entry_script'),
    program_arguments: task.text('program_arguments'),
    append_row_to: task.text('append_row_to'),
  };
  const environment = environmentOf(task, document, paths);
  const codeId = code === undefined ? undefined : codeOf(code, task, document, paths);
  return async (sources) => ({
    ...fields,
    task: defined({ ...said, environment: await environment?.(sources), code: await codeId?.(sources) }),
  });
}

/** The service reads the names of YAML, and says what is wrong with a value. */
export const parallelSettingsIn = (read: Reader): JsonObject => ({
  mini_batch_size: read.text('mini_batch_size'),
  partition_keys: read.list('partition_keys'),
  max_concurrency_per_instance: read.whole('max_concurrency_per_instance'),
  retry_settings: read.map('retry_settings'),
  error_threshold: read.text('error_threshold'),
  mini_batch_error_threshold: read.text('mini_batch_error_threshold'),
  logging_level: read.text('logging_level'),
});

async function pipelineOf(read: Reader, stepsOf: ReadSteps): Promise<Later<JsonObject>> {
  const jobs = await stepsOf(read);
  return async (sources) => ({ jobs: await jobs(sources) });
}
