// The server dies at every step of a sweep and of a pipeline, one after another, and comes back over the same folder: every
// child is made once, and the parent ends truly.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type FlowBench, openFlows } from '../../../test/lab/flows.fixture.ts';
import { exited, output, running } from '../../../test/lab/jobs.fixture.ts';

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
      // What the next step takes.
      await lab.work.tell(item, output('begun\n'));
      await logs(item.spec.subject.split('/').at(-1) ?? '', 'accuracy', 0.5);
      await lab.work.tell(item, exited(0));
    }
  }
}

/** While what was left is taken back, the name is busy. */
async function putUntilTaken(bench: FlowBench, name: string, properties: object) {
  for (let tries = 0; ; tries++) {
    const answer = await bench.putJob(name, properties);
    if (answer.status !== 409 || tries > 50) return answer;
  }
}

/** Of a pipeline that has one within: its children, and those of that one. */
const isWithin = (child: string) => child.includes('_');

/** Dies at the first step, then at the second of another job, and so on until one lives through all of them. */
async function dieEverywhere(bench: FlowBench, prefix: string, properties: object, children: readonly string[]) {
  const { lab } = bench;
  for (let at = 1; ; at++) {
    const name = `${prefix}-${at}`;
    let count = 0;
    const died = new Promise<string>((resolve) => {
      lab.seam.before = async (step) => {
        count += 1;
        if (count !== at) return;
        resolve(step);
        await never;
      };
    });
    const lived = bench.putJob(name, properties).then(() => playOut(bench, name));
    lived.catch(() => undefined);
    const step = await Promise.race([lived, died]);
    lab.seam.before = async () => {};
    if (step === undefined) return at - 1;
    await lab.restart();
    await lab.now().tasks.drain();
    await bench.settled();
    const again = await putUntilTaken(bench, name, properties);
    assert.ok(again.status < 300, `${step}: ${again.bytes.toString()}`);
    await playOut(bench, name);
    const { status, error } = await bench.job(name);
    assert.equal(status, 'Completed', `${at} ${step}: ${error?.message}`);
    const within = children.filter(isWithin).map((child) => `${name}_${child.split('_')[0]}`);
    const made: (readonly [string, string])[] = [];
    for (const parent of [name, ...new Set(within)])
      made.push(...(await bench.children(parent)).map(({ runId, status: end }) => [runId, end] as const));
    assert.deepEqual(
      made,
      children.map((child) => [`${name}_${child}`, 'Completed']),
      `${at} ${step}`,
    );
  }
}

test('whichever step of a sweep the server dies at, no trial is lost and none is made twice', async (t) => {
  const bench = await openFlows(t);
  const properties = { ...bench.sweep, limits: { maxTotalTrials: 2, maxConcurrentTrials: 1 } };
  const steps = await dieEverywhere(bench, 'sweep', properties, ['0', '1']);
  assert.ok(steps >= 15, String(steps));
  for (let at = 1; at <= steps; at++) {
    const { properties: told } = await bench.job(`sweep-${at}`);
    assert.match(told.best_child_run_id, new RegExp(`^sweep-${at}_[01]$`));
  }
});

test('a trial that a crash left unmade is made beside one that a policy looks at', async (t) => {
  const bench = await openFlows(t);
  const { lab } = bench;
  const died = new Promise<void>((resolve) => {
    lab.seam.before = async (step) => {
      if (step !== 'child gap_1') return;
      resolve();
      await never;
    };
  });
  const earlyTermination = { policyType: 'Bandit', slackAmount: 0.1, slackFactor: 0 };
  bench.putSweep('gap', { earlyTermination }).catch(() => undefined);
  await died;
  lab.seam.before = async () => {};
  await lab.abandon();
  await bench.logs('gap_0', 'accuracy', 0.5);
  await bench.tick();
  assert.equal(await bench.status('gap_1'), 'Queued');
});

test('whichever step of a pipeline the server dies at, no step is lost and none is made twice', async (t) => {
  const bench = await openFlows(t);
  const { computeId, lab, workspaceId } = bench;
  const needs = (step: string) => ({ inputs: { log: `\${{parent.jobs.${step}.outputs.artifacts}}` } });
  const properties = {
    jobType: 'Pipeline',
    settings: { default_compute: computeId, force_rerun: true },
    outputs: { left: { jobOutputType: 'uri_folder', assetName: 'left' } },
    jobs: {
      a: { command: 'true' },
      b: { command: 'true', ...needs('a'), outputs: { o: { value: `\${{parent.outputs.left}}` } } },
    },
  };
  const steps = await dieEverywhere(bench, 'pipe', properties, ['a', 'b']);
  assert.ok(steps >= 15, String(steps));
  const { body } = await lab.must(lab.owner, 'GET', `${workspaceId}/data/left/versions`);
  const named = body.value.map(({ properties: { jobName } }: { properties: { jobName: string } }) => jobName);
  assert.deepEqual(
    named.sort(),
    Array.from({ length: steps + 1 }, (_, at) => `pipe-${at + 1}_b`).sort(),
    'each left its output once',
  );
});

test('whichever step of a pipeline within a pipeline the server dies at, no step is lost and none is made twice', async (t) => {
  const bench = await openFlows(t);
  const { computeId, lab, workspaceId } = bench;
  const componentId = `${workspaceId}/components/inner/versions/1`;
  const componentSpec = { type: 'pipeline', jobs: { x: { command: 'true' } } };
  await lab.must(lab.owner, 'PUT', componentId, { body: { properties: { componentSpec } } });
  const properties = {
    jobType: 'Pipeline',
    settings: { default_compute: computeId, force_rerun: true },
    jobs: { in: { type: 'pipeline', componentId } },
  };
  const steps = await dieEverywhere(bench, 'nest', properties, ['in', 'in_x']);
  assert.ok(steps >= 15, String(steps));
});
