// What jobs of every type are made of, in Azure ML's v2 YAML schema: what a command runs as and on, and its inputs and outputs.

import type { JsonObject } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { type Document, isObject, type Reader } from '../document.reader.ts';
import {
  codeOf,
  defined,
  environmentOf,
  isAddress,
  type Later,
  placeOf,
  reference,
  type Sources,
  wordIn,
} from './references.ts';

/** `azureml:name`, a plain name, or an ARM id; `serverless` is the service's own word, and what it means where none is named. */
export function computeId(text: string, paths: WorkspacePaths): string {
  const name = text.replace(/^azureml:/, '');
  return text.startsWith('/subscriptions/') || name === 'serverless' ? name : paths.compute(name);
}

const modelTypes: ReadonlySet<string> = new Set(['custom_model', 'mlflow_model', 'triton_model']);

export type Place = {
  readonly document: Document;
  readonly paths: WorkspacePaths;
  readonly sources: Sources;
  /** The files of components that this one stands in, from outside. */
  readonly within?: readonly string[];
  /** Components by their files: one that is named often is read and sent once. */
  readonly read?: Map<string, Later<string>>;
};

export const unserved = {
  services: 'nothing reaches into a job while it runs. Leave it out',
  queue_settings: 'submitters take turns, and the jobs of one run in the order in which they come. Leave it out',
};

/** What a command runs as and on; what lies on disk is sent once the whole document is known to be right. */
export function commandIn(read: Reader, { document, paths }: Place): Later<JsonObject> {
  const [code, resources] = [read.text('code'), read.within('resources')];
  const fields = {
    command: read.needed('command'),
    environmentVariables: read.texts('environment_variables'),
    distribution: distributionIn(read.within('distribution')),
    resources:
      resources &&
      defined({ instanceCount: resources.whole('instance_count'), instanceType: resources.text('instance_type') }),
  };
  const environment = environmentOf(read, document, paths);
  const codeId = code === undefined ? undefined : codeOf(code, read, document, paths);
  return async (sources) =>
    defined({ ...fields, environmentId: await environment?.(sources), codeId: await codeId?.(sources) });
}

/** The service says what of it one node can do. */
function distributionIn(read: Reader | undefined): JsonObject | undefined {
  if (read === undefined) return undefined;
  const words: Readonly<Record<string, string>> = { pytorch: 'PyTorch', mpi: 'Mpi', tensorflow: 'TensorFlow' };
  const distributionType = wordIn(words, read.needed('type').toLowerCase());
  if (distributionType === undefined) throw read.wrong('type', 'is pytorch, tensorflow or mpi');
  return distributionType === 'TensorFlow'
    ? defined({
        distributionType,
        workerCount: read.whole('worker_count'),
        parameterServerCount: read.whole('parameter_server_count'),
      })
    : defined({ distributionType, processCountPerInstance: read.whole('process_count_per_instance') });
}

/** By the name of the variable: references to secrets of a vault, and no secret. */
export function secretsIn(read: Reader | undefined): JsonObject | undefined {
  if (read === undefined) return undefined;
  return Object.fromEntries(
    read.entries().map(([name, value]) => {
      if (!isObject(value)) throw read.wrong(name, 'must be { workspace_secret_name: NAME } or { uri: ADDRESS }');
      const inner = read.within(name);
      return [name, defined({ uri: inner?.text('uri'), workspaceSecretName: inner?.text('workspace_secret_name') })];
    }),
  );
}

export function inputsOf(read: Reader | undefined, document: Document, paths: WorkspacePaths) {
  return read
    ?.entries()
    .map(([key, value]): readonly [string, Later<JsonObject>] => [key, inputOf(key, value, read, document, paths)]);
}

/** An input as the service takes it; what lies on disk is sent once the whole document is known to be right. */
export function inputOf(
  key: string,
  value: unknown,
  read: Reader,
  document: Document,
  paths: WorkspacePaths,
): Later<JsonObject> {
  if (value === null || Array.isArray(value)) throw read.wrong(key, 'must be a value or { type, path }');
  if (!isObject(value)) {
    const literal = { jobInputType: 'literal', value: read.text(key) ?? '' };
    return async () => literal;
  }
  const inner = read.within(key);
  const [type, path, mode] = [inner?.text('type') ?? 'uri_folder', inner?.text('path'), inner?.text('mode')];
  if (path === undefined || path === '') throw read.wrong(key, "needs 'path'");
  const body = defined({ jobInputType: type, mode: modeOf(mode) });
  // A registered model or data asset, by its name; what else begins with azureml: is an address of the workspace.
  if (path.startsWith('/subscriptions/') || (path.startsWith('azureml:') && !path.startsWith('azureml://'))) {
    const of = modelTypes.has(type) ? 'models' : 'data';
    const id = reference(path, of, paths, (what) => read.wrong(key, what));
    return async (sources) => ({ ...body, uri: await id(sources) });
  }
  if (isAddress(path)) return async () => ({ ...body, uri: path });
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw read.wrong(key, `has ${path}. Jobs read from this workspace only: bring the data into it first`);
  return async (sources) => ({ ...body, uri: await sources.snapshot(placeOf(document, path)) });
}

/** One after another, in their order. */
export async function settled(
  bodies: readonly (readonly [string, Later<JsonObject>])[],
  sources: Sources,
): Promise<JsonObject> {
  const made: [string, JsonObject][] = [];
  for (const [key, body] of bodies) made.push([key, await body(sources)]);
  return Object.fromEntries(made);
}

export function outputsOf(read: Reader | undefined): JsonObject | undefined {
  if (read === undefined) return undefined;
  return Object.fromEntries(
    read.entries().map(([key, value]) => {
      if (value !== null && !isObject(value)) throw read.wrong(key, 'must be { type: uri_folder }');
      const inner = read.within(key);
      const output = {
        jobOutputType: inner?.text('type') ?? 'uri_folder',
        uri: inner?.text('path'),
        mode: modeOf(inner?.text('mode')),
        // The asset that it becomes when the job has completed.
        assetName: inner?.text('name'),
        assetVersion: inner?.text('version'),
        description: inner?.text('description'),
      };
      return [key, defined(output)];
    }),
  );
}

/** `ro_mount` in the file is `ReadOnlyMount` on the wire. */
export function modeOf(mode: string | undefined): string | undefined {
  const words: Readonly<Record<string, string>> = {
    ro_mount: 'ReadOnlyMount',
    rw_mount: 'ReadWriteMount',
    download: 'Download',
    upload: 'Upload',
    direct: 'Direct',
  };
  return mode === undefined ? undefined : (wordIn(words, mode) ?? mode);
}
