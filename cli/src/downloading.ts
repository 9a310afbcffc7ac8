// The files that a job left, fetched one by one through the MLflow protocol. What a job called its files is a stranger's text: a
// path that leads out of the folder is refused, and nothing that is there already is written over.

import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from '@strongroom/contract/client';
import { blobOrigin, type WorkspacePaths } from '@strongroom/contract/client.paths';
import { blobCall, escaped, listBlobs } from './blobs.ts';
import { NotThere, UsageError } from './exit.ts';

type Page = {
  readonly root_uri: string;
  readonly files?: readonly { readonly path: string; readonly is_dir: boolean }[];
  readonly next_page_token?: string;
};
export type Fetched = { readonly folder: string; readonly files: number; readonly bytes: number };

const filesMax = 100_000;
/** What lies there is read as artifacts of runs. */
const artifactStore = 'workspaceartifactstore';

export async function downloadArtifacts(
  client: Client,
  paths: WorkspacePaths,
  wanted: {
    readonly job: string;
    readonly outputName: string | undefined;
    readonly folder: string;
    readonly told: (status: string) => void;
  },
): Promise<Fetched> {
  const { job, outputName, folder, told } = wanted;
  const { properties } = await client.get<{
    readonly properties: { readonly outputs?: Readonly<Record<string, { readonly uri?: string }>> };
  }>(paths.job(job));
  const outputs = Object.keys(properties.outputs ?? {});
  if (outputName !== undefined && !outputs.includes(outputName))
    throw new NotThere(`The job '${job}' has no output '${outputName}'. It has: ${outputs.join(', ') || 'none'}.`);
  // `default` is everything that a job left. What a job of jobs has as its output, one of those has made: its uri says which.
  const isWhole = outputName === undefined || outputName === 'default';
  const uri = (isWhole ? undefined : properties.outputs?.[outputName]?.uri) ?? '';
  const [, holder = job, place = `outputs/${outputName}`] =
    /\/ExperimentRun\/dcid\.([\w-]{1,255})\/(outputs\/[\w-]{1,255})$/.exec(uri) ?? [];
  const below = isWhole ? '' : place;
  const [, datastore, inStore = ''] = /^azureml:\/\/datastores\/(\w{1,255})\/paths\/([^?#]*)$/.exec(uri) ?? [];
  if (datastore !== undefined && datastore.toLowerCase() !== artifactStore)
    return downloadPlaced(client, paths.datastore(datastore), inStore, { folder, told });
  const { files, root } = await listArtifacts(client, paths, holder, below);
  if (files.length === 0)
    throw new NotThere(
      `The job '${job}' has left no files${outputName === undefined ? '' : ` in its output '${outputName}'`}${below === '' ? '' : ' yet'}.`,
    );
  const targets = files.map((path) => ({ path, target: targetOf(folder, path, below) }));
  let bytes = 0;
  for (const [index, { path, target }] of targets.entries()) {
    told(`${index + 1} of ${targets.length} files`);
    const answer = await client.send('GET', `${paths.mlflow}-artifacts/artifacts/${escaped(`${root}/${path}`)}`, {
      apiVersion: null,
    });
    bytes += await written(answer.body, target);
  }
  return { folder, files: targets.length, bytes };
}

/** A new file, in folders that are made for it. Answers how many bytes it has. */
async function written(body: AsyncIterable<Uint8Array>, target: string): Promise<number> {
  mkdirSync(dirname(target), { recursive: true });
  let bytes = 0;
  await pipeline(
    Readable.from(body),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        bytes += chunk.byteLength;
        yield chunk;
      }
    },
    createWriteStream(target, { flags: 'wx', mode: 0o600 }),
  );
  return bytes;
}

/** What an output has left in a place of its own, by an address of that datastore. */
async function downloadPlaced(
  client: Client,
  datastore: string,
  place: string,
  { folder, told }: { readonly folder: string; readonly told: (status: string) => void },
): Promise<Fetched> {
  const { properties } = await client.get<{
    readonly properties: { readonly accountName: string; readonly containerName: string };
  }>(datastore);
  const { sasToken } = await client.post<{ readonly sasToken: string }>(`${datastore}/listSecrets`, { body: {} });
  const container = `${blobOrigin(client.origin, properties.accountName)}/${properties.containerName}`;
  const call = { ...blobCall, bearer: null, query: Object.fromEntries(new URLSearchParams(sasToken)) };
  const found: string[] = [];
  for await (const { name } of listBlobs(client, container, place, call)) {
    if (name === place || place === '' || name.startsWith(`${place}/`)) found.push(name);
    if (found.length > filesMax) throw new UsageError(`There are more than ${filesMax} files at ${place}.`);
  }
  if (found.length === 0) throw new NotThere(`There are no files at ${place} of the datastore.`);
  const isFile = found.length === 1 && found[0] === place;
  const below = isFile ? place.slice(0, Math.max(0, place.lastIndexOf('/'))) : place;
  const targets = found.map((path) => ({ path, target: targetOf(folder, path, below) }));
  let bytes = 0;
  for (const [index, { path, target }] of targets.entries()) {
    told(`${index + 1} of ${targets.length} files`);
    bytes += await written((await client.send('GET', `${container}/${escaped(path)}`, call)).body, target);
  }
  return { folder, files: targets.length, bytes };
}

/** Where a file goes. @throws UsageError for a path that leads elsewhere */
export function targetOf(folder: string, path: string, below: string): string {
  const relative = below === '' ? path : path.slice(below.length + 1);
  const isWithin = below === '' || path.startsWith(`${below}/`);
  const steps = relative.split('/');
  if (!isWithin || steps.some((step) => step === '' || step === '.' || step === '..' || /[\\\0]/.test(step)))
    throw new UsageError(`The job has a file named '${path}', which would not stay in ${folder}. Nothing was fetched.`);
  return join(folder, ...steps);
}

async function listArtifacts(client: Client, paths: WorkspacePaths, job: string, below: string) {
  const files: string[] = [];
  let root = '';
  for (const folders = [below]; folders.length > 0; ) {
    const path = folders.pop() ?? '';
    let token: string | undefined;
    do {
      const page: Page = await client.get<Page>(`${paths.mlflow}/artifacts/list`, {
        query: { run_id: job, ...(path === '' ? {} : { path }), ...(token === undefined ? {} : { page_token: token }) },
        apiVersion: null,
      });
      root = page.root_uri.replace(/^mlflow-artifacts:\/*/, '');
      for (const each of page.files ?? []) (each.is_dir ? folders : files).push(each.path);
      if (files.length + folders.length > filesMax)
        throw new UsageError(`The job has more than ${filesMax} files. Fetch one output of it with --output-name.`);
      token = page.next_page_token;
    } while (token !== undefined);
  }
  return { files: files.sort(), root };
}
