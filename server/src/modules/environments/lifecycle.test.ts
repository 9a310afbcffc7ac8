// Jobs that wait for their environment, and the builds that they wait for: who begins one, who shares it, what becomes of all when
// it ends in any way, and that a crash between any two steps changes nothing. Everything is real but the node.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import {
  archive,
  good,
  lock,
  type Opened,
  openEnvironments,
  wheelDigest,
  wheelName,
} from '../../../test/lab/environments.fixture.ts';
import { ended as endedBy, exited, lost, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

test('a job waits for the build of its environment and then runs in the image; the next one finds it', async (t) => {
  const bench: Opened = await openEnvironments(t);
  const { lab, jobId, environmentId } = bench;
  assert.equal((await bench.put('first', { environmentId })).status, 201);
  assert.equal(await bench.status('first'), 'Preparing');
  assert.equal(lab.work.items.size, 1);
  const build = await bench.buildOf('first');
  const made = await bench.job(build);
  assert.deepEqual([made.experimentName, made.status], ['prepare_image', 'Queued']);
  const [record] = lab.now().audit.entries.filter(({ intent }) => intent.operation === 'Environments_Build');
  assert.deepEqual([record?.level, record?.outcome?.status], ['activity', 200]);
  const { neededBy, madeFor, ...what } = record?.intent.parameters ?? {};
  assert.deepEqual([neededBy, what['build']], [jobId('first'), build]);
  assert.match(`${what['environment']} ${madeFor}`, /^sha256:[0-9a-f]{64} [0-9a-f-]{36}$/);
  const { build: told, document } = await bench.given(build);
  assert.deepEqual(told.requirements, ['six']);
  assert.deepEqual([document.snapshot ?? [], Object.keys(document.environment)], [[], ['STRONGROOM_BUILD']]);

  const taken = await bench.make(build);
  assert.equal(taken.status, 201, taken.bytes.toString());
  assert.equal(await bench.status('first'), 'Preparing', 'a result counts when its build has completed');
  await bench.tell(build, exited(0));
  assert.equal(await bench.status('first'), 'Queued');
  const { digest } = taken.body;
  const image = (await lab.work.take(bench.of('first'))).document as {
    python?: string;
    job: { image: { digest: string; repository: string }; token: string };
  };
  assert.deepEqual([image.python, image.job.image.digest], ['3.11', digest]);
  const repository = image.job.image.repository;
  const manifest = await lab.must(image.job.token, 'GET', `/v2/${repository}/manifests/${digest}`);
  assert.equal(manifest.body.layers.length, 1);

  const began = bench.asked.length;
  assert.equal((await bench.put('second', { environmentId })).status, 201);
  assert.equal(await bench.status('second'), 'Queued');
  assert.equal(bench.asked.length, began);
  assert.match((await bench.job('second')).properties['strongroom.environment.image'], new RegExp(`@${digest}$`));
  // What the server tells is nobody's to keep.
  const shown = await bench.job('second');
  const resent = await lab.call(lab.owner, 'PUT', jobId('second'), {
    body: { properties: { ...shown, properties: { ...shown.properties, mine: '1' } } },
  });
  assert.equal(resent.status, 200, resent.bytes.toString());
  assert.equal((await bench.job('second')).properties.mine, '1');
});

test('the bill of materials names what was installed, and hangs on the image', async (t) => {
  const bench = await openEnvironments(t);
  await bench.put('first', { environmentId: bench.environmentId });
  const build = await bench.buildOf('first');
  const { digest } = (await bench.make(build)).body;
  await bench.tell(build, exited(0));
  const document = (await bench.lab.work.take(bench.of('first'))).document as {
    job: { image: { repository: string }; token: string };
  };
  const at = `/v2/${document.job.image.repository}`;
  const { body } = await bench.lab.must(document.job.token, 'GET', `${at}/referrers/${digest}`);
  assert.equal(body.manifests[0].artifactType, 'application/vnd.cyclonedx+json');
  const attached = (await bench.lab.must(document.job.token, 'GET', `${at}/manifests/${body.manifests[0].digest}`))
    .body;
  const bill = JSON.parse(
    (await bench.lab.must(document.job.token, 'GET', `${at}/blobs/${attached.layers[0].digest}`)).bytes.toString(),
  );
  assert.deepEqual(
    bill.components.map(({ purl, hashes }: { purl: string; hashes: unknown }) => [purl, hashes]),
    [['pkg:pypi/six@1.17.0', [{ alg: 'SHA-256', content: wheelDigest }]]],
  );
});

test('two jobs that need the same environment at once wait for one build, whatever they call it', async (t) => {
  const bench = await openEnvironments(t);
  const other = await bench.environment('other', 'six # by another name');
  await Promise.all([bench.put('a', { environmentId: bench.environmentId }), bench.put('b', { environmentId: other })]);
  const build = await bench.buildOf('a');
  assert.equal(await bench.buildOf('b'), build);
  assert.equal(bench.lab.work.items.size, 1);
  await bench.make(build);
  await bench.tell(build, exited(0));
  assert.deepEqual([await bench.status('a'), await bench.status('b')], ['Queued', 'Queued']);
});

test('a build that fails ends who waited with its own words, and who comes later tries anew', async (t) => {
  const bench = await openEnvironments(t);
  const { environmentId } = bench;
  await bench.put('a', { environmentId });
  await bench.put('b', { environmentId });
  const build = await bench.buildOf('a');
  await bench.tell(build, running, {
    type: 'finished',
    reason: 'exited',
    exitCode: 1,
    message: 'pip: No matching distribution found for six',
  });
  for (const name of ['a', 'b', build]) {
    const { status, error } = await bench.job(name);
    assert.deepEqual(
      [status, error],
      ['Failed', { code: 'EnvironmentBuildFailed', message: 'pip: No matching distribution found for six' }],
      name,
    );
  }
  await bench.put('c', { environmentId });
  assert.notEqual(await bench.buildOf('c'), build);
  assert.equal(await bench.status('c'), 'Preparing');
});

test('a build that ends well and has sent nothing has made no environment', async (t) => {
  const bench = await openEnvironments(t);
  await bench.put('a', { environmentId: bench.environmentId });
  const build = await bench.buildOf('a');
  await bench.tell(build, running, exited(0));
  assert.equal(await bench.status('a'), 'Failed');
  assert.match((await bench.job('a')).error.message, /without a result/);
});

test('a result of a build that failed afterwards does not count', async (t) => {
  const bench = await openEnvironments(t);
  await bench.put('a', { environmentId: bench.environmentId });
  const build = await bench.buildOf('a');
  assert.equal((await bench.make(build)).status, 201);
  await bench.tell(build, endedBy('memory'));
  assert.equal(await bench.status('a'), 'Failed');
  await bench.put('b', { environmentId: bench.environmentId });
  assert.equal(await bench.status('b'), 'Preparing');
});

test('what a build was given is known until it has ended, however it ends', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, environmentId } = bench;
  const { known } = lab.now().environments;
  for (const [name, end] of [
    ['fails', endedBy('memory')],
    ['stops', endedBy('stopped')],
    ['is-lost', lost],
    ['works', exited(0)],
  ] as const) {
    await bench.put(name, { environmentId });
    const build = await bench.buildOf(name);
    await bench.make(build);
    assert.equal(known(), 1, name);
    await bench.tell(build, end);
    assert.equal(known(), 0, name);
    await bench.cancel(name);
  }
});

test('a job that is canceled while it waits leaves nothing behind; a build that others wait for goes on', async (t) => {
  const bench = await openEnvironments(t);
  const { environmentId } = bench;
  await bench.put('a', { environmentId });
  await bench.put('b', { environmentId });
  const build = await bench.buildOf('a');
  await bench.cancel('a');
  assert.equal(await bench.status('a'), 'Canceled');
  assert.equal(bench.of(build).canceled, false);
  await bench.cancel('b');
  assert.equal(await bench.status('b'), 'Canceled');
  assert.equal(bench.of(build).canceled, true);
  await bench.put('c', { environmentId });
  assert.notEqual(await bench.buildOf('c'), build, 'nobody waits for a build that is being canceled');
});

test('who cancels the build of his own job ends that; a job of somebody else has another build', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, environmentId } = bench;
  const other = await lab.person(['AzureML Data Scientist'], lab.group);
  await bench.put('mine', { environmentId });
  assert.equal((await bench.put('theirs', { environmentId }, other)).status, 201);
  const build = await bench.buildOf('mine');
  await bench.cancel(build);
  await bench.tell(build, endedBy('stopped'));
  assert.equal(await bench.status('mine'), 'Failed');
  assert.equal((await bench.job('mine')).error.code, 'EnvironmentBuildCanceled');
  assert.equal(await bench.status('theirs'), 'Preparing');
  assert.notEqual(await bench.buildOf('theirs'), build);
});

test('the server dies while a job waits: the build goes on or is begun again, and the job with it', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, environmentId } = bench;
  await bench.put('a', { environmentId });
  const build = await bench.buildOf('a');
  await lab.abandon();
  assert.equal(await bench.status('a'), 'Preparing');
  assert.equal((await bench.make(build)).status, 201);
  await lab.abandon();
  await bench.tell(build, exited(0));
  assert.equal(await bench.status('a'), 'Queued');
});

test('the server dies between the end of a build and the job that waited for it', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, environmentId } = bench;
  await bench.put('a', { environmentId });
  const build = await bench.buildOf('a');
  await bench.make(build);
  lab.seam.before = async (step) => {
    if (step === 'run is FINISHED') throw new Error('the server dies here');
  };
  await assert.rejects(bench.tell(build, exited(0)));
  assert.equal(await bench.status('a'), 'Preparing');
  lab.seam.before = async () => {};
  await lab.abandon();
  await bench.tell(build, exited(0));
  assert.deepEqual([await bench.status(build), await bench.status('a')], ['Completed', 'Queued']);
});

test('a node that is lost before the build began is another try; after that the environment is built again, once', async (t) => {
  const bench = await openEnvironments(t);
  await bench.put('a', { environmentId: bench.environmentId });
  const build = await bench.buildOf('a');
  const first = bench.of(build);
  await bench.tell(build, lost);
  assert.equal(await bench.status('a'), 'Preparing');
  assert.notEqual(bench.of(build), first);
  const { token } = await bench.given(build);
  assert.ok(token);
  await bench.put('b', { environmentId: bench.environmentId });
  await bench.tell(build, running, lost);
  assert.deepEqual([await bench.status(build), await bench.status('a'), await bench.status('b')], ['Failed', ...two]);
  const again = await bench.buildOf('a');
  assert.notEqual(again, build);
  assert.equal(await bench.buildOf('b'), again, 'both wait for the same');
  await bench.tell(again, running, lost);
  for (const name of ['a', 'b']) {
    const { status, error } = await bench.job(name);
    assert.deepEqual([status, error.code], ['Failed', 'NodeLost']);
    assert.match(error.message, /2 times one after the other\. Submit it again/);
  }
  await bench.put('c', { environmentId: bench.environmentId });
  const third = await bench.buildOf('c');
  assert.notEqual(third, again, 'who comes later tries anew');
  await bench.tell(third, running, lost);
  const fourth = await bench.buildOf('c');
  assert.notEqual(fourth, third, 'with a node to lose again');
  assert.equal((await bench.make(fourth)).status, 201);
  await bench.tell(fourth, exited(0));
  assert.equal(await bench.status('c'), 'Queued');
});
const two = ['Preparing', 'Preparing'] as const;

test('the server dies over the loss of a node: the environment is built again all the same, and once', async (t) => {
  const bench = await openEnvironments(t);
  await bench.put('a', { environmentId: bench.environmentId });
  const build = await bench.buildOf('a');
  bench.lab.seam.before = async (step) => {
    if (step === 'run is FAILED') throw new Error('the server dies here');
  };
  await assert.rejects(bench.tell(build, running, lost));
  bench.lab.seam.before = async () => {};
  await bench.lab.abandon();
  await bench.tell(build, lost);
  const again = await bench.buildOf('a');
  assert.notEqual(again, build);
  await bench.tell(again, running, lost);
  assert.equal(await bench.status('a'), 'Failed');
});

test('a deployment waits for the same build, and only for a while: then the build goes on', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, workspaceId } = bench;
  await bench.put('a', { environmentId: bench.environmentId });
  const build = await bench.buildOf('a');
  const recipe = (await bench.job('a')).properties['strongroom.environment.recipe'];
  const subject = `${workspaceId}/onlineEndpoints/e/deployments/d`;
  const ask = () => lab.now().environments.environments.ready({ submitter: lab.owner, subject, recipe });
  const late = assert.rejects(ask(), /more than 15 minutes, by the job 'prepare-image-/);
  await lab.clock.advance(900_000);
  await late;
  await bench.cancel('a');
  assert.equal(bench.of(build).canceled, false, 'whoever asked for the deployment will ask again');
  const asked = ask();
  const taken = await bench.make(build);
  await bench.tell(build, exited(0));
  assert.equal((await asked).digest, taken.body.digest);
});

test('an image that somebody removed is built again', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, environmentId } = bench;
  await bench.put('a', { environmentId });
  const build = await bench.buildOf('a');
  const { digest } = (await bench.make(build)).body;
  await bench.tell(build, exited(0));
  const document = (await lab.work.take(bench.of('a'))).document as { job: { image: { repository: string } } };
  await lab.must(lab.owner, 'DELETE', `/v2/${document.job.image.repository}/manifests/${digest}`);
  await bench.put('b', { environmentId });
  assert.equal(await bench.status('b'), 'Preparing');
});

test('what a build sends is looked at, entry by entry', async (t) => {
  const bench = await openEnvironments(t);
  await bench.put('a', { environmentId: bench.environmentId });
  const build = await bench.buildOf('a');
  await bench.tell(build, running);
  const end = ['env/strongroom-lock.json', lock([])] as const;
  const refused: readonly (readonly [string, Buffer])[] = [
    ['nothing', Buffer.alloc(0)],
    ['no archive', Buffer.alloc(5000, 'x')],
    ['half of one', (await good()).subarray(0, 700)],
    ['no list', await archive([['env/a', 'x']])],
    ['outside', await archive([['a', 'x'], end])],
    ['climbs', await archive([['env/../../a', 'x'], end])],
    ['absolute', await archive([['/env/a', 'x'], end])],
    ['whiteout', await archive([['env/.wh.a', 'x'], end])],
    ['link', await archive([['env/a', '', { type: 'symlink', linkname: '/etc/passwd' }], end])],
    ['hard link', await archive([['env/a', '', { type: 'link', linkname: 'env/b' }], end])],
    ['device', await archive([['env/a', '', { type: 'character-device' }], end])],
    ['interpreter', await archive([['env/bin/python', 'x'], end])],
    ['twice', await archive([['env/a', 'x'], ['env/a', 'y'], end])],
    ['disorder', await archive([['env/b', 'x'], ['env/a', 'y'], end])],
    ['list is no list', await archive([['env/strongroom-lock.json', '[]']])],
    ['a package that was not given', await archive([['env/strongroom-lock.json', lock()]])],
    ['another Python', await archive([['env/strongroom-lock.json', lock([]).replace('3.11', '3.9')]])],
    ['another ABI', await archive([['env/strongroom-lock.json', lock([]).replace('linux-gnu', 'linux-musl')]])],
    ['no ABI', await archive([['env/strongroom-lock.json', lock([]).replace('"abi"', '"api"')]])],
  ];
  for (const [what, body] of refused) {
    const { status, bytes } = await bench.send(build, body);
    assert.equal(status, 400, `${what}: ${status} ${bytes}`);
  }
  assert.equal((await bench.make(build)).status, 201);
  const again = await bench.send(build, await good());
  assert.deepEqual([again.status, again.body.error.code], [409, 'ResultTaken']);
});

test('only the build itself asks for packages, while it runs, and its token opens nothing else', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, workspaceId, jobId } = bench;
  await bench.put('a', { environmentId: bench.environmentId });
  const other = await bench.environment('two', 'six==1.17.0');
  await bench.put('b', { environmentId: other });
  const build = await bench.buildOf('a');
  const { token, build: told } = await bench.given(build);
  const { token: foreign } = await bench.given(await bench.buildOf('b'));
  const page = new URL(`${told.index}six/`).pathname;
  const result = new URL(told.result).pathname;
  assert.equal((await lab.call(token, 'GET', page)).status, 200);
  for (const who of [lab.owner, foreign, 'nobody'])
    for (const [method, path] of [
      ['GET', page],
      ['PUT', result],
    ] as const)
      assert.ok(
        [401, 403].includes((await lab.call(who, method, path, method === 'PUT' ? { body: await good() } : {})).status),
        `${method} ${who.slice(0, 8)}`,
      );
  const run = (await bench.job(build)).experimentId;
  for (const [method, path] of [
    ['GET', jobId(build)],
    ['POST', `${jobId('a')}/cancel`],
    ['GET', workspaceId],
    ['GET', `/mlflow/v1.0${workspaceId}/api/2.0/mlflow/runs/get?run_id=${build}`],
    ['PUT', `/mlflow/v1.0${workspaceId}/api/2.0/mlflow-artifacts/artifacts/${run}/${build}/artifacts/a`],
  ] as const)
    assert.ok(
      [401, 403].includes(
        (await lab.call(token, method, path, method === 'PUT' ? { body: Buffer.from('x') } : {})).status,
      ),
      path,
    );
  // No name leads anywhere but to the index.
  const began = bench.asked.length;
  for (const name of ['..', '%2e%2e', 'a%2fb', 'a%00', 'x'.repeat(200), 'http:%2f%2f127.0.0.1'])
    assert.ok((await lab.call(token, 'GET', `${new URL(told.index).pathname}${name}/`)).status >= 400, name);
  const files = new URL('../files/', told.index).pathname;
  for (const path of [
    `six/${'0'.repeat(64)}/${wheelName}`,
    `six/${wheelDigest}/other.whl`,
    `six/${wheelDigest}/..%2f..%2fetc%2fpasswd`,
  ])
    assert.ok((await lab.call(token, 'GET', files + path)).status >= 400, path);
  assert.deepEqual(bench.asked.slice(began), []);
  await bench.tell(build, running, exited(0));
  assert.equal((await lab.call(token, 'GET', page)).status, 401);
});

test('a file that is not what the index names does not arrive whole, and is in no lock', async (t) => {
  const bench = await openEnvironments(t);
  await bench.put('a', { environmentId: bench.environmentId });
  const build = await bench.buildOf('a');
  const honest = bench.lab.seam.fetch;
  bench.lab.seam.fetch = async (url) => {
    const answer = await honest(url);
    return url.pathname.startsWith('/files')
      ? { ...answer, body: Readable.from([Buffer.from('another wheel!')]) }
      : answer;
  };
  await assert.rejects(bench.make(build));
  assert.equal((await bench.send(build, await good())).status, 400);
});

test('images and curated names run on what the operator says stands for them, and else say how to make one', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, workspaceId } = bench;
  const mapped = await bench.environment(
    'mapped',
    'dependencies: [six]',
    'mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest',
  );
  assert.equal((await bench.put('mapped', { environmentId: mapped })).status, 201);
  const foreign = await bench.environment('foreign', 'dependencies: [six]', 'docker.io/python:3.12');
  const refused = await bench.put('foreign', { environmentId: foreign });
  assert.match(refused.body.error.message, /environments\.images/);
  await lab.must(lab.owner, 'PUT', `${workspaceId}/environments/own/versions/1`, {
    body: { properties: { image: 'strongroom/node-python', condaFile: 'six' } },
  });
  const curated = `${workspaceId}/environments/AzureML-sklearn-1.0/versions/3`;
  assert.equal((await bench.put('curated', { environmentId: curated })).status, 201);
  assert.equal(await bench.buildOf('curated'), await bench.buildOf('mapped'));
  const unknown = await bench.put('unknown', {
    environmentId: 'azureml://registries/azureml/environments/sklearn-1.5/labels/latest',
  });
  assert.deepEqual([unknown.status, unknown.body.error.code], [400, 'EnvironmentNotServed']);
  assert.match(unknown.body.error.message, /sklearn-1\.5/);

  // As azure-ai-ml writes it for `azureml:AzureML-sklearn-1.0@latest`, by somebody who may not read the environment that stands for it.
  const role = `${lab.subscription}/providers/Microsoft.Authorization/roleDefinitions/aaaaaaaa-0000-4000-8000-00000000e0f1`;
  const ml = 'Microsoft.MachineLearningServices/workspaces';
  const actions = [`${ml}/jobs/*`, `${ml}/computes/read`, `${ml}/codes/*/read`, `${ml}/read`];
  await lab.must(lab.owner, 'PUT', role, {
    body: {
      properties: {
        roleName: 'Submits alone',
        type: 'CustomRole',
        assignableScopes: [lab.subscription],
        permissions: [{ actions }],
      },
    },
  });
  const submitter = await lab.person([]);
  await lab.must(
    lab.owner,
    'PUT',
    `${workspaceId}/providers/Microsoft.Authorization/roleAssignments/bbbbbbbb-0000-4000-8000-00000000e0f1`,
    { body: { properties: { roleDefinitionId: role, principalId: submitter, principalType: 'ServicePrincipal' } } },
  );
  const short = await bench.put('short', { environmentId: 'azureml:AzureML-sklearn-1.0@latest' }, submitter);
  assert.equal(short.status, 201, short.bytes.toString());
  assert.equal(await bench.buildOf('short'), await bench.buildOf('mapped'));
  const own = await bench.put('own', { environmentId: `${workspaceId}/environments/own/versions/1` }, submitter);
  assert.equal(own.status, 403, 'by its own name it is read as whoever asks');
});

test('who follows a job that waits for its environment reads which job builds it', async (t) => {
  const bench = await openEnvironments(t);
  await bench.put('waits', { environmentId: bench.environmentId });
  const build = await bench.buildOf('waits');
  const log = async () => (await bench.log('waits')).bytes.toString();
  assert.equal(await log(), `Its environment is built first, by the job ${build}, whose log tells how it goes.\n`);
  await bench.put('waits-too', { environmentId: bench.environmentId });
  assert.ok((await bench.log('waits-too')).bytes.toString().includes(build));
  assert.equal((await log()).split('\n').length, 2, 'said once');
  const { systemData } = (await bench.lab.must(bench.lab.owner, 'GET', bench.jobId(build))).body;
  assert.equal(systemData.createdBy, 'Strongroom');
});

test('a workspace that names a cluster for its builds has them there', async (t) => {
  const bench = await openEnvironments(t);
  const { lab, workspaceId } = bench;
  await bench.cluster(workspaceId, 'builder');
  await lab.must(lab.owner, 'PATCH', workspaceId, { body: { properties: { imageBuildCompute: 'builder' } } });
  await lab.now().tasks.drain();
  await bench.put('a', { environmentId: bench.environmentId });
  assert.equal((await bench.job(await bench.buildOf('a'))).computeId, `${workspaceId}/computes/builder`);
  await lab.must(lab.owner, 'PATCH', workspaceId, { body: { properties: { imageBuildCompute: 'nobody' } } });
  await lab.now().tasks.drain();
  const environmentId = await bench.environment('other', 'dependencies: [python=3.11, idna]');
  const { status, body } = await bench.put('b', { environmentId });
  assert.equal(status, 400);
  assert.match(body.error.message, /the workspace names \(imageBuildCompute\)\. There is no compute 'nobody'/);
});
