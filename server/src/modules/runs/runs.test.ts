// Runs in process, as jobs use them.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { readAll } from '../storage/testing.ts';
import { client, failure, grant, runGrant, setUp, workspaceId } from './testing.ts';

after(() => closeScanPool());

test('an experiment is made once by its name, by many at once', async (t) => {
  const { runs } = await setUp(t);
  const ids = await Promise.all(Array.from({ length: 20 }, () => runs.ensureExperiment(grant, workspaceId, 'jobs')));
  assert.deepEqual(new Set(ids), new Set(['1']));
  assert.equal(await runs.ensureExperiment(grant, workspaceId, 'Default'), '0');
});

test('a run gets the id of its job, once, and belongs to whom the job says', async (t) => {
  const { runs } = await setUp(t);
  const user = { name: 'bob', objectId: '66666666-6666-4666-8666-666666666666' };
  const job = { runId: 'my-job_1', experimentId: '0', user, status: 'SCHEDULED' as const };
  const run = await runs.createRun(grant, workspaceId, job);
  assert.deepEqual([run.info.run_id, run.info.user_id, run.info.status], ['my-job_1', 'bob', 'SCHEDULED']);
  await assert.rejects(runs.createRun(grant, workspaceId, job), failure('conflict', /already exists/));
  await assert.rejects(runs.createRun(grant, workspaceId, { ...job, runId: '../x' }), failure('invalid'));
  await assert.rejects(runs.createRun(runGrant('my-job_1'), workspaceId, { ...job, runId: 'y' }), failure('forbidden'));
});

test('a status that ends a run ends it now, also when the run was deleted meanwhile', async (t) => {
  const { runs, clock, openDoor } = await setUp(t);
  await runs.createRun(grant, workspaceId, { runId: 'job', experimentId: '0' });
  assert.equal((await runs.setStatus(grant, workspaceId, 'job', 'RUNNING')).end_time, undefined);
  await client((await openDoor()).url).post('/runs/delete', { run_id: 'job' });
  const info = await runs.setStatus(grant, workspaceId, 'job', 'FAILED');
  assert.deepEqual([info.status, info.end_time], ['FAILED', clock.epochMs()]);
  await assert.rejects(runs.setStatus(grant, workspaceId, 'nowhere', 'FAILED'), failure('notFound'));
});

test('artifacts are written and read in process, below the prefix that the run has', async (t) => {
  const { runs, blobs, container } = await setUp(t);
  await runs.createRun(grant, workspaceId, { runId: 'job', experimentId: '0' });
  await runs.putArtifact(grant, workspaceId, 'job', 'user_logs/std_log.txt', Buffer.from('one'));
  await runs.putArtifact(grant, workspaceId, 'job', 'user_logs/std_log.txt', Buffer.from('one two'));
  const opened = await runs.openArtifact(grant, workspaceId, 'job', 'user_logs/std_log.txt', { start: 4 });
  assert.equal((await readAll(opened.stream)).toString(), 'two');
  const name = `${runs.artifactPrefix('job')}user_logs/std_log.txt`;
  assert.equal(name, 'ExperimentRun/dcid.job/user_logs/std_log.txt');
  assert.equal((await blobs.head(testGrant(), { ...container, name })).size, 7);
  const { files } = await runs.listArtifacts(grant, workspaceId, 'job', { path: 'user_logs' });
  assert.deepEqual(files, [{ path: 'user_logs/std_log.txt', is_dir: false, file_size: 7 }]);
  await assert.rejects(
    runs.putArtifact(grant, workspaceId, 'job', 'big', Buffer.alloc(11), { maxBytes: 10 }),
    failure('tooLarge'),
  );
  await assert.rejects(runs.putArtifact(grant, workspaceId, 'job', '../other/x', Buffer.alloc(1)), failure('invalid'));
});

test('tags of the server and metrics of the script meet in one run', async (t) => {
  const { runs, openDoor } = await setUp(t);
  await runs.createRun(grant, workspaceId, { runId: 'job', experimentId: '0' });
  await runs.setTags(grant, workspaceId, 'job', { 'azureml.compute': 'cpu' });
  await client((await openDoor()).url, 'run:job').post('/runs/log-metric', {
    run_id: 'job',
    key: 'm',
    value: 1,
    timestamp: 5,
  });
  assert.deepEqual(await runs.metricsOf(grant, workspaceId, 'job'), [{ key: 'm', value: 1, timestamp: 5, step: 0 }]);
  const { data } = await runs.get(grant, workspaceId, 'job');
  assert.ok(data.tags?.some(({ key, value }) => key === 'azureml.compute' && value === 'cpu'));
});

test('workspaces do not see each other: not their runs, and not their page tokens', async (t) => {
  const { openDoor, runs } = await setUp(t);
  const { url } = await openDoor();
  const other = `${workspaceId}2`;
  const elsewhere = testGrant({ scope: other });
  for (const runId of ['a', 'b']) {
    await runs.createRun(grant, workspaceId, { runId, experimentId: '0' });
    await runs.createRun(elsewhere, other, { runId: `${runId}2`, experimentId: '0' });
  }
  const there = client(url, 'alice', `/mlflow/v1.0${other}/api/2.0/mlflow`);
  assert.equal((await there.get('/runs/get', { run_id: 'a' })).status, 404);
  const body = { experiment_ids: ['0'], max_results: 1 };
  const page_token = (await client(url).post('/runs/search', body)).body['next_page_token'];
  assert.equal((await client(url).post('/runs/search', { ...body, page_token })).status, 200);
  assert.equal((await there.post('/runs/search', { ...body, page_token })).status, 400);
});
