// The server dies, at every step of a job, and comes back over the same folder: the job ends in a true state.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type Bench, ended, exited, lost, openBench, output, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

const never = new Promise<never>(() => {});

/** Holds everything for ever from the first time on that a step is taken: what a crash leaves is what is stored by then. */
function dieAt({ lab }: Bench, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    lab.seam.before = async (step) => {
      if (step !== wanted) return;
      resolve();
      await never;
    };
  });
}

async function restart({ lab }: Bench): Promise<void> {
  lab.seam.before = async () => {};
  await lab.restart();
  await lab.now().tasks.drain();
}

test('a creation that a crash cut short is taken back, nothing of it runs, and the name is free', async (t) => {
  const bench = await openBench(t);
  const { lab, put, jobId, status, tell } = bench;
  for (const step of ['create run', 'submit', 'submitted']) {
    const name = `cut-${step.replace(' ', '-')}`;
    const died = dieAt(bench, step);
    put(name).catch(() => undefined);
    await died;
    await restart(bench);
    // The first look opens the workspace, and with it what was left half-way is ended.
    await lab.must(lab.owner, 'GET', `${bench.workspaceId}/jobs`);
    await lab.now().resources.find(lab.now().system, jobId(name));
    const left = lab.work.of(jobId(name));
    const again = await untilTaken(() => put(name));
    assert.equal(again.status, 201, `${step}: ${again.bytes.toString()}`);
    assert.ok(left.every(({ state }) => state === 'finished'));
    await tell(name, running, exited(0));
    assert.equal(await status(name), 'Completed');
    assert.equal((await bench.run(name)).info.status, 'FINISHED');
  }
});

/** While what was left is taken back, the name is busy. */
async function untilTaken(send: () => Promise<{ status: number; bytes: Buffer }>) {
  for (let tries = 0; ; tries++) {
    const answer = await send();
    if (answer.status !== 409 || tries > 50) return answer;
  }
}

test('a creation that fails is taken back: no job, no work, and the name is free', async (t) => {
  const bench = await openBench(t);
  const { lab, put, jobId, status, run } = bench;
  for (const step of ['submit', 'submitted']) {
    const name = `fails-at-${step}`;
    lab.seam.before = async (now) => {
      if (now === step) throw new Error('the disk is full');
    };
    assert.equal((await put(name)).status, 500);
    assert.equal((await lab.call(lab.owner, 'GET', jobId(name))).status, 404);
    assert.equal((await run(name)).info.status, 'KILLED');
    assert.ok(lab.work.of(jobId(name)).every(({ state }) => state === 'finished'));
    lab.seam.before = async () => {};
    assert.equal((await put(name)).status, 201);
    assert.equal(await status(name), 'Queued');
    assert.equal((await run(name)).info.status, 'SCHEDULED');
  }
});

test('an end that a crash cut short is finished at the next start, as it was decided', async (t) => {
  const bench = await openBench(t);
  const { lab, submit, tell, status, run, log, of } = bench;
  for (const step of ['put artifact', 'run is FINISHED']) {
    for (const told of [true, false]) {
      const name = `end-${step.split(' ').at(-1)}-${told}`;
      await submit(name);
      await tell(name, running, output('all of it'));
      const died = dieAt(bench, step);
      lab.work.tell(of(name), exited(0)).catch(() => undefined);
      await died;
      assert.equal(await status(name), 'Running');
      await restart(bench);
      assert.equal(await status(name), 'Completed');
      // Compute tells again what was not heard, or says that it does not know.
      if (told) await tell(name, exited(0));
      else await tell(name, lost);
      assert.equal(await status(name), 'Completed');
      assert.equal((await run(name)).info.status, 'FINISHED');
      assert.equal((await log(name)).bytes.toString(), 'all of it');
    }
  }
});

test('a resubmission that a crash cut short is made at the next start', async (t) => {
  const bench = await openBench(t);
  const { lab, submit, status, of, tell } = bench;
  const item = await submit('again');
  const died = dieAt(bench, 'submit');
  lab.work.tell(item, lost).catch(() => undefined);
  await died;
  await restart(bench);
  assert.equal(await status('again'), 'Queued');
  assert.notEqual(of('again').spec.id, item.spec.id);
  await tell('again', running, exited(0));
  assert.equal(await status('again'), 'Completed');
});

test('at a start every job is brought to the state that its work says', async (t) => {
  const bench = await openBench(t);
  const { lab, submit, tell, status, cancel } = bench;
  const cases: readonly {
    readonly name: string;
    readonly before: readonly ('running' | 'cancel')[];
    readonly work: 'queued' | 'leased' | 'running' | 'finished' | 'lost';
    readonly now: string;
    readonly submissions?: number;
  }[] = [
    { name: 'queued-queued', before: [], work: 'queued', now: 'Queued' },
    { name: 'queued-leased', before: [], work: 'leased', now: 'Queued' },
    { name: 'queued-running', before: [], work: 'running', now: 'Queued' },
    { name: 'queued-lost', before: [], work: 'lost', now: 'Queued', submissions: 2 },
    { name: 'queued-finished', before: [], work: 'finished', now: 'Queued' },
    { name: 'running-running', before: ['running'], work: 'running', now: 'Running' },
    { name: 'running-finished', before: ['running'], work: 'finished', now: 'Running' },
    { name: 'running-lost', before: ['running'], work: 'lost', now: 'Failed' },
    { name: 'canceling-running', before: ['running', 'cancel'], work: 'running', now: 'CancelRequested' },
    { name: 'canceling-lost', before: ['running', 'cancel'], work: 'lost', now: 'Canceled' },
  ];
  for (const { name, before, work } of cases) {
    const item = await submit(name);
    for (const one of before) one === 'running' ? await tell(name, running) : await cancel(name);
    item.state = work;
  }
  await restart(bench);
  for (const { name, now, submissions = 1 } of cases) {
    assert.equal(await status(name), now, name);
    if (now === 'Queued') assert.equal(lab.work.of(bench.jobId(name)).length, submissions, name);
  }
  // What compute tells again, as it does after its own start, is taken.
  await tell('queued-finished', ended('stopped'));
  assert.equal(await status('queued-finished'), 'Failed');
  await tell('running-finished', exited(0));
  assert.equal(await status('running-finished'), 'Completed');
  await tell('canceling-running', ended('stopped'));
  assert.equal(await status('canceling-running'), 'Canceled');
});

test('a request to cancel that the work never heard of is made again at the next start', async (t) => {
  const bench = await openBench(t);
  const { lab, submit, tell, status, of, jobId } = bench;
  const item = await submit('unheard');
  await tell('unheard', running);
  const { resources, system } = lab.now();
  await resources.change(system, jobId('unheard'), (properties) => ({ ...properties, status: 'CancelRequested' }));
  assert.equal(item.canceled, false);
  await restart(bench);
  assert.equal(of('unheard').canceled, true);
  await tell('unheard', ended('stopped'));
  assert.equal(await status('unheard'), 'Canceled');
});

test('the log of a running job is there after a crash, and goes on', async (t) => {
  const bench = await openBench(t);
  const { submit, tell, log } = bench;
  await submit('talks');
  await tell('talks', running, output('before '));
  await restart(bench);
  assert.equal((await log('talks')).bytes.toString(), 'before ');
  await tell('talks', output('after'), exited(0));
  assert.equal((await log('talks')).bytes.toString(), 'before after');
});
