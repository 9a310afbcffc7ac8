// What becomes of a job, whatever is told about its work, in whatever order, and how often.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import {
  ended,
  exited,
  finalizing,
  lost,
  openBench,
  output,
  preparing,
  running,
} from '../../../test/lab/jobs.fixture.ts';
import { jobsMeters } from './meters.ts';

after(() => closeScanPool());

test('a job goes from accepted to completed, and its run with it', async (t) => {
  const { put, status, run, tell, job, of, log } = await openBench(t);
  const made = await put('train-1', { experimentName: 'Paper', tags: { team: 'a' }, displayName: 'Try one' });
  assert.equal(made.status, 201, made.bytes.toString());
  assert.equal(made.body.properties.status, 'Queued');
  assert.equal((await run('train-1')).info.status, 'SCHEDULED');
  assert.equal((await run('train-1')).info.run_name, 'Try one');
  await tell('train-1', preparing);
  assert.equal(await status('train-1'), 'Queued');
  await tell('train-1', running);
  assert.equal(await status('train-1'), 'Running');
  assert.equal((await run('train-1')).info.status, 'RUNNING');
  await tell('train-1', output('hello\n'), finalizing);
  assert.equal(await status('train-1'), 'Finalizing');
  await tell('train-1', exited(0));
  assert.equal(await status('train-1'), 'Completed');
  const { info } = await run('train-1');
  assert.equal(info.status, 'FINISHED');
  assert.equal(new Date(Number(info.end_time)).toISOString(), (await job('train-1')).endTime);
  assert.equal((await log('train-1')).bytes.toString(), 'hello\n');
  assert.equal(of('train-1').spec.subject.endsWith('/jobs/train-1'), true);
});

test('each way to end has its own words', async (t) => {
  const { submit, tell, job, run } = await openBench(t);
  const ways = [
    [exited(3), 'UserError', /exit code 3/],
    [ended('timeout'), 'JobTimeout', /limit of 60 seconds[\s\S]*limits\.timeout/],
    [ended('memory'), 'OutOfMemory', /more memory/],
    [ended('signal'), 'UserError', /signal/],
    [ended('setup_failed', 'No space.'), 'SetupFailed', /No space\./],
    [ended('upload_failed', 'Disk full.'), 'UploadFailed', /Disk full\./],
    [ended('output_missing', 'table'), 'OutputNotWritten', /has not written its output 'table', which is a uri_file: /],
    [ended('output_missing', 'made'), 'OutputNotWritten', /'made', which is to become the asset features/],
    [ended('output_missing', '__proto__'), 'OutputNotWritten', /has not written one of its outputs\.$/],
    [ended('stopped', 'The cluster was deleted.'), 'JobFailed', /cluster was deleted/],
  ] as const;
  for (const [index, [event, code, said]] of ways.entries()) {
    const name = `way-${index}`;
    const outputs = {
      table: { jobOutputType: 'uri_file' },
      made: { jobOutputType: 'uri_folder', assetName: 'features' },
    };
    await submit(name, { limits: { timeout: 'PT60S' }, outputs });
    await tell(name, running, event);
    const { status, error } = await job(name);
    assert.equal(status, 'Failed');
    assert.equal(error.code, code);
    assert.match(error.message, said);
    assert.equal((await run(name)).info.status, 'FAILED');
  }
});

test('what is told twice happens once, and what is told after the end does not happen', async (t) => {
  const { submit, tell, status, job, run, log, lab } = await openBench(t);
  await submit('twice');
  await tell('twice', running, running, output('a'), exited(0));
  const { endTime } = await job('twice');
  await tell('twice', exited(0), exited(1), lost, running, output('late'), finalizing);
  assert.equal(await status('twice'), 'Completed');
  assert.equal((await job('twice')).endTime, endTime);
  assert.equal((await job('twice')).error, undefined);
  assert.equal((await run('twice')).info.status, 'FINISHED');
  assert.equal((await log('twice')).bytes.toString(), 'a');
  assert.deepEqual(await lab.now().telemetry.read(jobsMeters.ended), { completed: 1, failed: 0, canceled: 0 });
});

test('two ends told at once: the first decides for the job and for its run', async (t) => {
  const { submit, tell, job, run, lab, of } = await openBench(t);
  for (let round = 0; round < 5; round++) {
    const name = `race-${round}`;
    await submit(name);
    await tell(name, running, output('x'.repeat(1000)));
    const item = of(name);
    await Promise.all([exited(0), lost, exited(1), lost].map((event) => lab.work.tell(item, event)));
    const { status } = await job(name);
    assert.equal((await run(name)).info.status, status === 'Completed' ? 'FINISHED' : 'FAILED');
    assert.equal((await lab.must(lab.owner, 'GET', `${item.spec.subject}/log`)).bytes.length, 1000);
  }
});

test('a node that is lost before the command began costs nothing; the third time the job fails', async (t) => {
  const { submit, tell, status, job, of, lab } = await openBench(t);
  const first = await submit('unlucky');
  await tell('unlucky', lost);
  assert.equal(await status('unlucky'), 'Queued');
  const second = of('unlucky');
  assert.notEqual(second.spec.id, first.spec.id);
  // What the first node still says counts for nothing, and it gets nothing.
  await lab.work.tell(first, running);
  await lab.work.tell(first, exited(0));
  assert.equal(await status('unlucky'), 'Queued');
  await assert.rejects(lab.work.take(first), /other work stands for it/);
  await assert.rejects(lab.work.renew(first), /other work stands for it/);
  await tell('unlucky', preparing, lost);
  await tell('unlucky', lost);
  assert.equal(await status('unlucky'), 'Failed');
  assert.equal((await job('unlucky')).error.code, 'NodeLost');
  assert.equal(lab.work.of(first.spec.subject).length, 3);
});

test('lost twice at once is one further try', async (t) => {
  const { submit, lab, status } = await openBench(t);
  const item = await submit('lost-twice');
  await Promise.all([lab.work.tell(item, lost), lab.work.tell(item, lost)]);
  assert.equal(await status('lost-twice'), 'Queued');
  assert.equal(lab.work.of(item.spec.subject).length, 2);
});

test('a node that is lost after the command began fails the job', async (t) => {
  const { submit, tell, job } = await openBench(t);
  await submit('began');
  await tell('began', running, lost);
  assert.equal((await job('began')).error.code, 'NodeLost');
});

test('cancelling: before it began at once, while it runs when the node says so', async (t) => {
  const { submit, tell, status, cancel, of, run, job } = await openBench(t);
  await submit('waiting');
  const answer = await cancel('waiting');
  assert.equal(answer.status, 202);
  assert.match(String(answer.headers['location']), /\/jobs\/waiting\?api-version=2024-10-01$/);
  assert.equal(await status('waiting'), 'Canceled');
  assert.equal((await run('waiting')).info.status, 'KILLED');

  await submit('running');
  await tell('running', running);
  assert.equal((await cancel('running')).status, 202);
  assert.equal((await cancel('running')).status, 202);
  assert.equal(await status('running'), 'CancelRequested');
  assert.equal(of('running').canceled, true);
  await tell('running', running, finalizing);
  assert.equal(await status('running'), 'CancelRequested');
  await tell('running', ended('stopped'));
  assert.equal(await status('running'), 'Canceled');
  assert.equal((await job('running')).error, undefined);
  assert.equal((await cancel('running')).status, 200);
  assert.equal(await status('running'), 'Canceled');
});

test('a job that completes before the request to cancel reaches it has completed', async (t) => {
  const { submit, tell, status, cancel, run } = await openBench(t);
  await submit('quick');
  await tell('quick', running);
  await cancel('quick');
  await tell('quick', exited(0));
  assert.equal(await status('quick'), 'Completed');
  assert.equal((await run('quick')).info.status, 'FINISHED');
});

test('a job that is cancelled and then lost is cancelled, not tried again', async (t) => {
  const { submit, tell, status, cancel, lab, of } = await openBench(t);
  for (const began of [true, false]) {
    const name = `gone-${began}`;
    await submit(name);
    if (began) await tell(name, running);
    else await lab.work.take(of(name));
    await cancel(name);
    await tell(name, lost);
    assert.equal(await status(name), 'Canceled');
    assert.equal(lab.work.of(of(name).spec.subject).length, 1);
  }
});

test('cancelling a job that compute does not know ends it', async (t) => {
  const { submit, status, cancel, lab, of } = await openBench(t);
  await submit('unknown');
  lab.work.forget(of('unknown'));
  assert.equal((await cancel('unknown')).status, 202);
  assert.equal(await status('unknown'), 'Canceled');
});

test('a run that somebody deleted does not keep its job from ending', async (t) => {
  const { submit, tell, status, workspaceId, lab } = await openBench(t);
  await submit('orphan');
  await tell('orphan', running, output('x'));
  const path = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow/runs/delete`;
  await lab.must(lab.owner, 'POST', path, { body: { run_id: 'orphan' } });
  await tell('orphan', exited(0));
  assert.equal(await status('orphan'), 'Completed');
});

test('an active job is not deleted; one that has ended is, and its name stays used', async (t) => {
  const { submit, tell, lab, jobId, put, cancel, status } = await openBench(t);
  await submit('keeper');
  await tell('keeper', running);
  const refused = await lab.call(lab.owner, 'DELETE', jobId('keeper'));
  assert.equal(refused.status, 409);
  assert.equal(refused.body.error.code, 'JobActive');
  assert.equal(await status('keeper'), 'Running');
  await cancel('keeper');
  await tell('keeper', ended('stopped'));
  assert.equal((await lab.call(lab.owner, 'DELETE', jobId('keeper'))).status, 200);
  assert.equal((await lab.call(lab.owner, 'GET', jobId('keeper'))).status, 404);
  const again = await put('keeper');
  assert.equal(again.status, 409, again.bytes.toString());
  assert.equal(again.body.error.code, 'JobNameUsed');
  assert.equal((await lab.call(lab.owner, 'GET', jobId('keeper'))).status, 404);
});

test('a workspace that is deleted takes its running jobs along', async (t) => {
  const { submit, tell, lab, workspaceId, of } = await openBench(t);
  await submit('doomed');
  await tell('doomed', running);
  const item = of('doomed');
  assert.equal((await lab.call(lab.owner, 'DELETE', workspaceId)).status, 202);
  await lab.now().tasks.drain();
  assert.equal((await lab.call(lab.owner, 'GET', workspaceId)).status, 404);
  assert.equal(item.canceled, true);
  // What its node still says falls on nobody.
  for (const event of [output('x'), ended('stopped'), lost]) await lab.work.tell(item, event);
});
