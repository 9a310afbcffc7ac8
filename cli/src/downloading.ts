// The files that a job left, fetched one by one through the MLflow protocol. What a job called its files is a stranger's text: a
// path that leads out of the folder is refused, and nothing that is there already is written over.

import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { NotThere, UsageError } from './exit.ts';

type Page = {
  readonly root_uri: string;
  readonly files?: readonly { readonly path: string; readonly is_dir: boolean }[];
  readonly next_page_token?: string;
};
export type Fetched = { readonly folder: string; readonly files: number; readonly bytes: number };

const filesMax = 100_000;

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
  const [, holder = job, place = `outputs/${outputName}`] =
    /\/ExperimentRun\/dcid\.([\w-]{1,255})\/(outputs\/[\w-]{1,255})$/.exec(
      (isWhole ? undefined : properties.outputs?.[outputName]?.uri) ?? '',
    ) ?? [];
  const below = isWhole ? '' : place;
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
    mkdirSync(dirname(target), { recursive: true });
    await pipeline(
      Readable.from(answer.body),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          bytes += chunk.byteLength;
          yield chunk;
        }
      },
      createWriteStream(target, { flags: 'wx', mode: 0o600 }),
    );
  }
  return { folder, files: targets.length, bytes };
}

const escaped = (path: string) => path.split('/').map(encodeURIComponent).join('/');

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
