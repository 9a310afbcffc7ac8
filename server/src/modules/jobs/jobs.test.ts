// The job as a resource: what is taken, what is refused before anything is made, what is shown, what may change, and that
// nothing of it is readable on the disk. And its log, read while it is written.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { exited, jobIn, openBench, output, running, snapshot } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

test('what cannot run is refused before anything is made', async (t) => {
  const { lab, put, workspaceId, computeId, jobId } = await openBench(t);
  const input = (uri: string) => ({ inputs: { data: { jobInputType: 'uri_folder', uri } } });
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['compute', { computeId: `${workspaceId}/computes/none` }, /no compute 'none'/],
    ['foreign', { computeId: computeId.replace('Vision', 'Other') }, /must be the id of one of this workspace/],
    ['code', { codeId: `${workspaceId}/codes/train/versions/9` }, /not found|could not be found/i],
    ['kind', { codeId: computeId }, /must be the id of one of this workspace's codes/],
    ['type', { jobType: 'Import' }, /must be 'Command' or 'Sweep' or 'Pipeline'/],
    ['automl', { jobType: 'AutoML', taskDetails: { taskType: 'Regression' } }, /Jobs of type 'AutoML'/],
    ['spark', { jobType: 'Spark', conf: { 'spark.driver.cores': 1 } }, /Jobs of type 'Spark'/],
    [
      'distribution',
      { distribution: { distributionType: 'Mpi', processCountPerInstance: 2 } },
      /begin the command with mpirun -np 2/,
    ],
    // Of Azure's limits a command has its timeout alone; what asks for another try is never kept and passed over.
    ['again', { limits: { timeout: 'PT5M', maxRetryCount: 3 } }, /maxRetryCount/],
    ['retries', { retrySettings: { maxRetries: 3 } }, /retrySettings/],
    ['service', { services: { board: { jobServiceType: 'TensorBoard' } } }, /Nobody connects to a job/],
    [
      'service-with-settings',
      { services: { board: { jobServiceType: 'TensorBoard', nodes: null, properties: { logDir: 'x' } } } },
      /Nobody connects to a job/,
    ],
    ['secrets', { secretsConfiguration: { key: { uri: 'https://v/secrets/s' } } }, /no key vault of this server/],
    // As azure-ai-ml writes compute="local", with the compute left out; as others do; and as a reference to one of that name.
    [
      'local',
      { computeId: undefined, resources: { properties: { IsLocal: { IsLocal: true } } } },
      /Run the script there yourself and let MLflow record it here/,
    ],
    ['local-by-name', { computeId: 'local' }, /'local' is the machine of the client/],
    ['local-by-id', { computeId: computeId.replace(/[^/]+$/, 'local') }, /or name a cluster/],
    ['docker', { resources: { dockerArgs: '--network none' } }, /no container of Docker/],
    ['nul', { command: 'a\0b' }, /NUL/],
    ['placeholder', { command: `x \${{inputs.none}}` }, /names neither an input nor an output/],
    ['scheme', input('https://example.com/data'), /not one that a job can read here/],
    ['file', input('file:///etc/passwd'), /not one that a job can read here/],
    ['climb', input('azureml://jobs/x/outputs/artifacts/paths/../../y'), /not written plainly|leaves the folder/],
    ['nothing', input('azureml://jobs/x/outputs/artifacts/paths/y'), /no files at/],
    ['unknown', input(`azureml://snapshots/sha256:${'0'.repeat(64)}`), /no snapshot/],
    ['credential', { environmentVariables: { KEY: `AKIA${'A'.repeat(16)}` } }, /looks like/],
    [
      'identity',
      { identity: { identityType: 'Managed', clientId: 'x' } },
      /cannot act as 'Managed'. Leave identity out/,
    ],
    ['user', { identity: { identityType: 'UserIdentity' } }, /cannot act as 'UserIdentity'/],
    ['ray', { distribution: { distributionType: 'Ray', port: 1 } }, /distribution of type 'Ray' is not served/],
    ['status', { workId: 'x' }, /./],
  ];
  for (const [name, more, said] of cases) {
    const { status, body, bytes } = await put(name, more);
    assert.equal(Math.floor(status / 100), 4, `${name}: ${status} ${bytes.toString()}`);
    assert.match(body.error.message, said, name);
    assert.equal((await lab.call(lab.owner, 'GET', jobId(name))).status, 404, name);
  }
  for (const name of ['..', 'a b', '-a', 'a'.repeat(256), 'a%2Fb', 'ä'])
    assert.equal(Math.floor((await put(name)).status / 100), 4, name);
  assert.equal(lab.work.items.size, 0);
});

test('an environment that is not made here is kept whole, and no job runs as if it were there', async (t) => {
  const { lab, put, workspaceId } = await openBench(t);
  const contents: Readonly<Record<string, object>> = {
    channel: { image: 'strongroom/node-python', condaFile: 'dependencies: [cudatoolkit=11.3]' },
    'image-and-conda': { image: 'python:3.12', condaFile: 'dependencies: [numpy]' },
    context: { build: { contextUri: 'https://example.org/context', dockerfilePath: 'Dockerfile' } },
    image: { image: 'python:3.12' },
  };
  for (const [version, properties] of Object.entries(contents)) {
    const environmentId = `${workspaceId}/environments/mine/versions/${version}`;
    await lab.must(lab.owner, 'PUT', environmentId, { body: { properties } });
    const kept = (await lab.must(lab.owner, 'GET', environmentId)).body.properties;
    for (const [name, value] of Object.entries(properties)) assert.deepEqual(kept[name], value, version);
    const refused = await put(version, { environmentId });
    const code = version === 'channel' ? 'EnvironmentNotBuildable' : 'EnvironmentNotServed';
    assert.deepEqual([refused.status, refused.body.error.code], [400, code], version);
    const words: Readonly<Record<string, RegExp>> = {
      channel: /'cudatoolkit=11.3'/,
      context: /'https:\/\/example\.org\/context' is not in a datastore of this workspace/,
    };
    assert.match(refused.body.error.message, words[version] ?? /'strongroom\/node-python'/, version);
  }
  assert.equal(lab.work.items.size, 0);
});

test('a hostile command is read in no time', async (t) => {
  const { put } = await openBench(t);
  const started = process.cpuUsage();
  for (const command of [`\${{${' '.repeat(32_000)}`, `\${{`.repeat(10_000), `\${{${' '.repeat(290)}`.repeat(100)])
    assert.equal((await put('slow', { command })).status < 500, true);
  assert.ok(process.cpuUsage(started).user < 5_000_000);
});

test('a job that is wrong is told what is wrong with it, and not what a job of another type would need', async (t) => {
  const { put } = await openBench(t);
  for (const more of [{ command: 7 }, { outputs: { x: { jobOutputType: 'none' } } }]) {
    const { body, status } = await put('wrong', more);
    assert.equal(status, 400);
    assert.doesNotMatch(body.error.message, /searchSpace|trial|settings|objective/, body.error.message);
  }
});

test('nobody sets from outside what the module keeps', async (t) => {
  const { put, job, of } = await openBench(t);
  const made = await put('sets', { status: 'Completed' });
  assert.equal(made.status, 201);
  assert.equal((await job('sets')).status, 'Queued');
  for (const name of ['outcome', 'submitter', 'codeSnapshot', 'began', 'experimentId'])
    assert.equal((await put(`sets-${name}`, { [name]: 'x' })).status, 400, name);
  assert.equal(of('sets').state, 'queued');
});

test('what a job is never changes; how it is described does, whatever happens to it meanwhile', async (t) => {
  const { lab, submit, put, job, jobId, tell } = await openBench(t);
  await submit('fixed', { environmentVariables: { EPOCHS: '3' }, tags: { a: '1' } });
  for (const more of [
    { command: 'rm -rf /' },
    { codeId: undefined, command: 'x' },
    { environmentVariables: { EPOCHS: '4' } },
    { inputs: { n: { jobInputType: 'literal', value: 1 } } },
    { limits: { timeout: 'PT5M' } },
    { experimentName: 'Other' },
  ]) {
    const refused = await put('fixed', more);
    assert.equal(refused.status, 409, JSON.stringify(more));
    assert.equal(refused.body.error.code, 'JobExists');
  }
  assert.equal((await put('fixed')).status, 200);
  const described = await put('fixed', { displayName: 'New', tags: { b: '2' }, description: 'd', isArchived: true });
  assert.equal(described.status, 200, described.bytes.toString());
  assert.deepEqual((await job('fixed')).tags, { b: '2' });
  // As clients do: what was read is sent back, with one thing changed.
  const { body } = await lab.must(lab.owner, 'GET', jobId('fixed'));
  body.properties.displayName = 'Again';
  const back = await lab.call(lab.owner, 'PUT', jobId('fixed'), { body });
  assert.equal(back.status, 200, back.bytes.toString());
  assert.equal((await job('fixed')).displayName, 'Again');
  // Descriptions written while the job moves on take nothing back.
  await Promise.all([
    ...Array.from({ length: 6 }, (_, i) => put('fixed', { tags: { round: `${i}` } })),
    tell('fixed', running, exited(0)),
  ]);
  assert.equal((await job('fixed')).status, 'Completed');
  assert.equal(lab.work.of(jobId('fixed')).length, 1);
});

test('a job tells where its outputs are, and what was told may be sent back', async (t) => {
  const { lab, submit, jobId, of } = await openBench(t);
  const outputs = { res: { jobOutputType: 'uri_folder', mode: 'ReadWriteMount' }, one: { jobOutputType: 'uri_file' } };
  await submit('outputs', { outputs, command: `echo > \${{outputs.one}}` });
  const { body } = await lab.must(lab.owner, 'GET', jobId('outputs'));
  const base = 'azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.outputs/outputs';
  assert.deepEqual(body.properties.outputs.res, { ...outputs.res, uri: `${base}/res` });
  assert.equal(body.properties.outputs.one.uri, `${base}/one`);
  const document = jobIn(await lab.work.take(of('outputs')));
  assert.deepEqual([document.outputs, document.command], [['res'], 'echo > /job/code/outputs/one']);
  assert.equal((await lab.call(lab.owner, 'PUT', jobId('outputs'), { body })).status, 200);
  // As azure-ai-ml does, with a tenant that it adds to an address.
  body.properties.services.Studio.endpoint += '&tid=x';
  assert.equal((await lab.call(lab.owner, 'PUT', jobId('outputs'), { body })).status, 200);
  body.properties.services.board = { jobServiceType: 'TensorBoard' };
  assert.equal((await lab.call(lab.owner, 'PUT', jobId('outputs'), { body })).status, 400);
  delete body.properties.services;
  body.properties.outputs.res.uri = `${base}/other`;
  assert.equal((await lab.call(lab.owner, 'PUT', jobId('outputs'), { body })).status, 409);
});

test('an output of a job is the input of another, and so is a registered model', async (t) => {
  const { lab, submit, put, tell, of, workspaceId, codeUri } = await openBench(t);
  await submit('first', { outputs: { res: { jobOutputType: 'uri_folder' } } });
  const { runs, system } = lab.now();
  await runs.putArtifact(system, workspaceId, 'first', 'outputs/res/a.txt', Buffer.from('A'));
  await tell('first', running, exited(0));
  const modelId = `${workspaceId}/models/m1/versions/2`;
  await lab.must(lab.owner, 'PUT', modelId, { body: { properties: { modelUri: codeUri } } });
  const uris = {
    output: 'azureml://jobs/first/outputs/res/paths/',
    stored: 'azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.first/outputs/res',
    short: 'azureml:m1:2',
    byId: `azureml:${modelId}`,
  };
  const inputs = Object.fromEntries(
    Object.entries(uris).map(([name, uri]) => {
      const jobInputType = name === 'short' ? 'custom_model' : 'uri_folder';
      return [name, { jobInputType, uri, mode: 'ReadOnlyMount' }];
    }),
  );
  await submit('second', { inputs });
  const taken = jobIn(await lab.work.take(of('second'))).inputs;
  assert.deepEqual(
    Object.entries(taken).map(([name, files]) => [name, files.map(({ path }) => path)]),
    [
      ['output', ['a.txt']],
      ['stored', ['a.txt']],
      ['short', ['train.py']],
      ['byId', ['train.py']],
    ],
  );
  const refused = async (more: object, code: string) => {
    const answer = await put('third', more);
    assert.deepEqual([answer.status, answer.body.error.code], [400, code], answer.bytes.toString());
  };
  for (const mode of ['ReadWriteMount', 'EvalMount', 'EvalDownload'])
    await refused({ inputs: { x: { ...inputs['output'], mode } } }, 'ModeNotServed');
  await refused({ outputs: { x: { jobOutputType: 'uri_folder', mode: 'Direct' } } }, 'ModeNotServed');
  await refused({ outputs: { default: { jobOutputType: 'uri_folder' } } }, 'ValidationError');
  const foreign = `azureml:${workspaceId.replace('Vision', 'Other')}/models/m1/versions/2`;
  await refused({ inputs: { x: { jobInputType: 'custom_model', uri: foreign } } }, 'InputNotServed');
});

test('code that is deleted, or another under its name, does not change what an accepted job runs', async (t) => {
  const { lab, submit, codeId, workspaceId, of } = await openBench(t);
  await submit('pinned');
  await lab.must(lab.owner, 'DELETE', codeId);
  const other = await snapshot(lab, workspaceId, { 'evil.py': 'print(2)' });
  await lab.must(lab.owner, 'PUT', codeId, { body: { properties: { codeUri: other } } });
  assert.deepEqual(
    jobIn(await lab.work.take(of('pinned'))).snapshot.map(({ path }) => path),
    ['train.py'],
  );
});

test('a job of the longest duration gets its token', async (t) => {
  const { lab, submit } = await openBench(t);
  assert.ok(jobIn(await lab.work.take(await submit('week', { limits: { timeout: 'P7D' } }))).token);
  const shared = await lab.work.take(await submit('shared', { resources: { shmSize: '2g' } }));
  assert.equal(shared.sharedBytes, 2 * 1024 ** 3);
});

test('a list narrows by type, tag and archive', async (t) => {
  const { lab, submit, put, workspaceId } = await openBench(t);
  await submit('one', { tags: { team: 'a' } });
  await submit('two', { tags: { team: 'b' } });
  await submit('three');
  await put('three', { isArchived: true });
  const names = async (query: string) =>
    (await lab.must(lab.owner, 'GET', `${workspaceId}/jobs?api-version=2024-10-01&${query}`)).body.value
      .map(({ name }: { name: string }) => name)
      .sort();
  assert.deepEqual(await names(''), ['one', 'two']);
  assert.deepEqual(await names('listViewType=All'), ['one', 'three', 'two']);
  assert.deepEqual(await names('listViewType=ArchivedOnly'), ['three']);
  assert.deepEqual(await names('tag=team'), ['one', 'two']);
  assert.deepEqual(await names('tag=team=b'), ['two']);
  assert.deepEqual(await names('tag=constructor'), []);
  assert.deepEqual(await names('jobType=command'), ['one', 'two']);
  assert.deepEqual(await names('jobType=Pipeline'), []);
});

test('what a job runs and prints, and its token, are nowhere on the disk in the clear, nor is the token in any answer', async (t) => {
  const { lab, submit, tell, jobId, workspaceId, of } = await openBench(t);
  const canaries = [
    'canary-environment',
    'canary-command',
    'canary-input',
    'canary-tag',
    'canary-output',
    'canary-name',
  ];
  await submit('canary-name', {
    command: 'echo canary-command',
    environmentVariables: { WORD: 'canary-environment' },
    inputs: { n: { jobInputType: 'literal', value: 'canary-input' } },
    tags: { t: 'canary-tag' },
  });
  const { token, redact } = jobIn(await lab.work.take(of('canary-name')));
  assert.deepEqual(redact, [token]);
  await tell('canary-name', running, output('canary-output '.repeat(100)));
  const look = async () => {
    for (const path of [jobId('canary-name'), `${workspaceId}/jobs`, `${jobId('canary-name')}/log`]) {
      assert.equal((await lab.must(lab.owner, 'GET', path)).bytes.includes(token), false, path);
    }
    const searched = [...canaries, token, token.split('.')[2] ?? ''].map((word) => Buffer.from(word));
    for (const entry of await readdir(lab.folder, { recursive: true, withFileTypes: true })) {
      assert.equal(entry.name.includes('canary'), false, entry.name);
      if (!entry.isFile()) continue;
      const bytes = await readFile(join(entry.parentPath, entry.name));
      for (const word of searched) assert.equal(bytes.includes(word), false, `${word} in ${entry.name}`);
    }
  };
  await look();
  const { resources, system } = lab.now();
  assert.equal(JSON.stringify(await resources.get(system, jobId('canary-name'))).includes(token), false);
  await tell('canary-name', exited(0));
  await look();
});

test('a log is read page by page from any offset, while it grows and after its end', async (t) => {
  const { submit, tell, log } = await openBench(t);
  await submit('talks');
  const empty = await log('talks');
  assert.deepEqual([empty.status, empty.bytes.length, empty.headers['x-log-offset']], [200, 0, '0']);
  await tell('talks', running, output('one\n'), output('zwölf\n'));
  const whole = Buffer.from('one\nzwölf\n');
  for (const offset of [0, 3, 4, 5, whole.length, 1000]) {
    const page = await log('talks', `?offset=${offset}`);
    assert.deepEqual(page.bytes, whole.subarray(offset));
    assert.equal(page.headers['x-log-complete'], 'false');
  }
  assert.equal((await log('talks', '?offset=-1')).status, 400);
  assert.equal((await log('talks', '?offset=x')).status, 400);
  await tell('talks', exited(0));
  const last = await log('talks', `?offset=${whole.length}`);
  assert.deepEqual(
    [last.bytes.length, last.headers['x-log-complete'], last.headers['x-job-status']],
    [0, 'true', 'Completed'],
  );
  assert.deepEqual((await log('talks', '?offset=5')).bytes, whole.subarray(5));
  await submit('silent');
  await tell('silent', exited(0));
  assert.equal((await log('silent')).headers['x-log-complete'], 'true');
});

test('who waits for a log is answered by the next word, however he spells the name, and by the end', async (t) => {
  const { submit, tell, log, lab, jobId } = await openBench(t);
  await submit('Slow');
  await tell('Slow', running);
  const waiting = log('sLOW', '?wait=true');
  await lab.must(lab.owner, 'GET', jobId('Slow'));
  await tell('Slow', output('word'));
  assert.equal((await waiting).bytes.toString(), 'word');
  const end = log('slow', '?wait=true&offset=4');
  await lab.must(lab.owner, 'GET', jobId('Slow'));
  await tell('Slow', exited(0));
  const { bytes, headers } = await end;
  assert.deepEqual([bytes.length, headers['x-log-complete']], [0, 'true']);
});

test('pages of a long log end where a character does, live and afterwards', async (t) => {
  const { submit, tell, log } = await openBench(t);
  await submit('wide');
  const text = `x${'€😀ä'.repeat(150_000)}`;
  await tell('wide', running);
  for (let at = 0; at < text.length; ) {
    // As agents send: whole characters, at most 64 KiB.
    const part = [...text.slice(at, at + 20_001)];
    const chunk =
      (text.codePointAt(at + part.join('').length - 1) ?? 0) > 0xffff ? part.slice(0, -1).join('') : part.join('');
    await tell('wide', output(chunk));
    at += chunk.length;
  }
  for (const end of [false, true]) {
    if (end) await tell('wide', exited(0));
    let read = '';
    for (let offset = 0; ; ) {
      const { bytes, headers } = await log('wide', `?offset=${offset}`);
      if (bytes.length === 0) break;
      assert.ok(bytes.length <= 1024 * 1024);
      read += new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      offset = Number(headers['x-log-offset']);
    }
    assert.equal(read, text);
  }
});
