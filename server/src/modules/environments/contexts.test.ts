// Environments that are built of a folder with a Dockerfile: what is fixed when the version is registered and when the job is accepted,
// what is refused then, what the token of such a build opens, and what it may send. Everything is real but the node.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { image, pushImage, type TestImage } from '../../../test/image.fixture.ts';
import { archive, type Opened, openEnvironments, wheelName } from '../../../test/lab/environments.fixture.ts';
import { exited, jobIn, running, snapshot } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

type Files = Readonly<Record<string, string>>;
type Build = {
  readonly steps: readonly { readonly do: string; readonly argv: readonly string[] }[];
  readonly context: readonly { readonly path: string; readonly url: string }[];
  readonly result: string;
};

async function openContexts(...[t]: Parameters<typeof openEnvironments>) {
  const bench: Opened = await openEnvironments(t);
  const { lab, workspaceId } = bench;
  const registry = String((await lab.must(lab.owner, 'GET', workspaceId)).body.properties.containerRegistry)
    .split('/')
    .at(-1)
    ?.toLowerCase();
  let versions = 0;
  const register = async (build: object, more: object = {}) => {
    const id = `${workspaceId}/environments/built/versions/${++versions}`;
    return { id, answer: await lab.call(lab.owner, 'PUT', id, { body: { properties: { build, ...more } } }) };
  };
  const context = async (files: Files, dockerfilePath?: string) => {
    const contextUri = await snapshot(lab, workspaceId, files);
    const { id, answer } = await register({ contextUri, ...(dockerfilePath === undefined ? {} : { dockerfilePath }) });
    assert.ok(answer.status < 300, answer.bytes.toString());
    return id;
  };
  const path = (url: string) => new URL(url).pathname;
  return {
    ...bench,
    registry: registry ?? '',
    register,
    context,
    push: (name: string, made: TestImage) =>
      pushImage(
        (method, at, body, type) => lab.call(lab.owner, method, at, { body, headers: { 'content-type': type } }),
        `${registry}/team/${name}`,
        'v1',
        made,
      ),
    async refused(files: Files, words: RegExp, dockerfilePath?: string) {
      const answer = await bench.put(`refused-${versions}`, { environmentId: await context(files, dockerfilePath) });
      assert.equal(answer.status, 400, answer.bytes.toString());
      assert.match(answer.body.error.message, words);
    },
    async given(build: string) {
      const work = await lab.work.take(bench.of(build));
      const job = jobIn(work) as unknown as { token: string; build: Build; packages: { index: string } };
      return { token: job.token, build: job.build, index: `${job.packages.index}/simple/`, document: work.document };
    },
    async send(build: string, body: Buffer) {
      const work = jobIn(await lab.work.take(bench.of(build))) as unknown as { token: string; build: Build };
      return lab.call(work.token, 'PUT', path(work.build.result), {
        body,
        headers: { 'content-type': 'application/x-tar' },
      });
    },
    path,
  };
}

const from = 'FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04\n';
const files: Files = {
  Dockerfile: `${from}ENV COLOUR=green\nCOPY . /app\nRUN pip install six\n`,
  'a.txt': 'a',
  'secret.txt': 'b',
  '.dockerignore': 'secret.txt\n',
};

test('a job waits for the build, which gets the steps and the files that are not left out, and runs in what it sent', async (t) => {
  const bench = await openContexts(t);
  const { lab, path } = bench;
  await bench.put('a', { environmentId: await bench.context(files) });
  assert.equal(await bench.status('a'), 'Preparing');
  const build = await bench.buildOf('a');
  const { token, build: told, index, document } = await bench.given(build);
  assert.deepEqual([document.writableRoot, document.python, document.image], [true, '3.11', undefined]);
  assert.deepEqual(
    told.steps.map((step) => step.do),
    ['copy', 'run'],
  );
  assert.deepEqual(
    told.context.map((file) => file.path),
    ['.dockerignore', 'Dockerfile', 'a.txt'],
  );
  await bench.tell(build, running);
  assert.equal((await lab.must(token, 'GET', path(told.context[2]?.url ?? ''))).bytes.toString(), 'a');
  const page = await lab.must(token, 'GET', path(`${index}six/`));
  const href = /href="([^"#]+)#/.exec(page.bytes.toString())?.[1] ?? '';
  await lab.must(token, 'GET', path(new URL(href, `${index}six/`).href));
  const layer = await archive([
    ['app', '', { type: 'directory' }],
    ['app/a.txt', 'a'],
    ['app/link', '', { type: 'symlink', linkname: '../env/bin/six' }],
    ['env/bin/six', 'x', { mode: 0o4755 }],
  ]);
  const taken = await bench.send(build, layer);
  assert.equal(taken.status, 201, taken.bytes.toString());
  await bench.tell(build, exited(0));
  const work = (await lab.work.take(bench.of('a'))).document as {
    readonly links: readonly string[];
    readonly python: string;
    readonly job: { readonly imageEnvironment: object; readonly image: { readonly repository: string } };
  };
  assert.deepEqual([work.links, work.python, work.job.imageEnvironment], [['app'], '3.11', { COLOUR: 'green' }]);
  const at = `/v2/${work.job.image.repository}`;
  const referrers = (await lab.must(lab.owner, 'GET', `${at}/referrers/${taken.body.digest}`)).body;
  const listed = (await lab.must(lab.owner, 'GET', `${at}/manifests/${referrers.manifests[0].digest}`)).body;
  const bill = JSON.parse(
    (await lab.must(lab.owner, 'GET', `${at}/blobs/${listed.layers[0].digest}`)).bytes.toString(),
  );
  assert.deepEqual(
    bill.components.map(({ name, version, properties }: { name: string; version: string; properties: object[] }) => [
      name,
      version,
      properties,
    ]),
    [['six', '1.17.0', [{ name: 'strongroom:file', value: wheelName }]]],
  );
  // The same context is there; another one is not.
  await bench.put('b', { environmentId: await bench.context(files) });
  assert.equal(await bench.status('b'), 'Queued');
  await bench.put('c', { environmentId: await bench.context({ ...files, 'a.txt': 'other' }) });
  assert.equal(await bench.status('c'), 'Preparing');
});

test('what it begins with is fixed when the job is accepted, and the build reads that and its context, and nothing else', async (t) => {
  const bench = await openContexts(t);
  const { lab, registry, workspaceId } = bench;
  const config = { config: { Env: ['PATH=/bin', 'A=b'], WorkingDir: '/w', Shell: ['/bin/ash', '-c'] } };
  const first = await bench.push('base', image([[{ path: 'one', content: '1' }]], config));
  const other = await bench.push('other', image([[{ path: 'two', content: '2' }]]));
  const environmentId = await bench.context({ Dockerfile: `FROM ${registry}/team/base:v1\nRUN echo $A\nCMD x` });
  await bench.put('a', { environmentId });
  await bench.push('base', image([[{ path: 'three', content: '3' }]]));
  const build = await bench.buildOf('a');
  const { token, build: told, document } = await bench.given(build);
  assert.deepEqual(document.image, { repository: `${registry}/team/base`, digest: first, as: 'root', inMemory: false });
  assert.deepEqual(told.steps, [
    {
      do: 'run',
      line: 2,
      text: 'RUN echo $A',
      argv: ['/bin/ash', '-c', 'echo $A'],
      environment: { PATH: '/bin', A: 'b' },
      cwd: '/w',
    },
  ]);
  await bench.tell(build, running);
  const reads = async (path: string) => (await lab.call(token, 'GET', path)).status;
  assert.equal(await reads(`/v2/${registry}/team/base/manifests/${first}`), 200);
  for (const path of [
    `/v2/${registry}/team/other/manifests/${other}`,
    `${bench.jobId('a')}`,
    workspaceId,
    (await snapshot(lab, workspaceId, { other: 'x' })).replace('azureml://', `${workspaceId}/`) + '/files/other',
  ])
    assert.ok([401, 403].includes(await reads(path)), path);
  const taken = await bench.send(
    build,
    await archive([
      ['new', 'x'],
      ['opt/.wh.gone', ''],
    ]),
  );
  assert.equal(taken.status, 201, taken.bytes.toString());
  await bench.tell(build, exited(0));
  const { image: made } = (await lab.work.take(bench.of('a'))).document;
  assert.equal(made?.as, 'root');
  const manifest = (await lab.must(lab.owner, 'GET', `/v2/${made?.repository}/manifests/${made?.digest}`)).body;
  assert.equal(manifest.layers.length, 2);
  const said = JSON.parse(
    (await lab.must(lab.owner, 'GET', `/v2/${made?.repository}/blobs/${manifest.config.digest}`)).bytes.toString(),
  );
  assert.deepEqual(said.config, {
    Shell: ['/bin/ash', '-c'],
    Cmd: ['/bin/ash', '-c', 'x'],
    Env: ['PATH=/bin', 'A=b'],
    WorkingDir: '/w',
  });
});

test('what cannot be built is refused when it is asked for, in words', async (t) => {
  const bench = await openContexts(t);
  const { registry } = bench;
  const packages = { image: 'strongroom/node-python', condaFile: 'dependencies: [six]' };
  await bench.lab.must(bench.lab.owner, 'PUT', `${bench.workspaceId}/environments/own/versions/1`, {
    body: { properties: packages },
  });
  await bench.push('hooks', image([[{ path: 'x', content: '' }]], { config: { OnBuild: ['RUN evil'] } }));
  for (const [given, words, dockerfile] of [
    [{ Dockerfile: `${from}RUN --mount=type=ssh true` }, /line 2: RUN --mount/],
    [
      { Dockerfile: `${from}COPY secret.txt /`, 'secret.txt': '', '.dockerignore': '*.txt' },
      /COPY secret.txt.*dockerignore/,
    ],
    [{ Dockerfile: from, '.dockerignore': 'a\n[b]' }, /'\.dockerignore' cannot be followed: line 2/],
    [{ Dockerfile: `FROM ${registry}/team/hooks:v1` }, /ONBUILD/],
    [{ Dockerfile: `FROM ${registry}/team/none:v1` }, /is not in the registry/],
    [{ Dockerfile: 'FROM docker.io/library/python:3.12' }, /is not here.*environments\.images/],
    [
      { Dockerfile: 'FROM AzureML-sklearn-1.5' },
      /for which the operator lets azureml:own:1 stand\. That is made of packages/,
    ],
    [{ other: from }, /'Dockerfile' is not in its context/],
    [{ Dockerfile: from }, /'\.\.\/Dockerfile' is not in its context/, '../Dockerfile'],
    [{ Dockerfile: from }, /'\/Dockerfile' is not in its context/, '/Dockerfile'],
    [{ Dockerfile: `${from}# ${'x'.repeat(70_000)}` }, /larger than 64 KiB/],
  ] as const)
    await bench.refused(given, words, dockerfile);
  await bench.refused({ 'docker/other': `${from}VOLUME /x` }, /line 2: VOLUME/, './docker/other');
  assert.equal(bench.lab.work.items.size, 0);
});

test('a context is what it was when it was registered; one of elsewhere, and one beside an image, are no environment', async (t) => {
  const bench = await openContexts(t);
  const { lab, workspaceId } = bench;
  const far = await bench.register({ contextUri: 'https://github.com/somebody/something.git#main' });
  assert.equal(far.answer.status, 201);
  assert.match(
    (await bench.put('far', { environmentId: far.id })).body.error.message,
    /is not in a datastore of this workspace/,
  );
  const contextUri = await snapshot(lab, workspaceId, { Dockerfile: from });
  const both = await bench.register({ contextUri }, { image: 'strongroom/node-python' });
  assert.match(
    (await bench.put('both', { environmentId: both.id })).body.error.message,
    /beside an image or a conda file/,
  );
  const shown = (await bench.register({ contextUri })).answer.body.properties;
  assert.deepEqual(
    [shown.build.contextUri, shown.properties['strongroom.snapshot'], shown.contextSnapshot],
    [contextUri, contextUri, undefined],
  );
  const gone = await bench.register({ contextUri: 'azureml://snapshots/sha256:'.padEnd(91, '0') });
  assert.equal(gone.answer.status, 404);
});

test('a context of another workspace is none of this one, whoever lets it stand for a name', async (t) => {
  const bench = await openContexts(t);
  const { lab, workspaceId } = bench;
  const elsewhere = await lab.workspace('Elsewhere');
  const contextUri = await snapshot(lab, elsewhere, { Dockerfile: from });
  const there = `${elsewhere}/environments/curated/versions/1`;
  await lab.must(lab.owner, 'PUT', there, { body: { properties: { build: { contextUri } } } });
  lab.seam.map = [`azureml://registries/*=${there}`, `registry.example/*=${there}`];
  await lab.restart();
  const image = `${workspaceId}/environments/by-image/versions/1`;
  await lab.must(lab.owner, 'PUT', image, { body: { properties: { image: 'registry.example/x:1' } } });
  for (const environmentId of ['azureml://registries/azureml/environments/AzureML-x/versions/1', image]) {
    const { status, body } = await bench.put('borrows', { environmentId });
    assert.deepEqual([status, body.error.code], [400, 'EnvironmentNotServed'], body.error.message);
    assert.match(
      body.error.message,
      /'.*Elsewhere\/environments\/curated\/versions\/1' is in another workspace, which a build/,
    );
  }
  assert.equal(lab.work.items.size, 0);
});

test('what a build sends is looked at, entry by entry, for what it stands on', async (t) => {
  const bench = await openContexts(t);
  await bench.push('base', image([[{ path: 'one', content: '1' }]]));
  await bench.put('node', { environmentId: await bench.context({ Dockerfile: `${from}RUN true` }) });
  await bench.put('image', {
    environmentId: await bench.context({ Dockerfile: `FROM ${bench.registry}/team/base:v1` }),
  });
  const link = (linkname: string) => ({ type: 'symlink', linkname }) as const;
  const both: readonly (readonly [string, Parameters<typeof archive>[0]])[] = [
    ['climbs', [['app/../../a', 'x']]],
    ['absolute', [['/app/a', 'x']]],
    ['hard link', [['app/a', '', { type: 'link', linkname: 'app/b' }]]],
    ['device', [['app/a', '', { type: 'character-device' }]]],
    ['pipe', [['app/a', '', { type: 'fifo' }]]],
    [
      'twice',
      [
        ['app/a', 'x'],
        ['app/a', 'y'],
      ],
    ],
    [
      'disorder',
      [
        ['app/b', 'x'],
        ['app/a', 'y'],
      ],
    ],
    ['whiteout with content', [['app/.wh.a', 'x']]],
    ['all of a folder', [['app/.wh..wh..opq', '']]],
    ['a link to nothing', [['app/a', '', link('a\nb')]]],
  ];
  const onNode: typeof both = [
    ['of the system', [['etc/passwd', 'x']]],
    ['of the sandbox', [['job/code/x', 'x']]],
    ['of the runner', [['runner/bin/python', 'x']]],
    ['hidden', [['.hidden/x', 'x']]],
    ['interpreter', [['env/bin/python3.11', '', link('evil')]]],
    ['whiteout', [['app/.wh.a', '']]],
    ['link out', [['app/a', '', link('/etc/passwd')]]],
    ['link that climbs out', [['app/a', '', link('../../etc/passwd')]]],
    ['link that climbs later', [['app/a', '', link('b/../../../x')]]],
    ['too many', Array.from({ length: 41 }, (_, n) => [`f${String(n).padStart(2, '0')}`, ''])],
  ];
  for (const [name, cases] of [
    ['node', [...both, ...onNode]],
    ['image', both],
  ] as const) {
    const build = await bench.buildOf(name);
    await bench.tell(build, running);
    for (const [what, entries] of cases) {
      const { status, bytes } = await bench.send(build, await archive(entries));
      assert.equal(status, 400, `${name}, ${what}: ${status} ${bytes}`);
    }
    assert.equal((await bench.send(build, Buffer.alloc(5000, 'x'))).status, 400);
    const empty = await bench.send(build, await archive([['app/a', '\0'.repeat(64 * 1024 ** 2)]]));
    assert.match(empty.bytes.toString(), /190 times as large as they are packed/);
    const good = await bench.send(build, await archive([['app/a', '', link('../env/b')]]));
    assert.equal(good.status, 201, good.bytes.toString());
  }
});

test('a server that was started anew does not know what a build was given, and takes nothing of it', async (t) => {
  const bench = await openContexts(t);
  await bench.put('a', { environmentId: await bench.context({ Dockerfile: `${from}RUN true` }) });
  const build = await bench.buildOf('a');
  await bench.tell(build, running);
  const { token, build: told } = await bench.given(build);
  await bench.lab.restart();
  const body = await archive([['app/a', '']]);
  const { status, bytes } = await bench.lab.call(token, 'PUT', bench.path(told.result), { body });
  assert.equal(status, 400, bytes.toString());
  assert.match(bytes.toString(), /was started anew since it began/);
});
