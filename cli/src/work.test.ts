// What is described in place is registered under a name made of what it holds, once; what has a name, under that name.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from '@strongroom/contract/client';
import { workspacePaths } from '@strongroom/contract/client.paths';
import { NotThere } from './exit.ts';
import { sourcesOf } from './work.ts';

const origin = 'https://localhost:8443';
const paths = workspacePaths(
  '/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w',
);

function bench(containers: Readonly<Record<string, object>> = {}) {
  const put: { readonly path: string; readonly properties: Record<string, unknown> }[] = [];
  const client = createClient({
    origin,
    async transport({ method, url, body }) {
      const path = new URL(url).pathname.slice(paths.id.length + 1);
      if (method === 'PUT') put.push({ path, properties: JSON.parse(String(body)).properties });
      const answer =
        path === 'snapshots' ? { snapshotId: 'sha256:00', uri: 'azureml://snapshots/sha256:00' } : containers[path];
      const missing = method === 'GET' && answer === undefined && !put.some((each) => each.path === path);
      if (typeof body === 'object' && Symbol.asyncIterator in body) for await (const _ of body);
      return {
        status: missing ? 404 : 200,
        header: () => undefined,
        body: (async function* () {})(),
        text: async () =>
          JSON.stringify(missing ? { error: { code: 'ResourceNotFound', message: 'none' } } : (answer ?? {})),
      };
    },
  });
  return { put, sources: sourcesOf(client, paths) };
}

test('the folder that an environment is built of is sent, and its digest is of what was sent', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-context-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'Dockerfile'), 'FROM strongroom/node-python\n');
  const { put, sources } = bench();
  const nameless = { name: undefined, version: undefined, properties: {} };
  const built = await sources.environment({ ...nameless, context: { place: folder, dockerfile: undefined } });
  assert.match(built, /\/environments\/CliV2AnonymousEnvironment\/versions\/[0-9a-f]{64}$/);
  const build = { contextUri: 'azureml://snapshots/sha256:00', dockerfilePath: 'Dockerfile' };
  assert.deepEqual(put[0]?.properties, { build, isAnonymous: true });
  const there = 'azureml://datastores/workspaceblobstore/paths/x';
  await sources.environment({ ...nameless, context: { place: there, dockerfile: 'other' } });
  assert.deepEqual(put[1]?.properties, { build: { contextUri: there, dockerfilePath: 'other' }, isAnonymous: true });
});

test('an environment in place has the digest of what it holds as its version, however its fields are ordered', async () => {
  const { put, sources } = bench();
  const one = await sources.environment({
    name: undefined,
    version: undefined,
    properties: { image: 'i', osType: 'Linux' },
  });
  const same = await sources.environment({
    name: undefined,
    version: undefined,
    properties: { osType: 'Linux', image: 'i' },
  });
  const other = await sources.environment({ name: undefined, version: undefined, properties: { image: 'j' } });
  assert.match(one, /\/environments\/CliV2AnonymousEnvironment\/versions\/[0-9a-f]{64}$/);
  assert.equal(same, one);
  assert.notEqual(other, one);
  assert.deepEqual(put[0]?.properties, { image: 'i', osType: 'Linux', isAnonymous: true });
  assert.equal(
    await sources.environment({ name: 'base', version: '3', properties: { image: 'i' } }),
    `${paths.id}/environments/base/versions/3`,
  );
});

test('a model in place is sent once, keeps the name of its folder, and takes the next version where it has a name', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-work-'));
  try {
    mkdirSync(join(folder, 'model'));
    writeFileSync(join(folder, 'model', 'x.pkl'), 'x');
    const { put, sources } = bench({ 'models/iris': { properties: { nextVersion: '4', latestVersion: '3' } } });
    const described = { version: undefined, place: join(folder, 'model'), properties: { properties: { a: 'b' } } };
    assert.match(
      await sources.model({ ...described, name: undefined }),
      /\/models\/CliV2AnonymousModel\/versions\/[0-9a-f]{64}$/,
    );
    assert.deepEqual(put[0]?.properties, {
      modelUri: 'azureml://snapshots/sha256:00',
      properties: { a: 'b', 'strongroom.folder': 'model' },
      isAnonymous: true,
    });
    assert.equal(await sources.model({ ...described, name: 'iris' }), `${paths.id}/models/iris/versions/4`);
    assert.equal(await sources.model({ ...described, name: 'new' }), `${paths.id}/models/new/versions/1`);
    const address = await sources.model({ ...described, name: 'a', version: '9', place: 'runs:/r/model' });
    assert.equal(address, `${paths.id}/models/a/versions/9`);
    assert.equal(put.at(-1)?.properties['modelUri'], 'runs:/r/model');
    assert.equal(await sources.latest('models', 'iris'), `${paths.id}/models/iris/versions/3`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the newest version of what has none is said to be missing', async () => {
  const { sources } = bench({ 'environments/base': { properties: {} } });
  await assert.rejects(sources.latest('environments', 'base'), NotThere);
});
