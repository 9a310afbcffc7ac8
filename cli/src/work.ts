// What takes more than one call and is needed in more than one place: sending a folder, registering it as code, following a
// job to its end. Commands and the demo share it.

import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { type Client, type JsonObject, ServiceError } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { jobEnds } from '@strongroom/contract/jobs';
import { type BuildContext, isAddress, type Sources, type Versioned } from './documents/references.ts';
import { NotThere, UsageError } from './exit.ts';
import { listFiles, packFiles } from './packing.ts';

export type Sent = {
  readonly snapshotId: string;
  readonly uri: string;
  readonly files: number;
  readonly bytes: number;
};

/** Sends a folder or a file as a snapshot of the workspace. */
export async function sendSnapshot(
  client: Client,
  paths: WorkspacePaths,
  place: string,
  options: { readonly allowCredentials?: boolean } = {},
): Promise<Sent> {
  const files = listFiles(place);
  return await client.post<Sent>(paths.snapshots, {
    body: packFiles(files),
    headers: { 'content-type': 'application/x-tar' },
    ...(options.allowCredentials === true ? { query: { allowCredentials: 'true' } } : {}),
  });
}

/** A code version named by what it holds: the same folder is registered once. */
export async function registerCode(
  client: Client,
  paths: WorkspacePaths,
  place: string,
  options: { readonly allowCredentials?: boolean } = {},
): Promise<string> {
  const { snapshotId, uri } = await sendSnapshot(client, paths, place, options);
  const id = paths.codeVersion(snapshotId.replace(/^sha256:/, ''), '1');
  await client.settle('PUT', id, { body: { properties: { codeUri: uri, isAnonymous: true } } });
  return id;
}

export function sourcesOf(
  client: Client,
  paths: WorkspacePaths,
  options: { readonly allowCredentials?: boolean; readonly told?: (line: string) => void } = {},
): Sources {
  const snapshot = async (place: string) => {
    options.told?.(`sending ${place}`);
    return (await sendSnapshot(client, paths, place, options)).uri;
  };
  const register = async (id: string, properties: JsonObject) => {
    await client.settle('PUT', id, { body: { properties } });
    return id;
  };
  return {
    snapshot,
    async code(place) {
      options.told?.(`sending ${place}`);
      return await registerCode(client, paths, place, options);
    },
    async latest(of, name) {
      const version = await latestVersion(client, paths, of, name);
      return paths.assetVersion(of, name, version);
    },
    async environment({ name, version, properties: said, context }) {
      const properties = await environmentContent(said, context, snapshot);
      return name === undefined || version === undefined
        ? await register(paths.environmentVersion(anonymousEnvironment, digestOf(properties)), {
            ...properties,
            isAnonymous: true,
          })
        : await register(paths.environmentVersion(name, version), properties);
    },
    component: (spec) =>
      register(paths.assetVersion('components', anonymousComponent, digestOf(spec)), {
        componentSpec: spec,
        isAnonymous: true,
      }),
    async model({ name, version, place, properties }) {
      const content = await modelContent(place, properties, snapshot);
      if (name === undefined)
        return await register(paths.modelVersion(anonymousModel, digestOf(content)), { ...content, isAnonymous: true });
      return await register(
        paths.modelVersion(name, version ?? (await nextVersion(client, paths, 'models', name))),
        content,
      );
    },
  };
}

/** What a version of an environment is registered with: what it is built of is sent first if it is here. */
export async function environmentContent(
  properties: JsonObject,
  context: BuildContext | undefined,
  snapshot: (place: string) => Promise<string>,
): Promise<JsonObject> {
  if (context === undefined) return properties;
  const { place, dockerfile } = context;
  const contextUri = isAddress(place) ? place : await snapshot(place);
  return { ...properties, build: { contextUri, dockerfilePath: dockerfile ?? 'Dockerfile' } };
}

/** What a version of a model is registered with: where its files are, sent first if they are here. */
export async function modelContent(
  place: string,
  properties: JsonObject,
  snapshot: (place: string) => Promise<string>,
): Promise<JsonObject> {
  if (isAddress(place)) return { ...properties, modelUri: place };
  const modelUri = await snapshot(place);
  if (!statSync(place).isDirectory()) return { ...properties, modelUri };
  // An archive does not tell what its folder was called; where the model is deployed it is below that name.
  const labels = {
    ...(properties['properties'] as JsonObject | undefined),
    'strongroom.folder': basename(resolve(place)),
  };
  return { ...properties, modelUri, properties: labels };
}

/** The names under which Azure's own clients register what was described in place; the version is the digest of what it holds. */
const anonymousEnvironment = 'CliV2AnonymousEnvironment';
const anonymousModel = 'CliV2AnonymousModel';
const anonymousComponent = 'azureml_anonymous';

/** The same description is registered once, however its fields were ordered. */
const digestOf = (described: JsonObject): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(described).sort(([a], [b]) => (a < b ? -1 : 1))))
    .digest('hex');

const nouns: Readonly<Record<Versioned, string>> = {
  models: 'model',
  data: 'data asset',
  environments: 'environment',
  codes: 'code',
  components: 'component',
};

/** What `@latest` means. @throws NotThere */
export async function latestVersion(
  client: Client,
  paths: WorkspacePaths,
  of: Versioned,
  name: string,
): Promise<string> {
  const { latestVersion: latest } = propertiesOf(await client.get(paths.asset(of, name)));
  if (typeof latest !== 'string') throw new NotThere(`The ${nouns[of]} '${name}' has no version yet.`);
  return latest;
}

/** The number that comes next; 1 for a name that is new. */
export async function nextVersion(client: Client, paths: WorkspacePaths, of: Versioned, name: string): Promise<string> {
  try {
    const { nextVersion: next } = propertiesOf(await client.get(paths.asset(of, name)));
    if (typeof next === 'string') return next;
  } catch (thrown) {
    if (thrown instanceof ServiceError && thrown.status === 404) return '1';
    throw thrown;
  }
  throw new UsageError(`The versions of the ${nouns[of]} '${name}' are not numbers. Give --version.`);
}

/** Writes the job's log as it comes, until it is complete. Text may end inside a line. */
export async function followLog(
  client: Client,
  paths: WorkspacePaths,
  job: string,
  write: (text: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  for (let offset = 0; ; ) {
    const answer = await client.send('GET', paths.jobLog(job), { query: { offset, wait: 'true' } });
    for await (const chunk of answer.body) write(decoder.decode(chunk, { stream: true }));
    offset = Number(answer.header('x-log-offset') ?? offset);
    // Only where it says that there is more: an answer that says nothing must not be asked for ever.
    if (answer.header('x-log-complete') !== 'false') break;
  }
  const rest = decoder.decode();
  if (rest !== '') write(rest);
}

export const propertiesOf = (resource: JsonObject): JsonObject => (resource['properties'] ?? {}) as JsonObject; // codec: every ARM answer has them
export const finalStatuses: ReadonlySet<string> = new Set(jobEnds);

/** The job once it is in a final state. The log ends a moment before the status does. */
export async function waitForJob(
  client: Client,
  paths: WorkspacePaths,
  job: string,
  sleep: (ms: number) => Promise<void>,
): Promise<JsonObject> {
  for (let wait = 100; ; wait = Math.min(wait * 2, 2000)) {
    const resource = await client.get(paths.job(job));
    if (finalStatuses.has(String(propertiesOf(resource)['status']))) return resource;
    await sleep(wait);
  }
}

export type Metric = { readonly key: string; readonly value: number | string; readonly step: number };
export type MlflowRun = {
  readonly info: { readonly status: string; readonly run_id: string };
  readonly data: {
    readonly metrics?: readonly Metric[];
    readonly params?: readonly { readonly key: string; readonly value: string }[];
  };
};

/** The job's run over the MLflow protocol: its latest metrics and its params. */
export async function runOf(client: Client, paths: WorkspacePaths, job: string): Promise<MlflowRun> {
  const { run } = await client.get<{ readonly run: MlflowRun }>(`${paths.mlflow}/runs/get`, {
    query: { run_id: job },
    apiVersion: null,
  });
  return run;
}
