// Jobs that install packages while they run: whose may, what their token opens then and what it does not, that the word of operator
// and workspace holds at each request, and what is recorded. Everything is real but the node and the index.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { openEnvironments, wheelDigest, wheelName } from '../../../test/lab/environments.fixture.ts';
import { exited, jobIn, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

type IndexForJobs = 'none' | 'workspaces' | 'all';

async function open(t: Parameters<typeof openEnvironments>[0], indexForJobs: IndexForJobs = 'workspaces') {
  const bench = await openEnvironments(t);
  const { lab } = bench;
  lab.seam.indexForJobs = indexForJobs;
  await lab.restart();
  const say = async (jobPackageIndex: string, of = bench.workspaceId) => {
    const answered = await lab.call(lab.owner, 'PATCH', of, { body: { properties: { jobPackageIndex } } });
    await lab.now().tasks.drain();
    return answered;
  };
  return {
    ...bench,
    say,
    /** What a node gets that takes the job, and where it finds the index. */
    async taken(name: string) {
      const { token, packages } = jobIn(await lab.work.take(bench.of(name)));
      return { token, packages, index: packages === undefined ? '' : new URL(packages.index).pathname };
    },
  };
}
const file = `six/${wheelDigest}/${wheelName}`;

test('a job installs where the operator and its workspace let it, and each page and file is on record with it', async (t) => {
  const bench = await open(t);
  const { lab, workspaceId } = bench;
  assert.equal((await bench.say('Enabled')).status, 200);
  await bench.submit('installs', { command: 'pip install six' });
  const { token, packages, index } = await bench.taken('installs');
  assert.deepEqual([index, packages?.home], [`/packages/v1.0${workspaceId}/jobs/installs`, '/job/packages']);
  await bench.tell('installs', running);
  const page = await lab.must(token, 'GET', `${index}/simple/six/`);
  assert.match(page.bytes.toString(), new RegExp(`files/${file}`));
  assert.equal((await lab.must(token, 'GET', `${index}/files/${file}`)).bytes.toString(), 'a wheel of six');
  assert.equal((await lab.call(token, 'GET', `${index}/simple/told-outside/`)).status, 404);
  const recorded = lab
    .now()
    .audit.entries.filter(({ intent }) => intent.operation.startsWith('JobPackages_'))
    .map(({ level, intent: { operation, parameters } }) => [
      level,
      operation,
      parameters?.['job'],
      parameters?.['project'],
      parameters?.['sha256'],
    ]);
  assert.deepEqual(recorded, [
    ['access', 'JobPackages_Project', 'installs', 'six', undefined],
    ['activity', 'JobPackages_File', 'installs', 'six', wheelDigest],
    ['access', 'JobPackages_Project', 'installs', 'told-outside', undefined],
  ]);
  assert.equal((await bench.log('installs')).bytes.toString(), '', 'nothing is in the way, so nothing is said');
  assert.equal(lab.now().environments.known(), 1);
  await bench.tell('installs', exited(0));
  assert.equal(lab.now().environments.known(), 0, 'with the job goes what it was given');
  assert.equal((await lab.call(token, 'GET', `${index}/simple/six/`)).status, 401, 'with the job its token ends');
});

test('no job installs unless somebody says so, and the log says who has to', async (t) => {
  for (const [operator, workspace, words] of [
    ['none', undefined, /no network.*the operator lets jobs reach the package index \(environments\.indexForJobs\)/],
    ['workspaces', undefined, /no network.*strongroom workspace update NAME --job-package-index Enabled/],
    ['workspaces', 'Disabled', /no network.*strongroom workspace update NAME --job-package-index Enabled/],
  ] as const) {
    const bench = await open(t, operator);
    if (workspace !== undefined) assert.equal((await bench.say(workspace)).status, 200);
    await bench.submit('wants', { command: 'cd src && python3 -m pip install -r requirements.txt; python3 train.py' });
    const { token, packages } = await bench.taken('wants');
    assert.equal(packages, undefined);
    const index = `/packages/v1.0${bench.workspaceId}/jobs/wants`;
    assert.equal((await bench.lab.call(token, 'GET', `${index}/simple/six/`)).status, 403);
    assert.match((await bench.log('wants')).bytes.toString(), words);
    await bench.submit('wants-not', { command: 'python3 pip_install.py' });
    assert.equal((await bench.log('wants-not')).bytes.toString(), '');
  }
});

test('a workspace is not said to let its jobs install where the operator does not let it', async (t) => {
  const none = await open(t, 'none');
  const refused = await none.say('Enabled');
  assert.deepEqual([refused.status, refused.body.error.code], [400, 'PackageIndexClosed']);
  assert.match(refused.body.error.message, /environments\.indexForJobs/);
  const bench = await open(t, 'workspaces');
  const { lab } = bench;
  const secret = await lab.workspace('Secret', { hbiWorkspace: true });
  assert.match((await bench.say('Enabled', secret)).body.error.message, /high business impact/);
  lab.seam.indexForJobs = 'all';
  await lab.restart();
  assert.equal((await bench.say('Enabled', secret)).status, 200);
  // What was said stands when the operator takes his word back, and has no effect; a client that sends the workspace again is not refused for it.
  lab.seam.indexForJobs = 'workspaces';
  await lab.restart();
  const { location, properties } = (await lab.must(lab.owner, 'GET', secret)).body;
  assert.equal(properties.jobPackageIndex, 'Enabled');
  assert.ok(
    (await lab.call(lab.owner, 'PUT', secret, { body: { location, properties: { jobPackageIndex: 'Enabled' } } }))
      .status < 300,
  );
  await lab.now().tasks.drain();
  const computeId = await bench.cluster(secret);
  await lab.must(lab.owner, 'PUT', `${secret}/jobs/keeps`, {
    body: { properties: { jobType: 'Command', command: 'pip install six', computeId } },
  });
  assert.equal(jobIn(await lab.work.take(lab.work.latest(`${secret}/jobs/keeps`))).packages, undefined);
  assert.match(
    (await lab.must(lab.owner, 'GET', `${secret}/jobs/keeps/log`)).bytes.toString(),
    /high business impact .*environments\.indexForJobs: all/,
  );
});

test('a word that is taken back holds at the next request of a job that runs', async (t) => {
  const bench = await open(t);
  await bench.say('Enabled');
  await bench.submit('runs', { command: 'pip install six' });
  const { token, index } = await bench.taken('runs');
  await bench.tell('runs', running);
  const ask = async () => (await bench.lab.call(token, 'GET', `${index}/simple/six/`)).status;
  assert.equal(await ask(), 200);
  await bench.say('Disabled');
  assert.equal(await ask(), 403);
});

test('nobody asks in the place of a job, and its token opens no build and no other job', async (t) => {
  const bench = await open(t);
  const { lab, workspaceId } = bench;
  await bench.say('Enabled');
  for (const name of ['one', 'two']) await bench.submit(name, { command: 'pip install six' });
  await bench.put('builds', { environmentId: bench.environmentId });
  const build = await bench.buildOf('builds');
  const { token: ofBuild } = await bench.given(build);
  const { token, index } = await bench.taken('one');
  const { token: other } = await bench.taken('two');
  for (const who of [lab.owner, other, ofBuild, 'nobody'])
    for (const path of [`${index}/simple/six/`, `${index}/files/${file}`])
      assert.ok([401, 403].includes((await lab.call(who, 'GET', path)).status), `${who.slice(0, 8)} ${path}`);
  const builds = `/packages/v1.0${workspaceId}/builds`;
  for (const [method, path] of [
    ['GET', `${builds}/${build}/simple/six/`],
    ['GET', `${builds}/one/simple/six/`],
    ['PUT', `${builds}/${build}/result`],
    ['PUT', `${builds}/one/result`],
    ['GET', workspaceId],
    ['GET', `${workspaceId}/jobs/two`],
  ] as const) {
    const { status } = await lab.call(token, method, path, method === 'PUT' ? { body: Buffer.from('x') } : {});
    assert.ok([401, 403].includes(status), `${method} ${path}: ${status}`);
  }
  // No name leads anywhere but to the index.
  const began = bench.asked.length;
  for (const name of ['..', '%2e%2e', 'a%2fb', 'a%00', 'x'.repeat(200), 'http:%2f%2f127.0.0.1'])
    assert.ok((await lab.call(token, 'GET', `${index}/simple/${name}/`)).status >= 400, name);
  for (const path of [
    `six/${'0'.repeat(64)}/${wheelName}`,
    `six/${wheelDigest}/other.whl`,
    `six/${wheelDigest}/..%2fx`,
  ])
    assert.ok((await lab.call(token, 'GET', `${index}/files/${path}`)).status >= 400, path);
  assert.deepEqual(
    bench.asked.slice(began).filter((url) => !url.endsWith('/simple/six/')),
    [],
  );
});
