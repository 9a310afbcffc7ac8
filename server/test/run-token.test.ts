// What the user's own code holds: the token of a running job. Every route is tried with it. In the job's workspace it opens
// exactly the operations of the golden list, for its own run; anywhere else nothing; and when the job has ended nothing at all.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Route } from '#kernel/http/route';
import type { Reply } from './client.fixture.ts';
import { matchesGolden } from './golden.fixture.ts';
import { type Bench, openServer } from './server.fixture.ts';
import { addressesOf, createAsker, furnish, recordsOf, type Values } from './sweep.fixture.ts';
import { ended, makeWorkspace, printed, submit } from './work.fixture.ts';

let bench: Bench;
let own: Values;
let other: Values;
let workspace: string;
let job: string;
let token: string;
let ask: ReturnType<typeof createAsker>;

/** Prints its token backwards: whoever runs code can say what the code holds, and the log redacts it only as it is. */
const tell =
  "import os, time; print('token:', os.environ['MLFLOW_TRACKING_TOKEN'][::-1], ':end', flush=True); time.sleep(600)";

before(async () => {
  bench = await openServer({ embedded: true });
  ask = createAsker(bench);
  ({ present: own } = await furnish(bench));
  await makeWorkspace(bench, 'Rooms', 'Other');
  other = { ...own, workspaceName: 'Other', workspace: 'Other' };
  workspace = `/subscriptions/${bench.subscriptionId}/resourceGroups/Rooms/providers/Microsoft.MachineLearningServices/workspaces/Rooms`;
  job = await submit(bench, workspace, 'holder', {
    computeId: `${workspace}/computes/rooms`,
    command: `python3 -c "${tell}"`,
  });
  const log = await printed(bench, job, ':end');
  token = [...(/token: (\S+) :end/.exec(log)?.[1] ?? '')].reverse().join('');
  assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
});
after(() => bench.close());

/** Operations that were neither refused as nobody's nor as not allowed. */
async function opened(values: Values): Promise<readonly string[]> {
  const found: string[] = [];
  for (const route of bench.server.composed.door.routes) {
    if (route.access.kind === 'open') continue;
    for (const at of addressesOf(route, values, 'localhost')) {
      const { reply } = await ask(route, at, { token });
      if (isOpened(route, reply)) found.push(`${route.operation} (${route.access.kind})`);
    }
  }
  return [...new Set(found)].sort();
}

function isOpened(route: Route, { status, body }: Reply): boolean {
  if (status === 401 || status === 403) return false;
  // A list that shows nothing has opened nothing.
  const lists = Object.values((body ?? {}) as object).filter((value) => Array.isArray(value));
  return !(route.access.kind === 'listing' && status === 200 && lists.every((list) => list.length === 0));
}

test('in its own workspace it opens exactly the operations of the golden list', async () => {
  matchesGolden(new URL('run-token.golden.json', import.meta.url), await opened(own));
});

test('in another workspace of the same group it opens nothing that lies in a workspace', async () => {
  const shared = (await opened(own)).filter((name) => !/MLflow|MachineLearning|Snapshots|Jobs/.test(name));
  assert.deepEqual(
    (await opened(other)).filter((name) => !shared.includes(name)),
    [],
  );
});

test('another run of its workspace is none of its business', async () => {
  const person = await bench.ownerToken();
  const api = `/mlflow/v1.0${workspace}/api/2.0`;
  const post = (as: string, path: string, body: unknown) =>
    bench.send(`${api}/mlflow/${path}`, { method: 'POST', token: as, body });
  const { experiment_id } = (await post(person, 'experiments/create', { name: 'of somebody else' })).body;
  const { run_id } = (await post(person, 'runs/create', { experiment_id })).body.run.info;
  const artifact = `${api}/mlflow-artifacts/artifacts/${experiment_id}/${run_id}/artifacts/a.txt`;
  assert.equal((await bench.send(artifact, { method: 'PUT', token: person, body: 'kept' })).status, 200);

  const tried: readonly (readonly [string, Reply])[] = [
    ['read it', await bench.send(`${api}/mlflow/runs/get?run_id=${run_id}`, { token })],
    ['log a metric', await post(token, 'runs/log-metric', { run_id, key: 'm', value: 1, timestamp: 1 })],
    ['log a param', await post(token, 'runs/log-parameter', { run_id, key: 'p', value: 'x' })],
    ['end it', await post(token, 'runs/update', { run_id, status: 'FAILED' })],
    ['delete it', await post(token, 'runs/delete', { run_id })],
    ['read its artifact', await bench.send(artifact, { token })],
    ['write its artifact', await bench.send(artifact, { method: 'PUT', token, body: 'changed' })],
    ['create one beside it', await post(token, 'runs/create', { experiment_id, tags: [] })],
  ];
  for (const [what, { status, text }] of tried)
    assert.ok([401, 403, 404].includes(status), `${what}: ${status} ${text}`);
  const runs = await post(token, 'runs/search', { experiment_ids: [experiment_id] });
  assert.doesNotMatch(runs.text, new RegExp(run_id));
  const experiments = await post(token, 'experiments/search', { max_results: 100 });
  assert.doesNotMatch(experiments.text, /of somebody else/);
  assert.equal((await bench.send(artifact, { token: person })).text, 'kept');
  const kept = (await bench.send(`${api}/mlflow/runs/get?run_id=${run_id}`, { token: person })).body.run;
  assert.deepEqual([kept.info.status, kept.data.metrics ?? [], kept.data.params ?? []], ['RUNNING', [], []]);
});

test('its own run it may read and write, in the name of who submitted it', async () => {
  const api = `/mlflow/v1.0${workspace}/api/2.0/mlflow`;
  const logged = await bench.send(`${api}/runs/log-metric`, {
    method: 'POST',
    token,
    body: { run_id: 'holder', key: 'm', value: 1, timestamp: 1 },
  });
  assert.equal(logged.status, 200, logged.text);
  const read = await bench.send(`${api}/runs/get?run_id=holder`, { token });
  assert.equal(read.body.run.data.metrics[0].key, 'm');
});

test('when the job has ended it opens nothing, and that somebody tried is recorded', async () => {
  const asked = await bench.arm(await bench.ownerToken(), 'POST', `${job}/cancel`, {});
  assert.ok(asked.status < 300, asked.text);
  assert.equal(await ended(bench, job), 'Canceled');
  assert.deepEqual(await opened(own), []);
  // Nobody's any more, so it is recorded as a stranger's: the first of its kind is listed, the rest is counted.
  const records = [...(await recordsOf(bench)).values()].flat();
  assert.ok(
    records.some(
      (record) =>
        record.kind === 'entry' &&
        record.operation === 'MLflow_GetRun' &&
        record.decision === 'refused' &&
        record.reason === 'RunEnded',
    ),
  );
});

test('with who submitted it the job ends, at once and for good; a new secret of his does not touch it', async () => {
  const submitter = await bench.principal(['AzureML Data Scientist'], workspace);
  const graphToken = await bench.token(bench.owner, bench.audience('graph'));
  const graph = (method: string, path: string, body?: unknown) =>
    bench.send(`/msgraph/v1.0${path}`, { method, token: graphToken, body });
  const theirs = await submit(
    bench,
    workspace,
    'theirs',
    { computeId: `${workspace}/computes/rooms`, command: `python3 -c "${tell}"` },
    await bench.token(submitter, bench.audience('arm')),
  );
  const log = await printed(bench, theirs, ':end');
  const held = [...(/token: (\S+) :end/.exec(log)?.[1] ?? '')].reverse().join('');
  const use = async () =>
    (await bench.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/runs/get?run_id=theirs`, { token: held })).status;
  assert.equal(await use(), 200);

  const [secret] = (await graph('GET', `/applications/${submitter.objectId}`)).body.passwordCredentials;
  const removed = await graph('POST', `/applications/${submitter.objectId}/removePassword`, { keyId: secret.keyId });
  assert.equal(removed.status, 204, removed.text);
  assert.equal(await use(), 200, 'the job stands on its submitter, not on his secret');

  const path = `/servicePrincipals/${submitter.objectId}`;
  assert.equal((await graph('PATCH', path, { accountEnabled: false })).status, 204);
  assert.equal(await use(), 401);
  assert.equal(await ended(bench, theirs), 'Canceled');
  assert.equal((await graph('PATCH', path, { accountEnabled: true })).status, 204);
  assert.equal(await use(), 401);
});
