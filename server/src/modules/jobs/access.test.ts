// Who may do what with jobs, and what the credential of a running job opens and does not open.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { ended, exited, jobIn, lost, openBench, output, running, snapshot } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

test('a Reader follows jobs and changes none; a stranger learns nothing', async (t) => {
  const { lab, put, submit, cancel, log, jobId, workspaceId, status } = await openBench(t);
  const reader = await lab.person(['Reader']);
  const stranger = await lab.person([]);
  await submit('theirs');
  assert.equal((await put('mine', {}, reader)).status, 403);
  assert.equal((await cancel('theirs', reader)).status, 403);
  assert.equal((await lab.call(reader, 'DELETE', jobId('theirs'))).status, 403);
  assert.equal((await lab.call(reader, 'GET', jobId('theirs'))).status, 200);
  assert.equal((await lab.call(reader, 'GET', jobId('nothing'))).status, 404);
  assert.equal((await log('theirs', '', reader)).status, 200);
  for (const [method, path] of [
    ['GET', jobId('theirs')],
    ['GET', jobId('nothing')],
    ['GET', `${jobId('theirs')}/log`],
    ['GET', `${jobId('nothing')}/log`],
    ['PUT', jobId('theirs')],
    ['POST', `${jobId('theirs')}/cancel`],
    ['DELETE', jobId('theirs')],
  ] as const) {
    assert.equal(
      (await lab.call(stranger, method, path, method === 'PUT' ? { body: { properties: {} } } : {})).status,
      403,
    );
  }
  const listed = await lab.call(stranger, 'GET', `${workspaceId}/jobs`);
  assert.ok(listed.status === 403 || listed.body.value.length === 0);
  assert.equal(await status('theirs'), 'Queued');
  assert.equal(lab.work.items.size, 1);
});

test('an AzureML Data Scientist submits and cancels', async (t) => {
  const { lab, put, cancel, run, of } = await openBench(t);
  const scientist = await lab.person(['AzureML Data Scientist']);
  const made = await put('science', {}, scientist);
  assert.equal(made.status, 201, made.bytes.toString());
  const tags: { key: string; value: string }[] = (await run('science')).data.tags;
  assert.equal(tags.find(({ key }) => key === 'mlflow.source.type')?.value, 'JOB');
  assert.equal(of('science').spec.submitter, scientist, 'whose turn it is follows from that');
  const { token, snapshot: code } = jobIn(await lab.work.take(of('science')));
  const { body } = await lab.must(token, 'GET', runPath(made.body.id, 'science'));
  assert.equal(body.run.info.run_id, 'science');
  await lab.must(token, 'GET', new URL(code[0]?.url ?? '').pathname);
  // The record says in whose name it acted: the object id, which no other account can take.
  const entry = lab.now().audit.entries.find(({ intent }) => intent.actor.kind === 'run');
  assert.equal(entry?.intent.actor.objectId, scientist);
  assert.equal((await cancel('science', scientist)).status, 202);
});

test('who may submit jobs and no more reaches nothing by naming it', async (t) => {
  const { lab, put, workspaceId, codeId, codeUri, submit, tell, job } = await openBench(t);
  await submit('source');
  const written = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow-artifacts/artifacts/0/source/artifacts/secret.txt`;
  await lab.must(lab.owner, 'PUT', written, { body: Buffer.from('theirs') });
  await tell('source', running, exited(0));
  assert.equal((await job('source')).status, 'Completed');

  /** Who holds just these actions of the workspace. */
  const holding = async (index: number, ...names: readonly string[]) => {
    const who = await lab.person([]);
    const actions = names.map((name) => `Microsoft.MachineLearningServices/workspaces/${name}`);
    const guid = `00000000-0000-4000-8000-00000000000${index}`;
    const roleDefinitionId = `${lab.subscription}/providers/Microsoft.Authorization/roleDefinitions/${guid}`;
    await lab.must(lab.owner, 'PUT', roleDefinitionId, {
      body: {
        properties: { roleName: `Holder ${index}`, permissions: [{ actions }], assignableScopes: [lab.subscription] },
      },
    });
    await lab.must(lab.owner, 'PUT', `${workspaceId}/providers/Microsoft.Authorization/roleAssignments/${guid}`, {
      body: { properties: { roleDefinitionId, principalId: who, principalType: 'ServicePrincipal' } },
    });
    return who;
  };
  const submitter = await holding(1, 'jobs/write', 'computes/read', 'models/versions/write', 'models/write');
  const input = (uri: string) => ({ codeId: undefined, inputs: { data: { jobInputType: 'uri_folder', uri } } });
  const artifacts = 'azureml://jobs/source/outputs/artifacts/paths/';
  assert.equal((await put('bare', { codeId: undefined }, submitter)).status, 201);
  for (const [name, more] of [
    ['reads-artifacts', input(artifacts)],
    ['reads-run', input('runs:/source/secret.txt')],
    ['reads-snapshot', input(codeUri)],
    ['reads-code', {}],
  ] as const) {
    const refused = await put(name, more, submitter);
    assert.equal(refused.status, 403, `${name}: ${refused.bytes}`);
    assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/jobs/${name}`)).status, 404, 'nothing is half made');
  }
  for (const modelUri of [artifacts, codeUri]) {
    const model = `${workspaceId}/models/taken/versions/1`;
    assert.equal((await lab.call(submitter, 'PUT', model, { body: { properties: { modelUri } } })).status, 403);
    assert.equal((await lab.call(lab.owner, 'GET', model)).status, 404);
  }

  const reading = await holding(
    2,
    ...['jobs/write', 'computes/read', 'metadata/artifacts/read', 'metadata/snapshots/read', 'codes/versions/read'],
  );
  assert.equal((await put('may-artifacts', input(artifacts), reading)).status, 201);
  assert.equal((await put('may-snapshot', input(codeUri), reading)).status, 201);
  assert.equal((await put('may-code', { codeId }, reading)).status, 201);
});

const runPath = (jobId: string, run: string) =>
  `/mlflow/v1.0${jobId.split('/jobs/')[0]}/api/2.0/mlflow/runs/get?run_id=${run}`;

test('the token of a job reaches its own run, and no other, and nothing of the resource manager', async (t) => {
  const { lab, submit, workspaceId, computeId, codeId, jobId, properties, of } = await openBench(t);
  await submit('a');
  await submit('b');
  const { token } = jobIn(await lab.work.take(of('a')));
  const mlflow = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow`;
  const metric = (run: string) => ({ run_id: run, key: 'loss', value: 0.5, timestamp: 1, step: 0 });
  assert.equal((await lab.call(token, 'POST', `${mlflow}/runs/log-metric`, { body: metric('a') })).status, 200);
  assert.equal((await lab.call(token, 'GET', runPath(jobId('a'), 'a'))).status, 200);
  const refused: readonly (readonly [string, string, object?])[] = [
    ['POST', `${mlflow}/runs/log-metric`, metric('b')],
    ['GET', runPath(jobId('b'), 'b')],
    ['POST', `${mlflow}/runs/create`, { experiment_id: '0' }],
    ['POST', `${mlflow}/experiments/create`, { name: 'x' }],
    ['GET', `/mlflow/v1.0${workspaceId}/api/2.0/mlflow-artifacts/artifacts/0/b/artifacts/x`],
    ['GET', jobId('a')],
    ['GET', jobId('b')],
    ['GET', `${jobId('a')}/log`],
    ['PUT', jobId('c'), { properties }],
    ['POST', `${jobId('b')}/cancel`],
    ['DELETE', jobId('b')],
    ['GET', workspaceId],
    ['GET', computeId],
    ['GET', codeId],
    ['DELETE', codeId],
    ['POST', `${workspaceId}/snapshots`, {}],
    ['PUT', workspaceId.replace('Vision', 'Other'), { location: 'local', properties: {} }],
    ['GET', lab.group],
  ];
  for (const [method, path, body] of refused) {
    const { status } = await lab.call(token, method, path, body === undefined ? {} : { body });
    assert.ok(status === 403 || status === 404, `${method} ${path}: ${status}`);
  }
  assert.equal((await lab.call(token, 'GET', jobId('b'))).status, 403);
});

test('the token reads the code and inputs of its job, file by file, and no other snapshot', async (t) => {
  const { lab, workspaceId, submit, of } = await openBench(t);
  const own = await snapshot(lab, workspaceId, { 'data set/ä b.csv': 'a,b' });
  const other = await snapshot(lab, workspaceId, { 'secret.csv': 'c' });
  await submit('reads', {
    command: `python3 train.py --data \${{inputs.data}} --n \${{inputs.n}}`,
    inputs: { data: { jobInputType: 'uri_folder', uri: own }, n: { jobInputType: 'literal', value: "1'; id" } },
  });
  const { token, inputs, snapshot: code, command } = jobIn(await lab.work.take(of('reads')));
  assert.equal(command, `python3 train.py --data /job/inputs/data --n '1'\\''; id'`);
  for (const { url } of [...(inputs['data'] ?? []), ...code]) {
    const { pathname, search } = new URL(url);
    const read = await lab.call(token, 'GET', pathname + search);
    assert.equal(read.status, 200, read.bytes.toString());
  }
  const [file] = inputs['data'] ?? [];
  assert.equal((await lab.call(token, 'GET', new URL(file?.url ?? '').pathname)).bytes.toString(), 'a,b');
  const digest = other.split('/').at(-1);
  assert.equal((await lab.call(token, 'GET', `${workspaceId}/snapshots/${digest}/files/secret.csv`)).status, 403);
  assert.equal((await lab.call(token, 'GET', `${workspaceId}/snapshots/sha256:${'0'.repeat(64)}/files/x`)).status, 403);
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/snapshots/${digest}/files/secret.csv`)).status, 200);
});

test('the token is refused the moment that its job ends, also while the end is under way', async (t) => {
  const { lab, submit, tell, of, jobId, cancel } = await openBench(t);
  for (const [name, end] of [
    ['done', exited(0)],
    ['failed', exited(1)],
    ['gone', lost],
    ['stopped', ended('stopped')],
  ] as const) {
    await submit(name);
    const item = of(name);
    const { token } = jobIn(await lab.work.take(item));
    const renewed = await lab.work.renew(item);
    await tell(name, running, output('x'));
    if (name === 'stopped') await cancel(name);
    for (const one of [token, renewed])
      assert.equal((await lab.call(one, 'GET', runPath(jobId(name), name))).status, 200);
    // Asked while the log is being sealed: the answer must not make the token live on.
    const during: number[] = [];
    lab.seam.before = async (step) => {
      if (step === 'put artifact') during.push((await lab.call(token, 'GET', runPath(jobId(name), name))).status);
    };
    await tell(name, end);
    lab.seam.before = async () => {};
    assert.deepEqual(during, [401]);
    for (const one of [token, renewed]) {
      const refused = await lab.call(one, 'GET', runPath(jobId(name), name));
      assert.equal(refused.status, 401, name);
      assert.match(refused.bytes.toString(), /job that has ended/);
    }
    await assert.rejects(lab.work.renew(item), /has ended/);
  }
});

test('the token of an earlier try is refused, and so is one that outlived a restart of an ended job', async (t) => {
  const { lab, submit, tell, of, jobId } = await openBench(t);
  const first = await submit('tried');
  const { token: old } = jobIn(await lab.work.take(first));
  await tell('tried', lost);
  const { token } = jobIn(await lab.work.take(of('tried')));
  assert.equal((await lab.call(old, 'GET', runPath(jobId('tried'), 'tried'))).status, 401);
  assert.equal((await lab.call(token, 'GET', runPath(jobId('tried'), 'tried'))).status, 200);
  await lab.restart();
  assert.equal((await lab.call(token, 'GET', runPath(jobId('tried'), 'tried'))).status, 200);
  await tell('tried', running, exited(0));
  await lab.restart();
  assert.equal((await lab.call(token, 'GET', runPath(jobId('tried'), 'tried'))).status, 401);
});

test('a token of the same name in another workspace opens nothing here', async (t) => {
  const { lab, submit, of, jobId, cluster } = await openBench(t);
  const other = await lab.workspace('Twin');
  const computeId = await cluster(other);
  await submit('same');
  await lab.must(lab.owner, 'PUT', `${other}/jobs/same`, {
    body: { properties: { jobType: 'Command', command: 'true', computeId } },
  });
  const { token } = jobIn(await lab.work.take(of('same')));
  assert.equal((await lab.call(token, 'GET', runPath(jobId('same'), 'same'))).status, 200);
  assert.equal((await lab.call(token, 'GET', runPath(`${other}/jobs/same`, 'same'))).status, 403);
});

test('a token that was changed, or names another workspace or job in its payload, is refused', async (t) => {
  const { lab, submit, of, jobId } = await openBench(t);
  await submit('forged');
  const { token } = jobIn(await lab.work.take(of('forged')));
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const forge = (change: object) =>
    `${header}.${Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url')}.${signature}`;
  for (const forged of [
    forge({ sub: 'other' }),
    forge({ workspaceUniqueId: 'x' }),
    forge({ inputs: ['/'] }),
    forge({ purpose: 'registry' }),
    forge({ workspaceUniqueId: { toString: 'x' } }),
    `${header}.${payload}.AAAA`,
    `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.AAAA`,
    // Says that it is an access token, which no token of a run is.
    `${Buffer.from('{"alg":"RS256","typ":"at+jwt"}').toString('base64url')}.${payload}.${signature}`,
    `${header}.${Buffer.from('{"purpose":"run"').toString('base64url')}.${signature}`,
  ]) {
    assert.equal((await lab.call(forged, 'GET', runPath(jobId('forged'), 'forged'))).status, 401);
  }
});
