// Environments for other versions of Python than the node's own, with a whole server, its agent and the interpreters of this machine: jobs,
// steps and deployments run on the one that was asked for; one that has moved or got a new release serves them still; one that is gone is
// said, and nothing runs on another in its place. Skipped where there is no second interpreter.

import assert from 'node:assert/strict';
import { globSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { probeSandbox } from '../../../../agent/src/sandbox/probe.ts';
import { otherPythons } from '../../../../agent/src/sandbox/pythons.fixture.ts';
import { type Child, openPlace, type Place } from '../../../test/child.fixture.ts';
import {
  ended,
  makeCluster,
  makeCode,
  makeEnvironment,
  makeWorkspace,
  runJob,
  tarOf,
  until,
} from '../../../test/work.fixture.ts';
import { openPackageIndex, type PackageIndex, packageWheel } from './package-index.fixture.ts';

const probe = await probeSandbox();
const ownVersion = probe.available ? probe.pythons.own.version : '';
const others = probe.available ? await otherPythons(ownVersion) : { all: [], close: () => {} };
const [newest] = others.all;
/** The oldest that there is. */
const other = others.all.at(-1);
const none = 'this machine has no sandbox, or one Python; STRONGROOM_TEST_PYTHONS names others';
if (process.env['CI'] === 'true' && other === undefined) throw new Error(none);
const skip = { skip: other === undefined ? none : false };

let place: Place;
let server: Child;
let index: PackageIndex;
let workspace: string;
let computeId: string;
const closing: (() => unknown)[] = [() => others.close()];
const programs = others.all.map(({ program }) => program);

const configure = (pythons: readonly string[]) =>
  place.configure({ agent: { pythons }, environments: { index: index.url } });

before(async () => {
  if (newest === undefined) return;
  index = await openPackageIndex();
  closing.push(index.close);
  // The one that comes with the newest runs on the older ones too.
  const library = join(dirname(dirname(newest.program)), 'lib', basename(newest.program));
  const pip = globSync(join(library, 'ensurepip/_bundled/pip-*.whl'))[0] ?? assert.fail('no pip comes with it');
  const greeting =
    'import sys\ndef hello(): return "hello from %d.%d" % sys.version_info[:2]\ndef main(): print(hello())\n';
  index.add(
    { name: basename(pip), bytes: readFileSync(pip) },
    packageWheel('greeting', '1.0', { 'greeting.py': greeting }, { scripts: { greet: 'greeting:main' } }),
  );
  place = await openPlace({ embedded: true });
  closing.push(() => place.remove());
  await configure(programs);
  server = await place.start();
  closing.push(() => server.kill());
  workspace = await makeWorkspace(server, 'Versions', 'Versions');
  computeId = await makeCluster(server, workspace, 'cpu');
});
after(async () => {
  for (const close of closing.reverse()) await close();
});

const arm = async (method: string, path: string, body?: unknown) =>
  server.arm(await server.ownerToken(), method, path, body);

async function done(method: string, path: string, body?: unknown) {
  const reply = await server.armDone(await server.ownerToken(), method, path, body);
  assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${method} ${path}: ${reply.text}`);
  return reply.body;
}

const environment = (name: string, python: string) =>
  makeEnvironment(server, workspace, name, {
    image: 'strongroom/node-python',
    condaFile: `dependencies:\n  - ${python}\n  - pip:\n    - greeting\n`,
  });

async function run(name: string, environmentId: string, command = 'greet; python --version; python3 --version') {
  const ran = await runJob(server, workspace, name, { computeId, environmentId, command });
  const { status, error, build: built, log, image } = ran;
  assert.equal(status, 'Completed', `${JSON.stringify(error)} ${built} ${log}`);
  return { log, built, image };
}

const isOf = (version: string) =>
  new RegExp(`hello from ${version}\n(Python ${version.replace('.', '\\.')}\\.\\d+\n){2}`);

test('a job runs on the Python that its environment names, and a build says which that is', skip, async () => {
  for (const { version } of [newest, other].filter((one) => one !== undefined)) {
    const { log, built } = await run(
      `job-${version.replace('.', '-')}`,
      await environment(`py-${version}`, `python=${version}`),
    );
    assert.match(log, isOf(version));
    assert.match(built, new RegExp(`^Python ${version}\\.\\d+ \\(cpython-${version.replace('.', '')}-`, 'm'));
  }
  const own = await run('job-own', await environment('py-own', 'python'));
  assert.match(own.log, isOf(ownVersion));
});

test('what no node has is refused with the list of those that there are', skip, async () => {
  const environmentId = await environment('py-none', 'python=3.99');
  const refused = await arm('PUT', `${workspace}/jobs/none`, {
    properties: { jobType: 'Command', computeId, environmentId, command: 'true' },
  });
  assert.equal(refused.status, 400, refused.text);
  assert.match(
    refused.text,
    new RegExp(
      `asks for Python 3\\.99, and the nodes here have ${[ownVersion, ...others.all.map(({ version }) => version)].join(', ')}\\.`,
    ),
  );
});

test('so do the steps of a pipeline and the trials of a sweep', skip, async () => {
  const version = other?.version ?? '';
  const environmentId = `${workspace}/environments/py-${version}/versions/1`;
  const step = { type: 'command', component: undefined, environmentId, command: 'greet' };
  const componentId = `${workspace}/components/greets/versions/1`;
  await done('PUT', componentId, {
    properties: {
      componentSpec: { name: 'greets', type: 'command', command: step.command, environment: environmentId },
    },
  });
  const pipeline = `${workspace}/jobs/steps`;
  await done('PUT', pipeline, {
    properties: {
      jobType: 'Pipeline',
      settings: { default_compute: computeId },
      jobs: { one: { type: 'command', componentId } },
    },
  });
  assert.equal(await ended(server, pipeline, 120), 'Completed');
  const sweep = `${workspace}/jobs/sweeps`;
  await done('PUT', sweep, {
    properties: {
      jobType: 'Sweep',
      computeId,
      samplingAlgorithm: { samplingAlgorithmType: 'Random' },
      searchSpace: { rate: ['choice', [[1]]] },
      objective: { goal: 'Maximize', primaryMetric: 'none' },
      limits: { maxTotalTrials: 1, maxConcurrentTrials: 1 },
      trial: { command: `greet \${{search_space.rate}}`, environmentId },
    },
  });
  await ended(server, sweep, 120);
  for (const parent of ['steps', 'sweeps']) {
    const path = `/history/v1.0${workspace}/runs/${parent}/children`;
    const { value } = (await server.send(path, { token: await server.ownerToken() })).body as {
      value: { runId: string }[];
    };
    const [child] = value;
    assert.ok(value.length === 1 && child, JSON.stringify(value));
    const log = (await arm('GET', `${workspace}/jobs/${child.runId}/log?offset=0`)).text;
    assert.match(log, new RegExp(`hello from ${version}\n`));
  }
});

const endpoint = () => `${workspace}/onlineEndpoints/versions`;
let key = '';
const score = async () => {
  const { scoringUri } = (await done('GET', endpoint())).properties;
  return server.send(new URL(scoringUri).pathname, { method: 'POST', token: key, body: { data: 1 } });
};

test('a deployment runs on it too', skip, async () => {
  const version = other?.version ?? '';
  const script = 'import greeting, sys\ndef init(): pass\ndef run(data): return [greeting.hello(), sys.prefix]\n';
  const codeId = await makeCode(server, workspace, 'greets', { 'score.py': script });
  const taken = await server.arm(
    await server.ownerToken(),
    'POST',
    `${workspace}/snapshots`,
    await tarOf({ 'model.json': '{}' }),
    { 'content-type': 'application/x-tar' },
  );
  await done('PUT', `${workspace}/models/greets/versions/1`, { properties: { modelUri: taken.body.uri } });
  await done('PUT', endpoint(), { location: server.location, properties: { authMode: 'Key' } });
  await done('PUT', `${endpoint()}/deployments/blue`, {
    location: server.location,
    sku: { name: 'Default', capacity: 1 },
    properties: {
      endpointComputeType: 'Managed',
      model: 'azureml:greets:1',
      codeConfiguration: { codeId, scoringScript: 'score.py' },
      environmentId: `${workspace}/environments/py-${version}/versions/1`,
    },
  });
  await done('PATCH', endpoint(), { properties: { traffic: { blue: 100 } } });
  key = String((await done('POST', `${endpoint()}/listKeys`)).primaryKey);
  const reply = await score();
  assert.deepEqual([reply.status, reply.body], [200, [`hello from ${version}`, '/env']], reply.text);
});

test(
  'an interpreter that lies elsewhere at the next start, as after a new release, serves what was built',
  skip,
  async () => {
    const { version = '', program = '' } = other ?? {};
    const prefix = dirname(dirname(program));
    await server.terminate();
    renameSync(prefix, `${prefix}-moved`);
    await configure(programs.map((one) => one.replace(`${prefix}/`, `${prefix}-moved/`)));
    server = await place.start();
    const asked = index.seen.length;
    const { log } = await run('moved', `${workspace}/environments/py-${version}/versions/1`);
    assert.match(log, isOf(version));
    assert.equal(index.seen.length, asked);
    const reply = await until(score, ({ status }) => status === 200);
    assert.deepEqual(reply.body, [`hello from ${version}`, '/env']);
  },
);

test(
  'one that is gone is refused in words, for jobs and for deployments, and no other takes its place',
  skip,
  async () => {
    const { version = '' } = other ?? {};
    await server.terminate();
    await configure([]);
    server = await place.start();
    const environmentId = `${workspace}/environments/py-${version}/versions/1`;
    const refused = await until(
      () =>
        arm('PUT', `${workspace}/jobs/gone`, {
          properties: { jobType: 'Command', computeId, environmentId, command: 'greet' },
        }),
      ({ status }) => status === 400,
    );
    assert.match(
      refused.text,
      new RegExp(`asks for Python ${version.replace('.', '\\.')}, and the nodes here have ${ownVersion}\\.`),
    );
    const told = await until(
      () => arm('POST', `${endpoint()}/deployments/blue/getLogs`, { containerType: 'InferenceServer' }),
      ({ text }) => text.includes('has no Python'),
    );
    assert.match(
      told.text,
      new RegExp(`This node has no Python ${version}; it has ${ownVersion}\\. Nothing runs on another version`),
    );
    assert.equal(
      (await done('GET', `${endpoint()}/deployments/blue`)).properties.properties['strongroom.health'],
      'Unhealthy',
    );
  },
);
