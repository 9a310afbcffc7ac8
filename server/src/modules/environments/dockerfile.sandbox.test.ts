// A whole server with its real agent and sandbox: environments that are built of Dockerfiles, on the node's own Python and on images, and
// what commands of a hostile Dockerfile can do. Skipped where no sandbox can be made, or there is no pip.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { image, pushImage, pythonLayer, shellLayer, type TestImage } from '../../../test/image.fixture.ts';
import { sandboxed } from '../../../test/sandbox.fixture.ts';
import { type Bench, openServer } from '../../../test/server.fixture.ts';
import { makeCluster, makeEnvironment, makeWorkspace, type Ran, runJob, tarOf } from '../../../test/work.fixture.ts';
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
let registry: string;
let made = 0;

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
  );
  const images = ['python:*=strongroom/node-python'];
  bench = await openServer({ embedded: true, environments: { index: index.url, images } });
  workspace = await makeWorkspace(bench, 'Builds', 'Builds');
  computeId = await makeCluster(bench, workspace, 'cpu');
  const { body } = await arm('GET', workspace);
  registry = String(body.properties.containerRegistry).split('/').at(-1)?.toLowerCase() ?? '';
});
after(async () => {
  await bench?.close();
  index?.close();
});

const arm = async (method: string, path: string, body?: unknown) =>
  bench.arm(await bench.ownerToken(), method, path, body);

async function push(tag: string, pushed: TestImage): Promise<string> {
  const token = await bench.ownerToken();
  await pushImage(
    (method, path, body, type) => bench.send(path, { method, token, body, headers: { 'content-type': type } }),
    `${registry}/team/base`,
    tag,
    pushed,
  );
  return `${registry}/team/base:${tag}`;
}

/** Version 1 of an environment of its own. */
async function environment(files: Readonly<Record<string, string>>): Promise<string> {
  const taken = await bench.arm(await bench.ownerToken(), 'POST', `${workspace}/snapshots`, await tarOf(files), {
    'content-type': 'application/x-tar',
  });
  assert.equal(taken.status, 201, taken.text);
  return makeEnvironment(bench, workspace, `built-${++made}`, { build: { contextUri: taken.body.uri } });
}

const run = (environmentId: string, command: string) =>
  runJob(bench, workspace, `job-${++made}`, { computeId, environmentId, command });
const said = (ran: Ran) => `${JSON.stringify(ran.error)}\n${ran.build}\n${ran.log}`;

test(
  "on the node's own Python pip installs, files lie where they were put, variables are set, and it is found again",
  skip,
  async () => {
    const dockerfile = [
      'FROM python:3.8',
      'ARG WHERE=/opt',
      'ENV COLOUR=green PATH=/app/bin:$PATH',
      'WORKDIR /app',
      'COPY requirements.txt .',
      'RUN pip install -r requirements.txt && rm requirements.txt',
      'COPY data data/',
      'RUN mkdir -p $WHERE/made bin && echo "$COLOUR" > $WHERE/made/colour && ln -s /env/bin/greet bin/hi && touch /tmp/lost',
      'CMD ["bash"]',
    ].join('\n');
    const files = {
      Dockerfile: dockerfile,
      'requirements.txt': 'greeting\n',
      'data/one': 'one\n',
      'data/two/deep': 'deep\n',
    };
    const command =
      'greet; hi; python -c "import greeting, sys; print(sys.prefix)"; cat /opt/made/colour /app/data/one /app/data/two/deep; ls /app; echo $COLOUR; touch /app/x || echo kept; pwd';
    const first = await run(await environment(files), command);
    assert.equal(first.status, 'Completed', said(first));
    assert.match(
      first.log,
      /\nhello from 1\.2\nhello from 1\.2\n\/env\ngreen\none\ndeep\nbin\ndata\ngreen\n[^\n]*\nkept\n\/job\/code\n$/,
    );
    assert.match(first.build, /^FROM python:3\.8: the node's own Python 3\.\d+, with packages at \/env\n/);
    assert.match(first.build, /\nStep 1\/5 : WORKDIR \/app\n/);
    assert.doesNotMatch(first.build, /eyJ/);
    const asked = index.seen.length;
    const again = await run(
      await environment({ ...files, Dockerfile: `# the same\n${dockerfile}`.replace('RUN pip', 'run  pip') }),
      'hi',
    );
    assert.equal(again.status, 'Completed', said(again));
    assert.equal(index.seen.length > asked, true, 'another context is another build');
    const same = await run(await environment(files), 'hi');
    assert.deepEqual([same.status, same.image, same.build], ['Completed', first.image, '']);
  },
);

test(
  'on an image of the registry: what changed is one layer over it, what is gone is gone, and the bill names both',
  skip,
  async () => {
    const base = await push(
      'one',
      image(
        [
          [...shellLayer()],
          [...pythonLayer()],
          [
            { path: 'opt/kept', content: 'kept\n' },
            { path: 'opt/gone', content: 'gone\n' },
            { path: 'opt/folder/in', content: 'in\n' },
            { path: 'opt/touched', content: 'same\n' },
          ],
        ],
        {
          config: {
            Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'FROM_BASE=yes'],
            WorkingDir: '/opt',
            Labels: { of: 'base' },
          },
        },
      ),
    );
    const files = {
      Dockerfile: [
        `FROM ${base}`,
        'LABEL of2="this one"',
        'COPY --chmod=755 tool /usr/local/bin/',
        'RUN echo $FROM_BASE > here; exec 3< gone; touch touched; /usr/local/bin/tool',
        'SHELL ["/usr/bin/python3", "-c"]',
        'RUN import os, shutil; os.unlink("gone"); shutil.rmtree("folder"); os.symlink("/opt/kept", "link"); os.chmod("here", 0o4755)',
      ].join('\n'),
      tool: '#!/bin/sh\necho tool has run\n',
    };
    const ran = await run(await environment(files), 'tool; cd /opt; ls; cat here link; ls -l here');
    assert.equal(ran.status, 'Completed', said(ran));
    assert.match(ran.log, /\ntool has run\nhere\nkept\nlink\ntouched\nyes\nkept\n-rwxr-xr-x /);
    assert.match(ran.build, /\ntool has run\n/);
    // here, link, tool and its two folders; gone and folder, which are not there. Not what was only looked at or touched.
    assert.match(ran.build, /\n7 files, folders and links, \d+ bytes differ/);
    const [repository = '', digest = ''] = ran.image.split('@');
    const token = await bench.ownerToken();
    const get = async (path: string) =>
      JSON.parse((await bench.send(`/v2/${registry}/${repository}/${path}`, { token })).text);
    const manifest = await get(`manifests/${digest}`);
    assert.equal(manifest.layers.length, 4);
    const config = await get(`blobs/${manifest.config.digest}`);
    assert.deepEqual(config.config.Labels, { of: 'base', of2: 'this one' });
    const referrers = await get(`referrers/${digest}`);
    const bill = await get(`blobs/${(await get(`manifests/${referrers.manifests[0].digest}`)).layers[0].digest}`);
    assert.deepEqual(
      bill.components.map(({ type, name }: { type: string; name: string }) => [type, name]),
      [['container', 'team/base']],
    );
    assert.match(JSON.stringify(bill.metadata.properties), /strongroom:scope/);
  },
);

test('a command that fails ends the build in its words and those of its line', skip, async () => {
  const missing = await run(await environment({ Dockerfile: 'FROM python:3.8\n\nRUN pip install not-there' }), 'true');
  assert.deepEqual([missing.status, missing.error?.code], ['Failed', 'EnvironmentBuildFailed'], said(missing));
  assert.match(
    missing.error?.message ?? '',
    /^Line 3 of the Dockerfile, RUN pip install not-there: .*No matching distribution/,
  );
  const status = await run(await environment({ Dockerfile: 'FROM python:3.8\nRUN exit 7' }), 'true');
  assert.match(status.error?.message ?? '', /^Line 2 of the Dockerfile, RUN exit 7: it ended with status 7/);
});

test('what is refused is refused when the job is sent, by its line, and nothing is built', skip, async () => {
  const before = index.seen.length;
  for (const [dockerfile, words] of [
    ['FROM python:3.8\nRUN --mount=type=cache,target=/x true', /line 2: RUN --mount/],
    ['FROM nowhere:1', /The image 'nowhere:1' is not here/],
  ] as const) {
    const environmentId = await environment({ Dockerfile: dockerfile });
    const refused = await arm('PUT', `${workspace}/jobs/refused-${++made}`, {
      properties: { jobType: 'Command', computeId, environmentId, command: 'true' },
    });
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.body.error.message, words);
  }
  assert.equal(index.seen.length, before);
});
