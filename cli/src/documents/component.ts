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
  if (type !== 'command' && type !== 'pipeline')
    throw read.wrong('type', `is '${type}': such components are not served, 'command' and 'pipeline' are`);
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
  const own = type === 'command' ? commandOf(read, document, paths) : await pipelineOf(read, stepsOf);
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

async function pipelineOf(read: Reader, stepsOf: ReadSteps): Promise<Later<JsonObject>> {
  const jobs = await stepsOf(read);
  return async (sources) => ({ jobs: await jobs(sources) });
}
