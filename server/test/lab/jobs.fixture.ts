// For tests of jobs: a workspace with a cluster and a code version, and the few things that a test does with a job.

import type { TestContext } from 'node:test';
import type { JobStatus } from '@strongroom/contract/jobs';
import tar from 'tar-stream';
import type { WorkDocument, WorkEvent } from '#compute';
import { type Lab, openLab } from './lab.fixture.ts';
import type { PlayedItem } from './work.fixture.ts';

export async function pack(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const packer = tar.pack();
  for (const [name, content] of Object.entries(files)) packer.entry({ name }, content);
  packer.finalize();
  const parts: Buffer[] = [];
  for await (const part of packer) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Uploads a folder; answers its URI. */
export async function snapshot(
  lab: Lab,
  workspaceId: string,
  files: Readonly<Record<string, string>>,
  who = lab.owner,
) {
  const { body } = await lab.must(who, 'POST', `${workspaceId}/snapshots`, {
    body: await pack(files),
    headers: { 'content-type': 'application/x-tar' },
  });
  return String(body.uri);
}

export async function openBench(t: TestContext) {
  const lab = await openLab(t);
  const workspaceId = await lab.workspace('Vision');
  const cluster = async (workspace: string, name = 'cpu') => {
    const id = `${workspace}/computes/${name}`;
    const properties = { computeType: 'AmlCompute', properties: { scaleSettings: { maxNodeCount: 2 } } };
    await lab.must(lab.owner, 'PUT', id, { body: { location: 'local', properties } });
    await lab.now().tasks.drain();
    return id;
  };
  const computeId = await cluster(workspaceId);
  const codeUri = await snapshot(lab, workspaceId, { 'train.py': 'print(1)' });
  const codeId = `${workspaceId}/codes/train/versions/1`;
  await lab.must(lab.owner, 'PUT', codeId, { body: { properties: { codeUri } } });
  const jobId = (name: string) => `${workspaceId}/jobs/${name}`;
  const properties = { jobType: 'Command', command: 'python3 train.py', computeId, codeId };
  const of = (name: string) => lab.work.latest(jobId(name));

  return {
    lab,
    workspaceId,
    computeId,
    codeId,
    codeUri,
    cluster,
    jobId,
    properties,
    put: (name: string, more: object = {}, who = lab.owner) =>
      lab.call(who, 'PUT', jobId(name), { body: { properties: { ...properties, ...more } } }),
    async submit(name: string, more: object = {}): Promise<PlayedItem> {
      await lab.must(lab.owner, 'PUT', jobId(name), { body: { properties: { ...properties, ...more } } });
      return of(name);
    },
    of,
    tell: (name: string, ...events: readonly WorkEvent[]) => tellAll(lab, of(name), events),
    async status(name: string): Promise<JobStatus> {
      return (await lab.must(lab.owner, 'GET', jobId(name))).body.properties.status;
    },
    async job(name: string) {
      return (await lab.must(lab.owner, 'GET', jobId(name))).body.properties;
    },
    async run(name: string) {
      const path = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow/runs/get?run_id=${name}`;
      return (await lab.must(lab.owner, 'GET', path)).body.run;
    },
    cancel: (name: string, who = lab.owner) => lab.call(who, 'POST', `${jobId(name)}/cancel`),
    log: (name: string, query = '', who = lab.owner) => lab.call(who, 'GET', `${jobId(name)}/log${query}`),
  };
}
export type Bench = Awaited<ReturnType<typeof openBench>>;

export async function tellAll(lab: Lab, item: PlayedItem, events: readonly WorkEvent[]): Promise<void> {
  for (const event of events) await lab.work.tell(item, event);
}

export const preparing: WorkEvent = { type: 'preparing' };
export const running: WorkEvent = { type: 'running' };
export const finalizing: WorkEvent = { type: 'finalizing' };
export const lost: WorkEvent = { type: 'lost' };
export const output = (text: string): WorkEvent => ({ type: 'output', text });
export const exited = (exitCode: number): WorkEvent => ({
  type: 'finished',
  reason: 'exited',
  exitCode,
  message: undefined,
});
export const ended = (reason: Extract<WorkEvent, { type: 'finished' }>['reason'], message?: string): WorkEvent => ({
  type: 'finished',
  reason,
  exitCode: null,
  message,
});

export type JobDocument = {
  readonly token: string;
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly snapshot: readonly { readonly path: string; readonly url: string; readonly sha256: string }[];
  readonly inputs: Readonly<Record<string, readonly { readonly path: string; readonly url: string }[]>>;
  readonly outputs: readonly string[];
  readonly required: readonly string[];
  readonly placed: Readonly<Record<string, { readonly baseUrl: string; readonly file?: string }>>;
  readonly redact: readonly string[];
  readonly packages?: { readonly index: string; readonly home?: string };
};
/** The runner's side of the document: what is in it is what these tests look at. */
export const jobIn = (document: WorkDocument): JobDocument => document.document.job as JobDocument;
