// The server is killed while it fetches an image of another registry, at each step of it. The job that waits goes on with the next
// server and runs in the whole image, what had arrived is not asked for again, and what was being accepted is there or is not.

import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import { image, shellLayer } from '../image.fixture.ts';
import { authorityFile, openUpstreamRegistry, type TestUpstream } from '../registry.fixture.ts';
import { ended, makeCluster, makeWorkspace, submit } from '../work.fixture.ts';

let upstream: TestUpstream;
let place: Place;
let running: Child;
let workspace: string;
let computeId: string;
const closing: (() => unknown)[] = [];
const t = { after: (close: () => unknown) => void closing.push(close) };

before(async () => {
  upstream = await openUpstreamRegistry(t);
  const { host } = upstream;
  place = await openPlace({
    embedded: true,
    settings: {
      environments: {
        index: 'none',
        registries: [host],
        insideRegistries: [host],
        registryAuthorityFile: authorityFile(t, [upstream]),
      },
    },
  });
  running = await place.start();
  workspace = await makeWorkspace(running, 'Killed', 'Killed');
  computeId = await makeCluster(running, workspace, 'cluster');
  const said = await running.armDone(await running.ownerToken(), 'PATCH', workspace, {
    properties: { imageRegistries: [host] },
  });
  assert.ok(said.status < 300, said.text);
});
afterEach(() => {
  upstream.misbehave = () => false;
});
after(async () => {
  await running?.kill();
  await place.remove();
  for (const close of closing) await close();
});

/** The first request of this path is never answered, or only a part of it. Resolves when it has come. */
function heldAt(path: RegExp, part?: (response: ServerResponse) => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isHeld = false;
  upstream.misbehave = (request: IncomingMessage, response: ServerResponse) => {
    if (isHeld || !path.test(decodeURIComponent(request.url ?? ''))) return false;
    isHeld = true;
    part?.(response);
    resolve();
    return true;
  };
  return promise;
}

async function again(): Promise<void> {
  await running.kill();
  running = await place.start();
}
const get = async (id: string) => running.arm(await running.ownerToken(), 'GET', id);

async function verifies(): Promise<void> {
  const path = `/subscriptions/${running.subscriptionId}/providers/Strongroom.Audit/verify`;
  const { body, text } = await running.arm(await running.ownerToken(), 'POST', path, {});
  assert.deepEqual([body.verified, body.findings], [true, []], text);
}

async function environment(name: string, reference: string): Promise<string> {
  const id = `${workspace}/environments/${name}/versions/1`;
  const kept = await running.arm(await running.ownerToken(), 'PUT', id, {
    properties: { image: `${upstream.host}/team/${name}${reference}` },
  });
  assert.ok(kept.status < 300, kept.text);
  return id;
}

/** Of two layers, both its own: what another image has brought is not asked for. */
function made(name: string) {
  const one = image([
    [...shellLayer(), { path: 'opt/name', content: name }],
    [{ path: 'opt/word', content: `whole ${name}` }],
  ]);
  const [first = '', second = '', config = ''] = [...one.blobs.keys()];
  return { one, digest: upstream.push(`team/${name}`, 'v1', one), first, second, config };
}

type Made = ReturnType<typeof made>;
const moments: readonly (readonly [string, (of: Made) => RegExp])[] = [
  ['token', () => /^\/token/],
  ['manifest', ({ digest }) => new RegExp(`manifests/${digest}`)],
  ['configuration', ({ config }) => new RegExp(`blobs/${config}`)],
  ['first layer', ({ first }) => new RegExp(`blobs/${first}`)],
  ['last layer', ({ second }) => new RegExp(`blobs/${second}`)],
];

for (const [moment, pathOf] of moments)
  test(`killed as it asks for the ${moment}: the next server brings the image whole, and the job runs in it`, async () => {
    const name = `at-${moment.replace(' ', '-')}`;
    const of = made(name);
    const held = heldAt(pathOf(of), (response) => {
      // A part of what it is: cut off where the server dies.
      response.writeHead(200);
      response.write(Buffer.alloc(10));
    });
    const environmentId = await environment(name, `@${of.digest}`);
    const work = { computeId, environmentId, command: 'cat /opt/word' };
    const job = await submit(running, workspace, name, work);
    await held;
    await again();
    if (moment === 'last layer') upstream.asked.length = 0;
    assert.equal(await ended(running, job, 200), 'Completed', JSON.stringify((await get(job)).body.properties));
    assert.match((await get(`${job}/log?offset=0`)).text, new RegExp(`whole ${name}`));
    if (moment === 'last layer')
      assert.ok(!upstream.asked.some((each) => each.includes(of.first)), 'the layer that had arrived');
    await verifies();
  });

test('killed as it is told what a tag means: the job is not there, and another of the same is', async () => {
  const of = made('at-tag');
  const held = heldAt(/manifests\/v1$/);
  const environmentId = await environment('at-tag', ':v1');
  const properties = { jobType: 'Command', computeId, environmentId, command: 'cat /opt/word' };
  const sent = running.arm(await running.ownerToken(), 'PUT', `${workspace}/jobs/at-tag`, { properties });
  const lost = assert.rejects(sent);
  await held;
  await again();
  await lost;
  const left = await get(`${workspace}/jobs/at-tag`);
  assert.ok(left.status === 404 || ['Failed', 'Canceled'].includes(left.body.properties.status), left.text);
  const job = await submit(running, workspace, 'after-tag', properties);
  assert.equal(await ended(running, job, 200), 'Completed', JSON.stringify((await get(job)).body.properties));
  assert.ok(String((await get(job)).body.properties.properties['strongroom.environment.image']).endsWith(of.digest));
  await verifies();
});
