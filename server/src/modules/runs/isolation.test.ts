// What the token of a run reaches: its run, its artifacts, its experiment. Each thing that it must not reach, one by one.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type Answered, client, failure, grant, runGrant, setUp, trackingPath, workspaceId } from './testing.ts';

after(() => closeScanPool());

const ok = (answer: Answered) => assert.equal(answer.status, 200, JSON.stringify(answer.body));
const denied = (answer: Answered, what = '') => {
  assert.equal(answer.status, 403, `${what} ${JSON.stringify(answer.body)}`);
  assert.equal(answer.body['error_code'], 'PERMISSION_DENIED');
};

async function opened(t: Parameters<typeof setUp>[0]) {
  const set = await setUp(t);
  const { url } = await set.openDoor();
  const alice = client(url);
  await alice.post('/experiments/create', { name: 'own' });
  await alice.post('/experiments/create', { name: 'other' });
  const own = await set.runs.createRun(grant, workspaceId, { runId: 'job-own', experimentId: '1' });
  const sibling = await set.runs.createRun(grant, workspaceId, { runId: 'job-sibling', experimentId: '1' });
  const other = await set.runs.createRun(grant, workspaceId, { runId: 'job-other', experimentId: '2' });
  return { ...set, url, alice, job: client(url, 'run:job-own:1'), own, sibling, other };
}

test("a run's token writes and reads its own run", async (t) => {
  const { job } = await opened(t);
  const run_id = 'job-own';
  ok(await job.post('/runs/log-metric', { run_id, key: 'm', value: 1, timestamp: 1 }));
  ok(await job.post('/runs/log-parameter', { run_id, key: 'p', value: '1' }));
  ok(await job.post('/runs/log-batch', { run_id, tags: [{ key: 't', value: '1' }] }));
  ok(await job.post('/runs/set-tag', { run_id, key: 'u', value: '1' }));
  ok(await job.post('/runs/delete-tag', { run_id, key: 'u' }));
  ok(await job.post('/runs/update', { run_id, status: 'FINISHED' }));
  ok(await job.get('/runs/get', { run_id }));
  ok(await job.get('/metrics/get-history', { run_id, metric_key: 'm' }));
  ok(await job.get('/experiments/get', { experiment_id: '1' }));
  ok(await job.get('/experiments/get-by-name', { experiment_name: 'own' }));
});

test("a run's token writes to no other run, whether it exists or not", async (t) => {
  const { job } = await opened(t);
  for (const run_id of ['job-sibling', 'job-other', 'job-nowhere']) {
    for (const [path, body] of [
      ['/runs/log-metric', { key: 'm', value: 1, timestamp: 1 }],
      ['/runs/log-parameter', { key: 'p', value: '1' }],
      ['/runs/log-batch', { tags: [{ key: 't', value: '1' }] }],
      ['/runs/set-tag', { key: 't', value: '1' }],
      ['/runs/delete-tag', { key: 't' }],
      ['/runs/update', { status: 'FAILED' }],
      ['/runs/log-inputs', { models: [{ model_id: 'm-1' }] }],
      ['/runs/outputs', { models: [{ model_id: 'm-1' }] }],
      ['/runs/log-model', { model_json: '{"artifact_path":"","flavors":{},"utc_time_created":"","run_id":""}' }],
      ['/runs/delete', {}],
      ['/runs/restore', {}],
    ] as const) {
      denied(await job.post(path, { run_id, ...body }), path);
      denied(await job.post(path, { run_uuid: run_id, ...body }), path);
    }
  }
});

test("a run's token does not slip another run past the older name of the field", async (t) => {
  const { job, alice } = await opened(t);
  const body = { run_id: 'job-own', run_uuid: 'job-other', key: 't', value: 'x' };
  ok(await job.post('/runs/set-tag', body));
  const { body: other } = await alice.get('/runs/get', { run_id: 'job-other' });
  assert.equal(JSON.stringify(other).includes('"t"'), false);
});

test("a run's token reads no other run", async (t) => {
  const { job } = await opened(t);
  for (const run_id of ['job-sibling', 'job-other', 'job-nowhere']) {
    denied(await job.get('/runs/get', { run_id }));
    denied(await job.get('/metrics/get-history', { run_id, metric_key: 'm' }));
    denied(
      await job.get('/metrics/get-history-bulk', [
        ['run_id', 'job-own'],
        ['run_id', run_id],
        ['metric_key', 'm'],
      ]),
    );
    denied(
      await job.get('/metrics/get-history-bulk-interval', [
        ['run_ids', run_id],
        ['metric_key', 'm'],
      ]),
    );
    denied(await job.get('/artifacts/list', { run_id }));
  }
});

test("a search with a run's token finds that run alone, and its experiment alone", async (t) => {
  const { job, alice } = await opened(t);
  const dataset = { name: 'theirs', digest: 'd', source_type: 's', source: 's' };
  ok(await alice.post('/runs/log-inputs', { run_id: 'job-sibling', datasets: [{ dataset }] }));
  const { body } = await job.post('/runs/search', { experiment_ids: ['0', '1', '2'], run_view_type: 'ALL' });
  const found = body['runs'] as { info: { run_id: string } }[];
  assert.deepEqual(
    found.map(({ info }) => info.run_id),
    ['job-own'],
  );
  const datasets = await job.post('/experiments/search-datasets', { experiment_ids: ['0', '1', '2'] });
  assert.deepEqual(datasets, { status: 200, body: {} }, 'those of others are not told');
  const experiments = await job.post('/experiments/search', { max_results: 100, view_type: 'ALL' });
  assert.deepEqual(
    (experiments.body['experiments'] as { name: string }[]).map(({ name }) => name),
    ['own'],
  );
});

test("a run's token makes no run and no experiment, and changes or deletes none", async (t) => {
  const { job } = await opened(t);
  denied(await job.post('/runs/create', { experiment_id: '1' }));
  denied(await job.post('/runs/delete', { run_id: 'job-own' }));
  denied(await job.post('/runs/restore', { run_id: 'job-own' }));
  denied(await job.post('/experiments/create', { name: 'new' }));
  denied(await job.post('/experiments/update', { experiment_id: '1', new_name: 'x' }));
  denied(await job.post('/experiments/delete', { experiment_id: '1' }));
  denied(await job.post('/experiments/restore', { experiment_id: '1' }));
  denied(await job.post('/experiments/set-experiment-tag', { experiment_id: '1', key: 'k', value: 'v' }));
  denied(await job.post('/experiments/delete-experiment-tag', { experiment_id: '1', key: 'k' }));
  for (const experiment_id of ['0', '2', '99']) denied(await job.get('/experiments/get', { experiment_id }));
  for (const experiment_name of ['Default', 'other', 'nowhere'])
    denied(await job.get('/experiments/get-by-name', { experiment_name }));
});

test("a run's token touches artifacts of its own run alone", async (t) => {
  const { url, runs } = await opened(t);
  await runs.putArtifact(grant, workspaceId, 'job-other', 'secret.txt', Buffer.from('secret'));
  const send = (method: string, path: string, token = 'run:job-own:1') =>
    fetch(`${url}${trackingPath}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(method === 'PUT' ? { body: 'x' } : {}),
    });
  assert.equal((await send('PUT', '1/job-own/artifacts/a.txt')).status, 200);
  assert.equal(await (await send('GET', '1/job-own/artifacts/a.txt')).text(), 'x');
  assert.equal((await send('GET', '2/job-other/artifacts/secret.txt', 'alice')).status, 200);
  for (const method of ['GET', 'PUT', 'DELETE']) {
    for (const path of [
      '2/job-other/artifacts/secret.txt',
      '1/job-other/artifacts/secret.txt',
      '1/job-sibling/artifacts/x',
      '1/job-nowhere/artifacts/x',
    ])
      assert.equal((await send(method, path)).status, 403, `${method} ${path}`);
    for (const path of [
      '1/job-own/artifacts/..%2f..%2f..%2f2/job-other/artifacts/secret.txt',
      '1/job-own/artifacts/%252e%252e/%252e%252e/job-other/secret.txt',
      '1/job-own/artifacts/..%5c..%5cjob-other%5csecret.txt',
    ])
      assert.equal((await send(method, path)).status, method === 'DELETE' ? 403 : 400, `${method} ${path}`);
  }
  const list = await fetch(`${url}${trackingPath}/api/2.0/mlflow-artifacts/artifacts?path=2/job-other/artifacts`, {
    headers: { authorization: 'Bearer run:job-own:1' },
  });
  assert.equal(list.status, 403);
});

test("a run's token makes models of its own run, and touches no others", async (t) => {
  const { alice, job } = await opened(t);
  const make = async (who: typeof alice, source_run_id: string | undefined, experiment_id = '1') =>
    who.post('/logged-models', { experiment_id, name: 'model', source_run_id });
  const idOf = (answer: Answered) => (answer.body['model'] as { info: { model_id: string } }).info.model_id;
  const mine = idOf(await make(job, 'job-own'));
  const theirs = idOf(await make(alice, 'job-other', '2'));
  denied(await make(job, 'job-other', '2'));
  const ofNone = await make(job, undefined);
  denied(ofNone);
  assert.match(String(ofNone.body['message']), /of none\. Call log_model\(\) within `with mlflow\.start_run\(\):`/);
  denied(await make(job, 'job-own', '2'));
  ok(await job.get(`/logged-models/${mine}`));
  ok(await job.post(`/logged-models/${mine}`, { status: 'LOGGED_MODEL_READY' }, 'PATCH'));
  for (const id of [theirs, 'm-nowhere']) {
    denied(await job.get(`/logged-models/${id}`));
    denied(await job.post(`/logged-models/${id}`, { status: 'LOGGED_MODEL_READY' }, 'PATCH'));
    denied(await job.post(`/logged-models/${id}/tags`, { tags: [{ key: 'a', value: 'b' }] }, 'PATCH'));
    denied(await job.post(`/logged-models/${id}/tags/a`, {}, 'DELETE'));
    denied(await job.post(`/logged-models/${id}/params`, { params: [{ key: 'a', value: 'b' }] }));
    denied(await job.post(`/logged-models/${id}`, {}, 'DELETE'));
  }
  denied(await job.post(`/logged-models/${mine}`, {}, 'DELETE'));
  const { body } = await job.post('/logged-models/search', { experiment_ids: ['1', '2'] });
  assert.equal((body['models'] as unknown[]).length, 1);
  // A point with the id of another's model, or of none, is refused alike, and is not the run's either.
  for (const model_id of [theirs, 'm-nowhere'])
    denied(await job.post('/runs/log-metric', { run_id: 'job-own', key: 'm', value: 1, timestamp: 1, model_id }));
  ok(await job.post('/runs/log-metric', { run_id: 'job-own', key: 'm', value: 1, timestamp: 1, model_id: mine }));
  const metricsOf = async (id: string) =>
    ((await alice.get(`/logged-models/${id}`)).body['model'] as { data: { metrics?: unknown[] } }).data.metrics?.length;
  assert.equal(await metricsOf(theirs), undefined);
  assert.equal(await metricsOf(mine), 1);
  const { body: own } = await job.get('/metrics/get-history', { run_id: 'job-own', metric_key: 'm' });
  assert.equal((own['metrics'] as unknown[]).length, 1);
});

test('bounds of another workspace reach nothing here', async (t) => {
  const { runs } = await opened(t);
  const here = runGrant('job-own');
  const there = { ...here, scope: here.scope.replace(workspaceId, `${workspaceId}2`) } as typeof here;
  for (const reaching of [there, runGrant('job-sibling'), runGrant('Job-own'), runGrant('job-ow')])
    await assert.rejects(runs.get(reaching, workspaceId, 'job-own'), failure('forbidden'));
  assert.equal((await runs.get(here, workspaceId, 'job-own')).info.run_id, 'job-own');
});

test('in process a bounded caller is held to its run as at the door', async (t) => {
  const { runs } = await opened(t);
  const here = runGrant('job-own', '1');
  for (const act of [
    () => runs.ensureExperiment(here, workspaceId, 'own'),
    () => runs.createRun(here, workspaceId, { experimentId: '1' }),
    () => runs.get(here, workspaceId, 'job-sibling'),
    () => runs.metricsOf(here, workspaceId, 'job-sibling'),
    () => runs.setStatus(here, workspaceId, 'job-sibling', 'FAILED'),
    () => runs.setTags(here, workspaceId, 'job-sibling', { t: '1' }),
    () => runs.listArtifacts(here, workspaceId, 'job-sibling'),
    () => runs.openArtifact(here, workspaceId, 'job-sibling', 'a'),
    () => runs.putArtifact(here, workspaceId, 'job-sibling', 'a', Buffer.from('x')),
  ])
    await assert.rejects(act, failure('forbidden', /reaches only that run/));
  await runs.setTags(here, workspaceId, 'job-own', { t: '1' });
});

test('ids that differ in case alone are two runs', async (t) => {
  const { url, runs } = await opened(t);
  await runs.createRun(grant, workspaceId, { runId: 'JOB-own', experimentId: '1' });
  const upper = client(url, 'run:JOB-own:1');
  ok(await upper.get('/runs/get', { run_id: 'JOB-own' }));
  ok(await upper.post('/runs/set-tag', { run_id: 'JOB-own', key: 't', value: '1' }));
  denied(await upper.get('/runs/get', { run_id: 'job-own' }));
  denied(await client(url, 'run:job-own:1').get('/runs/get', { run_id: 'JOB-own' }));
  const { body } = await upper.post('/runs/search', { experiment_ids: ['1'] });
  assert.deepEqual(
    (body['runs'] as { info: { run_id: string } }[]).map(({ info }) => info.run_id),
    ['JOB-own'],
  );
});

test('an anonymous caller gets nothing but constants', async (t) => {
  const { module, url } = await opened(t);
  for (const route of module.routes ?? []) {
    const path = route.path
      .replace(/^\/mlflow\/subscriptions\/.*\{workspaceName\}/, trackingPath)
      .replace('/mlflow-artifacts', '/api/2.0/mlflow-artifacts')
      .replace(/\{\w+\+?\}/g, 'x');
    const rooted =
      /\/(version|health)$/.test(path) || path.includes('/api/2.0/')
        ? path
        : path.replace(trackingPath, `${trackingPath}/api/${path.endsWith('server-info') ? '3.0' : '2.0'}/mlflow`);
    const answer = await fetch(`${url}${rooted}`, {
      method: route.method,
      headers: { 'content-type': 'application/json' },
      ...(route.method === 'GET' ? {} : { body: '{}' }),
    });
    assert.equal(answer.status, route.access.kind === 'open' ? 200 : 401, `${route.method} ${rooted}`);
    await answer.arrayBuffer();
  }
});
