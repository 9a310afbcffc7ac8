// Purging over the real door: what goes, what stays, who may, and what the record says.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { containerScope } from '#storage';
import { client, grant, setUp, workspaceId } from '../testing.ts';

after(() => closeScanPool());

async function opened(t: Parameters<typeof setUp>[0], ...more: [] | [Parameters<typeof setUp>[1]]) {
  const set = await setUp(t, ...more);
  const { url } = await set.openDoor();
  const mlflow = client(url);
  const as = testGrant({ scope: containerScope(set.container) });
  const blobs = async () =>
    (await set.blobs.list(as, { ...set.container, prefix: '', limit: 1000 })).blobs.map(({ name }) => name);
  const experiment = async (name: string) =>
    String((await mlflow.post('/experiments/create', { name })).body['experiment_id']);
  const run = async (experiment_id: string) => {
    const { body } = await mlflow.post('/runs/create', { experiment_id });
    return (body['run'] as { info: { run_id: string } }).info.run_id;
  };
  const left = async (table: string) => {
    const database = await set.databaseOf(workspaceId);
    const found = await database.scan<{ held: number }>({
      compile: () => ({ sql: `select count(*) as held from ${table}`, parameters: [] }) as never,
    });
    return found[0]?.held;
  };
  return { ...set, url, mlflow, blobs, experiment, run, left };
}

test('a deleted run goes for good with its history, its models and their files, and nothing else does', async (t) => {
  const { mlflow, run, runs, blobs, left, audit } = await opened(t);
  const [gone, kept] = [await run('0'), await run('0')];
  for (const run_id of [gone, kept]) {
    for (let from = 0; from < 2700; from += 900)
      await mlflow.post('/runs/log-batch', {
        run_id,
        metrics: Array.from({ length: 900 }, (_, at) => ({
          key: 'm',
          value: at,
          timestamp: from + at,
          step: from + at,
        })),
        params: [{ key: 'p', value: 'x' }],
        tags: [{ key: 't', value: 'x' }],
      });
    await runs.putArtifact(grant, workspaceId, run_id, 'out/a.txt', Buffer.from('x'));
    const made = await mlflow.post('/logged-models', { experiment_id: '0', name: 'm', source_run_id: run_id });
    const { model_id } = (made.body['model'] as { info: { model_id: string } }).info;
    await mlflow.post('/runs/log-metric', { run_id, key: 'acc', value: 1, timestamp: 1, model_id });
    const dataset = { name: 'd', digest: run_id.slice(0, 8), source_type: 'local', source: '{}' };
    assert.equal((await mlflow.post('/runs/log-inputs', { run_id, datasets: [{ dataset }] })).status, 200);
  }
  const refused = await mlflow.post('/runs/purge', { run_id: gone });
  assert.deepEqual([refused.status, refused.body['error_code']], [400, 'INVALID_PARAMETER_VALUE']);
  assert.match(String(refused.body['message']), /is not deleted/);

  await mlflow.post('/runs/delete', { run_id: gone });
  const listed = (await mlflow.get('/deleted/list')).body['deleted'] as { kind: string; id: string }[];
  assert.deepEqual(
    listed.map(({ kind, id }) => [kind, id]),
    [['run', gone]],
  );
  const purged = await mlflow.post('/runs/purge', { run_id: gone });
  assert.deepEqual([purged.status, purged.body], [200, { artifacts: 1 }]);
  const entry = audit.entries.at(-1);
  assert.deepEqual(
    [entry?.level, entry?.intent.operation, entry?.intent.parameters['run_id']],
    ['activity', 'MLflow_PurgeRun', gone],
  );
  assert.equal((await mlflow.get('/runs/get', { run_id: gone })).status, 404);
  assert.equal((await mlflow.post('/runs/restore', { run_id: gone })).status, 404);
  assert.equal((await mlflow.post('/runs/purge', { run_id: gone })).status, 404);
  assert.deepEqual(await blobs(), [`ExperimentRun/dcid.${kept}/out/a.txt`]);
  assert.equal((await mlflow.get('/runs/get', { run_id: kept })).status, 200);
  for (const [table, count] of Object.entries({
    ...{ metrics: 2701, latest_metrics: 2, run_params: 1, run_datasets: 1, runs: 1 },
    ...{ logged_models: 1, logged_model_metrics: 1, logged_model_tags: 1 },
  }))
    assert.equal(await left(table), count, table);
});

test('a deleted experiment goes when its runs are gone; its name is free and its number is never given again', async (t) => {
  const { mlflow, experiment, run, left } = await opened(t);
  const id = await experiment('study');
  const runId = await run(id);
  await mlflow.post('/logged-models', { experiment_id: id, name: 'orphan' });
  assert.equal((await mlflow.post('/experiments/purge', { experiment_id: id })).status, 400);
  await mlflow.post('/experiments/delete', { experiment_id: id });
  const early = await mlflow.post('/experiments/purge', { experiment_id: id });
  assert.match(String(early.body['message']), /has 1 runs/);
  assert.equal((await mlflow.post('/experiments/create', { name: 'study' })).status, 400);
  assert.equal((await mlflow.post('/runs/purge', { run_id: runId })).status, 200);
  assert.equal((await mlflow.post('/experiments/purge', { experiment_id: id })).status, 200);
  assert.equal((await mlflow.get('/experiments/get', { experiment_id: id })).status, 404);
  assert.equal(await left('logged_models'), 0);
  const again = await experiment('study');
  assert.equal(Number(again), Number(id) + 1);
  await mlflow.post('/experiments/delete', { experiment_id: '0' });
  assert.equal((await mlflow.post('/experiments/purge', { experiment_id: '0' })).status, 400, 'Default stays');
});

test('a deleted logged model goes by itself, and what is listed is old enough', async (t) => {
  const { mlflow, clock } = await opened(t);
  const made = await mlflow.post('/logged-models', { experiment_id: '0', name: 'm' });
  const { model_id } = (made.body['model'] as { info: { model_id: string } }).info;
  assert.equal((await mlflow.post('/logged-models/purge', { model_id })).status, 400);
  await mlflow.post(`/logged-models/${model_id}`, {}, 'DELETE');
  const day = 86_400_000;
  const old = async () =>
    ((await mlflow.get('/deleted/list', { older_than_ms: String(30 * day) })).body['deleted'] as unknown[]).length;
  assert.equal(await old(), 0);
  await clock.advance(31 * day);
  assert.equal(await old(), 1);
  assert.equal((await mlflow.post('/logged-models/purge', { model_id })).status, 200);
  assert.equal((await mlflow.post('/logged-models/purge', { model_id })).status, 404);
  for (const [path, body] of [
    ['/runs/purge', { run_id: '../x' }],
    ['/runs/purge', {}],
    ['/logged-models/purge', { model_id: 'm-none' }],
    ['/experiments/purge', { experiment_id: '-1' }],
  ] as const)
    assert.ok([400, 404].includes((await mlflow.post(path, body)).status), path);
});

test('purging has a right of its own; a run may not, and a job that is not over keeps its run', async (t) => {
  const { mlflow, runs, url } = await opened(t, (action) => !action.endsWith('/purge/action'));
  await runs.createRun(grant, workspaceId, { runId: 'job-1', experimentId: '0' });
  await mlflow.post('/runs/delete', { run_id: 'job-1' });
  for (const [path, body] of [
    ['/runs/purge', { run_id: 'job-1' }],
    ['/logged-models/purge', { model_id: 'm-1' }],
    ['/experiments/purge', { experiment_id: '7' }],
  ] as const)
    assert.equal((await mlflow.post(path, body)).status, 403, path);
  assert.equal((await client(url, 'run:job-1').post('/runs/purge', { run_id: 'job-1' })).status, 403);

  const all = await opened(t);
  await all.runs.createRun(grant, workspaceId, { runId: 'job-1', experimentId: '0' });
  await all.mlflow.post('/runs/delete', { run_id: 'job-1' });
  const refused = await all.mlflow.post('/runs/purge', { run_id: 'job-1' });
  assert.match(String(refused.body['message']), /a job which is not over/);
  assert.equal((await client(all.url, 'run:job-1').post('/runs/purge', { run_id: 'job-1' })).status, 403);
});
