// Jobs whose environment is an image of the workspace's registry: which image that is, what is refused with what to do instead, and
// what the token of such a job opens. Everything is real but the node.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { image, ociManifest, pushImage, type TestImage } from '../../../test/image.fixture.ts';
import { type Bench, exited, jobIn, openBench, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

const named = (name: string): TestImage => image([[{ path: 'name', content: name }]]);

async function openImages(...[t]: Parameters<typeof openBench>) {
  const bench = await openBench(t);
  const { lab, workspaceId } = bench;
  const registryOf = async (workspace: string): Promise<string> =>
    String((await lab.must(lab.owner, 'GET', workspace)).body.properties.containerRegistry)
      .split('/')
      .at(-1)
      ?.toLowerCase() ?? '';
  const registry = await registryOf(workspaceId);
  let versions = 0;
  return {
    ...bench,
    registry,
    registryOf,
    push: (repository: string, tag: string, made: TestImage, of = registry) =>
      pushImage(
        (method, path, body, type) => lab.call(lab.owner, method, path, { body, headers: { 'content-type': type } }),
        `${of}/${repository}`,
        tag,
        made,
      ),
    async environment(content: object, workspace = workspaceId) {
      const id = `${workspace}/environments/e/versions/${++versions}`;
      await lab.must(lab.owner, 'PUT', id, { body: { properties: content } });
      return id;
    },
  };
}
type Opened = Bench & Awaited<ReturnType<typeof openImages>>;

test('a job runs in the image that its environment names, which is fixed when the job is accepted', async (t) => {
  const bench: Opened = await openImages(t);
  const { lab, registry } = bench;
  const first = await bench.push('team/base', 'v1', named('first'));
  const environmentId = await bench.environment({ image: `${registry}/team/base:v1` });
  assert.equal((await bench.put('one', { environmentId })).status, 201);
  assert.equal(await bench.status('one'), 'Queued');
  const second = await bench.push('team/base', 'v1', named('second'));
  assert.equal((await bench.put('two', { environmentId })).status, 201);
  const byDigest = await bench.environment({ image: `localhost:8443/${registry}/team/base@${first}` });
  assert.equal((await bench.put('three', { environmentId: byDigest })).status, 201);
  for (const [name, digest] of [
    ['one', first],
    ['two', second],
    ['three', first],
  ] as const) {
    const { document } = await lab.work.take(bench.of(name));
    assert.deepEqual(document.image, { repository: `${registry}/team/base`, digest, as: 'root', inMemory: false });
    assert.deepEqual([document.python, (document.job as { image?: unknown }).image], [undefined, undefined]);
    assert.equal((await bench.job(name)).properties['strongroom.environment.image'], `team/base@${digest}`);
  }
  await bench.tell('one', running, exited(0));
  assert.equal(await bench.status('one'), 'Completed');
});

test('the token of a job pulls the repository of its image and no other, and nothing once it has ended', async (t) => {
  const bench: Opened = await openImages(t);
  const { lab, registry } = bench;
  const digest = await bench.push('team/base', 'v1', named('mine'));
  const other = await bench.push('team/other', 'v1', named('other'));
  const environmentId = await bench.environment({ image: `${registry}/team/base:v1` });
  await bench.put('job', { environmentId });
  const { token } = jobIn(await lab.work.take(bench.of('job')));
  const get = async (path: string) => (await lab.call(token, 'GET', `/v2/${registry}/${path}`)).status;
  assert.equal(await get(`team/base/manifests/${digest}`), 200);
  for (const path of [
    `team/other/manifests/${other}`,
    'team/other/tags/list',
    `team/base2/manifests/${digest}`,
    'team/manifests/v1',
  ])
    assert.ok([401, 403, 404].includes(await get(path)), path);
  for (const [method, path] of [
    ['PUT', `team/base/manifests/v2`],
    ['POST', 'team/base/blobs/uploads/'],
    ['DELETE', `team/base/manifests/${digest}`],
  ] as const) {
    const { status } = await lab.call(token, method, `/v2/${registry}/${path}`, {
      body: Buffer.from('{}'),
      headers: { 'content-type': ociManifest },
    });
    assert.ok([401, 403].includes(status), `${method} ${path}: ${status}`);
  }
  await bench.tell('job', running, exited(0));
  assert.equal(await get(`team/base/manifests/${digest}`), 401);
});

test('an image of another workspace is none of this one, whoever knows its name or its digest', async (t) => {
  const bench: Opened = await openImages(t);
  const { registry } = bench;
  const other = await bench.lab.workspace('Other');
  const theirs = await bench.registryOf(other);
  const digest = await bench.push('team/secret', 'v1', named('secret'), theirs);
  for (const [name, words] of [
    [`${theirs}/team/secret:v1`, /is not here/],
    [`localhost:8443/${theirs}/team/secret@${digest}`, /must be in the workspace's registry/],
    [`${registry}/team/secret@${digest}`, /is not in the registry of the workspace/],
    [`${registry}/../${theirs}/team/secret:v1`, /A repository is named/],
  ] as const) {
    const refused = await bench.put('job', { environmentId: await bench.environment({ image: name }) });
    assert.equal(refused.status, 400, name);
    assert.match(refused.body.error.message, words, name);
  }
});

test('what cannot be a root is refused with what to do: elsewhere, absent, of several platforms, with packages', async (t) => {
  const bench: Opened = await openImages(t);
  const { lab, registry } = bench;
  const digest = await bench.push('team/base', 'v1', named('base'));
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType: ociManifest, digest, size: named('base').manifest.length }],
  };
  const pushed = await lab.call(lab.owner, 'PUT', `/v2/${registry}/team/base/manifests/all`, {
    body: Buffer.from(JSON.stringify(index)),
    headers: { 'content-type': index.mediaType },
  });
  assert.equal(pushed.status, 201, pushed.bytes.toString());
  for (const [content, words] of [
    [
      { image: 'docker.io/library/python:3.12' },
      new RegExp(
        `skopeo copy docker://docker.io/library/python:3.12 docker://localhost:8443/${registry}/NAME:TAG.*environments\\.images`,
      ),
    ],
    [{ image: `${registry}/team/base:v9` }, /Push it there first/],
    [{ image: `${registry}/team/base` }, /with a tag or digest/],
    [{ image: `${registry}/team/base:all` }, /several platforms/],
    [{ image: `${registry}/team/base:v1`, condaFile: 'dependencies: [six]' }, /Put them into the image/],
  ] as const) {
    const refused = await bench.put('job', { environmentId: await bench.environment(content) });
    assert.equal(refused.status, 400, JSON.stringify(content));
    assert.match(refused.body.error.message, words);
  }
  assert.equal(lab.work.items.size, 0);
});

test('an image of a workspace with high business impact is for memory alone', async (t) => {
  const bench: Opened = await openImages(t);
  const { lab } = bench;
  const workspace = await lab.workspace('Secret', { hbiWorkspace: true });
  const registry = await bench.registryOf(workspace);
  const computeId = await bench.cluster(workspace);
  await bench.push('team/base', 'v1', named('secret'), registry);
  const environmentId = await bench.environment({ image: `${registry}/team/base:v1` }, workspace);
  const id = `${workspace}/jobs/job`;
  const properties = { jobType: 'Command', command: 'true', computeId, environmentId };
  await lab.must(lab.owner, 'PUT', id, { body: { properties } });
  const { document } = await lab.work.take(lab.work.latest(id));
  assert.equal(document.image?.inMemory, true);
});
