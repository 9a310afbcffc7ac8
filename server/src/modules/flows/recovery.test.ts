// The server dies at every step of a sweep, one after another, and comes back over the same folder: every trial is made once,
// and the sweep ends truly.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type FlowBench, openFlows } from '../../../test/lab/flows.fixture.ts';
import { exited, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

const never = new Promise<never>(() => {});
const isEnd = (status: string) => ['Completed', 'Failed', 'Canceled'].includes(status);

/** Plays the nodes until the job has ended. */
async function playOut(bench: FlowBench, name: string): Promise<void> {
  const { lab, settled, status, logs } = bench;
  for (let round = 0; round < 20; round++) {
    await bench.tick();
    await settled();
    if (isEnd(await status(name))) return;
    for (const item of [...lab.work.items.values()].filter(({ told }) => !told)) {
      await lab.work.tell(item, running);
      await logs(item.spec.subject.split('/').at(-1) ?? '', 'accuracy', 0.5);
      await lab.work.tell(item, exited(0));
    }
  }
}

/** While what was left is taken back, the name is busy. */
async function putUntilTaken(bench: FlowBench, name: string, more: object) {
  for (let tries = 0; ; tries++) {
    const answer = await bench.putSweep(name, more);
    if (answer.status !== 409 || tries > 50) return answer;
  }
}

test('whichever step of a sweep the server dies at, no trial is lost and none is made twice', async (t) => {
  const bench = await openFlows(t);
  const { lab } = bench;
  const more = { limits: { maxTotalTrials: 2, maxConcurrentTrials: 1 } };
  let steps = 0;
  for (let at = 1; ; at++) {
    const name = `dies-${at}`;
    let count = 0;
    const died = new Promise<string>((resolve) => {
      lab.seam.before = async (step) => {
        count += 1;
        if (count !== at) return;
        resolve(step);
        await never;
      };
    });
    const lived = bench.putSweep(name, more).then(() => playOut(bench, name));
    lived.catch(() => undefined);
    const step = await Promise.race([lived, died]);
    lab.seam.before = async () => {};
    if (step === undefined) break;
    steps = at;
    await lab.restart();
    await lab.now().tasks.drain();
    await bench.settled();
    const again = await putUntilTaken(bench, name, more);
    assert.ok(again.status < 300, `${step}: ${again.bytes.toString()}`);
    await playOut(bench, name);
    const { status, error, properties } = await bench.job(name);
    assert.equal(status, 'Completed', `${at} ${step}: ${error?.message}`);
    assert.match(properties.best_child_run_id, new RegExp(`^${name}_[01]$`));
    assert.deepEqual(
      (await bench.children(name)).map((child) => [child.runId, child.status]),
      [
        [`${name}_0`, 'Completed'],
        [`${name}_1`, 'Completed'],
      ],
      `${at} ${step}`,
    );
    const begun = lab.now().audit.entries.filter(({ intent }) => intent.scope === bench.jobId(`${name}_2`));
    assert.equal(begun.length, 0, step);
  }
  assert.ok(steps >= 15, String(steps));
});
