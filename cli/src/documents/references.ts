// What documents in Azure ML's v2 schema have in common: how they name what is registered, and how they describe in place what is
// not. Nothing is looked up or sent while a document is read: reading answers what is to be done once all of it is known to be right.

import { dirname, resolve } from 'node:path';
import { type JsonObject, ServiceError } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import type { Document, Reader } from '../document.reader.ts';
import type { UsageError } from '../exit.ts';
import { readGiven } from '../files.ts';

export type Versioned = 'models' | 'data' | 'environments' | 'codes' | 'components';

/** Sends what lies on disk, looks up what a name means, registers what is described in place. */
export type Sources = {
  /** A snapshot's URI. */
  snapshot(place: string): Promise<string>;
  /** A code version's ARM id. */
  code(place: string): Promise<string>;
  /** The id of the newest version, which is what `@latest` means. */
  latest(of: Versioned, name: string): Promise<string>;
  /** The id of an environment that is named by what it holds. */
  environment(described: DescribedEnvironment): Promise<string>;
  /** The id of a component that is named by what it holds. */
  component(spec: JsonObject): Promise<string>;
  /** The id of a model version; `place` is a file or a folder, or an address of the workspace. */
  model(described: Described & { readonly place: string }): Promise<string>;
};
export type Described = {
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly properties: JsonObject;
};
export type DescribedEnvironment = Described & { readonly context?: BuildContext };
/** A folder with a Dockerfile, or an address of the workspace. */
export type BuildContext = { readonly place: string; readonly dockerfile: string | undefined };
/** What a field comes to, once it is asked for. */
export type Later<T> = (sources: Sources) => Promise<T>;

/** Leaves out what is undefined: an absent field and an empty one mean different things to the service. */
export function defined(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** What a table has for a word; `constructor`, which every object has, is none of them. */
export const wordIn = <T>(table: Readonly<Record<string, T>>, word: string): T | undefined =>
  Object.hasOwn(table, word) ? table[word] : undefined;

/** `minimize` in a file is `Minimize` on the wire. */
export const capitalized = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase();

const duration = (milliseconds: number) => `PT${milliseconds / 1000}S`;
export const durationOf = (milliseconds: number | undefined): string | undefined =>
  milliseconds === undefined ? undefined : duration(milliseconds);
export const secondsOf = (seconds: number | undefined): string | undefined =>
  durationOf(seconds === undefined ? undefined : seconds * 1000);

/** Fields that Azure has and that would change what is done or who can reach what: never left out in silence, and named as what they are. */
export function refuse(read: Reader, unserved: Readonly<Record<string, string>>): void {
  for (const [field, why] of Object.entries(unserved))
    if (read.has(field)) throw read.wrong(field, `is not served: ${why}`);
}

export const isReference = (text: string): boolean => text.startsWith('azureml:') || text.startsWith('/subscriptions/');
/** Content that is in the workspace already. */
export const isAddress = (text: string): boolean => /^(azureml|runs):/.test(text);

export const placeOf = (document: Document, place: string): string => resolve(dirname(document.file), place);

const forms = 'azureml:NAME:VERSION, azureml:NAME@latest, or a resource id';

/** @param wrong makes the error, with the place where the reference stands */
export function reference(
  text: string,
  of: Versioned,
  paths: WorkspacePaths,
  wrong: (what: string) => UsageError,
): Later<string> {
  if (text.startsWith('/subscriptions/')) return async () => text;
  if (/^azureml:\/\/registries\//.test(text))
    throw wrong(
      `'${text}' is of a registry that workspaces share, and such are not served. Register it in this workspace, and name it ${forms}`,
    );
  // `@latest`, and the way of writing it that stands in older files.
  const newest = /^azureml:([^:@/]+)(?:@latest|\/labels\/latest)$/.exec(text)?.[1];
  if (newest !== undefined) return (sources) => sources.latest(of, newest);
  const [, name, version] = /^azureml:([^:@/]+):([^:@/]+)$/.exec(text) ?? [];
  if (name === undefined || version === undefined) throw wrong(`'${text}' must be ${forms}`);
  const id = paths.assetVersion(of, name, version);
  return async () => id;
}

/** A field that names an environment or describes one in place. */
/** One of Azure's: where the workspace has none of this name, the server knows what stands for it. */
const orAsWritten =
  (named: Later<string>, given: string): Later<string> =>
  async (sources) => {
    try {
      return await named(sources);
    } catch (thrown) {
      if (thrown instanceof ServiceError && thrown.status === 404) return given;
      throw thrown;
    }
  };

export function environmentOf(read: Reader, document: Document, paths: WorkspacePaths): Later<string> | undefined {
  const given = read.textOrWithin('environment');
  if (given === undefined) return undefined;
  // Whether something stands for it here, the server knows: its operator says so.
  if (typeof given === 'string' && /^azureml:\/\/registries\/[^/]+\/environments\/./.test(given))
    return async () => given;
  if (typeof given === 'string') {
    const named = reference(given, 'environments', paths, (what) => read.wrong('environment', what));
    return /^azureml:AzureML-/i.test(given) ? orAsWritten(named, given) : named;
  }
  const described = environmentFields(given, document);
  return async (sources) => await sources.environment(described);
}

/** An environment as a file or a field describes it. */
export function environmentFields(read: Reader, document: Document): DescribedEnvironment {
  const [name, version, image] = [read.text('name'), read.text('version'), read.text('image')];
  const fields = {
    image,
    condaFile: condaOf(read, document),
    osType: osOf(read.text('os_type')),
    description: read.text('description'),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
  };
  refuse(read, unservedOfEnvironments);
  const context = contextOf(read, document);
  if (image === undefined && version === undefined && name === undefined && context === undefined)
    throw read.wrong('image', "is missing: an environment in place is { image: … }. Or leave 'environment' out");
  if (context !== undefined && (image !== undefined || fields.condaFile !== undefined))
    throw read.wrong('build', 'stands beside image or conda_file. An environment is made of one of them');
  return { name, version, properties: defined(fields), ...(context === undefined ? {} : { context }) };
}

function contextOf(read: Reader, document: Document): BuildContext | undefined {
  const build = read.within('build');
  if (build === undefined) return undefined;
  const path = build.needed('path');
  if (!isAddress(path) && /^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw build.wrong('path', `is ${path}. Fetch it, and give the path of the folder`);
  return { place: isAddress(path) ? path : placeOf(document, path), dockerfile: build.text('dockerfile_path') };
}

/** A file beside the document, or what would stand in it. */
function condaOf(read: Reader, document: Document): string | undefined {
  const given = read.textOrMap('conda_file');
  if (given === undefined) return undefined;
  return typeof given === 'string'
    ? readGiven(placeOf(document, given)).toString('utf8')
    : // As the server reads it: every JSON is YAML.
      JSON.stringify(given);
}

const unservedOfEnvironments: Readonly<Record<string, string>> = {
  inference_config: 'the server answers the routes of a deployment itself',
};

const osOf = (os: string | undefined) => (os === undefined ? undefined : os.toLowerCase() === 'linux' ? 'Linux' : os);

/** A field that names a model or describes one in place. */
export function modelOf(read: Reader, document: Document, paths: WorkspacePaths): Later<string> | undefined {
  const given = read.textOrWithin('model');
  if (given === undefined) return undefined;
  if (typeof given === 'string') return reference(given, 'models', paths, (what) => read.wrong('model', what));
  const described = modelFields(given, document);
  return async (sources) => await sources.model(described);
}

export const dataTypes: readonly string[] = ['uri_file', 'uri_folder', 'mltable'];

/** A data asset as a file describes it; `place` is a file or a folder beside it, or an address of the workspace. */
export function dataFields(read: Reader, document: Document): Described & { readonly place: string } {
  const path = read.needed('path');
  const type = read.text('type') ?? 'uri_folder';
  if (!dataTypes.includes(type)) throw read.wrong('type', `must be one of ${dataTypes.join(', ')}`);
  refuse(read, { auto_delete_setting: 'no version of data is deleted by its age. Leave it out' });
  if (!isAddress(path) && /^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw read.wrong(
      'path',
      `is ${path}. Data lie in the workspace: fetch them, and give the path of what was fetched`,
    );
  const properties = defined({
    dataType: type,
    description: read.text('description'),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
  });
  return {
    name: read.text('name'),
    version: read.text('version'),
    properties,
    place: isAddress(path) ? path : placeOf(document, path),
  };
}

export function modelFields(read: Reader, document: Document): Described & { readonly place: string } {
  const path = read.needed('path');
  const properties = defined({
    modelType: read.text('type') ?? 'custom_model',
    description: read.text('description'),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
    flavors: read.map('flavors'),
  });
  return {
    name: read.text('name'),
    version: read.text('version'),
    properties,
    place: isAddress(path) ? path : placeOf(document, path),
  };
}

/** Code that is registered, or a folder beside the file. */
export function codeOf(text: string, read: Reader, document: Document, paths: WorkspacePaths): Later<string> {
  if (isReference(text)) return reference(text, 'codes', paths, (what) => read.wrong('code', what));
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    throw read.wrong('code', `is a folder here or azureml:NAME:VERSION; '${text}' would have to be fetched first`);
  return async (sources) => await sources.code(placeOf(document, text));
}
