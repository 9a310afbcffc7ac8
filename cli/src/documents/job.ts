// Documents in Azure ML's v2 YAML schema, turned into request bodies. Pure: what a document refers to on disk is handed to
// `Sources`, which sends it.

import { dirname, resolve } from 'node:path';
import type { JsonObject } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { type Document, isObject, type Reader, readerOf } from './document.reader.ts';
import { UsageError } from './exit.ts';

/** Sends what lies on disk and answers what names it. */
export type Sources = {
  /** A snapshot's URI. */
  snapshot(place: string): Promise<string>;
  /** A code version's ARM id. */
  code(place: string): Promise<string>;
};

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
  const read = readerOf(document);
  const type = read.text('type') ?? 'command';
  if (type !== 'command') throw read.wrong('type', `is '${type}': such jobs are not served, 'command' is`);
  const code = read.text('code');
  const limits = read.within('limits');
  const timeout = limits?.positive('timeout', 'seconds');
  const resources = read.within('resources');
  const [instanceCount, instanceType] = [resources?.whole('instance_count'), resources?.text('instance_type')];
  const identity = read.within('identity');
  const identityType = identity?.needed('type');
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
  const inputs = inputsOf(read.within('inputs'));
  const outputs = outputsOf(read.within('outputs'));
  read.finish();
  if (identityType !== undefined && !['aml_token', 'AMLToken'].includes(identityType))
    throw read.wrong('identity', 'of a job can only be { type: aml_token }');
  const { name, ...rest } = fields;
  return {
    name,
    body: {
      properties: defined({
        jobType: 'Command',
        ...rest,
        codeId: code === undefined ? undefined : await codeId(code, document, paths, sources),
        inputs: inputs && (await sent(inputs, document, sources)),
        outputs,
        limits: timeout === undefined ? undefined : { jobLimitsType: 'Command', timeout: duration(timeout * 1000) },
        resources: resources && defined({ instanceCount, instanceType }),
        identity: identity && { identityType: 'AMLToken' },
      }),
    },
  };
}

/** An input as the service takes it, or what lies on disk and is sent once the whole document is known to be right. */
type Input = { readonly body: JsonObject; readonly place?: string };

function inputsOf(read: Reader | undefined) {
  return read?.entries().map(([key, value]): readonly [string, Input] => [key, inputOf(key, value, read)]);
}

function inputOf(key: string, value: unknown, read: Reader): Input {
  if (value === null || Array.isArray(value)) throw read.wrong(key, 'must be a value or { type, path }');
  if (!isObject(value)) return { body: { jobInputType: 'literal', value: read.text(key) ?? '' } };
  const inner = read.within(key);
  const [type, path, mode] = [inner?.text('type') ?? 'uri_folder', inner?.text('path'), inner?.text('mode')];
  if (path === undefined || path === '') throw read.wrong(key, "needs 'path'");
  const body = { jobInputType: type, mode: modeOf(mode) };
  if (/^(azureml|runs):/.test(path)) return { body: defined({ ...body, uri: path }) };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw read.wrong(key, `has ${path}. Jobs read from this workspace only: bring the data into it first`);
  return { body: defined(body), place: path };
}

async function sent(
  inputs: readonly (readonly [string, Input])[],
  document: Document,
  sources: Sources,
): Promise<JsonObject> {
  const made: [string, JsonObject][] = [];
  for (const [key, { body, place }] of inputs)
    made.push([
      key,
      place === undefined ? body : { ...body, uri: await sources.snapshot(resolve(dirname(document.file), place)) },
    ]);
  return Object.fromEntries(made);
}

function outputsOf(read: Reader | undefined): JsonObject | undefined {
  if (read === undefined) return undefined;
  return Object.fromEntries(
    read.entries().map(([key, value]) => {
      if (value !== null && !isObject(value)) throw read.wrong(key, 'must be { type: uri_folder }');
      const inner = read.within(key);
      return [key, defined({ jobOutputType: inner?.text('type') ?? 'uri_folder', mode: modeOf(inner?.text('mode')) })];
    }),
  );
}

/** `ro_mount` in the file is `ReadOnlyMount` on the wire. */
function modeOf(mode: string | undefined): string | undefined {
  const words: Readonly<Record<string, string>> = {
    ro_mount: 'ReadOnlyMount',
    rw_mount: 'ReadWriteMount',
    download: 'Download',
    upload: 'Upload',
    direct: 'Direct',
  };
  return mode === undefined ? undefined : (words[mode] ?? mode);
}

/** PUT of an online endpoint. */
export function endpointBody(
  document: Document,
  location: string,
): { readonly name: string | undefined; readonly body: JsonObject } {
  const read = readerOf(document);
  const name = read.text('name');
  const authMode = { key: 'Key', aml_token: 'AMLToken', aad_token: 'AADToken' }[read.text('auth_mode') ?? 'key'];
  if (authMode === undefined) throw read.wrong('auth_mode', 'must be key');
  const identityType = read.within('identity')?.text('type') ?? 'system_assigned';
  const body = defined({
    location: read.text('location') ?? location,
    tags: read.texts('tags'),
    identity: { type: identityType === 'system_assigned' ? 'SystemAssigned' : identityType },
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
  const read = readerOf(document);
  const configuration = read.within('code_configuration');
  const [code, scoringScript] = [configuration?.text('code'), configuration?.text('scoring_script')];
  const requests = read.within('request_settings');
  const requestSettings =
    requests &&
    defined({
      requestTimeout: durationOf(requests.positive('request_timeout_ms', 'milliseconds')),
      maxQueueWait: durationOf(requests.positive('max_queue_wait_ms', 'milliseconds')),
      maxConcurrentRequestsPerInstance: requests.whole('max_concurrent_requests_per_instance'),
    });
  const fields = {
    name: read.text('name'),
    endpoint: read.text('endpoint_name'),
    model: read.needed('model'),
    environmentId: environmentId(read.text('environment'), paths),
    environmentVariables: read.texts('environment_variables'),
    instanceType: read.text('instance_type'),
    description: read.text('description'),
    appInsightsEnabled: read.flag('app_insights_enabled'),
    livenessProbe: probeOf(read.within('liveness_probe')),
    readinessProbe: probeOf(read.within('readiness_probe')),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
    place: read.text('location') ?? location,
  };
  const scaleType = read.within('scale_settings')?.text('type') ?? 'default';
  const instances = read.whole('instance_count') ?? 1;
  read.finish();
  if (scaleType !== 'default') throw read.wrong('scale_settings', "must be { type: default }; set 'instance_count'");
  if (code === undefined || scoringScript === undefined)
    throw read.wrong('code_configuration', "needs 'code' (a folder) and 'scoring_script' (a file in it)");
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
        requestSettings,
      }),
    }),
  };
}

const durationOf = (milliseconds: number | undefined) =>
  milliseconds === undefined ? undefined : duration(milliseconds);

function probeOf(probe: Reader | undefined): JsonObject | undefined {
  if (probe === undefined) return undefined;
  const secondsOf = (name: string) => {
    const seconds = probe.positive(name, 'seconds');
    return seconds === undefined ? undefined : duration(seconds * 1000);
  };
  return defined({
    failureThreshold: probe.whole('failure_threshold'),
    successThreshold: probe.whole('success_threshold'),
    initialDelay: secondsOf('initial_delay'),
    period: secondsOf('period'),
    timeout: secondsOf('timeout'),
  });
}
