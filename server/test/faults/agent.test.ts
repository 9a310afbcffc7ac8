// The agent of this machine is killed at each step of a job: while the job waits, as it is handed out, while it runs, as it ends.
// The job comes to an end that is true, its node is free again, and the next job runs. Three deaths in all: after a fourth within
// minutes the server takes no more work, and says so.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { agentOf } from '../agent.fixture.ts';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import { ended, makeCluster, makeWorkspace, printed, submit, until } from '../work.fixture.ts';

let place: Place;
let child: Child;
let workspace: string;
let computeId: string;

before(async () => {
  place = await openPlace({ embedded: true });
  child = await place.start();
  workspace = await makeWorkspace(child, 'Rooms', 'Rooms');
  computeId = await makeCluster(child, workspace, 'one-node');
});
after(async () => {
  await child.kill();
  await place.remove();
});

const killAgent = async () => process.kill(await agentOf(child), 'SIGKILL');
const stateOf = async (job: string): Promise<string> =>
  String((await child.arm(await child.ownerToken(), 'GET', job)).body?.properties?.status);
const logOf = async (job: string): Promise<string> =>
  (await child.arm(await child.ownerToken(), 'GET', `${job}/log?offset=0`)).text;

/** The only node of the cluster is free: another job runs on it to its end. */
async function noNodeLeaked(name: string): Promise<void> {
  const next = await submit(child, workspace, name, { computeId, command: 'echo runs-again' });
  assert.equal(await ended(child, next), 'Completed', await logOf(next));
  const { body, text } = await until(
    async () => child.arm(await child.ownerToken(), 'GET', computeId),
    ({ body: found }) => found?.properties?.properties?.nodeStateCounts?.runningNodeCount === 0,
  );
  assert.ok(body.properties.properties.currentNodeCount <= 1, text);
}

test('while one job runs and another waits: the one has failed, and the other runs', async () => {
  const waits = 'import time; print("holds-the-node", flush=True); time.sleep(300)';
  const first = await submit(child, workspace, 'holding', { computeId, command: `python3 -c '${waits}'` });
  await printed(child, first, 'holds-the-node');
  const second = await submit(child, workspace, 'waiting', { computeId, command: 'echo waited-long-enough' });
  assert.equal(await stateOf(second), 'Queued');
  await killAgent();
  assert.equal(await ended(child, first), 'Failed');
  assert.equal(await ended(child, second), 'Completed');
  assert.match(await logOf(second), /waited-long-enough/);
  await noNodeLeaked('after-waiting');
});

test('as a job is handed out: it has run to its end, or has failed and says so', async () => {
  const agent = await agentOf(child);
  const job = await submit(child, workspace, 'early', { computeId, command: 'echo came-to-its-end' });
  await until(
    async () => child.arm(await child.ownerToken(), 'GET', job),
    ({ body }) => body?.properties?.status !== 'Queued',
  );
  process.kill(agent, 'SIGKILL');
  const state = await ended(child, job);
  const log = await logOf(job);
  if (state === 'Completed') assert.match(log, /came-to-its-end/);
  else assert.equal(state, 'Failed', log);
  await noNodeLeaked('after-early');
});

test('as a job ends: what it printed last is kept, and what did not come back is not said to have', async () => {
  const command = 'mkdir -p outputs; head -c 30000000 /dev/zero > outputs/large; echo last-line';
  const job = await submit(child, workspace, 'late', { computeId, command });
  await printed(child, job, 'last-line');
  await killAgent();
  const state = await ended(child, job);
  assert.ok(['Completed', 'Failed'].includes(state), state);
  assert.match(await logOf(job), /last-line/);
  const listed = await child.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/artifacts/list?run_id=late&path=outputs`, {
    token: await child.ownerToken(),
  });
  if (state === 'Completed')
    assert.deepEqual(
      listed.body.files.map(({ path, file_size }: { path: string; file_size: unknown }) => [path, Number(file_size)]),
      [['outputs/large', 30_000_000]],
      listed.text,
    );
  await noNodeLeaked('after-late');
});
