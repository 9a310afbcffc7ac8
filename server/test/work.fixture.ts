// For tests: what a user does in a workspace: a cluster, code, jobs, and waiting for them to have got somewhere.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { pack } from 'tar-stream';
import type { Reply } from './client.fixture.ts';
import { idsIn, type World } from './server.fixture.ts';

export const endStates: ReadonlySet<string> = new Set(['Completed', 'Failed', 'Canceled']);
const pollMs = 100;

/** Asks until the answer fits; fails with the last one after `seconds`. */
export async function until(ask: () => Promise<Reply>, fits: (reply: Reply) => boolean, seconds = 60): Promise<Reply> {
  for (const end = performance.now() + seconds * 1000; ; await pause(pollMs)) {
    const reply = await ask();
    if (fits(reply)) return reply;
    if (performance.now() > end)
      assert.fail(`not within ${seconds} s; the last answer: ${reply.status} ${reply.text.slice(0, 2000)}`);
  }
}

export async function makeWorkspace(world: World, groupName: string, name: string): Promise<string> {
  const group = await world.group(groupName);
  const id = idsIn(group).workspace(name);
  const made = await world.armDone(await world.ownerToken(), 'PUT', id, { location: world.location, properties: {} });
  assert.equal(made.body?.status, 'Succeeded', made.text);
  return id;
}

export async function makeCluster(world: World, workspace: string, name: string, nodes = 1): Promise<string> {
  const id = `${workspace}/computes/${name}`;
  const made = await world.armDone(await world.ownerToken(), 'PUT', id, {
    location: world.location,
    properties: {
      computeType: 'AmlCompute',
      properties: { vmSize: 'STANDARD_DS3_V2', scaleSettings: { minNodeCount: 0, maxNodeCount: nodes } },
    },
  });
  assert.ok(made.status < 300, made.text);
  return id;
}

export async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** A snapshot of the files as version 1 of a code; answers its id. */
export async function makeCode(
  world: World,
  workspace: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const token = await world.ownerToken();
  const taken = await world.arm(token, 'POST', `${workspace}/snapshots`, await tarOf(files), {
    'content-type': 'application/x-tar',
  });
  assert.equal(taken.status, 201, taken.text);
  const id = `${workspace}/codes/${name}/versions/1`;
  const made = await world.arm(token, 'PUT', id, { properties: { codeUri: taken.body.uri } });
  assert.ok(made.status < 300, made.text);
  return id;
}

export async function submit(
  world: World,
  workspace: string,
  name: string,
  properties: Readonly<Record<string, unknown>>,
  token?: string,
): Promise<string> {
  const id = `${workspace}/jobs/${name}`;
  const made = await world.arm(token ?? (await world.ownerToken()), 'PUT', id, {
    properties: { jobType: 'Command', ...properties },
  });
  assert.ok(made.status < 300, made.text);
  return id;
}

export async function ended(world: World, job: string, seconds = 90): Promise<string> {
  const token = await world.ownerToken();
  const reply = await until(
    () => world.arm(token, 'GET', job),
    ({ body }) => endStates.has(String(body?.properties?.status)),
    seconds,
  );
  return String(reply.body.properties.status);
}

/** Waits until the job has printed the text, and answers all that it has printed. */
export async function printed(world: World, job: string, text: string, seconds = 90): Promise<string> {
  const token = await world.ownerToken();
  const reply = await until(
    () => world.arm(token, 'GET', `${job}/log?offset=0`),
    (log) => log.text.includes(text) || log.headers['x-log-complete'] === 'true',
    seconds,
  );
  assert.ok(reply.text.includes(text), `the log ends without '${text}': ${reply.text.slice(-2000)}`);
  return reply.text;
}

/** Version 1 of an environment. */
export async function makeEnvironment(
  world: World,
  workspace: string,
  name: string,
  properties: Readonly<Record<string, unknown>>,
): Promise<string> {
  const id = `${workspace}/environments/${name}/versions/1`;
  const made = await world.arm(await world.ownerToken(), 'PUT', id, { properties });
  assert.ok(made.status < 300, made.text);
  return id;
}

/** A job from its beginning to its end, with the build of its environment where there was one. */
export type Ran = {
  readonly status: string;
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** What its environment was built to; '' where there is none. */
  readonly image: string;
  readonly log: string;
  /** The log of the build. */
  readonly build: string;
};

export async function runJob(
  world: World,
  workspace: string,
  name: string,
  properties: Readonly<Record<string, unknown>>,
): Promise<Ran> {
  const job = await submit(world, workspace, name, properties);
  const status = await ended(world, job, 240);
  const get = async (id: string) => world.arm(await world.ownerToken(), 'GET', id);
  const { body } = await get(job);
  const { 'strongroom.environment.build': build, 'strongroom.environment.image': image } = body.properties.properties;
  return {
    status,
    error: body.properties.error,
    image: String(image ?? ''),
    log: (await get(`${job}/log?offset=0`)).text,
    build: build === undefined ? '' : (await get(`${workspace}/jobs/${build}/log?offset=0`)).text,
  };
}
