// A command component in Azure ML's v2 YAML schema, as the service takes it: its inputs and outputs as they are written, its code
// and its environment by their ids.

import type { JsonObject } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { type Document, readerOf } from '../document.reader.ts';
import { codeOf, defined, environmentOf, type Later } from './references.ts';

/** What the service reads of it, once what lies on disk is sent. */
export function componentIn(document: Document, paths: WorkspacePaths): Later<JsonObject> {
  const read = readerOf(document);
  const type = read.text('type') ?? 'command';
  if (type !== 'command') throw read.wrong('type', `is '${type}': such components are not served, 'command' is`);
  const code = read.text('code');
  const fields = {
    type,
    name: read.text('name'),
    version: read.text('version'),
    display_name: read.text('display_name'),
    description: read.text('description'),
    tags: read.texts('tags'),
    is_deterministic: read.flag('is_deterministic'),
    command: read.needed('command'),
    inputs: read.map('inputs'),
    outputs: read.map('outputs'),
    resources: read.map('resources'),
    distribution: read.map('distribution'),
  };
  const environment = environmentOf(read, document, paths);
  const codeId = code === undefined ? undefined : codeOf(code, read, document, paths);
  read.finish();
  return async (sources) =>
    defined({ ...fields, environment: await environment?.(sources), code: await codeId?.(sources) });
}
