// A whole server with its real agent and sandbox, and a package index on this machine: what pip does in the command of a job, on each
// kind of Python that a job can have, and what code that reaches the door to the index can do with it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { image, pushImage, pythonLayer, shellLayer } from '../../../test/image.fixture.ts';
import { sandboxed } from '../../../test/sandbox.fixture.ts';
import { type Bench, openServer } from '../../../test/server.fixture.ts';
import { makeCluster, makeCode, makeEnvironment, makeWorkspace, runJob } from '../../../test/work.fixture.ts';
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
let computeId: string;

before(async () => {
  if (!isPossible) return;
  index = await openPackageIndex();
  const hello = (version: string) => ({
    'greeting.py': `def hello(): return "hello from ${version}"\ndef main(): print(hello())\n`,
  });
  const scripts = { scripts: { greet: 'greeting:main' } };
  index.add(
    pipWheel(),
    packageWheel('greeting', '1.2', hello('1.2'), scripts),
    packageWheel('greeting', '2.0', hello('2.0'), scripts),
    packageWheel('polite-words', '1.0', { 'polite.py': 'from greeting import hello\n' }, { requires: ['greeting'] }),
  );
  bench = await openServer({ embedded: true, environments: { index: index.url, indexForJobs: 'workspaces' } });
  workspace = await makeWorkspace(bench, 'Installs', 'Installs');
  computeId = await makeCluster(bench, workspace, 'cpu');
  const said = await bench.arm(await bench.ownerToken(), 'PATCH', workspace, {
    properties: { jobPackageIndex: 'Enabled' },
  });
  assert.ok(said.status < 300, said.text);
});
after(async () => {
  await bench?.close();
  index?.close();
});

const arm = async (method: string, path: string, body?: unknown) =>
  bench.arm(await bench.ownerToken(), method, path, body);

const environment = (name: string, properties: Readonly<Record<string, unknown>>) =>
  makeEnvironment(bench, workspace, name, properties);
const ofPackages = (name: string, condaFile: string) =>
  environment(name, { image: 'strongroom/node-python', condaFile });

async function run(name: string, command: string, more: object = {}) {
  const { status, error, log } = await runJob(bench, workspace, name, { computeId, command, ...more });
  return { status, words: error?.message ?? '', log };
}

test('on the Python of the node a command installs, and runs what it installed, by programs too', skip, async () => {
  const codeId = await makeCode(bench, workspace, 'wanted', { 'requirements.txt': 'polite-words\n' });
  const command =
    'pip install -r requirements.txt && python3 -c "import polite; print(polite.hello())" && greet && command -v greet; touch /usr/x || echo kept';
  const { status, words, log } = await run('plain', command, { codeId });
  assert.equal(status, 'Completed', `${words} ${log}`);
  assert.match(log, /Successfully installed greeting-2\.0 polite-words-1\.0/);
  assert.match(log, /hello from 2\.0\nhello from 2\.0\n\/job\/packages\/bin\/greet\n/);
  assert.match(log, /kept\n$/);
});

test(
  'in an environment what is installed comes before what it has, also for its programs; pip is brought where it has none',
  skip,
  async () => {
    const environmentId = await ofPackages('older', 'dependencies:\n  - pip:\n    - greeting==1.2\n');
    const command = [
      'greet',
      'python -c "import polite" || echo not there',
      // As a module, before and after it was brought.
      'python -m pip install polite-words',
      'python -c "import polite, sys; print(polite.hello(), sys.prefix)"',
      'pip install "greeting>=2"',
      'greet',
      'python -c "import greeting; print(greeting.__file__)"',
      '/env/bin/python -c "import greeting; print(greeting.hello())"',
    ].join('\n');
    const { status, words, log } = await run('over', command, { environmentId });
    assert.equal(status, 'Completed', `${words} ${log}`);
    assert.match(log, /hello from 1\.2\n[\s\S]*not there\npip \S+ of the package index, sha256 [0-9a-f]{64}\n/);
    assert.match(log, /Requirement already satisfied: greeting in \/env\//);
    assert.match(log, /hello from 1\.2 \/job\/packages\n/);
    assert.match(log, /Successfully installed greeting-2\.0\n/);
    assert.match(log, /hello from 2\.0\n\/job\/packages\/lib\/[^\n]*greeting\.py\nhello from 1\.2\n$/);
  },
);

test('an environment that has pip keeps its own', skip, async () => {
  const environmentId = await ofPackages('with-pip', 'dependencies: [pip, {pip: [greeting==1.2]}]\n');
  const { status, words, log } = await run('own-pip', 'pip install polite-words && python -c "import polite"', {
    environmentId,
  });
  assert.equal(status, 'Completed', `${words} ${log}`);
  assert.match(log, /Successfully installed polite-words-1\.0/);
  assert.doesNotMatch(log, /of the package index, sha256/);
});

test(
  'in an image of its own a command installs with the Python that it brings, beside the root that is only read',
  skip,
  async () => {
    const token = await bench.ownerToken();
    const registry = String((await arm('GET', workspace)).body.properties.containerRegistry)
      .split('/')
      .at(-1)
      ?.toLowerCase();
    await pushImage(
      (method, path, body, type) => bench.send(path, { method, token, body, headers: { 'content-type': type } }),
      `${registry}/team/base`,
      'v1',
      image([shellLayer(), pythonLayer(), [{ path: 'opt/pip.whl', content: pipWheel().bytes }]]),
    );
    const environmentId = await environment('root', { image: `${registry}/team/base:v1` });
    const { status, words, log } = await run(
      'in-image',
      'echo "$PIP_INDEX_URL $PYTHONUSERBASE $PATH"; python3 /opt/pip.whl/pip install polite-words && python3 -c "import polite; print(polite.hello())" && greet; touch /opt/x || echo kept',
      { environmentId },
    );
    assert.equal(status, 'Completed', `${words} ${log}`);
    assert.match(log, /^http:\/\/127\.0\.0\.1:\d+\/simple\/ \/job\/packages \/job\/packages\/bin:[^ ]*\n/);
    assert.match(log, /Successfully installed greeting-2\.0 polite-words-1\.0\nhello from 2\.0\nhello from 2\.0\n/);
    assert.match(log, /kept\n$/);
  },
);

test(
  'neither a command line nor a file nor what pip starts holds a token, and the door leads to the index alone',
  skip,
  async () => {
    const attack = `
import os, re, socket, urllib.error, urllib.parse, urllib.request
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
token = os.environ["MLFLOW_TRACKING_TOKEN"]
for process in filter(str.isdigit, os.listdir("/proc")):
    if token in open("/proc/%s/cmdline" % process, errors="replace").read():
        say("HELD by an argument")
for top in ("/job", "/tmp"):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and token.encode() in open(path, "rb").read():
                say("HELD by", path)
door = urllib.parse.urlsplit(os.environ["PIP_INDEX_URL"])
say("address", "@" in door.netloc)
def ask(text):
    with socket.create_connection((door.hostname, door.port), 20) as near:
        near.sendall(text.encode())
        said = b""
        while True:
            more = near.recv(65536)
            if not more:
                return said.partition(b"\\r\\n")[0].decode("latin-1")
            said += more
workspace = os.environ["AZUREML_WORKSPACE_SCOPE"]
for line in (
    "GET / HTTP/1.1", "GET %s?api-version=2024-10-01 HTTP/1.1" % workspace, "PUT /result HTTP/1.1", "POST /simple/greeting/ HTTP/1.1",
    "GET /simple/../../../jobs HTTP/1.1", "GET /simple/%2e%2e/ HTTP/1.1", "GET /simple/a/?x=1 HTTP/1.1", "GET http://169.254.169.254/ HTTP/1.1",
    "CONNECT 1.1.1.1:443 HTTP/1.1", "GET /files/greeting/" + "0" * 64 + "/..%2f..%2fx.whl HTTP/1.1", "GET /simple/" + "x" * 20000 + "/ HTTP/1.1",
    "GET /simple/greeting/ HTTP/1.1\\r\\nAuthorization: Bearer x\\r\\nHost: elsewhere\\r\\nX: " + "y" * 30000,
):
    status = ask(line + "\\r\\n\\r\\n")
    say("OPENED" if " 200 " in status else "shut", line[:40], status)
say("open", ask("GET /simple/greeting/ HTTP/1.1\\r\\nAuthorization: Bearer x\\r\\nHost: elsewhere\\r\\n\\r\\n"))
`;
    const codeId = await makeCode(bench, workspace, 'attack', { 'attack.py': attack });
    const { status, words, log } = await run('attack', 'pip install greeting && python3 attack.py', { codeId });
    assert.equal(status, 'Completed', `${words} ${log}`);
    assert.doesNotMatch(log, /HELD|OPENED/);
    assert.match(log, /address False\n/);
    assert.equal(log.match(/^shut /gm)?.length, 12, log);
    assert.match(log, /open HTTP\/1\.1 200 /);
  },
);
