// One writer of one workspace fills what is his and no more: the others go on. Quotas as an administrator sets them, and as each
// protocol refuses.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Bench, idsIn, openServer } from './server.fixture.ts';
import { makeWorkspace } from './work.fixture.ts';

let bench: Bench;
let owner: string;
let first: string;
let second: string;

before(async () => {
  bench = await openServer();
  owner = await bench.ownerToken();
  first = await makeWorkspace(bench, 'Quotas', 'First');
  second = await makeWorkspace(bench, 'Quotas', 'Second');
});
after(() => bench.close());

const mebibyte = 1024 * 1024;
const at = () => `/subscriptions/${bench.subscriptionId}/providers/Strongroom.Quotas`;
const set = (id: string, limit: number | null, token = owner) =>
  bench.arm(token, 'POST', `${at()}/updateQuotas`, { value: [{ id, limit }] });
type Row = { readonly id: string; readonly currentValue: number; readonly limit: number; readonly unit: string };
const usages = async (workspace: string, token = owner): Promise<readonly Row[]> => {
  const reply = await bench.arm(token, 'GET', `${workspace}/usages`);
  assert.equal(reply.status, 200, reply.text);
  return reply.body.value;
};
const rowOf = async (workspace: string, type: string): Promise<Row> => {
  const found = (await usages(workspace)).find(({ id }) => id.includes(type));
  assert.ok(found, type);
  return found;
};
const mlflow = (workspace: string, method: string, path: string, body?: unknown, headers = {}) =>
  bench.send(`/mlflow/v1.0${workspace}/api/2.0/${path}`, {
    method,
    token: owner,
    headers,
    ...(body === undefined ? {} : { body }),
  });

async function run(workspace: string): Promise<{ readonly id: string; readonly experiment: string }> {
  const made = await mlflow(workspace, 'POST', 'mlflow/runs/create', { experiment_id: '0', start_time: 1 });
  assert.equal(made.status, 200, made.text);
  return { id: made.body.run.info.run_id, experiment: made.body.run.info.experiment_id };
}
const artifact = (workspace: string, of: { id: string; experiment: string }, name: string, bytes: number) =>
  mlflow(
    workspace,
    'PUT',
    `mlflow-artifacts/artifacts/${of.experiment}/${of.id}/artifacts/${name}`,
    Buffer.alloc(bytes, 'x'),
  );

test('a full account refuses artifacts and snapshots in their own words, and the other workspace goes on', async () => {
  const account = await rowOf(first, 'storageAccounts');
  assert.ok(account.limit > 0 && account.unit === 'Bytes');
  const done = await set(account.id, account.currentValue + 2 * mebibyte);
  assert.deepEqual([done.status, done.body.value[0].limit], [200, account.currentValue + 2 * mebibyte], done.text);
  const mine = await run(first);
  assert.equal((await artifact(first, mine, 'a', mebibyte)).status, 200);
  const refused = await artifact(first, mine, 'b', 2 * mebibyte);
  assert.deepEqual([refused.status, refused.body.error_code], [507, 'RESOURCE_EXHAUSTED'], refused.text);
  assert.match(refused.body.message, /storage account has reached its quota/);
  const other = await run(second);
  assert.equal((await artifact(second, other, 'b', 2 * mebibyte)).status, 200);
  const now = await rowOf(first, 'storageAccounts');
  assert.ok(now.currentValue > account.currentValue + mebibyte && now.currentValue <= now.limit);
  const metrics = await bench.send('/metrics', { token: owner });
  assert.match(metrics.text, /strongroom_quota_refusals_total\{store="account"\} [1-9]/);
  await set(account.id, null);
  assert.equal((await artifact(first, mine, 'b', 2 * mebibyte)).status, 200, 'the default again, at once');
});

test('a full workspace takes no metrics and no resources; its runs end, deleting goes on, and gives back', async () => {
  const mine = await run(first);
  const database = await rowOf(first, `${first.split('/').at(-1)}`);
  assert.equal(database.id, first);
  await set(first, database.currentValue + 100_000);
  const log = (workspace: string, runId: string, n: number) =>
    mlflow(workspace, 'POST', 'mlflow/runs/log-batch', {
      run_id: runId,
      metrics: Array.from({ length: 1000 }, (_, i) => ({ key: `m${n}`, value: i, timestamp: i, step: i })),
    });
  let refused = await log(first, mine.id, 0);
  for (let n = 1; n < 50 && refused.status === 200; n++) refused = await log(first, mine.id, n);
  assert.deepEqual([refused.status, refused.body.error_code], [507, 'RESOURCE_EXHAUSTED'], refused.text);
  assert.match(refused.body.message, /database of the workspace has reached its quota/);
  const full = await rowOf(first, 'workspaces/First');
  assert.ok(full.currentValue <= full.limit, `${full.currentValue} of ${full.limit}`);
  let status = 201;
  for (let n = 0; n < 60 && status < 300; n++) {
    const model = await bench.arm(owner, 'PUT', `${first}/models/m${n}`, {
      properties: { description: 'd'.repeat(4000) },
    });
    status = model.status;
    if (status >= 300) assert.deepEqual([status, model.body.error.code], [507, 'StorageQuotaExceeded'], model.text);
  }
  assert.equal(status, 507);
  const other = await run(second);
  assert.equal((await log(second, other.id, 0)).status, 200);
  const update = await mlflow(first, 'POST', 'mlflow/runs/update', {
    run_id: mine.id,
    status: 'FINISHED',
    end_time: 2,
  });
  assert.equal(update.status, 200, update.text);
  assert.equal((await mlflow(first, 'POST', 'mlflow/runs/delete', { run_id: mine.id })).status, 200);
  const purge = await mlflow(first, 'POST', 'mlflow/runs/purge', { run_id: mine.id });
  assert.equal(purge.status, 200, purge.text);
  assert.ok((await rowOf(first, 'workspaces/First')).currentValue < full.currentValue);
  const again = await run(first);
  assert.equal((await log(first, again.id, 0)).status, 200);
});

test('who may set a quota is decided at the subscription: an owner of a group raises nothing', async () => {
  const group = first.slice(0, first.indexOf('/providers/'));
  const token = await bench.token(await bench.principal(['Owner'], group), bench.audience('arm'));
  const refused = await set(first, 10 ** 12, token);
  assert.deepEqual([refused.status, refused.body.error.code], [403, 'AuthorizationFailed']);
  assert.equal((await bench.arm(token, 'GET', `${at()}/quotas`)).status, 403);
  assert.equal((await usages(first, token)).length, 3);
  const reader = await bench.token(await bench.principal(['Reader'], first), bench.audience('arm'));
  // What it stands on is shown to those who may see it there.
  assert.deepEqual(
    (await usages(first, reader)).map(({ id }) => id),
    [first],
  );
});

test('quotas are set all or none, are listed, and go with what they were set for', async () => {
  const ids = idsIn(first.slice(0, first.indexOf('/providers/')));
  const nothing = {
    value: [
      { id: first, limit: 5 },
      { id: ids.account('nobodysaccount'), limit: 5 },
    ],
  };
  const refused = await bench.arm(owner, 'POST', `${at()}/updateQuotas`, nothing);
  assert.deepEqual([refused.status, refused.body.error.code], [400, 'InvalidResourceId']);
  for (const limit of [-1, 0.5, '5', 2 ** 60])
    assert.equal(
      (await bench.arm(owner, 'POST', `${at()}/updateQuotas`, { value: [{ id: first, limit }] })).status,
      400,
    );
  assert.equal((await set(ids.vault('none'), 5)).status, 400);
  const listed = async () => {
    const { body } = await bench.arm(owner, 'GET', `${at()}/quotas`);
    assert.ok(body.default.limit > 0);
    return (body.value as Row[]).map(({ id }) => id);
  };
  await set(first, null);
  assert.deepEqual(await listed(), []);
  const account = ids.account('quotaaccount');
  const make = async () => {
    const made = await bench.armDone(owner, 'PUT', account, {
      location: bench.location,
      sku: { name: 'Standard_LRS' },
      kind: 'StorageV2',
    });
    assert.ok(made.status < 300, made.text);
  };
  await make();
  await set(account.toUpperCase().replace('QUOTAACCOUNT', 'quotaaccount'), 5);
  assert.deepEqual(await listed(), [account]);
  const usage = async () => (await bench.arm(owner, 'GET', `${account}/usages`)).body.value[0].limit;
  assert.equal(await usage(), 5);
  await bench.armDone(owner, 'DELETE', account);
  assert.deepEqual(await listed(), []);
  await make();
  assert.ok((await usage()) > 5);
});
