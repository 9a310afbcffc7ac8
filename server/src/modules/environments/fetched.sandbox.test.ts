// A whole server with its real agent and sandbox, and another registry on this machine: a job, a build and a deployment on an image of
// that one. Skipped where no sandbox can be made.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { image, shellLayer } from '../../../test/image.fixture.ts';
import { authorityFile, openUpstreamRegistry, type TestUpstream } from '../../../test/registry.fixture.ts';
import { sandboxed } from '../../../test/sandbox.fixture.ts';
import { type Bench, openServer } from '../../../test/server.fixture.ts';
import { makeCluster, makeCode, makeEnvironment, makeWorkspace, runJob, tarOf } from '../../../test/work.fixture.ts';

const { isPossible, skip } = sandboxed();

let bench: Bench;
let upstream: TestUpstream;
let workspace: string;
let computeId: string;
let token: string;
const closing: (() => unknown)[] = [];
const t = { after: (close: () => unknown) => void closing.push(close) };

before(async () => {
  if (!isPossible) return;
  upstream = await openUpstreamRegistry(t);
  const { host } = upstream;
  bench = await openServer({
    embedded: true,
    environments: {
      // Nothing is asked of it: what is built here needs no package.
      index: 'https://index.invalid/simple/',
      registries: [host],
      insideRegistries: [host],
      registryAuthorityFile: authorityFile(t, [upstream]),
    },
  });
  workspace = await makeWorkspace(bench, 'Fetched', 'Fetched');
  computeId = await makeCluster(bench, workspace, 'cpu');
  token = await bench.ownerToken();
  await done('PATCH', workspace, { properties: { imageRegistries: [host] } });
});
after(async () => {
  await bench?.close();
  for (const close of closing) await close();
});

const done = async (method: string, path: string, body?: unknown) => {
  const reply = await bench.armDone(token, method, path, body);
  assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${method} ${path}: ${reply.text}`);
  return reply.body;
};
const elsewhere = (name: string, reference: string) => `${upstream.host}/team/${name}${reference}`;

test('a job runs in an image of another registry as in one of ours', skip, async () => {
  const made = image([shellLayer(), [{ path: 'opt/data', content: 'from elsewhere' }]], {
    config: { Env: ['FLAVOUR=of the image', 'PATH=/usr/bin:/bin'] },
  });
  const digest = upstream.push('team/shell', 'latest', made);
  const environmentId = await makeEnvironment(bench, workspace, 'shell', { image: elsewhere('shell', ':latest') });
  const ran = await runJob(bench, workspace, 'first', {
    computeId,
    environmentId,
    command: 'cat /opt/data; echo; echo $FLAVOUR; ls /env 2>/dev/null || echo only the image',
  });
  assert.equal(ran.status, 'Completed', `${ran.error?.message} ${ran.log}`);
  assert.match(
    ran.log,
    /is fetched first, into the registry of the workspace\.\n(?:.*\n)*from elsewhere\nof the image\nonly the image/,
  );
  assert.ok(ran.image.endsWith(`@${digest}`), ran.image);
});

test('a Dockerfile is built on an image of another registry', skip, async () => {
  upstream.push('team/base', 'v1', image([shellLayer(), [{ path: 'opt/below', content: 'below' }]]));
  const contextUri = (
    await bench.arm(
      token,
      'POST',
      `${workspace}/snapshots`,
      await tarOf({ Dockerfile: `FROM ${elsewhere('base', ':v1')}\nRUN cat /opt/below > /opt/above\n` }),
      { 'content-type': 'application/x-tar' },
    )
  ).body.uri;
  const environmentId = await makeEnvironment(bench, workspace, 'built', { build: { contextUri } });
  const ran = await runJob(bench, workspace, 'built', { computeId, environmentId, command: 'cat /opt/above' });
  assert.equal(ran.status, 'Completed', `${ran.error?.message} ${ran.log} ${ran.build}`);
  assert.match(ran.log, /below$/);
});

test(
  'a deployment has the layers of an image of another registry below its own, and says why it has not',
  skip,
  async () => {
    upstream.push('team/model', 'v1', image([[{ path: 'opt/word', content: 'below' }]]));
    const codeId = await makeCode(bench, workspace, 'score', {
      'score.py':
        'import glob\ndef init(): pass\ndef run(data): return [open(p).read() for p in glob.glob("/job/**/opt/word", recursive=True) + glob.glob("/opt/word")][:1]\n',
    });
    const modelUri = (
      await bench.arm(token, 'POST', `${workspace}/snapshots`, await tarOf({ model: '1' }), {
        'content-type': 'application/x-tar',
      })
    ).body.uri;
    await done('PUT', `${workspace}/models/one/versions/1`, { properties: { modelUri } });
    const endpoint = `${workspace}/onlineEndpoints/elsewhere`;
    await done('PUT', endpoint, { location: bench.location, properties: { authMode: 'Key' } });
    const deploy = async (environmentId: string) =>
      bench.armDone(token, 'PUT', `${endpoint}/deployments/blue`, {
        location: bench.location,
        sku: { name: 'Default', capacity: 1 },
        properties: {
          ...{ endpointComputeType: 'Managed', model: 'azureml:one:1', environmentId },
          codeConfiguration: { codeId, scoringScript: 'score.py' },
        },
      });
    const missing = await makeEnvironment(bench, workspace, 'missing', {
      image: elsewhere('none', `@sha256:${'0'.repeat(64)}`),
    });
    const refused = await deploy(missing);
    assert.match(refused.text, /The registry has no image/);
    const found = await deploy(await makeEnvironment(bench, workspace, 'model', { image: elsewhere('model', ':v1') }));
    assert.ok(found.status < 300 && found.body?.status !== 'Failed', found.text);
    await done('PATCH', endpoint, { properties: { traffic: { blue: 100 } } });
    const key = String((await done('POST', `${endpoint}/listKeys`)).primaryKey);
    const { scoringUri } = (await done('GET', endpoint)).properties;
    const scored = await bench.send(new URL(scoringUri).pathname, { method: 'POST', token: key, body: { data: 1 } });
    assert.deepEqual(scored.body, ['below'], scored.text);
  },
);
