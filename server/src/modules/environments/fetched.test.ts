// Jobs whose image is of another registry: who must permit it, what is fixed when the job is accepted, who waits for what, and what is
// true afterwards whatever went wrong. Everything is real but the node; the other registry is on this machine.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openCustomer } from '../../../test/lab/customer.fixture.ts';
import { type Fetched, named, openFetched } from '../../../test/lab/fetched.fixture.ts';
import { exited, jobIn, running, snapshot } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

const blob = /\/blobs\//;
const errorOf = async (bench: Fetched, name: string) => {
  const { status, error } = await bench.job(name);
  assert.equal(status, 'Failed');
  return String(error.message);
};

test('a job waits while its image is fetched, and runs in it by the digest that its tag had when it was accepted', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { lab, upstream } = bench;
  const first = upstream.push('team/base', 'latest', named('first'));
  const held = bench.hold(blob);
  const environmentId = await bench.version({ image: bench.name('latest').replace(':latest', '') });
  assert.equal((await bench.put('one', { environmentId })).status, 201);
  await held.asked;
  assert.equal(await bench.status('one'), 'Preparing');
  assert.deepEqual(await bench.told('one'), { source: bench.name(first), image: undefined });
  assert.match(
    (await bench.log('one')).bytes.toString(),
    /The image 127\.0\.0\.1:\d+\/team\/base@sha256:[0-9a-f]{64} is fetched first/,
  );
  assert.equal(lab.work.of(bench.jobId('one')).length, 0, 'nothing runs before its image is there');
  const second = upstream.push('team/base', 'latest', named('second'));
  assert.equal((await bench.put('two', { environmentId })).status, 201);
  held.free();
  await bench.settled();
  for (const [name, digest] of [
    ['one', first],
    ['two', second],
  ] as const) {
    assert.equal(await bench.status(name), 'Queued', name);
    const told = await bench.told(name);
    assert.equal(told.source, bench.name(digest));
    const { document } = await lab.work.take(bench.of(name));
    assert.match(document.image?.repository ?? '', /\/imported\/127\.0\.0\.1_\d+\/[0-9a-f]{64}$/);
    assert.equal(document.image?.digest, digest);
    assert.ok(told.image?.endsWith(`@${digest}`));
  }
  await bench.tell('one', running, exited(0));
  assert.equal(await bench.status('one'), 'Completed');
});

test('many jobs wait for one fetch, which is recorded with its registry, its digest and whom it is for', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { lab, upstream } = bench;
  const digest = upstream.push('team/base', 'v1', named('one'));
  const held = bench.hold(blob);
  const environmentId = await bench.version({ image: bench.name('v1') });
  for (const name of ['a', 'b', 'c']) await bench.put(name, { environmentId });
  await held.asked;
  upstream.asked.length = 0;
  held.free();
  await bench.settled();
  for (const name of ['a', 'b', 'c']) assert.equal(await bench.status(name), 'Queued', name);
  const blobs = upstream.asked.filter((each) => blob.test(each));
  assert.equal(blobs.length, new Set(blobs).size, blobs.join('\n'));
  const [fetch, ...others] = bench.fetches();
  assert.deepEqual(others, []);
  const { registry, image, digest: recorded, neededBy, madeFor } = fetch?.intent.parameters ?? {};
  assert.deepEqual(
    [registry, image, recorded, neededBy, madeFor],
    [upstream.host, bench.name(digest), digest, bench.jobId('a'), lab.owner],
  );
  assert.equal(fetch?.outcome?.status, 200);
});

test('an image that is kept needs no network: by its digest, and for the next job', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { upstream } = bench;
  const digest = upstream.push('team/base', 'v1', named('one'));
  const environmentId = await bench.version({ image: bench.name(digest) });
  await bench.put('one', { environmentId });
  await bench.settled();
  assert.equal(await bench.status('one'), 'Queued');
  upstream.close();
  upstream.asked.length = 0;
  assert.equal((await bench.put('two', { environmentId })).status, 201);
  assert.equal(await bench.status('two'), 'Queued');
  assert.deepEqual(await bench.told('two'), await bench.told('one'));
  assert.deepEqual([upstream.asked, bench.fetches().length], [[], 1]);
  // Of a tag nobody knows what it means while its registry does not answer.
  const refused = await bench.put('three', { environmentId: await bench.version({ image: bench.name('v1') }) });
  assert.deepEqual([refused.status, refused.body.error.code], [424, 'RegistryUnavailable']);
});

test('nothing is fetched unless the operator and the workspace both say so, and each refusal says what to do', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { lab, upstream } = bench;
  upstream.push('team/base', 'v1', named('one'));
  upstream.push('other/base', 'v1', named('other'));
  const refused = async (image: string, words: RegExp) => {
    const { status, body } = await bench.put('no', { environmentId: await bench.version({ image }) });
    assert.equal(status, 400, image);
    assert.match(body.error.message, words, image);
  };
  await bench.permit([`${upstream.host}/team/*`]);
  for (const [patterns, words] of [
    [[upstream.host], /No image comes from .* which permits 127\.0\.0\.1:\d+\/team\/\*/],
    [[`${upstream.host}/other/*`], /No image comes from/],
    [['ghcr.io'], /has not named it in the setting environments\.registries/],
    [['https://ghcr.io'], /does not begin with the host/],
    [['GHCR.io'], /in small letters/],
  ] as const) {
    // What it has said before stands, and says no more than the operator does.
    if (patterns[0] === upstream.host) await bench.say([]);
    const answer = await bench.say(patterns);
    assert.equal(answer.status, 400, String(patterns));
    assert.match(answer.body.error.message, words);
  }
  assert.ok((await bench.say([`${upstream.host}/team/base`])).status < 300);
  await bench.settled();
  await refused(
    bench.name('v1', 'other/base'),
    /the operator permits its registry in the setting environments\.registries/,
  );
  await refused('ghcr.io/team/base:v1', /environments\.registries/);
  await refused('python:3.12', /environments\.registries/);
  await refused(`${upstream.host}/../team/base:v1`, /is not here/);
  await refused(bench.name('v1', 'team/more'), /workspace update Vision --image-registry 127\.0\.0\.1:\d+\/team\/more/);
  const packages = await bench.put('no', {
    environmentId: await bench.version({ image: bench.name('v1'), condaFile: 'dependencies: [six]' }),
  });
  assert.match(packages.body.error.message, /Packages are not installed on the image/);
  assert.deepEqual(upstream.asked, []);
  const person = await lab.person(['AzureML Data Scientist']);
  const patched = await lab.call(person, 'PATCH', bench.workspaceId, {
    body: { properties: { imageRegistries: [upstream.host] } },
  });
  assert.equal(patched.status, 403, 'who works in a workspace does not open it');
  assert.equal(
    (await bench.put('yes', { environmentId: await bench.version({ image: bench.name('v1') }) })).status,
    201,
  );
});

test('a rule that is taken away between the acceptance and the fetch ends the job, and nothing is asked any more', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { upstream } = bench;
  upstream.push('team/base', 'v1', named('one'));
  const environmentId = await bench.version({ image: bench.name('v1') });
  const refuseFirst = () => {
    upstream.misbehave = (request, response) => {
      if (!blob.test(request.url ?? '')) return false;
      response.writeHead(503).end();
      return true;
    };
  };
  refuseFirst();
  await bench.put('one', { environmentId });
  await bench.settled();
  assert.equal(await bench.status('one'), 'Preparing', 'it is tried again');
  assert.ok((await bench.say([])).status < 300);
  upstream.misbehave = () => false;
  upstream.asked.length = 0;
  await bench.again();
  assert.match(await errorOf(bench, 'one'), /the workspace permits its registry no longer/);
  assert.deepEqual(upstream.asked, []);
  await bench.say([upstream.host]);
  await bench.settled();
  refuseFirst();
  await bench.put('two', { environmentId });
  await bench.settled();
  upstream.misbehave = () => false;
  upstream.asked.length = 0;
  await bench.permit([]);
  await bench.again();
  assert.match(await errorOf(bench, 'two'), /the operator of the server permits its registry no longer/);
  assert.deepEqual(upstream.asked, []);
});

test('whoever waits for a fetch that fails fails with its words, and whoever comes later tries anew', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { upstream } = bench;
  upstream.push('team/base', 'v1', named('one'));
  const environmentId = await bench.version({ image: bench.name('v1') });
  const free = Promise.withResolvers<void>();
  upstream.misbehave = (request, response) => {
    if (!blob.test(request.url ?? '')) return false;
    void free.promise.then(() => response.writeHead(200).end('something else'));
    return true;
  };
  await bench.put('one', { environmentId });
  await bench.put('two', { environmentId });
  free.resolve();
  await bench.settled();
  for (const name of ['one', 'two']) assert.match(await errorOf(bench, name), /sent something else/);
  assert.deepEqual(
    bench.fetches().map(({ outcome }) => outcome?.code),
    ['ImageNotFetched'],
  );
  upstream.misbehave = () => false;
  await bench.put('three', { environmentId });
  await bench.settled();
  assert.equal(await bench.status('three'), 'Queued');
});

test('a registry that does not answer is tried again for a while, and then that is told', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { upstream } = bench;
  const digest = upstream.push('team/base', 'v1', named('one'));
  upstream.misbehave = (request, response) => {
    response.writeHead(503).end();
    return request.url !== '';
  };
  await bench.put('one', { environmentId: await bench.version({ image: bench.name(digest) }) });
  for (let tries = 0; tries < 8; tries++) await bench.again();
  assert.match(await errorOf(bench, 'one'), /could not be asked for: 127\.0\.0\.1:\d+ answered 503/);
  assert.equal(bench.fetches().length, 6);
});

test('a fetch that nobody waits for any more ends, and the next job begins another', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { upstream } = bench;
  const digest = upstream.push('team/base', 'v1', named('one'));
  const environmentId = await bench.version({ image: bench.name(digest) });
  const held = bench.hold(blob);
  await bench.put('one', { environmentId });
  await bench.put('two', { environmentId });
  await held.asked;
  await bench.cancel('one');
  assert.equal(await bench.status('two'), 'Preparing');
  await bench.cancel('two');
  await held.closed;
  await bench.settled();
  assert.deepEqual([await bench.status('one'), await bench.status('two')], ['Canceled', 'Canceled']);
  upstream.misbehave = () => false;
  await bench.put('three', { environmentId });
  await bench.settled();
  assert.equal(await bench.status('three'), 'Queued');
});

test('a server that dies while it fetches goes on where it was, and nothing half fetched is used', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { lab, upstream } = bench;
  const made = named('first', 'second');
  const digest = upstream.push('team/base', 'v1', made);
  const [first = '', second = ''] = [...made.blobs.keys()];
  const held = bench.hold(new RegExp(second));
  await bench.put('one', { environmentId: await bench.version({ image: bench.name(digest) }) });
  await held.asked;
  await lab.abandon();
  assert.equal(await bench.status('one'), 'Preparing');
  upstream.misbehave = () => false;
  upstream.asked.length = 0;
  await bench.again();
  assert.equal(await bench.status('one'), 'Queued');
  assert.ok(!upstream.asked.some((each) => each.includes(first)), 'what had arrived');
  assert.equal((await bench.told('one')).image?.split('@')[1], digest);
});

test('the token of a job pulls its own image and no other that was fetched', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { lab, upstream } = bench;
  upstream.push('team/base', 'v1', named('one'));
  upstream.push('team/base', 'v2', named('two'));
  for (const tag of ['v1', 'v2'])
    await bench.put(tag, { environmentId: await bench.version({ image: bench.name(tag) }) });
  await bench.settled();
  const work = { v1: await lab.work.take(bench.of('v1')), v2: await lab.work.take(bench.of('v2')) };
  const get = async (of: 'v1' | 'v2') => {
    const image = work[of].document.image;
    return (await lab.call(jobIn(work.v1).token, 'GET', `/v2/${image?.repository}/manifests/${image?.digest}`)).status;
  };
  assert.equal(await get('v1'), 200);
  assert.ok([401, 403].includes(await get('v2')));
});

test('a Dockerfile that begins with an image of another registry waits for that first, and builds on it by its digest', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { lab, upstream, workspaceId } = bench;
  const digest = upstream.push('team/base', 'v1', named('one'));
  const contextUri = await snapshot(lab, workspaceId, {
    Dockerfile: `FROM ${bench.name('v1')}\nENV COLOUR=green\nRUN true\n`,
  });
  const environmentId = await bench.version({ build: { contextUri } });
  const held = bench.hold(new RegExp([...named('one').blobs.keys()][0] ?? ''));
  const accepted = await bench.put('one', { environmentId });
  assert.equal(accepted.status, 201, accepted.bytes.toString());
  await held.asked;
  assert.deepEqual([await bench.status('one'), (await bench.told('one')).source], ['Preparing', bench.name(digest)]);
  assert.equal(await bench.buildOf('one'), 'undefined');
  upstream.push('team/base', 'v1', named('another'));
  held.free();
  await bench.settled();
  const build = await bench.buildOf('one');
  const taken = await lab.work.take(bench.of(build));
  const { document } = taken;
  const { token } = jobIn(taken);
  assert.equal(document.image?.digest, digest);
  const at = `/v2/${document.image?.repository}/manifests/${digest}`;
  assert.equal((await lab.call(token, 'GET', at)).status, 200, 'the build reads what it stands on');
});

test('an image that nobody used for as long as the setting says goes, and is fetched again when it is needed', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { lab, upstream } = bench;
  const digest = upstream.push('team/base', 'v1', named('one'));
  const environmentId = await bench.version({ image: bench.name(digest) });
  await bench.put('one', { environmentId });
  await bench.settled();
  await bench.tell('one', running, exited(0));
  const collect = () => lab.now().environments.collect(new AbortController().signal);
  lab.clock.jump(60 * 86_400_000);
  assert.equal(await collect(), 0);
  lab.clock.jump(31 * 86_400_000);
  assert.equal(await collect(), 1);
  await bench.put('two', { environmentId });
  await bench.settled();
  assert.equal(await bench.status('two'), 'Queued');
  assert.equal(bench.fetches().length, 2);
});

test('a fetch whose workspace is closed for long is not given up: it goes on when the key of the customer is back', async (t) => {
  const bench: Fetched = await openFetched(t);
  const { lab, upstream } = bench;
  const { newKey, enable, encryption } = await openCustomer(lab);
  const key = await newKey();
  const workspace = await lab.workspace('Locked', { imageRegistries: [upstream.host], ...encryption(key) });
  const digest = upstream.push('team/base', 'v1', named('one'));
  upstream.misbehave = (request, response) => {
    response.writeHead(503).end();
    return request.url !== '';
  };
  const environmentId = await bench.version({ image: bench.name(digest) }, workspace);
  const job = `${workspace}/jobs/one`;
  await lab.must(lab.owner, 'PUT', job, {
    body: {
      properties: { jobType: 'Command', command: 'true', computeId: await bench.cluster(workspace), environmentId },
    },
  });
  await bench.settled();
  await enable(key, false);
  for (let tries = 0; tries < 14; tries++) await bench.again();
  assert.equal((await lab.call(lab.owner, 'GET', job)).status, 403, 'closed');
  upstream.misbehave = () => false;
  await enable(key, true);
  for (let tries = 0; tries < 2; tries++) await bench.again();
  const { body } = await lab.must(lab.owner, 'GET', job);
  assert.equal(body.properties.status, 'Queued', JSON.stringify(body.properties.error));
});
