// Files in Azure ML's v2 YAML schema, read and turned into request bodies. Pure but for reading the file: what a document
// refers to on disk is handed to `Sources`, which sends it. A field that is not known is refused by name, because a field
// that is silently ignored is a job that does something else than it says.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { JsonObject } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { parse } from 'yaml';
import { UsageError } from './exit.ts';

export type Document = { readonly file: string; readonly fields: JsonObject };
/** Sends what lies on disk and answers what names it. */
export type Sources = {
  /** A snapshot's URI. */
  snapshot(place: string): Promise<string>;
  /** A code version's ARM id. */
  code(place: string): Promise<string>;
};

const fileBytesMax = 1024 * 1024;

/** @param set `path.to.field=value`, applied over the file; values are read as YAML scalars. */
export function readDocument(file: string, set: readonly string[] = []): Document {
  let fields: unknown;
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > fileBytesMax) throw new Error('it is longer than 1 MB');
    fields = parse(text, { maxAliasCount: 100 });
  } catch (thrown) {
    throw new UsageError(
      `${file} cannot be read: ${thrown instanceof Error ? thrown.message.split('\n')[0] : 'unknown reason'}`,
    );
  }
  if (!isObject(fields)) throw new UsageError(`${file} does not hold a mapping of fields to values.`);
  return { file: resolve(file), fields: set.reduce(override, fields) };
}

function override(fields: JsonObject, assignment: string): JsonObject {
  const at = assignment.indexOf('=');
  if (at < 1) throw new UsageError(`--set takes path.to.field=value, not '${assignment}'.`);
  const path = assignment.slice(0, at).split('.');
  if (path.some((step) => step === '' || step === '__proto__'))
    throw new UsageError(`'${assignment.slice(0, at)}' is no path of a field.`);
  return put(fields, path, parse(assignment.slice(at + 1), { maxAliasCount: 0 }) as unknown);
}

function put(into: JsonObject, [first = '', ...rest]: readonly string[], value: unknown): JsonObject {
  const present = into[first];
  return { ...into, [first]: rest.length === 0 ? value : put(isObject(present) ? present : {}, rest, value) };
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a document's fields one by one, and refuses what nobody asked for. */
function reader(document: Document) {
  const known = new Set<string>(['$schema']);
  const wrong = (name: string, what: string) => new UsageError(`${document.file}: '${name}' must be ${what}.`);
  const take = (name: string): unknown => {
    known.add(name);
    return document.fields[name] ?? undefined;
  };
  const one = (name: string): string | undefined => {
    const value = take(name);
    if (value === undefined) return undefined;
    if (isObject(value) || Array.isArray(value)) throw wrong(name, 'a single value');
    return String(value);
  };
  return {
    text: one,
    needed(name: string): string {
      const value = one(name);
      if (value === undefined || value === '') throw new UsageError(`${document.file}: '${name}' is missing.`);
      return value;
    },
    map(name: string): JsonObject | undefined {
      const value = take(name);
      if (value === undefined) return undefined;
      if (!isObject(value)) throw wrong(name, 'a mapping');
      return value;
    },
    texts(name: string): Readonly<Record<string, string>> | undefined {
      const value = this.map(name);
      return (
        value &&
        Object.fromEntries(Object.entries(value).map(([key, each]) => [key, each === null ? '' : String(each)]))
      );
    },
    flag(name: string): boolean | undefined {
      const value = take(name);
      if (value !== undefined && typeof value !== 'boolean') throw wrong(name, 'true or false');
      return value as boolean | undefined;
    },
    whole(name: string): number | undefined {
      const value = take(name);
      if (value !== undefined && !Number.isInteger(value)) throw wrong(name, 'a whole number');
      return value as number | undefined;
    },
    /** Call last. */
    finish(): void {
      const unknown = Object.keys(document.fields).filter((name) => !known.has(name));
      if (unknown.length > 0)
        throw new UsageError(
          `${document.file}: ${unknown.map((name) => `'${name}'`).join(', ')} ${unknown.length === 1 ? 'is' : 'are'} not known here. Known: ${[...known].sort().join(', ')}.`,
        );
    },
  };
}

/** Leaves out what is undefined: an absent field and an empty one mean different things to the service. */
export function defined(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

const duration = (milliseconds: number) => `PT${milliseconds / 1000}S`;

/** `azureml:name:version` or an ARM id; `name@latest` is a question that the service answers elsewhere, and is refused. */
export function versionId(reference: string, of: (name: string, version: string) => string, what: string): string {
  if (reference.startsWith('/subscriptions/')) return reference;
  const found = /^azureml:([^:@/]+):([^:@/]+)$/.exec(reference);
  if (found === null) throw new UsageError(`${what} '${reference}' must be azureml:NAME:VERSION or a resource id.`);
  return of(found[1] ?? '', found[2] ?? '');
}

/** `azureml:name`, a plain name, or an ARM id. */
const computeId = (reference: string, paths: WorkspacePaths) =>
  reference.startsWith('/subscriptions/') ? reference : paths.compute(reference.replace(/^azureml:/, ''));

const isReference = (text: string) => text.startsWith('azureml:') || text.startsWith('/subscriptions/');

async function codeId(reference: string, document: Document, paths: WorkspacePaths, sources: Sources): Promise<string> {
  return isReference(reference)
    ? versionId(reference, paths.codeVersion, 'code')
    : await sources.code(resolve(dirname(document.file), reference));
}

function environmentId(value: string | undefined, paths: WorkspacePaths): string | undefined {
  return value === undefined ? undefined : versionId(value, paths.environmentVersion, 'environment');
}

/** PUT of a command job. */
export async function jobBody(
  document: Document,
  paths: WorkspacePaths,
  sources: Sources,
): Promise<{ readonly name: string | undefined; readonly body: JsonObject }> {
  const read = reader(document);
  const type = read.text('type') ?? 'command';
  if (type !== 'command')
    throw new UsageError(`${document.file}: jobs of type '${type}' are not served; 'command' is.`);
  const code = read.text('code');
  const limits = read.map('limits');
  const resources = read.map('resources');
  const identity = read.map('identity');
  const fields = {
    name: read.text('name'),
    displayName: read.text('display_name'),
    experimentName: read.text('experiment_name'),
    description: read.text('description'),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
    command: read.needed('command'),
    computeId: computeId(read.needed('compute'), paths),
    environmentId: environmentId(read.text('environment'), paths),
    environmentVariables: read.texts('environment_variables'),
  };
  const inputs = read.map('inputs');
  const outputs = read.map('outputs');
  read.finish();
  if (identity !== undefined && !['aml_token', 'AMLToken'].includes(String(identity['type'])))
    throw new UsageError(`${document.file}: the only identity of a job is { type: aml_token }.`);
  const timeout = limits?.['timeout'];
  if (timeout !== undefined && !(Number.isFinite(timeout) && Number(timeout) > 0))
    throw new UsageError(`${document.file}: limits.timeout is a number of seconds.`);
  const { name, ...rest } = fields;
  return {
    name,
    body: {
      properties: defined({
        jobType: 'Command',
        ...rest,
        codeId: code === undefined ? undefined : await codeId(code, document, paths, sources),
        inputs: inputs && (await entriesOf(inputs, (key, value) => inputOf(key, value, document, sources))),
        outputs: outputs && (await entriesOf(outputs, async (key, value) => outputOf(key, value, document))),
        limits:
          timeout === undefined ? undefined : { jobLimitsType: 'Command', timeout: duration(Number(timeout) * 1000) },
        resources:
          resources &&
          defined({ instanceCount: resources['instance_count'], instanceType: resources['instance_type'] }),
        identity: identity && { identityType: 'AMLToken' },
      }),
    },
  };
}

async function entriesOf(
  map: JsonObject,
  each: (key: string, value: unknown) => Promise<JsonObject>,
): Promise<JsonObject> {
  const made: [string, JsonObject][] = [];
  for (const [key, value] of Object.entries(map)) made.push([key, await each(key, value)]);
  return Object.fromEntries(made);
}

async function inputOf(key: string, value: unknown, document: Document, sources: Sources): Promise<JsonObject> {
  if (!isObject(value)) {
    if (value === null || Array.isArray(value))
      throw new UsageError(`${document.file}: the input '${key}' must be a value or { type, path }.`);
    return { jobInputType: 'literal', value: String(value) };
  }
  const { type = 'uri_folder', path, mode } = value;
  if (typeof path !== 'string' || path === '')
    throw new UsageError(`${document.file}: the input '${key}' needs 'path'.`);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path) && !/^(azureml|runs):/.test(path))
    throw new UsageError(
      `${document.file}: the input '${key}' has ${path}. Jobs read from this workspace only: bring the data into it first.`,
    );
  const uri = /^(azureml|runs):/.test(path) ? path : await sources.snapshot(resolve(dirname(document.file), path));
  return defined({ jobInputType: type, uri, mode: modeOf(mode) });
}

function outputOf(key: string, value: unknown, document: Document): JsonObject {
  if (value !== null && !isObject(value))
    throw new UsageError(`${document.file}: the output '${key}' must be { type: uri_folder }.`);
  return defined({ jobOutputType: value?.['type'] ?? 'uri_folder', mode: modeOf(value?.['mode']) });
}

/** `ro_mount` in the file is `ReadOnlyMount` on the wire. */
function modeOf(mode: unknown): unknown {
  const words: Readonly<Record<string, string>> = {
    ro_mount: 'ReadOnlyMount',
    rw_mount: 'ReadWriteMount',
    download: 'Download',
    upload: 'Upload',
    direct: 'Direct',
  };
  return typeof mode === 'string' ? (words[mode] ?? mode) : mode;
}

/** PUT of an online endpoint. */
export function endpointBody(
  document: Document,
  location: string,
): { readonly name: string | undefined; readonly body: JsonObject } {
  const read = reader(document);
  const name = read.text('name');
  const authMode = { key: 'Key', aml_token: 'AMLToken', aad_token: 'AADToken' }[read.text('auth_mode') ?? 'key'];
  if (authMode === undefined) throw new UsageError(`${document.file}: 'auth_mode' must be key.`);
  const identity = read.map('identity');
  const body = defined({
    location: read.text('location') ?? location,
    tags: read.texts('tags'),
    identity: {
      type:
        identity?.['type'] === undefined || identity['type'] === 'system_assigned'
          ? 'SystemAssigned'
          : identity['type'],
    },
    properties: defined({
      authMode,
      description: read.text('description'),
      traffic: read.map('traffic'),
      properties: read.texts('properties'),
    }),
  });
  read.finish();
  return { name, body };
}

/** PUT of a deployment. */
export async function deploymentBody(document: Document, paths: WorkspacePaths, sources: Sources, location: string) {
  const read = reader(document);
  const configuration = read.map('code_configuration');
  const requests = read.map('request_settings');
  const fields = {
    name: read.text('name'),
    endpoint: read.text('endpoint_name'),
    model: read.needed('model'),
    environmentId: environmentId(read.text('environment'), paths),
    environmentVariables: read.texts('environment_variables'),
    instanceType: read.text('instance_type'),
    description: read.text('description'),
    appInsightsEnabled: read.flag('app_insights_enabled'),
    livenessProbe: probeOf(read.map('liveness_probe')),
    readinessProbe: probeOf(read.map('readiness_probe')),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
    place: read.text('location') ?? location,
  };
  const scale = read.map('scale_settings');
  const instances = read.whole('instance_count') ?? 1;
  read.finish();
  if (scale !== undefined && scale['type'] !== 'default')
    throw new UsageError(`${document.file}: scale_settings.type must be default; set instance_count.`);
  const { code, scoring_script: scoringScript } = configuration ?? {};
  if (typeof code !== 'string' || typeof scoringScript !== 'string')
    throw new UsageError(
      `${document.file}: 'code_configuration' needs 'code' (a folder) and 'scoring_script' (a file in it).`,
    );
  const { name, endpoint, model, tags, place, ...rest } = fields;
  return {
    name,
    endpoint,
    body: defined({
      location: place,
      tags,
      sku: { name: 'Default', capacity: instances },
      properties: defined({
        endpointComputeType: 'Managed',
        ...rest,
        model: versionId(model, paths.modelVersion, 'model'),
        codeConfiguration: { codeId: await codeId(code, document, paths, sources), scoringScript },
        scaleSettings: { scaleType: 'Default' },
        requestSettings:
          requests &&
          defined({
            requestTimeout: durationOf(requests['request_timeout_ms'], 'request_timeout_ms', document),
            maxQueueWait: durationOf(requests['max_queue_wait_ms'], 'max_queue_wait_ms', document),
            maxConcurrentRequestsPerInstance: requests['max_concurrent_requests_per_instance'],
          }),
      }),
    }),
  };
}

function durationOf(value: unknown, name: string, document: Document): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value > 0))
    throw new UsageError(`${document.file}: request_settings.${name} is a number of milliseconds.`);
  return duration(value);
}

function probeOf(probe: JsonObject | undefined): JsonObject | undefined {
  if (probe === undefined) return undefined;
  const seconds = (value: unknown) => (typeof value === 'number' ? duration(value * 1000) : undefined);
  return defined({
    failureThreshold: probe['failure_threshold'],
    successThreshold: probe['success_threshold'],
    initialDelay: seconds(probe['initial_delay']),
    period: seconds(probe['period']),
    timeout: seconds(probe['timeout']),
  });
}
