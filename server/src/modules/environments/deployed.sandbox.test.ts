// A whole server with its real agent and sandbox: deployments whose environment is built of a Dockerfile, from the folder to an answer,
// and what is said where it cannot be built. Skipped where no sandbox can be made, or there is no pip.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { image, pushImage, shellLayer } from '../../../test/image.fixture.ts';
import { sandboxed } from '../../../test/sandbox.fixture.ts';
import { type Bench, openServer } from '../../../test/server.fixture.ts';
import { makeEnvironment, makeWorkspace, tarOf } from '../../../test/work.fixture.ts';
import {
  hasPip,
  openPackageIndex,
  type PackageIndex,
  packageWheel,
  pipWheel,
  withoutPip,
} from './package-index.fixture.ts';

const { isPossible, skip } = sandboxed(hasPip() ? undefined : withoutPip);

let bench: Bench;
let index: PackageIndex;
let workspace: string;
let token: string;
let made = 0;

before(async () => {
  if (!isPossible) return;
  index = await openPackageIndex();
  index.add(pipWheel(), packageWheel('greeting', '1.2', { 'greeting.py': 'def hello(): return "hello from 1.2"\n' }));
  bench = await openServer({ embedded: true, environments: { index: index.url } });
  workspace = await makeWorkspace(bench, 'Served', 'Served');
  token = await bench.ownerToken();
  await done('PUT', `${workspace}/models/weights/versions/1`, {
    properties: { modelUri: await snapshot({ 'weights.json': '[2, 3]' }) },
  });
  await done('PUT', `${workspace}/onlineEndpoints/built`, {
    location: bench.location,
    properties: { authMode: 'Key' },
  });
});
after(async () => {
  await bench?.close();
  index?.close();
});

const done = async (method: string, path: string, body?: unknown) => {
  const reply = await bench.armDone(token, method, path, body);
  assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${method} ${path}: ${reply.text}`);
  return reply.body;
};

async function snapshot(files: Readonly<Record<string, string>>): Promise<string> {
  const taken = await bench.arm(token, 'POST', `${workspace}/snapshots`, await tarOf(files), {
    'content-type': 'application/x-tar',
  });
  assert.equal(taken.status, 201, taken.text);
  return taken.body.uri;
}

/** A deployment that runs this script on what this Dockerfile makes. */
async function deploy(name: string, dockerfile: string, script: string) {
  const n = ++made;
  const codeId = `${workspace}/codes/score/versions/${n}`;
  await done('PUT', codeId, { properties: { codeUri: await snapshot({ 'score.py': script }) } });
  const contextUri = await snapshot({ Dockerfile: dockerfile, 'words.txt': 'from the context' });
  const environmentId = await makeEnvironment(bench, workspace, `built-${n}`, { build: { contextUri } });
  return bench.armDone(token, 'PUT', `${workspace}/onlineEndpoints/built/deployments/${name}`, {
    location: bench.location,
    sku: { name: 'Default', capacity: 1 },
    properties: {
      endpointComputeType: 'Managed',
      model: 'azureml:weights:1',
      codeConfiguration: { codeId, scoringScript: 'score.py' },
      environmentId,
      environmentVariables: { OVER: 'of the deployment' },
    },
  });
}

async function ask(name: string, data: unknown) {
  const endpoint = `${workspace}/onlineEndpoints/built`;
  const key = String((await done('POST', `${endpoint}/listKeys`)).primaryKey);
  const path = new URL((await done('GET', endpoint)).properties.scoringUri).pathname;
  const headers = { 'azureml-model-deployment': name };
  return bench.send(path, { method: 'POST', token: key, headers, body: data });
}

const script = `
import json, os, sys
import greeting
def init():
    global weights
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights.json")) as source:
        weights = json.load(source)
def run(data):
    with open("/app/words.txt") as source:
        words = source.read()
    return [greeting.hello(), words, os.environ["COLOUR"], os.environ["OVER"], sys.prefix, sum(weights)]
`;

test(
  "a deployment runs on what its Dockerfile has put on the node's own Python: packages, files and variables",
  skip,
  async () => {
    const dockerfile = [
      'FROM strongroom/node-python',
      'ENV COLOUR=green OVER=under',
      'RUN pip install greeting',
      'COPY words.txt /app/',
    ].join('\n');
    const deployed = await deploy('blue', dockerfile, script);
    assert.equal(deployed.body.status, 'Succeeded', deployed.text);
    const reply = await ask('blue', {});
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(reply.body, ['hello from 1.2', 'from the context', 'green', 'of the deployment', '/env', 5]);
    const asked = index.seen.length;
    const again = await deploy('green', dockerfile, script);
    assert.equal(again.body.status, 'Succeeded', again.text);
    assert.equal(index.seen.length, asked, 'the same context is found again');
  },
);

test('on an image of the registry its files lie below those of the deployment', skip, async () => {
  const registry = String((await done('GET', workspace)).properties.containerRegistry)
    .split('/')
    .at(-1)
    ?.toLowerCase();
  await pushImage(
    (method, path, body, type) => bench.send(path, { method, token, body, headers: { 'content-type': type } }),
    `${registry}/team/base`,
    'v1',
    image([[...shellLayer()], [{ path: 'opt/kept', content: 'kept' }]]),
  );
  const deployed = await deploy(
    'based',
    `FROM ${registry}/team/base:v1\nCOPY words.txt /var/azureml-app/`,
    'import os\ndef init(): pass\ndef run(data):\n    with open("/job/image/opt/kept") as kept, open("words.txt") as words:\n        return [kept.read(), words.read()]\n',
  );
  assert.equal(deployed.body.status, 'Succeeded', deployed.text);
  const reply = await ask('based', {});
  assert.deepEqual([reply.status, reply.body], [200, ['kept', 'from the context']], reply.text);
});

test(
  'a deployment whose Dockerfile fails says so in the words of its line, and one that is refused is refused at once',
  skip,
  async () => {
    const failed = await deploy('red', 'FROM strongroom/node-python\nRUN exit 7', script);
    assert.equal(failed.body.status, 'Failed', failed.text);
    assert.match(failed.body.error.message, /Line 2 of the Dockerfile, RUN exit 7: it ended with status 7/);
    const refused = await deploy('grey', 'FROM strongroom/node-python\nVOLUME /x', script);
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.body.error.message, /line 2: VOLUME/);
  },
);
