// Run history behind the real door: what Azure's SDK follows a job with, and what the address of a log opens and does not.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { exited, jobIn, openBench, output, preparing, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

const log = 'user_logs/std_log.txt';
const noCredential = '';

async function openHistory(t: Parameters<typeof openBench>[0]) {
  const bench = await openBench(t);
  const { lab, workspaceId } = bench;
  const base = `/history/v1.0${workspaceId}`;
  const details = (name: string, who = lab.owner) => lab.call(who, 'GET', `${base}/runs/${name}/details`);
  const data = (runId: unknown, who = lab.owner) => lab.call(who, 'POST', `${base}/rundata`, { body: { runId } });
  const addressOf = async (name: string, who?: string) => {
    const { status, body } = await details(name, who);
    assert.equal(status, 200);
    return new URL(body.logFiles[log]);
  };
  const fetched = (url: URL, who = noCredential) => lab.call(who, 'GET', url.href);
  return { ...bench, base, details, data, addressOf, fetched };
}

test('a job is followed by its details and by an address of its log that needs no token', async (t) => {
  const { submit, tell, details, addressOf, fetched, data, lab, workspaceId } = await openHistory(t);
  await submit('j1');
  assert.equal((await details('j1')).body.status, 'Queued');
  assert.equal((await fetched(await addressOf('j1'))).bytes.toString(), '', 'nothing was printed yet');
  await tell('j1', preparing, running, output('one\n'), output('zwei ü\n'));
  const address = await addressOf('j1');
  assert.equal((await fetched(address)).bytes.toString(), 'one\nzwei ü\n');
  await tell('j1', output('three\n'), exited(0));
  assert.equal((await details('j1')).body.status, 'Completed');
  assert.equal((await fetched(address)).bytes.toString(), 'one\nzwei ü\nthree\n', 'the same address, after its end');
  const { runMetadata } = (await data('j1')).body;
  assert.deepEqual([runMetadata.runId, runMetadata.status, runMetadata.outputs], ['j1', 'Completed', {}]);
  const { discoveryUrl } = (await lab.must(lab.owner, 'GET', workspaceId)).body.properties;
  const discovered = await lab.call(noCredential, 'GET', discoveryUrl);
  assert.equal(`${discovered.body.api}/discovery`, discoveryUrl);
});

test('run history tells where the outputs of a job are, and of no others', async (t) => {
  const { submit, data, lab, workspaceId } = await openHistory(t);
  const outputs = { res: { jobOutputType: 'uri_folder' }, file: { jobOutputType: 'uri_file' } };
  await submit('j1', { outputs });
  const told = (await data('j1')).body.runMetadata.outputs;
  assert.deepEqual([told.res.type, told.file.type], ['uri_folder', 'uri_file']);
  const resolve = (values: readonly string[], who = lab.owner) =>
    lab.call(who, 'POST', `/data/v1.0${workspaceId}/dataversion/batchGetResolvedUris`, { body: { values } });
  const ids: readonly string[] = [told.res.assetId, told.file.assetId];
  const wrong = [
    'azureml://jobs/j1/outputs/none',
    'azureml://jobs/nobody/outputs/res',
    'azureml://jobs/j1/outputs/__proto__',
    'x',
  ];
  const { values } = (await resolve([...ids, ...wrong])).body;
  assert.deepEqual(Object.keys(values), ids);
  const base = 'azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.j1/outputs';
  assert.deepEqual(values[told.res.assetId], { uri: `${base}/res`, type: 'uri_folder' });
  assert.equal((await resolve(ids, noCredential)).status, 401);
});

test('what run history does not do is refused by its name, and a filter of children that nobody applies too', async (t) => {
  const { lab, workspaceId, submit } = await openBench(t);
  await submit('plain');
  const at = `/history/v1.0${workspaceId}`;
  for (const [method, path, said] of [
    ['PATCH', `${at}/experiments/Default/runs/plain`, /jobs.create_or_update/],
    ['GET', `${at}/runs/plain/serviceinstances/0`, /it has no services/],
    ['GET', `${at}/runs/plain/nothing`, /openapi\/history.json/],
  ] as const) {
    const { status, body } = await lab.call(lab.owner, method, path, method === 'PATCH' ? { body: {} } : {});
    assert.equal(status, 404);
    assert.match(body.error.message, said);
  }
  assert.equal((await lab.call(lab.owner, 'GET', `${at}/runs/plain/children?$top=5`)).status, 200);
  const filtered = await lab.call(lab.owner, 'GET', `${at}/runs/plain/children?$filter=status`);
  assert.deepEqual([filtered.status, filtered.body.error.code], [400, 'InvalidQueryParameterValue']);
});

test('a job that failed says why', async (t) => {
  const { submit, tell, details } = await openHistory(t);
  await submit('j1');
  await tell('j1', running, exited(3));
  const { status, error } = (await details('j1')).body;
  assert.equal(status, 'Failed');
  assert.match(error.error.message, /3/);
});

test('the address opens the log of its job and nothing else', async (t) => {
  const { submit, addressOf, fetched, lab, jobId, base } = await openHistory(t);
  await submit('mine');
  await submit('other');
  const address = await addressOf('mine');
  const sig = address.searchParams.get('sig') ?? '';
  const other = await addressOf('other');
  other.searchParams.set('sig', sig);
  assert.equal((await fetched(other)).status, 403);
  const elsewhere = new URL(address);
  elsewhere.pathname = elsewhere.pathname.replace(log, 'outputs/model.json');
  assert.equal((await fetched(elsewhere)).status, 404);
  const changed = new URL(address);
  changed.searchParams.set('sig', `${sig}A`);
  assert.equal((await fetched(changed, lab.owner)).status, 401, 'a token does not make up for it');
  assert.equal((await lab.call(noCredential, 'GET', `${jobId('mine')}?sig=${sig}`)).status, 401, 'another surface');
  const data = await lab.call(noCredential, 'POST', `${base}/rundata?sig=${sig}`, { body: { runId: 'mine' } });
  assert.equal(data.status, 403);
  const again = await lab.call(noCredential, 'GET', `${base}/runs/mine/details?sig=${sig}`);
  assert.deepEqual(again.body.logFiles, {}, 'it makes no further address');
  assert.ok(!JSON.stringify(lab.now().audit).includes(sig), 'the record holds no signature');
});

test('the address ends with the role, and after half an hour', async (t) => {
  const { submit, addressOf, fetched, lab } = await openHistory(t);
  await submit('j1');
  const reader = await lab.person(['Reader']);
  const theirs = await addressOf('j1', reader);
  assert.equal((await fetched(theirs)).status, 200);
  const { access, system } = lab.now();
  await access.unassignPrincipal(system, reader);
  assert.equal((await fetched(theirs)).status, 403);
  const mine = await addressOf('j1');
  await lab.clock.advance(1_900_000);
  assert.equal((await fetched(mine)).status, 401);
});

test('without a role, or as a running job, nothing is told', async (t) => {
  const { submit, details, data, lab, of } = await openHistory(t);
  await submit('j1');
  const stranger = await lab.person([]);
  for (const name of ['j1', 'absent']) {
    assert.equal((await details(name, stranger)).status, 403);
    assert.equal((await data(name, stranger)).status, 403);
  }
  assert.equal((await details('j1', noCredential)).status, 401);
  const { token } = jobIn(await lab.work.take(of('j1')));
  assert.equal((await details('j1', token)).status, 403);
  assert.equal((await details('absent')).status, 404);
  assert.equal((await data('absent')).status, 404);
  for (const hostile of ['../../other', 'a/b', '', '.', 'x'.repeat(300), 7, null])
    assert.equal((await data(hostile)).status, 400, String(hostile));
});
