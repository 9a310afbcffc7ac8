// What is remembered of steps that were done: as much as is used, and nothing of a job that is gone.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { after, test } from 'node:test';
import { closeScanPool, tables } from '#kernel/database/database';
import { openFlows } from '../../../test/lab/flows.fixture.ts';
import { createResults } from './results.service.ts';

after(() => closeScanPool());

async function remembered(t: TestContext, max: number) {
  const bench = await openFlows(t);
  const { lab, jobId, putJob, computeId, finish } = bench;
  await putJob('did', { jobType: 'Command', command: 'true', computeId });
  await finish('did');
  const { jobs, access, resources, system } = lab.now();
  const job = await resources.get(system, jobId('did'));
  const results = createResults({ lives: jobs.lives, grants: access.grants, clock: lab.clock, max });
  const database = await jobs.lives.database(job.id);
  const digests = async () =>
    (
      await tables<{ flow_results: { digest: string } }>(database.read)
        .selectFrom('flow_results')
        .select('digest')
        .orderBy('digest')
        .execute()
    ).map(({ digest }) => digest);
  return { ...bench, job, results, digests };
}

test('so many steps are remembered, those that were done or taken last', async (t) => {
  const { job, results, digests, lab } = await remembered(t, 3);
  const put = async (digest: string) => {
    await lab.clock.advance(1_000);
    await results.put(job, digest, job);
  };
  for (const digest of ['a', 'b', 'c']) await put(digest);
  await put('a');
  await put('d');
  assert.deepEqual(await digests(), ['a', 'c', 'd']);
  assert.equal(await results.find(job, 'b'), undefined);
  assert.equal((await results.find(job, 'a'))?.name, 'did');
});

test('a job that is gone did nothing, and another of its name did something else', async (t) => {
  const { job, results, digests, lab } = await remembered(t, 3);
  await results.put(job, 'same', { ...job, uniqueId: 'of the job that bore the name before' });
  assert.equal(await results.find(job, 'same'), undefined);
  assert.deepEqual(await digests(), []);
  await results.put(job, 'gone', job);
  await lab.must(lab.owner, 'DELETE', job.id);
  assert.equal(await results.find(job, 'gone'), undefined);
  assert.deepEqual(await digests(), []);
});
