// Jobs that belong to a job: who may add one, how many there may be, that a cancellation reaches them, and what is shown.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { ended, exited, openBench, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

test('a child is a job like any other, below its parent', async (t) => {
  const { lab, submit, put, run, workspaceId, tell, status } = await openBench(t);
  await submit('parent');
  await submit('child', { parentJobName: 'parent', tags: { step: '1' } });
  const list = async (query: string) =>
    (await lab.must(lab.owner, 'GET', `${workspaceId}/jobs${query}`)).body.value.map(
      ({ name }: { name: string }) => name,
    );
  assert.deepEqual(await list(''), ['parent']);
  assert.deepEqual(await list('?parentJobName=PARENT'), ['child']);
  assert.deepEqual(await list('?parentJobName=child'), []);
  const { tags } = (await run('child')).data;
  assert.ok(tags.some((tag: object) => JSON.stringify(tag) === '{"key":"mlflow.parentRunId","value":"parent"}'));
  const history = async (path: string) =>
    (await lab.must(lab.owner, 'GET', `/history/v1.0${workspaceId}/runs/${path}`)).body;
  const [shown] = (await history('parent/children')).value;
  assert.deepEqual(
    [shown.runId, shown.parentRunId, shown.rootRunId, shown.tags],
    ['child', 'parent', 'parent', { step: '1' }],
  );
  assert.equal((await history('parent/details')).parentRunId, null);
  // Ends by itself, and its parent goes on.
  await tell('child', running, exited(0));
  assert.equal(await status('child'), 'Completed');
  assert.equal(await status('parent'), 'Queued');
  assert.equal((await put('child', { parentJobName: 'other' })).status, 409);
});

test('a cancellation reaches the children', async (t) => {
  const { submit, cancel, status, tell } = await openBench(t);
  await submit('parent');
  await submit('waits', { parentJobName: 'parent' });
  await submit('runs', { parentJobName: 'parent' });
  await submit('done', { parentJobName: 'parent' });
  await tell('runs', running);
  await tell('done', running, exited(0));
  await cancel('parent');
  assert.equal(await status('waits'), 'Canceled');
  assert.equal(await status('runs'), 'CancelRequested');
  await tell('runs', ended('stopped'));
  assert.equal(await status('runs'), 'Canceled');
  assert.equal(await status('done'), 'Completed');
});

test('who may not change the parent adds no child to it, nor learns whether it is there', async (t) => {
  const { lab, submit, put, jobId } = await openBench(t);
  await submit('parent');
  const ann = await lab.person(['Reader']);
  await lab.now().assign(ann, 'Owner', jobId('hers'));
  const hers = { codeId: undefined, computeId: undefined };
  for (const parentJobName of ['parent', 'none'])
    assert.equal((await put('hers', { ...hers, parentJobName }, ann)).status, 403, parentJobName);
});

test('a parent is a command job that is under way and no child itself', async (t) => {
  const { submit, put, tell, cancel, lab } = await openBench(t);
  await submit('parent');
  await submit('child', { parentJobName: 'parent' });
  const refused = async (parentJobName: string, status: number, said: RegExp) => {
    const answered = await put('new', { parentJobName });
    assert.equal(answered.status, status, answered.bytes.toString());
    assert.match(answered.body.error.message, said);
  };
  await refused('none', 400, /no job 'none'/);
  await refused('child', 400, /Name 'parent' as the parent/);
  await refused('../parent', 400, /parentJobName/);
  await tell('parent', running);
  await cancel('parent');
  await refused('parent', 409, /takes no further children/);
  await tell('parent', ended('stopped'));
  await refused('parent', 409, /takes no further children/);
  assert.equal(lab.work.items.size, 2);
});

test('a parent has a bounded number of children, and one that is removed makes room', async (t) => {
  const { lab, submit, put, jobId, tell, workspaceId } = await openBench(t);
  await submit('parent');
  await submit('first', { parentJobName: 'parent' });
  const { resources, system } = lab.now();
  await resources.change(system, jobId('parent'), (properties) => ({
    ...properties,
    children: ['first', ...Array.from({ length: 999 }, (_, index) => `gone-${index}`)],
  }));
  const full = await put('more', { parentJobName: 'parent' });
  assert.equal(full.status, 409);
  assert.match(full.body.error.message, /has 1000 children/);
  assert.equal((await lab.call(lab.owner, 'GET', jobId('more'))).status, 404);
  await tell('first', running, exited(0));
  await lab.must(lab.owner, 'DELETE', jobId('first'));
  assert.equal((await put('more', { parentJobName: 'parent' })).status, 201);
  const { value } = (await lab.must(lab.owner, 'GET', `/history/v1.0${workspaceId}/runs/parent/children`)).body;
  assert.deepEqual(
    value.map(({ runId }: { runId: string }) => runId),
    ['more'],
  );
});
