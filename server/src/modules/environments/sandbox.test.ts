// A whole server with its real agent and sandbox, and a package index on this machine: from a conda file to a job that imports
// what it asked for, and what a hostile package can do meanwhile. Skipped where no sandbox can be made, or there is no pip.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sandboxed } from '../../../test/sandbox.fixture.ts';
import { type Bench, openServer } from '../../../test/server.fixture.ts';
import {
  ended,
  makeCluster,
  makeCode,
  makeEnvironment,
  makeWorkspace,
  runJob,
  submit,
  tarOf,
} from '../../../test/work.fixture.ts';
import {
  hasPip,
  openPackageIndex,
  type PackageIndex,
  packageWheel,
  pipWheel,
  sourcePackage,
  withoutPip,
} from './package-index.fixture.ts';

const { isPossible, skip } = sandboxed(hasPip() ? undefined : withoutPip);

let bench: Bench;
let index: PackageIndex;
let workspace: string;
let computeId: string;

before(async () => {
  if (!isPossible) return;
  index = await openPackageIndex();
  index.add(
    pipWheel(),
    packageWheel(
      'greeting',
      '1.2',
      { 'greeting.py': 'def hello(): return "hello from 1.2"\ndef main(): print(hello())\n' },
      { scripts: { greet: 'greeting:main' } },
    ),
    packageWheel('greeting', '2.0', { 'greeting.py': 'def hello(): return "hello from 2.0"\n' }),
    packageWheel(
      'polite-words',
      '1.0',
      { 'polite/__init__.py': 'from greeting import hello\n' },
      { requires: ['greeting<2'] },
    ),
  );
  bench = await openServer({ embedded: true, environments: { index: index.url } });
  workspace = await makeWorkspace(bench, 'Builds', 'Builds');
  computeId = await makeCluster(bench, workspace, 'cpu');
});
after(async () => {
  await bench?.close();
  index?.close();
});

const arm = async (method: string, path: string, body?: unknown) =>
  bench.arm(await bench.ownerToken(), method, path, body);

const environment = (name: string, condaFile: string) =>
  makeEnvironment(bench, workspace, name, { image: 'strongroom/node-python', condaFile });
const run = (name: string, environmentId: string, command: string) =>
  runJob(bench, workspace, name, { computeId, environmentId, command });

test('a job imports what its conda file names, at /env, by programs too, and the next one finds it', skip, async () => {
  const id = await environment('polite', 'dependencies:\n  - pip:\n    - polite-words\n');
  const command =
    'python -c "import polite, sys; print(polite.hello(), sys.prefix)"; greet; touch /env/x || echo kept; command -v python';
  const first = await run('first', id, command);
  assert.equal(first.status, 'Completed', `${JSON.stringify(first.error)} ${first.build} ${first.log}`);
  assert.match(
    first.log,
    /^Its environment is built first, by the job prepare-image-.*\nhello from 1\.2 \/env\nhello from 1\.2\n/,
  );
  assert.match(first.log, /\/env\/bin\/python\n/);
  const asked = index.seen.length;
  const second = await run('second', id, command);
  assert.deepEqual([second.status, second.image, index.seen.length], ['Completed', first.image, asked]);
});

test('the same lock has the same digest, however often and wherever it is built', skip, async () => {
  const digests: string[] = [];
  // Two recipes that come to the same packages.
  for (const [name, text] of [
    ['one', 'greeting==1.2'],
    ['two', 'greeting==1.2\ngreeting<2'],
  ] as const)
    digests.push((await run(`same-${name}`, await environment(name, text), 'greet')).image.split('@')[1] ?? name);
  assert.match(digests[0] ?? '', /^sha256:[0-9a-f]{64}$/);
  assert.equal(digests[0], digests[1]);
});

test('what cannot be solved fails in the words of pip, in the log and on the job', skip, async () => {
  const { status, error, build } = await run('unsolvable', await environment('none', 'greeting>=3'), 'true');
  assert.equal(status, 'Failed');
  assert.equal(error?.code, 'EnvironmentBuildFailed');
  assert.match(error?.message ?? '', /^pip: .*No matching distribution found for greeting>=3/);
  assert.match(build, /from versions: 1\.2, 2\.0/);
});

test('a wheel that is not what the index names is in no environment', skip, async () => {
  const wheel = packageWheel('damaged', '1.0', { 'damaged.py': '' });
  index.add({ ...wheel, sha256: '0'.repeat(64) });
  const { status, build } = await run('damaged', await environment('damaged', 'damaged'), 'true');
  assert.equal(status, 'Failed');
  assert.doesNotMatch(build, /Successfully installed/);
});

test(
  'a package that runs code while it is built reaches no network, no other route and no other build',
  skip,
  async () => {
    const attack = `
import json, os, re, socket, ssl, subprocess, urllib.parse, urllib.request
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
for host, port in (("1.1.1.1", 443), ("127.0.0.1", ${new URL(index.url).port}), ("169.254.169.254", 80)):
    try:
        socket.create_connection((host, port), 3)
        say("REACHED", host)
    except OSError as failure:
        say("no way to", host)
def environment_of(process):
    return dict(line.partition("=")[::2] for line in open("/proc/%s/environ" % process).read().split("\\0"))
# What the builder was given: its token is not in what pip starts, but a process of the same user can read another.
builder = next(given for given in (environment_of(name) for name in os.listdir("/proc") if name.isdigit() and name != "1") if "STRONGROOM_BUILD" in given)
given = json.loads(builder["STRONGROOM_BUILD"])
token, result = given["token"], given["result"]
for name in os.listdir("/proc"):
    if name.isdigit() and token in open("/proc/%s/cmdline" % name, errors="replace").read():
        say("OPENED", "an argument of a process holds the token")
door = os.environ["PIP_INDEX_URL"]
for path in ("/result", "/simple/greeting/../../../jobs", "/", "http://169.254.169.254/"):
    try:
        say("OPENED", path, urllib.request.urlopen(urllib.request.Request(urllib.parse.urljoin(door, path), data=b"x" if path == "/result" else None, method="PUT" if path == "/result" else "GET"), timeout=20).status)
    except Exception as failure:
        say("shut", getattr(failure, "code", failure))
base = result.rsplit("/", 1)[0] + "/"
workspace = re.search(r"/packages/v1.0(/.*)/builds/", result).group(1)
origin = re.match(r"https://[^/]+", base).group(0)
context = ssl.create_default_context(cafile="/run/strongroom/ca.pem")
build = re.search(r"/builds/([^/]+)/", base).group(1)
for method, path in (
    ("GET", workspace + "?api-version=2024-10-01"), ("GET", workspace + "/jobs/" + build + "?api-version=2024-10-01"),
    ("PUT", workspace + "/jobs/evil?api-version=2024-10-01"), ("GET", "/mlflow/v1.0" + workspace + "/api/2.0/mlflow/runs/get?run_id=" + build),
    ("PUT", "/packages/v1.0" + workspace + "/builds/prepare-image-other/result"), ("GET", "/packages/v1.0" + workspace + "/builds/prepare-image-other/simple/greeting/"),
    ("GET", "/packages/v1.0" + workspace + "/builds/" + build + "/simple/..%2f..%2fetc/"),
    ("GET", "/packages/v1.0" + workspace + "/builds/" + build + "/files/greeting/" + "0" * 64 + "/http:%2f%2f127.0.0.1%2fx.whl"),
):
    request = urllib.request.Request(origin + path, method=method, data=b"{}" if method == "PUT" else None, headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    try:
        say("OPENED", path, urllib.request.urlopen(request, context=context, timeout=20).status)
    except Exception as failure:
        say("refused", getattr(failure, "code", failure))
`;
    index.add(sourcePackage('hostile', '1.0', attack.trim()));
    const before = index.seen.filter((path) => !/^\/(simple|files)\//.test(path)).length;
    const { status, build, error } = await run(
      'hostile',
      await environment('hostile', 'hostile'),
      'python -c "import hostile"',
    );
    assert.equal(status, 'Completed', `${error?.message} ${build}`);
    // pip keeps what a build prints to itself, unless it fails: so the attack is heard when it does.
    assert.doesNotMatch(build, /REACHED|OPENED/);
    assert.equal(index.seen.filter((path) => !/^\/(simple|files)\//.test(path)).length, before);
    index.add(sourcePackage('loud', '1.0', `${attack.trim()}\nraise SystemExit("over")`));
    const loud = await run('loud', await environment('loud', 'loud'), 'true');
    assert.equal(loud.status, 'Failed');
    assert.equal(loud.build.match(/no way to/g)?.length, 3, loud.build);
    assert.equal(loud.build.match(/^ *refused /gm)?.length, 8, loud.build);
    assert.equal(loud.build.match(/^ *shut /gm)?.length, 4, loud.build);
  },
);

test(
  'what a build leaves that an image cannot hold stays behind, and its own words about it are bounded',
  skip,
  async () => {
    const leave = `
import os
os.symlink("/etc/passwd", "/env/lib/link")
os.mkfifo("/env/lib/pipe")
open("/job/why", "w").write("x" * 100000)
`;
    index.add(sourcePackage('messy', '1.0', leave.trim()));
    const messy = await run('messy', await environment('messy', 'messy'), 'ls /env/lib');
    assert.equal(messy.status, 'Completed', `${messy.error?.message} ${messy.build}`);
    assert.doesNotMatch(messy.log, /link|pipe/);
    assert.match(messy.build, /not kept/);
  },
);

test(
  'a build that is canceled ends, and its job with it; an environment without packages needs no index',
  skip,
  async () => {
    index.intercept = (request) => request.url === '/simple/slow/';
    const environmentId = await environment('slow', 'slow');
    const job = await submit(bench, workspace, 'slow', { computeId, environmentId, command: 'true' });
    const told = (await arm('GET', job)).body.properties.properties['strongroom.environment.build'];
    assert.ok((await arm('POST', `${job}/cancel`, {})).status < 300);
    assert.equal(await ended(bench, job), 'Canceled');
    assert.equal(await ended(bench, `${workspace}/jobs/${told}`), 'Canceled');
    index.intercept = () => false;
    const plain = await run(
      'plain',
      await environment('plain', 'dependencies: [python]'),
      'python -c "import sys; print(sys.prefix)"',
    );
    assert.deepEqual([plain.status, plain.log.split('\n').slice(1)], ['Completed', ['/env', '']]);
  },
);

test('a deployment runs its script in the same environment', skip, async () => {
  const token = await bench.ownerToken();
  const done = async (method: string, path: string, body?: unknown) => {
    const reply = await bench.armDone(token, method, path, body);
    assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${method} ${path}: ${reply.text}`);
    return reply.body;
  };
  const score = 'import polite, sys\ndef init(): pass\ndef run(data): return [polite.hello(), sys.prefix]\n';
  const codeId = await makeCode(bench, workspace, 'polite-score', { 'score.py': score });
  const taken = await bench.arm(token, 'POST', `${workspace}/snapshots`, await tarOf({ 'model.json': '{}' }), {
    'content-type': 'application/x-tar',
  });
  await done('PUT', `${workspace}/models/polite/versions/1`, { properties: { modelUri: taken.body.uri } });
  const endpoint = `${workspace}/onlineEndpoints/polite`;
  await done('PUT', endpoint, { location: bench.location, properties: { authMode: 'Key' } });
  const deployment = (environmentId: string) => ({
    location: bench.location,
    sku: { name: 'Default', capacity: 1 },
    properties: {
      endpointComputeType: 'Managed',
      model: 'azureml:polite:1',
      codeConfiguration: { codeId, scoringScript: 'score.py' },
      environmentId,
    },
  });
  const impossible = deployment(await environment('none-here', 'greeting>=4'));
  const cannot = await bench.armDone(token, 'PUT', `${endpoint}/deployments/none`, impossible);
  assert.match(cannot.text, /No matching distribution found for greeting>=4/);
  await done('PUT', `${endpoint}/deployments/blue`, deployment(await environment('for-score', 'polite-words')));
  await done('PATCH', endpoint, { properties: { traffic: { blue: 100 } } });
  const key = String((await done('POST', `${endpoint}/listKeys`)).primaryKey);
  const { scoringUri } = (await done('GET', endpoint)).properties;
  const reply = await bench.send(new URL(scoringUri).pathname, { method: 'POST', token: key, body: { data: 1 } });
  assert.deepEqual([reply.status, reply.body], [200, ['hello from 1.2', '/env']], reply.text);
});
